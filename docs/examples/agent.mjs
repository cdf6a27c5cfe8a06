// A whole agent in JavaScript: it joins the bus of a run, proposes one set and hears the answer.
//
//   npm install --no-package-lock           (once, in this folder)
//   node agent.mjs --run counterpoint-data/runs/latest --spread 0.18 --levels 4 --base 1 --position 9
//
// From another host: --connect tcp://HOST:PORT (bus.listen of the coordinator) and --keys FOLDER, which
// holds roster.json and this agent's own key; the link is then opened by CURVE.
//
// With --seat it stays, as a seat that `run --optimizers N` waits for: it answers boundaries, checks
// the merges of peers and votes in consensus (seat.mjs), until --timeout or SIGTERM.
//
// It says what happens as JSON lines, and a mistake of ours as one line on stderr. Exit code: 0 applied,
// 1 refused, 2 usage, 4 a file that is missing or wrong, 5 no answer in time.
// The page that explains each step is docs/protocol.md.

import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { Votes, answerTo } from "./seat.mjs";
import { digest } from "./sets.mjs";
import { open, readIdentity, readRoster, seal, sealState, unpack } from "./wire.mjs";

const COORDINATOR = "coordinator";
const TTL_MS = 300000;
const [JOIN_MS, FAST_MS, SLOW_MS, TURN_MS] = [20, 500, 5000, 10];
const [BEAT_MS, BEAT_TTL_MS] = [1000, 60000];
const SEAT_S = 2_000_000; // 23 days, about the longest that setTimeout takes
const JOIN_FAST = 50; // requests at the joining pace; after that nobody is there, and we slow down
const BEATS = { heartbeatInterval: 500, heartbeatTimeout: 1500 };
const OPTIONS = {
  connectTimeout: 500,
  reconnectInterval: 100,
  reconnectMaxInterval: 200,
  tcpKeepalive: 1, // a subscriber does not beat: this tells it of a dead link
  tcpKeepaliveIdle: 1,
  tcpKeepaliveInterval: 1,
  tcpKeepaliveCount: 2,
  tcpMaxRetransmitTimeout: 2000,
  linger: 1000,
};

/** What whoever started us has to put right: a line, and the exit code. */
class Mistake extends Error {
  constructor(line, code) {
    super(line);
    this.code = code;
  }
}

const [USAGE, CONFIGURATION] = [2, 4];
let zmq; // loaded by main: who has not installed it is told how

const say = (fact) => console.log(JSON.stringify(fact));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** What a file holds; `hint` says what to do when it is not there, or holds something else. */
function readFrom(file, read, hint) {
  try {
    return read(file);
  } catch (error) {
    const what = error.code === "ENOENT" ? "is not there" : `cannot be read: ${error.message}`;
    throw new Mistake(`${file} ${what.split("\n")[0]}; ${hint}`, CONFIGURATION);
  }
}

/** What the command line says. */
function words(options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Mistake(error.message.split("\n")[0], USAGE);
  }
}

/** What the command line and the run's configuration say. */
function settings() {
  const text = (value) => ({ type: "string", default: value });
  const values = words({
    run: text("counterpoint-data/runs/latest"),
    connect: text(),
    keys: text(),
    optimizers: text(), // seats beside the executor's; default: what the run's configuration says
    name: text("optimizer-8"),
    spread: text(),
    levels: text(),
    base: text(),
    position: text(),
    confidence: text("0.9"),
    at: text(), // venue time; default: what the executor tells, else the clock
    timeout: text(), // seconds; default: a minute, in a seat no end
    seat: { type: "boolean", default: false },
  });
  const file = path.join(values.run, "config.json");
  const far = values.connect !== undefined; // there is no run on this host
  const read = (each) => JSON.parse(fs.readFileSync(each, "utf8"));
  const hint = "start a run, name its folder with --run, or give --connect tcp://HOST:PORT";
  const told = far && !fs.existsSync(file) ? {} : readFrom(file, read, hint);
  const [, host, port] = /^(tcp:\/\/.+):(\d+)$/.exec(values.connect ?? "") ?? [];
  if (far && !(Number(port) + 3 < 65536)) {
    throw new Mistake(`--connect takes tcp://HOST:PORT, found ${values.connect}`, USAGE);
  }
  const row = (address, first) => [0, 1, 2, 3].map((n) => `${address}:${Number(first) + n}`);
  const ports = far ? row(host, port) : row("tcp://127.0.0.1", told.bus.port);
  const sockets = ["ci", "co", "ti", "to"].map((name) => `ipc://${told.bus?.folder}/${name}`);
  const [controlIn, controlOut, , telemetryOut] = far || told.bus.folder === null ? ports : sockets;
  return {
    ...values,
    keys: values.keys ?? told.bus?.keys ?? path.join(told.data ?? "counterpoint-data", "keys"),
    executor: told.account?.executor ?? "executor-1",
    rules: {
      seats: 1 + Number(values.optimizers ?? told.run?.optimizers ?? 1),
      fraction: told.optimizer?.step_limit ?? 0.25,
    },
    ends: { controlIn, controlOut, telemetryOut },
  };
}

