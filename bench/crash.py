"""Falls and crashes lived through by an executor with its whole capital in one position.

python -m bench.crash [--feeds ../shared/feeds] [--pictures docs/pictures]

Each day is played from price bars (`feed synth --from-bars`) and lived through by the executor that
a user starts, four times: with a daily loss of 5 % that closes the position; the same and a stop
loss of 2 %; the daily loss halting, the position kept; and without the limit. The loss with
the limit must stay within it plus one guard step's gap: what the mid took from the position between
the last step within the limit and the one that halted. What closing may cost (half the spread, how
far through the touch its order reaches, the fee) is kept back, so the halt comes so much earlier;
what it was charged (mid less the price received, and the fee) is shown beside. Closing takes one
guard step to hear the cancels, and one to hear the fill. Beside a stop loss, whose own orders rest
at the touch when the halt comes, a third may pass, so that what closing was charged is allowed too.
Exit 0 only when it does on every day, and neither without the limit nor without closing.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from agents.cli.picture import Line, Marks, Panel, plot, time_axis
from bench.crash_house import CAPITAL, CASES, Lived, live, recording_of
from market.breach import HALTED
from market.layout import SCALE_TICK_LOT, STEP_ASK, STEP_BID, STEP_NOW_NS, UNITS
from market.replay_step import (
    EQUITY_NOW_NS,
    EQUITY_POSITION_LOTS,
    EQUITY_UNITS,
    FILLED_FEE,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_PRICE_TICKS,
    FILLED_VISIBLE_NS,
)
from market.states import is_of_loss
from market.types import F8
from risk.states import REASON_NAMES, State, changes_of

LIMIT = 0.05
STOP = 0.02
CLOSED_STEPS_MAX = 5
ROUNDING = 1e-6
SHARP = 0.8
"""A halt before so much of the limit was lost would be a limit that nobody set."""
WAYS = {
    "limit": {"daily_loss_limit": LIMIT, "loss_closes": True},
    "limit and stop loss": {
        "daily_loss_limit": LIMIT, "loss_closes": True, "stop_loss_threshold": STOP,
    },
    "limit, position kept": {"daily_loss_limit": LIMIT},
    "no limit": {},
}  # fmt: skip
SHOWN = {0: "crash-fall.svg", 3: "crash-flash.svg"}
"""The cases that are drawn, by number."""
SECOND_NS = 1e9


@dataclass(frozen=True, slots=True)
class Row:
    """One day lived one way; shares of the capital.

    Attributes:
        exposure: largest position.
        loss: deepest below the day's opening.
        seen: loss at the guard step that halted; 0 without a halt by loss.
        gap: one guard step's, the one that halted; 0 without such a halt.
        charged: for closing at once, by book and venue.
        closing_steps: guard steps from the halt until nothing is held; -1: it never was.
    """

    case: str
    way: str
    fills: int
    exposure: float
    loss: float
    seen: float
    gap: float
    charged: float
    closing_steps: int
    changes: int
    cancels: int
    seconds: float

    def within(self, more: float = 0.0) -> bool:
        """Return whether the loss stayed within the limit and the gap, and so much more."""
        return self.loss <= LIMIT + self.gap + more + ROUNDING

    @property
    def as_wanted(self) -> bool:
        """Whether it came as the way must."""
        if self.way == "limit":
            sharp = SHARP * LIMIT <= self.seen <= LIMIT + self.gap + ROUNDING
            return sharp and self.within() and 0 < self.closing_steps <= CLOSED_STEPS_MAX
        if self.way == "limit and stop loss":
            return self.within(self.charged)
        return not self.within(self.charged)


def measure(case: str, way: str, lived: Lived, seconds: float) -> Row:
    """Return the figures of one run."""
    record = lived.run.record
    scale = float(lived.session.setup.scale[SCALE_TICK_LOT]) / UNITS
    times, losses = losses_of(lived)
    worths = [
        abs(each["position_lots"]) * 0.5 * each["mark_half_ticks"] * scale for each in lived.judged
    ]
    halts = [
        each
        for each in lived.judged
        if each["kind"] == "state"
        and each["risk_state"] == HALTED
        and is_of_loss(int(each["risk_reason"]))
    ]
    seen = gap = charged = 0.0
    steps = 0
    if halts:
        halt = halts[0]
        seen = float(np.interp(halt["now_ns"], times, losses)) / CAPITAL
        gap, charged, steps = gap_of(lived, halt["now_ns"], halt["position_lots"], scale)
    return Row(
        case=case,
        way=way,
        fills=len(record.filled),
        exposure=max(worths, default=0.0) / CAPITAL,
        loss=float(losses.max()) / CAPITAL,
        seen=seen,
        gap=gap / CAPITAL,
        charged=charged / CAPITAL,
        closing_steps=steps,
        changes=len(changes_of(record.account.risk)),
        cancels=len(lived.cancels),
        seconds=seconds,
    )


def losses_of(lived: Lived) -> tuple[F8, F8]:
    """Return (times ns, losses against the opening of the day in quote) at what was marked."""
    equity = lived.run.record.equity
    known = {int(row[EQUITY_NOW_NS]): int(row[EQUITY_UNITS]) for row in equity}
    known |= {each["now_ns"]: int(each["equity_units"]) for each in lived.judged}
    known = {at: units for at, units in sorted(known.items()) if units}
    opening = next(iter(known.values()))
    losses = np.array([(opening - units) / UNITS for units in known.values()])
    return np.array(list(known), dtype=np.float64), losses


def gap_of(lived: Lived, halt_ns: int, lots: int, scale: float) -> tuple[float, float, int]:
    """Return one guard step's gap at a halt, what closing was charged, and the steps it took.

    Both are quote asset; a position that was never closed has -1 steps.
    """
    tape = lived.session.tape_builder().advance(lived.session.last_ns)
    steps = tape.steps
    row = int(np.searchsorted(steps[:, STEP_NOW_NS], halt_ns))
    mids = 0.5 * (steps[:, STEP_BID] + steps[:, STEP_ASK])
    gap = abs(lots) * scale * max(0.0, float(mids[row - 1] - mids[row]))
    filled = lived.run.record.filled
    closing = filled[(filled[:, FILLED_VISIBLE_NS] > halt_ns) & (filled[:, FILLED_MAKER] == 0)]
    if closing[:, FILLED_LOTS].sum() < abs(lots):
        return gap, 0.0, -1
    end = int(np.searchsorted(steps[:, STEP_NOW_NS], closing[-1, FILLED_VISIBLE_NS]))
    sent = np.searchsorted(steps[:, STEP_NOW_NS], closing[:, FILLED_VISIBLE_NS]) - 1
    under = np.maximum(0.0, mids[sent] - closing[:, FILLED_PRICE_TICKS])
    charged = scale * float(under @ closing[:, FILLED_LOTS])
    charged += float(closing[:, FILLED_FEE].sum()) / UNITS
    return gap, charged, end - row


def draw(lived: Lived, kept: Lived, title: str) -> str:
    """Draw price, loss, position and what was cancelled, with the changes of state."""
    session = lived.session
    tape = session.tape_builder().advance(session.last_ns)
    steps = tape.steps[tape.steps[:, STEP_BID] < tape.steps[:, STEP_ASK]][::5]
    tick = float(session.meta.tick)
    at = steps[:, STEP_NOW_NS] / SECOND_NS
    mid: F8 = 0.5 * tick * (steps[:, STEP_BID] + steps[:, STEP_ASK])
    marks = []
    changes = changes_of(lived.run.record.account.risk)
    for tone, state in ((1, State.HALTED), (3, State.REDUCING), (2, State.ACTIVE)):
        when = np.array([each.now_ns / SECOND_NS for each in changes if each.state is state])
        if len(when):
            why = {REASON_NAMES[each.reason] for each in changes if each.state is state} - {""}
            name = f"{state.name}{': ' if why else ''}{', '.join(sorted(why))}"
            marks.append(
                Marks(name, when, np.interp(when, at, mid), tone, up=state is State.ACTIVE)
            )
    times, losses = losses_of(lived)
    free_times, free = losses_of(kept)
    times, free_times = times / SECOND_NS, free_times / SECOND_NS
    bound: F8 = np.full(2, 100.0 * LIMIT)
    ends = np.array([times[0], times[-1]])
    equity = lived.run.record.equity
    lot = float(session.meta.lot)
    minutes = np.floor(np.array(lived.cancels) / SECOND_NS / 60.0) * 60.0
    grid = np.arange(minutes.min(), times[-1], 60.0)
    count = np.array([(minutes == each).sum() for each in grid], dtype=np.float64)
    panels = (
        Panel(f"price, {session.meta.symbol}", (*marks, Line("mid", at, mid, 0)), zero=False),
        Panel(
            "loss of the day, % of the capital",
            (
                Line("with the limit", times, 100.0 * losses / CAPITAL, 0),
                Line("without", free_times, 100.0 * free / CAPITAL, 4, thin=True),
                Line("limit", ends, bound, 1, thin=True),
            ),
        ),
        Panel(
            f"position, {session.meta.base}",
            (
                Line(
                    "held",
                    equity[:, EQUITY_NOW_NS] / SECOND_NS,
                    equity[:, EQUITY_POSITION_LOTS] * lot,
                    2,
                ),
            ),
            height=110,
        ),
        Panel(
            "cancels a minute",
            (Line("cancels", grid, count, 3),),
            height=90,
        ),
    )
    axis = time_axis(session.first_ns, session.last_ns)
    return plot(panels, axis, title=title, subtitle="whole capital in one position, UTC")


def main() -> int:
    """Live through every day, every way; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=Path, default=Path(__file__).parents[2] / "shared/feeds")
    parser.add_argument("--pictures", type=Path, help="folder that they are written to")
    parser.add_argument("--case", type=int, action="append", help="number, from 0")
    told = parser.parse_args()
    rows = []
    print(f"{'':<54} exposure    loss  at halt     gap charged  steps  changes  cancels  fills")
    with tempfile.TemporaryDirectory() as name:
        for number in told.case or range(len(CASES)):
            case = CASES[number]
            folder = Path(name) / str(number)
            folder.mkdir()
            feed, price = recording_of(case, told.feeds, folder)
            kept = {}
            for way, risk in WAYS.items():
                began_s = time.monotonic()
                lived = live(feed, price, folder / way.replace(" ", "-"), **risk)
                kept[way] = lived
                row = measure(case.name, way, lived, round(time.monotonic() - began_s, 1))
                rows.append(row)
                print(line(row), flush=True)
            if number in SHOWN and told.pictures is not None:
                text = draw(kept["limit and stop loss"], kept["no limit"], case.name)
                (told.pictures / SHOWN[number]).write_text(text, encoding="utf-8")
    held = all(row.as_wanted for row in rows)
    print(
        json.dumps({"bench": "crash", "limit": LIMIT, "held": held, "rows": [*map(asdict, rows)]})
    )
    return 0 if held else 1


def line(row: Row) -> str:
    """Return one row of the table."""
    return (
        f"{row.case:<32} {row.way:<21} {row.exposure:>8.1%} {row.loss:>7.2%}  {row.seen:>7.2%} "
        f"{row.gap:>7.2%} {row.charged:>7.2%} {row.closing_steps:>6} "
        f"{row.changes:>8} {row.cancels:>8} {row.fills:>6}  "
        f"{'as it must' if row.as_wanted else 'NOT AS IT MUST'}"
    )


if __name__ == "__main__":
    sys.exit(main())
