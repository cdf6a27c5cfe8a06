"""Which metrics the rules and the dashboards ask for, by where they are asked."""

import json
import re

from tests.deploy.tools import DASHBOARDS, PROMETHEUS

NAME = re.compile(r"\b(?:counterpoint|process)_[a-z_]+|\bup\b")
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def asked_for() -> dict[str, set[str]]:
    """Return the names in every query of a rule or a panel."""
    rules = (PROMETHEUS / "rules.yml").read_text(encoding="utf-8")
    queries = {"rules.yml": re.sub(r"(alert:|summary:|#).*", "", rules)}
    for path in DASHBOARDS.iterdir():
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            told = " ".join(each["expr"] for each in panel["targets"])
            queries[f"{path.name}: {panel['title']}"] = told
    return {where: set(NAME.findall(query)) for where, query in queries.items()}


def missing(there: set[str]) -> dict[str, list[str]]:
    """Return by where it is asked what nobody shows."""
    found = {where: sorted(names - there) for where, names in asked_for().items()}
    return {where: names for where, names in found.items() if names}