/** What opens a link to another host: our key pair, and the public key of the hubs. */
function curveOf(identity, roster) {
  const [own, hubs] = [roster.get(identity.name), roster.get(COORDINATOR)];
  return { curveSecretKey: identity.curve, curvePublicKey: own.curve, curveServerKey: hubs.curve };
}

/** One party on the control hub: says words until they are answered, hears what is said to it. */
class Agent {
  constructor(identity, roster, ends, curve) {
    this.identity = identity;
    this.roster = roster;
    this.open = new Map(); // our messages without a final answer, by id
    this.epoch = null;
    this.modes = new Map(); // by generation
    this.seat = null; // what hears boundaries and rounds
    this.beatDue = Infinity; // nothing is said before we have joined
    this.publisher = new zmq.Publisher({ ...OPTIONS, ...BEATS, ...curve, immediate: true });
    this.publisher.connect(ends.controlIn);
    this.subscriber = new zmq.Subscriber({ ...OPTIONS, ...curve, maxMessageSize: 131072 });
    this.subscriber.connect(ends.controlOut);
    this.subscriber.subscribe(`ctl.${identity.name}.`, `st.heartbeat.${COORDINATOR}`);
    this.reading = this.read();
    this.speaking = this.resend();
  }

  /** Say a word until its final answer, {header, body}; null when none came in its time. */
  post(type, body, everyMs, isFinal, more = {}) {
    const ends = Date.now() + TTL_MS;
    const frames = seal(this.identity, COORDINATOR, type, body, Date.now(), TTL_MS, more);
    const { id } = JSON.parse(frames[1]);
    return new Promise((settle) => {
      this.open.set(id, { frames, everyMs, isFinal, settle, ends, due: 0, sent: 0 });
    });
  }

  /** Send what is due: the same bytes again, for a publisher never learns what was lost. */
  async resend() {
    while (!this.publisher.closed) {
      const now = Date.now();
      for (const [id, entry] of this.open) {
        if (now >= entry.ends) {
          this.open.delete(id);
          entry.settle(null);
        } else if (now >= entry.due) {
          entry.sent += 1;
          if (entry.everyMs === JOIN_MS && entry.sent > JOIN_FAST) entry.everyMs = FAST_MS;
          entry.due = now + entry.everyMs;
          await this.publisher.send(entry.frames).catch(() => {}); // no hub yet: said again
        }
      }
      if (now >= this.beatDue) {
        const body = { state: "up", lag_ms: now - this.beatDue };
        this.beatDue = now + BEAT_MS;
        const frames = sealState(this.identity, "heartbeat", body, now, BEAT_TTL_MS);
        await this.publisher.send(frames).catch(() => {});
      }
      await pause(TURN_MS);
    }
  }

  /** Hear for ever; whatever is not signed by whom it names, or not for us, is dropped. */
  async read() {
    for await (const frames of this.subscriber) {
      const heard = open(frames, this.roster, Date.now());
      if (heard.why !== undefined || heard.header.enc !== "json") continue;
      const boundary = heard.header.type === "boundary"; // the only word that others may say to us
      if (heard.header.src !== COORDINATOR && !boundary) continue;
      this.take({ header: heard.header, body: JSON.parse(heard.body.toString("utf8")) });
    }
  }

