"""Hub and optimizer on hosts of their own, with a bad network between; test and bench use it.

The laboratory joins network namespaces by a wire that delays, loses or cuts. Links between hosts
are CURVE, as in the field.
"""

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.protocol.bus_stage import ROOT, Stage

LABORATORY = ROOT.parent / "shared" / "tools" / "netlab" / "netlab.py"
PORT = 7001
HOSTS = ("hub", "far")


def missing() -> str | None:
    """Return why there can be no laboratory here, None when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not Path("/dev/net/tun").exists() or shutil.which("ip") is None:
        return "network namespaces need /dev/net/tun and the command ip"
    return None if LABORATORY.exists() else f"the laboratory {LABORATORY.name} is not here"


def _laboratory() -> Any:
    spec = importlib.util.spec_from_file_location("netlab", LABORATORY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["netlab"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


class Far:
    """A coordinator on one host and an optimizer on another.

    Attributes:
        laboratory: its `link`, `partition` and `heal` change the network.
    """

    def __init__(self, laboratory: Any, stage: Stage) -> None:
        self.laboratory = laboratory
        address = f"tcp://{laboratory.address('hub')}:{PORT}"
        self.coordinator = stage.call(
            "coordinator", "--pair", 3, 7, "--beyond", address, before=self._on("hub")
        )
        self.coordinator.expect("up")
        self.optimizer = stage.call("optimizer-1", "--connect", address, before=self._on("far"))
        self.optimizer.expect("joined")
        self._said = 0
        self._version = 7

    def _on(self, host: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.laboratory.namespace(host))

    def say_both_ways(self) -> None:
        """Post a message each way, and put another pair in force that the other must learn of."""
        self._said += 1
        self._version += 1
        self.coordinator.order("decide", pair=[3, self._version])
        self.coordinator.order("post", dst="optimizer-1", kind="boundary_done")
        self.optimizer.order("post", dst="coordinator")

    def converged_s(self, within_s: float = 60.0) -> float:
        """Wait until both know what was said; return how many seconds that took."""
        began_s = time.monotonic()
        for each in (self.coordinator, self.optimizer):
            each.expect("final", count=self._said, within_s=within_s)
            assert not each.told("final", final=None), "a message found no answer"
        self._repaired(within_s)
        return time.monotonic() - began_s

    def _repaired(self, within_s: float) -> None:
        self.optimizer.expect("repaired", repaired=[3, self._version], within_s=within_s)

    def cut_s(self, for_s: float, way: tuple[str, str] | None = None) -> float:
        """Cut the link, say something meanwhile, heal it; return seconds until both know.

        Args:
            for_s: how long it is cut.
            way: from and to, of the only direction that is cut; None: both.
        """
        left, right = way or HOSTS
        self.laboratory.partition([left], [right], one_way=way is not None)
        self.optimizer.listen(for_s / 2)
        self.say_both_ways()
        self.optimizer.listen(for_s / 2)
        self.laboratory.heal()
        return self.converged_s()


@contextmanager
def apart(stage: Stage, subnet: int) -> Iterator[Far]:
    """Put coordinator and optimizer on two hosts; keys are in the stage's folder."""
    with _laboratory().NetLab(list(HOSTS), subnet=subnet) as laboratory:
        found = Far(laboratory, stage)
        try:
            yield found
        finally:
            for actor in (found.coordinator, found.optimizer):
                actor.end()
                actor.close()
