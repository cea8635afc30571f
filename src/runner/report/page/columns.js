// The columns that a table of the runs can have, and how their values are written.

const MOST_SETTINGS = 8;
const MOST_METRICS = 8;
const BYTES = /bytes(\/|$)/;

function settingColumn({ key, label }, at) {
  const value = (row) => row.settings[at];
  const numeric = rows.every((row) => missing(value(row)) || typeof value(row) === "number");
  const full = (row) => (shown(value(row)) === String(value(row)) ? null : String(value(row)));
  return { key, label, value, numeric, title: key, full, cell: (row) => [shown(value(row))] };
}

function metricColumn({ key, label }) {
  const value = (row) => meanOf(row, key);
  const write = writer(key, rows.map(value).filter((each) => each !== null));
  const cell = (row) => (row.metrics.get(key) ? meanCell(row.metrics.get(key), write) : ["–"]);
  return { key, label, value, numeric: true, title: key, cell };
}

// How the numbers of a metric are written; `values` are those that stand below each other.
function writer(name, values) {
  if (BYTES.test(name)) return bytes;
  if (name === "parameters" || name.endsWith("/macs")) return amount;
  if (name.startsWith("seconds/")) return duration;
  const places = decimals(values);
  return (each) => fixed(each, places);
}

function meanCell({ mean, std, low, high, count }, write) {
  if (std === null && low !== null) {
    const title = "95 % interval by Wilson, from the number of test samples";
    return [write(mean), element("small", { title }, ` [${write(low)}, ${write(high)}]`)];
  }
  if (std === null || (std === 0 && Number.isInteger(mean))) return [write(mean)];
  const title = `standard deviation of ${count} runs; 95 % interval of the mean: ${write(low)} to ${write(high)}`;
  return [write(mean), element("small", { title }, ` ± ${write(std)}`)];
}

const rank = { key: "rank", label: "#", title: "rank", value: (row) => row.index, numeric: true };
const count = (row) => row.paths.length;
const counted = (row) => [String(count(row))];
const seeds = { key: "seeds", label: "seeds", title: "seeds", value: count, numeric: true, cell: counted };
const optional = [...report.columns.map(settingColumn), seeds, ...report.metrics.map(metricColumn)];
const columns = [rank, ...optional];

// At first hidden: metrics that the report doesn't ask for, and what no table has room for.
const hidden = new Set([
  ...report.metrics.map(({ key }) => key).filter((key) => !report.shown.includes(key)),
  ...report.columns.slice(MOST_SETTINGS).map(({ key }) => key),
  ...report.shown.slice(MOST_METRICS),
]);
if (rows.every((row) => count(row) === 1)) hidden.add("seeds");
const seen = () => columns.filter((column) => !hidden.has(column.key));
