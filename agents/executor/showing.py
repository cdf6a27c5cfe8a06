"""What an executor shows on its metrics endpoint: copied from its state, between two steps."""

from collections.abc import Iterator

from agents.executor.meter import Meter
from agents.executor.promotion import Stage
from agents.executor.shell import Shell
from agents.executor.state import State
from agents.executor.telling import RISK_STATES, used_words
from market.breach import LIMIT_CAPITAL, LIMIT_POSITION, RISK_STATE
from market.layout import (
    BUY,
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FILLS,
    LEDGER_FUNDING,
    LEDGER_INVENTORY,
    LEDGER_MARK,
    LEDGER_OPENING,
    LEDGER_SPREAD,
    LEDGER_TRIPS,
    SCALE_TICK_LOT,
    SELL,
    UNITS,
)
from market.ledger import position_lots
from market.own import open_lots
from market.policy import KELLY_FRACTION
from market.replay_step import COUNT_REFUSED
from protocol.exposition import Figure, counter, counters, gauge, gauges, histogram, states
from protocol.telemetry_server import Shown
from risk.gate import LIMIT_NAMES


def shown(shell: Shell) -> Shown:
    """Return what the process of a shell shows."""
    settings, meta = shell.state.session.settings, shell.state.session.meta
    labels = {
        "executor": settings.account.executor,
        "venue": settings.venue.kind.value,
        "symbol": meta.symbol,
    }
    return Shown("executor", lambda: figures(shell), labels, lambda: problem_of(shell))


def problem_of(shell: Shell) -> str | None:
    """Return why this executor cannot trade, None when it can."""
    return None if is_connected(shell) else "the venue is not connected"


def is_connected(shell: Shell) -> bool:
    """Return whether the venue is there; a recording always is."""
    return bool(shell.venue_words().get("connected", True))


def figures(shell: Shell) -> Iterator[Figure]:
    """Yield every figure; money in quote asset."""
    state = shell.state
    yield from of_venue(shell)
    yield from of_orders(state, shell.meter)
    yield from of_money(state)
    yield from of_risk(state)
    yield from of_parameters(state)


def of_venue(shell: Shell) -> Iterator[Figure]:
    """Yield how the market is seen, and how fast it is answered."""
    state, words = shell.state, shell.venue_words()
    yield gauge("venue_time_seconds", "Time of the venue, since the epoch", state.now_ns / 1e9)
    yield counter("steps_total", "Steps of the guard", state.steps)
    yield gauge("venue_connected", "1 while its streams are there", is_connected(shell))
    yield counter("venue_losses_total", "Sessions lost", words.get("losses", 0))
    yield gauge("market_closed", "1 while the symbol does not trade", state.closed)
    yield gauge("late", "1 while steps are too old to quote on", state.late)
    yield gauge(
        "feed_age_seconds", "Since the market last told us anything", shell.meter.feed_age_s()
    )
    yield gauge("lag_seconds", "Of the loop, at its last breath", shell.lag_s)
    yield histogram("decision_cycle_seconds", "From a step to its orders sent", shell.meter.cycles)
    if (acks := shell.acks()) is not None:
        yield histogram("order_ack_seconds", "From an order sent to its answer", acks)


def of_orders(state: State, meter: Meter) -> Iterator[Figure]:
    """Yield what was sent, refused and filled."""
    sides = {"buy": meter.buys, "sell": meter.sells}
    yield counters("orders_submitted_total", "Orders sent since the start", "side", sides)
    yield counter("cancels_submitted_total", "Cancels sent since the start", meter.cancels)
    refused = {
        name: float(state.counts[COUNT_REFUSED + code]) for code, name in LIMIT_NAMES.items()
    }
    yield counters("orders_refused_total", "Orders the gate refused", "limit", refused)
    ledger = state.account.ledger
    yield gauge("open_orders", "Ours that may still fill", state.open_orders)
    yield counter("fills_total", "Fills of the run", float(ledger[LEDGER_FILLS]))
    yield counter("round_trips_total", "Closed lots of the run", float(ledger[LEDGER_TRIPS]))


def of_money(state: State) -> Iterator[Figure]:
    """Yield position, equity and where the profit came from."""
    ledger, session = state.account.ledger, state.session
    lots = int(position_lots(ledger, session.setup.scale))
    yield gauge("position_base", "Held beyond the target", lots * float(session.meta.lot))
    yield gauge("equity_quote", "Worth of the account at mid", ledger[LEDGER_EQUITY] / UNITS)
    profit = (ledger[LEDGER_EQUITY] - ledger[LEDGER_OPENING]) / UNITS
    yield gauge("profit_quote", "Equity less the opening", profit)
    parts = {
        "spread": ledger[LEDGER_SPREAD],
        "fees": ledger[LEDGER_FEES],
        "inventory": ledger[LEDGER_INVENTORY],
        "funding": ledger[LEDGER_FUNDING],
    }
    split = {name: float(units) / UNITS for name, units in parts.items()}
    yield gauges("profit_part_quote", "What profit is the sum of", "part", split)
    yield gauge("size_ratio", "Kelly's share of base_quantity", state.account.kelly[KELLY_FRACTION])


def of_risk(state: State) -> Iterator[Figure]:
    """Yield in which state it is, and how much of each limit is used."""
    now = RISK_STATES[int(state.account.risk[RISK_STATE])]
    yield states("risk_state", "1 for the state that holds", now, RISK_STATES)
    yield gauge("stopped", "1 while a stop is active", bool(state.stops))
    yield gauge("paused", "1 while quotes are withdrawn by hand", state.paused)
    yield gauge("alone", "1 while the coordinator is silent for too long", state.alone)
    yield gauges("limit_used_ratio", "Of each limit; 1: it binds", "limit", limits_used(state))


def limits_used(state: State) -> dict[str, float]:
    """Return by limit which share of it is used; a position with its worse side filled."""
    account, setup = state.account, state.session.setup
    lots = int(position_lots(account.ledger, setup.scale))
    buys = int(open_lots(account.own, account.own_meter, BUY))
    sells = int(open_lots(account.own, account.own_meter, SELL))
    reached = max(abs(lots + buys), abs(lots - sells))
    worth = 0.5 * reached * int(account.ledger[LEDGER_MARK]) * float(setup.scale[SCALE_TICK_LOT])
    bound = float(setup.limits[LIMIT_CAPITAL] * setup.limits[LIMIT_POSITION])
    return {**used_words(state), "max_position_size": worth / bound if bound > 0.0 else 0.0}


def of_parameters(state: State) -> Iterator[Figure]:
    """Yield the set that is quoted by, which decision it came with, and who is in shadow."""
    epoch, version = state.applied_pair
    yield gauge("param_epoch", "Of the newest decision that was applied", epoch)
    yield gauge("param_version", "Of the newest decision that was applied", version)
    yield gauge("baseline_in_force", "1 while no decision is in force", state.in_force is None)
    held = {name: float(value) for name, value in state.incumbent.model_dump().items()}
    yield gauges("parameter", "Of the set in force", "name", held)
    if state.contest is not None:
        told = "1 for the stage of executor.candidate"
        yield states("policy_stage", told, state.contest.stage, Stage)
