"""What `counterpoint risk status` and `risk stress` say of one account at one moment."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.cli.risk_desk import Seen
from market.breach import (
    LIMIT_CAPITAL,
    NEVER_RETURNS,
    RISK_PEAK,
    RISK_QUARTER,
    RISK_REASON,
    RISK_SINCE_NS,
    RISK_STATE,
    RISK_UNTIL_NS,
)
from market.carry import liquid_cap_lots, value_cap_lots
from market.layout import (
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_POSITION_COST,
    STEP_HEARD_NS,
    STEP_NOW_NS,
    UNITS,
    VIEW_LOSS,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.own import OWN_METER_COUNT
from market.states import day_before, open_loss
from market.value import SCORE
from protocol.messages import utc_text
from risk.liquidity import Flatten, flatten
from risk.states import REASON_NAMES, State
from risk.stress import ALL, Desk, Outcome, stress, worse_side

HEAD = (
    f"{'scenario':<31} {'move':>8} {'loss':>12} {'closing':>11} {'lots':>12} {'margin':>14} "
    f"{'to close':>9}"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One limit: where it stands, where it binds, and the share of the way that is left.

    `left` is 1 where nothing is used, 0 where it binds; None when the limit is off.
    """

    limit: str
    figure: float
    bound: float
    left: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """All of it; money in the quote asset."""

    where: str
    symbol: str
    quote: str
    time: str
    state: str
    reason: str
    since: str
    until: str
    capital: float
    equity: float
    position_lots: int
    open_orders: int
    limits: tuple[Row, ...]
    value_at_risk: float
    value_at_risk_s: int
    closing: Flatten
    worst: Outcome


def status_of(seen: Seen) -> Status:
    """Return how an account stands."""
    desk, account, session = seen.desk(), seen.account, seen.session
    risk, settings = account.risk, session.settings.risk
    until_ns = int(risk[RISK_UNTIL_NS])
    until = "an operator ends it" if until_ns == NEVER_RETURNS else ""
    if 0 < until_ns < NEVER_RETURNS:
        until = f"not before {utc_text(until_ns)[:19]}"
    closing = flatten(
        desk.lots,
        seen.levels,
        seen.touch,
        seen.view_row,
        session.setup.scale,
        participation=desk.participation,
    )
    return Status(
        where=seen.where,
        symbol=session.meta.symbol,
        quote=session.meta.quote,
        time=utc_text(seen.now_ns),
        state=State(int(risk[RISK_STATE])).name,
        reason=REASON_NAMES[int(risk[RISK_REASON])],
        since=utc_text(int(risk[RISK_SINCE_NS])) if risk[RISK_SINCE_NS] else "",
        until=until,
        capital=float(session.setup.limits[LIMIT_CAPITAL]) / UNITS,
        equity=desk.equity,
        position_lots=desk.lots,
        open_orders=int(account.own_meter[OWN_METER_COUNT]),
        limits=tuple(rows_of(seen, desk)),
        value_at_risk=abs(desk.lots) * lot_loss(seen, desk),
        value_at_risk_s=settings.value_at_risk_s,
        closing=closing,
        worst=max(stress(desk, [each for each in ALL if not each.peg]), key=lambda each: each.loss),
    )


def lot_loss(seen: Seen, desk: Desk) -> float:
    """Return the loss of a lot that is exceeded with 1 %, as the cap on the position has it."""
    told = float(seen.view_row[VIEW_LOSS])
    if not told > 0.0:
        told = SCORE * desk.sigma * math.sqrt(seen.session.settings.risk.value_at_risk_s)
    return told * desk.tick_lot


