// Parallel coordinates: a line for every run, ranges to drag along the axes.

const LEAST_ROWS = 5;
const LEAST_AXES = 3;
const SPACE = 84;
const HEIGHT = 340;
const NEAR = 6;
const DRAG = 4;
const MANY = 300;
const STRONGEST = [15, 50, 120, 250];
const LONGEST_NAME = 16;
const LONGEST_TICK = 12;

function startParallel() {
  const section = document.getElementById("parallel");
  if (rows.length < LEAST_ROWS || axesAcross(SPACE, HEIGHT).length < LEAST_AXES) return;
  section.hidden = false;
  const chart = element("div", { class: "chart" });
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": "Parallel coordinates" };
  const frame = element("div", region, chart);
  section.append(element("figure", {}, frame));
  const chosen = shape("g");
  let all = [];

  function redraw() {
    const least = axesAcross(SPACE, HEIGHT).length * SPACE + 60;
    const width = Math.max(least, frame.clientWidth);
    all = axesAcross(width, HEIGHT);
    const drawn = rows.filter(visible).toReversed();
    const name = inShort(all, drawn.length);
    const many = drawn.length > MANY && "many";
    const svg = shape("svg", { width, height: HEIGHT, class: many, role: "img", "aria-label": name });
    const threads = drawn.map((row) => shape("path", { class: `thread ${strength(row)}`, d: thread(all, row) }));
    const pointed = shape("path", { class: "hover" });
    svg.append(shape("g", {}, ...threads), chosen, pointed, ...all.map(drawAxis));
    chart.replaceChildren(svg);
    pointAtLines(svg, chart, all, pointed, drawn);
    drawChosen();
  }

  function drawChosen() {
    const line = (row) => ({ class: `line ${colour(row)}`, "stroke-dasharray": dash(row), d: thread(all, row) });
    chosen.replaceChildren(...selected().filter(visible).map((row) => shape("path", line(row))));
  }

  panels.push(redraw);
  on("filter", redraw);
  on("selection", drawChosen);
}

// The best tenth is strongest, the lower half a haze; of a thousand runs only few are strong.
function strength(row) {
  const tenth = Math.floor((row.index / rows.length) * 10);
  const place = STRONGEST.filter((count) => row.index >= count).length;
  return `q${Math.min(4, Math.max(tenth, place))}`;
}

function inShort(all, count) {
  const names = all.map(({ label }) => label).join(", ");
  return `Parallel coordinates of ${names}; ${count} runs. Best: ${rows[0].label}. The table above has the values.`;
}

function drawAxis(axis, index) {
  const first = index === 0;
  const name = axis.label.length > LONGEST_NAME ? `…${axis.label.slice(1 - LONGEST_NAME)}` : axis.label;
  const title = shape("title", {}, axis.key);
  const group = shape(
    "g",
    { class: "coordinate" },
    shape("text", { class: "axis", x: axis.x, y: 14, "text-anchor": "middle" }, name, title),
    shape("line", { x1: axis.x, x2: axis.x, y1: TOP, y2: axis.bottom }),
  );
  for (const tick of axis.ticks) {
    const text = shown(tick);
    const short = text.length > LONGEST_TICK ? `${text.slice(0, LONGEST_TICK - 1)}…` : text;
    const side = first ? { x: axis.x - 6, "text-anchor": "end" } : { x: axis.x + 6 };
    group.append(shape("text", { ...side, y: axis.scale(axis.number(tick)) + 4 }, short));
  }
  group.append(...rangeOf(axis));
  return group;
}

// What is dragged along an axis keeps the rows within; a click on it keeps all.
function rangeOf(axis) {
  const range = shape("rect", { class: "range", x: axis.x - 7, width: 14, rx: 3, visibility: "hidden" });
  const hand = shape("rect", { class: "hand", x: axis.x - 12, width: 24, y: TOP - 12, height: axis.bottom - TOP + 24 });
  const span = (one, other) => {
    fill(range, { y: Math.min(one, other), height: Math.abs(one - other), visibility: "visible" }, []);
  };
  const kept = ranges.get(axis.key);
  if (kept) span(axis.scale(kept.least), axis.scale(kept.most));
  let start = null;
  hand.addEventListener("pointerdown", (event) => {
    start = event.offsetY;
    hand.setPointerCapture(event.pointerId);
  });
  hand.addEventListener("pointermove", (event) => start !== null && span(start, event.offsetY));
  hand.addEventListener("pointerup", (event) => {
    keep(axis, start, event.offsetY);
    start = null;
  });
  return [range, hand];
}

function keep(axis, one, other) {
  const [least, most] = [one, other].map(axis.scale.invert).sort((a, b) => a - b);
  const within = (row) => {
    const value = axis.value(row);
    return !missing(value) && axis.number(value) >= least && axis.number(value) <= most;
  };
  if (Math.abs(one - other) < DRAG) ranges.delete(axis.key);
  else ranges.set(axis.key, Object.assign(within, { least, most }));
  tell("filter");
}

// The line nearest to the pointer stands out, says what it is, and is selected by a click.
function pointAtLines(svg, chart, all, pointed, drawn) {
  const spot = tip(chart);
  let near = null;
  const point = (row) => {
    near = row;
    pointed.setAttribute("d", row ? thread(all, row) : "");
    svg.classList.toggle("pointing", Boolean(row));
  };
  svg.addEventListener("pointermove", ({ offsetX, offsetY, target }) => {
    point(target.classList.contains("hand") ? null : nearest(all, offsetX, offsetY, drawn, NEAR));
    if (!near) return spot.hide();
    const value = element("span", {}, `${report.metric} `, element("b", {}, plain(main(near))));
    return spot.show(offsetX, offsetY - 50, [element("strong", {}, near.rank), element("span", {}, near.label), value]);
  });
  svg.addEventListener("pointerleave", () => {
    point(null);
    spot.hide();
  });
  svg.addEventListener("click", () => near && toggle(near));
}
