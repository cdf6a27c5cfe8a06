// Lines, areas and dots over time or a figure, as SVG. Knows nothing of what it draws.
const SVG = "http://www.w3.org/2000/svg";
const STEPS_MS = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800].map((s) => 1000 * s);
const DAY_MS = 86_400_000;
const plans = new Map();

// A plan: lines [{points, kind, step, area}], dots [[x, y, kind, shape]], levels [[y, kind]]; domain [x0, x1];
// heights [y0, y1]; names [[x, text]] instead of times; zero: y spans 0; bare: no axes; about: x as text.
export function plot(svg, plan) {
  const wanted = { lines: [], dots: [], levels: [], ...plan };
  if (!plans.has(svg)) {
    svg.addEventListener("pointermove", (event) => point(svg, event.offsetX));
    svg.addEventListener("pointerleave", () => svg.querySelector(".hover")?.remove());
  }
  plans.set(svg, wanted);
  paint(svg);
}

export function repaint() { for (const svg of plans.keys()) paint(svg); }

function node(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const shown = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const digitsOf = (step) => Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(at * step || 0);
  return [found, step];
}

function moments(x0, x1, count) {
  const step = STEPS_MS.find((each) => (x1 - x0) / each <= count) || Math.ceil((x1 - x0) / count / DAY_MS) * DAY_MS;
  const text = (at) => { const iso = new Date(at).toISOString(); return step >= DAY_MS ? iso.slice(5, 10) : iso.slice(11, step < 60_000 ? 19 : 16); };
  const found = [];
  for (let at = Math.ceil(x0 / step) * step; at <= x1; at += step) found.push([at, text(at)]);
  return found;
}

function measured(svg, plan) {
  const width = svg.clientWidth || 600, height = svg.clientHeight || 160;
  const points = [...plan.lines.flatMap((line) => line.points), ...plan.dots];
  const ys = [...points.map((each) => each[1]), ...plan.levels.map((each) => each[0]), ...(plan.zero ? [0] : [])];
  if (!points.length) return null;
  let [x0, x1] = plan.domain || [Math.min(...points.map((p) => p[0])), Math.max(...points.map((p) => p[0]))];
  const aside = plan.about ? (x1 - x0) * 0.06 : 0; // dots stand off the edges
  x0 -= aside; x1 += aside;
  if (!(x1 > x0)) { x0 -= 1; x1 += 1; }
  let y0 = Math.min(...ys), y1 = Math.max(...ys);
  const room = (y1 - y0) * 0.06 || Math.abs(y1) * 0.01 || 1;
  if (plan.heights) [y0, y1] = plan.heights;
  else {
    y0 -= plan.zero && y0 === 0 ? 0 : room; y1 += plan.zero && y1 === 0 ? 0 : room;
  }
  if (!(y1 > y0)) { y0 -= 1; y1 += 1; }
  const box = plan.bare ? { left: 2, right: 6, top: 4, low: 4 } : { left: 54, right: plan.names ? 18 : 8, top: 5, low: 17 };
  const x = (v) => box.left + (v - x0) / (x1 - x0) * (width - box.left - box.right);
  const y = (v) => height - box.low - (v - y0) / (y1 - y0) * (height - box.low - box.top);
  return { width, height, x0, x1, y0, y1, x, y, ...box };
}

function axes(plan, at) {
  const parts = [], [values, step] = ticks(at.y0, at.y1, Math.max(at.height > 90 ? 3 : 2, Math.floor((at.height - at.low) / 34)));
  for (const value of values) {
    parts.push(node("line", { x1: at.left, x2: at.width - at.right, y1: at.y(value), y2: at.y(value), class: Math.abs(value) < step / 1e6 ? "zero" : "grid" }));
    parts.push(node("text", { x: at.left - 6, y: at.y(value) + 4, "text-anchor": "end" }, shown(value, digitsOf(step))));
  }
  const names = plan.names || (plan.about
    ? ticks(at.x0, at.x1, Math.max(2, Math.floor(at.width / 90)))[0].map((value) => [value, plan.about(value)])
    : moments(at.x0, at.x1, Math.max(2, Math.floor(at.width / 80))));
  for (const [value, text] of names) {
    const place = at.x(value), anchor = plan.names ? "middle" : place > at.width - 24 ? "end" : place < at.left + 12 ? "start" : "middle";
    parts.push(node("text", { x: place, y: at.height - 3, "text-anchor": anchor }, text));
  }
  return parts;
}

