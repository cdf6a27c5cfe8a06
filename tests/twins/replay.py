"""The order of one guard step again, in plain Python: one kernel call after the other."""

from math import ceil, floor

import numpy as np

from market import fills, funding, guard, ledger, own, policy
from market import layout as lay
from market.account import open_account, open_exchange
from market.book import new_book
from market.breach import APPROVED, LIMIT_LOSS_CLOSES, check_order, take_rate
from market.carry import carry_lots
from market.fills import METER_READ, METER_WRITTEN
from market.states import evaluate
from market.tape import NO_IDS


class Candidate:
    """One account on one tape, from its opening balances."""

    def __init__(self, tape, parameters, setup, first_step):
        self.tape, self.parameters, self.setup = tape, np.asarray(parameters), setup
        self.account = open_account(setup, trips=10_000)
        self.exchange = open_exchange(*new_book(tape.base, tape.width))
        if first_step:
            self.advance(first_step - 1)
        self.placed, self.filled, self.excess = [], [], None

    def advance(self, index):
        """Let the exchange live through a step."""
        tape, setup = self.tape, self.setup
        now, delays = int(tape.steps[index, lay.STEP_NOW_NS]), tape.stream.delays[index]
        fills.advance(tape.events, NO_IDS, self.exchange, setup.model, setup.scale, delays, now)

    @property
    def lots(self):
        """The position."""
        return ledger.position_lots(self.account.ledger, self.setup.scale)

    def free(self):
        """Free quote and base units."""
        books, mine = self.account.ledger, (self.account.own, self.account.own_meter)
        return (
            own.free_quote(*mine, books[lay.LEDGER_QUOTE], self.setup.scale),
            own.free_base(*mine, books[lay.LEDGER_BASE], self.setup.scale),
        )

    def touch(self):
        """Our best bid and ask."""
        rows = self.account.own[: self.account.own_meter[own.OWN_METER_COUNT]]
        bid, ask = (
            rows[rows[:, lay.OWN_SIDE] == side, lay.OWN_PRICE_TICKS] for side in (lay.BUY, lay.SELL)
        )
        return (
            int(bid.max()) if len(bid) else lay.NO_BID,
            int(ask.min()) if len(ask) else lay.NO_ASK,
        )

    def worth(self):
        """Equity over the target's worth."""
        books = self.account.ledger
        held = ledger.value(books[lay.LEDGER_TARGET], books[lay.LEDGER_MARK], self.setup.scale)
        return int(books[lay.LEDGER_EQUITY]) - held

    def step(self, index):
        """Live through one step, in the contract's order."""
        row, view, plan = (
            rows[index] for rows in (self.tape.steps, self.tape.views, self.tape.plans)
        )
        now = int(row[lay.STEP_NOW_NS])
        ex, acc, setup = self.exchange, self.account, self.setup
        self.advance(index)
        bid, ask = int(row[lay.STEP_BID]), int(row[lay.STEP_ASK])
        half = bid + ask if lay.NO_BID < bid < ask < lay.NO_ASK else 0
        mark = half or int(acc.ledger[lay.LEDGER_MARK])
        funding.charge(
            ex.reports, ex.meter, setup.funding, self.lots, ex.meter[METER_READ], mark, now,
            self.tape.stream.delays[index], setup.scale,
        )  # fmt: skip
        while ex.meter[METER_READ] < ex.meter[METER_WRITTEN]:
            report = ex.reports[ex.meter[METER_READ] % len(ex.reports)]
            if report[lay.REPORT_VISIBLE_NS] > now:
                break
            ex.meter[METER_READ] += 1
            self.hear(report.copy())
        if half:
            ledger.mark(acc.ledger, half, now, setup.scale)
            reference = view[lay.VIEW_SIGMA_REFERENCE]
            ratio = view[lay.VIEW_SIGMA] / reference if reference > 0 else 0.0
            evaluate(
                acc.ledger, self.lots, half, ratio, row[lay.STEP_HEARD_NS], self.kept(bid, ask),
                setup.limits, acc.risk, setup.scale, now,
            )  # fmt: skip
        state = int(acc.risk[0])
        if now % int(setup.cycle[0]) == 0:
            self.decide(row, view, plan, half, state)
        count = guard.guard(
            row, view, acc.ladder, acc.own, acc.own_meter, self.lots, *self.free(), state,
            setup.scale, setup.guarding, acc.guard_state, acc.actions,
        )  # fmt: skip
        for action in acc.actions[:count].copy():
            self.act(action, row, half, self.tape.stream.delays[index])

    def kept(self, bid, ask):
        """What closing may cost, quote units: the order's own price against mid, and its fee."""
        lots, scale = self.lots, self.setup.scale
        if not self.setup.limits[LIMIT_LOSS_CLOSES] or not lots:
            return 0.0
        share = self.setup.guarding[guard.GUARD_FLATTEN_SHARE]
        price = max(1, floor(bid * (1 - share))) if lots > 0 else ceil(ask * (1 + share))
        fee = max(0.0, scale[lay.SCALE_TAKER_FEE] / lay.UNITS) * price
        return abs(lots) * scale[lay.SCALE_TICK_LOT] * (abs(0.5 * (bid + ask) - price) + fee)

    def hear(self, report):
        """A report has become visible."""
        acc = self.account
        if report[lay.REPORT_KIND] == lay.REPORT_FUNDING:
            funding.book(report[lay.REPORT_LOTS], acc.ledger, acc.lots, acc.lots_meter)
            return
        own.apply_report(acc.own, acc.own_meter, report)
        if report[lay.REPORT_KIND] == lay.REPORT_FILL:
            at = int(acc.ledger[lay.LEDGER_MARK])
            ledger.fill(
                acc.ledger,
                acc.lots,
                acc.lots_meter,
                acc.trips,
                report,
                self.setup.scale,
                at,
                self.setup.tiers,
            )
            self.filled.append(tuple(int(cell) for cell in report))

    def decide(self, row, view, plan, half, state):
        """A cycle edge: Kelly hears of the cycle that ends, then the ladder is made."""
        acc, setup = self.account, self.setup
        if acc.ledger[lay.LEDGER_MARK]:
            if self.excess is not None:
                profit = (self.worth() - self.excess) / lay.UNITS
                policy.observe_profit(profit, setup.policy, acc.kelly)
            self.excess = self.worth()
        cap = carry_lots(half, view, setup.limits, setup.scale, acc.risk)
        policy.decide(
            row, view, plan, self.lots, int(acc.ledger[lay.LEDGER_QUOTE]),
            int(acc.ledger[lay.LEDGER_BASE]), cap, self.parameters, setup.scale, setup.policy,
            acc.kelly, state, acc.proposal, acc.guard_state, acc.ladder,
        )  # fmt: skip

    def act(self, action, row, half, delays):
        """Cancel, or ask the limits and place."""
        acc, ex, setup = self.account, self.exchange, self.setup
        now = int(row[lay.STEP_NOW_NS])
        kind, order_id, side, price, lots, level, taker = (int(cell) for cell in action)
        if kind == lay.ACTION_CANCEL:
            own.mark_cancelling(acc.own, acc.own_meter, order_id)
            fills.cancel(ex.orders, ex.cancels, ex.meter, order_id, now, delays)
            self.placed.append((now, kind, order_id, APPROVED))
            return
        code = check_order(
            side, price, lots, self.lots, own.open_lots(acc.own, acc.own_meter, side),
            (now, half, int(row[lay.STEP_LAST]), int(row[lay.STEP_HEARD_NS])),
            self.touch(), *self.free(), int(acc.own_meter[own.OWN_METER_COUNT]), taker,
            setup.limits, acc.risk, setup.scale,
        )  # fmt: skip
        order_id = 0
        if code == APPROVED:
            take_rate(now, setup.limits, acc.risk)
            order_id = own.insert_own(acc.own, acc.own_meter, side, price, lots, level, now)
            fills.submit(
                ex.orders, ex.arrivals, ex.meter, order_id, side, price, lots, taker, now,
                delays, 0,
            )  # fmt: skip
        self.placed.append((now, kind, order_id, code))
