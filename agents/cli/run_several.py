"""`counterpoint run --feed A --feed B`, or `--symbol A --symbol B` at a venue: a stack for each
symbol, all on one capital.

Each stack is a run of its own, with its folder, bus, coordinator and optimizers, and every command
that finds runs finds each of them. Their executors hear one another (`agents/executor/peer_link`),
and each caps its position by what the others leave it.
"""

import json
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from agents.cli.exits import CONFIGURATION, OK, USAGE, CommandError
from agents.cli.run import (
    LATEST,
    Opened,
    Teller,
    demand_keys,
    demand_sound,
    end_on_signals,
    new_folder,
    onlooker_of,
    open_stack,
    prepare,
    say,
    settle,
)
from agents.section import Section
from agents.session import HOUR_NS, Session, needed_seconds, open_session
from agents.settings import Settings
from agents.venue_settings import SYMBOL, VenuePace
from protocol.errors import printable
from protocol.messages import utc_text
from protocol.settings import Loaded

FEEDS_MAX = 4
"""Executors for which `counterpoint keys new` makes keys."""
PORTS_APART = 16
"""Between the metrics ports of two stacks: more than the parts of one."""
Market: TypeAlias = Path | str
"""A recording, or a symbol at a venue."""


def run(
    loaded: Loaded[Settings], feeds: Sequence[Path], symbols: Sequence[str], *, as_json: bool
) -> int:
    """Run a stack for each recording over the span that all cover, or for each symbol; print
    every result.
    """
    began = time.time()
    settings = loaded.settings
    markets = markets_of(settings, feeds, symbols)
    demand_apart(settings)
    demand_sound(settings)
    prepare(settings)
    sockets = Path(tempfile.mkdtemp(prefix="counterpoint-"))
    try:
        opened = open_stacks(settings, markets, sockets)
        end_on_signals([each.supervisor for each in opened])
        complete = watch(opened)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    results = [settle(each, complete=complete, began=began) for each in opened]
    if as_json:
        print(json.dumps({"runs": [result for result, _ in results]}))
        return OK
    from agents.cli.table import render

    for each, (result, machine) in zip(opened, results, strict=True):
        print(f"{each.settings.account.executor}  {result['recording']['symbol']}")
        render(result, machine, str(each.folder / "result.json"))
    return OK


def markets_of(
    settings: Settings, feeds: Sequence[Path], symbols: Sequence[str]
) -> Sequence[Market]:
    """Return what is traded: recordings, or symbols at the venue.

    Raises:
        CommandError: too many, the wrong kind, or one symbol twice.
    """
    markets: Sequence[Market] = feeds if settings.venue.recorded else symbols
    option = "--feed" if settings.venue.recorded else "--symbol"
    if len(markets) > FEEDS_MAX:
        raise CommandError(
            f"at most {FEEDS_MAX} {option} may be given, found {len(markets)}", USAGE
        )
    if not settings.venue.recorded and len(feeds) > 1:
        raise CommandError("--feed names recordings; they are not traded at a venue", USAGE)
    if settings.venue.recorded and len(symbols) > 1:
        raise CommandError(
            "--symbol names what is traded at a venue: give --venue, or recordings by --feed", USAGE
        )
    codes = [re.sub("[-/]", "", symbol) for symbol in symbols]
    for symbol, code in zip(symbols, codes, strict=True):
        if not SYMBOL.fullmatch(symbol):
            raise CommandError(
                f"--symbol must be like BTC-USDT, found {printable(symbol)!r}", USAGE
            )
        if codes.count(code) > 1:
            raise CommandError(f"each --symbol must be another, found {symbol} twice", USAGE)
    if not settings.venue.recorded and settings.venue.pace is VenuePace.LOCKSTEP:
        raise CommandError(
            "a lockstep needs a key for each executor: run each --symbol by itself "
            "(docs/portfolio.md)",
            CONFIGURATION,
        )
    return markets


def demand_apart(settings: Settings) -> None:
    """Refuse what several stacks would quarrel about.

    Raises:
        CommandError: which setting, and what to do.
    """
    bus, plain = settings.bus, settings.coordinator.accept_plain
    told = {"folder": bus.folder, "port": bus.port, "listen": bus.listen, "connect": bus.connect}
    named = [f"bus.{name}" for name, value in told.items() if value is not None]
    named += ["coordinator.accept_plain"] * (plain is not None)
    named += ["bus.peers"] * (bus.peers is not None)
    if settings.desk.open:
        raise CommandError(
            "a desk shows one run: leave out --desk (desk.open), or give one --feed or --symbol",
            CONFIGURATION,
        )
    if named:
        raise CommandError(
            f"{named[0]} must be unset with several executors: each has a bus of its own",
            CONFIGURATION,
        )


