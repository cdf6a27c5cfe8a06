"""The observer again, slow and plain: the whole history is kept and summed anew each time."""

import math
from dataclasses import dataclass, field

import numpy as np

from market import calibration, layout


def decayed(values, keep):
    """Return the sum of the values, each worth `keep` of the one after it."""
    return math.fsum(value * keep ** (len(values) - 1 - at) for at, value in enumerate(values))


@dataclass
class Observer:
    """A market watched from its first event."""

    settings: dict  # the keyword arguments of `observer_settings`
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    mids: list = field(default_factory=list)  # of each step, None when the book is unsound
    imbalances: list = field(default_factory=list)
    traded: list = field(default_factory=list)
    arrivals: list = field(default_factory=list)  # (step, side of the aggressor, depth)
    edges: list = field(default_factory=list)  # steps at which a plan was made
    squares: list = field(default_factory=list)
    products: list = field(default_factory=list)
    last: int = 0
    read: int = 0
    mid: float = 0.0
    fit: tuple = (0.0, 0.0, 0.0, 0.0)
    plan: tuple = (0.0, 0.0, 0.0)
    view: dict = field(default_factory=dict)

    def take(self, events, now_ns):
        """Read the events seen locally by `now_ns`."""
        step, lots, groups = len(self.mids), 0, {}
        for at, row in enumerate(events[self.read :].tolist(), start=self.read):
            if not row[layout.EVENT_SEEN] & layout.SEEN_LOCAL:
                continue
            if row[layout.EVENT_LOCAL_NS] > now_ns:
                break
            self.read = at + 1
            side, price, size = (
                row[layout.EVENT_SIDE], row[layout.EVENT_PRICE_TICKS], row[layout.EVENT_LOTS],
            )  # fmt: skip
            if row[layout.EVENT_KIND] == layout.KIND_TRADE:
                self.last, lots = price, lots + size
                if self.mid and side:
                    key = (side, row[layout.EVENT_EXCH_NS])
                    depth = side * (price - self.mid) / self.mid
                    groups[key] = max(depth, groups.get(key, -math.inf))
                continue
            book = self.bids if side == layout.BUY else self.asks
            book.pop(price, None)
            if size:
                book[price] = size
        self.arrivals += [(step, side, depth) for (side, _), depth in groups.items()]
        self.traded.append(lots)

    def look(self, events, now_ns):
        """Return (bid, ask, view, plan) of the step that ends now; the view is by name."""
        told, step = self.settings, len(self.mids)
        interval, cycle = told["interval_s"], told["cycle_s"]
        ring = round(cycle / interval)
        self.take(events, now_ns)
        bid, ask = max(self.bids, default=None), min(self.asks, default=None)
        sound = bid is not None and ask is not None and bid < ask
        self.mids.append((bid + ask) / 2 if sound else None)
        self.imbalances.append(None)
        if sound:
            best, other = self.bids[bid], self.asks[ask]
            self.imbalances[-1] = (best - other) / (best + other)
            self.mid = self.mids[-1]
            self.moves(step, ring, interval)
            self.averages()
        keep = math.exp(-interval / told["flow_memory_s"])
        self.view["flow"] = decayed(self.traded, keep) / decayed([interval] * (step + 1), keep)
        if now_ns % round(cycle * 1e9) == 0 and self.mid:
            self.calibrate(step)
        ready = sound and bool(self.edges) and step + 1 > math.ceil(told["warmup_s"] / interval)
        return bid, ask, {**self.view, "ready": float(ready)}, self.plan

    def moves(self, step, ring, interval):
        """Note what one cycle's move adds to volatility and drift."""
        past = self.mids[step - ring] if step >= ring else None
        self.view["return"] = 0.0
        if past is not None:
            move = self.mid - past
            self.view["return"] = move
            self.squares.append(move**2 / (ring * interval))
            imbalance = self.imbalances[step - ring]
            self.products.append((imbalance**2, imbalance * move))
        elif 0 < step < ring and self.mids[0] is not None:
            self.squares.append((self.mid - self.mids[0]) ** 2 / (step * interval))

    def averages(self):
        """Write the averages, volatilities and the drift."""
        told = self.settings
        interval = told["interval_s"]

        def mean(values, memory_s):
            keep = math.exp(-interval / memory_s)
            return decayed(values, keep) / decayed([1.0] * len(values), keep)

        sound = [mid for mid in self.mids if mid is not None]
        least = told["sigma_min"] * self.mid
        sigma = reference = 0.0
        if self.squares:
            sigma = math.sqrt(mean(self.squares, told["sigma_memory_s"]))
            reference = math.sqrt(mean(self.squares, told["reference_memory_s"]))
        sigma = max(least, sigma)
        keep = math.exp(-interval / told["drift_memory_s"])
        ridge = told["drift_ridge"] * told["cycle_s"] / interval
        slope = decayed([y for _, y in self.products], keep)
        slope /= decayed([x for x, _ in self.products], keep) + ridge
        bound = sigma * math.sqrt(told["cycle_s"])
        self.view |= {
            "mid": self.mid,
            "average": mean(sound, told["mid_memory_s"]),
            "sigma": sigma,
            "reference": max(least, reference),
            "imbalance": self.imbalances[-1],
            "drift": min(bound, max(-bound, slope * self.imbalances[-1])),
        }

    def calibrate(self, step):
        """Fit the fills of both sides and plan."""
        told = self.settings
        keep = math.exp(-told["cycle_s"] / told["fill_memory_s"])
        seconds = math.fsum(
            told["interval_s"] * keep ** sum(at <= edge for edge in self.edges)
            for at in range(step + 1)
        )
        fits = []
        for side in (layout.SELL, layout.BUY):
            counts = np.zeros(calibration.BINS)
            edges = np.concatenate(([0.0], np.geomspace(2.5e-5, 6.4e-3, calibration.BINS - 1)))
            for at, aggressor, depth in self.arrivals:
                if aggressor == side:
                    where = max(0, int(np.searchsorted(edges, depth, side="right")) - 1)
                    counts[where] += keep ** sum(at <= edge for edge in self.edges)
            fits += fitted(counts, edges * self.mid, seconds, told, self.mid)
        self.edges.append(step)
        self.view |= dict(zip(("a_bid", "k_bid", "a_ask", "k_ask"), fits, strict=True))
        self.plan = planned(self.view, told)


