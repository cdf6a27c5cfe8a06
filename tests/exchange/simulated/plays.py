"""Lets traders act a play at the exchange's core; one row a request, what it gets at the end.

    A | BUY LIMIT_MAKER 0.10 @ 99.95 #a | NEW
    B | SELL LIMIT 0.10 @ 99.95 GTC     | FILLED 0.10 @ 99.95
    A | cancel #a                       | -2011

Requests: an order (side, type, quantity or `quote 50`, `@ price`, time in force, `#name`, any
`parameter=value`), `cancel #name`, `cancel all`, `amend #name quantity`, `replace #name` and an
order, `status WORD`, `filter name=value`, `wait seconds`, `is #name`, `free ASSET`. What is
expected: a code, or the status and the fills of the answer.
"""

from exchange.recording import scale_of, units
from exchange.simulated.accounts import Account, Fees
from exchange.simulated.commands import Outcome
from exchange.simulated.core import Core
from exchange.simulated.house import House
from exchange.simulated.instrument import instrument_of, text
from exchange.simulated.parameters import (
    read_amend,
    read_cancel,
    read_cancel_all,
    read_cancel_replace,
    read_place,
)
from exchange.simulated.public import PublicMarket
from exchange.simulated.recorded_side import NO_DELAYS, RecordedSide
from exchange.simulated.refusals import Refusal
from market.book import window_for
from market.queueing import fill_model
from market.tape import NO_IDS
from tests.exchange.simulated.market import SECOND, START, SYMBOL, recording

TYPES = {"LIMIT", "LIMIT_MAKER", "MARKET"}


class Stage:
    """The exchange's core over the play's market, its clock, and who trades there."""

    def __init__(self, accounts="AB", *, model="risk-averse", fees=(10_000, 20_000), seconds=600,
                 held="1000", fee_asset=None, **change):  # fmt: skip
        made = recording(seconds, **change)
        self.instrument = instrument_of(made.meta)
        window, scale = window_for(made.events), scale_of(made.meta)
        self.accounts = {}
        for name in accounts:
            balances = {"PLAY": units(held), "USDT": units(held) * 100, "BNB": units("1")}
            paid = Fees(*fees, fee_asset, 600 * 10**8)
            self.accounts[name] = Account(name, name, name, paid, balances)
        self.core = Core(
            House(
                self.instrument,
                self.accounts.values(),
                lambda: RecordedSide(made.events, NO_IDS, window, fill_model(model), scale),
            )
        )
        self.public = PublicMarket(made.events, window, self.instrument)
        self.now_ns = START + SECOND // 4
        self.names, self.told, self.ticket = {}, [], 0
        self.live(0)

    @property
    def house(self):
        """The accounts in their market."""
        return self.core.houses[0]

    def live(self, seconds):
        """Let time pass."""
        self.now_ns += round(seconds * SECOND)
        for _ in self.public.advance(self.now_ns):
            pass
        self.house.last_ticks = self.public.trades.last_ticks
        self.told += self.core.advance(self.now_ns, NO_DELAYS)

    def ask(self, who, command) -> Outcome:
        """Send a command now and return its answer."""
        self.ticket += 1
        account = self.accounts[who]
        self.core.receive(account, self.ticket, command, now_ns=self.now_ns, delays=NO_DELAYS)
        self.live(0)
        return next(each for each in self.told if each.ticket == self.ticket).told

    def do(self, who, words):
        """Carry out one request; return what it got, as the play writes it."""
        try:
            return self.answer(who, words.split())
        except Refusal as refusal:
            return str(refusal.code)

    def answer(self, who, words):
        """Carry out one request."""
        first, *rest = words
        account = self.accounts[who]
        known = self.house.instrument
        if first == "wait":
            self.live(float(rest[0]))
            return ""
        if first == "status":
            self.house.instrument = known.changed(status=rest[0])
            return ""
        if first == "filter":
            pairs = (each.split("=") for each in rest)
            change = {name: units(value) for name, value in pairs}
            self.house.instrument = known.changed(**change)
            return ""
        if first == "free":
            return text(account.free(rest[0], known)).rstrip("0").rstrip(".")
        if first == "is":
            order = account.orders[self.names[rest[0]]]
            return f"{order.status} {known.quantity(order.executed)[:-6]}"
        return self.told_as(self.ask(who, self.command(first, rest)))

    def command(self, first, rest):
        """The command of a request."""
        if first == "cancel" and rest == ["all"]:
            return read_cancel_all({"symbol": SYMBOL}, {SYMBOL}, "c")
        if first == "cancel":
            return read_cancel(self.one(rest), {SYMBOL}, "c")
        if first == "amend":
            return read_amend(self.one(rest) | {"newQty": rest[1]}, {SYMBOL}, "")
        if first == "replace":
            wanted = self.order(rest[1:]) | {"cancelOrigClientOrderId": rest[0][1:]}
            mode = {"cancelReplaceMode": "STOP_ON_FAILURE"}
            return read_cancel_replace(mode | wanted, {SYMBOL}, "c")
        return read_place(self.order([first, *rest]), {SYMBOL}, f"made-{self.ticket}")

    def one(self, rest):
        """The parameters that name an order."""
        return {"symbol": SYMBOL, "origClientOrderId": rest[0][1:]}

    def order(self, words):
        """The parameters of a new order."""
        found = {"symbol": SYMBOL, "side": words[0]}
        rest = iter(words[1:])
        for word in rest:
            if word == "@":
                found["price"] = next(rest)
            elif word == "quote":
                found["quoteOrderQty"] = next(rest)
            elif word.startswith("#"):
                found["newClientOrderId"] = word[1:]
            elif "=" in word:
                name, value = word.split("=")
                found[name] = value
            elif word in {"GTC", "IOC", "FOK", "GTX"}:
                found["timeInForce"] = word
            elif word[0].isdigit() or word[0] == "-":
                found["quantity"] = word
            else:
                found["type"] = word
        found.setdefault("newOrderRespType", "FULL")
        return found

    def told_as(self, told):
        """An answer as the play writes it."""
        if isinstance(told, Refusal):
            return str(told.code)
        if isinstance(told, list):
            return f"{len(told)} CANCELED"
        if "cancelResult" in told:
            told = told["newOrderResponse"]
        if "amendedOrder" in told:
            return f"{told['amendedOrder']['status']} {told['amendedOrder']['qty'][:-6]}"
        self.names[f"#{told.get('origClientOrderId', told['clientOrderId'])}"] = told["orderId"]
        fills = ", ".join(f"{f['qty'][:-6]} @ {f['price'][:-6]}" for f in told.get("fills", ()))
        return f"{told['status']} {fills}".strip()


def play(script, **told):
    """Act a play and compare every row with what it expects; return the stage."""
    stage = Stage(**told)
    for line in script.strip().splitlines():
        who, request, expected = (part.strip() for part in line.split("|"))
        got = stage.do(who, request)
        assert got == expected, f"{line.strip()}: got {got!r}"
    return stage
