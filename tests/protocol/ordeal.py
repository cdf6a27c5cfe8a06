"""A load of control messages under every fault that processes can have; test and bench run it.

Ten optimizers say messages to the coordinator and to three executors, beside a stream of
telemetry. One receiver comes late, one is slow and stands still, one is killed; so are two senders
and the hub, which stands still once, too. Nothing may be lost: a message that was posted (it is in
its sender's file) is handled, and its sender, or its restart, learns so.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.protocol.bus_stage import Actor, Stage
from tests.protocol.load import audit

SENDERS = tuple(f"optimizer-{number}" for number in range(1, 11))
RECEIVERS = ("coordinator", "executor-1", "executor-2", "executor-3")
REMEMBER = ("--quiet", "--remember")
SLOW = (*REMEMBER, "--slow-ms", 2)


@dataclass(frozen=True, slots=True)
class Pressure:
    """How hard it is: messages of each sender, their pace, rows of telemetry, seconds of a stop."""

    each: int
    a_second: float
    rows_a_second: int
    stop_s: float
    options: tuple[object, ...] = ()
    """Of every process, such as tiny high-water marks."""
    patience_s: float = 240.0


class Ordeal:
    """The cast while the load is on.

    Args:
        stage: keys are in its folder.
    """

    def __init__(self, stage: Stage, pressure: Pressure) -> None:
        self.stage = stage
        self.pressure = pressure
        self.who: dict[str, Actor] = {}
        self.epoch = 0

    def play(self) -> dict[str, float]:
        """Go through it; return counts, faults among them, and seconds."""
        began_s = time.monotonic()
        listening = ("--quiet", "--listen", "executor-4")
        self._coordinator()
        self._call("executor-1", SLOW)
        self._call("executor-2", REMEMBER)
        self._call("executor-4", ("--quiet",))
        self._call("desk", listening)
        for name in SENDERS:
            self._call(name, REMEMBER)
        for actor in self.who.values():
            if actor.role != "coordinator":
                actor.expect("joined", within_s=self.pressure.patience_s)
        self.who["executor-4"].order("stream", a_second=self.pressure.rows_a_second)
        for name in SENDERS:
            self._load(name)
        self._faults()
        for name in SENDERS:
            self.who[name].expect("loaded", within_s=self.pressure.patience_s)
        self.who["executor-4"].order("enough")
        streamed = self.who["executor-4"].expect("streamed")
        self.who["desk"].order("enough")
        heard = self.who["desk"].expect("heard")["heard"]
        found = audit(self.stage.folder)
        return {
            **found,
            "rows_a_second": streamed["streamed"] / streamed["s"],
            "rows_arrived": heard / max(1, streamed["streamed"]),
            "seconds": time.monotonic() - began_s,
        }

    def _faults(self) -> None:
        """Make one fault after another, evenly over the time that the load takes."""
        faults: tuple[Callable[[], None], ...] = (
            lambda: self._call("executor-3", REMEMBER),
            lambda: self._stand_still("executor-1"),
            lambda: self._again("executor-2"),
            lambda: self._stand_still("coordinator"),
            self._coordinator,
            lambda: self._again("optimizer-10"),
            lambda: self._again("optimizer-1"),
            lambda: self._stand_still("optimizer-2"),
        )
        wait_s = self.pressure.each / self.pressure.a_second / (len(faults) + 1)
        for fault in faults:
            self.who["optimizer-5"].listen(wait_s)
            fault()

    def _call(self, name: str, options: tuple[object, ...]) -> None:
        self.who[name] = self.stage.call(name, *options, *self.pressure.options)

    def _coordinator(self) -> None:
        """Start the hubs, in place of those that there are."""
        self.epoch += 1
        if "coordinator" in self.who:
            self.who["coordinator"].kill()
        options = (*REMEMBER, "--epoch", self.epoch, *self.pressure.options)
        self.who["coordinator"] = self.stage.coordinator(*options)

    def _again(self, name: str) -> None:
        """Kill a party and start it anew."""
        self.who[name].kill()
        self._call(name, REMEMBER)
        self.who[name].expect("joined", within_s=self.pressure.patience_s)
        if name in SENDERS:
            self._load(name)

    def _load(self, name: str) -> None:
        pressure = self.pressure
        self.who[name].order("load", to=RECEIVERS, count=pressure.each, a_second=pressure.a_second)

    def _stand_still(self, name: str) -> None:
        with self.who[name].stopped():
            self.who["optimizer-5"].listen(self.pressure.stop_s)
