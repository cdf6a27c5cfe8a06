"""What is seen of the market: against a slow twin, causal, and by hand."""

import numpy as np
import pytest

from market import features
from market.calibration import BINS, CELL_ROWS, MEMORY_CURSOR
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    KIND_DEPTH,
    KIND_TRADE,
    LEDGER_COLUMNS,
    LEDGER_EQUITY,
    LEDGER_OPENING,
    NO_ASK,
    NO_BID,
    PLAN_COLUMNS,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_COLUMNS,
    STEP_CURSOR,
    STEP_LAST,
    TOUCH_COLUMNS,
    VIEW_COLUMNS,
    VIEW_DECAY_ASK,
    VIEW_DECAY_BID,
    VIEW_DRIFT,
    VIEW_FLOW,
    VIEW_IMBALANCE,
    VIEW_INTENSITY_ASK,
    VIEW_INTENSITY_BID,
    VIEW_MID,
    VIEW_MID_AVERAGE,
    VIEW_READY,
    VIEW_RETURN,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from tests.twins import features as twin

SECOND = 1_000_000_000
START = 1_700_000_400 * SECOND
BASE, WIDTH = 9_000, 2_000
NAMES = {
    "mid": VIEW_MID, "average": VIEW_MID_AVERAGE, "return": VIEW_RETURN, "sigma": VIEW_SIGMA,
    "reference": VIEW_SIGMA_REFERENCE, "imbalance": VIEW_IMBALANCE, "drift": VIEW_DRIFT,
    "a_bid": VIEW_INTENSITY_BID, "k_bid": VIEW_DECAY_BID, "a_ask": VIEW_INTENSITY_ASK,
    "k_ask": VIEW_DECAY_ASK, "flow": VIEW_FLOW, "ready": VIEW_READY,
}  # fmt: skip
TOLD = {
    "interval_s": 1.0, "cycle_s": 10.0, "maker_fee": 0.0002, "risk_aversion": 0.2,
    "orders_per_position": 8.0, "drift_share": 0.7, "warmup_s": 25.0, "mid_memory_s": 60.0,
    "sigma_memory_s": 40.0, "reference_memory_s": 200.0, "flow_memory_s": 50.0,
    "drift_memory_s": 80.0, "fill_memory_s": 90.0, "prior_depth": 5e-4, "prior_seconds": 20.0,
    "prior_arrivals": 1.0, "drift_ridge": 3.0, "sigma_min": 1e-7,
}  # fmt: skip


def event(at_s, kind, side, price, lots, *, seen=SEEN_EXCHANGE | SEEN_LOCAL, late_ms=3):
    exchange = START + round(at_s * 1000) * 1_000_000
    return [kind, side, seen, exchange, exchange + late_ms * 1_000_000, price, lots]


def table(*rows):
    return np.array(rows, dtype=np.int64).reshape(-1, EVENT_COLUMNS)


def market(seed, seconds=200):
    """A wandering two-level book, prints around it, and now and then an empty side."""
    generator, rows, mid = np.random.default_rng(seed), [], 10_000
    old = {BUY: [], SELL: []}
    for second in range(seconds):
        base = second + 0.1
        mid += int(generator.integers(-2, 3))
        for side in (BUY, SELL):
            rows += [event(base, KIND_DEPTH, side, price, 0) for price in old[side]]
            near = mid - side * int(generator.integers(1, 5))
            old[side] = [near, near - side * 3]
            if second % 37 == 20 and side == BUY:
                old[side] = []
            for price in old[side]:
                lots = int(generator.integers(1, 60))
                rows.append(event(base + 0.05, KIND_DEPTH, side, price, lots))
        for at in sorted(generator.uniform(0.2, 0.9, generator.integers(0, 4))):
            side = BUY if generator.random() < 0.5 else SELL
            for _ in range(generator.integers(1, 3)):
                price = mid + side * int(generator.exponential(6.0))
                rows.append(event(second + at, KIND_TRADE, side, price, 2))
        if second % 10 == 5:
            rows.append(event(second + 0.95, KIND_DEPTH, BUY, 9_990, 5, seen=SEEN_EXCHANGE))
    return table(*rows)


