// Repeats the test vectors of docs/vectors in JavaScript; the first difference ends it.
//
//   node check.mjs                      every file; prints how many cases of each it repeated
//   node check.mjs digests < SETS       one digest a line, of the sets in a JSON array

import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";

import { digest, medianMerge, onGrid, peerMerge, quantise, weightUnits } from "./sets.mjs";
import { open, preimage, privateKey, publicKey, rosterOf, unpack } from "./wire.mjs";

function read(name) {
  const file = new URL(`../vectors/${name}.json`, import.meta.url);
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

function result(set) {
  return { params: set, units: quantise(set).map(Number), digest: digest(set) };
}

const checks = {
  keys() {
    const { members, roster } = read("keys");
    for (const { name, sign, seed, public: known } of members) {
      assert.equal(Buffer.from(seed, "hex").toString("base64"), sign);
      const spki = crypto.createPublicKey(privateKey(Buffer.from(seed, "hex")));
      const raw = spki.export({ format: "der", type: "spki" }).subarray(-32);
      assert.equal(raw.toString("base64"), known, name);
      assert.ok(publicKey(raw).equals(spki), name);
      assert.ok(roster.members.find((row) => row.name === name).keys.includes(known));
    }
    return members.length;
  },

  frames() {
    const { members, roster } = read("keys");
    const known = rosterOf(roster);
    const { cases } = read("frames");
    for (const { name, now_ns: now, frames, signed, signer, why, body } of cases) {
      const bytes = frames.map((text) => Buffer.from(text, "hex"));
      const opened = open(bytes, known, now / 1e6);
      assert.equal(opened.why ?? null, why, name);
      if (signed !== null) {
        const text = preimage(...bytes.slice(0, 3));
        assert.equal(text.toString("hex"), signed, name);
        const seed = members.find((each) => each.name === signer).seed;
        const made = crypto.sign(null, text, privateKey(Buffer.from(seed, "hex")));
        assert.equal(made.toString("hex"), frames[3], name);
      }
      if (why !== null) continue;
      const packed = opened.header.enc === "msgpack";
      const told = packed ? unpack(opened.body) : JSON.parse(opened.body.toString("utf8"));
      assert.deepEqual(told, body, name);
    }
    return cases.length;
  },

  digests() {
    const { cases } = read("digests");
    for (const { params, units, digest: known } of cases) {
      assert.deepEqual(quantise(params).map(String), units);
      assert.equal(digest(params), known);
    }
    return cases.length;
  },

  merge() {
    const { cases } = read("merge");
    for (const { incumbent, seats, fraction, sets, peer, consensus } of cases) {
      for (const row of sets) {
        const { confidence_score: confidence, wins, outcomes, weight } = row;
        assert.equal(Number(weightUnits(confidence, { wins, outcomes, seats })), weight);
      }
      const weighted = sets.map((row) => [row.params, row.weight]);
      const plain = sets.map((row) => row.params);
      assert.deepEqual(result(peerMerge(incumbent, weighted, fraction)), peer);
      assert.deepEqual(result(medianMerge(incumbent, plain, seats, fraction)), consensus);
      assert.equal(digest(onGrid(incumbent)), digest(incumbent));
    }
    return cases.length;
  },
};

if (process.argv[2] === "digests") {
  const sets = JSON.parse(fs.readFileSync(0, "utf8"));
  process.stdout.write(sets.map((set) => `${digest(set)}\n`).join(""));
} else {
  const done = Object.entries(checks).map(([name, check]) => [name, check()]);
  console.log(JSON.stringify(Object.fromEntries(done)));
}
