"""One window of a study: what is stored of it is not replayed again, what is new is stored.

A search is a function of its settings, its seed and what its candidates were worth. So a search
that goes on runs from its beginning, and takes from the store what the replay said then, batch by
batch. Whatever it asks for must be what was asked for then, bit for bit; else the study is not its
own, and it stops with a word.
"""

import hashlib
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgpack
import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.fronts import hypervolume, reference
from agents.optimizer.onlooker import Told
from agents.optimizer.race import Run
from agents.optimizer.spans import Part
from agents.optimizer.studies import Batch, StudyError, Trial
from agents.optimizer.window import Search
from market.types import F8

BOUNDED_BY = 8
"""Feasible candidates after which the reference point of the hypervolume is laid down."""
DIGEST = 16


class OnBatch(Protocol):
    """Is told of a batch, and whether it came from the store."""

    def __call__(self, batch: Batch, *, restored: bool) -> None:
        """Take it."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One replay: a digest of what was asked, and what came back."""

    digest: bytes
    figures: F8


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds that only go on, and nanoseconds of the wall."""

    seconds: Callable[[], float]
    wall_ns: Callable[[], int]


class Trail:
    """An onlooker of one window's search.

    Args:
        window: number of the window.
        stored: its batches so far, in order.
        keep: stores a batch.
        on_batch: told of every batch, and whether it came from the store.
        clocks: of what is told.

    Attributes:
        search: that it looked at last; None before the first batch.
        restored: batches that came from the store.
        stored_s: seconds spent on storing.
    """

    def __init__(
        self,
        window: int,
        *,
        stored: Sequence[Batch],
        keep: Callable[[Batch], None],
        on_batch: OnBatch,
        clocks: Clocks,
    ) -> None:
        self.window, self._stored, self._keep, self._on_batch = window, stored, keep, on_batch
        self.search: Search | None = None
        self.restored, self.stored_s = len(stored), 0.0
        self.batches: list[Batch] = []
        self._clocks, self._begun_s, self._replay_s = clocks, clocks.seconds(), 0.0
        self._ready: deque[Call] = deque()
        self._new: list[Call] = []
        self._bound: F8 | None = None
        self._open()

    def runs(self, run: Run) -> Run:
        """Return a replay that answers from the store as long as there is something in it."""

        def replayed(parameters: F8, part: Part) -> F8:
            digest = digest_of(parameters, part)
            if len(self.batches) < len(self._stored):
                if not self._ready or self._ready[0].digest != digest:
                    raise self._strange("another candidate is asked for")
                return self._ready.popleft().figures
            begun_s = self._clocks.seconds()
            found = run(parameters, part)
            self._replay_s += self._clocks.seconds() - begun_s
            self._new.append(Call(digest, found))
            return found

        return replayed

    def told(self, search: Search, batch: Told) -> None:
        """Hold a batch to what is stored, or store it."""
        self.search = search
        trials = trials_of(search, batch)
        number, volume = len(self.batches), self._hypervolume(search.tuner.archive)
        if number < len(self._stored):
            found = self._stored[number]
            if self._ready or found.trials != trials:
                raise self._strange("a point or what it was worth is another")
        else:
            now_s = self._clocks.seconds()
            found = Batch(
                window=self.window,
                batch=number,
                told_ns=self._clocks.wall_ns(),
                candidates=len(search.sets),
                front=len(search.tuner.archive.front),
                hypervolume=volume,
                search_s=now_s - self._begun_s - self._replay_s,
                replay_s=self._replay_s,
                calls=packed(self._new),
                trials=trials,
            )
            self._keep(found)
            self._begun_s = self._clocks.seconds()
            self.stored_s += self._begun_s - now_s
            self._replay_s, self._new = 0.0, []
        self.batches.append(found)
        self._open()
        self._on_batch(found, restored=number < len(self._stored))

    def end(self) -> None:
        """Refuse a study that holds more of this window than its search makes."""
        if len(self.batches) < len(self._stored):
            raise self._strange("the search ends earlier")

    def _open(self) -> None:
        if (number := len(self.batches)) < len(self._stored):
            self._ready = deque(unpacked(self._stored[number].calls))

    def _hypervolume(self, archive: Archive) -> float:
        """Return the hypervolume of the front against a point that is laid down once a window."""
        front = archive.values[archive.front]
        if self._bound is None:
            allowed = archive.values[archive.violations <= 0.0]
            if len(allowed) < BOUNDED_BY:
                return 0.0
            self._bound = reference(allowed, allowed)
        return hypervolume(front, self._bound)

    def _strange(self, why: str) -> StudyError:
        return StudyError(
            f"what is stored does not follow from its settings: window {self.window}, batch "
            f"{len(self.batches)}: {why}; this program or its libraries are not those that began "
            "the study: use those, or another name"
        )


def digest_of(parameters: F8, part: Part) -> bytes:
    """Return what tells one replay from another."""
    span = f"{parameters.shape} {part.first} {part.last} {part.slices} "
    told = span.encode() + np.ascontiguousarray(parameters).tobytes()
    return hashlib.sha256(told).digest()[:DIGEST]


def trials_of(search: Search, batch: Told) -> tuple[Trial, ...]:
    """Return the rows of a batch."""
    slices = search.race.slices
    return tuple(
        Trial(
            source=source,
            point=tuple(point.tolist()),
            parameters=search.sets[row].model_dump(),
            values=tuple(values.tolist()),
            violation=float(violation),
            slices=int(slices[row]),
        )
        for source, point, row, values, violation in zip(
            batch.sources,
            batch.points,
            batch.rows.tolist(),
            batch.values,
            batch.violations,
            strict=True,
        )
    )


def packed(calls: Sequence[Call]) -> bytes:
    """Return replays as bytes."""
    told = [
        (each.digest, each.figures.shape, np.ascontiguousarray(each.figures).tobytes())
        for each in calls
    ]
    body: bytes = msgpack.packb(told)
    return zlib.compress(body, 1)


def unpacked(body: bytes) -> list[Call]:
    """Return the replays of `packed`."""
    return [
        Call(digest, np.frombuffer(figures, dtype=np.float64).reshape(shape))
        for digest, shape, figures in msgpack.unpackb(zlib.decompress(body))
    ]
