"""Paper trading: a live market, our fills, and exactly those of a replay of its own recording."""

from fractions import Fraction

import pytest

from exchange.binance.settings import Record
from exchange.order_life import LiveOrder
from exchange.paper import PaperVenue, Terms
from exchange.recorded import RecordedVenue
from exchange.recorder import Recorder
from exchange.recording import Recording
from exchange.recording_folder import load_recording
from exchange.recording_sink import RecordingSink
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    REPORT_CANCELLED,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_TRADE_ID,
    SELL,
    STEP_ASK,
    STEP_BID,
)
from market.tape import TapeBuilder
from protocol.orders import Approved
from tests.agents.executor.market import recording, session_for
from tests.contract.venue import LOTS, Desk, VenueContract
from tests.exchange.played_market import PlayedMarket

STEPS = 900
LATENCIES = ["0ms", "20ms", "sampled:5ms,40ms", "measured:2"]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Half an hour, by latency."""
    path = recording(tmp_path_factory.mktemp("feed"))
    return {
        each: session_for(path, feed={"hours": 0.5}, executor={"latency": each})
        for each in LATENCIES
    }


def terms_of(session) -> Terms:
    """Return what the session's exchange would make of orders."""
    meta = session.meta
    return Terms(
        maker_fee=Fraction(str(meta.maker_fee_bps)) / 10_000,
        taker_fee=Fraction(str(meta.taker_fee_bps)) / 10_000,
        latency=session.making().latency,
    )


def paper_over(session, record=None, **told) -> PaperVenue:
    """Return a paper venue over the session's recording, played as it came."""
    quote_units, base_units, _ = (int(units) for units in session.setup.opening)
    record = record or Record(quote_units=quote_units, base_units=base_units)
    market = PlayedMarket(Recording(session.meta, session.events), **told)
    return PaperVenue(market, session.observer, terms_of(session), record)


class TestPaper(VenueContract):
    """The paper venue keeps the contract of all venues."""

    @pytest.fixture(params=LATENCIES)
    def desk(self, request, sessions):
        """Open a fresh desk at a fresh market."""
        session = sessions[request.param]

        async def opened() -> Desk:
            venue = paper_over(session)
            await venue.open()
            return Desk(venue, session.setup)

        return opened


async def quote(desk: Desk, steps: int) -> list[tuple[int, object]]:
    """Quote both sides at the touch, races included; return what was sent, and when."""
    sent: list[tuple[int, object]] = []
    placed: dict[int, int] = {}
    for number in range(steps):
        seen = await desk.step()
        row = seen.step_row
        if number % 3 == 0 and 0 < row[STEP_BID] < row[STEP_ASK] < 1 << 60:
            for side, price in ((BUY, row[STEP_BID]), (SELL, row[STEP_ASK])):
                judged = desk.judged(side, int(price), LOTS)
                if isinstance(judged, Approved):
                    await desk.venue.place(judged)
                    sent.append((seen.now_ns, judged))
                    placed[judged.order.order_id] = number
        for order_id, since in placed.items():
            if number - since == 7:
                await desk.venue.cancel(order_id)
                sent.append((seen.now_ns, order_id))
    return sent


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize(
    "told",
    [{}, {"late_ns": 150_000_000}, {"cuts": 3}],
    ids=["prompt", "late", "cut"],
)
async def test_the_recording_that_it_made_replays_to_the_same_steps_and_fills(
    latency, told, sessions, tmp_path
):
    """Byte for byte, whatever came late and whenever the stream was lost."""
    session = sessions[latency]
    first_ns = int(session.events[0, EVENT_LOCAL_NS])
    cuts = [first_ns + (200 + 211 * each) * 10**9 + 5 for each in range(told.get("cuts", 0))]
    venue = paper_over(session, late_ns=told.get("late_ns", 0), cuts_ns=cuts)
    await venue.open()
    sink = RecordingSink(Recorder(tmp_path / "seen", session.meta, durable=False))
    venue.record(sink.add)
    lived = Desk(venue, session.setup)
    sent = await quote(lived, STEPS)
    await lived.step(3)
    await venue.close()
    sink.close()
    found = load_recording(tmp_path / "seen").events
    assert sink.recorder.tally.clock_raised == 0, "they were put in order once, for all"
    assert venue.losses == len(cuts)
    for cut in cuts:
        dark = [each for each in lived.steps if 10**9 < each.now_ns - cut <= 3 * 10**9]
        assert len(dark) == 2
        assert all(each.step_row[STEP_BID] < 0 for each in dark), "nobody knows the book then"
    making = session.making()
    builder = TapeBuilder(
        found,
        interval_ns=making.interval_ns,
        cycle_ns=making.cycle_ns,
        settings=making.settings,
        latency=making.latency,
    )
    steps = lived.steps
    replay = RecordedVenue(
        builder, session.setup, first_ns=steps[0].now_ns, last_ns=steps[-1].now_ns
    )
    waiting = list(sent)
    for step in steps[: len(steps) - 2]:  # the grid of a recording ends with its last event
        again = replay.step()
        assert again is not None
        assert again.now_ns == step.now_ns
        assert again.step_row.tobytes() == step.step_row.tobytes()
        assert again.view_row.tobytes() == step.view_row.tobytes()
        assert again.plan_row.tobytes() == step.plan_row.tobytes()
        assert again.reports.tobytes() == step.reports.tobytes()
        while waiting and waiting[0][0] == step.now_ns:
            _, what = waiting.pop(0)
            if isinstance(what, Approved):
                await replay.place(what)
            else:
                await replay.cancel(what)
    fills = [row for row in lived.reports if row[REPORT_KIND] == REPORT_FILL]
    assert len(fills) > 100


