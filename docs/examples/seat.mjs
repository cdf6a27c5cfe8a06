// A seat's part in rounds: it recomputes every merge, and gives one vote a round, on disk first.
//
// It cannot replay a market, so it never says that a candidate is good: a candidate that does not
// follow from the sets it rejects, of any other it abstains.

import fs from "node:fs";

import { digest, medianMerge, peerMerge } from "./sets.mjs";

/** What follows from a round's sets under a mode; null where nothing is merged. */
export function mergeOf(round, mode, { seats, fraction }) {
  if (mode === "peer") {
    const sets = round.sets.map((each) => [each.params, each.weight]);
    return peerMerge(round.incumbent, sets, fraction);
  }
  if (mode !== "consensus") return null;
  const sets = round.sets.map((each) => each.params);
  return medianMerge(round.incumbent, sets, seats, fraction);
}

/** The answer to a round: [type, body], an ack or nack of a peer, a vote of a voter. */
export function answerTo(round, mode, rules) {
  const merged = mergeOf(round, mode, rules);
  if (merged === null) {
    return ["nack", { code: "E_FORBIDDEN", detail: `this seat has no part in rounds of ${mode}` }];
  }
  const same = digest(merged) === digest(round.candidate);
  if (mode === "peer") {
    const detail = `the sets lead to ${digest(merged).slice(0, 12)}`;
    return same ? ["ack", { stage: "received" }] : ["nack", { code: "E_SCHEMA", detail }];
  }
  const [choice, reason] = same
    ? ["abstain", "the median is right; this seat replays no market"]
    : ["reject", "E_SCHEMA: the median is another set"];
  return ["vote", { round: round.round, candidate: digest(round.candidate), choice, reason }];
}

/** Votes by the id of the round's message; a second, different one would void both. */
export class Votes {
  constructor(path) {
    this.path = path;
    this.given = new Map();
    if (!fs.existsSync(path)) return;
    const lines = fs.readFileSync(path, "utf8").split("\n").slice(0, -1); // a torn end was not said
    lines.map((line) => JSON.parse(line)).forEach(({ ref, vote }) => this.given.set(ref, vote));
  }

  /** Put a vote on disk and return it; the first one, where the round was voted on already. */
  give(ref, vote) {
    if (this.given.has(ref)) return this.given.get(ref);
    const file = fs.openSync(this.path, "a", 0o600);
    fs.writeSync(file, `${JSON.stringify({ ref, vote })}\n`);
    fs.fsyncSync(file);
    fs.closeSync(file);
    this.given.set(ref, vote);
    return vote;
  }
}