def fitted(counts, depths, seconds, told, mid):
    """Return [A, k] by numpy's weighted straight line through the logarithms."""
    prior = 1.0 / (told["prior_depth"] * mid)
    above = np.cumsum(counts[::-1])[::-1]
    arrivals = above + told["prior_arrivals"] * np.exp(-prior * depths)
    used = (above >= calibration.SUPPORT) | (arrivals >= 0.05 * told["prior_arrivals"])
    used[0] = False
    x, weight = depths[used], arrivals[used]
    y = np.log(weight / (seconds + told["prior_seconds"]))
    decay = -np.polyfit(x, y, 1, w=np.sqrt(weight))[0]
    decay = min(30 * prior, max(prior / 30, decay))
    return [math.exp(np.average(y + decay * x, weights=weight)), decay]


def planned(view, told):
    """Return (bid, ask, slope) by the closed form of the paper, in its own letters."""
    fee, ratio = told["maker_fee"] * view["mid"], told["risk_aversion"]
    depths, skews = [], []
    for a, k in ((view["a_bid"], view["k_bid"]), (view["a_ask"], view["k_ask"])):
        a *= math.exp(-min(2.0, max(-2.0, k * fee)))  # noqa: PLW2901 - thinned by the fee
        g = ratio * k
        skew = math.sqrt(view["sigma"] ** 2 * g / (2 * k * a) * (1 + g / k) ** (1 + k / g))
        depths.append(max(fee + 0.5, fee + math.log(1 + g / k) / g + skew / 2))
        skews.append(skew)
    shift = told["drift_share"] * view["drift"]
    slope = math.sqrt(skews[0] * skews[1]) * told["orders_per_position"]
    return depths[0] - shift, depths[1] + shift, slope
