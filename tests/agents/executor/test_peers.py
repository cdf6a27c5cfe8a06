"""Executors on one capital: what each knows of the others, and the cap that follows for it."""

import asyncio
import dataclasses

import pytest

from agents.executor.events import Cancel, PeerHeard, Place, Write
from agents.executor.peer_link import LOST_S, PeerLink
from agents.executor.peers import Told, freeze_peers, new_peers, reckon, thaw_peers
from agents.executor.recovery import identity_of, new_venue
from agents.executor.state import freeze, new_state, thaw
from agents.executor.step import step
from agents.executor.telling import pnl_word
from exchange.importers.synthetic import called, synthetic_recording
from exchange.recording import save
from market.breach import RISK_PORTFOLIO_LOTS
from market.layout import LEDGER_MARK
from protocol.messages import PnlReport
from tests.agents.executor.market import session_for

SECOND_NS = 10**9
ONE, TWO = "executor-1", "executor-2"
CAPITAL = 50_000.0
LIMIT = 0.01 * CAPITAL
OFF = {
    "correlation_pair_limit": 1.0,
    "correlation_portfolio_limit": 1.0,
    "joint_value_limit": 0.0,
}


@pytest.fixture(scope="module")
def feeds(tmp_path_factory):
    """One market under two names: as correlated as can be."""
    folder = tmp_path_factory.mktemp("feeds")
    day = synthetic_recording(seed=3, hours=0.4)
    paths = {ONE: folder / "a.npz", TWO: folder / "b.npz"}
    save(paths[ONE], called(day, "AAA-USDT"))
    save(paths[TWO], called(day, "BBB-USDT"))
    return paths


def session_of(feeds, name, **portfolio):
    """Return the session of one of the two."""
    other = TWO if name == ONE else ONE
    return session_for(
        feeds[name],
        account={"executor": name, "capital": CAPITAL},
        bus={"peers": f"{other}=/nowhere"},
        portfolio=portfolio,
    )


def told_by(word):
    """Return a report as the other hears it."""
    return tuple(Told.of(PnlReport.model_validate(word)).row())


async def duet(feeds, look, **portfolio):
    """Let both live through their days in lockstep, without a bus; look at both at each step."""
    states = {
        name: new_state(session_of(feeds, name, **portfolio), lockstep=True) for name in feeds
    }
    venues = {name: new_venue(state.session) for name, state in states.items()}
    days = {name: venue.events() for name, venue in venues.items()}
    written = {name: [] for name in feeds}
    while True:
        for name, state in states.items():
            market = await anext(days[name], None)
            if market is None:
                return states, written
            _, effects = step(state, market, market.now_ns)
            for effect in effects:
                if isinstance(effect, Place):
                    await venues[name].place(effect.order)
                elif isinstance(effect, Cancel):
                    await venues[name].cancel(effect.order_id)
                elif isinstance(effect, Write):
                    written[name].extend(effect.entries)
        now_ns = states[ONE].now_ns
        look(states)
        if states[ONE].peers.at_edge(now_ns):
            said = {name: told_by(state.peers.said[-1]) for name, state in states.items()}
            for name, other in ((ONE, TWO), (TWO, ONE)):
                assert states[name].peers.waits(now_ns)
                step(states[name], PeerHeard(other, said[other]), now_ns)
                assert not states[name].peers.waits(now_ns)


def reach(state):
    """Return the worth that a position may reach either way, with all orders of a side filled."""
    found = Told.of(pnl_word(state)).exposure()
    return found.long, found.short


def most_together(feeds, **portfolio):
    """Return the largest worth of both on one side, and their entries."""
    worst = [0.0]

    def look(states):
        one, two = (reach(states[name]) for name in (ONE, TWO))
        worst[0] = max(worst[0], one[0] + two[0], one[1] + two[1])

    states, written = asyncio.run(duet(feeds, look, **portfolio))
    return worst[0], states, written


def test_two_of_one_market_stay_within_what_the_pair_may_carry_and_not_without_the_limit(feeds):
    """A whole recorded run; a percent of air, for the price moves between two decisions."""
    free, _, _ = most_together(feeds, **OFF)
    held, states, _ = most_together(feeds, correlation_pair_limit=0.4)
    bound = 0.4 * 2 * LIMIT
    assert free > 1.2 * bound
    assert 0.5 * bound < held <= 1.01 * bound
    assert states[ONE].peers.room.binding == "pair"


def test_what_a_run_of_two_writes_is_the_same_every_time(feeds):
    """And so is the state that a restart goes on from."""
    first, second = (most_together(feeds, correlation_pair_limit=0.4) for _ in range(2))
    assert first[2] == second[2]
    state = first[1][ONE]
    frozen = freeze(state)
    again = thaw(state.session, frozen, lockstep=True)
    assert freeze(again) == frozen
    assert again.peers.prices == state.peers.prices


