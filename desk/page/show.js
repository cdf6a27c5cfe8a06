// The panels: what the API told, as figures, tables and charts. Asks nothing and keeps nothing.
import { plot } from "./chart.js";
import { byId, fill, hour, made, ms, num, percent, plain, put, short, signed, span } from "./text.js";

const DIALS = [["spread_percentage", "spread, % of mid"], ["levels", "levels a side"], ["base_quantity", "quantity a level"], ["max_position", "largest position"]];
const OUTCOMES = { approved: "good", refused: "bad" };
const LATE_MS = 300_000; // by which the newest 500 begin after the mid, so that it is said
const sideOf = (side) => (side === "buy" ? "buy" : "sell");
const share = (risk, name) => risk?.used?.[name]?.share;

export function figures({ status, sums, held, risk }) {
  const limit = (name) => (share(risk, name) === undefined ? "" : `${percent(share(risk, name))} of its limit`);
  const net = signed(sums.net_of_holding ?? 0), quote = status.quote || "", base = status.base || "";
  const told = [
    ["net", `net of holding, ${quote}`, net[0], net[1].replace("number ", ""), `equity - opening ${short(sums.equity === null ? null : sums.equity - sums.opening)}`],
    ["equity", `equity, ${quote}`, short(sums.equity), "", `opening ${short(sums.opening)}`],
    ["drawdown", `largest drawdown, ${quote}`, short(sums.drawdown), "", limit("peak_drawdown_limit")],
    ["position", `position, ${base}`, short(held.position, 3), "", limit("max_position_size")],
    ["fills", "fills", short(sums.fills, 0), "", `${short(sums.round_trips, 0)} round trips`],
    ["win_rate", "win rate", percent(sums.win_rate), "", `a trade takes ${span(sums.average_trade_s)}`],
    ["fill_rate", "fill rate", percent(sums.fill_rate), "", `${short(sums.orders_sent, 0)} orders sent`],
    ["open_orders", "resting orders", status.open_orders === null ? "-" : short(status.open_orders, 0), "", `set ${(status.pair || []).join(".") || "-"}`],
  ];
  const place = byId("figures");
  if (place.children.length !== told.length) {
    place.replaceChildren(...told.map(([name]) => { const tile = made("div", null, "", made("span", ""), made("b", ""), made("small", "")); tile.dataset.name = name; return tile; }));
  }
  told.forEach(([, label, text, kind, more], index) => {
    const [first, second, third] = place.children[index].children;
    put(first, label); put(second, text, kind); put(third, more);
  });
}

const domain = (points, hours) => {
  if (!points.length) return undefined;
  const last = ms(points[points.length - 1]);
  return [hours ? last - hours * 3.6e6 : ms(points[0]), last];
};
const line = (points, name, kind, more) => ({ points: points.map((each) => [ms(each), Number(each[name])]), kind, ...more });

export function curves({ curve, hours }) {
  const points = curve.points, when = { domain: domain(points, hours) };
  plot(byId("profit"), { ...when, zero: true, lines: [line(points, "net_of_holding", "good", { area: true })] });
  plot(byId("drawdown"), { ...when, zero: true, lines: [{ points: points.map((p) => [ms(p), Number(p.equity) - Number(p.peak)]), kind: "bad", area: true }] });
  plot(byId("inventory"), { ...when, zero: true, lines: [line(points, "position", "mark", { area: true, step: true })] });
}

export function price({ status, curve, fills, orders, resting, hours }) {
  const points = curve.points, within = domain(points, hours) || [0, 0];
  const inside = (row) => ms(row) >= within[0] && ms(row) <= within[1];
  const ours = orders.orders.filter((o) => o.level === 0 && !o.taker && o.state !== "rejected" && inside(o)).reverse();
  const late = [["quotes", ours[0]], ["fills", fills.fills.at(-1)]].filter(([, row]) => points.length && row && ms(row) > Math.max(within[0], ms(points[0])) + LATE_MS);
  put(byId("since"), late.map(([what, row]) => `${what} from ${hour(row.time)} on`).join(", "));
  const quotes = ["buy", "sell"].map((side) => line(ours.filter((o) => o.side === side), "price", `thin ${sideOf(side)}`, { step: true }));
  plot(byId("price"), {
    domain: within,
    lines: [line(points, "mark", "mark"), ...quotes],
    dots: fills.fills.filter(inside).map((f) => [ms(f), Number(f.price), sideOf(f.side), f.side === "buy" ? "up" : "down"]),
    levels: status.stale ? [] : resting.orders.map((o) => [Number(o.price), sideOf(o.side)]),
  });
}

