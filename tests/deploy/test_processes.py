"""Real processes: what they show to Prometheus, and that no secret of theirs stands anywhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.secrets_sought import Sought, secrets_in
from bench.venue_house import ROOT
from tests.deploy.asked import missing
from tests.deploy.watched import OFFSETS, Watched, ask

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A stack that has traded, with a policy in shadow."""
    folder = tmp_path_factory.mktemp("watched")
    shadow = ("--set", "executor.candidate=plan")
    with pytest.MonkeyPatch.context() as patch, Watched(folder, patch.setenv, *shadow) as house:
        house.start()
        house.until_whole()
        yield house


def test_every_metric_that_is_queried_is_shown_by_a_process(watched):
    """Each target answers in Prometheus' format, and each name of a rule or panel is there."""
    there = {"up"}
    for part in OFFSETS:
        text = watched.figures(part).decode()
        names = {s.name for each in text_string_to_metric_families(text) for s in each.samples}
        assert "process_start_time_seconds" in names, part
        there |= names
    assert missing(there) == {}


def test_no_secret_stands_in_logs_figures_reports_journals_or_environments(watched):
    """Whatever `counterpoint keys` made is looked for wherever anybody can look."""
    sought = Sought({**secrets_in(watched.keys), "known": "counterpoint_build_info"})
    for part in OFFSETS:
        sought.look(f"figures of {part}", [watched.figures(part)])
        sought.look(f"health of {part}", [ask(f"http://127.0.0.1:{watched.port_of(part)}/health")])
    for path in ("status", "health", "logs", "decisions", "fills", "openapi.json"):
        sought.look(f"desk {path}", [watched.desk(path)])
    sought.look("page", [ask(f"http://127.0.0.1:{watched.desk_port}/")])
    for words in (
        ("report", str(watched.folder), "--html", str(watched.data / "report.html")),
        ("status", "--json", "--data", str(watched.data)),
        ("incident", "--run", str(watched.folder)),
        ("config", "show", "--data", str(watched.data)),
    ):
        line = [sys.executable, "-m", "agents.cli.main", *words]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, check=False)
        sought.look(" ".join(words[:1]), [done.stdout + done.stderr])
    files = [path for path in watched.data.parent.rglob("*") if path.is_file()]
    for path in files:
        if watched.keys not in path.parents and path.stat().st_size:
            sought.look(str(path.relative_to(watched.data.parent)), [path.read_bytes()])
    pids = json.loads((watched.folder / "processes.json").read_bytes())
    assert set(pids) >= {"coordinator", "executor-1", "optimizer-1", "guardian", "desk"}
    for name, pid in pids.items():
        for what in ("environ", "cmdline"):
            sought.look(f"{what} of {name}", [Path(f"/proc/{pid}/{what}").read_bytes()])
    found = {each for each in sought.found if not each.startswith("known in ")}
    assert len(sought.found - found) >= len(OFFSETS), "what all show was not found"
    assert not found
