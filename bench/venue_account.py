"""An account of a simulated exchange, asked with no code of the venue: what is true there."""

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

PAGE = 1_000
FOREIGN = "somebody-else-1"
ANSWER_S = 90.0
"""Longest wait for an answer: a machine that does other things may stand still for a minute."""
RECEIVE_MS = 60_000
SIMULATED = "test"
"""Key and secret of the default account."""


class Account:
    """One account.

    Args:
        url, symbol: of the exchange.
        key, secret: of the account.
        futures: USD-M in place of spot.
    """

    def __init__(
        self,
        url: str,
        symbol: str,
        key: str = SIMULATED,
        secret: str = SIMULATED,
        *,
        futures: bool = False,
    ) -> None:
        self.url, self.symbol = url, symbol
        self._key, self._secret, self._futures = key, secret, futures

    def ask(self, method: str, path: str, **told: object) -> Any:
        """Ask something as this account."""
        now = {"timestamp": time.time_ns() // 10**6, "recvWindow": RECEIVE_MS}
        query = urlencode({"symbol": self.symbol, **told, **now})
        seal = hmac.new(self._secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        root = "fapi/v1" if self._futures else "api/v3"
        place = f"{self.url}/{root}/{path}?{query}&signature={seal}"
        request = Request(place, headers={"X-MBX-APIKEY": self._key}, method=method)  # noqa: S310
        with urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 - it is ours, on loopback
            return json.loads(answer.read())

    def trades(self, **told: str) -> list[dict[str, Any]]:
        """Return every trade of the account in a symbol (the first), oldest first."""
        return self._pages("userTrades" if self._futures else "myTrades", "fromId", "id", **told)

    def fundings(self) -> dict[int, int]:
        """Return the account's fundings by their number, 1e-8 of the quote asset; none on spot."""
        from decimal import Decimal

        if not self._futures:
            return {}
        rows = self.ask("GET", "income", incomeType="FUNDING_FEE", limit=PAGE)
        return {int(row["tranId"]): int(Decimal(row["income"]) * 10**8) for row in rows}

    def orders(self) -> list[dict[str, Any]]:
        """Return every order that the account ever had, oldest first."""
        return self._pages("allOrders", "orderId", "orderId")

    def balances(self) -> dict[str, str]:
        """Return free and locked together, by asset; of futures cash and position."""
        from decimal import Decimal

        if self._futures:
            told = self.ask("GET", "account")
            (asset,), positions = told["assets"], told["positions"]
            cost = sum(Decimal(p["notional"]) - Decimal(p["unrealizedProfit"]) for p in positions)
            quote = asset["asset"]
            cash = {quote: str(Decimal(asset["walletBalance"]) - cost)}
            return cash | {p["symbol"].removesuffix(quote): p["positionAmt"] for p in positions}
        rows = self.ask("GET", "account")["balances"]
        return {
            each["asset"]: str(Decimal(each["free"]) + Decimal(each["locked"])) for each in rows
        }

    def place_foreign(self) -> None:
        """Let somebody else have an order in the account, far from the market."""
        best = self.ask("GET", "ticker/bookTicker")
        info = self.ask("GET", "exchangeInfo")["symbols"][0]
        filters = {each["filterType"]: each for each in info["filters"]}
        tick = float(filters["PRICE_FILTER"]["tickSize"])
        lot = float(filters["LOT_SIZE"]["stepSize"])
        kind = {"type": "LIMIT", "timeInForce": "GTX"} if self._futures else {"type": "LIMIT_MAKER"}
        price = round(float(best["bidPrice"]) * 0.9 / tick) * tick
        quantity = (int(20.0 / price / lot) + 1) * lot
        self.ask(
            "POST",
            "order",
            side="BUY",
            **kind,
            quantity=f"{quantity:.8f}",
            price=f"{price:.8f}",
            newClientOrderId=FOREIGN,
        )

    def _pages(self, path: str, first: str, key: str, **told: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            since = rows[-1][key] + 1 if rows else 0
            page = self.ask("GET", path, limit=PAGE, **{first: since, **told})
            rows += page
            if len(page) < PAGE:
                return rows