def standing_alone(feeds, *, lockstep=False, **portfolio):
    """Return a state whose market is known and that holds nothing."""
    state = new_state(session_of(feeds, ONE, **portfolio), lockstep=lockstep)
    state.account.ledger[LEDGER_MARK] = 20_000
    return state


def report(now_ns, *, position=0.0, open_buy=0.0):
    """Return the row of a report of the other."""
    return tuple(Told(now_ns, 100.0, position, open_buy, 0.0, LIMIT, CAPITAL).row())


def cap_of(state, now_ns):
    """Reckon, and return the cap as a worth; whether somebody fell silent or came back."""
    shifted = reckon(state.peers, state.account, state.session.setup, now_ns)
    lots = int(state.account.risk[RISK_PORTFOLIO_LOTS])
    return lots * 0.001 * 100.0, shifted


def test_a_report_older_than_ten_seconds_counts_as_limits_fully_used(feeds):
    """By hand: half of 0.75 x 1000 while the other holds nothing; of what 500 leave, in silence."""
    state = standing_alone(feeds)
    start_ns = 3_000 * SECOND_NS
    step(state, PeerHeard(TWO, report(start_ns)), start_ns)
    assert cap_of(state, start_ns) == (pytest.approx(375.0), False)
    assert cap_of(state, start_ns + 10 * SECOND_NS) == (pytest.approx(375.0), False)
    silent_ns = start_ns + 11 * SECOND_NS
    assert cap_of(state, silent_ns) == (pytest.approx(125.0), True)
    assert state.peers.silent == (TWO,)
    step(state, PeerHeard(TWO, report(silent_ns)), silent_ns)
    assert cap_of(state, silent_ns + SECOND_NS) == (pytest.approx(375.0), True)


def test_who_was_never_heard_counts_as_limits_fully_used_too(feeds):
    """And has the limits that we have."""
    state = standing_alone(feeds)
    assert cap_of(state, 3_000 * SECOND_NS)[0] == pytest.approx(125.0)


def test_before_the_first_mark_nothing_may_be_carried(feeds):
    """What a lot is worth is not known yet."""
    state = new_state(session_of(feeds, ONE))
    assert reckon(state.peers, state.account, state.session.setup, 3_000 * SECOND_NS)
    assert state.account.risk[RISK_PORTFOLIO_LOTS] == 0


def test_in_lockstep_no_age_decides_and_whoever_is_lost_is_not_waited_for(feeds):
    """Feed time stands until the report of the edge is there, or somebody is given up."""
    state = standing_alone(feeds, lockstep=True)
    edge_ns = 3_029 * SECOND_NS
    step(state, PeerHeard(TWO, report(edge_ns - 30 * SECOND_NS)), edge_ns)
    assert state.peers.waits(edge_ns)
    assert not state.peers.waits(edge_ns - SECOND_NS)
    step(state, PeerHeard(TWO, report(edge_ns)), edge_ns)
    assert not state.peers.waits(edge_ns)
    cap_of(state, edge_ns + 25 * SECOND_NS)
    assert state.peers.silent == ()
    step(state, PeerHeard(TWO, None), edge_ns + 30 * SECOND_NS)
    assert not state.peers.waits(edge_ns + 30 * SECOND_NS)
    assert cap_of(state, edge_ns + 31 * SECOND_NS) == (pytest.approx(125.0), True)


def test_a_stranger_changes_nothing(feeds):
    """A row of somebody who is not on this capital."""
    state = standing_alone(feeds)
    before = freeze_peers(state.peers)
    step(state, PeerHeard("executor-4", report(1)), 1)
    assert freeze_peers(state.peers) == before


def test_without_others_nothing_is_known_asked_or_kept(feeds):
    """A single feed: no peers in the state, no portfolio in what a journal belongs to."""
    alone = session_for(feeds[ONE])
    state = new_state(alone)
    assert state.peers is None
    assert "peers" not in freeze(state)
    other = session_for(feeds[ONE], portfolio={"correlation_pair_limit": 0.3})
    assert identity_of(alone) == identity_of(other)
    mine = session_of(feeds, ONE)
    assert identity_of(mine) != identity_of(session_of(feeds, ONE, correlation_pair_limit=0.3))


def test_what_is_frozen_is_thawed(feeds):
    """Reports, silence, prices and what was said."""
    state = standing_alone(feeds)
    state.peers.said = [pnl_word(state).model_dump(mode="json")]
    for number in range(3):
        now_ns = 3_000 * SECOND_NS + number * 30 * SECOND_NS
        step(state, PeerHeard(TWO, report(now_ns, position=1.5, open_buy=0.5)), now_ns)
        cap_of(state, now_ns)
    frozen = freeze_peers(state.peers)
    again = new_peers(state.session.settings, lockstep=False)
    thaw_peers(again, frozen)
    assert freeze_peers(again) == frozen
    assert len(again.prices) == 3


