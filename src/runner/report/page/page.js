// Puts the parts together.

const SELECTED_FIRST = 5;
const TESTED = /^(test|final)\/(?!val\/|train\/)/;

function introduce() {
  const runs = rows.reduce((sum, row) => sum + row.paths.length, 0);
  const grouped = runs > rows.length ? ` in ${rows.length} groups` : "";
  const by = report.metric ? `, ranked by ${report.metric}` : "";
  document.getElementById("title").textContent = `${runs} ${runs === 1 ? "run" : "runs"}${grouped}${by}`;
  const about = report.ranked_by ? [report.ranked_by.slice(report.metric.length + 2)] : [];
  const started = Math.max(...rows.map((row) => row.started ?? -Infinity));
  const style = { dateStyle: "medium", timeStyle: "short" };
  if (Number.isFinite(started)) about.push(`latest of ${new Date(started * 1000).toLocaleString(undefined, style)}`);
  if (report.others.length) about.push(`${report.others.length} not in the table`);
  document.getElementById("about").textContent = about.join(" · ");
  if (rows.length) document.getElementById("figures").append(...figures());
}

function figures() {
  const best = rows[0].metrics.get(report.metric);
  const spread = best?.std ? ` ± ${plain(Number(best.std.toPrecision(2)))}` : "";
  const values = rows.map(main).filter(Number.isFinite).toSorted((one, other) => one - other);
  const total = rows.reduce((sum, row) => sum + (meanOf(row, "seconds/total") ?? 0) * row.paths.length, 0);
  const name = best ? `Best ${report.metric}` : "Best";
  const known = [[name, best ? plain(best.mean) + spread : "–", rows[0].label], ...testOfBest()];
  if (values.length > 2) {
    const range = `${plain(values[0])} to ${plain(values.at(-1))}`;
    known.push(["Median", plain(values[Math.floor(values.length / 2)]), range]);
  }
  if (total) known.push(["Time", duration(total), "all runs together"]);
  return known.map(([name, value, note]) => {
    const told = element("dd", {}, element("b", {}, value), element("span", {}, note));
    return element("div", {}, element("dt", {}, name), told);
  });
}

// What the best row reaches on test data, which had no part in choosing it.
function testOfBest() {
  const name = report.shown.find((each) => each !== report.metric && TESTED.test(each));
  const found = name && rows[0].metrics.get(name);
  if (!found) return [];
  const { mean, std, low, high, count } = found;
  const spread = std ? ` ± ${plain(Number(std.toPrecision(2)))}` : "";
  const range = low === null ? "" : `, 95 % interval ${plain(low)} to ${plain(high)}`;
  return [[name, plain(mean) + spread, `of the best${count > 1 ? `, ${count} runs` : ""}${range}`]];
}

function showOthers() {
  if (!report.others.length) return;
  document.getElementById("others").hidden = false;
  const lines = report.others.map(([name, state, reason, path]) => [
    name,
    element("span", { class: "state" }, state),
    element("span", { class: "reason" }, reason),
    element("code", {}, path),
  ]);
  document.querySelector("#others .scroll").append(tableOf(["Run", "State", "Why", "Directory"], lines, Infinity));
}

function listen() {
  const filter = document.getElementById("filter");
  const clear = document.getElementById("clear-ranges");
  filter.addEventListener("input", () => filterBy(filter.value));
  clear.addEventListener("click", () => {
    ranges.clear();
    tell("filter");
  });
  const best = () => select(rows.filter(visible).slice(0, SELECTED_FIRST));
  document.getElementById("pick-best").addEventListener("click", best);
  document.getElementById("pick-none").addEventListener("click", () => select([]));
  closing(document.getElementById("columns"));
  on("filter", () => {
    hideRows();
    clear.hidden = !ranges.size;
    say(`${rows.filter(visible).length} rows shown.`);
  });
  on("selection", markRows);
}

function remarks() {
  const plots = "The dots are the means on one scale, the lines through them the intervals.";
  const grouped = rows.some((row) => row.paths.length > 1);
  return [...report.remarks.slice(0, 1), ...(grouped ? [plots] : []), ...report.remarks.slice(1)].join(" ");
}

// A list that hangs over the page closes on Escape and on a click elsewhere.
function closing(details) {
  document.addEventListener("click", (event) => {
    if (!details.contains(event.target)) details.open = false;
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    details.open = false;
    details.querySelector("summary").focus();
  });
}

introduce();
showOthers();
if (rows.length) {
  document.querySelector("#runs .hint").after(element("p", { class: "hint" }, remarks()));
  drawTable();
  columnChoices();
  listen();
  startCurves();
  startPareto();
  startParallel();
  startDifferences();
  redrawPanels();
  select(rows.slice(0, SELECTED_FIRST));
  watchWidth();
} else {
  for (const id of ["runs", "curves"]) document.getElementById(id).hidden = true;
}
