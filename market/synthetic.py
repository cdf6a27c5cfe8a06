"""An artificial day of one spot-like symbol, seeded, with a known truth about its edge.

`synthetic_day` runs the market of `synthetic_flow.py` and hands back its tape. Three settings:

**zero_edge.** Nobody can earn by resting orders, at any depth, with any timing. The argument:

1. Every sweep is informed (phi = 1) and signs are independent coin flips (p = 1/2). A sell sweep
   whose limit is the price P moves the value to at most P + fee, in the same instant. Its last
   fill prints at P_last >= P. A resting bid that it fills has a price p >= P_last: so the value
   after the fill is at most p + fee, and the bid's profit against the value, net of its fee, is
   <= 0. Buys are the mirror image.
2. A bid that is reached without a sweep, because the book moves, is filled by an ask that comes
   to rest at a price a <= p. Asks rest above the value: value < a <= p, again a loss.
3. So each fill loses or breaks even on its own path, not merely on average. Between fills the
   position gains what the value does, and the value is a martingale given everything that has
   happened: news steps are coin flips, and both signs of a sweep draw their depth from one
   distribution that looks neither at quantities nor at imbalance.
4. Therefore wealth, cash plus position times value less fees, is a supermartingale under every
   rule that uses the past only: quoting inside the spread, skewing by imbalance, pulling after a
   trade, cancelling every second. Taking liquidity pays half a spread on top.
5. The book is anchored so that mid = value exactly, and re-anchored in the same instant as the
   sweep, with one time stamp for the whole batch. There are no stale levels to pick off, no
   bounce to wait for, and profit marked at mid is profit against the value.

Step 1 holds for the maker fee given here and any higher one; a rebate may be at most half a
tick (step 2 gives no more room), and `synthetic_day` refuses a larger one.

**planted_edge.** Few sweeps are informed and the others revert within seconds: a bid d ticks from
the mid that is filled earns d less phi times the mean depth of the sweeps that reach it. How deep
they reach differs by seed, and with it the best half spread; `meta["truth"]` holds the curve.

**default.** In between: one sweep in five is informed, signs persist, the imbalance at the touch
tilts the next news step. A modest edge at zero fee.

Facts that hold in all three and are tested in `tests/market/test_synthetic.py`: spreads mostly of
1 to 6 ticks, tighter in calm hours; mean depth that rises to a hump behind the touch and falls
after it; absolute returns that stay correlated over minutes; sweeps that come in clusters; heavy
tails of returns and of trade sizes; and, in zero_edge, variance of the mid that grows linearly
with the horizon.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from market.layout import BUY, EVENT_COLUMNS, EVENT_KIND, EVENT_LOCAL_NS, KIND_SNAPSHOT, KIND_TRADE
from market.synthetic_book import (
    LADDER,
    STATE_ASK,
    STATE_ASK_LAST,
    STATE_BASE,
    STATE_BID,
    STATE_BID_LAST,
    STATE_COLUMNS,
    STATE_COUNT,
    STATE_INFORMED,
    STATE_LOCAL_NS,
    STATE_NOW_NS,
    STATE_SIGN,
    STATE_SWEEPS,
    STATE_VALUE,
    U8,
    begin_batch,
    settle,
    uniform,
)
from market.synthetic_flow import (
    MARKET_COLUMNS,
    MARKET_DECAY,
    MARKET_EXCITE,
    MARKET_FEE_RATE,
    MARKET_INFORMED,
    MARKET_REFILL,
    MARKET_REPEAT,
    MARKET_SIGNAL,
    MARKET_WIDEN,
    REGIME_COLUMNS,
    REGIME_DEPTH,
    REGIME_SPREAD,
    REGIMES,
    RUN_DONE,
    RUN_OUTSIDE,
    run,
)
from market.synthetic_truth import truth_of
from market.types import F8, I8

START_NS = 1_735_689_600_000_000_000  # 2025-01-01 00:00 UTC
DAY_NS = 86_400_000_000_000
VALUE_TICKS = 10_000  # 100.00 at a tick of 0.01
WIDTH = 1 << 15
CHUNK_ROWS = 1 << 18
HOURS_MAX = 24.0 * 31
HUMP_LEVEL = 5.0  # where the mean depth is greatest, levels behind the touch
HUMP_LOTS = 30_000.0  # 30 SYN there


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What makes one synthetic market differ from another; rates a second, depths in ticks."""

    informed: float  # phi
    repeat: float  # chance that a sweep's sign repeats the last one
    refill: float  # rate at which a hole halves; 0: the book is whole at once
    signal: float  # tilt of a news step by the imbalance at the touch
    depth_least: float  # a sweep's mean depth is drawn by seed from this range
    depth_most: float
    spread_most: int  # the least spread in calm hours is drawn by seed from 1 to this, ticks
    news: float  # in calm hours
    sweeps: float  # in calm hours, self-excitation not counted
    offspring: float = 0.5  # sweeps that one sweep brings about, on average
    decay: float = 0.7  # rate at which its excitement fades