class Watch:
    """An observer with its arrays."""

    def __init__(self, **told):
        self.settings = features.observer_settings(**told)
        self.memory, self.cells = features.new_observer(self.settings)
        self.levels = np.zeros((2, WIDTH), dtype=np.int64)
        self.touch = np.zeros(TOUCH_COLUMNS, dtype=np.int64)
        self.touch[:3] = NO_BID, NO_ASK, BASE
        self.interval = told.get("interval_s", 1.0)
        self.steps = 0

    def look(self, events):
        """Observe one step and return copies of its three rows."""
        self.steps += 1
        step = np.zeros(STEP_COLUMNS, dtype=np.int64)
        view, plan = np.zeros(VIEW_COLUMNS), np.zeros(PLAN_COLUMNS)
        now = START + round(self.steps * self.interval * SECOND)
        features.observe(
            events, 0, self.levels, self.touch, self.memory, self.cells, now, self.settings, step,
            view, plan,
        )  # fmt: skip
        return step, view, plan


@pytest.mark.parametrize("seed", [1, 2])
def test_the_observer_agrees_with_its_twin(seed):
    """All rows of 200 steps, from the whole history summed anew."""
    events, watch, slow = market(seed), Watch(**TOLD), twin.Observer(TOLD)
    for index in range(200):
        step, view, plan = watch.look(events)
        now = START + (index + 1) * SECOND
        bid, ask, wanted, depths = slow.look(events, now)
        assert step[STEP_BID] == (NO_BID if bid is None else bid)
        assert step[STEP_ASK] == (NO_ASK if ask is None else ask)
        assert (step[STEP_CURSOR], step[STEP_LAST]) == (slow.read, slow.last)
        for name, value in wanted.items():
            assert view[NAMES[name]] == pytest.approx(value, rel=1e-7, abs=1e-9), (index, name)
        assert plan == pytest.approx(2 * depths, rel=1e-7)  # and in place of the other plan


def test_cutting_the_recording_leaves_every_row_before_the_cut():
    """Twenty cuts: the same bytes in all three rows."""
    events = market(5)
    whole = Watch(**TOLD)
    rows = [[row.tobytes() for row in whole.look(events)] for _ in range(200)]
    for cut in np.random.default_rng(0).integers(1, 200, 20):
        until = START + int(cut) * SECOND
        seen = events[events[:, 4] <= until]
        short = Watch(**TOLD)
        for index in range(int(cut)):
            assert [row.tobytes() for row in short.look(seen)] == rows[index]


def test_a_late_event_is_seen_when_it_arrives_and_not_when_it_happened():
    """Two clocks: the local one counts here."""
    events = table(
        event(0.5, KIND_DEPTH, BUY, 9_990, 5),
        event(0.5, KIND_DEPTH, SELL, 10_010, 5, late_ms=700),
    )
    watch = Watch()
    assert watch.look(events)[0][STEP_ASK] == NO_ASK
    step, view, _ = watch.look(events)
    assert step[STEP_ASK] == 10_010
    assert view[VIEW_MID] == 10_000.0


def test_an_event_for_the_exchange_alone_is_never_seen():
    """The cursor passes it with the next local event, the book does not know it."""
    events = table(
        event(0.1, KIND_DEPTH, BUY, 9_990, 5, seen=SEEN_EXCHANGE),
        event(0.2, KIND_DEPTH, BUY, 9_980, 5),
        event(0.3, KIND_DEPTH, BUY, 9_995, 5, seen=SEEN_EXCHANGE),
    )
    step, _, _ = Watch().look(events)
    assert (step[STEP_BID], step[STEP_CURSOR]) == (9_980, 2)


def quiet(seconds=100):
    return table(
        event(0.1, KIND_DEPTH, BUY, 9_990, 30),
        event(0.1, KIND_DEPTH, SELL, 10_010, 10),
        event(seconds, KIND_TRADE, BUY, 10_010, 4),
    )


def test_a_still_market_has_the_least_volatility_and_no_drift():
    """Mid 10000, imbalance (30 - 10) / 40, nothing moves."""
    watch = Watch(**TOLD)
    for _ in range(60):
        _, view, _ = watch.look(quiet())
    assert view[VIEW_MID] == 10_000.0
    assert view[VIEW_MID_AVERAGE] == pytest.approx(10_000.0)
    assert view[VIEW_SIGMA] == view[VIEW_SIGMA_REFERENCE] == pytest.approx(1e-3)
    assert view[VIEW_IMBALANCE] == 0.5
    assert view[VIEW_DRIFT] == view[VIEW_RETURN] == 0.0


