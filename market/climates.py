"""Artificial days whose character changes: climates that last hours, and that nobody announces.

A climate sets how much the value moves, how often and how deep orders reach, how many of them know
something, and whether there is a drift. What is best to quote differs: wide and small where orders
are informed, narrow where they are not. When a climate begins is drawn; which one it is stands in
the recording's notes, for the oracle of an evaluation and for nobody else. Two mechanisms make the
orders, with calm, busy and stormy spells inside each climate: `value` (`synthetic_flow.py`) and
`queue` (`synthetic_queue.py`). Figures are shown beside recordings by `python -m bench.climates`.

The bytes are frozen: `tests/market/test_climates.py` holds their digest, so that nobody tunes an
agent on one market and is judged on another. Whoever changes them begins a new family.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from market.synthetic import (
    HOURS_MAX,
    REGIME_TABLE,
    START_NS,
    Setting,
    described,
    hump,
    market_of,
    opened,
)
from market.synthetic_book import STATE_COUNT, STATE_SWEEPS, STATE_VALUE, U8
from market.synthetic_flow import (
    MARKET_DRIFT,
    REGIME_COLUMNS,
    REGIME_DEPTH,
    REGIME_SPREAD,
    REGIMES,
    RUN_DONE,
    RUN_OUTSIDE,
    run,
)
from market.synthetic_queue import run_queue
from market.types import F8, I8

HOUR_NS = 3_600_000_000_000
STAY_LEAST_HOURS = 1.0
STAY_MEAN_HOURS = 3.0
MECHANISMS = ("value", "queue")


@dataclasses.dataclass(frozen=True, slots=True)
class Climate:
    """How the market is for some hours; rates a second, depths in ticks.

    Attributes:
        news: half-tick steps of the value.
        sweeps: orders that take, self-excitation not counted.
        depth: mean ticks that they reach behind the touch.
        informed: share of them that move the value.
        drift: tilt of the news, its sign drawn when the climate begins.
        spread: least one, ticks.
    """

    news: float
    sweeps: float
    depth: float
    informed: float
    drift: float
    spread: int


CLIMATES = {
    "quiet": Climate(news=0.08, sweeps=0.04, depth=0.8, informed=0.15, drift=0.0, spread=1),
    "lively": Climate(news=0.12, sweeps=0.11, depth=2.2, informed=0.16, drift=0.0, spread=2),
    "toxic": Climate(news=0.12, sweeps=0.06, depth=1.2, informed=0.60, drift=0.0, spread=2),
    "trending": Climate(news=0.16, sweeps=0.05, depth=1.2, informed=0.25, drift=0.04, spread=1),
}


def path_of(rng: np.random.Generator, hours: float) -> list[tuple[int, str, float]]:
    """Return (ns from the start, climate, sign of its drift) of a day, the first at 0."""
    names, at_ns, found = list(CLIMATES), 0, []
    name = names[int(rng.integers(len(names)))]
    while at_ns < round(hours * HOUR_NS):
        found.append((at_ns, name, float(rng.choice([-1.0, 1.0]))))
        stay = STAY_LEAST_HOURS + rng.exponential(STAY_MEAN_HOURS - STAY_LEAST_HOURS)
        at_ns += round(stay * HOUR_NS)
        others = [each for each in names if each != name]
        name = others[int(rng.integers(len(others)))]
    return found


def spells_of(rng: np.random.Generator, first_ns: int, last_ns: int) -> list[tuple[int, int]]:
    """Return (end, row of REGIME_TABLE) of the calm, busy and stormy spells of a span."""
    found, at_ns, row = [], first_ns, 0
    while at_ns < last_ns:
        *_, stay_s, after = REGIME_TABLE[row]
        at_ns += round(float(rng.exponential(stay_s)) * 1e9) + 1
        found.append((min(at_ns, last_ns), row))
        row = int(rng.choice(REGIMES, p=after))
    return found


def rows_of(climate: Climate, sign: float) -> tuple[F8, F8]:
    """Return f8[MARKET_COLUMNS] and f8[REGIMES, REGIME_COLUMNS] of a climate."""
    setting = Setting(
        informed=climate.informed,
        repeat=0.55,
        refill=2.0,
        signal=0.45,
        depth_least=climate.depth,
        depth_most=climate.depth,
        spread_most=1,
        news=climate.news,
        sweeps=climate.sweeps,
    )
    market = market_of(setting, fee_rate=0.0)
    market[MARKET_DRIFT] = sign * climate.drift
    regimes = np.zeros((REGIMES, REGIME_COLUMNS))
    for row, (news, sweeps, reach, wider, traffic, stay, after) in enumerate(REGIME_TABLE):
        regimes[row, :REGIME_DEPTH] = climate.news * news, climate.sweeps * sweeps
        regimes[row, REGIME_DEPTH] = climate.depth * reach
        regimes[row, REGIME_SPREAD] = climate.spread + wider
        regimes[row, REGIME_SPREAD + 1 :] = traffic, 1.0 / stay, *after
    return market, regimes


def _fill(
    kernel: Callable[..., int],
    buffer: I8,
    parts: list[I8],
    place: tuple[Any, ...],
    regimes: F8,
    until_ns: int,
) -> None:
    """Run a market until a time, and put what happened into `parts`."""
    state, code = place[0], -1
    while code != RUN_DONE:
        code = kernel(buffer, *place, regimes, until_ns)
        if code == RUN_OUTSIDE:
            raise RuntimeError(f"the value left the book: {state[STATE_VALUE]} half ticks")
        parts.append(buffer[: state[STATE_COUNT]].copy())
        state[STATE_COUNT] = 0


def climate_day(
    *,
    seed: int,
    hours: float = 24.0,
    mechanism: str = "value",
    only: str | None = None,
    start_ns: int = START_NS,
) -> tuple[I8, dict[str, Any]]:
    """Make a day of changing climates; the same arguments give the same bytes.

    Args:
        seed: any integer >= 0.
        hours: exchange time covered, in (0, 744].
        mechanism: "value" or "queue".
        only: one climate all day, which the seed does not choose; None: they change.
        start_ns: exchange time of the snapshot.

    Returns:
        As `synthetic.synthetic_day`; under "truth" the climates and when each began.

    Raises:
        ValueError: an argument is out of range; it names allowed and found.
    """
    if mechanism not in MECHANISMS:
        raise ValueError(f"mechanism must be one of {', '.join(MECHANISMS)}, found {mechanism!r}")
    if only is not None and only not in CLIMATES:
        raise ValueError(f"climate must be one of {', '.join(CLIMATES)}, found {only!r}")
    if not 0.0 < hours <= HOURS_MAX or seed < 0:
        raise ValueError(f"need hours in (0, {HOURS_MAX:g}], seed >= 0, found {hours}, {seed}")
    number = MECHANISMS.index(mechanism)
    paths, chances = np.random.SeedSequence([seed, number]).spawn(2)
    spells = np.random.default_rng(paths)
    path = path_of(spells, hours)
    if only is not None:
        path = [(0, only, 1.0)]
    random: U8 = chances.generate_state(1, np.uint64).astype(np.uint64)
    profile, heat = hump(), np.zeros(2)
    parts: list[I8] = []
    state, book, buffer = opened(start_ns, random, profile, CLIMATES[path[0][1]].spread)
    end_ns = start_ns + round(hours * HOUR_NS)
    for index, (at_ns, name, sign) in enumerate(path):
        market, regimes = rows_of(CLIMATES[name], sign)
        until_ns = start_ns + path[index + 1][0] if index + 1 < len(path) else end_ns
        place = (state, book, random, heat, profile, market)
        if mechanism == "value":
            _fill(run, buffer, parts, place, regimes, min(until_ns, end_ns))
            continue
        for spell_ns, row in spells_of(spells, start_ns + at_ns, min(until_ns, end_ns)):
            _fill(run_queue, buffer, parts, place, regimes[row], spell_ns)
    events = np.concatenate(parts)
    meta = described(events, seed=seed, setting=f"climates-{mechanism}", picked=None)
    meta["source"] = f"climate_day(seed={seed}, mechanism={mechanism!r}, only={only!r})"
    meta["maker_fee_bps"], meta["taker_fee_bps"] = 0.0, 4.0
    meta["truth"] = {
        "climates": [[start_ns + at_ns, name] for at_ns, name, _ in path],
        "sweeps": int(state[STATE_SWEEPS]),
    }
    return events, meta
