// Learning curves: every run of a selected row thin, their mean strong.

const CHECKS = [
  ["seconds", "by seconds"],
  ["late", "last half"],
  ["log", "log"],
];
const pointsOf = (flat) => Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at], flat[2 * at + 1]]);

// The value of a curve at any step between its points; null outside.
function interpolated(points, step) {
  let low = 0,
    high = points.length - 1;
  if (step < points[low][0] || step > points[high][0]) return null;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= step) low = middle;
    else high = middle;
  }
  const [x0, y0] = points[low],
    [x1, y1] = points[high];
  return x1 === x0 ? y1 : y0 + ((step - x0) / (x1 - x0)) * (y1 - y0);
}

// The mean over the runs where all of them are known.
function meanCurve(runs) {
  if (runs.length === 1) return runs[0];
  const places = [...new Set(runs.flat().map(([step]) => step))].sort((a, b) => a - b);
  return places
    .map((step) => [step, runs.map((points) => interpolated(points, step))])
    .filter(([, values]) => values.every((value) => value !== null))
    .map(([step, values]) => [step, values.reduce((sum, value) => sum + value, 0) / values.length]);
}

// By seconds, steps are spread evenly over a run's training; runs that don't say how long it took are left out.
function lines(name, bySeconds) {
  const index = report.curves.findIndex(({ key }) => key === name);
  const runsOf = ({ curves, paces }) =>
    curves[index].map((flat, run) => {
      const pace = bySeconds ? paces[run] : 1;
      return pace ? pointsOf(flat).map(([step, value]) => [step * pace, value]) : [];
    });
  return selected()
    .map((row) => ({ row, runs: runsOf(row).filter((points) => points.length) }))
    .filter(({ runs }) => runs.length)
    .map((line) => ({ ...line, mean: meanCurve(line.runs) }));
}

function drawCurves(svg, chart, size, name, checked) {
  const log = checked.includes("log"), late = checked.includes("late");
  const bySeconds = checked.includes("seconds"), unit = bySeconds ? "seconds" : "step";
  const all = lines(name, bySeconds);
  const last = Math.max(...all.flatMap(({ runs }) => runs.map((points) => points.at(-1)[0])));
  const wanted = (points) => points.filter(([step, value]) => !(log && value <= 0) && !(late && step < last / 2));
  const drawn = all.map(({ row, runs, mean }) => ({ row, runs: runs.map(wanted), mean: wanted(mean) }));
  const points = drawn.flatMap(({ runs }) => runs.flat());
  if (!points.length) return nothing(svg, size, selection.size ? "No values to draw" : "Select rows of the table");
  const box = boxOf(size, 52, 40);
  const x = scaleOver(points.map(([step]) => step), false, box.left, box.right, 0);
  const y = scaleOver(points.map(([, value]) => value), log, box.bottom, box.top, 6);
  axes(svg, box, x, y, { x: plain, y: plain }, { x: unit, y: "" });
  const line = (each) => `M${each.map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("L")}`;
  for (const { row, runs, mean } of drawn.filter((each) => each.mean.length)) {
    const single = runs.length > 1 ? runs.filter((each) => each.length) : [];
    svg.append(...single.map((each) => shape("path", { class: `line seed ${colour(row)}`, d: line(each) })));
    svg.append(shape("path", { class: `line ${colour(row)}`, d: line(mean), "stroke-dasharray": dash(row) }));
  }
  labelEnds(svg, box, drawn, y);
  follow(svg, chart, box, drawn, x, y, unit);
  return inWords(name, drawn, unit);
}

function labelEnds(svg, box, drawn, y) {
  const ends = drawn.filter(({ mean }) => mean.length);
  const lasts = ends.map(({ mean }) => y(mean.at(-1)[1]));
  const places = apart(lasts, 13, box.top + 6, box.bottom);
  ends.forEach(({ row }, index) => {
    const place = { x: box.right + 6, y: places[index] + 4 };
    svg.append(shape("text", { class: `end ${colour(row)}`, ...place }, row.rank));
  });
}

// A line at the place under the pointer, and the values there.
function follow(svg, chart, box, drawn, x, y, unit) {
  const cursor = shape("line", { class: "cursor", y1: box.top, y2: box.bottom, visibility: "hidden" });
  const spot = tip(chart);
  svg.append(cursor);
  svg.addEventListener("pointermove", (event) => {
    const place = Math.max(box.left, Math.min(box.right, event.offsetX));
    const step = x.invert(place);
    const there = drawn
      .map(({ row, mean }) => [row, mean.length ? interpolated(mean, step) : null])
      .filter(([, value]) => value !== null)
      .sort(([, one], [, other]) => y(one) - y(other));
    fill(cursor, { x1: place, x2: place, visibility: "visible" }, []);
    const head = element("strong", {}, `${unit} ${plain(unit === "step" ? Math.round(step) : step)}`);
    const text = ([row, value]) => element("span", {}, swatch(row), ` ${row.rank} `, element("b", {}, plain(value)));
    spot.show(place, box.top, [head, ...there.map(text)]);
  });
  svg.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    spot.hide();
  });
}

function inWords(name, drawn, unit) {
  const low = report.curves.find(({ key }) => key === name).cost;
  const better = (one, other) => (low ? one[1] < other[1] : one[1] > other[1]);
  const known = drawn.filter(({ mean }) => mean.length).map(({ row, mean }) => {
    const best = mean.reduce((one, other) => (better(other, one) ? other : one));
    return [`${row.rank} ${row.label}`, plain(mean.at(-1)[1]), plain(best[1]), plain(best[0])];
  });
  const sentence = `Learning curves of ${name}. ${known.map(([label, last]) => `${label} ends at ${last}.`).join(" ")}`;
  return { sentence, table: tableOf(["Run", "last", low ? "lowest" : "highest", `at ${unit}`], known) };
}

function drawLegend() {
  const entries = selected().map((row) => {
    const name = `${row.rank} ${row.label}`;
    const remove = () => {
      toggle(row);
      (document.querySelector("#legend button") ?? current.node).focus();
    };
    const button = element("button", { type: "button", "aria-label": `Remove ${name}`, click: remove }, "×");
    return element("li", {}, swatch(row), element("span", {}, name), button);
  });
  document.getElementById("legend").replaceChildren(...entries);
}

function startCurves() {
  const section = document.getElementById("curves");
  const names = report.curves.map(({ key }) => key);
  section.hidden = !names.length;
  const choices = names.map((name) => [name, name]);
  const loss = names.slice(1).find((name) => name.endsWith("loss"));
  for (const name of [names[0], loss ?? names[1]].filter(Boolean)) {
    on("selection", panel(section.querySelector(".pair"), "Curve", choices, name, drawCurves, CHECKS));
  }
  on("selection", drawLegend);
  const hints = [];
  if (rows.some((row) => row.paths.length > 1)) hints.push("Thin lines are single runs, the strong one their mean.");
  if (report.left_out.length) hints.push(`Left out to keep this file small: ${report.left_out.join(", ")}.`);
  document.getElementById("curves-hint").textContent = hints.join(" ");
}
