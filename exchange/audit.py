"""Audits a recording: `counterpoint feed check`.

Errors are what makes a replay wrong: missing updates, a crossed book, a clock that runs back,
figures that do not add up. Warnings are what a reader should know: silences, prints off the
market, streams that overtook each other. What is too much depends on the venue: `THRESHOLDS`.
Everything that can be is counted anew from the events; only what a recording does not hold
(messages, gaps) is taken from its meta, and then held against the rest.
"""

import dataclasses
import datetime as dt
from typing import Any

import numpy as np

from exchange.recording import Recording
from market.audit import (
    SAMPLE_COLUMNS,
    SURVEY_AT_TOUCH,
    SURVEY_BACK,
    SURVEY_BACK_ROW,
    SURVEY_BATCHES,
    SURVEY_BUYS,
    SURVEY_CHANGES,
    SURVEY_COLUMNS,
    SURVEY_CROSSED,
    SURVEY_CROSSED_NS,
    SURVEY_INSIDE,
    SURVEY_LONGEST_AT_NS,
    SURVEY_LONGEST_NS,
    SURVEY_OFF_MARKET,
    SURVEY_OFF_MARKET_NS,
    SURVEY_ROWS,
    SURVEY_SAMPLES,
    SURVEY_SILENCES,
    SURVEY_SNAPSHOT_ROWS,
    SURVEY_THROUGH,
    SURVEY_TRADED_LOTS,
    SURVEY_TRADES,
    survey,
)
from market.book import new_book, window_for
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
)
from market.types import I8

SECOND_NS = 1_000_000_000
SAMPLES_MAX = 40_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Thresholds:
    """What a venue's recordings may show."""

    silence_s: float  # a longer pause is worth a warning
    off_market_bps: float  # a print farther beyond the touch is worth one
    crossed_share: float = 0.0  # of depth batches; more is an error
    disorder_share: float = 0.01  # of events that one clock sees in another place; more: warning


THRESHOLDS = {
    "binance-spot": Thresholds(silence_s=60, off_market_bps=100),
    "binance": Thresholds(silence_s=60, off_market_bps=100),  # live names are ccxt's
    "binance-usdm": Thresholds(silence_s=10, off_market_bps=100, disorder_share=0.05),
    "binanceusdm": Thresholds(silence_s=10, off_market_bps=100, disorder_share=0.05),
    "binance-coinm": Thresholds(silence_s=30, off_market_bps=100, disorder_share=0.05),
    # Orders in the log are shown before they are matched; its manifest states 0.1 % crossed.
    "bitstamp": Thresholds(silence_s=60, off_market_bps=200, crossed_share=0.001),
    "lobster": Thresholds(silence_s=60, off_market_bps=100),
    "synthetic": Thresholds(silence_s=60, off_market_bps=200),
}
OTHER_THRESHOLDS = Thresholds(silence_s=60, off_market_bps=200)


