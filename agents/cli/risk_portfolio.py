"""What `counterpoint risk` says of executors on one capital: their limits, how they stand."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from agents.cli import risk_limits
from agents.cli.exits import CONFIGURATION, CommandError
from agents.executor.peers import Peers, Told, own_told
from agents.executor.records import STATE
from agents.executor.recovery import open_journal
from agents.executor.state import thaw
from agents.session import Session, open_session
from agents.settings import Settings
from market.layout import STEP_NOW_NS, VIEW_MID
from protocol.messages import utc_text
from risk.portfolio import ROWS_MIN, joint_value, moves_of, room

HORIZON_S = 3_600


@dataclass(frozen=True, slots=True)
class Pair:
    """Two symbols; `rows` common returns tell their correlation."""

    symbols: tuple[str, str]
    correlation: float
    together: bool
    rows: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each symbol beside the others, and how the symbols moved together."""

    reports: tuple[risk_limits.Report, ...]
    pairs: tuple[Pair, ...]


def limits(settings: Settings, feeds: Sequence[Path]) -> Limits:
    """Look at an hour of each market; each executor has an equal share of the capital."""
    share = settings.account.capital / len(feeds)
    account = settings.account.model_copy(update={"capital": share})
    sessions = []
    for path in feeds:
        feed = settings.feed.model_copy(update={"path": path})
        sessions.append(
            open_session(settings.model_copy(update={"feed": feed, "account": account}))
        )
    reports = tuple(risk_limits.report(each, len(feeds)) for each in sessions)
    threshold = settings.portfolio.correlation_threshold
    pairs = tuple(_pair(one, two, threshold) for one, two in combinations(sessions, 2))
    return Limits(reports, pairs)


def _pair(one: Session, two: Session, threshold: float) -> Pair:
    """Return how two symbols moved together in the first hour that both cover."""
    first_ns = max(one.first_ns, two.first_ns)
    mids = [_mids(each, first_ns, first_ns + risk_limits.LOOKED_NS) for each in (one, two)]
    times = sorted(mids[0].keys() & mids[1].keys())
    prices = np.array([[each[at_ns] for each in mids] for at_ns in times]).reshape(-1, 2)
    moves = moves_of(prices, one.settings.executor.cycle_s)
    rho = float(moves.correlation[0, 1])
    symbols = (one.meta.symbol, two.meta.symbol)
    return Pair(symbols, rho, abs(rho) >= threshold, max(0, len(prices) - 1))


def _mids(session: Session, first_ns: int, last_ns: int) -> dict[int, float]:
    """Return the mids at decisions by time; where one side is empty there is none."""
    tape = session.tape_builder().advance(min(session.last_ns, last_ns))
    found = {}
    for step, view in zip(tape.steps, tape.views, strict=True):
        now_ns, mid = int(step[STEP_NOW_NS]), float(view[VIEW_MID])
        if now_ns >= first_ns and now_ns % session.settings.executor.cycle_ns == 0 and mid > 0.0:
            found[now_ns] = mid
    return found


def limits_json(told: Limits) -> str:
    """Return all of it as JSON."""
    reports = [json.loads(risk_limits.as_json(each)) for each in told.reports]
    return json.dumps(
        {"reports": reports, "pairs": [asdict(each) for each in told.pairs]}, indent=2
    )


def limits_text(told: Limits) -> str:
    """Return the table of each symbol, then the pairs."""
    parts = [risk_limits.as_text(each) for each in told.reports]
    lines = []
    for each in told.pairs:
        names = " and ".join(each.symbols)
        if each.rows < ROWS_MIN:
            lines.append(f"{names}: {each.rows} common returns tell nothing: count together")
        else:
            what = "count together" if each.together else "do not count as a pair"
            lines.append(f"{names}: correlation {each.correlation:+.2f}: {what}")
    return "\n\n".join([*parts, "\n".join(lines)])


