"""The table `bus` of the configuration: where participants meet, and who shows figures where."""

from typing import Final

from pydantic import Field

from agents.section import FilePath, Section

COORDINATOR_PORT: Final = 0
EXECUTOR_PORT: Final = 1
GUARDIAN_PORT: Final = 10
"""Behind coordinator, executor and eight optimizers, of which the first has 2."""
DESK_PORT: Final = 11
"""Of each part's port from `bus.metrics_port`."""


class Bus(Section):
    """Where participants meet."""

    folder: FilePath | None = Field(
        None, description="folder of the ipc sockets, short; unset: a private one made by run"
    )
    port: int | None = Field(
        None, ge=1024, le=65_530, description="first of four loopback tcp ports; unset: ipc"
    )
    listen: str | None = Field(
        None,
        description="tcp://HOST:PORT, first of four ports that the coordinator opens to other "
        "hosts, with CURVE; unset: none",
    )
    connect: str | None = Field(
        None,
        description="tcp://HOST:PORT, first of the four ports of a coordinator on another host; "
        "unset: it is on this one",
    )
    keys: FilePath | None = Field(None, description="folder of keys and roster; unset: data/keys")
    peers: str | None = Field(
        None,
        description="executors on the same capital, each with the folder of its bus's sockets: "
        "executor-2=FOLDER,...; written by run; unset: none",
    )
    metrics_port: int = Field(
        0, ge=0, le=65_500, description="first port of /metrics, one a process; 0: none"
    )
    metrics_host: str = Field(
        "127.0.0.1",
        min_length=1,
        max_length=255,
        description="address on which /metrics are shown; whoever reaches it reads every figure",
    )

    @property
    def told(self) -> bool:
        """Whether the configuration says where a coordinator is."""
        return (self.folder, self.port, self.connect) != (None, None, None)
