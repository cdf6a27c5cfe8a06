"""Replays candidates on a Ray cluster, with the bytes that threads of this process would give.

A tape goes to the cluster's store once, by the content of its blocks; each node fetches a block at
most once, and its workers read it from there. Whoever replays keeps no state, so the batch of a
worker that was lost is given to another, and a cluster that gives nothing back for PATIENCE_S, or
has no worker left, is done without: this process replays the rest.
"""

import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from agents.optimizer.cluster_node import (
    ClusterError,
    demand_head,
    demand_ray,
    environment,
    joined,
    node_command,
)
from agents.optimizer.cluster_work import Job, OtherBuildError, Worked, build, work
from agents.optimizer.evaluators import Batch, Done, Evaluator, Pending, Threads, replayed
from agents.optimizer.shipping import DamagedError, packed
from market.account import Setup
from market.jit_identity import compiler_identity
from market.tape import Tape
from market.types import F8

JOIN_S = 180.0
PATIENCE_S = 60.0
RETRIES = 8
"""How often a part of a batch is given to another worker."""
PER_WORKER = 4
"""Parts of a batch for each worker, so that all end together."""

log = structlog.get_logger()


def evaluator_of(cluster: str, *, threads: int) -> Evaluator:
    """Return who replays: the cluster of that address, threads of this process where it is empty.

    Raises:
        ClusterError: Ray is not installed, or the head does not answer.
    """
    return Cluster.at(cluster, threads=threads) if cluster else Threads(threads)


class Cluster:
    """A Ray cluster that this process has joined; there is one in a process.

    Args:
        threads: of this process, for what the cluster does not do.
        node: a node without processors that was started here to join, ended with this.
    """

    def __init__(self, threads: int, node: "subprocess.Popen[bytes] | None" = None) -> None:
        import ray

        self._ray: Any = ray
        self._threads, self._node = threads, node
        self._work = ray.remote(num_cpus=1, max_retries=RETRIES)(work)
        self._blocks: dict[str, Any] = {}
        self._shared: tuple[Tape, Setup] | None = None
        self._job: Any = None
        self._processors = {compiler_identity()}
        self.shipped = 0
        """Bytes that were put into the cluster's store so far."""

    @classmethod
    def at(cls, address: str, *, threads: int) -> "Cluster":
        """Join the cluster whose head listens at HOST:PORT.

        Raises:
            ClusterError: Ray is not installed, or the head does not answer.
        """
        demand_ray()
        demand_head(address)
        node = None if joined(address) else _started(address)
        import ray

        held = signal.getsignal(signal.SIGTERM)
        ray.init(address, logging_level="ERROR", log_to_driver=False)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, held)  # Ray has put its own in this one's place
        return cls(threads, node)

    @property
    def workers(self) -> int:
        """Processors that the cluster lends now."""
        return int(self._ray.cluster_resources().get("CPU", 0))

    @property
    def shipped_as(self) -> list[Any]:
        """References to the blocks of the newest tape."""
        return list(self._blocks.values())

    def parts(self) -> int:
        """Return how many parts a batch is cut into; 0: there is nobody to take one."""
        return PER_WORKER * self.workers

    def submit(self, batch: Batch) -> Pending:
        """Give a batch to the workers."""
        parts, count = self.parts(), len(batch.parameters)
        if parts == 0:
            log.warning("cluster_without_workers", candidates=count)
            return Done(replayed(batch, threads=self._threads))
        job = self._job_of(batch.tape, batch.setup)
        size = max(1, -(-count // parts))
        chunks = [batch.parameters[first : first + size] for first in range(0, count, size)]
        refs = [self._work.remote(job, each, batch.part) for each in chunks]
        return _Gathering(self, batch, chunks, refs)

    def close(self) -> None:
        """Leave the cluster."""
        self._blocks, self._shared, self._job = {}, None, None
        self._ray.shutdown()
        if self._node is not None:
            self._node.terminate()
            self._node.wait()

    def gathered(self, batch: Batch, chunks: list[F8], refs: list[Any]) -> list[F8]:
        """Wait for the parts of a batch; do here what does not come back.

        Raises:
            ClusterError: a worker runs another program, or got a damaged tape.
        """
        waiting = list(refs)
        while waiting:
            done, waiting = self._ray.wait(waiting, timeout=PATIENCE_S)
            if not done:
                log.warning("cluster_silent", seconds=PATIENCE_S, parts=len(waiting))
                break
        figures: list[F8] = []
        for ref, chunk in zip(refs, chunks, strict=True):
            found = None if ref in waiting else self._found(ref)
            if found is None:
                self._ray.cancel(ref, force=True)
                part = Batch(batch.tape, batch.setup, chunk, batch.part)
                figures.append(replayed(part, threads=self._threads))
            else:
                self._note(found.processor)
                figures.append(found.figures)
        return figures

    def _found(self, ref: Any) -> Worked | None:
        """Return what a worker said; None where nobody could."""
        errors = self._ray.exceptions
        try:
            found: Worked = self._ray.get(ref)
        except (OtherBuildError, DamagedError) as error:
            raise ClusterError(f"a worker of the cluster cannot be used: {error}") from None
        except errors.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except errors.RayError as error:
            log.warning("cluster_part_lost", error=str(error).partition("\n")[0])
            return None
        return found

    def _note(self, processor: str) -> None:
        if processor not in self._processors:
            self._processors.add(processor)
            log.warning("processors_differ", told="figures may differ in their last bit")

    def _job_of(self, tape: Tape, setup: Setup) -> Any:
        """Return a reference to what the candidates share; ship what is not shipped yet."""
        if self._shared is None or self._shared[0] is not tape or self._shared[1] is not setup:
            parcel, arrays = packed(tape)
            for name, block in arrays.items():
                if name not in self._blocks:
                    self._blocks[name] = self._ray.put(block)
                    self.shipped += block.nbytes
            self._blocks = {name: self._blocks[name] for name in arrays}  # the others may go
            job = Job(parcel, parcel.key, self._blocks, setup, build())
            self._job, self._shared = self._ray.put(job), (tape, setup)
        return self._job


@dataclass(frozen=True, slots=True)
class _Gathering:
    """A batch that workers replay."""

    cluster: Cluster
    batch: Batch
    chunks: list[F8]
    refs: list[Any]

    def result(self) -> F8:
        """Return the figures, in the order of the candidates, whoever was first."""
        figures: F8 = np.concatenate(self.cluster.gathered(self.batch, self.chunks, self.refs))
        return figures


def _started(address: str) -> "subprocess.Popen[bytes]":
    """Start a node without processors here, and wait until it has joined.

    One that a head turns away as it starts itself, or is too busy for, is started again.
    """
    until = time.monotonic() + JOIN_S
    node = _launched(address)
    while time.monotonic() < until:
        if joined(address):
            return node
        if node.poll() is not None:
            node = _launched(address)
    node.kill()
    raise ClusterError(f"what listens at {address} did not let this machine join a Ray cluster")


def _launched(address: str) -> "subprocess.Popen[bytes]":
    """Begin to start a node without processors here."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        node_command(address, 0),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # an interrupt at the terminal is for this process to hear first
    )
