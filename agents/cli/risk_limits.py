"""What `counterpoint risk limits` and `doctor` say: every limit, what it does, if it can bind."""

import json
import math
from dataclasses import asdict, dataclass

from agents.session import Session
from agents.settings import Settings
from market.breach import LIMIT_CAPITAL, position_cap_lots
from market.carry import liquid_cap_lots, value_cap_lots
from market.layout import (
    NO_ASK,
    NO_BID,
    SCALE_TICK_LOT,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
    UNITS,
)
from market.types import F8, I8
from risk.limits import Limits
from risk.liquidity import Flatten, book_at, flatten
from risk.states import PERMITS, TABLE

LOOKED_NS = 3_600 * 10**9
"""Of the session, in which the market is looked at."""


@dataclass(frozen=True, slots=True)
class Row:
    """One limit.

    Attributes:
        name: the setting.
        value: as configured.
        of: what it is a share of, or its unit.
        then: what happens when it binds.
        idle: why it can never bind here; empty when it can.
        section: of the configuration, where it is set.
    """

    name: str
    value: str
    of: str
    then: str
    idle: str = ""
    section: str = "risk"


@dataclass(frozen=True, slots=True)
class Caps:
    """The largest position by each limit in the market as it was looked at, quote asset."""

    position: float
    value_at_risk: float
    liquidity: float


@dataclass(frozen=True, slots=True)
class Report:
    """All of it; `closing` are the largest position that all caps leave, long and short."""

    symbol: str
    profile: str
    capital: float
    rows: tuple[Row, ...]
    caps: Caps
    closing: tuple[Flatten, Flatten]


def report(session: Session, executors: int = 1) -> Report:
    """Look at an hour of the session's market and judge every limit.

    Args:
        executors: how many share a capital, this one among them.
    """
    step, view = last_view(session)
    setup = session.setup
    limits, scale = setup.limits, setup.scale
    half = int(step[STEP_BID] + step[STEP_ASK])
    worth = 0.5 * half * float(scale[SCALE_TICK_LOT]) / UNITS
    cap = int(position_cap_lots(half, limits, scale))
    value, liquid = int(value_cap_lots(view, limits, scale)), int(liquid_cap_lots(view, limits))
    idle = Limits.of_row(limits).idle(
        scale,
        position_cap_lots=cap,
        liquid_cap_lots=liquid,
        interval_s=session.settings.executor.guard_interval_ms / 1e3,
    )
    capital = float(limits[LIMIT_CAPITAL]) / UNITS
    share = session.settings.risk.participation_limit or 1.0
    levels, touch = book_at(session.events, int(step[STEP_NOW_NS]))
    lots = min(cap, value, liquid)
    long, short = (
        flatten(each, levels, touch, view, scale, participation=share) for each in (lots, -lots)
    )
    most = 1e3 * capital  # no cap is told as no more than that
    return Report(
        symbol=session.meta.symbol,
        profile=session.settings.risk.profile.value,
        capital=capital,
        rows=(*rows_of(session.settings, idle), *joint_rows(session.settings, executors)),
        caps=Caps(cap * worth, min(most, value * worth), min(most, liquid * worth)),
        closing=(long, short),
    )


def last_view(session: Session) -> tuple[I8, F8]:
    """Return the last rows of an hour that show a sound book.

    Raises:
        ValueError: there was none.
    """
    tape = session.tape_builder().advance(min(session.last_ns, session.first_ns + LOOKED_NS))
    for number in range(len(tape.steps) - 1, -1, -1):
        if NO_BID < tape.steps[number, STEP_BID] < tape.steps[number, STEP_ASK] < NO_ASK:
            return tape.steps[number], tape.views[number]
    raise ValueError(f"{session.meta.symbol} showed no two-sided book")