class Bus:
    """What is said and to whom is listened."""

    def __init__(self):
        self.said = []
        self.listeners = {}

    def tell(self, word):
        """Keep what is said."""
        self.said.append(word)

    def listen(self, _, name, follower):
        """Keep who listens to whom."""
        self.listeners[name] = follower


@dataclasses.dataclass
class Received:
    """A word that came."""

    word: PnlReport


class Desk:
    """A link in a shell that is played."""

    def __init__(self, state):
        self.state = state
        self.put_in = []
        self.kept_up = 0
        self.bus = Bus()
        self.link = PeerLink(self, state.peers, self.bus)
        self.link.listen(self.bus, TWO)

    def put(self, event):
        """Keep an event."""
        self.put_in.append(event)

    def keep_up(self, venue_ns):
        """Keep the clock."""
        self.kept_up = venue_ns

    def hear(self, now_ns):
        """Let a report of the other come in."""
        word = pnl_word(self.state).model_copy(update={"venue_time": now_ns, "mark": "100"})
        self.bus.listeners[TWO](Received(word))


def test_an_edge_is_offered_once_its_reports_are_all_there_however_early_they_came(feeds):
    """A report of the next edge may come before we are there ourselves."""
    state = standing_alone(feeds, lockstep=True)
    desk, edge_ns = Desk(state), 3_029 * SECOND_NS
    desk.hear(edge_ns)
    state.now_ns = edge_ns - SECOND_NS
    desk.link.look(state)
    assert desk.put_in == []
    state.now_ns = edge_ns
    assert desk.link.holds(state)
    desk.link.look(state)
    desk.link.look(state)
    assert [each.name for each in desk.put_in] == [TWO]
    step(state, desk.put_in[0], edge_ns)
    assert not desk.link.holds(state)


def test_what_others_may_wait_for_is_said_again_the_edge_before_included(feeds):
    """Telemetry may be lost, and a restarted executor may stand one edge behind."""
    state = standing_alone(feeds, lockstep=True)
    desk = Desk(state)
    for edge_ns in (3_029 * SECOND_NS, 3_059 * SECOND_NS):
        state.now_ns = edge_ns
        state.peers.said = [*state.peers.said[-1:], pnl_word(state).model_dump(mode="json")]
        desk.link.look(state)
    times = [each.venue_time // SECOND_NS for each in desk.bus.said]
    assert times == [3_029, 3_029, 3_059]


def test_who_is_silent_for_a_minute_of_the_wall_clock_is_given_up_and_may_come_back(
    feeds, monkeypatch
):
    """In lockstep too: a dead executor must not hold up the others for ever."""
    state = standing_alone(feeds, lockstep=True)
    desk, edge_ns = Desk(state), 3_029 * SECOND_NS
    state.now_ns = edge_ns
    desk.link.look(state)
    assert desk.put_in == []
    monkeypatch.setattr("agents.executor.peer_link.LOST_S", -LOST_S)
    desk.link.look(state)
    assert desk.put_in == [PeerHeard(TWO, None)]
    step(state, desk.put_in[0], edge_ns)
    state.now_ns = edge_ns + 30 * SECOND_NS
    desk.hear(state.now_ns)
    desk.link.look(state)
    assert not desk.link.holds(state)


def test_on_the_wall_clock_each_newer_report_is_put_in_and_the_clock_keeps_up(feeds):
    """An older one that came late is not."""
    state = standing_alone(feeds)
    desk = Desk(state)
    for second in (10, 14, 12):
        desk.hear(second * SECOND_NS)
    assert [each.row[0] for each in desk.put_in] == [10 * SECOND_NS, 14 * SECOND_NS]
    assert desk.kept_up == 14 * SECOND_NS
    state.now_ns = 20 * SECOND_NS
    desk.link.look(state)
    desk.link.look(state)
    assert [each.venue_time for each in desk.bus.said] == [20 * SECOND_NS]


def test_at_an_exchange_whose_feed_waits_for_us_no_age_decides(feeds):
    """Each decision waits for the others there, as in lockstep on recordings; elsewhere it ages."""
    settings = session_of(feeds, ONE).settings
    for pace, waits in (("lockstep", True), ("feed", False)):
        told = {"kind": "binance", "url": "http://127.0.0.1:9", "symbol": "AAA-USDT", "pace": pace}
        if waits:
            told["control"] = "http://127.0.0.1:9"
        venue = type(settings.venue).model_validate(told)
        at_venue = settings.model_copy(update={"venue": venue})
        assert new_peers(at_venue, lockstep=False).lockstep is waits
