"""Whether compatibility mode is hftbacktest: every step of every candidate, on four recordings."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.engine_feeds import Feed, dials
from bench.peer import Peer
from market.compat import POWER, Terms, compat_one, compat_road
from market.compat_grid import DIAL_LOTS
from market.compat_money import (
    RESULT_BALANCE,
    RESULT_CANCELS,
    RESULT_FEE,
    RESULT_FILLS,
    RESULT_POSITION,
)
from market.features import observer_settings
from market.layout import EVENT_LOCAL_NS, EVENT_SEEN, SEEN_LOCAL, STEP_NOW_NS
from market.tape import Tape, build_tape
from market.types import F8

MS = 1_000_000
INTERVALS_MS = (100, 1_000, 30_000)
QUEUES = {"risk_averse": 0.0, "power_prob": POWER}
QUOTE_UNITS = 1e8


@dataclass(frozen=True, slots=True)
class Verdict:
    """One candidate on one recording: how many steps differ, and what it did."""

    feed: str
    interval_ms: int
    queue: str
    candidate: int
    steps: int
    different: int
    first: int  # step of the first difference, -1 when none
    fills: int
    cancels: int


def terms_of(feed: Feed, queue: str) -> Terms:
    """Return the terms of a comparison on a feed."""
    market = feed.market
    return Terms(
        tick=float(market.tick),
        lots_a_unit=market.lots_a_unit,
        maker_fee=market.maker_fee,
        power=QUEUES[queue],
    )


def tape_of(feed: Feed, interval_ms: int, terms: Terms) -> Tape:
    """Return the tape of a feed at an interval."""
    interval_ns = interval_ms * MS
    return build_tape(
        feed.events,
        interval_ns=interval_ns,
        cycle_ns=30_000 * MS,
        settings=observer_settings(interval_s=interval_ms / 1e3),
        latency=terms.latency,
    )


def request(feed: Feed, tape: Tape, one: F8, terms: Terms, queue: str) -> dict[str, Any]:
    """Return what the peer is asked to run: the same candidate on the same steps."""
    market = feed.market
    tick = float(market.tick)
    return {
        "entry_ns": terms.entry_ns,
        "response_ns": terms.response_ns,
        "maker_fee": terms.maker_fee,
        "taker_fee": 2 * terms.maker_fee,
        "tick": tick,
        "lot": float(market.lot),
        "queue": queue,
        "exponent": POWER,
        "book": "vector",
        "low": tape.base * tick,
        "high": (tape.base + tape.width - 1) * tick,
        "steps": len(tape.steps),
        "dials": one.tolist(),
        "quantity": int(one[DIAL_LOTS]) / market.lots_a_unit,
        "offset_ns": int(tape.steps[0, STEP_NOW_NS]) - feed.start_ns,
        "interval_ns": tape.interval_ns,
        "told": False,
    }


def differing(ours: F8, theirs: F8, lots_a_unit: int) -> npt.NDArray[np.bool_]:
    """Return which steps differ, after rounding to the lot and to 1e-8 quote."""
    wrong: npt.NDArray[np.bool_] = (
        np.rint(theirs[:, RESULT_POSITION] * lots_a_unit) != ours[:, RESULT_POSITION]
    )
    for column in (RESULT_BALANCE, RESULT_FEE):
        left, right = ours[:, column] * QUOTE_UNITS, theirs[:, column] * QUOTE_UNITS
        # Both were summed fill by fill: half a unit may fall either way.
        wrong |= (np.rint(left) != np.rint(right)) & (np.abs(left - right) > 1e-2)
    for column in (RESULT_FILLS, RESULT_CANCELS):
        wrong |= ours[:, column] != theirs[:, column]
    return wrong


def compare(feed: Feed, peer: Peer, *, candidates: int, intervals_ms: tuple[int, ...]) -> list[Any]:
    """Return a verdict for each candidate, interval and queue model on a feed."""
    peer.ask({"feed": str(feed.path)})
    local = feed.events[feed.events[:, EVENT_SEEN] & SEEN_LOCAL != 0, EVENT_LOCAL_NS]
    rows = dials(feed.market, candidates)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.npy"
        for interval_ms in intervals_ms:
            tape = tape_of(feed, interval_ms, terms_of(feed, "risk_averse"))
            # The peer says that the data have ended when nothing is left after a step.
            steps = int((tape.steps[:, STEP_NOW_NS] < local[-1]).sum())
            events = feed.events if feed.market.crosses else None
            road = compat_road(tape, terms_of(feed, "risk_averse"), events=events)
            for queue in QUEUES:
                terms = terms_of(feed, queue)
                for index, one in enumerate(rows):
                    ours = compat_one(road, one, terms)[:steps]
                    run = request(feed, tape, one, terms, queue) | {"told": True, "out": str(out)}
                    peer.ask({"run": run})
                    theirs = np.load(out)
                    if len(theirs) < steps:
                        raise RuntimeError(f"the peer lived {len(theirs)} steps of {steps}")
                    wrong = differing(ours, theirs[:steps], feed.market.lots_a_unit)
                    found.append(
                        Verdict(
                            feed.market.name,
                            interval_ms,
                            queue,
                            index,
                            steps,
                            int(wrong.sum()),
                            int(np.argmax(wrong)) if wrong.any() else -1,
                            int(ours[-1, RESULT_FILLS]),
                            int(ours[-1, RESULT_CANCELS]),
                        )
                    )
    return found
