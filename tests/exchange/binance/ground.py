"""Where orders are struck: spot over REST, spot over the WebSocket API, USD-M futures.

A ground says how its exchange is started and asked what is true, and which faults it cannot have.
"""

import dataclasses
from decimal import Decimal

from exchange.binance.settings import Road
from exchange.recording import units
from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import SECOND, START, SYMBOL, write

FUNDED_S = 10
"""Feed seconds between two fundings: at the theatre's speed two in a second."""
FUNDING_RATE = 20_000
HELD = Decimal("0.20"), Decimal("1.00"), Decimal(5)
"""What an account holds of the contract beside its trader, so that every funding moves money:
the least, what it is brought to where it is outside, the most."""
MILLISECOND = 10**6
DUPLICATE = (-2010, -4116)
LENDS_NOTHING = "spot lends nothing, so there is nothing to fund"


@dataclasses.dataclass(frozen=True, slots=True)
class Books:
    """What the exchange says of an account.

    Attributes:
        orders, trades: all rows, oldest first; a trade's side is under `isBuyer`.
        held: quote and base units.
        fundings: (number, time ns, quote units).
    """

    orders: list
    trades: list
    held: tuple[int, int]
    fundings: list


class Spot:
    """Spot.

    Args:
        road: of the orders.
    """

    arguments = ()
    balances = '{ USDT = "200000", PLAY = "2000" }'
    halt = "BREAK"
    funds = False

    def __init__(self, road=Road.REST):
        self.road = road
        self.missing = {"funding unheard": LENDS_NOTHING}

    def feed(self, folder, seconds):
        """Write the market; return its path."""
        return write(folder, seconds)

    def client(self, stage):
        """Return a plain client of the account."""
        return Client(stage)

    def settings(self, settings):
        """Return how a trader trades here."""
        return dataclasses.replace(settings, road=self.road)

    async def begin(self, client):
        """Make the account ready; return its quote and base units, and None: no fundings."""
        await foreign(client)
        return await self.held(client), None

    async def held(self, client):
        """Return quote and base units, locked included."""
        _, account = await client.ask("GET", "account")
        held = {row["asset"]: units(row["free"]) + units(row["locked"])
                for row in account["balances"]}  # fmt: skip
        return held["USDT"], held["PLAY"]

    async def books(self, client):
        """Return all that the exchange says."""
        orders = await pages(client, "allOrders", "orderId")
        trades = await pages(client, "myTrades", "fromId", "id")
        return Books(orders, trades, await self.held(client), [])


class Perpetual:
    """USD-M futures: a contract that is funded all the time; depth and trades come apart."""

    road = Road.REST
    arguments = ("--futures",)
    balances = '{ USDT = "200000" }'
    halt = "SETTLING"
    funds = True
    missing = {"cancel only": "a contract of USD-M futures has no such status"}  # noqa: RUF012

    def feed(self, folder, seconds):
        """Write the market; return its path."""
        times = range(START + FUNDED_S * SECOND, START + seconds * SECOND, FUNDED_S * SECOND)
        rates = ((at_ns, (-1) ** number * FUNDING_RATE) for number, at_ns in enumerate(times))
        return write(folder, seconds, spot=False, fee_in_base=False, funding=tuple(rates))

    def client(self, stage):
        """Return a plain client of the account."""
        return Client(stage, root="/fapi/v1")

    def settings(self, settings):
        """Return how a trader trades here."""
        place = dataclasses.replace(settings.place, split=True)
        return dataclasses.replace(settings, place=place)

    async def begin(self, client):
        """Make the account ready; return cash and position, and a time that splits fundings."""
        await foreign(client, kind="LIMIT", timeInForce="GTX")
        _, account = await client.ask("GET", "account")
        position = Decimal(account["positions"][0]["positionAmt"])
        beyond = position - HELD[1]
        if not HELD[0] <= position <= HELD[2]:
            told = {"side": "SELL" if beyond > 0 else "BUY", "quantity": str(abs(beyond))}
            status, answer = await client.ask(
                "POST", "order", symbol=SYMBOL, type="MARKET", newOrderRespType="RESULT", **told
            )
            assert status == 200, answer
        held, fundings = await self.funded(client)
        return held, max((at_ns for _, at_ns, _ in fundings), default=0) + MILLISECOND

    async def funded(self, client):
        """Return quote and base units, and exactly the fundings that are in them."""
        fundings = await self.fundings(client)
        while True:
            before, held = fundings, await self.held(client)
            fundings = await self.fundings(client)
            if fundings == before:
                return held, fundings

    async def held(self, client):
        """Return cash as if the contract had been bought with the quote asset, and position."""
        _, account = await client.ask("GET", "account")
        cash, position = units(account["assets"][0]["walletBalance"]), account["positions"][0]
        cost = units(position["notional"]) - units(position["unrealizedProfit"])
        return cash - cost, units(position["positionAmt"])

    async def fundings(self, client):
        """Return (number, time ns, quote units) of every funding."""
        told = {"incomeType": "FUNDING_FEE", "startTime": 0}
        rows = await pages(client, "income", "startTime", "time", **told)
        return [(row["tranId"], row["time"] * MILLISECOND, units(row["income"])) for row in rows]

    async def books(self, client):
        """Return all that the exchange says."""
        orders = await pages(client, "allOrders", "orderId")
        trades = await pages(client, "userTrades", "fromId", "id")
        trades = [row | {"isBuyer": row["buyer"]} for row in trades]
        held, fundings = await self.funded(client)
        return Books(orders, trades, held, fundings)


async def foreign(client, **kind):
    """Let an order rest that is none of a trader's; there is one already after the first time."""
    status, told = await client.place("BUY", "0.50", "85.00", "foreign", **kind)
    assert status == 200 or told["code"] in DUPLICATE, told


async def pages(client, path, first, number="", **told):
    """Return all rows of a list; `first` asks for those from a `number` on."""
    rows = []
    while True:
        which = {first: rows[-1][number or first] + 1 if rows else 0}
        _, page = await client.ask("GET", path, symbol=SYMBOL, limit=1000, **told | which)
        rows.extend(page)
        if len(page) < 1000:
            return rows


GROUNDS = {"spot": Spot(), "socket": Spot(Road.SOCKET), "futures": Perpetual()}
"""By name; orders over `/ws-fapi` are none: the venue sends none there."""
