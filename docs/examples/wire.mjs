// One message of the bus: keys, the four frames, signatures. Node's own crypto, nothing else.

import crypto from "node:crypto";
import fs from "node:fs";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex"); // Ed25519, then 32 bytes
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const TOPIC = /^(?:ctl\.([a-z0-9_-]{1,24})\.([a-z_]{1,24})|(st|tm)\.([a-z_]{1,24})\.([a-z0-9_-]{1,24}))$/;
const SOURCE = /"src"\s*:\s*"([a-z0-9_-]{1,24})"/g;
const HEADER_MAX = 1024;
const BODY_MAX = 65536;
const PAST_MS = 30000;

/** The private key of 32 raw bytes. */
export function privateKey(raw) {
  const key = Buffer.concat([PKCS8, raw]);
  return crypto.createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** The public key of 32 raw bytes. */
export function publicKey(raw) {
  return crypto.createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
}

/** Read NAME.key: {"name", "sign": base64 of 32 private bytes, "curve": secret key, Z85}. */
export function readIdentity(path) {
  const { name, sign, curve } = JSON.parse(fs.readFileSync(path, "utf8"));
  return { name, key: privateKey(Buffer.from(sign, "base64")), curve };
}

/** Read roster.json: who may speak, by which keys, and may send what. */
export function readRoster(path) {
  return rosterOf(JSON.parse(fs.readFileSync(path, "utf8")));
}

/** The members of a roster document by name; a member has two keys while one is replaced. */
export function rosterOf(document) {
  if (document.format !== 1) throw new Error(`roster of format ${document.format}, 1 is read`);
  return new Map(
    document.members.map((row) => [
      row.name,
      {
        keys: row.keys.map((text) => publicKey(Buffer.from(text, "base64"))),
        maySend: new Set(row.may_send),
        curve: row.curve, // public key, Z85
      },
    ]),
  );
}

/** The signed bytes: "CPT1", then each frame behind its length, four bytes, big-endian. */
export function preimage(topic, header, body) {
  const parts = [Buffer.from("CPT1")];
  for (const part of [topic, header, body]) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    parts.push(length, part);
  }
  return Buffer.concat(parts);
}

/** Four frames of a message to one party. `more`: id, ref, gen, epoch, version. */
export function seal(identity, dst, type, body, nowMs, ttlMs, more = {}) {
  return sealed(identity, `ctl.${dst}.${type}`, dst, type, body, nowMs, ttlMs, more);
}

/** Four frames of a state: said to whoever follows it, and never answered. */
export function sealState(identity, type, body, nowMs, ttlMs) {
  const { name } = identity;
  return sealed(identity, `st.${type}.${name}`, name, type, body, nowMs, ttlMs, {});
}

function sealed(identity, topic, dst, type, body, nowMs, ttlMs, more) {
  const header = {
    v: 1,
    id: crypto.randomBytes(16).toString("hex"),
    type,
    src: identity.name,
    dst,
    ts: nowMs * 1e6, // nanoseconds; as JSON it is an integer, whatever its last digits are
    ttl: ttlMs,
    enc: "json",
    ...more,
  };
  const text = [topic, JSON.stringify(header), JSON.stringify(body)];
  const parts = text.map((each) => Buffer.from(each, "utf8"));
  if (parts[1].length > HEADER_MAX || parts[2].length > BODY_MAX) {
    throw new RangeError(`${type} is too long`);
  }
  return [...parts, crypto.sign(null, preimage(...parts), identity.key)];
}

/**
 * Open four frames: {header, body} when they are a message, {why} when they are not to be taken.
 *
 * In the order of the protocol: sizes, topic and source, key, signature, and only then a parse.
 */
export function open(frames, roster, nowMs) {
  if (frames.length !== 4 || frames[3].length !== 64) return { why: "sizes" };
  if (frames[1].length > HEADER_MAX || frames[2].length > BODY_MAX) return { why: "sizes" };
  const topic = TOPIC.exec(frames[0].toString("latin1"));
  const sources = [...frames[1].toString("latin1").matchAll(SOURCE)];
  if (frames[0].length > 64 || topic === null || sources.length !== 1) return { why: "topic" };
  const member = roster.get(sources[0][1]);
  if (member === undefined) return { why: "unknown" };
  const signed = preimage(...frames.slice(0, 3));
  if (!member.keys.some((key) => crypto.verify(null, signed, key, frames[3]))) {
    return { why: "signature" };
  }
  let header;
  try {
    header = JSON.parse(frames[1].toString("utf8"));
  } catch {
    return { why: "header" };
  }
  const [, dst, told, channel, state, src] = topic;
  const type = told ?? state;
  const party = channel === undefined ? header.dst === dst : header.src === src;
  if (header.src !== sources[0][1] || header.type !== type || !party) return { why: "mismatch" };
  if (header.v !== 1) return { why: "version" };
  if (!member.maySend.has(type)) return { why: "rights" };
  const sentMs = header.ts / 1e6;
  const fresh = sentMs - PAST_MS <= nowMs && nowMs <= sentMs + header.ttl;
  if (type !== "emergency_stop" && !fresh) return { why: "expired" };
  return { header, body: frames[2] };
}

/** A msgpack document, as telemetry carries it; integers above 2^53 lose their last digits. */
export function unpack(bytes) {
  let at = 0;
  const take = (size) => bytes.subarray(at, (at += size));
  const number = (size) => Number(BigInt(`0x${take(size).toString("hex") || "0"}`));
  const list = (size) => Array.from({ length: size }, value);
  const map = (size) => Object.fromEntries(Array.from({ length: size }, () => [value(), value()]));
  const text = (size) => take(size).toString("utf8");
  function value() {
    const tag = take(1)[0];
    if (tag === undefined) throw new RangeError("the document ends too early");
    if (tag < 0x80) return tag;
    if (tag < 0x90) return map(tag & 0x0f);
    if (tag < 0xa0) return list(tag & 0x0f);
    if (tag < 0xc0) return text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 256;
    if (tag === 0xc0) return null;
    if (tag === 0xc2 || tag === 0xc3) return tag === 0xc3;
    if (tag === 0xcb) return take(8).readDoubleBE();
    if (tag >= 0xcc && tag <= 0xcf) return number(1 << (tag - 0xcc));
    if (tag >= 0xd0 && tag <= 0xd3) {
      const raw = take(1 << (tag - 0xd0));
      return Number(BigInt.asIntN(8 * raw.length, BigInt(`0x${raw.toString("hex")}`)));
    }
    if (tag >= 0xd9 && tag <= 0xdb) return text(number(1 << (tag - 0xd9)));
    if (tag === 0xdc || tag === 0xdd) return list(number(2 << (tag - 0xdc)));
    if (tag === 0xde || tag === 0xdf) return map(number(2 << (tag - 0xde)));
    throw new RangeError(`no msgpack of ours begins with ${tag}`);
  }
  return value();
}