  take({ header, body }) {
    if (header.type === "heartbeat") {
      const restarted = this.epoch !== null && this.epoch !== body.epoch;
      if (restarted) this.open.forEach((entry) => (entry.due = 0)); // it may know nothing of us
      this.epoch = body.epoch;
      for (const row of body.executors) this.modes.set(row.generation, row.mode);
      return;
    }
    if (header.type === "round" || header.type === "boundary") {
      this.seat?.(header, body);
      return;
    }
    const entry = this.open.get(header.ref);
    if (entry === undefined) return; // answered already, or nothing of ours
    if (entry.isFinal(header, body)) {
      this.open.delete(header.ref);
      entry.settle({ header, body });
    } else if (header.type === "ack") {
      entry.everyMs = SLOW_MS; // it has our words: now only the outcome may be lost
      if (entry.stage !== body.stage) say({ heard: body.stage, digest: body.digest ?? null });
      entry.stage = body.stage;
    } else if (header.type === "nack" && body.retry_after_ms !== undefined) {
      entry.due = Date.now() + Math.min(SLOW_MS, body.retry_after_ms);
    }
  }

  /** Ask for the state in force until it is told; before that nothing else may be said. */
  async join() {
    const isFinal = (header, body) =>
      header.type === "snapshot" || (header.type === "nack" && body.code !== "E_BUSY");
    const answer = await this.post("snapshot_request", { have: [0, 0] }, JOIN_MS, isFinal);
    if (answer?.header.type === "snapshot") this.beatDue = Date.now();
    return answer;
  }

  /** Answer once; whoever did not hear it asks again. */
  async answer(dst, type, body, ref) {
    const frames = seal(this.identity, dst, type, body, Date.now(), 60000, { ref });
    await this.publisher.send(frames).catch(() => {});
  }

  /** Say a word that ends with `received` or a refusal. */
  async settle(type, body, more) {
    const isFinal = (header, told) => header.type === "ack" || told.code !== "E_BUSY";
    return this.post(type, body, FAST_MS, isFinal, more);
  }

  /** Propose a set; resolves with `ack` of stage applied, or with a `nack`. */
  async propose(update, more) {
    const isFinal = (header, body) =>
      (header.type === "ack" && body.stage === "applied") ||
      (header.type === "nack" && body.code !== "E_BUSY");
    return this.post("parameter_update", update, FAST_MS, isFinal, more);
  }

  async close() {
    this.publisher.close();
    this.subscriber.close();
    await Promise.allSettled([this.reading, this.speaking]);
  }
}

/** An agent at the bus; it may say nothing before it has joined. */
function opened(identity, roster, ends, curve) {
  try {
    return new Agent(identity, roster, ends, curve);
  } catch (error) {
    throw new Mistake(`the bus cannot be opened at ${ends.controlIn}: ${error.message}`, USAGE);
  }
}

/** Take a seat: answer every boundary and every round, each once. */
function takeSeat(agent, told, update) {
  const votes = new Votes(path.join(told.run, `${told.name}.votes.jsonl`));
  const done = new Set();
  agent.seat = async (header, body) => {
    const again = done.has(header.id);
    if (header.type === "boundary") {
      done.add(header.id);
      if (again) return; // our answer is said until it is heard
      const timestamp = new Date(body.venue_time / 1e6).toISOString();
      if (done.size === 1) {
        const more = { ref: header.id, gen: Math.max(...agent.modes.keys()) };
        tell(await agent.propose({ ...update, timestamp }, more));
        return;
      }
      const rest = {
        window: [body.venue_time, body.venue_time],
        digest: digest(update.data.optimized_params),
        reason: "proposed already",
      };
      await agent.settle("no_update", rest, { ref: header.id });
      return;
    }
    const mode = agent.modes.get(header.gen);
    if (mode === undefined) return; // a heartbeat will tell; then it comes again
    const [type, answer] = answerTo(body, mode, told.rules);
    if (type !== "vote") {
      await agent.answer(COORDINATOR, type, answer, header.id);
    } else if (!again) {
      done.add(header.id);
      const vote = votes.give(header.id, answer);
      say({ voted: vote.choice, round: vote.round });
      await agent.settle("vote", vote, { ref: header.id, gen: header.gen });
      return;
    }
    if (!again && type !== "vote") say({ checked: answer.stage ?? answer.code, round: body.round });
    done.add(header.id);
  };
}

