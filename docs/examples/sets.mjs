// Parameter sets: the grid, the digest, the step and both merges, as docs/protocol.md says them.
// Integers of 1e-8 throughout, so that every language finds the same: BigInt, never a float.

import crypto from "node:crypto";

export const UNITS = 100000000n;
const LEVELS_MAX = 50n;
const SPREAD_MAX = 10n * UNITS;

const least = (a, b) => (a < b ? a : b);
const most = (a, b) => (a > b ? a : b);
const clip = (value, [low, high]) => least(most(value, low), high);
const floorDivided = (a, b) => a / b - (a % b !== 0n && a < 0n !== b < 0n ? 1n : 0n);
const ceilDivided = (a, b) => -floorDivided(-a, b);

/** A number's shortest text that reads back as it, exactly: [digits, power of ten below it]. */
export function decimal(value) {
  const found = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  if (found === null) throw new RangeError(`a finite number was expected, found ${value}`);
  const [, sign, whole, fraction = "", power = "0"] = found;
  const digits = BigInt(whole + fraction);
  return [sign ? -digits : digits, BigInt(fraction.length) - BigInt(power)];
}

/** A number as an integer of 1e-8; halves go to the even neighbour. */
export function unitsOf(value) {
  const [digits, below] = decimal(value);
  if (below <= 8n) return digits * 10n ** (8n - below);
  const scale = 10n ** (below - 8n);
  const floor = floorDivided(digits, scale);
  const twice = 2n * (digits - floor * scale);
  return twice > scale || (twice === scale && floor % 2n !== 0n) ? floor + 1n : floor;
}

/** Spread, levels, base_quantity and max_position as integers of 1e-8. */
export function quantise(set) {
  return [
    unitsOf(set.spread_percentage),
    BigInt(set.levels) * UNITS,
    unitsOf(set.base_quantity),
    unitsOf(set.max_position),
  ];
}

/** SHA-256 of the four integers as decimal text, separated by commas: 64 hex digits. */
export function digest(set) {
  return crypto.createHash("sha256").update(quantise(set).join(",")).digest("hex");
}

/** w = confidence x (wins + 1) / (outcomes + 2) / seats as an integer of 1e-8, rounded down. */
export function weightUnits(confidence, { wins, outcomes, seats }) {
  const [digits, below] = decimal(confidence);
  const top = digits * UNITS * BigInt(wins + 1);
  const exact = below >= 0n ? floorDivided(top, 10n ** below) : top * 10n ** -below;
  return exact / (BigInt(outcomes + 2) * BigInt(seats));
}

/** incumbent + sum of weight x clip(set - incumbent, one step); `sets` holds [set, weight]. */
export function peerMerge(incumbent, sets, fraction) {
  incumbent = onGrid(incumbent);
  const bounds = boundsOf(incumbent, fraction);
  const held = coordinates(incumbent);
  const moved = [0n, 0n, 0n, 0n];
  for (const [set, weight] of sets) {
    clipped(set, bounds).forEach((figure, place) => {
      moved[place] += BigInt(weight) * (figure - held[place]);
    });
  }
  // BigInt division rounds towards zero: a coordinate moves towards the incumbent, never past it.
  const [spread, , total, position] = held.map((figure, place) => figure + moved[place] / UNITS);
  const levels = held[1] - floorDivided(UNITS - 2n * moved[1], 2n * UNITS); // half down
  return fit(incumbent, [spread, levels, total, position], fraction);
}

/** The lower median of each coordinate; seats without a set count as the incumbent. */
export function medianMerge(incumbent, sets, seats, fraction) {
  incumbent = onGrid(incumbent);
  const bounds = boundsOf(incumbent, fraction);
  const rows = sets.map((set) => clipped(set, bounds));
  while (rows.length < seats) rows.push(coordinates(incumbent));
  const ascending = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const middle = (place) =>
    rows.map((row) => row[place]).sort(ascending)[Math.floor((seats - 1) / 2)];
  return fit(incumbent, [0, 1, 2, 3].map(middle), fraction);
}

/** The set on the grid: same digest, plain numbers. */
export function onGrid(set) {
  const [spread, levels, base, position] = quantise(set);
  return setOf(spread, levels / UNITS, base, position);
}

function setOf(spread, levels, base, position) {
  return {
    spread_percentage: numberOf(spread),
    levels: Number(levels),
    base_quantity: numberOf(base),
    max_position: numberOf(position),
  };
}

function numberOf(units) {
  return Number(`${units}e-8`);
}

function coordinates(set) {
  const [spread, levels, base, position] = quantise(set);
  return [spread, levels / UNITS, (base * levels) / UNITS, position];
}

/** Lowest and highest figure of each coordinate within one step, both allowed. */
function boundsOf(incumbent, fraction) {
  const [digits, below] = decimal(fraction);
  const scale = 10n ** most(below, 0n);
  const share = digits * 10n ** most(-below, 0n);
  const low = (figure) => most(1n, ceilDivided(figure * (scale - share), scale));
  const high = (figure) => floorDivided(figure * (scale + share), scale);
  const [spread, levels, total, position] = coordinates(incumbent);
  const step = most(1n, (share * levels) / scale);
  return [
    [low(spread), least(high(spread), SPREAD_MAX)],
    [most(1n, levels - step), least(LEVELS_MAX, levels + step)],
    [low(total), high(total)],
    [low(position), high(position)],
  ];
}

function clipped(set, bounds) {
  const [spread, levels, total, position] = coordinates(set);
  const figures = [spread, levels, least(total, position), position];
  return figures.map((figure, place) => clip(figure, bounds[place]));
}

/** The valid set of coordinates that lie inside the step around the incumbent. */
function fit(incumbent, [spread, levels, total, position], fraction) {
  const [lowest, highest] = boundsOf(incumbent, fraction)[2];
  const held = BigInt(incumbent.levels);
  position = floatFloor(position);
  total = least(total, position);
  const direction = levels <= held ? 1n : -1n;
  for (let count = levels; count !== held + direction; count += direction) {
    const base = floatFloor(most(total / count, ceilDivided(lowest, count)));
    const whole = base * count;
    if (base >= 1n && lowest <= whole && whole <= least(highest, position)) {
      return setOf(spread, count, base, position);
    }
  }
  // So coarse a grid that nothing between fits: the incumbent's ladder always does.
  const base = quantise(incumbent)[2];
  return setOf(spread, held, base, most(position, base * held));
}

/** The largest integer of 1e-8 up to `units` that a float carries; beyond 2^53 not each is. */
function floatFloor(units) {
  let value = numberOf(units);
  while (unitsOf(value) > units) value = below(value);
  return unitsOf(value);
}

/** The next smaller float of a positive one. */
function below(value) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigUint64(0, view.getBigUint64(0) - 1n);
  return view.getFloat64(0);
}
