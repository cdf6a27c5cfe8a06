"""The dashboards: drawn from their tables, and readable where they are provisioned."""

import json
import re
import runpy

from tests.deploy.tools import DASHBOARDS, ROOT


def test_the_files_are_what_the_tables_say():
    """Nobody edits one by hand; run deploy/grafana/draw.py after a change."""
    drawn = runpy.run_path(str(ROOT / "deploy" / "grafana" / "draw.py"))["boards"]()
    files = {path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS.iterdir()}
    assert drawn == files


def test_panels_stand_side_by_side_and_ask_the_provisioned_source():
    """No two panels cover each other, and every query names a source that there is."""
    sources = ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    uid = re.search(r"uid: (\w+)", sources.read_text(encoding="utf-8"))[1]
    for path in DASHBOARDS.iterdir():
        board = json.loads(path.read_text(encoding="utf-8"))
        places = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in board["panels"]]
        assert len(places) == len(set(places))
        for panel in board["panels"]:
            assert panel["targets"]
            assert {each["datasource"]["uid"] for each in panel["targets"]} == {uid}