export function split({ sums }) {
  fill("split", ["spread", "fees", "inventory", "funding"].map((name) => [name, signed(sums[name] ?? 0)]));
}

export function markouts({ outs }) {
  const known = outs.markouts.filter((each) => each.bps !== null);
  const names = outs.markouts.map((each, index) => [index, each.horizon_s < 60 ? `${each.horizon_s} s` : `${each.horizon_s / 60} m`]);
  const points = known.map((each) => [outs.markouts.indexOf(each), each.bps]);
  plot(byId("markouts"), { zero: true, names, domain: [0, names.length - 1], lines: [{ points, kind: "mark" }], dots: points.map(([x, y]) => [x, y, y < 0 ? "bad" : "good"]) });
}

export function fills({ fills: told }) {
  fill("fills", told.fills.slice(0, 100).map((f) => [hour(f.time), [f.side, sideOf(f.side)], num(f.price), num(f.quantity), num(f.fee), [f.maker ? "" : "taker", "warn"]]), ["time", "side", num("price"), num("quantity"), num("fee"), ""]);
}

export function gauges({ risk }) {
  const rows = Object.entries(risk.used || {}).map(([name, { share: used, limit }]) => {
    const bar = made("div", null, used >= 0.8 ? "bad" : used >= 0.6 ? "warn" : "");
    bar.style.width = `${Math.min(100, 100 * used)}%`;
    const bound = limit === null ? "" : ` of ${limit > 1 ? short(limit, 0) : percent(limit)}`;
    const gauge = made("div", null, "gauge", made("span", plain(name).replace(/ (limit|max|threshold|size)$/, "")), made("div", null, "bar", bar), made("em", `${percent(used)}${bound}`));
    gauge.dataset.name = name;
    return gauge;
  });
  byId("gauges").replaceChildren(...(rows.length ? rows : [made("span", "nothing said yet", "quiet")]));
  const changes = risk.changes.map((each) => [each.time_ns, hour(each.time), each.event === "stop" ? `stop: ${each.phase}` : `${each.before} to ${each.risk}: ${each.reason}`, each.risk === "active" ? "" : "bad"]);
  const refused = risk.refusals.map((each) => [each.time_ns, hour(each.time), `refused ${each.side} ${each.quantity} at ${each.price}: ${each.limit}`, ""]);
  fill("changes", [...changes, ...refused].sort((a, b) => b[0] - a[0]).slice(0, 30).map(([, time, text, kind]) => [time, [text, `words ${kind}`]]));
}

export function processes({ members }) {
  const over = members.feeds.length > 0 && members.feeds.every((f) => f.progress === 1);
  const stateOf = (m) => (over && m.stale ? ["ended", "quiet"] : [m.state ?? "-", m.stale || ill(m.state) ? "bad" : "good"]);
  const moves = (f) => (f.progress === 1 ? ["ended", "quiet"] : f.still_s > 10 ? ["stands still", "bad"] : ["moves", "good"]);
  const ill = (state) => /stopped|halted|alone|disconnected|silent/.test(state || "silent");
  const again = members.processes.some((m) => m.restarts !== null) ? [num("again")] : []; // else nobody counts them
  const living = members.processes.map((m) => [m.name, stateOf(m), num(m.lag_ms === null ? "-" : `${short(m.lag_ms, 1)} ms`), num(m.age_s === null ? "never" : span(m.age_s)), num(m.restarts ? String(m.restarts) : "")]);
  const feeds = members.feeds.map((f) => [`feed ${f.symbol ?? ""}`, f.connected === false ? ["venue lost", "bad"] : moves(f), num(f.progress === null ? "" : percent(f.progress)), num(f.still_s === null ? "never" : span(f.still_s)), ""]);
  fill("processes", [...living, ...feeds], ["", "state", num("late"), num("heard"), ...again]);
  fill("seats", members.seats.map((s) => [s.name, over ? ["ended", "quiet"] : [s.state ?? "silent", s.state ? "" : "bad"], num(String(s.answered ?? "-")), num(`${s.wins} of ${s.outcomes}`), [s.benched_until ? `benched until ${hour(s.benched_until)}` : `${s.faults} faults`, s.benched_until || s.faults ? "bad" : "quiet"]]), ["seat", "does", num("answered"), num("better after"), ""]);
}

function stepsOf(set, decisions) {
  const made = new Map(decisions.map((each) => [each.pair.join("."), each]));
  return set.history.filter((each) => each.params).reverse().map((each) => ({ ...each, decision: made.get((each.pair || []).join(".")) }));
}

