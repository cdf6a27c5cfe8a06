"""Quarantine: faults of content in a row bench whoever commits them, for longer each time.

A fault is a word of the wrong shape or out of bounds, two different votes in one round, or a set
that a shadow replay found worse; never that a queue was full, a generation old or a line dead. A
decided set of the seat breaks the row. A *round* is the time between two boundaries, in venue time,
in every mode and on either clock; so a bench ends at a moment that everybody can know beforehand.
The counts follow from the log, so a restart frees nobody.
"""

from dataclasses import dataclass, replace

from protocol.errors import NackCode
from protocol.messages import SHADOW_REPLAY

FAULTS_MAX = 10
"""In a row; so many bench a seat."""
BENCH_ROUNDS = 10
"""Rounds of a first bench; each later one is twice as long."""
BENCH_MAX_NS = 86_400_000_000_000
"""A day."""
DOUBLINGS_MAX = 40
SHAPES = frozenset({NackCode.SCHEMA, NackCode.BOUNDS})
"""What a word can have wrong by itself."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """How one party has behaved.

    Attributes:
        faults: in a row.
        benches: how often it was benched.
        until_ns: venue time before which nothing of it is taken; 0: it never was benched.
    """

    faults: int = 0
    benches: int = 0
    until_ns: int = 0

    def after_fault(self) -> "Conduct":
        """Return the conduct after one more fault."""
        return replace(self, faults=self.faults + 1)

    def after_bench(self, until_ns: int) -> "Conduct":
        """Return the conduct of whoever is benched until then: the row begins anew."""
        return Conduct(faults=0, benches=self.benches + 1, until_ns=until_ns)

    def after_success(self) -> "Conduct":
        """Return the conduct after a set of its led to a decision."""
        return replace(self, faults=0)


def bench_ns(benches: int, round_ns: int) -> int:
    """Return how long a bench takes after `benches` earlier ones, venue time."""
    return min(BENCH_MAX_NS, (BENCH_ROUNDS * round_ns) << min(benches, DOUBLINGS_MAX))


def is_fault(code: NackCode, detail: str) -> bool:
    """Return whether the refusal of a set says something about its content."""
    return code is NackCode.BOUNDS or (
        code is NackCode.RISK_VETO and detail.startswith(SHADOW_REPLAY)
    )
