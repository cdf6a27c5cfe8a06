"""Compiles what only an emergency asks for, before anything is traded.

A replay never flattens and names no figures of a refusal, so warming up the replay leaves these
kernels uncompiled; the first stop would else wait seconds for the compiler.
"""

import numpy as np

from agents.executor.state import new_state
from agents.session import Session
from market.breach import position_cap_lots
from market.closing import flatten
from market.layout import LEDGER_BASE, LEDGER_QUOTE, STEP_ASK, STEP_BID, STEP_COLUMNS
from market.ledger import position_lots
from market.own import free_base, free_quote, open_lots
from market.policy import cap_lots
from market.quotes import cost_units, smallest_lots
from market.strategy import excess_units, half_ticks_of


def rehearse(session: Session) -> None:
    """Ask every such kernel once, on a scratch state."""
    state = new_state(session)
    account, setup = state.account, session.setup
    own, meter, ledger = account.own, account.own_meter, account.ledger
    row = np.zeros(STEP_COLUMNS, dtype=np.int64)
    row[STEP_BID], row[STEP_ASK] = 1_000, 1_002
    half = int(half_ticks_of(row))
    excess_units(ledger, setup.scale)
    cap_lots(state.parameters, setup.scale)
    position_cap_lots(half, setup.limits, setup.scale)
    open_lots(own, meter, 1)
    cost_units(1_000, 1, setup.scale)
    smallest_lots(1_000, setup.scale)
    flatten(
        row,
        own,
        meter,
        position_lots(ledger, setup.scale),
        free_quote(own, meter, int(ledger[LEDGER_QUOTE]), setup.scale),
        free_base(own, meter, int(ledger[LEDGER_BASE]), setup.scale),
        setup.scale,
        setup.guarding,
        account.actions,
    )
