"""What a guardian decides: a pure step over what it sees and hears. Nothing here waits or sends.

                    beat heard                    silence
    WAITING ----------------------> WATCHING -----------------> ALARMED
       ^                              |  ^    stop file, sweep     |
       |         clean end: sweep     |  |     beat returns: sweep |
       '------------------------------'  '-------------------------'

A sweep asks what of ours is open, cancels it, and asks again, until two answers in a row show
nothing, the second one after the last request of the silent executor can have come into force. A
beat file that does not move when the guardian starts is of an executor that is gone, or that is
about to start: its strays are cancelled, and no stop is written.

A stop is aimed at the process that fell silent: it holds for that one, should it go on, until the
operator lifts it, and a process after it lifts it when it has reconciled. A silence too many within
a while is no accident: that stop is aimed at nobody, and waits for the operator in any case.

Silence is counted in time that the guardian itself was awake: after a pause of the whole machine
the executor gets as long to beat again as it always has.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias, assert_never

from protocol.beat import Beat

CLEAN_ANSWERS = 2
"""Answers in a row that must show nothing of ours."""


class Phase(Enum):
    """How the executor stands, as its beat tells."""

    WAITING = "waiting"  # none that lives was seen yet, or it ended cleanly
    WATCHING = "watching"
    ALARMED = "alarmed"


@dataclass(frozen=True, slots=True)
class Rules:
    """Times of a guardian, ns unless named otherwise.

    Attributes:
        silence_ns: so long without a beat, and the executor counts as dead.
        settle_ns: a request signed before the silence is void by then.
        look_ns_max: silence that one look may add.
        gap_ns: between two questions of a sweep.
        retry_ns: before a failed question is asked again; doubles up to 8 times as long.
        probe_ns: between two questions while all is well.
        countdown_ms: of the exchange's own dead-man switch; 0 where it has none.
        accidents: silences within `accident_ns` that a restart may outlive by itself.
        accident_ns: how long a silence counts.
    """

    silence_ns: int = 3_000_000_000
    settle_ns: int = 6_000_000_000
    look_ns_max: int = 500_000_000
    gap_ns: int = 400_000_000
    retry_ns: int = 125_000_000
    probe_ns: int = 60_000_000_000
    countdown_ms: int = 0
    accidents: int = 3
    accident_ns: int = 600_000_000_000


# --- what is told ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Looked:
    """The beat file was read.

    Attributes:
        beat: None when there is none that can be read.
        stopped: our own stop is in the stop file.
    """

    beat: Beat | None
    stopped: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """A question was answered.

    Attributes:
        number: of the `Sweep`.
        found: orders of ours that were open; None when there was no answer.
        wait_ns: how long the exchange wants to be left alone.
    """

    number: int
    found: int | None
    wait_ns: int = 0


@dataclass(frozen=True, slots=True)
class Wrote:
    """The stop file was written, or could not be."""

    done: bool


@dataclass(frozen=True, slots=True)
class Armed:
    """The exchange's switch was set, or could not be."""

    done: bool


Event: TypeAlias = Looked | Swept | Wrote | Armed

# --- what is to be done ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WriteStop:
    """Put our stop into the stop file.

    Attributes:
        silent: number of the process that it is aimed at; empty: whoever trades here.
    """

    silent: bytes


@dataclass(frozen=True, slots=True)
class Sweep:
    """Ask what of ours is open and, when told so, cancel it; answered by `Swept`."""

    number: int
    cancel: bool


