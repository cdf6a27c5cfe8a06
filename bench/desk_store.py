"""A month in a store of either kind: the report, every question of a window, an export, all timed.

The report is made in a process of its own, page and JSON, once before so that its kernels are
compiled. A question is one call of the read model and its JSON, as the page's server answers it.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.desk_month import EXECUTOR, RUN, SECOND, Month, fill
from desk import schema
from desk.export import as_csv
from desk.live import Live
from desk.store import Store
from desk.view import View
from protocol.messages import JournalRow

REPORT_MAX_S: Final = 10.0
PAGE_MAX: Final = 2_000_000
QUESTION_MAX_MS: Final = 200.0
TAKEN: Final = 20_000
PAGE: Final = 500
WARM_S: Final = 7_200
"""Seconds of the month that the first report is of."""


def filled(url: str, month: Month) -> dict[str, Any]:
    """Fill a store, unless it holds the month already; return rows and seconds."""
    with Store.open(url) as store:
        if any(each["run"] == RUN for each in store.runs()):
            return {}
        began = time.monotonic()
        return {"rows": fill(store, month), "filled_s": round(time.monotonic() - began, 1)}


def content(url: str, month: Month, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Export every table and take some fills; return figures, and what the store holds and says."""
    with Store.open(url) as store:
        began = time.monotonic()
        tables = {table.name: digest(store, table) for table in schema.STORED}
        exported_s = time.monotonic() - began
        _, answers = asked(store, month, 1)
        rate = taken_s(store)
    document = reported(url, folder / "page.html").pop("document")
    figures = {"exported_s": round(exported_s, 1), "taken_per_s": round(TAKEN / rate)}
    return figures, {"tables": tables, "answers": answers, "report": document}


def speed(url: str, month: Month, times: int, folder: Path) -> dict[str, Any]:
    """Ask everything so often, and make the report; return the figures."""
    reported(url, folder / "page.html", month.start + WARM_S * SECOND)
    report = reported(url, folder / "page.html")
    del report["document"]
    with Store.open(url) as store:
        return {**report, "questions": asked(store, month, times)[0]}


def asked(store: Store, month: Month, times: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask every question so often; return first, p50 and p95 in ms, and the first answers."""
    live = Live((EXECUTOR,), steady=lambda: 0)
    view = View(store, live, run=RUN)
    figures, answers = {}, {}
    for name, ask in questions(view, month):
        took = []
        for place in range(times + 1):
            began = time.perf_counter()
            told = json.dumps(ask(place))
            took.append((time.perf_counter() - began) * 1e3)
            answers.setdefault(name, hashlib.sha256(told.encode()).hexdigest())
        later = np.array(took[1:])
        figures[name] = {
            "first_ms": round(took[0], 2),
            "p50_ms": round(float(np.quantile(later, 0.5)), 2),
            "p95_ms": round(float(np.quantile(later, 0.95)), 2),
        }
    return figures, answers


def questions(view: View, month: Month) -> Iterator[tuple[str, Callable[[int], Any]]]:
    """Yield every question that a window asks of the store; each gets the number of the asking."""
    ids = np.random.default_rng(7).integers(1_000, month.count, 10_000).tolist()
    span = int(month.times[-1]) - month.start
    for name in ("status", "balance", "position", "performance", "markouts", "parameters", "risk"):
        yield name, _same(getattr(view, name))
    for name in ("proposals", "decisions"):
        yield name, _same(getattr(view, name), limit=100)
    yield "refused_lately", lambda _: view.refused_lately()
    for name in ("orders", "fills"):
        yield name, _same(getattr(view, name), limit=500)
        yield f"{name} before", _before(getattr(view, name), ids)
    yield "orders resting", lambda _: view.orders(resting=True)
    yield "equity", lambda _: view.equity(points=500)
    yield (
        "equity since",
        lambda place: view.equity(
            since_ns=month.start + ids[place] * span // (2 * month.count), points=500
        ),
    )


def _same(ask: Callable[..., Any], **more: int) -> Callable[[int], Any]:
    """Return a question that is the same each time."""
    return lambda _: ask(**more)


def _before(ask: Callable[..., Any], ids: list[int]) -> Callable[[int], Any]:
    """Return a question for rows below another id each time."""
    return lambda place: ask(before=ids[place], limit=500)


def digest(store: Store, table: Any) -> str:
    """Return the digest of a table's export."""
    found = hashlib.sha256()
    for block in as_csv(store, table):
        found.update(block.encode())
    return found.hexdigest()


def taken_s(store: Store) -> float:
    """Return the seconds in which so many fills are taken through the usual entrance."""
    began = time.monotonic()
    for first in range(1, TAKEN, PAGE):
        page = [_reported(seq) for seq in range(first, first + PAGE)]
        store.take("taken", EXECUTOR, "reports", page)
    took = time.monotonic() - began
    store.prune(TAKEN + 1, "taken")
    return took


def _reported(seq: int) -> JournalRow:
    fill = {
        "order_id": seq, "trade_id": seq, "side": "buy", "price": "1.2345", "quantity": "2.5",
        "maker": True, "fee": "0.00001", "mark": "1.23475", "exchange_time": seq,
    }  # fmt: skip
    gone = {"outcome": "accepted", "order_id": seq, "exchange_time": seq}
    return JournalRow(seq=seq, time_ns=seq, kind="step", body={"fills": [fill], "outcomes": [gone]})


def reported(url: str, page: Path, to_ns: int | None = None) -> dict[str, Any]:
    """Make the report in a process of its own; return its document, seconds and size."""
    asked = {"run": RUN, "database": url, "html": str(page), "as_json": True, "to_ns": to_ns}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "desk.report"], input=json.dumps(asked) + "\n", text=True,
        stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    return {
        "document": json.loads(done.stdout) if done.stdout else None,
        "exit": done.returncode,
        "report_s": round(time.monotonic() - began, 2),
        "page_bytes": page.stat().st_size,
    }


def holds(each: dict[str, Any]) -> bool:
    """Return whether the bars of speed are met."""
    return bool(
        each["exit"] == 0
        and each["report_s"] <= REPORT_MAX_S
        and each["page_bytes"] <= PAGE_MAX
        and all(one["p95_ms"] <= QUESTION_MAX_MS for one in each["questions"].values())
    )


def table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the figures as lines."""
    yield f"{'':<18}" + "".join(f"{name:>26}" for name in found)
    for name in ("rows", "filled_s", "exported_s", "taken_per_s", "report_s", "page_bytes", "exit"):
        if all(name in each for each in found.values()):
            yield f"{name:<18}" + "".join(f"{each[name]:>26,}" for each in found.values())
    if not all("questions" in each for each in found.values()):
        return
    yield f"{'ms':<18}" + f"{'first':>10}{'p50':>8}{'p95':>8}" * len(found)
    for name in next(iter(found.values()))["questions"]:
        rows = [each["questions"][name] for each in found.values()]
        yield f"{name:<18}" + "".join(
            f"{row['first_ms']:>10.1f}{row['p50_ms']:>8.1f}{row['p95_ms']:>8.1f}" for row in rows
        )
