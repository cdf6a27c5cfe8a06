"""Book, position and orders of a run, or of a recording, at its last step: what risk is told of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.cli.exits import CONFIGURATION, CommandError
from agents.session import Session, open_session, parameter_row
from exchange.recording_folder import load_recording
from market.account import Account
from market.layout import (
    LEDGER_EQUITY,
    LEDGER_QUOTE,
    NO_ASK,
    NO_BID,
    OWN_PRICE_TICKS,
    OWN_REMAINING,
    OWN_SIDE,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
    UNITS,
)
from market.ledger import position_lots
from market.own import OWN_METER_COUNT
from market.replay import replay_one
from market.types import F8, I8
from risk.liquidity import book_at
from risk.stress import Desk, desk_of

MAINTENANCE = 0.01
"""Margin that a perpetual position needs, share of its worth; at most so much in a first tier."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An account and its market at one moment.

    Attributes:
        where: run or recording, for people.
        account: as its executor knows it.
        step_row, view_row: the market at the last step with a sound book.
        levels, touch: the local book then.
        now_ns: the account's time.
    """

    where: str
    session: Session
    account: Account
    step_row: I8
    view_row: F8
    levels: I8
    touch: I8
    now_ns: int

    def desk(self) -> Desk:
        """Return what scenarios are asked of."""
        account, session = self.account, self.session
        own = account.own[: int(account.own_meter[OWN_METER_COUNT])]
        return desk_of(
            self.levels,
            self.touch,
            self.view_row,
            session.setup.scale,
            lots=int(position_lots(account.ledger, session.setup.scale)),
            orders=own[:, [OWN_SIDE, OWN_PRICE_TICKS, OWN_REMAINING]],
            cash=int(account.ledger[LEDGER_QUOTE]) / UNITS,
            equity=int(account.ledger[LEDGER_EQUITY]) / UNITS,
            quote=session.meta.quote,
            participation=session.settings.risk.participation_limit or 1.0,
            maintenance=0.0 if session.meta.spot else MAINTENANCE,
        )


def of_recording(session: Session) -> Seen:
    """Live through a recording with its starting parameters; return where that ends."""
    tape = session.tape_builder().advance(session.last_ns)
    first = tape.step_at(session.first_ns)
    record = replay_one(
        tape,
        parameter_row(session.baseline),
        session.setup,
        first_step=first,
        last_step=len(tape.steps),
    )
    where = f"{session.meta.symbol}, a replay of the recording with its starting parameters"
    return seen(session, record.account, tape.steps, tape.views, session.events, where)


def of_run(folder: Path) -> Seen:
    """Return where the executor of a run stands, as its journal has it.

    Raises:
        CommandError: it decided nothing yet, or its configuration cannot be read.
    """
    from agents.executor import records
    from agents.executor.recovery import open_journal
    from agents.executor.state import thaw
    from agents.process import CONFIG
    from agents.settings import Settings

    try:
        settings = Settings.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise CommandError(f"{folder / CONFIG} cannot be read: {line}", CONFIGURATION) from None
    session = open_session(settings)
    with open_journal(folder, readonly=True) as journal:
        frozen = journal.get(records.STATE)
    if frozen is None:
        raise CommandError(f"the executor of {folder} decided nothing yet", CONFIGURATION)
    state = thaw(session, frozen)
    tape = session.tapes().advance(state.now_ns)
    recorded = session.recording
    events = session.events if recorded is None else load_recording(recorded).events
    return seen(session, state.account, tape.steps, tape.views, events, str(folder), state.now_ns)


def seen(
    session: Session,
    account: Account,
    steps: I8,
    views: F8,
    events: I8,
    where: str,
    now_ns: int | None = None,
) -> Seen:
    """Return an account beside the last sound book by a time; None: of all.

    Raises:
        CommandError: the book never had two sides.
    """
    sound = (steps[:, STEP_BID] != NO_BID) & (steps[:, STEP_ASK] != NO_ASK)
    sound &= steps[:, STEP_BID] < steps[:, STEP_ASK]
    if now_ns is not None:
        sound &= steps[:, STEP_NOW_NS] <= now_ns
    rows = np.flatnonzero(sound)
    if len(rows) == 0:
        raise CommandError(f"{where}: no two-sided book was seen", CONFIGURATION)
    row = int(rows[-1])
    book_ns = int(steps[row, STEP_NOW_NS])
    levels, touch = book_at(events, book_ns)
    at_ns = int(steps[-1, STEP_NOW_NS]) if now_ns is None else now_ns
    return Seen(where, session, account, steps[row], views[row], levels, touch, at_ns)
