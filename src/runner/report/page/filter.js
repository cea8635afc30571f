// Which rows are shown: words and comparisons that are typed, ranges that are dragged.

// As in --where: a name, a sign, a value.
const COMPARISON = /^([^<>=!]+)(<=|>=|!=|==|<|>|=)(.+)$/;
const ORDERS = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};
let tests = [];
// Axis of the parallel coordinates → a test of a row.
const ranges = new Map();

function valueOf(row, key) {
  const named = (name) => name === key || name.endsWith(`.${key}`) || name.endsWith(`/${key}`);
  const at = report.columns.findIndex((column) => column.label === key || named(column.key));
  if (at >= 0) return row.settings[at];
  if (key === report.metric || report.metric.endsWith(`/${key}`)) return main(row);
  const metric = report.metrics.find((each) => each.label === key || named(each.key));
  return metric && meanOf(row, metric.key);
}

// A value as a number, if it is one.
function numberOf(value) {
  const text = String(value).trim();
  return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
}

// Numbers are equal as numbers, all else as it is written, whatever the spaces.
function equals(value, wanted) {
  const [one, other] = [numberOf(value), numberOf(wanted)];
  if (one !== null && other !== null) return one === other;
  const plainly = (text) => String(text).replaceAll(" ", "");
  return plainly(value) === plainly(wanted).replace(/^['"]+|['"]+$/g, "");
}

// A row without the value satisfies != only.
function comparison([, key, sign, wanted]) {
  return (row) => {
    const value = valueOf(row, key);
    if (sign === "!=") return missing(value) || !equals(value, wanted);
    if (missing(value)) return false;
    if (sign === "=" || sign === "==") return equals(value, wanted);
    const [one, other] = [numberOf(value), numberOf(wanted)];
    return one !== null && other !== null && ORDERS[sign](one, other);
  };
}

function searched(row) {
  const settings = report.columns.map(({ label }, at) => `${label}=${row.settings[at] ?? ""}`);
  row.text ??= [row.name, row.rank, ...settings, ...row.paths].join(" ").toLowerCase();
  return row.text;
}

// A comparison of something known, or text to be found anywhere.
function testOf(word) {
  const match = word.match(COMPARISON);
  const known = match && rows.some((row) => !missing(valueOf(row, match[1])));
  return known ? comparison(match) : (row) => searched(row).includes(word.toLowerCase());
}

function filterBy(text) {
  tests = text.trim().split(/\s+/).filter(Boolean).map(testOf);
  tell("filter");
}

const visible = (row) => tests.every((test) => test(row)) && [...ranges.values()].every((test) => test(row));
