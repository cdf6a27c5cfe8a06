"""The page of a study: whole by itself, readable, small; strangers' text stays text."""

import copy
import io
import json
import re
import shutil

import pytest

from desk.study.__main__ import main
from desk.study.page import page_of
from desk.study.told import Study

CHROMIUM = shutil.which("chromium")
SIZE_MAX = 2_000_000
SET = {"spread_percentage": 0.2, "levels": 3, "base_quantity": 1.5, "max_position": 9.0}
OTHER = {"spread_percentage": 0.18, "levels": 4, "base_quantity": 1.2, "max_position": 9.5}
GUARDS = {"luck": 0.1, "deflated_sharpe": 0.9, "overfitting": 0.4, "superior": None}
ROW = {
    "window": 1, "at": "2025-01-01T08:00:00Z", "hours": 8.0, "horizon_hours": 2.0, "whole": True,
    "candidates": 128, "search": "budget", "replay_saved": 0.4, "published": False,
    "reason": "may be luck: gain 0.1 +- 0.09 a slice", "confidence": 0.61, "chance": 0.3,
    "guards": GUARDS, "gain": 0.1, "gain_error": 0.09, "gain_trained": 0.2, "gain_tested": 0.1,
    "gain_ahead": 0.05, "efficiency": 0.25, "held": SET, "chosen": OTHER, "after": SET,
    "ahead": {
        "net_profit": 5.0, "net_profit_held": 4.0, "fills": 7, "hours": 2.0, "won": True,
    },
}  # fmt: skip
MONEY = {"net_profit": 12.5, "interval": [-3.0, 20.0]}
STUDY = {
    "page": "study.html",
    "result": {
        "study": "mine", "digest": "f" * 64, "symbol": "AAA-USDT", "venue": "synthetic",
        "first": "2025-01-01T00:00:00Z", "last": "2025-01-01T12:00:00Z", "seed": 1,
        "maker_fee_bps": -0.5, "capital": 1e5, "window_hours": 8.0, "horizon_hours": 2.0,
        "budget": 128, "initial": SET, "rows": [ROW, ROW | {"published": True, "after": OTHER}],
        "summary": {
            "windows": 2, "published": 1, "candidates": 256, "gain_trained": 0.2,
            "gain_ahead": 0.05, "efficiency": 0.25,
            "reliability": {
                "decisions": 2, "base_rate": 0.5, "brier": 0.2, "skill": 0.1,
                "calibration_error": 0.1,
                "diagram": [
                    {"stated": 0.4, "came_true": 0.0, "count": 1},
                    {"stated": 0.7, "came_true": 1.0, "count": 1},
                ],
            },
        },
        "walk_forward": {
            "hours": 4.0, "fills": [20, 18], "tuned": MONEY, "first_set": MONEY,
            "tuned_less_first_set": MONEY,
        },
    },
    "spent": {
        "tape_s": 1.0, "search_s": 2.0, "replay_s": 3.0, "storage_s": 0.1, "other_s": 0.5,
        "wall_s": 6.6, "batches": 10, "batches_restored": 4,
    },
    "search": {
        "window": 2, "front": [1, 2], "held": 0, "knee": 2, "chosen": 1,
        "values": [[0.0, -1.0, 0.9], [-0.2, -1.2, 0.8], [-0.1, -1.3, 0.7], [0.3, -0.2, 1.4]],
        "allowed": [True, True, True, False],
        "parameters": [[0.2, 3, 1.5, 9.0], [0.18, 4, 1.2, 9.5], [0.19, 3, 1, 8], [0.25, 2, 2, 7]],
        "candidates": [1, 4], "hypervolume": [0.3, 1.0], "gained_lately": 0.4,
        "batches_lately": 4, "outlook": None, "logits": [-1.0, 0.5, 1.5, -0.2],
        "sources": {
            "given": {"points": 1.0, "front": 0.0, "gained": 0.3},
            "gp": {"points": 3.0, "front": 2.0, "gained": 0.7},
        },
        "importance": {
            "dimensions": ["spread_percentage", "levels", "total_lots", "position_lots"],
            "objectives": [{"shares": [0.4, 0.3, 0.2, 0.1], "explained": 0.8}] * 3,
        },
    },
    "curve": {
        "ends_ns": [1_735_689_600 * 10**9, 1_735_690_200 * 10**9, 1_735_690_800 * 10**9],
        "tuned": [1.0, 5.0, 12.5], "first_set": [1.0, 2.0, 3.0], "low": [-1.0, -2.0, -3.0],
        "high": [4.0, 9.0, 20.0],
    },
}  # fmt: skip
SECTIONS = (
    "Trade another set", "Walk-forward", "Profit afterwards", "Front of the newest window",
    "What the search had found", "Candidates as lines", "What decides: gain", "Who found it",
    "Where the time went", "Did the confidence come true?", "backtest overfitting: 0.40",
    "deflated Sharpe", "does the best candidate stay", "budget: it ended because",
    "How it was measured",
)  # fmt: skip