export function parameters({ set, decisions, curve, hours }) {
  const now = set.in_force || set.baseline || {}, within = domain(curve.points, hours);
  const steps = stepsOf(set, decisions.decisions), place = byId("parameters");
  if (!place.children.length) {
    place.replaceChildren(...DIALS.map(([name, label]) => { const dial = made("div", null, "dial", made("span", label, "quiet"), made("b", "-"), document.createElementNS("http://www.w3.org/2000/svg", "svg")); dial.dataset.name = name; return dial; }));
  }
  for (const dial of place.children) {
    const name = dial.dataset.name, points = [], dots = [];
    if (within && set.baseline) points.push([within[0], set.baseline[name]]);
    for (const each of steps) {
      const at = within ? Math.max(ms(each), within[0]) : ms(each), wanted = each.params[name];
      const by = each.decision ? `${each.decision.seat}, ${each.decision.mode}` : "";
      if (each.event === "applied") points.push([at, wanted]);
      if (each.event === "lapsed" && set.baseline) points.push([at, set.baseline[name]]);
      if (!within || ms(each) >= within[0]) dots.push([at, each.event === "lapsed" && set.baseline ? set.baseline[name] : wanted, each.event === "applied" ? "good" : "bad", each.event === "refused" ? "hollow" : "dot", `${hour(each.time)} ${each.event} ${(each.pair || []).join(".")} ${by} ${each.detail || ""}`]);
    }
    put(dial.children[1], now[name] === undefined ? "-" : String(now[name]));
    plot(dial.children[2], { bare: true, domain: within, lines: [{ points, kind: "mark", step: true }], dots });
  }
}

const STAGES = { shadow: "in shadow", promoted: "in force", rolled_back: "rolled back" };

export function policy({ status }) {
  const told = status.policy, place = byId("policy");
  place.hidden = !told.candidate;
  if (place.hidden) return;
  const gain = told.lower === null ? "" : `, a block gains ${short(told.lower)} to ${short(told.upper)} ${status.quote || ""}`;
  put(place, `${plain(told.in_force)} quotes; ${plain(told.candidate)} is ${STAGES[told.stage]} since ${hour(told.since.time)}: ${told.blocks} blocks, ${told.round_trips} round trips${gain}: ${told.reason}`);
}

const why = (p) => p.reason || p.votes.map((v) => `${v.voter}: ${v.choice}${v.reason ? `, ${v.reason}` : ""}`).join("; ");

export function proposals({ offers, curve, hours }) {
  const kind = (p) => OUTCOMES[p.outcome] || "mark", told = offers.proposals;
  fill("proposals", told.map((p) => [hour(p.time), p.seat, num(short(p.confidence_score)), [p.outcome, kind(p)], num(`${p.parameters.spread_percentage} %`), num(String(p.parameters.levels)), num(String(p.parameters.base_quantity)), num(short(p.metrics.sqn_score)), num(percent(p.metrics.max_drawdown)), [why(p), "words"]]),
    ["time", "who", num("confidence"), "outcome", num("spread"), num("levels"), num("quantity"), num("SQN"), num("drawdown"), "votes, or why refused"]);
  const label = (p) => `${hour(p.time)} ${p.seat}: confidence ${short(p.confidence_score)}, SQN ${short(p.metrics.sqn_score)}, ${p.outcome}`;
  const shape = (p) => (p.outcome === "approved" ? "dot" : "hollow"), within = domain(curve.points, hours);
  const inside = told.filter((p) => !within || (ms(p) >= within[0] && ms(p) <= within[1]));
  plot(byId("confidence"), { domain: within, heights: [0, 1.08], dots: inside.map((p) => [ms(p), p.confidence_score, kind(p), shape(p), label(p)]) });
  plot(byId("front"), { about: (v) => `${Number((100 * v).toPrecision(2))} %`, dots: told.map((p) => [p.metrics.max_drawdown, p.metrics.sqn_score, kind(p), shape(p), label(p)]) });
}

export function logs({ lines }) {
  const rest = (row) => Object.entries(row).filter(([key]) => !["time", "level", "component", "event"].includes(key)).map(([key, value]) => `${key}=${value}`).join(" ");
  const kind = (level) => (level === "error" ? "bad" : level === "warning" ? "warn" : "");
  fill("logs", lines.logs.map((row) => [hour(row.time), row.component, [`${plain(row.event)} ${rest(row)}`, `words ${kind(row.level)}`]]));
}
