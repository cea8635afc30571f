// What compressed and other networks cost, and how good they are.

const ms = (value) => `${plain(value)} ms`;
const atBatch = (what) => (batch) => `${what} at batch ${batch}`;
// The first group of a pattern is the program whose cost it is, the second the batch size.
const COSTS = [
  { pattern: /^benchmark\/(.+)\/latency_ms\/batch_(\d+)$/, label: atBatch("latency"), write: ms },
  { pattern: /^benchmark\/([^/]+)\/bytes$/, label: () => "file size", write: bytes },
  { pattern: /^bytes\/((?:int8|float)[^/]*)$/, label: () => "file size", write: bytes },
  { pattern: /^benchmark\/(.+)\/working_memory_bytes\/batch_(\d+)$/, label: atBatch("working memory"), write: bytes },
  { pattern: /^benchmark\/(.+)\/macs$/, label: () => "multiply-accumulates", write: amount },
  { pattern: /^(?=parameters$)/, label: () => "parameters", write: amount },
  { pattern: /^(?=finetune\/latency_ms$)/, label: () => "latency", write: ms },
  { pattern: /^(?=finetune\/trainable_share$)/, label: () => "trained share", write: plain },
  { pattern: /^(?=finetune\/peak_memory_bytes$)/, label: () => "peak memory of training", write: bytes },
  { pattern: /^(?=finetune\/stored_bytes$)/, label: () => "bytes to store", write: bytes },
  { pattern: /^(?=finetune\/step_seconds$)/, label: () => "seconds a step", write: plain },
];
const FLOAT = /^(eager|compiled|bf16|float)/;
const NO_QUALITY = /^(benchmark|bytes|finetune|seconds)\/|^parameters$/;

// The metric that is weighed against the costs: the one of the report, unless that is a cost itself.
const judged = [report.metric, ...report.shown].find((name) => name && !NO_QUALITY.test(name)) ?? "";
// Networks are weighed by validation data wherever the report is: what to take is not chosen by the test.
const measured = judged.replace(/\/mean$/, "").split("/").pop();
const onValidation = /(^|\/)val\//.test(judged);
const quality = onValidation ? `val/${measured}` : measured;
const isCost = report.metrics.some(({ key, cost }) => key === judged && cost);
const lowIsBest = judged === report.metric ? report.mode === "min" : isCost;
const isBetter = (one, other) => (lowIsBest ? one < other : one > other);
const isCompressed = (program) => program !== "" && !FLOAT.test(program);

// What a network had been through when its quality was measured: pruned and factorized ones say so by name.
const phaseOf = (program) => program.match(/^(pruned|factorized)/)?.[0] ?? (isCompressed(program) ? "compressed" : "test");

function qualityOf(row, program) {
  const phase = phaseOf(program);
  const ofValidation = [quality, `baseline/${quality}`, `cross_validation/${quality}/mean`];
  const trained = onValidation ? ofValidation : [`test/${measured}`];
  const own = phase === "test" ? trained : [`${phase}/${quality}`];
  // A cost that names no program is that of what the run ended with.
  const names = program ? [...own, judged] : [judged, ...own];
  return names.map((name) => meanOf(row, name)).find((mean) => mean !== null);
}

// Every cost with its points: one of each program of each row.
function costs() {
  const found = new Map();
  for (const row of rows) {
    for (const [name, statistic] of row.metrics) {
      const kind = statistic?.mean > 0 && COSTS.find(({ pattern }) => pattern.test(name));
      if (!kind) continue;
      const [, program = "", batch] = name.match(kind.pattern);
      const label = kind.label(batch);
      if (!found.has(label)) found.set(label, { label, write: kind.write, points: new Map() });
      const point = { row, program, cost: statistic.mean, quality: qualityOf(row, program) };
      if (!missing(point.quality)) found.get(label).points.set(`${row.index}/${program}`, point);
    }
  }
  const all = [...found.values()].map((cost) => ({ ...cost, points: [...cost.points.values()] }));
  return all.filter(({ points }) => new Set(points.map(({ cost }) => cost)).size > 1);
}

// The points that no other one is at least as good as and cheaper, from the cheapest to the best.
function frontOf(points) {
  const byRank = (one, other) => one.row.index - other.row.index;
  const byQuality = (one, other) => (isBetter(one.quality, other.quality) ? -1 : 1);
  // Of equal points the row with the better rank: the same float program is measured in many runs.
  const order = (one, other) =>
    one.cost - other.cost || (one.quality === other.quality ? byRank : byQuality)(one, other);
  const front = [];
  for (const point of points.toSorted(order)) {
    if (!front.length || isBetter(point.quality, front.at(-1).quality)) front.push(point);
  }
  return front;
}