def page(**change):
    """The page of the study, with parts of it replaced."""
    return page_of(Study.model_validate(STUDY | change))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_part_of_a_study_is_on_the_page(section):
    """Verdict, front, what became of it, how far to trust it."""
    assert section in page()


def test_the_page_needs_nothing_from_outside_and_runs_nothing():
    """No script, no address, no picture to fetch; and it is small."""
    text = page()
    assert not re.search(r"<script|javascript:|https?://|<img|<link|@import|url\(", text)
    assert "default-src 'none'" in text
    assert len(text.encode()) <= SIZE_MAX


def test_a_set_that_is_kept_says_why():
    """The first words are what to do, the next the reason."""
    result = STUDY["result"] | {"rows": [ROW]}
    text = page(result=result)
    assert "Keep what is in force" in text
    assert "<b>May be luck</b>: gain 0.1 +- 0.09 a slice" in text


def test_text_of_strangers_stays_text():
    """A symbol, a name, a source or a reason is no markup."""
    told = copy.deepcopy(STUDY)
    evil = "<b onclick=x>&"
    told["result"] |= {"symbol": f"{evil}-{evil}", "study": evil, "venue": evil, "digest": evil}
    told["result"]["rows"] = [ROW | {"reason": f"{evil}: {evil}", "search": "budget", "at": evil}]
    told["search"]["sources"] = {evil: {"points": 1.0, "front": 0.0, "gained": 1.0}}
    told["search"]["importance"]["dimensions"] = [evil] * 4
    assert "<b onclick" not in page_of(Study.model_validate(told))


def test_a_study_in_which_nothing_was_found_is_a_page_as_well():
    """Too short a window, no candidate, no decision, nothing afterwards: dashes and no crash."""
    row = ROW | {
        "chosen": None, "guards": None, "ahead": None, "gain_trained": None, "gain_tested": None,
        "gain_ahead": None, "efficiency": None,
    }  # fmt: skip
    told = copy.deepcopy(STUDY)
    told["search"] = None
    told["result"]["rows"] = [row]
    told["result"]["summary"]["reliability"] |= {"decisions": 0, "brier": None, "diagram": []}
    told["curve"] = {name: [] for name in told["curve"]}
    text = page_of(Study.model_validate(told))
    assert "Keep what is in force" in text
    assert "nan" not in text.lower().replace("resonance", "")


def test_the_program_writes_the_page_or_says_in_a_line_what_is_wrong(tmp_path, capsys):
    """As the command line calls it."""
    path = tmp_path / "study.html"
    assert main(io.StringIO(json.dumps(STUDY | {"page": str(path)}))) == 0
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(io.StringIO(json.dumps(STUDY | {"page": str(tmp_path / "no" / "x.html")}))) == 4
    assert main(io.StringIO('{"page": 1}')) == 4
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "cannot be written" in said[0]
    assert "page" in said[1]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")
@pytest.mark.parametrize(("width", "scheme"), [(1360, "light"), (390, "dark")])
async def test_in_a_browser_nothing_complains_and_nothing_sticks_out(tmp_path, width, scheme):
    """On a desk and on a phone: no message in the console, no page wider than the window."""
    playwright = pytest.importorskip("playwright.async_api")
    path = tmp_path / "study.html"
    path.write_text(page(), encoding="utf-8")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        said = []
        view.on("console", lambda message: said.append(message.text))
        view.on("pageerror", lambda error: said.append(str(error)))
        await view.goto(path.as_uri())
        assert await view.evaluate("document.documentElement.scrollWidth") <= width
        assert await view.locator("figure").count() >= 12
        assert said == []
        await browser.close()
