// What is known, how old it is, and what a person does. Panels are drawn by show.js.
import { repaint } from "./chart.js";
import * as show from "./show.js";
import { byId, hour, put, span } from "./text.js";

const PACE_MS = 150; // between two rounds of questions
const SILENT_MS = 4000; // no word from the desk for so long: it is gone, or we are cut off
const FAILED_MS = 1500; // after a round in which something was not answered
const CUT_MS = 2000; // between two rounds while there is no stream
const AGAIN_MAX = 12; // a stop that nobody acknowledged is asked for again, under the same id
const QUESTIONS = {
  status: () => "status", sums: () => "performance", held: () => "position", risk: () => "risk?limit=30",
  curve: () => `equity?points=600${since()}`, fills: () => "fills?limit=500", orders: () => "orders?limit=500",
  resting: () => "orders?resting=true&limit=100", set: () => "parameters?limit=200", offers: () => "proposals?limit=100",
  decisions: () => "decisions?limit=200", members: () => "processes", outs: () => "markouts", lines: () => "logs?limit=60",
  health: () => "health",
};
const PANELS = [
  [show.figures, ["status", "sums", "held", "risk"]], [show.curves, ["curve"]], [show.split, ["sums"]],
  [show.price, ["status", "curve", "fills", "orders", "resting"]], [show.markouts, ["outs"]], [show.fills, ["fills"]],
  [show.gauges, ["risk"]], [show.processes, ["members"]], [show.parameters, ["set", "decisions", "curve"]], [show.policy, ["status"]],
  [show.proposals, ["offers", "curve"]], [show.logs, ["lines"]],
];
const TABLES = {
  reports: ["fills", "resting", "orders"], intents: ["orders", "resting"], cycles: ["curve", "held", "outs"],
  parameters: ["set", "decisions"], judged: ["risk"], refusals: ["risk"], heard: ["risk"], log: ["offers", "decisions"],
};
const REST_MS = { curve: 1500, orders: 1500, outs: 3000, offers: 1000, decisions: 1000, set: 1000, risk: 1000, lines: 2000 };
const known = { hours: Number(sessionStorage.getItem("hours") ?? 0) };
const askedMs = {}, wanted = new Set();
let token = sessionStorage.getItem("token") || "", heardMs = 0, statusMs = 0, streaming = false, asking = false;
let stopId = "", later = 0, cutMs = Date.now();

function since() {
  const last = known.status?.time_ns;
  return known.hours && last ? `&since_ns=${Math.max(0, Math.round(last - known.hours * 3.6e12))}` : "";
}
const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

function enter(wrong) { byId("wrong").hidden = !wrong; if (!byId("entry").open) byId("entry").showModal(); }

