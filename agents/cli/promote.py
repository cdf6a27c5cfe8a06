"""`counterpoint promote`: holds a run to the gates of its rung, shows them, keeps a promotion.

It reads files, not the bus, so it works beside a run and after it. Exit code 0 when every gate
holds, 1 when one does not.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.exits import CONFIGURATION, ERROR, NOT_RUNNING, OK, CommandError
from agents.cli.options import Change, Config, Data, Json
from agents.cli.output import put

if TYPE_CHECKING:
    from agents.executor.state import State
    from agents.ladder import Found, Gate, Rung
    from agents.settings import Settings

NEAR = 0.8
"""From this share of its drawdown limit on a run has an open alert."""
DAY_S = 86_400
ANSWER_S = 5.0


def promote(
    *,
    run: Annotated[
        Path | None, typer.Option("--run", help="folder of a run; default: the newest")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="show the gates, and keep nothing")
    ] = False,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Hold a run to the gates of the ladder: simulate, paper, minimum size, full."""
    from agents.cli.flags import resolve
    from agents.cli.report import folder_of
    from agents.ladder import gates, keep, ladder_file, promotion

    told = resolve(config, change, {"data": data}).settings
    folder = run if run is not None else folder_of(told.data, None)
    if not (folder / "executor.db").exists():
        raise CommandError(f"{folder} holds no executor's journal", NOT_RUNNING)
    lived = settings_of(folder, told)
    path, (market, rung) = ladder_file(told), place_of(folder, lived)
    higher = next_of(path, market, rung)
    found = found_in(folder, lived, told.ladder.prometheus)
    asked = gates(found, rung, told.ladder)
    holds = all(each.holds for each in asked)
    if holds and not check:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        keep(path, promotion(market, higher, found, str(folder), now))
    put(
        json.dumps(document(market, rung, asked, promoted=holds and not check))
        if as_json
        else "\n".join(lines(market, rung, asked, check=check))
    )
    raise typer.Exit(OK if holds else ERROR)


def settings_of(folder: Path, told: "Settings") -> "Settings":
    """Return the settings of a run; in a container, where none are written, those of everybody."""
    from agents.cli.stack import settings_in
    from agents.process import CONFIG

    found = settings_in(folder) if (folder / CONFIG).exists() else told
    return found.located(folder)


def place_of(folder: Path, settings: "Settings") -> "tuple[str, Rung]":
    """Return the market of a run, and the rung that it stands on.

    Raises:
        CommandError: its recording is not there any more.
    """
    from agents.executor.account_keys import is_real
    from agents.ladder import market_of, rung_of
    from exchange.binance.client import environment_of

    if settings.venue.recorded:
        from agents.session import open_session

        symbol = open_session(settings).meta.symbol
        if not symbol:
            raise CommandError(f"{folder}: the recording names no symbol", CONFIGURATION)
        return symbol.replace("-", ""), rung_of(settings, real=False)
    place = environment_of(settings.venue.url, futures=settings.venue.futures)
    real = not settings.venue.paper and is_real(settings, place)
    return market_of(settings), rung_of(settings, real=real)


def next_of(path: Path, market: str, rung: "Rung") -> "Rung":
    """Return the rung above that of a run.

    Raises:
        CommandError: there is none, or the market does not stand where the run does.
    """
    from agents.ladder import Rung, reached

    have = reached(path, market)
    if rung is Rung.FULL:
        raise CommandError(f"{market}: the run is {rung.word} already, the last rung of the ladder")
    if have < rung:
        raise CommandError(
            f"{market} stands on the rung {have.word}, and the run is of {rung.word}: promote a "
            f"run of {have.word} first"
        )
    if have > rung:
        raise CommandError(
            f"{market} stands on the rung {have.word} already, the run is of {rung.word}; promote "
            f"a run of {have.word}"
        )
    return Rung(rung + 1)


