"""How much may still be asked and ordered, told by the exchange's own headers.

Binance counts weight by address and orders by account; it says after each answer how much is used
(`X-MBX-USED-WEIGHT-1M`, `X-MBX-ORDER-COUNT-10S`). After a 429 nothing is sent until `Retry-After`
has passed: going on ends in a ban (418) of minutes to days. Time is the caller's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

WEIGHT = "REQUEST_WEIGHT"
ORDERS = "ORDERS"
SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
HEADERS = {WEIGHT: "x-mbx-used-weight-", ORDERS: "x-mbx-order-count-"}
SHARE = 0.9
"""Part of a limit that quoting and asking may use; cancels may use all of it."""
REFUSED = (429, 418)
RETRY_S = 60.0
"""How long to be silent after a 429 that does not say it."""


@dataclass(slots=True)
class Window:
    """One limit and how much of it is used.

    Attributes:
        kind: WEIGHT or ORDERS.
        name: the header's end, as `10s`.
        seconds: its length.
        limit: most that may be used in it.
        used: as the exchange said last.
        until_s: when that is certainly over.
    """

    kind: str
    name: str
    seconds: int
    limit: int
    used: int = 0
    until_s: float = 0.0


@dataclass(slots=True)
class Rates:
    """All limits of one client.

    Attributes:
        silent_until_s: nothing may be sent before.
        refused: answers 429 or 418 so far.
    """

    windows: list[Window] = field(default_factory=list)
    silent_until_s: float = 0.0
    refused: int = 0

    def learn(self, limits: Iterable[Mapping[str, Any]]) -> None:
        """Take the `rateLimits` of `exchangeInfo`; what was used stays noted."""
        used = {(each.kind, each.name): (each.used, each.until_s) for each in self.windows}
        self.windows = []
        for each in limits:
            kind, interval = str(each["rateLimitType"]), str(each["interval"])
            if kind not in HEADERS or interval not in SECONDS:
                continue
            number, name = int(each["intervalNum"]), _name(each)
            known = used.get((kind, name), (0, 0.0))
            length = SECONDS[interval] * number
            self.windows.append(Window(kind, name, length, int(each["limit"]), *known))

    def answered(self, status: int, headers: Mapping[str, str], now_s: float) -> None:
        """Take an answer's status and headers."""
        lower = {name.lower(): value for name, value in headers.items()}
        for window in self.windows:
            value = lower.get(HEADERS[window.kind] + window.name, "")
            if value.isdigit():
                window.used = int(value)
                window.until_s = now_s + window.seconds
        if status in REFUSED:
            try:
                wait_s = float(lower.get("retry-after", RETRY_S))
            except ValueError:
                wait_s = RETRY_S
            self._be_silent(now_s, wait_s)

    def heard(self, message: Any, now_s: float) -> None:
        """Take a message of the WebSocket API: an answer tells there what headers tell here."""
        if not isinstance(message, dict) or "status" not in message:
            return
        for told in message.get("rateLimits") or ():
            for window in self.windows:
                if window.kind == told["rateLimitType"] and window.name == _name(told):
                    window.used = int(told["count"])
                    window.until_s = now_s + window.seconds
        if message["status"] in REFUSED:
            data = (message.get("error") or {}).get("data") or {}
            wait_s = RETRY_S
            if "retryAfter" in data and "serverTime" in data:
                wait_s = max(0.0, (int(data["retryAfter"]) - int(data["serverTime"])) / 1e3)
            self._be_silent(now_s, wait_s)

    def _be_silent(self, now_s: float, wait_s: float) -> None:
        self.refused += 1
        self.silent_until_s = max(self.silent_until_s, now_s + wait_s)

    def silent_s(self, now_s: float) -> float:
        """Return how long nothing at all may be sent."""
        return max(0.0, self.silent_until_s - now_s)

    def wait_s(self, now_s: float, *, orders: int = 0, urgent: bool = False) -> float:
        """Return how long to wait before sending; 0 when it may be sent now.

        Args:
            now_s: the time of `answered`.
            orders: how many new orders it makes.
            urgent: a cancel: the whole of a limit may be used.
        """
        wait_s = self.silent_until_s - now_s
        for window in self.windows:
            if window.kind == ORDERS and not orders:
                continue
            allowed = window.limit if urgent else window.limit * SHARE
            if window.until_s > now_s and window.used + max(orders, 1) > allowed:
                wait_s = max(wait_s, window.until_s - now_s)
        return max(0.0, wait_s)

    def count_order(self) -> None:
        """Count an order that is sent now, before the exchange has said so."""
        for window in self.windows:
            if window.kind == ORDERS:
                window.used += 1


def _name(limit: Mapping[str, Any]) -> str:
    return f"{int(limit['intervalNum'])}{str(limit['interval'])[0].lower()}"
