"""The requests of one exchange: spot or USD-M futures, each over python-binance's own methods.

What is asked for is the same, and so is what a session does with it; names, fields and what a
balance is differ. Nothing here decides or repeats.
"""

from fractions import Fraction
from typing import Any, Protocol

from exchange.binance.client import AsyncClient, demand, outcome_of
from exchange.binance.desk import Outcome
from exchange.binance.instrument import Instrument
from exchange.binance.settings import BinanceSettings, Road
from exchange.binance.words import to_ns
from exchange.reconcile import FoundFunding
from exchange.recording_fundings import Funding
from market.layout import UNITS

PAGE = 1_000
PAGES_MAX = 100
FUNDINGS_LISTED = 100
"""Of the market's fundings: a month at one each eight hours, four days at one an hour."""
BURNT = "BNB"
"""What pays the fees of an account that has asked for it."""


class Calls(Protocol):
    """What a session asks of an exchange about one symbol."""

    futures: bool

    async def server_time(self) -> Any:
        """Ask for the server's time."""
        ...

    async def info(self) -> Any:
        """Ask for the symbol's filters and the limits."""
        ...

    async def book(self, levels: int) -> Any:
        """Ask for a snapshot of the book."""
        ...

    async def order(self, **which: Any) -> Any:
        """Ask for one order."""
        ...

    async def open_orders(self) -> Any:
        """Ask for all open orders of the symbol."""
        ...

    async def trades(self, **which: int) -> Any:
        """Ask for trades of the account in the symbol."""
        ...

    def kind(self, *, taker: bool) -> dict[str, str]:
        """Return what makes an order post-only, or one that takes and never rests."""
        ...

    async def place(self, **told: str) -> Outcome:
        """Send an order."""
        ...

    async def cancel(self, name: str) -> Outcome:
        """Cancel one order by its name."""
        ...

    async def fees(self) -> tuple[Fraction, Fraction, str]:
        """Return what the account pays as maker and taker, and an asset that pays it instead.

        Raises:
            VenueError: no answer.
        """
        ...

    async def balances(self, known: Instrument) -> tuple[int, int]:
        """Return what the account holds of quote and base, 1e-8; of futures see there.

        Raises:
            VenueError: no answer.
        """
        ...

    async def fundings(self, since_ns: int) -> tuple[FoundFunding, ...]:
        """Return the fundings since a time, oldest first.

        Raises:
            VenueError: no answer.
        """
        ...

    async def funding_rates(self) -> tuple[tuple[Funding, ...], Funding | None]:
        """Return the last fundings of the symbol, and the next one with its rate as it stands.

        Raises:
            VenueError: no answer.
        """
        ...


class SpotCalls:
    """Those of spot; orders by REST or over the WebSocket API."""

    futures = False

    def __init__(self, client: AsyncClient, settings: BinanceSettings) -> None:
        self._client = client
        self._symbol = settings.symbol
        self._socket = settings.road is Road.SOCKET
        self._window = {"recvWindow": settings.receive_window_ms}

    async def server_time(self) -> Any:
        """See `Calls`."""
        return await self._client.get_server_time()

    async def info(self) -> Any:
        """See `Calls`; its own method asks for every symbol, which weighs more."""
        return await self._client._get("exchangeInfo", data={"symbol": self._symbol})  # noqa: SLF001

    async def book(self, levels: int) -> Any:
        """See `Calls`."""
        return await self._client.get_order_book(symbol=self._symbol, limit=levels)

    async def order(self, **which: Any) -> Any:
        """See `Calls`."""
        return await self._client.get_order(symbol=self._symbol, **which)

    async def open_orders(self) -> Any:
        """See `Calls`."""
        return await self._client.get_open_orders(symbol=self._symbol)

    async def trades(self, **which: int) -> Any:
        """See `Calls`."""
        return await self._client.get_my_trades(symbol=self._symbol, **which)

    def kind(self, *, taker: bool) -> dict[str, str]:
        """See `Calls`."""
        kind = {"type": "LIMIT", "timeInForce": "IOC"} if taker else {"type": "LIMIT_MAKER"}
        return {**kind, "newOrderRespType": "FULL"}

    async def place(self, **told: str) -> Outcome:
        """See `Calls`."""
        if self._socket:
            call = self._client.ws_create_order(symbol=self._symbol, **told, **self._window)
        else:
            call = self._client.create_order(symbol=self._symbol, **told)
        return await outcome_of(call)

    async def cancel(self, name: str) -> Outcome:
        """See `Calls`."""
        told = {"symbol": self._symbol, "origClientOrderId": name}
        if self._socket:
            return await outcome_of(self._client.ws_cancel_order(**told, **self._window))
        return await outcome_of(self._client.cancel_order(**told))

    async def fees(self) -> tuple[Fraction, Fraction, str]:
        """See `Calls`."""
        data = {"symbol": self._symbol}
        call = self._client._get("account/commission", signed=True, data=data)  # noqa: SLF001
        told = await demand(call, "the account's commission")
        kinds = ("standardCommission", "specialCommission", "taxCommission")
        maker, taker = (
            sum((Fraction(told[kind][side]) for kind in kinds if kind in told), Fraction(0))
            for side in ("maker", "taker")
        )
        discount = told.get("discount") or {}
        paid = bool(discount.get("enabledForAccount") and discount.get("enabledForSymbol"))
        asset = str(discount.get("discountAsset", ""))
        return maker, taker, asset if paid else ""

    async def balances(self, known: Instrument) -> tuple[int, int]:
        """Return what the account holds of quote and base, locked included, 1e-8."""
        told = await demand(self._client.get_account(omitZeroBalances="true"), "the account")
        held = {
            each["asset"]: int((Fraction(each["free"]) + Fraction(each["locked"])) * UNITS)
            for each in told["balances"]
        }
        return held.get(known.quote, 0), held.get(known.base, 0)

    async def fundings(self, since_ns: int) -> tuple[FoundFunding, ...]:  # noqa: ARG002
        """Return none: nothing is lent on spot."""
        return ()

    async def funding_rates(self) -> tuple[tuple[Funding, ...], Funding | None]:
        """Return none: nothing is lent on spot."""
        return (), None


