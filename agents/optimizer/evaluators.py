"""Who replays the candidates of a search: threads of this process, or a cluster (`cluster.py`).

Both give the same bytes for the same batch: a row of figures depends on its own parameters, the
tape and the setup, and on nothing else (`tests/contract/evaluator.py`).
"""

from dataclasses import dataclass
from typing import Protocol

from agents.optimizer.race import Run
from agents.optimizer.spans import Part
from market.account import Setup
from market.replay import replay
from market.tape import Tape
from market.types import F8


@dataclass(frozen=True, slots=True)
class Batch:
    """Candidates to be replayed over one part of a tape, all flat at first.

    Attributes:
        parameters: f8[n, PARAMETER_COLUMNS].
    """

    tape: Tape
    setup: Setup
    parameters: F8
    part: Part


class Pending(Protocol):
    """A batch that was handed in."""

    def result(self) -> F8:
        """Wait for it; return f8[n, slices, REPLAY_COLUMNS]."""
        ...


class Evaluator(Protocol):
    """Replays batches."""

    def submit(self, batch: Batch) -> Pending:
        """Hand in a batch."""
        ...

    def close(self) -> None:
        """Let go of whatever it holds; nothing is handed in afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """A batch that is done."""

    figures: F8

    def result(self) -> F8:
        """Return its figures."""
        return self.figures


class Threads:
    """Replays in this process; a batch is done once it is handed in."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def submit(self, batch: Batch) -> Done:
        """Replay a batch."""
        return Done(replayed(batch, threads=self._threads))

    def close(self) -> None:
        """Hold nothing."""


def replayed(batch: Batch, *, threads: int) -> F8:
    """Return the figures of a batch."""
    return replay(
        batch.tape,
        batch.parameters,
        batch.setup,
        first_step=batch.part.first,
        last_step=batch.part.last,
        slices=batch.part.slices,
        threads=threads,
    )


def through(evaluator: Evaluator, tape: Tape, setup: Setup) -> Run:
    """Return what replays candidates over parts of a tape: the same random numbers for each."""

    def run(parameters: F8, part: Part) -> F8:
        return evaluator.submit(Batch(tape, setup, parameters, part)).result()

    return run
