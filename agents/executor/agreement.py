"""How far the backtest can be believed: a run's own orders against the market that it recorded.

Every order and cancel of the journal goes, at the time at which it was sent, through the fill model
of a backtest over the run's recording. What it says would have been filled is laid beside what was:

    overlap     lots filled in both / the larger of what each fills, order by order
    when        predicted less actual time of an order's first fill, of orders that both fill
    markouts    what mid did after the fills of each
    profit      quote and position less the target, both at the last mid of the recording

A cancel that the exchange made unasked (a lost stream, an expiry) ends the order here as well.

With measured delays everything arrives when it did. A cancel that came too late arrives with the
order's last fill: it was not there before. An order that the exchange refused is not sent: when it
arrived is not told, and a moment earlier or later a post-only order would have rested.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from agents.executor import records
from agents.executor.recovery import RecoveryError, open_journal
from agents.executor.state import thaw
from agents.session import Session
from exchange.own_side import OwnSide
from exchange.recording_folder import load_recording
from market.breach import APPROVED
from market.layout import (
    ACTION_CANCEL,
    ACTION_PLACE,
    DELAY_CANCEL_NS,
    DELAY_ORDER_NS,
    LEDGER_BASE,
    LEDGER_QUOTE,
    NEVER,
    REPORT_ACCEPTED,
    REPORT_CANCELLED,
    REPORT_COLUMNS,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_REFUSED,
    REPORT_REJECTED,
    REPORT_SIDE,
    SCALE_LOT,
    SCALE_TICK_LOT,
    STEP_NOW_NS,
    VIEW_MID,
)
from market.metrics import markout_figures
from market.replay_step import (
    FILLED_COLUMNS,
    FILLED_EXCH_NS,
    FILLED_LOTS,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    PLACED_CODE,
    PLACED_KIND,
    PLACED_LOTS,
    PLACED_NOW_NS,
    PLACED_ORDER_ID,
    PLACED_PRICE_TICKS,
    PLACED_SIDE,
)
from market.strategy import half_ticks_of
from market.tape import NO_IDS, Tape
from market.types import I8

FILL_NS, FILL_ORDER, FILL_SIDE, FILL_PRICE, FILL_LOTS = range(5)
ACTUAL = [FILLED_EXCH_NS, FILLED_ORDER_ID, FILLED_SIDE, FILLED_PRICE_TICKS, FILLED_LOTS]
PREDICTED = [REPORT_EXCH_NS, REPORT_ORDER_ID, REPORT_SIDE, REPORT_PRICE_TICKS, REPORT_LOTS]
"""Columns of fills, in the order of FILL_*."""
TOLD = [REPORT_KIND, REPORT_ORDER_ID, REPORT_EXCH_NS]
SENT = [
    PLACED_NOW_NS,
    PLACED_KIND,
    PLACED_ORDER_ID,
    PLACED_SIDE,
    PLACED_PRICE_TICKS,
    PLACED_LOTS,
    records.SENT_TAKER,
]
Act: TypeAlias = tuple[int, ...]
"""One thing sent: its columns are those of SENT."""
Key: TypeAlias = tuple[int, int]
"""ACTION_* and order id."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Fills of one side of the comparison.

    Attributes:
        rows: i8[n, 5], FILL_* columns.
        net_units: profit, 1e-8 quote.
        turnover_units: price times quantity, 1e-8 quote.
        markouts_bps: mean over fills by horizon, None without any.
    """

    rows: I8
    net_units: int
    turnover_units: int
    markouts_bps: Mapping[str, float | None]

    @property
    def lots(self) -> int:
        """Lots that were filled."""
        return int(self.rows[:, FILL_LOTS].sum())

    def by_order(self) -> dict[int, int]:
        """Return the lots filled of each order."""
        found: defaultdict[int, int] = defaultdict(int)
        for row in self.rows.tolist():
            found[row[FILL_ORDER]] += row[FILL_LOTS]
        return found

    def first_ns(self) -> dict[int, int]:
        """Return when each order was first filled."""
        found: dict[int, int] = {}
        for row in self.rows.tolist():
            found.setdefault(row[FILL_ORDER], row[FILL_NS])
        return found


@dataclass(frozen=True, slots=True)
class Match:
    """A prediction beside what was.

    Attributes:
        predicted: what the fill model fills.
        both, only_actual, only_predicted: orders with a fill.
        overlap: see the module; 1.0 when neither has a fill.
        shifts_ns: i8[both], predicted less actual first fill.
    """

    predicted: Filled
    both: int
    only_actual: int
    only_predicted: int
    overlap: float
    shifts_ns: I8


@dataclass(frozen=True, slots=True)
class Agreement:
    """A run beside what a backtest says of its orders.

    Attributes:
        symbol: of the run.
        span_ns: first and last step.
        orders: sent and not refused here.
        actual: what was filled.
        configured: predicted with the delays of the run's settings.
        measured: predicted with the arrival that each order and cancel really had, where it is
            known.
        refused: orders that the exchange refused.
        delays_ns: i8[n], exchange time of an order's acceptance less the time of sending.
    """

    symbol: str
    span_ns: tuple[int, int]
    orders: int
    actual: Filled
    configured: Match
    measured: Match
    refused: int
    delays_ns: I8


@dataclass(frozen=True, slots=True)
class _Sent:
    rows: I8  # of INTENTS, approved ones, oldest first
    reports: I8
    filled: I8
    balances: tuple[int, int]  # quote and base units at the end
    last_ns: int


def agreement(folder: Path, session: Session) -> Agreement:
    """Compare the run in a folder with what a backtest says of its orders.

    Args:
        folder: of the run; it may still go on.
        session: of the run.

    Raises:
        RecoveryError: the run decided nothing yet, or traded on a recording: it is a replay.
        JournalError, RecordingError: what was kept is missing, damaged, or goes back in time.
    """
    if session.recording is None:
        raise RecoveryError(
            f"{folder}: traded on a recording, so it is a replay itself; give a run at a venue"
        )
    sent = _journaled(folder, session)
    events = load_recording(session.recording).events
    lived = replace(session, events=events, recording=None, last_ns=sent.last_ns)
    builder = lived.tape_builder()
    tape = builder.advance(sent.last_ns)
    actual = _filled(sent.filled[:, ACTUAL], sent.balances, tape, session)
    told, unasked = _arrivals(sent), _unasked(sent)

    def match(known: Mapping[Key, int]) -> Match:
        ours = OwnSide(
            (tape.base, tape.width),
            model=session.setup.model,
            scale=session.setup.scale,
            opening=session.setup.opening,
            tiers=session.setup.tiers,
            funding=session.setup.funding,
        )
        acts = _acts(sent, unasked)
        span_ns = (session.first_ns, sent.last_ns)
        lives = _live(ours, tape, builder.events, span_ns, (acts, known))
        found = stacked(list(lives))
        rows = found[found[:, REPORT_KIND] == REPORT_FILL][:, PREDICTED]
        held = ours.account()
        balances = (held.quote_units, held.base_units)
        return matched(actual, _filled(rows, balances, tape, session))

    placed = sent.rows[sent.rows[:, PLACED_KIND] == ACTION_PLACE]
    arrived = (
        (told.get((ACTION_PLACE, order_id), NEVER), sent_ns)
        for sent_ns, order_id in placed[:, [PLACED_NOW_NS, PLACED_ORDER_ID]].tolist()
    )
    return Agreement(
        symbol=session.meta.symbol,
        span_ns=(session.first_ns, sent.last_ns),
        orders=len(placed),
        actual=actual,
        configured=match(unasked),
        measured=match(told | unasked),
        refused=sum(at_ns == NEVER for (kind, _), at_ns in told.items() if kind == ACTION_PLACE),
        delays_ns=np.array([a - s for a, s in arrived if a != NEVER], dtype=np.int64),
    )


def _arrivals(sent: _Sent) -> dict[Key, int]:
    """Return when orders and cancels reached the exchange, as far as that was told.

    NEVER is an order that it refused.
    """
    fills = sent.reports[sent.reports[:, REPORT_KIND] == REPORT_FILL]
    last = dict(fills[:, [REPORT_ORDER_ID, REPORT_EXCH_NS]].tolist())
    first = dict(fills[::-1, [REPORT_ORDER_ID, REPORT_EXCH_NS]].tolist())
    found = {(ACTION_CANCEL, order_id): at_ns for order_id, at_ns in last.items()}
    for kind, order_id, at_ns in sent.reports[:, TOLD].tolist():
        if kind == REPORT_CANCELLED:
            found[ACTION_CANCEL, order_id] = at_ns
        elif kind in (REPORT_REJECTED, REPORT_REFUSED):
            found[ACTION_PLACE, order_id] = NEVER
        elif kind == REPORT_ACCEPTED and at_ns < first.get(order_id, NEVER):  # else: by a fill
            found[ACTION_PLACE, order_id] = at_ns
    return found


def _unasked(sent: _Sent) -> dict[Key, int]:
    """Return when the exchange cancelled what nobody had asked it to."""
    cancels = sent.rows[:, PLACED_KIND] == ACTION_CANCEL
    asked = set(sent.rows[cancels, PLACED_ORDER_ID].tolist())
    told = sent.reports[sent.reports[:, REPORT_KIND] == REPORT_CANCELLED]
    return {
        (ACTION_CANCEL, order_id): at_ns
        for _, order_id, at_ns in told[:, TOLD].tolist()
        if order_id not in asked
    }


def _live(
    ours: OwnSide,
    tape: Tape,
    events: I8,
    span_ns: tuple[int, int],
    said: tuple[deque[Act], Mapping[Key, int]],
) -> Iterator[I8]:
    """Live through the recording, everything sent at its time; yield the reports.

    A tape ends with the last step before the recording's last event; the run went on.
    """
    acts, known = said
    first_ns, last_ns = span_ns
    count = len(tape.steps)
    for step in range(max(0, tape.step_at(first_ns) - 1), count):
        now_ns, delays = int(tape.steps[step, STEP_NOW_NS]), tape.stream.delays[step]
        ours.advance(events, NO_IDS, delays, now_ns)
        ours.charge(half_ticks_of(tape.steps[step]), delays, now_ns)
        yield ours.reports(now_ns)
        end_ns = int(tape.steps[step + 1, STEP_NOW_NS]) if step + 1 < count else NEVER
        while acts and acts[0][0] < end_ns:
            _, kind, order_id, side, price, lots, taker = acts.popleft()
            own, at_ns = delays.copy(), known.get((kind, order_id))
            if at_ns == NEVER:
                continue
            if at_ns is not None:
                own[[DELAY_ORDER_NS, DELAY_CANCEL_NS]] = max(0, at_ns - now_ns)
            if kind == ACTION_CANCEL:
                ours.cancel(order_id, now_ns=now_ns, delays=own)
            else:
                ours.submit(
                    order_id, side, price, lots, taker, now_ns=now_ns, delays=own, step=step
                )
    if count and last_ns > tape.steps[-1, STEP_NOW_NS]:
        ours.advance(events, NO_IDS, tape.stream.delays[-1], last_ns)
        yield ours.reports(last_ns)


def _acts(sent: _Sent, unasked: Mapping[Key, int]) -> deque[Act]:
    """Return everything that was sent, and the cancels that nobody sent, oldest first."""
    rows = sent.rows[:, SENT].tolist()
    rows += [[at_ns, kind, order_id, 0, 0, 0, 0] for (kind, order_id), at_ns in unasked.items()]
    return deque(sorted(map(tuple, rows), key=lambda act: act[0]))


def _filled(rows: I8, balances: tuple[int, int], tape: Tape, session: Session) -> Filled:
    """Return fills with what they earned: balances at the last mid, the target taken out."""
    scale, (opening_quote, _, target) = session.setup.scale, session.setup.opening.tolist()
    mids = tape.views[:, VIEW_MID]
    mid = float(mids[mids > 0][-1]) if (mids > 0).any() else 0.0
    quote_units, base_units = balances
    position = (base_units - target) / int(scale[SCALE_LOT])
    net = quote_units - opening_quote + position * mid * int(scale[SCALE_TICK_LOT])
    found = markout_figures(
        np.ascontiguousarray(rows[:, FILL_NS]),
        np.ascontiguousarray(rows[:, FILL_SIDE]),
        np.ascontiguousarray(rows[:, FILL_PRICE]),
        np.ascontiguousarray(tape.steps[:, STEP_NOW_NS]),
        np.ascontiguousarray(mids),
    )
    markouts = {name: each.value if each.count else None for name, each in found.items()}
    turnover = int((rows[:, FILL_PRICE] * rows[:, FILL_LOTS]).sum()) * int(scale[SCALE_TICK_LOT])
    return Filled(rows, int(net), turnover, markouts)


def matched(actual: Filled, predicted: Filled) -> Match:
    """Lay predicted fills beside actual ones."""
    real, said = actual.by_order(), predicted.by_order()
    both = sorted(real.keys() & said.keys())
    most = max(actual.lots, predicted.lots)
    shared = sum(min(real[each], said[each]) for each in both)
    first, foretold = actual.first_ns(), predicted.first_ns()
    return Match(
        predicted=predicted,
        both=len(both),
        only_actual=len(real.keys() - said.keys()),
        only_predicted=len(said.keys() - real.keys()),
        overlap=shared / most if most else 1.0,
        shifts_ns=np.array([foretold[each] - first[each] for each in both], dtype=np.int64),
    )


def _journaled(folder: Path, session: Session) -> _Sent:
    with open_journal(folder, readonly=True) as journal, journal.unmoved():
        frozen = journal.get(records.STATE)
        intents = list(journal.rows(records.INTENTS))
        reports = list(journal.rows(records.REPORTS))
    if frozen is None:
        raise RecoveryError(f"the executor decided nothing yet ({folder})")
    state = thaw(session, frozen, live=True)
    until_ns = state.now_ns
    records.demand_forward([row.time_ns for row in intents] + [until_ns], folder)
    sent = [records.sent_rows(row.body) for row in intents if row.time_ns <= until_ns]
    told = [records.report_rows(row.body) for row in reports if row.time_ns <= until_ns]
    if not sent:
        raise RecoveryError(f"the executor sent no order yet ({folder})")
    rows, ledger = np.concatenate(sent), state.account.ledger
    filled = [each for _, each in told if len(each)]
    return _Sent(
        rows=rows[rows[:, PLACED_CODE] == APPROVED],
        reports=stacked([each for each, _ in told], REPORT_COLUMNS),
        filled=stacked(filled, FILLED_COLUMNS),
        balances=(int(ledger[LEDGER_QUOTE]), int(ledger[LEDGER_BASE])),
        last_ns=until_ns,
    )


def stacked(parts: list[I8], columns: int = REPORT_COLUMNS) -> I8:
    """Return rows one below the other; i8[0, columns] of none."""
    return np.concatenate([np.zeros((0, columns), dtype=np.int64), *parts])