SETTINGS = {
    "default": Setting(
        informed=0.2,
        repeat=0.6,
        refill=2.0,
        signal=0.15,
        depth_least=2.0,
        depth_most=3.5,
        spread_most=1,
        news=0.25,
        sweeps=0.055,
    ),
    "zero_edge": Setting(
        informed=1.0,
        repeat=0.5,
        refill=0.0,
        signal=0.0,
        depth_least=0.7,
        depth_most=1.6,
        spread_most=2,
        news=0.25,
        sweeps=0.05,
    ),
    "planted_edge": Setting(
        informed=0.03,
        repeat=0.55,
        refill=2.0,
        signal=0.0,
        depth_least=2.0,
        depth_most=5.0,
        spread_most=2,
        news=0.15,
        sweeps=0.1,
    ),
}

# Against calm hours: news, sweeps, depth, spread added, traffic; mean stay in seconds; what next.
REGIME_TABLE = (
    (1.0, 1.0, 1.0, 0, 7.0, 1500.0, (0.0, 0.8, 0.2)),
    (3.0, 2.2, 1.25, 1, 11.0, 700.0, (0.7, 0.0, 0.3)),
    (8.0, 4.5, 1.6, 2, 18.0, 300.0, (0.3, 0.7, 0.0)),
)


def market_of(setting: Setting, *, fee_rate: float) -> F8:
    """Return the figures of `setting` as f8[MARKET_COLUMNS]."""
    market = np.zeros(MARKET_COLUMNS)
    market[MARKET_INFORMED] = setting.informed
    market[MARKET_REPEAT] = setting.repeat
    market[MARKET_FEE_RATE] = fee_rate
    market[MARKET_REFILL] = setting.refill
    market[MARKET_SIGNAL] = setting.signal
    market[MARKET_EXCITE] = setting.offspring * setting.decay
    market[MARKET_DECAY] = setting.decay
    market[MARKET_WIDEN] = 1.0 / 300.0
    return market


def regimes_of(setting: Setting, random: U8) -> F8:
    """Return f8[REGIMES, REGIME_COLUMNS]; two draws decide depth and spread of this seed."""
    span = setting.depth_most - setting.depth_least
    depth = setting.depth_least + span * uniform(random)
    spread = 1 + int(setting.spread_most * uniform(random))
    regimes = np.zeros((REGIMES, REGIME_COLUMNS))
    for row, (news, sweeps, reach, wider, traffic, stay, after) in enumerate(REGIME_TABLE):
        regimes[row, :REGIME_DEPTH] = setting.news * news, setting.sweeps * sweeps
        regimes[row, REGIME_DEPTH] = depth * reach
        regimes[row, REGIME_SPREAD] = spread + wider
        regimes[row, REGIME_SPREAD + 1 :] = traffic, 1.0 / stay, *after
    return regimes


def hump() -> F8:
    """Return f8[LADDER]: mean lots of a level by its place behind the touch."""
    place = (np.arange(LADDER) + 1.0) / (HUMP_LEVEL + 1.0)
    profile: F8 = HUMP_LOTS * (0.15 + 0.85 * place * np.exp(1.0 - place))
    return profile


def chosen(setting: str, informed_share: float | None, maker_fee_bps: float) -> Setting:
    """Return the named setting with another informed share, or say what is wrong."""
    if setting not in SETTINGS:
        raise ValueError(f"setting must be one of {', '.join(SETTINGS)}, found {setting!r}")
    picked = SETTINGS[setting]
    if setting == "zero_edge":
        if informed_share not in {None, 1.0}:
            raise ValueError(f"informed_share is 1 in zero_edge, found {informed_share}")
        if not -0.4 <= maker_fee_bps <= 50.0:
            raise ValueError(f"maker_fee_bps must be in [-0.4, 50], found {maker_fee_bps}")
    if informed_share is None:
        return picked
    if not 0.0 <= informed_share <= 1.0:
        raise ValueError(f"informed_share must be in [0, 1], found {informed_share}")
    return dataclasses.replace(picked, informed=float(informed_share))


def opened(start_ns: int, random: U8, profile: F8, least: int) -> tuple[I8, I8, I8]:
    """Return state, book and a first buffer that holds the snapshot."""
    events = np.zeros((CHUNK_ROWS, EVENT_COLUMNS), np.int64)
    book = np.zeros((2, WIDTH), np.int64)
    state = np.zeros(STATE_COLUMNS, np.int64)
    state[STATE_NOW_NS] = start_ns
    state[STATE_VALUE] = 2 * VALUE_TICKS
    state[STATE_BASE] = VALUE_TICKS - WIDTH // 4
    state[STATE_BID] = state[STATE_BID_LAST] = VALUE_TICKS - WIDTH // 8
    state[STATE_ASK] = state[STATE_ASK_LAST] = VALUE_TICKS + WIDTH // 8
    state[STATE_SIGN] = BUY
    state[STATE_LOCAL_NS] = start_ns
    begin_batch(state, random)
    settle(events, state, book, random, profile, least, KIND_SNAPSHOT)
    return state, book, events


