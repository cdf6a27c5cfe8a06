"""A study of a small market, in this process, for tests."""

import itertools

from agents.cli.optimize_result import result_of
from agents.optimizer.studies import Studies
from agents.optimizer.study import Plan, studied
from agents.optimizer.trail import Clocks

NAME = "small"


def clocks():
    """Clocks that tick a second whenever they are looked at."""
    ticks = itertools.count()
    return Clocks(lambda: float(next(ticks)), lambda: next(ticks) * 10**9)


def database(tmp_path):
    """The URL of a file."""
    return f"sqlite:///{tmp_path / 'studies.db'}"


class Killed(Exception):  # noqa: N818 - it is an end, not an error
    """Stands for kill -9: nothing is written after it."""


class Mortal(Studies):
    """A store whose process dies instead of storing a batch, once it has stored so many."""

    left = 10**9

    def put(self, name, batch):
        """Store a batch, or die."""
        if self.left == 0:
            raise Killed
        self.left -= 1
        super().put(name, batch)


def result(session, url, *, count=2, hours=0.5, killed_after=None, name=NAME, settings=None):
    """The document of a study and its batches, each with whether it came from the store."""
    if settings is not None:
        session = settings(session)
    tape = session.tapes().advance(session.last_ns)
    plan = Plan.of(session, count=count, hours=hours)
    windows, seen = [], []
    with Mortal.open(url) as studies:
        studies.left = 10**9 if killed_after is None else killed_after
        studied(
            session, tape, plan, studies=studies, name=name, clocks=clocks(),
            on_batch=lambda batch, restored: seen.append((batch, restored)),
            on_window=windows.append,
        )  # fmt: skip
        document = result_of(session, tape, windows, name)
        studies.complete(name, document)
    return document, seen
