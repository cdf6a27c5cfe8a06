"""The agent of `docs/examples`: what is wrong with how it was started is one line."""

import json

import pytest

from protocol.keys import new_keys
from tests.docs.test_foreign_agent import AGENT, SET, needs_node, node

PLACES = ("none", "broken", "keys")


@needs_node
@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("--run none", 4, "none/config.json is not there; start a run, name its folder"),
        ("--run broken", 4, "broken/config.json cannot be read: "),
        ("--connect here --keys keys", 2, "--connect takes tcp://HOST:PORT, found here"),
        ("--connect tcp://h:65533 --keys keys", 2, "takes tcp://HOST:PORT, found tcp://h:65533"),
        ("--connect tcp://h:1 --keys none", 4, "none/roster.json is not there; name the folder"),
        ("--connect tcp://h:1 --keys keys --name nobody", 4, "keys/nobody.key is not there"),
        ("--connect tcp://h:1 --keys keys --name stranger", 4, "roster does not list stranger"),
        ("--connect tcp://h:1 --keys keys --levels 0", 2, "give --spread, --levels"),
        ("--colour red", 2, "Unknown option '--colour'"),
    ],
)
def test_a_mistake_of_whoever_starts_the_agent_is_one_line(tmp_path, words, code, line):
    """What was found and what to do, and no trace of Node's."""
    new_keys(tmp_path / "keys")
    other = json.loads((tmp_path / "keys" / f"{AGENT}.key").read_text(encoding="utf-8"))
    stranger = json.dumps({**other, "name": "stranger"})
    (tmp_path / "keys" / "stranger.key").write_text(stranger, encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{", encoding="utf-8")
    given = [str(tmp_path / each) if each in PLACES else each for each in words.split()]
    found, out, err = node("agent.mjs", *SET, *given)
    assert (found, out) == (code, "")
    assert err.startswith("agent.mjs: ")
    assert err.count("\n") == 1
    assert line in err