function outline(line, at) {
  const found = [];
  for (const [index, point] of line.points.entries()) {
    const place = [at.x(point[0]), at.y(point[1])];
    if (line.step && index) found.push([place[0], found[found.length - 1][1]]);
    found.push(place);
  }
  if (line.step && found.length) found.push([at.x(at.x1), found[found.length - 1][1]]);
  return found.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
}

function paint(svg) {
  const plan = plans.get(svg), at = measured(svg, plan);
  if (!at) { svg.replaceChildren(node("text", { x: 8, y: 20 }, "nothing yet")); return; }
  svg.setAttribute("viewBox", `0 0 ${at.width} ${at.height}`);
  const parts = plan.bare ? [] : axes(plan, at);
  for (const line of plan.lines.filter((each) => each.points.length)) {
    const path = outline(line, at), floor = at.y(Math.min(at.y1, Math.max(at.y0, 0)));
    const ends = path.split(" ");
    if (line.area) parts.push(node("polygon", { class: `area ${line.kind}`, points: `${ends[0].split(",")[0]},${floor} ${path} ${ends[ends.length - 1].split(",")[0]},${floor}` }));
    parts.push(node("polyline", { class: line.kind, points: path }));
  }
  for (const [value, kind] of plan.levels) parts.push(node("line", { class: `level ${kind}`, x1: at.width - at.right - 44, x2: at.width - at.right, y1: at.y(value), y2: at.y(value) }));
  for (const [x, y, kind, shape, words] of plan.dots) {
    const made = dot(at.x(x), at.y(y), kind, shape);
    if (words) made.append(node("title", {}, words));
    parts.push(made);
  }
  svg.replaceChildren(...parts);
}

function dot(x, y, kind, shape) {
  if (shape === "up" || shape === "down") {
    const tip = shape === "up" ? -4.5 : 4.5;
    return node("path", { class: `dot ${kind}`, d: `M${x} ${y + tip}L${x + 4} ${y - tip * 0.7}L${x - 4} ${y - tip * 0.7}Z` });
  }
  return node("circle", { class: `${shape || "dot"} ${kind}`, cx: x, cy: y, r: 3.2 });
}

// What the first line tells at the pointer.
function point(svg, offset) {
  const plan = plans.get(svg), at = measured(svg, plan), line = plan.lines[0];
  svg.querySelector(".hover")?.remove();
  if (!at || plan.bare || !line?.points.length) return;
  const wanted = at.x0 + (offset - at.left) / (at.width - at.left - at.right) * (at.x1 - at.x0);
  const near = line.points.reduce((best, each) => (Math.abs(each[0] - wanted) < Math.abs(best[0] - wanted) ? each : best));
  const when = plan.names ? plan.names.find(([x]) => x === near[0])?.[1] ?? "" : plan.about ? plan.about(near[0]) : new Date(near[0]).toISOString().slice(11, 19);
  const text = `${when}  ${shown(near[1], digitsOf((at.y1 - at.y0) / 500))}`, x = at.x(near[0]);
  const group = node("g", { class: "hover" });
  group.append(node("line", { class: "cross", x1: x, x2: x, y1: at.top, y2: at.height - at.low }),
    node("circle", { class: `dot ${line.kind}`, cx: x, cy: at.y(near[1]), r: 3 }),
    node("rect", { class: "plate", x: at.left, y: 0, width: text.length * 6.6 + 8, height: 16 }),
    node("text", { class: "told", x: at.left + 4, y: 12 }, text));
  svg.append(group);
}
