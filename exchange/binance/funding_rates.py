"""What an exchange says of fundings: those that passed, and the next with its rate as it stands.

The next one is asked for once more just before it, so that whoever charges it by himself can do so
at the very step; its final rate is asked for until it is told. Binance's `premiumIndex` has the
one (`nextFundingTime`, `lastFundingRate`: the rate as it stands), `fundingRate` the other.
"""

from dataclasses import dataclass, field

from exchange.recording_fundings import Funding

LEAD_S = 2.0
"""So long before a funding, by the wall, its rate is looked at again and again."""
AGAIN_S = 0.25
TOLD_WITHIN_S = 60.0
"""So long after a funding its final rate is waited for with short pauses."""


@dataclass(slots=True)
class FundingRates:
    """Fundings of one symbol as far as they are known.

    Attributes:
        passed: final rates by time.
        announced: rates as they stood when they were last told, by time.
    """

    passed: dict[int, int] = field(default_factory=dict)
    announced: dict[int, int] = field(default_factory=dict)

    def heard(self, passed: tuple[Funding, ...], coming: Funding | None) -> None:
        """Take an answer."""
        self.passed.update(passed)
        if coming is not None:
            self.announced[coming[0]] = coming[1]

    def final(self) -> tuple[Funding, ...]:
        """Return those that passed, by time."""
        return tuple(sorted(self.passed.items()))

    def due(self, now_ns: int) -> tuple[Funding, ...]:
        """Return those until a time, by time; of one that is not final the rate as it stood."""
        known = {**self.announced, **self.passed}
        return tuple(sorted(row for row in known.items() if row[0] <= now_ns))

    def pause_s(self, now_ns: int, speed: float, poll_s: float) -> float:
        """Return the wall seconds until the next question.

        Args:
            now_ns: the venue's time.
            speed: its seconds for one of the wall.
            poll_s: the pause when nothing is near.
        """
        open_ones = [at for at in self.announced if at not in self.passed]
        lefts = [(at - now_ns) / 1e9 / speed for at in open_ones]
        near = [left for left in lefts if left > -TOLD_WITHIN_S]
        if not near:
            return poll_s
        return min(poll_s, max(AGAIN_S, min(near) - LEAD_S))
