"""What must hold between a trader's journal and its exchange, whatever broke in between.

Numbers are those of the project's invariants: 1 fills and fundings, 2 balances, 3 intents, 4 one
order each, 5 the graph of states, 18 nothing sent blindly, 21 own orders never meet.
"""

from exchange.recording import units
from market.layout import (
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_REFUSED,
    REPORT_REJECTED,
    REPORT_TRADE_ID,
)

OPEN = ("NEW", "PARTIALLY_FILLED")
LATE = REPORT_CANCEL_REJECTED


async def books_of(trader):
    """Return what the exchange says of a trader's account."""
    async with trader.ground.client(trader.stage) as client:
        await client.set_clock()
        return await trader.ground.books(client)


async def funded(trader):
    """Wait until every funding that there is by now was booked, one at least; whether it was."""
    if not trader.ground.funds:
        return True
    await trader.until(lambda: trader.numbers(REPORT_FUNDING))
    books = await books_of(trader)
    wanted = {number for number, at_ns, _ in books.fundings if at_ns >= trader.since_ns}
    return await trader.until(lambda: wanted <= trader.numbers(REPORT_FUNDING)) and bool(wanted)


async def violations(trader):
    """Return what does not hold; the trader has ended, so that nothing of it moves."""
    books = await books_of(trader)
    prefix = f"cp-{trader.token}-"
    ours = [row for row in books.orders if row["clientOrderId"].startswith(prefix)]
    numbers = {row["orderId"]: int(row["clientOrderId"][len(prefix) :]) for row in ours}
    mine = [row for row in books.trades if row["orderId"] in numbers]
    found = [*of_trades(trader, mine), *of_balances(trader, books)]
    found += [f"3: {number} has no intent" for number in numbers.values()
              if number not in trader.intents]  # fmt: skip
    found += [f"3: {row['clientOrderId']} is open" for row in ours if row["status"] in OPEN]
    if len(set(numbers.values())) != len(numbers):
        found.append("4: an intent made two orders")
    found += [f"5: {row['clientOrderId']} executed too much" for row in ours
              if units(row["executedQty"]) > units(row["origQty"])]  # fmt: skip
    found += [f"5: {order_id} was told as {kinds}" for order_id in trader.intents
              if not in_order(kinds := trader.desk.kinds(order_id))]  # fmt: skip
    found += [f"4: {order_id} was told as refused, and was taken" for order_id in numbers.values()
              if {REPORT_REFUSED, REPORT_REJECTED} & set(trader.desk.kinds(order_id))]  # fmt: skip
    found += [f"18: {order_id} went out while nothing may" for order_id in numbers.values()
              if order_id in trader.intents and trader.intents[order_id].barred]  # fmt: skip
    foreign = [row["status"] for row in books.orders if row["clientOrderId"] == "foreign"]
    if foreign != ["NEW"]:
        found.append(f"3: the order of another is {foreign}")
    return found


def of_trades(trader, mine):
    """Return what is wrong with the fills that were taken, and with whom they met."""
    found = []
    taken = sorted(int(row[REPORT_TRADE_ID]) for row in trader.rows(REPORT_FILL))
    if taken != sorted(row["id"] for row in mine):
        found.append(f"1: took {len(taken)} fills, the exchange has {len(mine)}")
    sides = {(row["time"], row["price"], row["isBuyer"]) for row in mine}
    return found + [
        "21: own orders met" for at, price, buys in sides if (at, price, not buys) in sides
    ]


def of_balances(trader, books):
    """Return what is wrong with the ledger and its fundings; the newest may be unknown as yet."""
    found = []
    booked = [int(row[REPORT_TRADE_ID]) for row in trader.rows(REPORT_FUNDING)]
    if len(set(booked)) != len(booked):
        found.append("1: a funding was booked twice")
    owed = {number: amount for number, at_ns, amount in books.fundings
            if at_ns >= (trader.since_ns or 0)}  # fmt: skip
    if set(booked) - set(owed):
        found.append("1: a funding was booked that there is not")
    late = [number for number in owed if number not in booked]
    if late and booked and min(late) < max(booked):
        found.append("1: a funding was passed over")
    quote, base = (int(each) for each in trader.desk.account.ledger[:2])
    beyond = trader.others[0] + sum(owed[number] for number in late), trader.others[1]
    if (books.held[0] - beyond[0], books.held[1] - beyond[1]) != (quote, base):
        found.append(f"2: the ledger has {quote} {base}, the exchange {books.held} with {beyond}")
    return found


def in_order(kinds):
    """Return whether an order was told of from acceptance over fills to at most one end."""
    ends = [kind for kind in kinds if kind not in (REPORT_ACCEPTED, REPORT_FILL, LATE)]
    told = [kind for kind in kinds if kind != LATE]
    if not told or len(ends) > 1 or (ends and told[-1] != ends[0]):
        return False
    if REPORT_FILL in told or REPORT_CANCELLED in told:
        return told[0] == REPORT_ACCEPTED and told.count(REPORT_ACCEPTED) == 1
    return True