@dataclass(frozen=True, slots=True)
class Arm:
    """Set the exchange's switch; 0 takes it off. Answered by `Armed`."""

    countdown_ms: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Write a line into the log."""

    event: str


Effect: TypeAlias = WriteStop | Sweep | Arm | Tell


@dataclass(frozen=True, slots=True)
class State:
    """What a guardian knows.

    Attributes:
        beat: the newest that was read.
        looked_ns: of the newest look; None before the first.
        silent_ns: since the beat last moved, as far as we were awake.
        spared: the beat file of the start has been dealt with.
        stop_due: the stop file is still to be written.
        stop_ns: not before.
        writing: it is being written.
        aim: number of the process that it is aimed at; empty: whoever trades here.
        silences: when the newest alarms began.
        sweeping: our orders are being cancelled.
        since_ns: when this sweep began.
        clean: answers in a row that showed nothing.
        asking: a question is out, the one of `number`.
        ask_ns: when the next one is due.
        failures: questions in a row without an answer.
        armed: the exchange's switch may be set.
        arming: it is being set.
        arm_ns: when it is to be set next.
    """

    phase: Phase = Phase.WAITING
    beat: Beat | None = None
    looked_ns: int | None = None
    silent_ns: int = 0
    spared: bool = False
    stop_due: bool = False
    stop_ns: int = 0
    writing: bool = False
    aim: bytes = b""
    silences: tuple[int, ...] = ()
    sweeping: bool = False
    since_ns: int = 0
    clean: int = 0
    asking: bool = False
    number: int = 0
    ask_ns: int = 0
    failures: int = 0
    armed: bool = False
    arming: bool = False
    arm_ns: int = 0

    @property
    def at_work(self) -> bool:
        """Whether something is still to be done about a silence or an end."""
        return self.sweeping or self.stop_due


def step(state: State, event: Event, now_ns: int, rules: Rules) -> tuple[State, tuple[Effect, ...]]:
    """Take one event in; return the state after it and what is to be done.

    Args:
        now_ns: monotonic.
    """
    match event:
        case Looked():
            state, told = _look(state, event, now_ns, rules)
        case Swept():
            state, told = _swept(state, event, now_ns, rules)
        case Wrote():
            due = state.stop_due and not event.done
            state = replace(state, writing=False, stop_due=due, stop_ns=now_ns + rules.gap_ns)
            told = (Tell("stop_written" if event.done else "stop_not_written"),)
        case Armed():
            wait_ns = rules.countdown_ms * 1_000_000 // 3 if event.done else rules.gap_ns
            state = replace(state, arming=False, arm_ns=now_ns + wait_ns)
            if event.done and state.phase is Phase.WAITING:
                state = replace(state, armed=False)
            told = () if event.done else (Tell("switch_not_set"),)
        case _:
            assert_never(event)
    state, due_now = _due(state, now_ns, rules)
    return state, (*told, *due_now)


def _look(
    state: State, event: Looked, now_ns: int, rules: Rules
) -> tuple[State, tuple[Effect, ...]]:
    beat = event.beat
    first = state.looked_ns is None
    awake_ns = 0 if state.looked_ns is None else max(0, now_ns - state.looked_ns)
    moved = beat is not None and beat != state.beat and not first
    state = replace(
        state,
        beat=beat or state.beat,
        looked_ns=now_ns,
        silent_ns=0 if moved else state.silent_ns + min(awake_ns, rules.look_ns_max),
    )
    if moved and beat is not None:
        return _ended(state, now_ns) if beat.ended else _heard(state, event, now_ns)
    if state.silent_ns >= rules.silence_ns:
        return _silent(state, now_ns, rules)
    return state, ()


def _heard(state: State, event: Looked, now_ns: int) -> tuple[State, tuple[Effect, ...]]:
    """Take a beat that moved."""
    before, state = state.phase, replace(state, phase=Phase.WATCHING, spared=True)
    match before:
        case Phase.WAITING:  # who starts has cancelled his strays himself
            return replace(state, sweeping=False, arm_ns=now_ns), (Tell("beat_heard"),)
        case Phase.ALARMED:
            state = replace(state, arm_ns=now_ns)
            if event.stopped or state.stop_due:
                return _begin(state, now_ns), (Tell("beat_returned"),)
            return replace(state, sweeping=False), (Tell("beat_returned_after_lift"),)
        case Phase.WATCHING:
            if state.sweeping and not event.stopped and not state.stop_due:
                return replace(state, sweeping=False), (Tell("stop_lifted"),)
            return state, ()
        case _:
            assert_never(before)


def _ended(state: State, now_ns: int) -> tuple[State, tuple[Effect, ...]]:
    """Take a clean end: nothing should be open, which is looked after."""
    state = replace(state, phase=Phase.WAITING, spared=True)
    return _begin(state, now_ns), (Tell("executor_ended"),)


def _silent(state: State, now_ns: int, rules: Rules) -> tuple[State, tuple[Effect, ...]]:
    """Take it that the beat has not moved for too long."""
    match state.phase:
        case Phase.WAITING:
            if state.spared or state.beat is None or state.beat.ended:
                return state, ()
            return _begin(replace(state, spared=True), now_ns), (Tell("beat_is_old"),)
        case Phase.WATCHING:
            before = tuple(each for each in state.silences if now_ns - each < rules.accident_ns)
            assert state.beat is not None, "a beat was heard"
            accident = len(before) < rules.accidents
            state = replace(
                state,
                phase=Phase.ALARMED,
                stop_due=True,
                stop_ns=now_ns,
                aim=state.beat.run if accident else b"",
                silences=(*before, now_ns),
            )
            often = () if accident else (Tell("silent_too_often"),)
            return _begin(state, now_ns), (Tell("beat_stopped"), *often)
        case Phase.ALARMED:
            return state, ()
        case _:
            assert_never(state.phase)


def _begin(state: State, now_ns: int) -> State:
    """Begin to sweep, without waiting for a question that is out."""
    return replace(
        state, sweeping=True, since_ns=now_ns, clean=0, asking=False, ask_ns=now_ns, failures=0
    )


def _swept(
    state: State, event: Swept, now_ns: int, rules: Rules
) -> tuple[State, tuple[Effect, ...]]:
    if event.number != state.number or not state.asking:
        return state, ()  # of a question that nobody waits for any more
    state = replace(state, asking=False)
    if event.found is None:
        wait_ns = rules.retry_ns << min(state.failures, 3)
        if not state.sweeping:
            wait_ns = min(rules.probe_ns, wait_ns * 8)
        ask_ns = now_ns + max(wait_ns, event.wait_ns)
        state = replace(state, clean=0, failures=state.failures + 1, ask_ns=ask_ns)
        return state, (Tell("exchange_not_reached"),)
    told: tuple[Effect, ...] = (Tell("exchange_reached"),) if state.failures else ()
    clean = 0 if event.found else state.clean + 1
    state = replace(state, clean=clean, failures=0, ask_ns=now_ns + rules.gap_ns)
    if not state.sweeping:
        if event.found and state.phase is Phase.ALARMED:
            return _begin(state, now_ns), (*told, Tell("orders_came_late"))
        return replace(state, ask_ns=now_ns + rules.probe_ns), told
    if clean >= CLEAN_ANSWERS and now_ns - state.since_ns >= rules.settle_ns:
        state = replace(state, sweeping=False, ask_ns=now_ns + rules.probe_ns)
        return state, (*told, Tell("nothing_of_ours_is_open"))
    return state, told


def _due(state: State, now_ns: int, rules: Rules) -> tuple[State, tuple[Effect, ...]]:
    """Return what is due now, and note that it is under way."""
    effects: list[Effect] = []
    if not state.asking and now_ns >= state.ask_ns:
        state = replace(state, asking=True, number=state.number + 1)
        effects.append(Sweep(state.number, cancel=state.sweeping))
    if state.stop_due and not state.writing and now_ns >= state.stop_ns:
        state = replace(state, writing=True)
        effects.append(WriteStop(state.aim))
    if rules.countdown_ms and not state.arming and now_ns >= state.arm_ns:
        # In an alarm the exchange's own switch is left to run out.
        if state.phase is Phase.WATCHING:
            state = replace(state, arming=True, armed=True)
            effects.append(Arm(rules.countdown_ms))
        elif state.phase is Phase.WAITING and state.armed and not state.sweeping:
            state = replace(state, arming=True)
            effects.append(Arm(0))
    return state, tuple(effects)
