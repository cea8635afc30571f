// Elements, scales and axes; no text ever becomes markup here.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => !missing(child)));
  return node;
}

const element = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const shape = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function linear(low, high, from, to) {
  const room = high > low ? 0 : Math.abs(low) * 0.1 || 1;
  const start = low - room, length = high + room - start;
  const scale = (value) => from + ((value - start) / length) * (to - from);
  scale.invert = (place) => start + ((place - from) / (to - from)) * length;
  scale.ticks = (count) => steps(start, start + length, count);
  return scale;
}

function logarithmic(low, high, from, to) {
  const inner = linear(Math.log10(low), Math.log10(high), from, to);
  const scale = (value) => inner(Math.log10(Math.max(value, Number.MIN_VALUE)));
  scale.invert = (place) => 10 ** inner.invert(place);
  scale.ticks = (count) => powers(scale.invert(from), scale.invert(to), count);
  return scale;
}

function steps(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.99);
  const ticks = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

function powers(one, other, count) {
  const low = Math.min(one, other), high = Math.max(one, other);
  const inside = (tick) => tick >= low * 0.999 && tick <= high * 1.001;
  for (const factors of [[1], [1, 3], [1, 2, 5]]) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
      ticks.push(...factors.map((factor) => Number(`${factor}e${power}`)).filter(inside));
    }
    if (ticks.length >= 3) return ticks.filter((_, index) => index % Math.ceil(ticks.length / (count + 2)) === 0);
  }
  return steps(low, high, count);
}

// The area of a chart between its labels.
function boxOf(size, left, right) {
  return { left, right: size.width - right, top: 24, bottom: size.height - 40, height: size.height };
}

// Grid lines and labelled ticks; `write` says how the numbers of each axis are written, `names` what they are.
function axes(svg, box, x, y, write, names) {
  const group = shape("g", { class: "axes" });
  for (const tick of y.ticks(box.height > 260 ? 5 : 4)) {
    group.append(
      shape("line", { x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
      shape("text", { x: box.left - 8, y: y(tick) + 4, "text-anchor": "end" }, write.y(tick)),
    );
  }
  for (const tick of x.ticks(Math.max(2, Math.min(7, (box.right - box.left) / 65)))) {
    group.append(
      shape("line", { class: "tick", x1: x(tick), x2: x(tick), y1: box.bottom, y2: box.bottom + 4 }),
      shape("text", { x: x(tick), y: box.bottom + 18, "text-anchor": "middle" }, write.x(tick)),
    );
  }
  group.append(
    shape("line", { class: "base", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
    shape("text", { class: "axis", x: 0, y: 12 }, names.y),
    shape("text", { class: "axis", x: box.right, y: box.bottom + 36, "text-anchor": "end" }, names.x),
  );
  svg.append(group);
}

const extreme = (values, pick) => values.reduce((one, other) => pick(one, other));

// A scale over all of these values, with some room at both ends.
function scaleOver(values, log, from, to, room) {
  const inward = Math.sign(to - from) * room;
  const scale = log ? logarithmic : linear;
  return scale(extreme(values, Math.min), extreme(values, Math.max), from + inward, to - inward);
}

// A table of texts or elements; the first cell of a line is its heading, the cells after `left` columns are numbers.
function tableOf(headings, lines, left = 1) {
  const side = (at) => (at < left ? null : "number");
  const head = headings.map((each, at) => element("th", { scope: "col", class: side(at) }, each));
  const cell = (each, at) => element(at ? "td" : "th", { scope: at ? null : "row", class: side(at) }, each);
  const body = lines.map((line) => element("tr", {}, ...line.map(cell)));
  return element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
}

// Pushes places (in drawing order) apart so that labels of this height do not overlap.
function apart(places, height, low, high) {
  const order = places.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
  let least = low;
  for (const each of order) {
    each.place = Math.max(each.place, least);
    least = each.place + height;
  }
  let most = high;
  for (const each of [...order].reverse()) {
    each.place = Math.min(each.place, most);
    most = each.place - height;
  }
  return order.sort((a, b) => a.index - b.index).map((each) => each.place);
}

// A small box of text lines beside the pointer.
function tip(chart) {
  const box = element("div", { class: "tip", "aria-hidden": "true", hidden: true });
  chart.append(box);
  return {
    show(left, top, lines) {
      box.replaceChildren(...lines);
      box.hidden = false;
      const wide = chart.clientWidth, own = box.offsetWidth;
      box.style.left = `${Math.max(0, left + 14 + own > wide ? left - own - 14 : left + 14)}px`;
      box.style.top = `${Math.max(0, Math.min(top, chart.clientHeight - box.offsetHeight))}px`;
    },
    hide() {
      box.hidden = true;
    },
  };
}
