// A chart in a frame: a heading with choices, the drawing, and what it says in words.

const panels = [];

/* `choices` and `checks` are [value, label] pairs. `draw(svg, chart, size, choice, checked)` returns the sentence that
   stands for the picture, and a table of its values if there are any. */
function panel(parent, name, choices, chosen, draw, checks = []) {
  const id = `${parent.parentElement.id}-${parent.childElementCount}`;
  const options = choices.map(([value, label]) => element("option", { value, selected: value === chosen }, label));
  const choice = element("select", { "aria-label": name, change: redraw }, ...options);
  const boxes = checks.map(([value]) => element("input", { type: "checkbox", value, change: redraw }));
  const labels = checks.map(([, label], at) => element("label", { class: "check" }, boxes[at], label));
  const values = element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Values: ${name}` });
  const words = element("details", {}, element("summary", {}, "Values"), values);
  const chart = element("div", { class: "chart" });
  const bar = element("div", { class: "bar" }, choice, element("span", { class: "space" }), ...labels);
  parent.append(element("figure", {}, bar, chart, words));

  function redraw() {
    const width = chart.clientWidth;
    if (!width) return;
    const size = { width, height: width < 420 ? 250 : 310 };
    const title = shape("title", { id: `${id}-title` });
    const svg = shape("svg", { ...size, role: "img", "aria-labelledby": title.id });
    chart.replaceChildren(svg);
    const checked = boxes.filter((box) => box.checked).map((box) => box.value);
    const { sentence, table } = draw(svg, chart, size, choice.value, checked);
    title.textContent = sentence;
    svg.prepend(title);
    words.hidden = !table;
    if (table) values.replaceChildren(table);
  }
  panels.push(redraw);
  return redraw;
}

function nothing(svg, size, text) {
  const middle = { x: size.width / 2, y: size.height / 2, "text-anchor": "middle" };
  svg.append(shape("text", { class: "empty", ...middle }, text));
  return { sentence: text };
}

// Charts are drawn in real pixels, so that text keeps its size: again when the width changes.
let drawnWidth = 0;
function redrawPanels() {
  drawnWidth = document.documentElement.clientWidth;
  panels.forEach((redraw) => redraw());
}

function watchWidth() {
  new ResizeObserver(() => {
    if (document.documentElement.clientWidth !== drawnWidth) requestAnimationFrame(redrawPanels);
  }).observe(document.documentElement);
}
