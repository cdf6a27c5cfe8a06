"""What a worker of a cluster does: puts the tape together, once, and replays some candidates.

A worker keeps nothing that its answer depends on: whoever replays the same candidates gives the
same bytes. Ray runs `work` by its name, so a worker runs its own copy of this program.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

import market
from agents.optimizer.evaluators import Batch, replayed
from agents.optimizer.shipping import Array, Parcel, unpacked
from agents.optimizer.spans import Part
from market.account import Setup
from market.jit_identity import compiler_identity
from market.tape import Tape
from market.types import F8

KEPT = 2
"""Tapes that a worker keeps: the one that it works on, and the one before."""


class OtherBuildError(Exception):
    """A worker's program is not the one that asks."""


@dataclass(frozen=True, slots=True)
class Job:
    """What all candidates of a batch share.

    Attributes:
        blocks: by name, where each block of the parcel can be fetched.
        build: of the program that asks.
    """

    parcel: Parcel
    key: str
    blocks: dict[str, Any]
    setup: Setup
    build: str


@dataclass(frozen=True, slots=True)
class Worked:
    """What a worker returns.

    Attributes:
        figures: f8[n, slices, REPLAY_COLUMNS].
        fetched: names of the blocks that it had to fetch.
        processor: what its machine code was made for.
    """

    figures: F8
    fetched: int
    processor: str


_tapes: OrderedDict[str, Tape] = OrderedDict()


def work(job: Job, parameters: F8, part: Part) -> Worked:
    """Replay f8[n, PARAMETER_COLUMNS] over a part of a job's tape.

    Raises:
        OtherBuildError: this worker would not give the bytes that are asked for.
        DamagedError: a block of the tape is not what it should be.
    """
    import ray

    return worked(job, parameters, part, ray.get)


def worked(
    job: Job, parameters: F8, part: Part, fetch: Callable[[list[Any]], list[Array]]
) -> Worked:
    """Do `work`; `fetch` returns the blocks behind references."""
    if job.build != build():
        raise OtherBuildError(f"it runs build {build()[:12]}, asked for is {job.build[:12]}")
    fetched = 0
    if job.key not in _tapes:
        names = {name for piece in job.parcel.pieces for name in piece.blocks}
        fetched = len(names)
        _tapes[job.key] = unpacked(
            job.parcel, lambda names: fetch([job.blocks[name] for name in names])
        )
        while len(_tapes) > KEPT:
            _tapes.popitem(last=False)
    _tapes.move_to_end(job.key)
    # What comes out of Ray's store is read-only, for which kernels would be compiled anew.
    setup = Setup._make(each.copy() for each in job.setup)
    figures = replayed(Batch(_tapes[job.key], setup, parameters.copy(), part), threads=1)
    return Worked(figures, fetched, compiler_identity())


@cache
def build() -> str:
    """Return a digest of the code that a replay runs, and of the libraries that it rests on."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for path in sorted(Path(market.__path__[0]).glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
