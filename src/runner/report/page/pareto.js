// Quality against cost: every program of every run as a point, the front as a line.

const WIDE = 20;
const FEW = 16;
const POINT = 5;
const LONGEST_POINT = 34;

function drawPareto(svg, chart, size, cost) {
  const points = cost.points.filter(({ row }) => visible(row));
  if (!points.length) return nothing(svg, size, "No run to draw");
  const front = frontOf(points);
  const several = new Set(cost.points.map(({ program }) => program)).size > 1;
  const all = cost.points.map((point) => point.cost);
  const log = extreme(all, Math.max) / extreme(all, Math.min) > WIDE;
  const box = boxOf(size, 56, 16);
  const x = scaleOver(points.map((point) => point.cost), log, box.left, box.right, 16);
  const y = scaleOver(points.map((point) => point.quality), false, box.bottom, box.top, 14);
  axes(svg, box, x, y, { x: cost.write, y: plain }, { x: cost.label, y: quality });
  const corner = (point, index) => {
    const [left, top] = [x(point.cost), y(point.quality)];
    return index ? `H${left}V${top}` : `M${left} ${top}`;
  };
  svg.append(shape("path", { class: "front", d: `${front.map(corner).join("")}H${box.right}` }));
  const spot = tip(chart);
  const weight = (point) => 2 * selection.has(point.row) + front.includes(point);
  const order = points.toSorted((one, other) => weight(one) - weight(other));
  svg.append(...order.map((point) => mark(point, { x, y, spot, cost, front: front.includes(point) })));
  labelPoints(svg, box, points, front, x, y, several);
  const lines = front.map((point) => [named(point), cost.write(point.cost), plain(point.quality)]);
  const table = tableOf(["On the front", cost.label, quality], lines);
  const names = front.map(named).join("; ");
  return { sentence: `${quality} against ${cost.label}, ${points.length} points. On the front: ${names}.`, table };
}

const named = ({ row, program }) => `${row.rank} ${row.label}${program && ` · ${program}`}`;

// Circles are float programs, diamonds compressed ones.
function mark(point, { x, y, spot, cost, front }) {
  const left = x(point.cost), top = y(point.quality), radius = front ? 5.5 : 4;
  const outline = isCompressed(point.program) ? diamond(left, top, radius + 1) : circle(left, top, radius);
  const chosen = selection.has(point.row) && `chosen ${colour(point.row)}`;
  const lines = () => [
    element("strong", {}, named(point)),
    element("span", {}, `${cost.label} `, element("b", {}, cost.write(point.cost))),
    element("span", {}, `${quality} `, element("b", {}, plain(point.quality))),
  ];
  return shape("path", {
    class: classes("point", front && "best", chosen),
    d: outline,
    click: () => toggle(point.row),
    pointerenter: () => spot.show(left, top - 40, lines()),
    pointerleave: spot.hide,
  });
}

const diamond = (x, y, r) => `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z`;
const circle = (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;

// Names beside the points, the front's first; one that would cover another is left to the pointer and the table.
function labelPoints(svg, box, points, front, x, y, several) {
  const around = (point) => area(x(point.cost) - POINT, y(point.quality) + POINT, 2 * POINT, 2 * POINT);
  const taken = [...points.map(around), ...stepsOf(front, box, x, y)];
  const isFree = (place) =>
    place.left >= box.left &&
    place.right <= box.right + 12 &&
    place.top >= 12 &&
    place.bottom <= box.bottom &&
    !taken.some((other) => overlap(place, other));
  const rest = points.length > FEW ? [] : points.filter((point) => !front.includes(point));
  for (const point of [...front, ...rest]) {
    const label = shape("text", { class: "name" }, shortName(point, several));
    svg.append(label);
    const free = placesBeside(x(point.cost), y(point.quality), label.getBBox().width).find(isFree);
    if (free) {
      taken.push(free);
      fill(label, { x: free.left, y: free.bottom - 2 }, []);
    } else label.remove();
  }
}

function placesBeside(x, y, width) {
  const sides = [x + 9, x - 9 - width];
  return [y - 6, y + 19].flatMap((bottom) => sides.map((left) => area(left, bottom, width, 13)));
}

function shortName({ row, program }, several) {
  const name = (first) => [first, several && program].filter(Boolean).join(" · ");
  return name(row.label).length > LONGEST_POINT ? name(row.rank) : name(row.label);
}

// The front's line as areas that no name may cover.
function stepsOf(front, box, x, y) {
  return front.flatMap((point, index) => {
    const [left, top] = [x(point.cost), y(point.quality)];
    const next = front[index + 1];
    const right = next ? x(next.cost) : box.right;
    return [area(left, top + 1, right - left, 2), area(right - 1, top, 2, next ? top - y(next.quality) : 0)];
  });
}

const area = (left, bottom, width, height) => ({ left, right: left + width, top: bottom - height, bottom });
const overlap = (one, other) =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;

function startPareto() {
  const found = costs();
  if (!found.length) return;
  const section = document.getElementById("pareto");
  section.hidden = false;
  const first = (start) => found.find(({ label }) => label.startsWith(start));
  // Files tell what compression gained; without any, networks differ by what they compute.
  const compressed = found.some(({ points }) => points.some(({ program }) => isCompressed(program)));
  const second = first(compressed ? "file size" : "multiply-accumulates");
  const two = [...new Set([first("latency"), second, ...found])].filter(Boolean).slice(0, 2);
  const choices = found.map(({ label }) => [label, label]);
  for (const cost of two) {
    const draw = (svg, chart, size, label) => drawPareto(svg, chart, size, found.find((each) => each.label === label));
    const redraw = panel(section.querySelector(".pair"), "Cost", choices, cost.label, draw);
    on("selection", redraw);
    on("filter", redraw);
  }
}
