// How numbers are written.

const missing = (value) => value === null || value === undefined;

const DECIMALS = 4;
const WHOLE = 1e15;
const minus = (text) => text.replace("-", "−");

// How many decimals the numbers of one column get, as in the table of the terminal; null where each is best by itself.
function decimals(values) {
  const sizes = values.map(Math.abs);
  const largest = Math.max(0, ...sizes);
  if (sizes.every((size) => Number.isInteger(size) && size < WHOLE) && largest > 1) return 0;
  if (largest >= WHOLE || (largest > 0 && largest < 10 ** -DECIMALS)) return null;
  return largest ? Math.max(0, DECIMALS - Math.max(0, Math.floor(Math.log10(largest)))) : DECIMALS;
}

// A number with its column's decimals; one that would vanish among them in two digits of its own.
function fixed(value, places) {
  if (places === null) return plain(value);
  const vanishes = value !== 0 && Math.abs(value) < 0.5 * 10 ** -places;
  return minus(vanishes ? String(Number(value.toPrecision(2))) : value.toFixed(places));
}

// A number alone: four digits, no trailing zeros.
function plain(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return minus(String(value));
  const short = Number(value.toPrecision(4));
  return minus(size >= 1e6 || size < 1e-4 ? short.toExponential() : String(short)).replace("e+", "e");
}

function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function scaled(value, units) {
  let size = value, at = 0;
  while (Math.abs(size) >= 1000 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${Number(size.toPrecision(3))}${units[at]}`;
}

const bytes = (value) => scaled(value, [" B", " kB", " MB", " GB"]);
const amount = (value) => scaled(value, ["", " k", " M", " G"]);

// A setting or a short text of it.
const shown = (value) => (missing(value) ? "–" : typeof value === "number" ? plain(value) : value);