@dataclasses.dataclass(frozen=True, slots=True)
class Survey:
    """What one clock saw: counts i8[SURVEY_COLUMNS], best prices i8[m, SAMPLE_COLUMNS]."""

    meter: I8
    samples: I8


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """The result of a check; it passed when there is no error."""

    depth_events: int
    level_changes: int
    trades: int
    gaps: int
    crossed_books: int
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether the recording may be replayed."""
        return not self.errors

    def as_dict(self) -> dict[str, Any]:
        """Return the result, ready for JSON."""
        return {
            "passed": self.passed,
            "depth_events": self.depth_events,
            "level_changes": self.level_changes,
            "trades": self.trades,
            "gaps": self.gaps,
            "crossed_books": self.crossed_books,
            "errors": list(self.errors),
            "warnings": list(self.warnings),
            **self.facts,
        }


def utc(time_ns: int) -> str:
    """Return a time as `2024-07-23 15:39:42.850 UTC`."""
    moment = dt.datetime.fromtimestamp(time_ns // SECOND_NS, tz=dt.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns // 1_000_000 % 1000:03d} UTC"


def look(events: I8, seen: int, limits: Thresholds, *, sample_ns: int = SECOND_NS) -> Survey:
    """Walk one clock's events: rebuild the book, count, sample the touch.

    Args:
        events: i8[n, EVENT_COLUMNS], n >= 1.
        seen: SEEN_LOCAL or SEEN_EXCHANGE.
        limits: what counts as a silence and as off the market.
        sample_ns: distance of the samples.
    """
    clock = EVENT_LOCAL_NS if seen == SEEN_LOCAL else EVENT_EXCH_NS
    span_ns = int(events[:, clock].max() - events[:, clock].min())
    samples = np.zeros((min(SAMPLES_MAX, span_ns // sample_ns + 2), SAMPLE_COLUMNS), np.int64)
    meter = np.zeros(SURVEY_COLUMNS, np.int64)
    levels, touch = new_book(*window_for(events))
    survey(
        events, seen, levels, touch, int(limits.silence_s * SECOND_NS),
        float(limits.off_market_bps), sample_ns, samples, meter,
    )  # fmt: skip
    return Survey(meter, samples[: meter[SURVEY_SAMPLES]])


def clock_errors(events: I8, local: I8, exchange: I8) -> list[str]:
    """Return what is wrong with the two clocks of a recording."""
    errors = []
    for name, meter in (("local", local), ("exchange", exchange)):
        if meter[SURVEY_BACK]:
            errors.append(
                f"{name} time runs back {meter[SURVEY_BACK]:,} times, first at event "
                f"{meter[SURVEY_BACK_ROW]:,}; import the raw data again"
            )
    early = int((events[:, EVENT_LOCAL_NS] < events[:, EVENT_EXCH_NS]).sum())
    if early:
        errors.append(
            f"{early:,} events are seen locally before the exchange's time; import with the "
            "raw local times, which get one constant offset"
        )
    if local[SURVEY_ROWS] != exchange[SURVEY_ROWS]:
        errors.append(
            f"the local clock sees {local[SURVEY_ROWS]:,} events, the exchange clock "
            f"{exchange[SURVEY_ROWS]:,}; each must see all of them"
        )
    return errors


def count_errors(recording: Recording, meter: I8) -> list[str]:
    """Return where the events and the counts in meta disagree."""
    counts = recording.meta.counts
    levels = counts.level_changes - counts.levels_dropped + counts.snapshot_levels
    errors = []
    for name, said, found in (
        (
            "level changes",
            levels - counts.off_grid,
            int(meter[SURVEY_CHANGES] + meter[SURVEY_SNAPSHOT_ROWS]),
        ),
        ("trades", counts.trades, int(meter[SURVEY_TRADES])),
    ):
        if said != found:
            errors.append(f"meta counts {said:,} {name}, data holds {found:,}; import it again")
    applied = counts.depth_messages - counts.depth_dropped
    if meter[SURVEY_BATCHES] > applied + counts.snapshots + counts.clears:
        errors.append(
            f"data holds {meter[SURVEY_BATCHES]:,} depth batches, more than the {applied:,} "
            "messages that meta counts; import it again"
        )
    if counts.gaps:
        errors.append(f"{counts.gaps:,} updates are missing; record or import again")
    events = recording.events
    sideless = (events[:, EVENT_SIDE] == 0) & (events[:, EVENT_KIND] != KIND_CLEAR)
    if sideless.any():
        errors.append(f"{int(sideless.sum()):,} levels or trades have no side; import it again")
    return errors


def crossed_errors(local: I8, exchange: I8, limits: Thresholds) -> list[str]:
    """Return the clocks on which the book was crossed too often."""
    errors = []
    for name, meter in (("local", local), ("exchange", exchange)):
        share = meter[SURVEY_CROSSED] / max(1, meter[SURVEY_BATCHES])
        if share > limits.crossed_share:
            errors.append(
                f"crossed book after {meter[SURVEY_CROSSED]:,} of {meter[SURVEY_BATCHES]:,} "
                f"depth batches on the {name} clock ({share:.2%}, allowed "
                f"{limits.crossed_share:.2%}), first at {utc(int(meter[SURVEY_CROSSED_NS]))}"
            )
    return errors


def warnings_of(recording: Recording, meter: I8, limits: Thresholds) -> list[str]:
    """Return what a reader of this recording should know."""
    meta, events = recording.meta, recording.events
    counts = meta.counts
    split = int((events[:, EVENT_SEEN] == SEEN_EXCHANGE).sum())
    rows = max(1, int(meter[SURVEY_ROWS]))
    found = [
        (
            meter[SURVEY_SILENCES],
            (
                f"{meter[SURVEY_SILENCES]:,} silences over {limits.silence_s:g} s, the longest "
                f"{meter[SURVEY_LONGEST_NS] / SECOND_NS:.1f} s from "
                f"{utc(int(meter[SURVEY_LONGEST_AT_NS]))}"
            ),
        ),
        (
            meter[SURVEY_OFF_MARKET],
            (
                f"{meter[SURVEY_OFF_MARKET]:,} trades over {limits.off_market_bps:g} bps off the "
                f"market, first at {utc(int(meter[SURVEY_OFF_MARKET_NS]))}"
            ),
        ),
        (
            split / rows > limits.disorder_share,
            (
                f"{split:,} of {rows:,} events reached the recorder in another order than the "
                f"exchange stamped them ({split / rows:.1%}); each clock keeps its own"
            ),
        ),
        (
            counts.clock_raised,
            f"{counts.clock_raised:,} exchange times ran back within a stream; raised",
        ),
        (
            counts.trade_ids_missing,
            f"{counts.trade_ids_missing:,} trade numbers are missing between others",
        ),
        (
            counts.clears,
            f"the book was begun anew {counts.clears:,} times: the recorder lost its connection",
        ),
        (counts.off_grid, f"{counts.off_grid:,} far levels off the tick {meta.tick} left out"),
        (counts.rounded, f"{counts.rounded:,} quantities rounded to the lot {meta.lot}"),
        (
            counts.aggressors_guessed,
            f"{counts.aggressors_guessed:,} trades have a guessed aggressor",
        ),
        (not meta.exchange_clock, "no exchange clock: exchange times are the local ones"),
        (not counts.trades, "no trade in it: nothing can be filled by one"),
    ]
    return [text for happened, text in found if happened]


def facts_of(recording: Recording, meter: I8) -> dict[str, Any]:
    """Return the figures that are neither right nor wrong."""
    meta = recording.meta
    events = recording.events
    return {
        "symbol": meta.symbol,
        "venue": meta.venue,
        "tick": meta.tick,
        "lot": meta.lot,
        "span_ns": list(meta.span_ns),
        "hours": round((meta.span_ns[1] - meta.span_ns[0]) / (3600 * SECOND_NS), 3),
        "clock_offset_ms": meta.clock_offset_ns / 1e6,
        "events": int(events.shape[0]),
        "events_split": int((events[:, EVENT_SEEN] == SEEN_EXCHANGE).sum()),
        "depth_batches": int(meter[SURVEY_BATCHES]),
        "trades_buys": int(meter[SURVEY_BUYS]),
        "trades_at_touch": int(meter[SURVEY_AT_TOUCH]),
        "trades_inside": int(meter[SURVEY_INSIDE]),
        "trades_through": int(meter[SURVEY_THROUGH]),
        "traded_lots": int(meter[SURVEY_TRADED_LOTS]),
        "longest_silence_s": round(int(meter[SURVEY_LONGEST_NS]) / SECOND_NS, 3),
        "counts": meta.counts.model_dump(),
    }


def check(recording: Recording) -> Audit:
    """Audit a recording on both of its clocks."""
    meta, events = recording.meta, recording.events
    limits = THRESHOLDS.get(meta.venue, OTHER_THRESHOLDS)
    if events.shape[0] == 0:
        return Audit(0, 0, 0, 0, 0, ("it holds no event; import it again",), (), {})
    local = look(events, SEEN_LOCAL, limits).meter
    exchange = look(events, SEEN_EXCHANGE, limits).meter
    errors = count_errors(recording, local)
    errors += clock_errors(events, local, exchange)
    errors += crossed_errors(local, exchange, limits)
    return Audit(
        depth_events=meta.counts.depth_messages,
        level_changes=meta.counts.level_changes,
        trades=int(local[SURVEY_TRADES]),
        gaps=meta.counts.gaps,
        crossed_books=int(max(local[SURVEY_CROSSED], exchange[SURVEY_CROSSED])),
        errors=tuple(errors),
        warnings=tuple(warnings_of(recording, local, limits)),
        facts=facts_of(recording, local),
    )
