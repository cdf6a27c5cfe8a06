"""The whole stack in containers, as a user starts it: `make keys && docker-compose up`."""

import json
import tempfile
from pathlib import Path

import pytest

from bench.container_house import PARTS, Stack, engine_missing, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(engine_missing()), reason=f"no containers: {engine_missing()}"),
]


@pytest.fixture(scope="module", params=["master-slave", "consensus"])
def stack(request):
    """A stack that trades, from a clean clone, in two of the modes."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        yield from living(Stack(Path(folder), MODE=request.param))


def living(made):
    """Yield a stack while it lives; afterwards nothing of it is left."""
    made.make_keys()
    made.make_bold()
    try:
        made.compose("up", "--detach", "--build")
        made.until_healthy()
        yield made
    finally:
        made.down()
        made.run("docker", "image", "rm", made.image, check=False)
        assert made.left() == [[], [], []]


def test_quotes_are_filled_and_updates_come_into_force(stack, request):
    """Trades at the exchange, and a decided set in force in the mode that was asked for."""
    until(lambda: len(stack.trades()) > 5, "there are trades")
    told = until(stack.in_force, "a decision is in force")
    assert told["mode"] == request.node.callspec.params["stack"]
    assert told["executors"][0]["state"] == "trading"
    assert "applied" in stack.compose("exec", "-T", "coordinator", "counterpoint", "log", "--json")


def test_nothing_secret_is_in_image_or_environment(stack):
    """Secrets are mounted files; everybody is without rights on a root that cannot be written."""
    keys = stack.folder / "counterpoint-data" / "keys"
    secrets = [path.read_text().strip() for path in (keys / "exchange").glob("*.api-*")]
    secrets += [json.loads(path.read_text())[kind] for path in keys.glob("*.key") for kind in SIGNS]
    told = [json.dumps(stack.inspect(part)) for part in PARTS]
    told.append(stack.run("docker", "image", "inspect", stack.image))
    told.append(stack.run("docker", "history", "--no-trunc", stack.image))
    assert not [each for each in secrets for text in told if each in text]
    for part in PARTS:
        found = stack.inspect(part)
        assert found["Config"]["User"].partition(":")[0] not in {"", "0", "root"}
        assert found["HostConfig"]["ReadonlyRootfs"]
        assert found["HostConfig"]["Memory"] > 0


def test_a_killed_executor_is_back_and_knows_of_everything(stack):
    """It is started again, reconciles, trades on by itself, and ends with the exchange's trades.

    Its guardian has cancelled and stopped it by then, if it was away for longer than three seconds;
    a start that has reconciled lifts that stop without anybody's help.
    """
    before = len(until(stack.trades, "there are trades"))
    stack.kill("executor")
    until(lambda: stack.inspect("executor")["RestartCount"] >= 1, "it is started again")
    until(lambda: "recovered" in stack.logs("executor"), "it has reconciled")
    stack.until_healthy()
    until(lambda: len(stack.trades()) > before, "it trades again")
    assert stack.run_in("operator", "cat /session/stop 2>/dev/null || true") == ""
    assert "Traceback" not in stack.logs("executor") + stack.logs("guardian")
    stack.compose("stop", "executor")
    assert stack.resting() == 0
    told = stack.run_in("operator", "cat /session/executor.json")
    assert json.loads(told)["figures"]["fills"]["count"] == len(stack.trades())


SIGNS = ("sign", "curve")


WRONG = """
services:
  executor:
    environment:
      COUNTERPOINT__FEED__MAKER_FEE_BPS: "7"
"""
"""A fee that the exchange's account does not pay."""


def test_a_start_that_is_refused_says_so_once_and_is_not_made_again():
    """It waits instead, whoever needs it is told, and a corrected start trades."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        made = Stack(Path(folder))
        override = made.folder / "docker-compose.override.yml"
        made.make_keys()
        override.write_text(WRONG)
        try:
            made.compose("up", "--detach", "--build")
            until(lambda: "start it anew" in made.logs("executor"), "its start is refused")
            until(lambda: made.health("guardian") == "healthy", "others go on")
            said, seen = made.logs("executor"), made.inspect("executor")
            assert said.count("configured are 7 bps") == 1, said
            assert (seen["RestartCount"], seen["State"]["Running"]) == (0, True)
            assert made.health("executor") != "healthy"
            override.unlink()
            made.compose("up", "--detach", "executor")
            until(lambda: len(made.trades()) > 0, "it trades")
            made.kill("executor")
            until(lambda: made.inspect("executor")["RestartCount"] >= 1, "it is started again")
        finally:
            made.down()
            made.run("docker", "image", "rm", made.image, check=False)
            assert made.left() == [[], [], []]