async function ask(path, body) {
  const mine = token, headers = { authorization: `Bearer ${mine}` };
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(`/api/v1/${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(body ? 20_000 : 8000) });
  heardMs = Date.now();
  if (answer.status === 401) {
    if (mine === token) enter(mine !== ""); // else another was typed meanwhile
    throw new Error("no token");
  }
  const told = await answer.json();
  if (!body && !answer.ok) throw new Error(told.detail);
  return told;
}

// --- what is known ---------------------------------------------------------------------------
function want(...names) { for (const each of names) wanted.add(each); round(); }

async function round() {
  if (asking || !token) return;
  const now = Date.now(), due = [...wanted].filter((each) => now - (askedMs[each] || 0) >= (REST_MS[each] || 0));
  if (!due.length) {
    if (wanted.size && !later) later = setTimeout(() => { later = 0; round(); }, PACE_MS);
    return;
  }
  asking = true;
  for (const each of due) { wanted.delete(each); askedMs[each] = now; }
  const told = await Promise.allSettled(due.map((each) => ask(QUESTIONS[each]())));
  const fresh = [], failed = told.some((each) => each.status === "rejected");
  told.forEach((each, index) => {
    const name = due[index];
    if (each.status === "fulfilled") { known[name] = each.value; fresh.push(name); } else wanted.add(name);
  });
  draw(fresh);
  setTimeout(() => { asking = false; round(); }, failed ? FAILED_MS : PACE_MS);
}

function draw(fresh) {
  if (fresh.includes("status")) { statusMs = Date.now(); head(known.status); }
  for (const [panel, needs] of PANELS) {
    if (needs.some((each) => fresh.includes(each)) && needs.every((each) => known[each])) panel(known);
  }
  warn();
}

function learn(told) {
  heardMs = Date.now();
  const { event, data } = told;
  if (event === "rows") want(...(TABLES[told.table] || []));
  else if (event === "fills") {
    const old = known.fills?.fills || [], ids = new Set(data.fills.map((each) => each.trade_id));
    known.fills = { ...data, fills: [...data.fills, ...old.filter((each) => !ids.has(each.trade_id))].slice(0, 500) };
    draw(["fills"]);
  } else {
    const name = { status: "status", performance: "sums", position: "held", processes: "members", health: "health" }[event];
    if (name) { known[name] = data; draw([name]); }
    if (event === "status") want("risk");
  }
}

function listen() {
  if (!token || byId("entry").open) { setTimeout(listen, 300); return; }
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/stream`);
  socket.onopen = () => socket.send(JSON.stringify({ token }));
  socket.onmessage = (message) => { if (!streaming) { streaming = true; want(...Object.keys(QUESTIONS)); } learn(JSON.parse(message.data)); };
  socket.onclose = () => { if (streaming) cutMs = Date.now(); streaming = false; warn(); setTimeout(listen, 1000); };
}

// --- how it stands ---------------------------------------------------------------------------
function head(told) {
  put(byId("symbol"), told.symbol || "counterpoint");
  const state = told.stopped && !told.stale ? "stopped" : ended() ? "ended" : told.state;
  const calm = state === "trading" || state === "ended";
  put(byId("state"), state, `pill ${calm ? "good" : state === "paused" ? "warn" : "bad"}`);
  put(byId("risk"), `risk ${told.risk ?? "-"}`, `pill ${told.risk === "active" ? "good" : "bad"}`);
  put(byId("mode"), told.mode);
  put(byId("clock"), told.time ? `${told.time.slice(0, 19).replace("T", " ")} UTC` : "");
  byId("rearm").hidden = !told.stopped;
  put(byId("pause"), told.paused ? "Resume" : "Pause");
  document.title = `${told.symbol || "counterpoint"} ${state ?? ""}`;
}

const ended = () => known.status?.progress === 1;

// Returns [state of the page, line, seconds that the figures are old].
function stand() {
  const now = Date.now(), silent_s = (now - heardMs) / 1000, { status, health } = known;
  if (!status) return ["waiting", token && heardMs && now - heardMs > SILENT_MS ? "The desk cannot be reached." : "", null];
  if (now - heardMs > SILENT_MS) {
    const at = new Date(heardMs).toISOString().slice(11, 19);
    return ["lost", `Disconnected from the desk for ${span(silent_s)}: all figures are of ${at} UTC. To stop without it: counterpoint stop`, silent_s];
  }
  const age_s = status.age_s === null ? null : status.age_s + (now - statusMs) / 1000;
  if (ended()) return ["ended", "The recording has ended: the figures are final.", age_s];
  if (health && !health.connected && status.stale) return ["late", `The bus is silent${health.coordinator_age_s === null ? "" : ` for ${span(health.coordinator_age_s)}`}: what is shown is the last that was heard and stored.`, age_s];
  if (status.stale || age_s > SILENT_MS / 1000) return ["late", `Nothing heard of ${status.executor} ${age_s === null ? "yet" : `for ${span(age_s)}`}: what is shown is from the store.`, age_s];
  const more = [];
  if (health && !health.store_ok) more.push(`The store takes nothing (${health.store_problem}): fills and decisions below are old; trading goes on.`);
  if (!streaming && now - cutMs > CUT_MS) more.push("The stream is cut: asked every 2 s instead.");
  if (status.stopped) more.push("Stopped: nothing is quoted until a rearm.");
  else if (status.paused) more.push("Paused: nothing is quoted until it is resumed.");
  return ["live", more.join(" "), age_s];
}

