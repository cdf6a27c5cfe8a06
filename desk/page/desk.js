"use strict";
// Everything shown is set as text, never as HTML: words of agents are words of strangers.
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let token = sessionStorage.getItem("token") || "";
let heardMs = 0, status = {}, quote = "", base = "", due = false;

async function ask(path, body) {
  const headers = { authorization: `Bearer ${token}` };
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(`/api/v1/${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  if (answer.status === 401) { enter(token !== ""); throw new Error("token"); }
  const told = await answer.json();
  if (!body && !answer.ok) throw new Error(told.detail);
  return told;
}
function newId() { return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join(""); }
function enter(wrong) { byId("wrong").hidden = !wrong; if (!byId("entry").open) byId("entry").showModal(); }

function put(node, text, kind) { node.textContent = text ?? "-"; node.className = kind || node.className; return node; }
function cells(rows, heads) {
  const made = [];
  if (heads) made.push(line(heads, "th"));
  for (const row of rows) made.push(line(row, "td"));
  return made;
}
function line(row, tag) {
  const tr = document.createElement("tr");
  for (const cell of row) {
    const [text, kind] = Array.isArray(cell) ? cell : [cell, ""];
    tr.append(put(document.createElement(tag), text, kind));
  }
  return tr;
}
const fill = (id, rows, heads) => byId(id).replaceChildren(...cells(rows, heads));
const num = (text) => [text, "number"];
function short(text, digits = 2) {
  if (text === null || text === undefined) return "-";
  return Number(text).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
const signed = (text) => [(Number(text) > 0 ? "+" : "") + short(text), `number ${Number(text) < 0 ? "bad" : Number(text) > 0 ? "good" : ""}`];
const hour = (text) => (text || "").slice(11, 19);

function draw(id, lines, dots = [], levels = []) {
  const svg = byId(id), width = svg.clientWidth || 600, height = svg.clientHeight || 180, left = 64, low = 18;
  const all = [...lines.flatMap((l) => l.points), ...dots];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (all.length < 2) { svg.replaceChildren(); return; }
  const xs = all.map((p) => p[0]), ys = [...all.map((p) => p[1]), ...levels.map((l) => l.y)];
  const x0 = Math.min(...xs), x1 = Math.max(...xs);
  let y0 = Math.min(...ys), y1 = Math.max(...ys);
  if (y1 === y0) { y0 -= 1; y1 += 1; }
  const x = (v) => left + (v - x0) / (x1 - x0 || 1) * (width - left - 8);
  const y = (v) => 8 + (y1 - v) / (y1 - y0) * (height - low - 12);
  const parts = [];
  const add = (tag, attributes, text) => { const e = document.createElementNS(SVG, tag); for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v); if (text) e.textContent = text; parts.push(e); };
  const digits = y1 - y0 < 1 ? 4 : y1 - y0 < 100 ? 2 : 0;
  for (const share of [0, 0.5, 1]) {
    const value = y0 + (y1 - y0) * share;
    add("line", { x1: left, x2: width - 8, y1: y(value), y2: y(value), stroke: "var(--line)" });
    add("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value, digits));
  }
  for (const [value, anchor] of [[x0, "start"], [x1, "end"]])
    add("text", { x: x(value), y: height - 3, "text-anchor": anchor }, new Date(value).toISOString().slice(11, 19));
  for (const l of levels) add("line", { x1: width - 60, x2: width - 8, y1: y(l.y), y2: y(l.y), stroke: l.colour, "stroke-width": 2 });
  for (const l of lines) add("polyline", { fill: "none", stroke: l.colour, "stroke-width": 1.5, points: l.points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ") });
  for (const d of dots) add("circle", { cx: x(d[0]), cy: y(d[1]), r: 2.5, fill: d[2] });
  svg.replaceChildren(...parts);
}
const ms = (row) => row.time_ns / 1e6;

function showStatus(told) {
  status = told; quote = told.quote || quote; base = told.base || base;
  put(byId("symbol"), told.symbol || "counterpoint");
  const state = told.stopped && !told.stale ? "stopped" : told.state;
  put(byId("state"), state, `pill ${state === "trading" ? "good" : "bad"}`);
  put(byId("risk"), `risk ${told.risk ?? "-"}`, `pill ${told.risk === "active" ? "good" : "bad"}`);
  put(byId("mode"), told.mode); put(byId("clock"), `${(told.time || "").slice(0, 19).replace("T", " ")} UTC`);
  byId("rearm").hidden = !told.stopped; put(byId("pause"), told.paused ? "Resume" : "Pause");
}
function warn() {
  const silent = Date.now() - heardMs > 4000;
  let text = "";
  if (silent) text = "Disconnected from the desk: what is shown is old.";
  else if (status.stale) text = `Nothing heard of ${status.executor} ${status.age_s === null ? "yet" : `for ${Math.round(status.age_s)} s`}: its run has ended, or it is silent. What is shown is from the store.`;
  put(byId("warning"), text); byId("warning").hidden = !text;
}
async function refresh() {
  if (due || !token) return;
  due = true;
  try {
    const names = ["status", "performance", "position", "equity?points=400", "fills?limit=200", "orders?resting=true", "parameters?limit=1", "proposals?limit=30", "processes", "risk?limit=1"];
    const [told, sum, held, curve, fills, orders, set, proposals, members, risk] = await Promise.all(names.map((each) => ask(each)));
    heardMs = Date.now(); showStatus(told); show(sum, held, curve.points, fills.fills, orders.orders); showMinds(set, proposals.proposals, members.processes, risk, held);
  } catch (error) { if (error.message !== "token") console.warn(error); }
  warn();
  setTimeout(() => { due = false; }, 900);
}
function show(sum, held, points, fills, orders) {
  const percent = (v) => (v === null ? "-" : `${(100 * v).toFixed(1)} %`);
  const figures = [[`net of holding, ${quote}`, signed(sum.net_of_holding ?? 0)], ["equity", [short(sum.equity)]], [`position, ${base}`, [short(held.position, 3)]], ["drawdown", [short(sum.drawdown)]],
    ["fills", [sum.fills.toLocaleString("en")]], ["round trips", [sum.round_trips.toLocaleString("en")]], ["win rate", [percent(sum.win_rate)]], ["fill rate", [percent(sum.fill_rate)]], ["resting orders", [String(status.open_orders ?? "-")]]];
  byId("figures").replaceChildren(...figures.map(([label, [text, kind]]) => { const d = document.createElement("div"); d.append(put(document.createElement("span"), label), put(document.createElement("b"), text, (kind || "").replace("number", ""))); return d; }));
  const first = points.length ? ms(points[0]) : 0;
  draw("price", [{ colour: "var(--mark)", points: points.map((p) => [ms(p), Number(p.mark)]) }],
    fills.filter((f) => ms(f) >= first).map((f) => [ms(f), Number(f.price), f.side === "buy" ? "var(--buy)" : "var(--sell)"]),
    status.stale ? [] : orders.map((o) => ({ y: Number(o.price), colour: o.side === "buy" ? "var(--buy)" : "var(--sell)" })));
  draw("equity", [{ colour: "var(--good)", points: points.map((p) => [ms(p), Number(p.net_of_holding)]) }]);
  draw("inventory", [{ colour: "var(--mark)", points: points.map((p) => [ms(p), Number(p.position)]) }]);
  fill("split", [["spread", "spread"], ["fees", "fees"], ["inventory", "inventory"], ["funding", "funding"]].map(([label, name]) => [label, signed(sum[name] ?? 0)]));
  fill("fills", fills.slice(0, 100).map((f) => [hour(f.time), [f.side, f.side === "buy" ? "good" : "bad"], num(f.price), num(f.quantity), num(f.fee), f.maker ? "maker" : "taker"]), ["time", "side", num("price"), num("quantity"), num("fee"), ""]);
}
function showMinds(set, proposals, members, risk, held) {
  const now = set.in_force || set.baseline || {};
  fill("parameters", Object.entries(now).map(([name, value]) => [name.replaceAll("_", " "), num(String(value))]));
  const share = held.position_limit && Number(held.position_limit) ? Math.abs(held.position * held.mark / held.position_limit) : null;
  const limits = Object.entries(risk.limits || {}).filter(([, v]) => v < 1).map(([name, v]) => [name.replaceAll("_", " "), num(`${(100 * v).toFixed(1)} %`)]);
  fill("limits", [["position of its limit", num(share === null ? "-" : `${(100 * share).toFixed(1)} %`)], ...limits]);
  fill("processes", members.map((m) => [m.name, [m.state ?? "-", m.stale || /stopped|halted|alone|disconnected/.test(m.state) ? "bad" : "good"], num(m.lag_ms === null ? "-" : `${short(m.lag_ms, 1)} ms`)]), ["", "state", num("late by")]);
  fill("proposals", proposals.map((p) => [hour(p.time), p.seat, num(short(p.confidence_score)), [p.outcome, p.outcome === "approved" ? "good" : "bad"],
    p.parameters ? `${p.parameters.spread_percentage} % x ${p.parameters.levels}` : "", [p.reason || p.votes.map((v) => `${v.voter}: ${v.choice}${v.reason ? `, ${v.reason}` : ""}`).join("; ")]]), ["time", "who", num("confidence"), "outcome", "spread, levels", "why"]);
}
function listen() {
  if (!token) { setTimeout(listen, 500); return; }
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/stream`);
  socket.onopen = () => socket.send(JSON.stringify({ token }));
  socket.onmessage = (message) => {
    const told = JSON.parse(message.data); heardMs = Date.now();
    if (told.event === "status") showStatus(told.data);
    if (told.event === "health" && told.data.stale.length) status.stale = true;
    if (told.event !== "health") refresh();
    warn();
  };
  socket.onclose = () => setTimeout(listen, 1000);
}
async function act(action, more = {}) { return ask(action, { id: newId(), reason: "page", ...more }); }
function words(told) { return told.detail ? JSON.stringify(told.detail) : (told.acknowledged ? "Acknowledged. " : "NOT acknowledged. ") + Object.entries(told.said).map(([n, s]) => `${n}: ${s}`).join(", ") + (told.note ? `; ${told.note}` : ""); }
byId("entry").addEventListener("cancel", (event) => event.preventDefault());
byId("entry").addEventListener("close", () => { token = byId("token").value.trim(); sessionStorage.setItem("token", token); byId("token").value = ""; due = false; refresh(); });
byId("stop").addEventListener("click", () => { put(byId("answer"), ""); byId("sure").showModal(); });
byId("yes").addEventListener("click", async () => {
  put(byId("answer"), "Stopping ..."); byId("yes").disabled = true;
  try { put(byId("answer"), words(await act("stop", { flatten: byId("flatten").checked }))); } catch (error) { put(byId("answer"), `NOT acknowledged: ${error.message}`); }
  byId("yes").disabled = false;
});
byId("pause").addEventListener("click", async () => { const told = await act(status.paused ? "resume" : "pause"); if (!told.acknowledged) alert(words(told)); });
byId("rearm").addEventListener("click", async () => { if (confirm("Quote again?")) { const told = await act("rearm"); if (!told.acknowledged) alert(words(told)); } });
setInterval(warn, 1000);
setInterval(refresh, 3000);
if (token) refresh(); else enter(false);
listen();
