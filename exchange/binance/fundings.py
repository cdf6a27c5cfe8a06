"""Fundings as they are told: the user stream says that one moved the balance, `income` says which.

An event has no number, an entry of the list has one, and by it each is booked once (`OrderDesk`).
What no event told of is found at a start, after a lost stream, and now and then (`Lifeline`).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from exchange.binance.desk import stamp_ns
from exchange.binance.lifeline import Lifeline
from exchange.binance.requests import Requests
from exchange.errors import VenueError
from exchange.reconcile import FoundFunding

PAUSES_S = (0.1, 0.4, 1.0, 2.0, 5.0, 10.0)
"""Before each question about a funding that an event told of: the list may come later."""
STAMP_NS = 10**6
"""Resolution of a time of the futures' user stream."""

log = structlog.get_logger()


class Fundings:
    """Those of one venue.

    Args:
        line: of the venue.
        requests: where questions run beside the steps.
        woken: called when something was found.
        lockstep: whether an instant ends only when all that it told of is known.
    """

    def __init__(
        self, line: Lifeline, requests: Requests, woken: Callable[[], None], *, lockstep: bool
    ) -> None:
        self._line = line
        self._requests = requests
        self._woken = woken
        self._lockstep = lockstep
        self._listed: tuple[FoundFunding, ...] = ()
        self._asking = False

    async def look(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Ask for the fundings that the events of an instant of the lockstep tell of.

        Raises:
            VenueError: no answer.
        """
        if any(tells_of_funding(event) for event in events):
            self._listed = await self._line.session.fundings()

    def told(self, event: Mapping[str, Any], now_ns: int) -> None:
        """Hear an event of one: book it, or ask for it."""
        if self._lockstep:
            until_ns = stamp_ns(event) + STAMP_NS
            due = [each for each in self._listed if each.exch_ns < until_ns]
            self._line.desk.fund(due, now_ns)
        elif not self._asking:
            self._asking = True
            self._requests.spawn(self._ask(now_ns))

    async def _ask(self, now_ns: int) -> None:
        """Ask until one is new."""
        try:
            for pause_s in PAUSES_S:
                await asyncio.sleep(pause_s)
                try:
                    listed = await self._line.session.fundings()
                except VenueError as error:
                    log.warning("fundings_not_told", reason=str(error))
                    continue
                if self._line.desk.fund(listed, now_ns):
                    self._woken()
                    return
            log.info("no_new_funding")
        finally:
            self._asking = False


def tells_of_funding(event: Mapping[str, Any]) -> bool:
    """Return whether an event of the user stream says that a funding moved the balance."""
    return event.get("e") == "ACCOUNT_UPDATE" and event["a"].get("m") == "FUNDING_FEE"
