"""Every figure of a report once more, in plain Python, from the rows of the store alone.

It shares no line with the desk or the market: fractions in place of units, loops in place of
arrays.
"""

import math
from bisect import bisect_right
from collections import deque
from fractions import Fraction
from itertools import pairwise

import sqlalchemy as sa

from desk import schema

UNIT = 10**8
SECOND = 10**9
YEAR_S = 365 * 86_400


def rows(store, table, *order):
    """The rows of a table as maps."""
    with store.reading() as connection:
        query = sa.select(table).order_by(*(table.c[each] for each in order))
        return [dict(each) for each in connection.execute(query).mappings()]


class Twin:
    """All figures of one executor's whole run."""

    def __init__(self, store):
        self.opening = store.runs()[0]["opening"]
        self.opened = store.runs()[0]["opened_ns"]
        self.cycles = rows(store, schema.CYCLES, "time_ns")
        until = self.cycles[-1]["time_ns"]
        self.fills = [
            {**each, "sign": 1 if each["side"] == "buy" else -1}
            for each in rows(store, schema.FILLS, "time_ns", "trade_id")
            if each["time_ns"] <= until
        ]
        self.orders = [e for e in rows(store, schema.ORDERS, "order_id") if e["time_ns"] <= until]
        self.outcomes = [
            each for each in rows(store, schema.OUTCOMES, "seq", "place")
            if each["time_ns"] <= until
        ]  # fmt: skip
        self.capital = float(self.opening["capital"])
        start = self.cycles[0]
        self.marks = [(self.opened, start["opening"], start["net"] - start["funding"], 0)]
        self.marks += [(e["time_ns"], e["equity"], e["net"], e["position"]) for e in self.cycles]
        self.span_s = (until - self.opened) / SECOND
        self.trips = self.matched()

    def matched(self):
        """Round trips of the fills, first in, first out: open and close, size, prices, profit."""
        lots, trips = deque(), []
        for each in self.fills:
            left = each["quantity"]
            while left and lots and lots[0]["sign"] != each["sign"]:
                lot = lots[0]
                part = min(left, lot["left"])
                gross = lot["sign"] * Fraction(part * (each["price"] - lot["price"]), UNIT)
                fees = Fraction(part * each["fee"], each["quantity"])
                fees += Fraction(part * lot["fee"], lot["quantity"])
                cost = Fraction(part * lot["price"], UNIT)
                held = (each["exchange_ns"] - lot["exchange_ns"]) / SECOND
                trips.append((gross - fees, cost, held))
                left -= part
                lot["left"] -= part
                if not lot["left"]:
                    lots.popleft()
            if left:
                lots.append({**each, "left": left})
        self.lots = lots
        return trips

    def figures(self):
        """All by name."""
        found = {**self.order_figures(), **self.trip_figures(), **self.inventory()}
        for prefix, column in (("", 1), ("net_", 2)):
            found |= {prefix + name: each for name, each in self.curve(column).items()}
        traded = float(sum(Fraction(e["price"] * e["quantity"], UNIT) for e in self.fills)) / UNIT
        found["traded_quote"] = traded
        found["turnover_per_day"] = traded / self.capital * 86_400 / self.span_s
        return {**found, **self.markouts()}

    def order_figures(self):
        """Orders and how long they stood, second by second."""
        accepted = sum(each["outcome"] == "accepted" for each in self.outcomes)
        filled = len({each["order_id"] for each in self.fills})
        sent = len(self.orders)
        shares = self.stood()
        times = [each["time_ns"] for each in self.cycles]
        assert len({b - a for a, b in pairwise(times)}) == 1, "a day without a gap"
        return {
            "orders_placed": sent,
            "orders_accepted": accepted,
            "orders_refused": 0,
            "success_rate": accepted / sent,
            "fill_rate": filled / accepted,
            "fills": len(self.fills),
            "quote_to_trade": sent / len(self.fills),
            "two_sided_uptime": shares[2] / self.span_s,
            "quoted_uptime": (shares[1] + shares[2]) / self.span_s,
            "uptime": 1.0,
        }

    def stood(self):
        """Seconds with orders on no, one and two sides, step by step of whole seconds."""
        until = self.cycles[-1]["time_ns"]
        left = {each["order_id"]: each["quantity"] for each in self.orders}
        gone = dict.fromkeys(left, until)
        for each in self.fills:
            left[each["order_id"]] -= each["quantity"]
            if left[each["order_id"]] == 0:
                gone[each["order_id"]] = each["time_ns"]
        for each in self.outcomes:
            if each["outcome"] in ("cancelled", "rejected", "refused"):
                gone[each["order_id"]] = min(gone[each["order_id"]], each["time_ns"])
        events = []
        for each in self.orders:
            events.append((each["time_ns"], each["side"], 1))
            events.append((gone[each["order_id"]], each["side"], -1))
        shares, standing, last = [0.0, 0.0, 0.0], {"buy": 0, "sell": 0}, self.opened
        for at, side, change in [*sorted(events, key=lambda e: e[0]), (until, "buy", 0)]:
            shares[sum(count > 0 for count in standing.values())] += (at - last) / SECOND
            standing[side] += change
            last = at
        return shares

    def trip_figures(self):
        """SQN and its like."""
        profits = [float(profit) for profit, _, _ in self.trips]
        risk = float(self.opening["limits"]["stop_loss_threshold"])
        multiples = [float(profit) / (risk * float(cost)) for profit, cost, _ in self.trips]
        ratio = mean(multiples) / deviation(multiples) if len(multiples) >= 30 else None
        losses = -sum(each for each in profits if each < 0)
        return {
            "sqn": None if ratio is None else math.sqrt(len(profits)) * ratio,
            "sqn100": None if ratio is None else math.sqrt(min(100, len(profits))) * ratio,
            "win_rate": sum(each > 0 for each in profits) / len(profits),
            "profit_factor": sum(each for each in profits if each > 0) / losses,
            "expectancy": mean(profits) / UNIT,
            "average_trade_duration_s": mean([held for _, _, held in self.trips]),
        }

    def curve(self, column):
        """Returns, ratios and drawdown of equity (1) or of what was earned net of holding (2)."""
        base = 0.0 if column == 1 else self.capital - self.marks[0][2] / UNIT
        curve = [(each[0], each[column] / UNIT + base) for each in self.marks]
        edge = -(-curve[0][0] // (600 * SECOND)) * 600 * SECOND
        sampled = []
        while edge <= curve[-1][0]:
            sampled.append([value for at, value in curve if at <= edge][-1])
            edge += 600 * SECOND
        returns = [(b - a) / self.capital for a, b in pairwise(sampled)]
        whole = (curve[-1][1] - curve[0][1]) / self.capital
        peak, peak_ns, deepest, longest, fell = curve[0][1], curve[0][0], 0.0, 0, False
        for at, value in curve:
            if value < peak or fell:
                longest = max(longest, at - peak_ns)
            fell = value < peak
            if fell:
                deepest = max(deepest, (peak - value) / peak)
            else:
                peak, peak_ns = value, at
        factor = math.sqrt(YEAR_S / 600)
        enough = len(returns) >= 20
        downside = math.sqrt(mean([min(each, 0.0) ** 2 for each in returns]))
        return {
            "return": whole,
            "volatility": deviation(returns) * factor,
            "sharpe": mean(returns) / deviation(returns) * factor if enough else None,
            "sharpe_lo": self.lo(returns) if enough else None,
            "sortino": mean(returns) / downside * factor if enough and downside else None,
            "calmar": whole * YEAR_S / self.span_s / deepest if enough and deepest else None,
            "max_drawdown": deepest,
            "drawdown_length_s": longest / SECOND,
        }

    @staticmethod
    def lo(returns):
        """Lo's annualised Sharpe ratio, as the paper writes it, unknown correlations zero."""
        count, middle = len(returns), mean(returns)
        periods = YEAR_S / 600
        lags = int(4 * (count / 100) ** (2 / 9))
        bottom = sum((each - middle) ** 2 for each in returns)
        under = periods
        for lag in range(1, lags + 1):
            pairs = zip(returns[lag:], returns, strict=False)
            top = sum((late - middle) * (early - middle) for late, early in pairs)
            under += 2 * (periods - lag) * top / bottom
        return middle / deviation(returns) * periods / math.sqrt(under) if under > 0 else None

    def markouts(self):
        """Each fill against the last mid that anybody wrote down by the horizon."""
        known = [(self.opened, 1, self.cycles[0]["mark"])]
        known += [(each["time_ns"], 0, each["mark"]) for each in self.fills]
        known = sorted(known + [(each["time_ns"], 1, each["mark"]) for each in self.cycles])
        times = [at for at, _, _ in known]
        found = {}
        for horizon in (0, 30, 60, 300, 900):
            moves = []
            for each in self.fills:
                end = each["time_ns"] + horizon * SECOND
                if end <= known[-1][0]:
                    then = known[bisect_right(times, end) - 1][2]
                    now = known[bisect_right(times, each["time_ns"]) - 1][2]
                    moves.append(each["sign"] * (then - each["price"]) / now)
            found[f"markout_{horizon}s_bps"] = mean(moves) * 1e4 if moves else None
        return found

    def inventory(self):
        """Shares of the largest position allowed."""
        most = self.opening["parameters"]["max_position"]
        lot = Fraction(self.opening["lot"])
        limit = int(Fraction(str(most)) / lot)
        shares = [each["position"] / UNIT / float(lot) / limit for each in self.cycles]
        sizes = sorted(abs(each) for each in shares)
        place = 0.95 * (len(sizes) - 1)
        low = math.floor(place)
        high = min(low + 1, len(sizes) - 1)
        return {
            "inventory_mean": mean(shares),
            "inventory_mean_size": mean(sizes),
            "inventory_p95_size": sizes[low] + (place - low) * (sizes[high] - sizes[low]),
            "inventory_time_at_limit": mean([each >= 1 - 1e-12 for each in sizes]),
        }


def mean(values):
    """The arithmetic mean."""
    return sum(values) / len(values)


def deviation(values):
    """The standard deviation of a sample."""
    middle = mean(values)
    return math.sqrt(sum((each - middle) ** 2 for each in values) / (len(values) - 1))