def found_in(folder: Path, settings: "Settings", prometheus: str | None) -> "Found":
    """Return what a run has shown.

    Raises:
        CommandError: it decided nothing yet; Prometheus does not answer.
        JournalError, RecordingError: a file of it cannot be read.
    """
    from agents.cli.replay_session import document as compared
    from agents.executor import records
    from agents.executor.agreement import agreement
    from agents.executor.recovery import open_journal
    from agents.executor.result import Watch
    from agents.executor.state import thaw
    from agents.ladder import Found
    from agents.session import open_session

    session = open_session(settings)
    watch = Watch(folder)
    seen = watch.look()
    watch.close()
    with open_journal(folder, readonly=True) as journal:
        cycles = sum(1 for _ in journal.rows(records.CYCLES))
        frozen = journal.get(records.STATE)
    if seen is None or frozen is None:
        raise CommandError(f"the executor of {folder} decided nothing yet", CONFIGURATION)
    overlap = apart = None
    if not settings.venue.recorded:
        told = compared(agreement(folder, session))["measured"]
        overlap, apart = told["overlap"], told["net_difference_bps"]
    alerts = {*alerts_of(thaw(session, frozen)), *firing(prometheus)}
    return Found(
        days=cycles * settings.executor.cycle_s / DAY_S,
        round_trips=seen.round_trips,
        net=seen.net_units / 1e8,
        overlap=overlap,
        net_difference_bps=apart,
        alerts=tuple(sorted(alerts)),
    )


def alerts_of(state: "State") -> list[str]:
    """Return what is wrong with an executor at its end, by the names of the alerts."""
    from agents.executor.showing import limits_used
    from agents.executor.telling import RISK_STATES
    from market.breach import ACTIVE, RISK_STATE

    found = []
    if state.stops:
        found.append("stopped")
    now = int(state.account.risk[RISK_STATE])
    if now != ACTIVE:
        found.append(f"risk_{RISK_STATES[now]}")
    if limits_used(state)["peak_drawdown_limit"] > NEAR:
        found.append("drawdown_near_limit")
    return found


def firing(prometheus: str | None) -> list[str]:
    """Return the names of the alerts that fire in a Prometheus; none where none is told.

    Raises:
        CommandError: it does not answer as one.
    """
    from urllib.request import urlopen

    if prometheus is None:
        return []
    address = f"{prometheus.rstrip('/')}/api/v1/alerts"
    try:
        with urlopen(address, timeout=ANSWER_S) as answer:  # noqa: S310 - its pattern asks for http
            rows = json.loads(answer.read())["data"]["alerts"]
        return [row["labels"]["alertname"] for row in rows if row["state"] == "firing"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"ladder.prometheus must be a Prometheus that answers, found {address}: {error}",
            CONFIGURATION,
        ) from None


# --- shown ------------------------------------------------------------------------------------
def document(
    market: str, rung: "Rung", asked: "tuple[Gate, ...]", *, promoted: bool
) -> dict[str, Any]:
    """Return the gates as plain JSON values."""
    from dataclasses import asdict

    from agents.ladder import Rung

    return {
        "market": market,
        "rung": rung.word,
        "next": Rung(rung + 1).word,
        "gates": [asdict(each) for each in asked],
        "holds": all(each.holds for each in asked),
        "promoted": promoted,
    }


def lines(market: str, rung: "Rung", asked: "tuple[Gate, ...]", *, check: bool) -> list[str]:
    """Return the gates as a table, and what follows."""
    from agents.ladder import Rung

    higher = Rung(rung + 1)
    told = [f"{market}: {rung.word} -> {higher.word}", ""]
    told.append(f"{'gate':<32}{'found':>24}{'needed':>12}")
    told += [
        f"{each.name:<32}{each.found:>24}{each.needed:>12}  {'holds' if each.holds else 'MISSED'}"
        for each in asked
    ]
    missed = [each for each in asked if not each.holds]
    if missed:
        reasons = "; ".join(f"{each.name} {each.found}, needed {each.needed}" for each in missed)
        told += ["", f"refused: {reasons}"]
    elif check:
        told += ["", "every gate holds; without --check the promotion is kept"]
    else:
        told += ["", f"promoted to {higher.word}: {following(market, higher)}"]
    return told


def following(market: str, rung: "Rung") -> str:
    """Return what may be typed on a rung."""
    from agents.ladder import Rung

    symbol = market.partition(" ")[0]
    if rung is Rung.PAPER:
        return f"counterpoint run --venue paper --symbol {symbol}"
    live = f"counterpoint run --venue live --symbol {symbol} --set venue.confirm_live={symbol}"
    return f"{live} --set account.capital=..." if rung is Rung.MINIMUM else live