function warn() {
  const [state, line, old_s] = stand();
  document.body.dataset.state = state;
  put(byId("warning"), line); byId("warning").hidden = !line;
  const words = { live: "live", ended: "final", waiting: "waiting" }[state] || (old_s === null ? "never heard" : `${span(old_s)} old`);
  put(byId("age"), words, `pill ${state === "live" || state === "ended" ? "good" : "bad"}`);
}

// --- what a person does ----------------------------------------------------------------------
function words(told) {
  if (told.detail) return `NOT done: ${typeof told.detail === "string" ? told.detail : JSON.stringify(told.detail)}`;
  const said = Object.entries(told.said).map(([name, stage]) => `${name}: ${stage}`).join(", ");
  return `${told.acknowledged ? "Acknowledged." : "NOT acknowledged."} ${said}${told.note ? `; ${told.note}` : ""}`;
}

async function act(action) {
  let line;
  try { line = `${action}: ${words(await ask(action, { id: newId(), reason: "page" }))}`; } catch (error) { line = `${action}: NOT acknowledged: ${error.message}`; }
  put(byId("said"), line); byId("said").hidden = false;
  setTimeout(() => { byId("said").hidden = true; }, 10_000);
  want("status");
}

async function stopAll() {
  const body = { id: stopId, reason: "page", flatten: byId("flatten").checked };
  byId("yes").disabled = byId("flatten").disabled = true;
  put(byId("answer"), "Stopping ...", "");
  for (let tries = 1; tries <= AGAIN_MAX && body.id === stopId; tries += 1) {
    try {
      const told = await ask("stop", body);
      put(byId("answer"), words(told), told.acknowledged ? "good" : "bad");
      if (told.acknowledged || told.detail) break;
    } catch (error) {
      put(byId("answer"), `NOT acknowledged (${error.message}), asking again. On the host: counterpoint stop`, "bad");
      await new Promise((done) => { setTimeout(done, 1000); });
    }
  }
  byId("yes").disabled = byId("flatten").disabled = false;
  want("status", "held", "resting");
}

function choose(hours) {
  known.hours = hours;
  sessionStorage.setItem("hours", String(hours));
  for (const each of byId("spans").children) each.setAttribute("aria-pressed", String(Number(each.dataset.hours) === hours));
  askedMs.curve = 0;
  want("curve");
}

byId("entry").addEventListener("cancel", (event) => event.preventDefault());
byId("entry").addEventListener("close", () => {
  token = byId("token").value.trim();
  sessionStorage.setItem("token", token);
  byId("token").value = ""; cutMs = Date.now();
  want(...Object.keys(QUESTIONS));
});
byId("stop").addEventListener("click", () => { stopId = newId(); put(byId("answer"), "", ""); byId("sure").showModal(); byId("yes").focus(); });
byId("sure").addEventListener("close", () => { stopId = ""; });
byId("yes").addEventListener("click", stopAll);
byId("pause").addEventListener("click", () => act(known.status?.paused ? "resume" : "pause"));
byId("rearm").addEventListener("click", () => byId("again").showModal());
byId("lift").addEventListener("click", () => act("rearm"));
for (const each of byId("spans").children) each.addEventListener("click", () => choose(Number(each.dataset.hours)));
addEventListener("resize", repaint);
setInterval(warn, 500);
setInterval(() => { if (!streaming && token) want(...Object.keys(QUESTIONS)); }, CUT_MS);
setInterval(() => { if (token) want("lines", "members", "health"); }, 2500);
choose(known.hours);
if (token) want(...Object.keys(QUESTIONS)); else enter(false);
listen();