function tell(answer) {
  const body = answer?.body ?? {};
  say({ answer: body.stage ?? body.code ?? null, digest: body.digest, detail: body.detail });
}

/** Venue time as ISO text: that of the recording when the executor tells one, else the clock. */
async function venueTime(told, roster, curve) {
  const ears = new zmq.Subscriber({ ...OPTIONS, ...curve, linger: 0, receiveTimeout: 3000 });
  ears.connect(told.ends.telemetryOut);
  ears.subscribe(`tm.status.${told.executor}`);
  try {
    for await (const frames of ears) {
      const heard = open(frames, roster, Date.now());
      if (heard.why !== undefined || heard.header.src !== told.executor) continue;
      const newest = unpack(heard.body).at(-1);
      if (newest.venue_time > 0) return new Date(newest.venue_time / 1e6).toISOString();
    }
  } catch {
    // Nobody tells a venue time: a live venue's is the clock's.
  } finally {
    ears.close();
  }
  return new Date().toISOString();
}

async function main() {
  const told = settings();
  const hint = "name the folder of the keys with --keys, and whose key it is with --name";
  const roster = readFrom(path.join(told.keys, "roster.json"), readRoster, hint);
  const identity = readFrom(path.join(told.keys, `${told.name}.key`), readIdentity, hint);
  if (!roster.has(identity.name)) {
    const listed = [...roster.keys()].join(", ");
    throw new Mistake(`the roster does not list ${identity.name}; it lists ${listed}`, CONFIGURATION);
  }
  const params = {
    spread_percentage: Number(told.spread),
    levels: Number(told.levels),
    base_quantity: Number(told.base),
    max_position: Number(told.position),
  };
  if (Object.values(params).some((each) => !(each > 0))) {
    throw new Mistake("give --spread, --levels, --base and --position, each above zero", USAGE);
  }
  const packages = await import("zeromq").catch(() => {
    throw new Mistake("zeromq is missing; run `npm install --no-package-lock` here", CONFIGURATION);
  });
  zmq = packages.default;
  const curve = told.connect === undefined ? {} : curveOf(identity, roster);
  const agent = opened(identity, roster, told.ends, curve);
  const limit = Number(told.timeout ?? (told.seat ? SEAT_S : 60));
  const late = pause(1000 * limit).then(() => null);
  try {
    const snapshot = await Promise.race([agent.join(), late]);
    if (snapshot === null) {
      const detail = `no coordinator at ${told.ends.controlIn} let us join within ${limit} s`;
      say({ answer: null, detail: `${detail}: does it run, and does its roster list our keys?` });
      return 5;
    }
    if (snapshot.header.type === "nack") {
      tell(snapshot);
      return 1;
    }
    const { pair, mode, generation, stops } = snapshot.body;
    say({ joined: pair, mode, generation, stops });
    agent.modes.set(generation, mode);
    const update = {
      timestamp: told.at ?? (await venueTime(told, roster, curve)),
      source_agent: identity.name,
      target_agent: COORDINATOR,
      message_type: "parameter_update",
      data: {
        optimized_params: params,
        // What an agent measured itself; this one measures nothing, it shows the way.
        performance_metrics: { sqn_score: 1.0, sharpe_ratio: 1.0, max_drawdown: 0.01 },
        confidence_score: Number(told.confidence),
      },
    };
    if (told.seat) {
      takeSeat(agent, told, update);
      await Promise.race([late, new Promise((done) => process.once("SIGTERM", done))]);
      return 0;
    }
    say({ proposed: params, digest: digest(params), timestamp: update.timestamp });
    const answer = await Promise.race([agent.propose(update, { gen: generation }), late]);
    if (answer === null) {
      say({ answer: null, detail: "no answer in time" });
      return 5;
    }
    tell(answer);
    return answer.body.stage === "applied" ? 0 : 1;
  } finally {
    await agent.close();
  }
}

const code = await main().catch((error) => {
  if (!(error instanceof Mistake)) throw error; // a bug of ours
  console.error(`agent.mjs: ${error.message}`);
  return error.code;
});
process.exit(code);