def synthetic_day(
    *,
    seed: int,
    hours: float = 24.0,
    setting: str = "default",
    start_ns: int = START_NS,
    maker_fee_bps: float = 0.0,
    taker_fee_bps: float = 4.0,
    informed_share: float | None = None,
) -> tuple[I8, dict[str, Any]]:
    """Make a recording of `hours` hours; the same arguments give the same bytes.

    Args:
        seed: any integer >= 0.
        hours: exchange time covered, in (0, 744].
        setting: "default", "zero_edge" or "planted_edge".
        start_ns: exchange time of the snapshot, a multiple of a day.
        maker_fee_bps: of the account, cost positive. The zero-edge market is built around it,
            the other two do not look at it.
        taker_fee_bps: of the account, cost positive; goes into the description only.
        informed_share: phi in [0, 1]; None takes the setting's own.

    Returns:
        events i8[n, EVENT_COLUMNS], both clocks monotone, and a JSON-ready dict: the instrument,
        the seed, counts, and under "truth" what is known about the edge by construction.

    Raises:
        ValueError: an argument is out of range; it names allowed and found.
    """
    if not 0.0 < hours <= HOURS_MAX:
        raise ValueError(f"hours must be in (0, {HOURS_MAX:g}], found {hours}")
    if seed < 0:
        raise ValueError(f"seed must be >= 0, found {seed}")
    if start_ns % DAY_NS != 0:
        raise ValueError(f"start_ns must be a multiple of a day, found {start_ns}")
    if not (math.isfinite(maker_fee_bps) and math.isfinite(taker_fee_bps)):
        raise ValueError(f"fees must be finite, found {maker_fee_bps} and {taker_fee_bps}")
    picked = chosen(setting, informed_share, maker_fee_bps)
    random: U8 = np.random.SeedSequence(seed).generate_state(1, np.uint64).astype(np.uint64)
    regimes = regimes_of(picked, random)
    fee_rate = maker_fee_bps * 1e-4 if setting == "zero_edge" else 0.0
    market = market_of(picked, fee_rate=fee_rate)
    profile = hump()
    state, book, buffer = opened(start_ns, random, profile, int(regimes[0, REGIME_SPREAD]))
    heat = np.zeros(1)
    end_ns = start_ns + round(hours * 3.6e12)
    parts = []
    code = -1
    while code != RUN_DONE:
        code = run(buffer, state, book, random, heat, profile, market, regimes, end_ns)
        if code == RUN_OUTSIDE:
            raise RuntimeError(f"the value left the book: {state[STATE_VALUE]} half ticks")
        parts.append(buffer[: state[STATE_COUNT]].copy())
        state[STATE_COUNT] = 0
    events = np.concatenate(parts)
    meta = described(events, seed=seed, setting=setting, picked=picked)
    meta["maker_fee_bps"] = float(maker_fee_bps)
    meta["taker_fee_bps"] = float(taker_fee_bps)
    truth = truth_of(market, regimes, fee_ticks=maker_fee_bps * 1e-4 * VALUE_TICKS)
    truth["sweeps"] = int(state[STATE_SWEEPS])
    truth["informed_sweeps"] = int(state[STATE_INFORMED])
    truth["value_move_ticks"] = 0.5 * float(state[STATE_VALUE] - 2 * VALUE_TICKS)
    meta["truth"] = truth
    return events, meta


def described(events: I8, *, seed: int, setting: str, picked: Setting | None) -> dict[str, Any]:
    """Return the instrument and what was recorded of it."""
    return {
        "venue": "synthetic",
        "symbol": "SYN-USDT",
        "base": "SYN",
        "quote": "USDT",
        "tick": "0.01",
        "lot": "0.001",
        "min_lots": 1,
        "min_notional": "5",
        "spot": True,
        "inverse": False,
        "fee_in_base": False,
        "seed": seed,
        "setting": setting,
        "setting_figures": {} if picked is None else dataclasses.asdict(picked),
        "span_ns": [int(events[0, EVENT_LOCAL_NS]), int(events[-1, EVENT_LOCAL_NS])],
        "clock_offset_ns": 0,
        "source": f"synthetic_day(seed={seed}, setting={setting!r})",
        "events": int(events.shape[0]),
        "trades": int(np.count_nonzero(events[:, EVENT_KIND] == KIND_TRADE)),
    }
