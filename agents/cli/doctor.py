"""`counterpoint doctor`: what this machine and this configuration lack, before money does."""

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from agents.cli.exits import CONFIGURATION, OK
from agents.settings import Settings
from protocol.settings import Loaded

OPEN_FILES_MIN = 256


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    fine: bool
    found: str
    advice: str = ""


def doctor(loaded: Loaded[Settings], *, as_json: bool) -> int:
    """Print every finding; exit with 4 when something is wrong."""
    findings = list(look(loaded.settings))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            mark = "ok  " if finding.fine else "BAD "
            mark = "note" if finding.fine and "can never bind" in finding.found else mark
            advice = f" -> {finding.advice}" if finding.advice else ""
            print(f"{mark}{finding.name}: {finding.found}{advice}")
    return OK if all(finding.fine for finding in findings) else CONFIGURATION


def look(settings: Settings) -> Iterator[Finding]:
    """Look at machine, folders, keys, recording, capital and limits."""
    version = platform.python_version()
    yield Finding("python", sys.version_info >= (3, 11), version, "" if version else "use 3.11")
    yield from machine(settings)
    yield from keys(settings)
    yield from guarded("recording", lambda: recording(settings))


def guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Run a check; its own errors become one bad finding."""
    try:
        yield from check()
    except Exception as error:
        if getattr(error, "exit_code", None) is None:
            raise
        yield Finding(name, fine=False, found=str(error))


def machine(settings: Settings) -> Iterator[Finding]:
    """Look at cores, the data folder and open files."""
    import resource

    yield Finding("cores", fine=True, found=str(os.cpu_count()))
    folder = settings.data
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    yield Finding(
        "data folder", writable, str(folder), "" if writable else "choose another with --data"
    )
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft >= OPEN_FILES_MIN
    yield Finding("open files", enough, str(soft), "" if enough else "ulimit -n 1024")


def keys(settings: Settings) -> Iterator[Finding]:
    """Look at the roster and at who may read the private keys."""
    folder = settings.keys_folder
    if not (folder / "roster.json").exists():
        yield Finding("keys", fine=True, found="none yet", advice="`counterpoint run` makes them")
        return
    yield from guarded("keys", lambda: usable_keys(settings))
    loose = [path.name for path in folder.glob("*.key") if path.stat().st_mode & 0o077]
    found = f"readable by others: {', '.join(loose)}" if loose else str(folder)
    yield Finding("keys", not loose, found, f"chmod 600 {folder}/*.key" if loose else "")


def usable_keys(settings: Settings) -> Iterator[Finding]:
    """Try every key that a run would use."""
    from agents.cli.run import demand_keys

    demand_keys(settings)
    yield Finding("roster", fine=True, found="every part's key fits")


def recording(settings: Settings) -> Iterator[Finding]:
    """Look at the recording, the capital that it needs, and limits that can never bind."""
    from agents.cli.risk_limits import report
    from agents.feeds import feed_path
    from agents.session import open_session
    from exchange.advice import describe
    from exchange.recording import Recording

    path = feed_path(settings)
    if settings.feed.path is None and not path.exists():
        yield Finding("recording", fine=True, found="the bundled day", advice="made on first use")
        return
    session = open_session(settings)
    yield Finding("recording", fine=True, found=f"{session.meta.symbol}, {path}")
    known = Recording(session.meta, session.events)
    facts = describe(known.events, known.meta, session.first_ns + 3_600 * 10**9)
    yield Finding(
        "spread",
        fine=True,
        found=f"median {facts['spread_bps_p50']:.2f} bps, maker fee "
        f"{session.meta.maker_fee_bps:g} bps a side",
    )
    base = session.baseline
    yield Finding(
        "starting parameters",
        fine=True,
        found=f"spread {base.spread_percentage} %, {base.levels} levels of {base.base_quantity}, "
        f"position at most {base.max_position}",
    )
    for row in report(session).rows:
        if row.idle:
            yield Finding(
                f"{row.section}.{row.name}", fine=True, found=f"can never bind: {row.idle}"
            )