@dataclass(frozen=True, slots=True)
class Member:
    """One executor as the run's own executor knew it at its last decision; quote asset.

    Attributes:
        told_at: of its last report; empty: never heard.
    """

    name: str
    told_at: str
    position: float
    long: float
    short: float
    limit: float
    silent: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How executors on one capital stand, seen from one of them.

    Attributes:
        at: of its last decision.
        room: largest position that it may carry, quote asset.
        binding: the limit that decides.
        correlation: own symbol first, then the others; None while unknown.
        value_at_risk, shortfall: of the positions held, at 99 % over an hour; None while unknown.
    """

    at: str
    members: tuple[Member, ...]
    room: float
    binding: str
    correlation: list[list[float]] | None
    value_at_risk: float | None
    shortfall: float | None


def standing(folder: Path) -> Standing:
    """Read how a run's executor and the others stood at its last decision.

    Raises:
        CommandError: no such run, or it has no others.
        JournalError: its journal cannot be read.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise CommandError(f"{folder} holds no run; name one with --run", CONFIGURATION)
    settings = Settings.model_validate_json(config.read_bytes())
    if not settings.peers:
        raise CommandError(
            f"{settings.account.executor} of {folder} has its capital for itself; start several "
            "with `counterpoint run --feed A --feed B`",
            CONFIGURATION,
        )
    session = open_session(settings)
    with open_journal(folder, readonly=True) as journal:
        frozen = journal.get(STATE)
    if frozen is None:
        raise CommandError(f"{settings.account.executor} has decided nothing yet", CONFIGURATION)
    state = thaw(session, frozen, lockstep=True)
    peers = state.peers
    assert peers is not None, "a state without the others that its settings name"
    own = own_told(state.account, session.setup, state.now_ns)
    return standing_of(peers, own, settings.account.executor)


def standing_of(peers: Peers, own: Told, name: str) -> Standing:
    """Return how all stand, as one of them knows it."""
    moves = peers.moves()
    others = [(each, peers.told.get(each)) for each in peers.names]
    found = room(own.exposure(), peers.others(own), moves, peers.limits)
    value = shortfall = None
    if moves.covariance is not None and all(told is not None for _, told in others):
        held = [own, *(told for _, told in others if told is not None)]
        worth = np.array([each.position * each.mark for each in held])
        value, shortfall = joint_value(worth, moves, HORIZON_S)
    return Standing(
        at=utc_text(own.time_ns),
        members=tuple(
            _member(each, told, silent=each in peers.silent)
            for each, told in ((name, own), *others)
        ),
        room=found.either,
        binding=found.binding,
        correlation=None if moves.covariance is None else moves.correlation.tolist(),
        value_at_risk=value,
        shortfall=shortfall,
    )


def _member(name: str, told: Told | None, *, silent: bool) -> Member:
    if told is None:
        return Member(name, "", 0.0, 0.0, 0.0, 0.0, silent)
    reach = told.exposure()
    worth = told.position * told.mark
    return Member(name, utc_text(told.time_ns), worth, reach.long, reach.short, told.limit, silent)


def as_json(told: Standing) -> str:
    """Return all of it as JSON."""
    return json.dumps(asdict(told), indent=2)


def as_text(told: Standing) -> str:
    """Return a table: who holds what, and what it may come to."""
    lines = [f"at {told.at[:19]}, quote asset", ""]
    lines.append(
        f"{'executor':<12} {'position':>12} {'long at most':>13} {'short':>12} {'limit':>12}"
    )
    for each in told.members:
        note = "  limits count as fully used" if each.silent else ""
        lines.append(
            f"{each.name:<12} {each.position:>12,.2f} {each.long:>13,.2f} {each.short:>12,.2f} "
            f"{each.limit:>12,.2f}{note}"
        )
    lines += ["", f"{told.members[0].name} may carry {told.room:,.2f} ({told.binding})"]
    if told.correlation is None:
        lines.append("correlations are not known yet: all count as moving together")
    else:
        for (row, one), (column, two) in combinations(enumerate(told.members), 2):
            lines.append(
                f"{one.name}, {two.name}: correlation {told.correlation[row][column]:+.2f}"
            )
    if told.value_at_risk is not None and told.shortfall is not None:
        lines.append(
            f"all positions over an hour: value at risk {told.value_at_risk:,.2f}, shortfall "
            f"{told.shortfall:,.2f} at 99 %"
        )
    return "\n".join(lines)
