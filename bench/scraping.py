"""What a scrape costs an executor: `python -m bench.scraping`.

An executor lives through an artificial market by itself, once with nobody looking and once
with a scraper that asks again as soon as it was answered, which is hundreds of times as often as
Prometheus does. Table, then one JSON line; exit 0 when a scrape holds the loop for less than the
bar in 99 of 100 cases, and decides nothing: both runs must give the same result.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from agents.executor import standalone
from agents.executor.showing import figures
from agents.executor.standalone import Run
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.exposition import text_of

HOURS = 2.0
COPIES = 500
BAR_US = 2_000.0
SCRAPE_S = 5.0
"""Between two scrapes as deploy/prometheus has it."""
PORT = 19_460


def settings_of(feed: Path, port: int) -> Settings:
    """Return an executor's settings over a recording."""
    return Settings.model_validate(
        {"feed": {"path": str(feed)}, "bus": {"metrics_port": port}, "data": str(feed.parent)}
    )


def lived(feed: Path, folder: Path, port: int, beside: Callable[[], int]) -> tuple[float, str, int]:
    """Live through the feed; return the wall seconds, the result and how often somebody asked."""
    folder.mkdir()
    run = Run(settings_of(feed, port), folder, alone=True)
    found: list[int] = []

    async def live() -> float:
        asking = asyncio.create_task(asyncio.to_thread(lambda: found.append(beside())))
        began_s = time.perf_counter()
        await run.serve()
        took_s = time.perf_counter() - began_s
        await asking
        return took_s

    took_s = asyncio.run(live())
    assert run.shell is not None
    return took_s, (folder / standalone.RESULT_NAME).read_text(encoding="utf-8"), found[0]


def ask() -> int:
    """Scrape without a pause until nobody answers any more; return how often."""
    count, until_s = 0, time.monotonic() + 60.0
    while time.monotonic() < until_s:
        try:
            with urlopen(f"http://127.0.0.1:{PORT + 1}/metrics", timeout=10) as answer:
                answer.read()
        except OSError:
            if count:
                break
            time.sleep(0.01)
            continue
        count += 1
    return count


def copied_us(feed: Path, folder: Path) -> list[float]:
    """Return the microseconds that copying all figures holds the loop, again and again."""
    run = Run(settings_of(feed, 0), folder, alone=True)
    folder.mkdir()
    asyncio.run(run.serve())
    assert run.shell is not None
    took = []
    for _ in range(COPIES):
        began_s = time.perf_counter()
        text_of(figures(run.shell), {"executor": "executor-1"})
        took.append((time.perf_counter() - began_s) * 1e6)
    return took


def main() -> int:
    """Print the table and the JSON line."""
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        feed = base / "day.npz"
        save(feed, synthetic_recording(seed=3, hours=HOURS))
        took = copied_us(feed, base / "warm")
        alone_s, alone, _ = lived(feed, base / "alone", 0, lambda: 0)
        seen_s, seen, asked = lived(feed, base / "seen", PORT, ask)
    middle, late = (float(each) for each in np.quantile(took, (0.5, 0.99)))
    same = alone == seen
    told = {
        "scrape_us_p50": round(middle, 1),
        "scrape_us_p99": round(late, 1),
        "share_of_loop_at_5s": round(middle / 1e6 / SCRAPE_S, 8),
        "run_s_alone": round(alone_s, 3),
        "run_s_scraped": round(seen_s, 3),
        "scrapes": asked,
        "same_result": same,
    }
    for name, value in told.items():
        print(f"{name:<24}{value:>16}")
    print(json.dumps(told))
    return 0 if same and asked and late < BAR_US else 1


if __name__ == "__main__":
    sys.exit(main())
