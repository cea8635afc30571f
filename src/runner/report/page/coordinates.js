// The axes of the parallel coordinates: where on each a row lies.

const MOST_AXES = 9;
const FEW_VALUES = 6;
const MOST_TICKS = 12;
const SKEWED = 0.15;
const TOP = 34;
const BELOW = 14;
const MARGINS = { left: 84, right: 76, bottom: 26 };

const known = (column) => rows.map(column.value).filter((value) => !missing(value) && !Number.isNaN(value));

/* A column as an axis between two heights: `number(value)` is what its scale takes, for words their place in the
   alphabet. Null where all rows have the same value. */
function axisOf(column, bottom, top) {
  const all = known(column);
  const distinct = [...new Set(all)].sort(compare);
  if (distinct.length < 2) return null;
  const numeric = distinct.every(Number.isFinite);
  const number = (value) => (numeric ? value : distinct.indexOf(value));
  const log = numeric && isSkewed(all.toSorted(compare));
  const scale = scaleOver(distinct.map(number), log, bottom, top, 0);
  const [low, high] = [number(distinct[0]), number(distinct.at(-1))];
  const few = !numeric || distinct.length <= FEW_VALUES;
  const ticks = few ? distinct.slice(0, MOST_TICKS) : scale.ticks(4).filter((tick) => tick >= low && tick <= high);
  return { ...column, scale, ticks, number, bottom };
}

// Whether most values lie near the lower end, as those of learning rates do: then powers of ten are as far apart.
function isSkewed(ascending) {
  const [low, middle, high] = [0, 0.5, 1].map((share) => ascending[Math.floor((ascending.length - 1) * share)]);
  return low > 0 && high / low >= 10 && (middle - low) / (high - low) < SKEWED;
}

// Every setting that differs, and the metric last, side by side.
function axesAcross(width, height) {
  const bottom = height - MARGINS.bottom;
  const settings = report.columns.map(settingColumn).map((column) => axisOf(column, bottom, TOP));
  const metric = axisOf({ key: report.metric, label: report.metric, value: main }, bottom, TOP);
  const all = [...settings.filter(Boolean).slice(0, MOST_AXES), metric].filter(Boolean);
  const apart = (width - MARGINS.left - MARGINS.right) / Math.max(1, all.length - 1);
  return all.map((axis, index) => ({ ...axis, x: MARGINS.left + index * apart }));
}

// Rows without a value pass below the axis.
function heightOn(axis, row) {
  const value = axis.value(row);
  return missing(value) || Number.isNaN(value) ? axis.bottom + BELOW : axis.scale(axis.number(value));
}

function thread(all, row) {
  return `M${all.map((axis) => `${axis.x.toFixed(1)} ${heightOn(axis, row).toFixed(1)}`).join("L")}`;
}

// The row whose line passes closest to a point between two axes; null where none is near.
function nearest(all, x, y, drawn, near) {
  const at = all.findIndex((axis) => axis.x >= x);
  if (at < 1) return null;
  const [left, right] = [all[at - 1], all[at]];
  const share = (x - left.x) / (right.x - left.x);
  let found = null, least = near;
  for (const row of drawn) {
    const away = Math.abs(heightOn(left, row) * (1 - share) + heightOn(right, row) * share - y);
    if (away <= least) [found, least] = [row, away];
  }
  return found;
}