def rows_of(seen: Seen, desk: Desk) -> list[Row]:
    """Return where each limit stands; positions with every open order of the worse side filled."""
    account, setup = seen.account, seen.session.setup
    risk, ledger, view, step = account.risk, account.ledger, seen.view_row, seen.step_row
    told = seen.session.settings.risk
    capital = float(setup.limits[LIMIT_CAPITAL])
    equity = int(ledger[LEDGER_EQUITY])
    opening = int(ledger[LEDGER_DAY_OPENING])
    marked = int(risk[RISK_QUARTER]) > 0
    before = max(opening, int(day_before(risk))) if marked else opening
    cost = abs(int(ledger[LEDGER_POSITION_COST]))
    lost = float(open_loss(ledger, desk.half_ticks, setup.scale))
    reached = worse_side(desk)
    worth = reached * 0.5 * desk.half_ticks * desk.tick_lot * UNITS / capital
    reference = float(view[VIEW_SIGMA_REFERENCE])
    value = int(value_cap_lots(view, setup.limits, setup.scale))
    liquid = int(liquid_cap_lots(view, setup.limits))
    figures = (
        ("peak_drawdown_limit", max(0, int(risk[RISK_PEAK]) - equity) / capital,
         told.peak_drawdown_limit),
        ("daily_loss_limit", max(0, before - equity) / capital, told.daily_loss_limit),
        ("volatility_cutoff", float(view[VIEW_SIGMA]) / reference if reference > 0 else 0.0,
         told.volatility_cutoff),
        ("price_age_s", max(0, int(step[STEP_NOW_NS]) - int(step[STEP_HEARD_NS])) / 1e9,
         told.price_age_s),
        ("stop_loss_threshold", max(0.0, lost) / cost if cost else 0.0, told.stop_loss_threshold),
        ("max_position_size", worth, told.max_position_size),
        ("value_at_risk_limit", told.value_at_risk_limit * reached / max(1, value),
         told.value_at_risk_limit),
        ("liquidity, lots", float(reached),
         float(liquid) if told.participation_limit + told.flatten_cost_limit > 0 else 0.0),
        ("stressed_loss_limit", worth * told.stressed_move, told.stressed_loss_limit),
        ("open_orders_max", float(account.own_meter[OWN_METER_COUNT]), float(told.open_orders_max)),
    )  # fmt: skip
    return [
        Row(name, figure, bound, 1.0 - figure / bound if bound > 0 else None)
        for name, figure, bound in figures
    ]


def status_document(status: Status) -> str:
    """Return a status as JSON; what is infinite is null."""
    return json.dumps(finite(asdict(status)), indent=2)


def stress_document(seen: Seen, outcomes: Sequence[Outcome]) -> str:
    """Return outcomes as JSON; what is infinite is null."""
    head = {
        "where": seen.where,
        "symbol": seen.session.meta.symbol,
        "quote": seen.session.meta.quote,
        "time": utc_text(seen.now_ns),
    }
    return json.dumps(head | {"outcomes": [finite(asdict(each)) for each in outcomes]}, indent=2)


def finite(value: Any) -> Any:
    """Return plain values with null for what is no finite number, which JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value


def status_text(status: Status) -> str:
    """Return a status for a person."""
    why = f" for {status.reason}" if status.reason else ""
    since = f" since {status.since[:19]}" if status.since else ""
    until = f", {status.until}" if status.until and status.reason else ""
    held = f"position {status.position_lots:,} lots, {status.open_orders} orders open"
    lines = [
        f"{status.where}, {status.time[:19]}",
        f"{status.symbol}: {status.state}{why}{since}{until}",
        f"capital {status.capital:,.2f}, equity {status.equity:,.2f} {status.quote}, {held}",
        "",
        f"{'limit':<21} {'now':>12} {'bound':>12} {'left':>7}",
    ]
    for row in status.limits:
        left = "off" if row.left is None else f"{row.left:.0%}"
        lines.append(f"{row.limit:<21} {row.figure:>12.6g} {row.bound:>12.6g} {left:>7}")
    closing, worst = status.closing, status.worst
    slowly = f"without haste {duration(closing.seconds)}"
    lines += [
        "",
        f"value at risk, 99 % over {status.value_at_risk_s} s: {status.value_at_risk:,.4f}",
        f"closing at once costs {closing.cost:,.4f} ({closing.share:.3%}); {slowly}",
        f"worst scenario: {worst.name}, loss {worst.loss:,.4f}",
    ]
    return "\n".join(lines)


def stress_text(seen: Seen, outcomes: Sequence[Outcome], sources: dict[str, str]) -> str:
    """Return a table of outcomes for a person."""
    quote = seen.session.meta.quote
    lines = [
        f"{seen.where}, {utc_text(seen.now_ns)[:19]}; {quote}",
        "",
        HEAD,
    ]
    lines += [
        f"{each.name:<31} {each.move:>8.2%} {each.loss:>12,.4f} {each.closing:>11,.4f} "
        f"{each.lots:>12,} {each.margin:>14,.2f} {duration(each.seconds):>9}"
        for each in outcomes
    ]
    told = sorted({source for source in sources.values() if source})
    return "\n".join([*lines, *told])


def duration(seconds: float) -> str:
    """Return seconds as a person reads them."""
    if not math.isfinite(seconds):
        return "never"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
