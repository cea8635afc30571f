// The report, and which of its rows are selected, hidden and drawn in which colour.

const report = JSON.parse(document.getElementById("data").textContent);
const COLOURS = 8;
const DASHES = ["none", "7 4", "2 3"];
const MOST_SELECTED = COLOURS * DASHES.length;
const LABEL_LENGTH = 44;
const BARE = ["true", "false", "null", "none"];

function statisticOf(entry) {
  if (missing(entry)) return null;
  if (!Array.isArray(entry)) return { mean: entry, std: null, low: null, high: null, count: 1 };
  const [mean, std, low, high, count] = entry;
  return { mean, std, low, high, count };
}

const rows = report.rows.map((entry, index) => {
  const metrics = new Map(report.metrics.map(({ key }, at) => [key, statisticOf(entry.metrics[at])]));
  return { ...entry, index, rank: `#${index + 1}`, metrics, label: labelOf(entry) };
});
const meanOf = (row, name) => row.metrics.get(name)?.mean ?? null;
const main = (row) => meanOf(row, report.metric);
const better = (one, other) => (report.mode === "max" ? one > other : one < other);

// What differs, in short: words as they are, numbers with their name.
function labelOf(entry) {
  const parts = report.columns.map(({ label }, at) => {
    const value = entry.settings[at];
    if (missing(value)) return null;
    return typeof value === "number" || BARE.includes(value) ? `${label} ${shown(value)}` : value;
  });
  return shortened(parts.filter((part) => part !== null)) || entry.name;
}

// As many of the parts as fit, the first at least in part.
function shortened(parts) {
  const fits = (count) => parts.slice(0, count).join(" · ").length <= LABEL_LENGTH;
  const count = parts.findLastIndex((_, index) => fits(index + 1)) + 1;
  if (count === parts.length) return parts.join(" · ");
  return `${count ? parts.slice(0, count).join(" · ") : parts[0].slice(0, LABEL_LENGTH)} …`;
}

// Row → slot: a colour and a dash that stay with the row as long as it is selected.
const selection = new Map();
const watchers = { selection: [], filter: [] };
const on = (event, act) => watchers[event].push(act);
const tell = (event) => watchers[event].forEach((act) => act());

function say(text) {
  document.getElementById("status").textContent = text;
}

function freeSlot() {
  const taken = new Set(selection.values());
  for (let slot = 0; slot < MOST_SELECTED; slot += 1) if (!taken.has(slot)) return slot;
  return null;
}

function toggle(row) {
  if (selection.delete(row)) {
    say(`${row.rank} ${row.label} is no longer drawn.`);
  } else {
    const slot = freeSlot();
    if (slot === null) return say(`${MOST_SELECTED} rows are drawn at most: clear some of them first.`);
    selection.set(row, slot);
    say(`${row.rank} ${row.label} is drawn. ${selection.size} selected.`);
  }
  return tell("selection");
}

function select(wanted) {
  selection.clear();
  wanted.forEach((row, slot) => selection.set(row, slot));
  say(`${selection.size} rows selected.`);
  tell("selection");
}

const selected = () => [...selection.keys()].sort((a, b) => a.index - b.index);
const colour = (row) => `c${selection.get(row) % COLOURS}`;
const dash = (row) => DASHES[Math.floor(selection.get(row) / COLOURS)];

// The sample of a row's line, as the charts draw it.
function swatch(row) {
  const middle = { x1: 1, x2: 21, y1: 6, y2: 6 };
  const line = shape("line", { ...middle, class: `line ${colour(row)}`, "stroke-dasharray": dash(row) });
  return shape("svg", { class: "swatch", width: 22, height: 12, "aria-hidden": "true" }, line);
}
