// The table: sortable, its rows chosen by click or key.

const PLOT = { width: 96, height: 14 };
const FAR = 10;
const LONGEST_HEADING = 20;
const isMain = (column) => column.key === report.metric;
const classes = (...names) => names.filter(Boolean).join(" ");
// Of the metric of the report the best come first, of all else the smallest, until the heading is clicked again.
const startsDescending = (column) => isMain(column) && report.mode === "max";
let sorting = { key: report.metric || "rank", descending: report.mode === "max" && Boolean(report.metric) };
let current = rows[0];

function sortBy(column) {
  const descending = sorting.key === column.key ? !sorting.descending : startsDescending(column);
  sorting = { key: column.key, descending };
  drawTable();
  document.querySelector(`#table th[data-key="${CSS.escape(column.key)}"] button`).focus();
}

// Rows without the value come last either way.
function sorted() {
  const { value } = columns.find((column) => column.key === sorting.key);
  const sign = sorting.descending ? -1 : 1;
  const absent = (each) => missing(each) || Number.isNaN(each);
  return rows.toSorted((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (absent(a) || absent(b)) return absent(a) - absent(b) || one.index - other.index;
    return sign * compare(a, b) || one.index - other.index;
  });
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b, undefined, { numeric: true });
}

function heading(column) {
  const active = sorting.key === column.key;
  const order = active ? (sorting.descending ? "descending" : "ascending") : "none";
  const sign = { none: "", ascending: "▲", descending: "▼" }[order];
  const arrow = element("span", { class: "arrow", "aria-hidden": "true" }, sign);
  const parts = column.label.length > LONGEST_HEADING ? column.label.split("/") : [column.label];
  const words = parts.flatMap((part, at) => (at ? ["/", element("wbr"), part] : [part]));
  const act = { type: "button", click: () => sortBy(column), title: column.title };
  const kind = classes(column.numeric && "number", column.key === "rank" && "rank", isMain(column) && "main");
  const attributes = { scope: "col", "aria-sort": order, class: kind, "data-key": column.key };
  return element("th", attributes, element("button", act, ...words, arrow));
}

// The scale of all means, for the plot beside each.
function intervalScale() {
  const means = rows.map(main).filter(Number.isFinite);
  return means.length ? scaleOver(means, false, 0, PLOT.width, 12) : null;
}

function intervalPlot(statistic, scale) {
  const svg = shape("svg", { class: "interval", ...PLOT, "aria-hidden": "true" });
  if (!Number.isFinite(statistic?.mean)) return svg;
  const { mean, low, high } = statistic;
  const y = PLOT.height / 2;
  const inside = (value) => Math.max(0, Math.min(PLOT.width, scale(value)));
  if (low !== null) svg.append(shape("line", { x1: inside(low), x2: inside(high), y1: y, y2: y }));
  svg.append(shape("circle", { cx: scale(mean), cy: y, r: 3.5 }));
  return svg;
}

function cellOf(row, column, scale) {
  if (column.key === "rank") {
    const mark = element("span", { class: "mark", "aria-hidden": "true" });
    return element("th", { scope: "row", class: "rank" }, mark, String(row.index + 1));
  }
  const content = column.cell(row);
  if (isMain(column)) content.push(intervalPlot(row.metrics.get(column.key), scale));
  const kind = classes(column.numeric && "number", isMain(column) && "main");
  return element("td", { class: kind, title: column.full?.(row) }, ...content);
}

function drawTable() {
  const scale = intervalScale(), shownColumns = seen();
  const body = element("tbody", { click: clicked, keydown: pressed });
  for (const row of sorted()) {
    const cells = shownColumns.map((column) => cellOf(row, column, scale));
    row.node = element("tr", { tabindex: row === current ? 0 : -1 }, ...cells);
    row.node.row = row;
    body.append(row.node);
  }
  const caption = element("caption", { class: "unseen" }, `Runs ranked by ${report.ranked_by}; select rows to draw them.`);
  const head = element("thead", {}, element("tr", {}, ...shownColumns.map(heading)));
  const grid = { role: "grid", "aria-multiselectable": "true", "aria-labelledby": "runs-title" };
  document.getElementById("table").replaceChildren(element("table", grid, caption, head, body));
  const choice = `Columns (${shownColumns.length} of ${columns.length})`;
  document.querySelector("#columns summary").textContent = choice;
  markRows();
  hideRows();
}

function markRows() {
  for (const row of rows) {
    row.node.setAttribute("aria-selected", selection.has(row));
    row.node.className = selection.has(row) ? colour(row) : "";
  }
}

function hideRows() {
  for (const row of rows) row.node.hidden = !visible(row);
  const left = rows.filter((row) => !row.node.hidden);
  document.getElementById("count").textContent = left.length === rows.length ? "" : `${left.length} of ${rows.length}`;
  if (current.node.hidden && left.length) reach(left[0], false);
}

// One row at a time can be reached with Tab; the arrows move on from it.
function reach(row, focus) {
  current.node.tabIndex = -1;
  current = row;
  row.node.tabIndex = 0;
  if (focus) row.node.focus();
}

function clicked(event) {
  if (String(getSelection())) return;
  const { row } = event.target.closest("tr");
  reach(row, false);
  toggle(row);
}

function pressed(event) {
  const nodes = [...event.currentTarget.rows].filter((node) => !node.hidden);
  const at = nodes.indexOf(event.target.closest("tr")), end = nodes.length - 1;
  const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + FAR, PageUp: at - FAR, Home: 0, End: end };
  if (event.key in moves) reach(nodes[Math.max(0, Math.min(end, moves[event.key]))].row, true);
  else if (event.key === "Enter" || event.key === " ") toggle(nodes[at].row);
  else return;
  event.preventDefault();
}

function columnChoices() {
  const choice = (column) => {
    const change = (event) => {
      if (event.target.checked) hidden.delete(column.key);
      else hidden.add(column.key);
      if (hidden.has(sorting.key)) sorting = { key: "rank", descending: false };
      drawTable();
    };
    const box = element("input", { type: "checkbox", checked: !hidden.has(column.key), change });
    return element("label", {}, box, column.title);
  };
  document.querySelector("#columns fieldset").append(...optional.map(choice));
}