def rows_of(settings: Settings, idle: dict[str, str]) -> list[Row]:
    """Return a row for each limit, those that move the state first."""
    risk = settings.risk
    ends = {rule.limit: rule for rule in reversed(TABLE)}
    rows = []
    for name, value, of in (
        ("peak_drawdown_limit", risk.peak_drawdown_limit, "capital"),
        ("daily_loss_limit", risk.daily_loss_limit, "capital"),
        ("volatility_cutoff", risk.volatility_cutoff, "its slow average"),
        ("price_age_s", risk.price_age_s, "seconds"),
        ("stop_loss_threshold", risk.stop_loss_threshold, "the position's cost"),
        ("max_position_size", risk.max_position_size, "capital"),
    ):
        rule = ends[name]
        operator = rule.operator and name in _waiting(settings)
        end = "an operator ends it" if operator else f"ends {rule.ends}"
        then = f"{rule.state.name}; {end}"
        rows.append(Row(name, f"{value:g}", of, then, idle.get(_key(name), "")))
    for name, value, of in (
        ("value_at_risk_limit", risk.value_at_risk_limit, f"capital, {risk.value_at_risk_s:g} s"),
        ("participation_limit", risk.participation_limit, f"flow, {risk.liquidation_s:g} s"),
        ("flatten_cost_limit", risk.flatten_cost_limit, "the position's worth"),
        ("stressed_loss_limit", risk.stressed_loss_limit, f"capital, move {risk.stressed_move:g}"),
    ):
        rows.append(Row(name, f"{value:g}", of, "caps the position", idle.get(name, "")))
    for name, value, of in (
        ("max_order_size", risk.order_share, "capital"),
        ("price_collar", risk.price_collar, "mid, last trade"),
        ("open_orders_max", risk.open_orders_max, "orders"),
        ("order_rate_max", risk.order_rate_max, f"a second, {risk.order_burst_max} at once"),
    ):
        rows.append(Row(name, f"{value:g}", of, "refuses the order", idle.get(name, "")))
    return rows


def joint_rows(settings: Settings, executors: int) -> list[Row]:
    """Return a row for each limit of all executors on one capital together."""
    told, share = settings.portfolio, settings.risk.max_position_size
    alone = "one symbol has nothing to be correlated with" if executors == 1 else ""
    most = f"all positions together are worth at most {share:.3g} of the capital"
    found = []
    for name, value, of, idle in (
        (
            "correlation_pair_limit",
            told.correlation_pair_limit,
            f"both limits, from {told.correlation_threshold:g}",
            "1 is both in full" if told.correlation_pair_limit >= 1.0 else "",
        ),
        (
            "correlation_portfolio_limit",
            told.correlation_portfolio_limit,
            "all limits",
            "1 is all in full" if told.correlation_portfolio_limit >= 1.0 else "",
        ),
        (
            "joint_value_limit",
            told.joint_value_limit,
            f"all capital, {settings.risk.value_at_risk_s:g} s",
            "0: off" if told.joint_value_limit == 0.0 else most * (told.joint_value_limit >= share),
        ),
    ):
        then = "caps the position"
        found.append(Row(name, f"{value:g}", of, then, alone or idle, "portfolio"))
    return found


def _key(name: str) -> str:
    """Return a setting's name among those of `risk.limits`."""
    return "price_age_limit" if name == "price_age_s" else name


def _waiting(settings: Settings) -> set[str]:
    """Return the limits whose halt only an operator ends."""
    found = set()
    if settings.risk.drawdown_rest_s == 0:
        found.add("peak_drawdown_limit")
    if settings.risk.loss_return.value == "operator":
        found.add("daily_loss_limit")
    return found


def as_json(told: Report) -> str:
    """Return all of it as JSON; what is infinite is null."""
    document = asdict(told)
    document["closing"] = [
        {name: figure if math.isfinite(figure) else None for name, figure in each.items()}
        for each in document["closing"]
    ]
    return json.dumps(document, indent=2)


def as_text(told: Report) -> str:
    """Return a table, what cannot bind marked."""
    lines = [f"{told.symbol}, profile {told.profile}, capital {told.capital:,.2f}", ""]
    lines.append(f"{'limit':<27} {'set to':>7}  {'of':<22} then")
    section = "risk"
    for row in told.rows:
        if row.section != section:
            lines += ["", "of all executors on the capital together:"]
            section = row.section
        lines.append(f"{row.name:<27} {row.value:>7}  {row.of:<22} {row.then}")
        if row.idle:
            lines.append(f"{'':<27} {'':>7}  cannot bind: {row.idle}")
    lines += ["", "largest position now, quote asset:"]
    for name, figure in asdict(told.caps).items():
        lines.append(f"  {name.replace('_', ' '):<19} {figure:>14,.2f}")
    lines += ["", *map(_closing, told.closing), ""]
    lines += [f"{state.name:<9} permits {text}" for state, text in PERMITS.items()]
    return "\n".join(lines)


def _closing(told: Flatten) -> str:
    """Return what closing the largest position of one side costs."""
    side = "short" if told.lots < 0 else "long"
    if told.lots == 0:
        return "nothing may be carried: nothing to close"
    return (
        f"closing {told.worth:,.2f} {side}: at once for {told.cost:,.4f} ({told.share:.3%}), "
        f"{told.book_lots / abs(told.lots):.0%} from the book; in {told.seconds:,.0f} s as a "
        "share of what trades"
    )