def shares(settings: Settings, markets: Sequence[Market], sockets: Path) -> list[Settings]:
    """Return the settings of each stack: name, market, an equal share of the capital, the others.

    Raises:
        CommandError: two would have one name.
    """
    first = settings.account.executor
    names = [first, *(f"executor-{number}" for number in range(2, len(markets) + 1))]
    if len(set(names)) < len(names):
        raise CommandError(
            f"account.executor must not be one of {', '.join(names[1:])} of {len(markets)}",
            CONFIGURATION,
        )
    found = []
    for number, (name, market) in enumerate(zip(names, markets, strict=True)):
        others = [f"{each}={sockets / each}" for each in names if each != name]
        port = settings.bus.metrics_port
        ports = {"metrics_port": port + PORTS_APART * number if port else 0}
        changes = {
            **market_of(settings, market),
            "bus": settings.bus.model_copy(update={"peers": ",".join(others), **ports}),
            "account": settings.account.model_copy(
                update={"executor": name, "capital": settings.account.capital / len(markets)}
            ),
            "data": settings.data.resolve(),
        }
        found.append(settings.model_copy(update=changes))
    return found


def market_of(settings: Settings, market: Market) -> dict[str, Section]:
    """Return the tables that say what a stack trades.

    Real money must be confirmed for each symbol: `venue.confirm_live` lists them.
    """
    if isinstance(market, Path):
        return {"feed": settings.feed.model_copy(update={"path": market.resolve()})}
    code = re.sub("[-/]", "", market)
    confirmed = [
        each
        for each in settings.venue.confirm_live.split(",")
        if "".join(filter(str.isalnum, each)) == code
    ]
    change = {"symbol": market, "confirm_live": "".join(confirmed[:1])}
    return {"venue": settings.venue.model_copy(update=change)}


def common_span(sessions: Sequence[Session]) -> tuple[int, int]:
    """Return first and last guard step that all recordings cover.

    Raises:
        CommandError: too short, or two recordings of one symbol.
    """
    symbols = [each.meta.symbol for each in sessions]
    twice = sorted({each for each in symbols if symbols.count(each) > 1})
    if twice:
        raise CommandError(f"each --feed is of another symbol, found {twice[0]} twice", USAGE)
    first_ns = max(each.first_ns for each in sessions)
    last_ns = min(each.last_ns for each in sessions)
    needed_s = needed_seconds(sessions[0].settings)
    if last_ns - first_ns < needed_s * 10**9:
        spans = ", ".join(
            f"{each.meta.symbol} {utc_text(each.first_ns)[:19]} to {utc_text(each.last_ns)[:19]}"
            for each in sessions
        )
        raise CommandError(
            f"the recordings must overlap for {needed_s} s, found {spans}", CONFIGURATION
        )
    return first_ns, last_ns


def on_recordings(told: Sequence[Settings]) -> tuple[list[Settings], list[Session | None]]:
    """Return settings and sessions over the span that all recordings cover.

    Raises:
        CommandError, RecordingError, SettingsError, AdviceError: in one line each.
    """
    first_ns, last_ns = common_span([open_session(each) for each in told])
    step_ns = told[0].executor.guard_interval_ns
    span = {"start": utc_text(first_ns), "hours": (last_ns - first_ns + step_ns) / HOUR_NS}
    cut = [each.model_copy(update={"feed": each.feed.model_copy(update=span)}) for each in told]
    return cut, [open_session(each) for each in cut]


def at_one_venue(told: Sequence[Settings]) -> tuple[list[Settings], list[Session | None]]:
    """Return the settings of stacks at a venue, where no session is known before its warm-up.

    Raises:
        StartRefusedError, VenueError, SettingsError, SecretError: in one line each.
    """
    from agents.cli.venue import at_venue

    return [at_venue(each) for each in told], [None] * len(told)


def open_stacks(settings: Settings, markets: Sequence[Market], sockets: Path) -> list[Opened]:
    """Make the folder of each stack over the span that all cover; say where they are.

    Raises:
        CommandError, ExchangeError, SettingsError: in one line each.
    """
    told = shares(settings, markets, sockets)
    for each in told:
        demand_keys(each)
    told, sessions = on_recordings(told) if settings.venue.recorded else at_one_venue(told)
    folders = [new_folder(each) for each in told]
    point_to(folders[0])
    opened = []
    for each, session, folder in zip(told, sessions, folders, strict=True):
        own = sockets / each.account.executor
        own.mkdir(mode=0o700)
        opened.append(open_stack(each, session, folder, own))
        symbol = each.venue.symbol if session is None else session.meta.symbol
        say(f"run {folder}  {each.account.executor}  {symbol}")
    return opened


def point_to(folder: Path) -> None:
    """Let `latest` be the first of several runs."""
    link = folder.parent / LATEST
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)


def watch(opened: Sequence[Opened]) -> bool:
    """Run all stacks, each to its end; what fails in one ends the others.

    Returns:
        Whether all came to the end of their recordings by themselves.
    """
    complete: list[bool] = []
    failures: list[BaseException] = []

    def one(each: Opened) -> None:
        name = each.settings.account.executor
        teller = Teller(onlooker_of(each.folder, each.settings, each.session), name)
        try:
            each.supervisor.start()
            complete.append(each.supervisor.watch(every_s=0.25, on_look=teller))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)
            for other in opened:
                other.supervisor.asked_to_end = True
        finally:
            teller.close()
            each.supervisor.end()

    threads = [threading.Thread(target=one, args=(each,)) for each in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # signals are heard in between
    if failures:
        raise failures[0]
    return all(complete)