class UsdmCalls:
    """Those of USD-M futures, one-way mode; orders by REST."""

    futures = True

    def __init__(self, client: AsyncClient, settings: BinanceSettings) -> None:
        self._client = client
        self._symbol = settings.symbol

    async def server_time(self) -> Any:
        """See `Calls`."""
        return await self._client.futures_time()

    async def info(self) -> Any:
        """See `Calls`."""
        return await self._client.futures_exchange_info()

    async def book(self, levels: int) -> Any:
        """See `Calls`."""
        return await self._client.futures_order_book(symbol=self._symbol, limit=levels)

    async def order(self, **which: Any) -> Any:
        """See `Calls`."""
        return await self._client.futures_get_order(symbol=self._symbol, **which)

    async def open_orders(self) -> Any:
        """See `Calls`."""
        return await self._client.futures_get_open_orders(symbol=self._symbol)

    async def trades(self, **which: int) -> Any:
        """See `Calls`."""
        return await self._client.futures_account_trades(symbol=self._symbol, **which)

    def kind(self, *, taker: bool) -> dict[str, str]:
        """See `Calls`; the answer holds no trades, the stream and a query do."""
        time_in_force = "IOC" if taker else "GTX"
        return {"type": "LIMIT", "timeInForce": time_in_force, "newOrderRespType": "RESULT"}

    async def place(self, **told: str) -> Outcome:
        """See `Calls`."""
        return await outcome_of(self._client.futures_create_order(symbol=self._symbol, **told))

    async def cancel(self, name: str) -> Outcome:
        """See `Calls`."""
        told = {"symbol": self._symbol, "origClientOrderId": name}
        return await outcome_of(self._client.futures_cancel_order(**told))

    async def fees(self) -> tuple[Fraction, Fraction, str]:
        """See `Calls`."""
        rates = await demand(
            self._client.futures_commission_rate(symbol=self._symbol), "the account's commission"
        )
        burn = await demand(
            self._client._request_futures_api("get", "feeBurn", True, data={}),  # noqa: SLF001
            "whether fees are paid in BNB",
        )
        maker, taker = (Fraction(rates[f"{kind}CommissionRate"]) for kind in ("maker", "taker"))
        return maker, taker, BURNT if burn.get("feeBurn") else ""

    async def balances(self, known: Instrument) -> tuple[int, int]:
        """Return cash and position as if the contract had been bought with the quote asset, 1e-8.

        Cash is the wallet less what the open position cost: its worth at the mark less its
        profit. So buying and selling move both as on spot, and profit is realised by no rule.
        """
        told = await demand(self._client.futures_account(version=3), "the account")
        wallet = Fraction(0)
        for each in told["assets"]:
            if each["asset"] == known.quote:
                wallet = Fraction(each["walletBalance"])
        held = Fraction(0)
        for each in told["positions"]:
            if each["symbol"] == known.symbol:
                wallet -= Fraction(each["notional"]) - Fraction(each["unrealizedProfit"])
                held += Fraction(each["positionAmt"])
        return int(wallet * UNITS), int(held * UNITS)

    async def fundings(self, since_ns: int) -> tuple[FoundFunding, ...]:
        """See `Calls`."""
        rows: list[dict[str, Any]] = []
        since_ms = since_ns // 1_000_000
        for _ in range(PAGES_MAX):
            told = {"symbol": self._symbol, "incomeType": "FUNDING_FEE", "limit": PAGE}
            if since_ms:  # without it the exchange tells those of the last days
                told["startTime"] = since_ms
            call = self._client.futures_income_history(**told)
            page = await demand(call, "our fundings")
            rows += page
            if len(page) < PAGE:
                break
            since_ms = int(to_ns(int(page[-1]["time"]))) // 1_000_000 + 1
        return tuple(
            FoundFunding(
                number=int(row["tranId"]),
                exch_ns=to_ns(int(row["time"])),
                units=int(Fraction(row["income"]) * UNITS),
            )
            for row in rows
        )

    async def funding_rates(self) -> tuple[tuple[Funding, ...], Funding | None]:
        """See `Calls`."""
        asked = self._client.futures_funding_rate(symbol=self._symbol, limit=FUNDINGS_LISTED)
        rows = await demand(asked, "the fundings that passed")
        told = await demand(self._client.futures_mark_price(symbol=self._symbol), "the next one")
        passed = tuple(_funding(row["fundingTime"], row["fundingRate"]) for row in rows)
        coming = _funding(told["nextFundingTime"] or 0, told["lastFundingRate"] or "0")
        return passed, coming if coming[0] else None


def _funding(at: int, rate: str) -> Funding:
    """Return time, ns, and rate, 1e-8."""
    return to_ns(int(at)), int(Fraction(rate) * UNITS)


def calls_of(client: AsyncClient, settings: BinanceSettings) -> Calls:
    """Return the requests of the exchange that the settings name."""
    kind = UsdmCalls if settings.place.futures else SpotCalls
    return kind(client, settings)
