"""How often a client may ask: windows of wall time that begin on whole multiples of their length.

Request weight and raw requests count per address, unfilled orders per account; a fill gives its
order back. Who goes on after a 429 is banned (418), longer each time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from exchange.simulated.refusals import BANNED, TOO_MANY, Refusal

PATIENCE = 10
"""Requests after a 429 that are answered with another one; the next is answered with a ban."""
BAN_S = 120
BAN_S_MAX = 3 * 86_400
SECONDS = {"SECOND": 1, "MINUTE": 60, "DAY": 86_400}
WEIGHT, ORDERS, RAW = "REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"


@dataclass(frozen=True, slots=True)
class Rate:
    """So much of a kind in so many intervals."""

    kind: str
    interval: str
    count: int
    limit: int

    @property
    def length_s(self) -> int:
        """The window's length."""
        return SECONDS[self.interval] * self.count

    def row(self) -> dict[str, Any]:
        """Return it as `exchangeInfo` lists it."""
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.count,
            "limit": self.limit,
        }

    @property
    def short(self) -> str:
        """The window as headers write it."""
        return f"{self.count}{self.interval[0]}"


def standard_rates(factor: float = 1.0) -> tuple[Rate, ...]:
    """Return Binance's limits, times a factor for a feed that runs faster than the wall clock."""
    return (
        Rate(WEIGHT, "MINUTE", 1, round(6_000 * factor)),
        Rate(ORDERS, "SECOND", 10, round(100 * factor)),
        Rate(ORDERS, "DAY", 1, round(200_000 * factor)),
        Rate(RAW, "MINUTE", 5, round(300_000 * factor)),
    )


def usdm_rates(factor: float = 1.0) -> tuple[Rate, ...]:
    """Return those of USD-M futures; no raw requests are counted there."""
    return (
        Rate(WEIGHT, "MINUTE", 1, round(2_400 * factor)),
        Rate(ORDERS, "SECOND", 10, round(300 * factor)),
        Rate(ORDERS, "MINUTE", 1, round(1_200 * factor)),
    )


@dataclass(slots=True)
class Ban:
    """Who was told to wait, until when, and how often he came all the same."""

    until_s: float = 0.0
    ignored: int = 0
    bans: int = 0
    is_ban: bool = False


class Rates:
    """The counts of all windows.

    Args:
        rates: the limits.
    """

    def __init__(self, rates: Iterable[Rate]) -> None:
        self.rates = tuple(rates)
        self._counts: dict[tuple[str, Rate], tuple[int, int]] = {}
        self._bans: dict[str, Ban] = {}

    def used(self, who: str, rate: Rate, now_s: float) -> int:
        """Return how much of a window is used."""
        window, count = self._counts.get((who, rate), (0, 0))
        return count if window == int(now_s) // rate.length_s else 0

    def add(self, who: str, kind: str, amount: int, now_s: float) -> None:
        """Count something; a negative amount gives it back."""
        for rate in self._of(kind):
            count = max(0, self.used(who, rate, now_s) + amount)
            self._counts[who, rate] = (int(now_s) // rate.length_s, count)

    def demand(self, address: str, weight: int, now_s: float) -> None:
        """Count a request.

        Raises:
            Refusal: the address is banned, or asked for too much.
        """
        self._demand_no_ban(address, now_s)
        self.add(address, WEIGHT, weight, now_s)
        self.add(address, RAW, 1, now_s)
        for kind in (WEIGHT, RAW):
            for rate in self._of(kind):
                if self.used(address, rate, now_s) > rate.limit:
                    self.punish(address, now_s, rate.length_s - now_s % rate.length_s)
                    raise self._too_much(address, now_s)

    def demand_orders(self, key: str, orders: int, now_s: float) -> None:
        """Raise Refusal when an account has too many unfilled orders in a window."""
        for rate in self._of(ORDERS):
            if self.used(key, rate, now_s) + orders > rate.limit:
                wait = rate.length_s - now_s % rate.length_s
                raise Refusal(
                    -1015,
                    f"Too many new orders; current limit is {rate.limit} orders per "
                    f"{rate.count} {rate.interval}.",
                    TOO_MANY,
                    headers={"Retry-After": str(int(wait) + 1)},
                )

    def punish(self, address: str, now_s: float, wait_s: float, *, ban: bool = False) -> None:
        """Let an address wait: until the window ends, or because it is banned."""
        known = self._bans.setdefault(address, Ban())
        known.until_s, known.ignored, known.is_ban = now_s + wait_s, 0, ban

    def headers(self, address: str, key: str | None, now_s: float) -> dict[str, str]:
        """Return the headers that tell what is used."""
        found = {
            f"X-MBX-USED-WEIGHT-{rate.short}": str(self.used(address, rate, now_s))
            for rate in self._of(WEIGHT)
        }
        found["X-MBX-USED-WEIGHT"] = found["X-MBX-USED-WEIGHT-1M"]
        if key is not None:
            for rate in self._of(ORDERS):
                found[f"X-MBX-ORDER-COUNT-{rate.short}"] = str(self.used(key, rate, now_s))
        return found

    def rows(self, address: str, key: str | None, now_s: float) -> list[dict[str, Any]]:
        """Return the counts as the WebSocket API adds them to each answer."""
        rows = [
            rate.row() | {"count": self.used(address, rate, now_s)} for rate in self._of(WEIGHT)
        ]
        return rows + ([] if key is None else self.order_rows(key, now_s))

    def order_rows(self, key: str, now_s: float) -> list[dict[str, Any]]:
        """Return an account's counts of unfilled orders."""
        return [rate.row() | {"count": self.used(key, rate, now_s)} for rate in self._of(ORDERS)]

    def _of(self, kind: str) -> list[Rate]:
        return [rate for rate in self.rates if rate.kind == kind]

    def _demand_no_ban(self, address: str, now_s: float) -> None:
        known = self._bans.get(address)
        if known is None or known.until_s <= now_s:
            return
        known.ignored += 1
        if not known.is_ban and known.ignored > PATIENCE:
            known.bans += 1
            wait = min(BAN_S_MAX, BAN_S * 2 ** (known.bans - 1))
            self.punish(address, now_s, wait, ban=True)
        raise self._too_much(address, now_s)

    def _too_much(self, address: str, now_s: float) -> Refusal:
        known = self._bans[address]
        headers = {"Retry-After": str(int(known.until_s - now_s) + 1)}
        limit = self._of(WEIGHT)[0].limit
        if known.is_ban:
            text = (
                f"Way too much request weight used; IP banned until {int(known.until_s * 1000)}. "
                "Please use WebSocket Streams for live updates to avoid bans."
            )
            return Refusal(-1003, text, BANNED, headers=headers)
        text = (
            f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return Refusal(-1003, text, TOO_MANY, headers=headers)
