"""The examples in the documentation are true."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from typer.main import get_command

from agents.cli.main import app
from protocol.bus.frames import Message, open_frames
from protocol.codec import decode
from protocol.keys import load_roster, new_keys
from protocol.messages import ParameterUpdate

ROOT = Path(__file__).parents[2]
COMMAND = r"(?:`|^    )counterpoint ([a-z]+(?:-[a-z]+)*)\b"
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "node_modules" not in path.parts),
]


def blocks(page, language):
    """Return the code blocks of a language on a page of `docs/`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_documented_update_is_a_legal_one():
    """The document that other people's agents copy is accepted as it stands."""
    word = decode("parameter_update", "json", blocks("protocol.md", "json")[0].encode())
    assert isinstance(word, ParameterUpdate)
    assert word.data.optimized_params.levels == 4


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the JavaScript example")
def test_the_javascript_example_signs_frames_that_we_accept(tmp_path):
    """An agent in another language can follow the page to the letter."""
    new_keys(tmp_path / "keys")
    program = blocks("protocol.md", "javascript")[0] + (
        '\nconst out = frames("parameter_update", "coordinator", {"a": 1});'
        '\nconsole.log(JSON.stringify(out.map((part) => part.toString("hex"))));\n'
    )
    (tmp_path / "agent.js").write_text(program, encoding="utf-8")
    done = subprocess.run(
        ["node", "agent.js"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    frames = [bytes.fromhex(part) for part in json.loads(done.stdout)]
    opened = open_frames(frames, load_roster(tmp_path / "keys"), time.time_ns())
    assert isinstance(opened, Message), opened
    assert opened.header.src == "optimizer-2"


def test_every_command_in_the_documentation_exists():
    """A reader can type what the pages say."""
    group = get_command(app)
    known = set(group.commands)
    for page in PAGES:
        for name in re.findall(COMMAND, page.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in known, f"{page.name}: counterpoint {name}"


def test_every_link_between_pages_leads_somewhere():
    """No dead end at night."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