async def test_what_arrives_late_counts_late(sessions):
    """An event still on its way at a guard step stands behind it: nobody is told of the past."""
    venue = paper_over(sessions["20ms"], late_ns=300_000_000)
    await venue.open()
    seen = []
    venue.record(seen.append)
    desk = Desk(venue, sessions["20ms"].setup)
    for _ in range(60):
        step = await desk.step()
        count = len(seen)
        await desk.step()
        for events in seen[count:]:
            assert (events[:, EVENT_EXCH_NS] > step.now_ns).all()
            assert (events[:, EVENT_LOCAL_NS] >= events[:, EVENT_EXCH_NS]).all()


async def test_after_a_restart_the_ids_go_on_and_what_was_open_is_over(sessions):
    """Nothing kept those orders: they are told as cancelled, and the numbers of fills go on."""
    session = sessions["0ms"]
    orders = (
        LiveOrder(40, BUY, 9_000, 70, filled=20),
        LiveOrder(41, SELL, 9_900, 5, told_end=True),
    )
    record = Record(
        orders=orders, highest_id=41, last_trade_id=17, quote_units=10**15, base_units=10**15
    )
    venue = paper_over(session, record)
    opening = await venue.open()
    assert (opening.quote_units, opening.last_trade_id) == (10**15, 17)
    desk = Desk(venue, session.setup)
    first = await desk.step()
    assert [row[:5].tolist() for row in first.reports] == [[REPORT_CANCELLED, 40, BUY, 9_000, 50]]
    assert venue.highest_id == 41
    held = await venue.account()
    assert (held.fills, held.orders) == (0, ())


async def test_the_numbers_of_fills_go_on_after_a_restart(sessions):
    """A trade id is never used twice in one account."""
    session = sessions["0ms"]
    quote_units, base_units, _ = (int(units) for units in session.setup.opening)
    record = Record(last_trade_id=17, quote_units=quote_units, base_units=base_units)
    venue = paper_over(session, record)
    await venue.open()
    desk = Desk(venue, session.setup)
    await quote(desk, 120)
    ids = [int(row[REPORT_TRADE_ID]) for row in desk.reports if row[REPORT_KIND] == REPORT_FILL]
    assert ids
    assert ids == list(range(18, 18 + len(ids)))
