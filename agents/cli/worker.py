"""`counterpoint worker`: lends this machine's processors to a Ray cluster that replays candidates.

The head is Ray's own: `ray start --head --port=6379`.
"""

import os
from typing import Annotated

import typer

from agents.cli.exits import USAGE, CommandError

Address = Annotated[str, typer.Argument(help="of the cluster's head", metavar="HOST:PORT")]
Cpus = Annotated[int | None, typer.Option("--cpus", help="processors that it lends; default: all")]


def worker(address: Address, *, cpus: Cpus = None) -> None:
    """Lend processors to the cluster whose head is at HOST:PORT, until it is ended."""
    from agents.optimizer.cluster_node import demand_head, demand_ray, environment, node_command
    from market.warm import warm

    if cpus is not None and not 0 <= cpus <= 4096:
        raise CommandError(f"--cpus must be in [0, 4,096], found {cpus:,}", USAGE)
    demand_ray()
    demand_head(address)
    warm()  # so that no worker compiles: all of them take the kernels from one folder
    command = node_command(address, cpus)
    os.execvpe(command[0], command, environment())  # noqa: S606 - our own interpreter
