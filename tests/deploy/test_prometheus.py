"""The alert rules: read by Prometheus' own tool, each with what fires it and what to do."""

import re
import subprocess

import pytest

from desk import alert_rules
from desk.alert_rules import Bounds, Facts
from tests.deploy.tools import PROMETHEUS, ROOT, found, needs

RULES = (PROMETHEUS / "rules.yml").read_text(encoding="utf-8")
ALERTS = re.findall(r"^ +- alert: (\w+)$", RULES, re.MULTILINE)


@needs("promtool")
@pytest.mark.parametrize(
    "asked",
    [
        ("check", "rules", "rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("check", "config", "local.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_rules_and_each_fires(asked):
    """Its own tool reads every file and runs the unit tests of the rules."""
    done = subprocess.run(
        [found("promtool"), *asked], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_made_to_fire_and_kept_silent():
    """Both cases stand in the unit tests, by name, and no other."""
    text = (PROMETHEUS / "rules_test.yml").read_text(encoding="utf-8")
    cases = re.findall(r"^  - name: (.+)$", text, re.MULTILINE)
    assert len(ALERTS) == len(set(ALERTS)) > 0
    assert sorted(cases) == sorted(
        f"{name} {does}" for name in ALERTS for does in ("fires", "stays silent")
    )


def test_every_rule_has_its_entry_in_the_runbook():
    """What it means, what to look at, what to type; no entry is of an alert that is none."""
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (\w+)$", page, re.MULTILINE) == ALERTS


def test_what_the_desk_rings_for_has_the_same_name_here():
    """One trouble, one name, one entry."""
    wrong = Facts(
        executor="executor-1",
        silent_s=1e6,
        feed_age_s=1e6,
        connected=False,
        stops=("a",),
        drawdown_share=1.0,
        undecided_s=1e6,
        sent_back="surely worse",
        refused=10**6,
        store_fails="disk full",
        restarts={"executor-1": 10**6},
    )
    facts = [wrong, Facts("x", risk="halted"), Facts("x", risk="reducing")]
    names = {each.rule for fact in facts for each in alert_rules.found(fact, Bounds())}
    assert len(names) == len(alert_rules.RULES) + 1
    assert names <= set(ALERTS)
