"""More of what must always hold: how far one word, one seat or one sender may reach.

Each is stated without the code that it watches: weights and steps from the log's own figures, rates
from what a hub lets through, promises from what was answered and what is on disk a moment later.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from agents.coordinator.records import Kind
from protocol.bus.frames import parse_header, source_of
from protocol.bus.participant import COORDINATOR
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import Ack, Mode, Nack, Stage
from tests.simulation.engine import SECOND, demand

UNITS = 100_000_000
A_MOMENT_NS = SECOND // 100
FORWARDED_MAX = 2 * (200 + 200) + 2
"""Of one sender in one second: what is new and what is said again have an allowance each, a burst
of 200 and 200 more in that second; and one unfit frame of each second that it touches."""
JUMP_MAX = 2 * 200 + 1
"""What one jump of the hub's clock may add: both bursts anew, and one unfit frame."""
BEHIND_NS = 5 * SECOND
"""How long somebody may be behind the heartbeats that he hears before he asks."""
SILENT_NS = 3 * SECOND
"""Between two heartbeats of one row; more is a silence, after which the row begins anew."""
ASKING_NS = 8 * SECOND


class Bounds:
    """Checks beside those of `invariants.Watch`, which calls them."""

    def __init__(self, watch: Any) -> None:
        self.watch, self.world = watch, watch.world
        self.generations: dict[str, int | None] = {}  # by id: as the proposal's header said
        self.forwarded: dict[Any, deque[int]] = defaultdict(deque)
        self.asked_ns: dict[str, int] = defaultdict(lambda: -ASKING_NS)
        self.behind_ns: dict[str, tuple[int, Any, int, int] | None] = {}
        self.accepted: set[tuple[int, int]] = set()  # pairs, as the executor's disk has them
        self.intent_ns = 0
        self.decided_ns: dict[tuple[int, ...], int] = {}
        self.benches: dict[tuple[Any, str], tuple[int, Any]] = {}
        """By log and seat: venue time of its end, and the round that was open when it began."""

    # --- what a log may say --------------------------------------------------------------------
    def deciding(self, disk: Any, auditor: Any, record: Any) -> None:
        """Look at a decision before it is taken in."""
        self.decided_ns[tuple(record.body["pair"])] = self.world.engine.now_ns
        self.no_peer_moves_further_than_its_weight(auditor, record.body)
        self.nothing_of_a_benched_seat(disk, auditor, record.body, record.time_ns)

    def no_stale_generation(self, auditor: Any, body: dict[str, Any]) -> None:
        """17: a proposal is taken under the generation that it was made for, or under none."""
        told = self.generations.get(body["id"])
        now = auditor._generation
        demand(told in (None, now), 17, f"a proposal of generation {told} was taken in {now}")

    def no_peer_moves_further_than_its_weight(self, auditor: Any, body: dict[str, Any]) -> None:
        """16: a merge of peers is at most sum(w_i) x delta away, each w_i at most 1 / seats."""
        if body["mode"] != Mode.PEER.value or auditor._round is None:
            return
        weights = auditor._round["weights"]
        seats = len(self.world.rules.seats)
        demand(max(weights) * seats <= UNITS, 16, f"weights {weights} of {seats} seats")
        held, limit = auditor._held().spread_percentage, self.world.rules.step_limit
        moved = abs(body["params"]["spread_percentage"] - held)
        most = held * limit * sum(weights) / UNITS + 1e-8
        demand(moved <= most, 16, f"a merge moved the spread by {moved:.3g}, at most {most:.3g}")

    def nothing_of_a_benched_seat(
        self, disk: Any, auditor: Any, body: dict[str, Any], now_ns: int
    ) -> None:
        """16: no set of a seat that is benched becomes a decision, whatever restarts between.

        One that lay before the voters already is theirs to judge: a bench is no veto.
        """
        self.world.counts["benched"] = len(self.benches)
        for key in body["basis"]:
            seat = auditor._sets[key][0]
            until_ns, opened = self.benches.get((disk, seat), (0, None))
            free = now_ns >= until_ns or (opened is not None and opened is auditor._round)
            demand(free, 16, f"a set of {seat} was decided, who is benched")

    def copied(self, old: Any, new: Any) -> None:
        """Let a copied log know whom the original benched."""
        held = [(seat, until) for (disk, seat), (until, _) in self.benches.items() if disk is old]
        # The copy's auditor reads the copied log anew: its open round is another object.
        opened = self.watch.auditors[new]._round
        self.benches |= {(new, seat): (until, opened) for seat, until in held}

    # --- what answers promise --------------------------------------------------------------------
    def ended(self, party: Any, header: Any, word: Any) -> None:
        """14: what the coordinator has heard of a decision is in its log a moment later."""
        if party.name != "coordinator" or header.type != "decision":
            return
        kind = None
        if isinstance(word, Ack) and word.stage is Stage.APPLIED:
            kind = Kind.APPLIED
        elif isinstance(word, Nack) and word.code in (NackCode.REPLAY, NackCode.FENCED):
            kind = Kind.ALARM
        node, pair = party.node, (header.epoch, header.version)
        if isinstance(word, Ack) and names_another_set(node, pair, word):
            kind = Kind.ALARM
        rows = self.watch.rows[node.disks["log"]]
        if kind is Kind.ALARM:
            over = (kind, pair) in rows
            demand(not over, 20, f"{pair} was over, an alarm was logged, and it was said again")
            if (Kind.REJECTED, pair) in rows:
                return  # it had lapsed before: nothing hangs on this answer

        # Two coordinators of one epoch, from a copied log: the other's later decision of that set
        # came into force under the pair and id of ours, which had lapsed.
        twice = sum((Kind.DECISION, pair) in each for each in self.watch.rows.values()) > 1
        if kind is Kind.APPLIED and twice and (Kind.REJECTED, pair) in rows:
            return

        def look() -> None:
            known = kind is None or (kind, pair) in rows
            demand(known, 14, f"{pair} was answered, and the log has no {kind}")

        self.world.engine.at(A_MOMENT_NS, node, look)

    def saying(self, party: Any, frames: tuple[bytes, ...]) -> None:
        """14: an answer is of now, also when it is said again: a late one is dropped by the hub."""
        if frames[0].endswith((b".ack", b".nack")):
            header = parse_header(frames[1], party.name)
            late_ns = party.node.clock() - header.ts - header.ttl * 1_000_000
            demand(late_ns <= 0, 14, f"{party.name} gives an answer that has lapsed")

    def fenced_by_a_higher_epoch_alone(self, to: Any, word: Any) -> None:
        """15: `E_FENCED` is said to lower epochs than the highest that was judged, to no others."""
        if to.type == "decision" and isinstance(word, Nack) and word.code is NackCode.FENCED:
            highest = self.watch.judged[0]
            demand(to.epoch < highest, 15, f"epoch {to.epoch} was fenced, {highest} was judged")

    def no_expiry_of_what_was_accepted(self, name: str, to: Any, word: Any) -> None:
        """14: the bus does not call expired what the executor's disk has accepted last."""
        if name != self.world.rules.executor or to.type != "decision":
            return
        pair = (to.epoch, to.version)
        if getattr(word, "detail", "") == "expired" and len(self.watch.decided.get(pair, ())) == 1:
            held = pair in self.accepted and pair == self.watch.judged
            demand(not held, 14, f"{pair} was called expired, and is on disk")

    def boundary_starts_at_what_is_in_force(self, node: Any, pair: Any) -> None:
        """10: proposals start at what is in force; at the baseline, pair (0, 0), if nothing is."""
        held = node.shell.state.in_force
        right = (0, 0) if held is None else held.pair
        demand(tuple(pair) == right, 10, f"a boundary named {pair}, and {right} is in force")

    def intended(self, node: Any) -> None:
        """3: an order is on disk before it is sent."""
        now_ns = node.shell.state.now_ns
        demand(self.intent_ns == now_ns, 3, "an order was sent before its intent was on disk")

    # --- what a hub lets through ---------------------------------------------------------------
    def forwarding(self, hub: Any, frames: tuple[bytes, ...]) -> None:
        """13: no sender is forwarded more than his rate, stops excepted."""
        if b".emergency_stop" in frames[0]:
            return
        name = source_of(frames[1])
        # A hub that starts again knows nobody yet: each life has allowances of its own.
        times, now_ns = self.forwarded[hub, hub.life, name], self.world.engine.now_ns
        times.append(now_ns)
        while times[0] < now_ns - SECOND:
            times.popleft()
        jumps = sum(each >= times[0] for each in hub.jumps_ns)
        line = f"{len(times)} frames of {name} were forwarded in a second"
        demand(len(times) <= FORWARDED_MAX + jumps * JUMP_MAX, 13, line)

    # --- who is behind asks --------------------------------------------------------------------
    def follow(self, party: Any, judged: Callable[[], Any], epoch: Callable[[], int]) -> None:
        """Watch whether a party that is behind asks; beats of lower epochs count for nothing."""

        def hear(received: Any) -> None:
            if received.word.epoch >= epoch():
                self._beat_heard(party, received.word, judged())

        party.follow("heartbeat", COORDINATOR, hear)

    def _beat_heard(self, party: Any, word: Any, pair: Any) -> None:
        """20: who goes on hearing of a pair above the one that he judged asks for a snapshot."""
        now_ns = self.world.engine.now_ns
        higher = any((row.epoch, row.version) > tuple(pair) for row in word.executors)
        since = self.behind_ns.get(party.name)
        # After a silence it has heard of nothing *again*, whatever was played back meanwhile.
        begins = since is None or since[1] is not party or now_ns - since[3] > SILENT_NS
        if not higher or begins:
            self.behind_ns[party.name] = (now_ns, party, 1, now_ns) if higher else None
            return
        assert since is not None, "it began before"
        first_ns, _, count, _ = since
        self.behind_ns[party.name] = (first_ns, party, count + 1, now_ns)
        if count < BEHIND_NS // SECOND or now_ns - first_ns < BEHIND_NS:
            return
        asked = now_ns - self.asked_ns[party.name] <= ASKING_NS
        demand(asked, 20, f"{party.name} is behind for {count} heartbeats and asks for nothing")

    def converged(self) -> None:
        """20: when faults have ended, all agree, and nobody asks for a snapshot any more."""
        world = self.world
        node, leader = world.executor, world.coordinators[-1]
        back = node.shell is not None and node.shell.link is not None and leader.shell is not None
        demand(back, 20, "somebody is not back")
        mine, state = node.shell.state, leader.shell._state
        newest = state.newest
        if newest is not None:
            young = world.engine.now_ns - self.decided_ns[newest.pair] < 10 * SECOND
            arrived = young or mine.verdict.pair >= newest.pair
            demand(arrived, 20, f"{newest.pair} never arrived")
        demand(set(mine.stops) == set(state.stops), 20, "stops differ for good")
        held, line = mine.in_force, "incumbents differ for good"
        if held is not None and state.flight is None:
            told = state.in_force
            late = held.not_after_ns < mine.now_ns + 10 * SECOND
            same = told is not None and told.pair == held.pair
            demand(late or same, 20, line)
            longer = same and held.not_after_ns > told.not_after_ns
            demand(not longer, 20, f"{held.pair} is renewed beyond what the log says")
        demand(not mine.alone, 20, "the executor thinks that it is alone")
        for party in world.network.parties.values():
            asked = [
                each.header.type
                for each in party._saying._outbox._open.values()
                if each.header.type == "snapshot_request"
            ]
            demand(not asked or not party.node.alive, 20, f"{party.name} still asks for snapshots")


def names_another_set(node: Any, pair: Any, word: Ack) -> bool:
    """Return whether an answer is about another set than the one that a coordinator has in flight.

    Two coordinators of one epoch, from a copied log, give one id to their decisions of one pair.
    """
    flight = node.shell._state.flight
    if flight is None or flight.pair != pair:
        return False
    return word.digest not in {None, digest(flight.params)}
