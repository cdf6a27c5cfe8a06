"""The ladder to real money: simulate, paper, minimum size, full. Each rung has numeric gates.

Pure but for the file that keeps the promotions, a line of JSON each. What a run found is judged
here; how it is found is `agents/cli/promote.py`'s affair, and who is refused at his start
`agents/executor/account_keys.py`'s.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from agents.ladder_settings import Ladder
from agents.settings import Settings
from protocol.errors import SettingsError

FILE = "ladder.jsonl"
FUTURES = " perpetual"


class Rung(IntEnum):
    """How much is at stake; a symbol stands on one of them and may climb to the next."""

    SIMULATE = 0
    PAPER = 1
    MINIMUM = 2
    FULL = 3

    @property
    def word(self) -> str:
        """Return its name as people read and type it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Found:
    """What a run has shown.

    Attributes:
        days: that it traded, downtime left out.
        round_trips: closed lots.
        net: earned beyond holding, quote asset.
        overlap: of the fills that replay-session predicts; None: it trades a recording, and is
            its own backtest.
        net_difference_bps: of that prediction's net to the actual one; None likewise.
        alerts: open ones, by name.
    """

    days: float
    round_trips: int
    net: float
    overlap: float | None
    net_difference_bps: float | None
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: what was found, what is needed, and whether that holds."""

    name: str
    found: str
    needed: str
    holds: bool


def rung_of(settings: Settings, *, real: bool) -> Rung:
    """Return the rung that a run of settings stands on.

    Args:
        real: whether its venue takes real money.
    """
    if not real:
        return Rung.PAPER if settings.venue.paper else Rung.SIMULATE
    small = settings.account.capital <= settings.ladder.minimum_capital
    return Rung.MINIMUM if small else Rung.FULL


def gates(found: Found, rung: Rung, needed: Ladder) -> tuple[Gate, ...]:
    """Return every gate above a rung, in the order in which they are shown; none above the last."""
    if rung is Rung.FULL:
        return ()
    days = (needed.simulate_days, needed.paper_days, needed.minimum_days)[rung]
    trips = found.round_trips
    made = [
        Gate("days traded", f"{found.days:.2f}", f">= {days:g}", found.days >= days),
        Gate("round trips", str(trips), f">= {needed.round_trips}", trips >= needed.round_trips),
        Gate("net of holding", f"{found.net:+.4f}", f">= {needed.net:g}", found.net >= needed.net),
    ]
    if found.overlap is not None and found.net_difference_bps is not None:
        overlap, apart = found.overlap, abs(found.net_difference_bps)
        bound = needed.net_difference_bps
        made += [
            Gate(
                "replay-session: overlap",
                f"{overlap:.4f}",
                f">= {needed.overlap:g}",
                overlap >= needed.overlap,
            ),
            Gate("replay-session: net, bps apart", f"{apart:.2f}", f"<= {bound:g}", apart <= bound),
        ]
    alerts = ", ".join(found.alerts) or "none"
    made.append(Gate("open alerts", alerts, "none", not found.alerts))
    return tuple(made)


def market_of(settings: Settings) -> str:
    """Return how the ladder names what settings trade: a symbol of spot is not one of futures."""
    return settings.venue.code + (FUTURES if settings.venue.futures else "")


def ladder_file(settings: Settings) -> Path:
    """Return where promotions are kept."""
    return settings.ladder.file or settings.data / FILE


def reached(path: Path, market: str) -> Rung:
    """Return the rung that a market has climbed to; the lowest where nothing is kept of it.

    Raises:
        SettingsError: the file is damaged, or cannot be read.
    """
    rung = Rung.SIMULATE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return rung
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    for number, line in enumerate(lines, start=1):
        try:
            told = json.loads(line)
            if told["market"] == market:
                rung = Rung[told["rung"].upper()]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SettingsError(
                f"{path}, line {number}: no promotion of ours; restore it, or move it away and "
                "promote anew"
            ) from None
    return rung


def keep(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a promotion.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def promotion(market: str, rung: Rung, found: Found, run: str, time: str) -> dict[str, Any]:
    """Return what is kept of a promotion to a rung."""
    return {"time": time, "market": market, "rung": rung.word, "run": run, "found": asdict(found)}


def demand_rung(settings: Settings) -> str:
    """Refuse real money to a market that has not climbed to it; return what was skipped, if asked.

    Raises:
        SettingsError: what it has reached, what it needs, and what to type.
    """
    market, needed = market_of(settings), rung_of(settings, real=True)
    have = reached(ladder_file(settings), market)
    if have >= needed:
        return ""
    capital, small = settings.account.capital, settings.ladder.minimum_capital
    line = (
        f"{market} stands on the rung {have.word} of the ladder, and real money with "
        f"account.capital {capital:g} is {needed.word} (minimum: at most {small:g})"
    )
    if settings.ladder.skip:
        return line
    raise SettingsError(
        f"{line}; promote a run first (counterpoint promote, docs/ladder.md), or say --skip-ladder"
    )