def test_quoting_waits_for_the_warmup_and_the_first_plan():
    """25 seconds of warm-up: ready from the 26th step."""
    watch = Watch(**TOLD)
    ready = [watch.look(quiet())[1][VIEW_READY] for _ in range(40)]
    assert ready == [0.0] * 25 + [1.0] * 15


def test_prints_of_one_moment_are_one_arrival_as_deep_as_the_deepest():
    """A sweep through three prices counts once."""
    sweep = [event(1.5, KIND_TRADE, SELL, price, 1) for price in (9_990, 9_985, 9_980)]
    events = np.concatenate([quiet()[:2], table(*sweep)])
    watch = Watch(**TOLD)
    watch.look(events)
    watch.look(events)
    assert watch.cells[0].sum() == 1.0
    assert watch.cells[1].sum() == 0.0
    where = int(np.flatnonzero(watch.cells[0])[0])
    assert watch.cells[2, where] <= 0.002 < watch.cells[2, where + 1]
    assert watch.cells.shape == (CELL_ROWS, BINS)
    assert watch.memory[MEMORY_CURSOR] == 5


def test_imbalance_that_foretells_moves_becomes_drift():
    """The mid moves by the sign of the last cycle's imbalance: the slope has that sign."""
    rows, mid = [], 10_000
    signs = np.random.default_rng(4).choice([-1, 1], 60)
    for cycle, sign in enumerate(signs):
        at = cycle * 10 + 0.5
        for side in (BUY, SELL):
            lots = 30 if side == sign else 10
            rows.append(event(at, KIND_DEPTH, side, mid - side * 5, lots))
        mid += int(sign) * 4
        gone = mid - int(sign) * 4
        rows += [event(at + 9.2, KIND_DEPTH, side, gone - side * 5, 0) for side in (BUY, SELL)]
    events, watch = table(*rows), Watch(**{**TOLD, "drift_memory_s": 1e6})
    for _ in range(595):
        _, view, _ = watch.look(events)
    assert view[VIEW_DRIFT] * view[VIEW_IMBALANCE] > 0.0
    assert abs(view[VIEW_DRIFT]) > 1.0


def test_the_eight_numbers_are_dimensionless_and_clipped():
    """By hand, then with everything out of bounds."""
    view = np.zeros(VIEW_COLUMNS)
    columns = [VIEW_MID, VIEW_MID_AVERAGE, VIEW_RETURN, VIEW_SIGMA, VIEW_SIGMA_REFERENCE]
    view[columns] = 10_010.0, 10_000.0, -5.0, 2.0, 1.0
    view[VIEW_IMBALANCE] = 0.25
    ledger = np.zeros(LEDGER_COLUMNS, dtype=np.int64)
    ledger[[LEDGER_OPENING, LEDGER_EQUITY]] = 1_000, 1_040
    out = np.zeros(features.STATE_NUMBERS)
    features.state_vector(view, ledger, 0.5, 0.75, -1.5, 50, 25.0, out)
    sigma = 2.0 * 5.0
    wanted = [0.8, np.log(1.001) * 10_010 / sigma, -0.5, np.log(2.0), 0.25, 0.75, -1.5, 0.5]
    assert out == pytest.approx(wanted)
    ledger[LEDGER_EQUITY] = -(10**9)
    view[VIEW_RETURN] = 1e9
    features.state_vector(view, ledger, -9.0, 9.0, -9.0, 50, 25.0, out)
    assert list(out[[0, 2, 5, 6, 7]]) == [-3.0, 3.0, 3.0, -3.0, -3.0]
    features.state_vector(np.zeros(VIEW_COLUMNS), ledger, 0.0, 0.0, 0.0, 0, 25.0, out)
    assert np.isfinite(out).all()


def test_a_cycle_must_be_a_whole_number_of_steps():
    """Found and wanted are named."""
    with pytest.raises(ValueError, match=r"cycle_s.*30.*0\.7"):
        features.observer_settings(interval_s=0.7)
