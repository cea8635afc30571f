// The settings of the selected rows beside the best one's, where they differ.

const orDash = (value) => (typeof value === "number" ? plain(value) : (value ?? "–"));

function spread(row) {
  const statistic = row.metrics.get(report.metric);
  if (!statistic) return "–";
  const { mean, std, low, high } = statistic;
  const short = (value) => plain(Number(value.toPrecision(2)));
  if (low === null) return plain(mean);
  return `${plain(mean)}${std === null ? "" : ` ± ${short(std)}`} (95 % interval ${plain(low)} to ${plain(high)})`;
}

function written(name, write) {
  return (row) => (meanOf(row, name) === null ? "–" : write(meanOf(row, name)));
}

const told = [
  [report.metric || "metric", spread],
  ["runs", (row) => String(row.paths.length)],
  ["parameters", written("parameters", (value) => value.toLocaleString("en"))],
  ["time of a run", written("seconds/total", duration)],
];

function drawDifferences() {
  const others = selected().filter((row) => row !== rows[0]);
  const compared = [rows[0], ...others];
  const own = new Map(others.map((row) => [row, new Map(row.differences)]));
  const indexes = [...report.keys.keys()].filter((key) => others.some((row) => own.get(row).has(key)));
  const settings = indexes.map((key) => {
    const cells = others.map((row) => {
      const differs = own.get(row).has(key);
      const value = differs ? own.get(row).get(key) : report.best[key];
      return element("span", { class: differs ? "differs" : "same" }, orDash(value));
    });
    return [report.keys[key], orDash(report.best[key]), ...cells];
  });
  const described = told.map(([name, value]) => [name, ...compared.map(value)]);
  const code = (row) => row.paths.map((path) => element("code", {}, path));
  const paths = compared.map((row) => element("div", { class: "paths" }, ...code(row)));
  const heads = compared.map((row) => {
    const name = row === rows[0] ? `Best: ${row.label}` : `${row.rank} ${row.label}`;
    return element("span", {}, selection.has(row) ? swatch(row) : null, name);
  });
  const table = tableOf(["Setting", ...heads], [...described, ...settings, ["directory", ...paths]], Infinity);
  table.className = "matrix";
  document.querySelector("#differences .scroll").replaceChildren(table);
}

function startDifferences() {
  document.getElementById("differences").hidden = false;
  on("selection", drawDifferences);
}
