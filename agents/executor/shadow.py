"""The executor's shadow replays: a proposed set on the newest window, a policy in shadow."""

from collections.abc import Callable

from agents.executor.events import Compared, RoundHeard, Shadowed
from agents.executor.promotion import compared
from agents.executor.state import State
from agents.session import Session
from agents.weighing import weigh
from market.tape import Tape
from protocol.messages import QuoteParameters


def shadowed(
    asked: RoundHeard, session: Session, incumbent: QuoteParameters, now_ns: int, tape: Tape
) -> Shadowed:
    """Return how the incumbent and the candidate would have done on the newest window.

    Args:
        asked: the round.
        session: instrument, limits, hours of the window.
        incumbent: the set in force.
        now_ns: venue time.
        tape: as it is known now.
    """
    window_ns = session.settings.optimizer.window_ns
    sets = (incumbent, asked.word.candidate)
    held, candidate = weigh(session, tape, sets, now_ns=now_ns, window_ns=window_ns)
    return Shadowed(asked, incumbent=held, candidate=candidate)


def comparison(state: State, tape: Callable[[], Tape]) -> Callable[[], Compared]:
    """Return what judges the policy in shadow as things stand now; it may be asked in a thread."""
    contest, parameters, now_ns = state.contest, state.parameters.copy(), state.now_ns
    assert contest is not None, "no policy is in shadow"
    setup = state.session.held().setup
    rule, since_ns = state.session.settings.promotion, contest.since_ns
    return lambda: Compared(compared(contest, tape(), setup, parameters, now_ns, rule), since_ns)
