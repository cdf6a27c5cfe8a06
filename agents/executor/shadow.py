"""The executor's shadow replay: the set in force and a proposed one on the newest window."""

from agents.executor.events import RoundHeard, Shadowed
from agents.session import Session
from agents.weighing import weigh
from market.tape import Tape
from protocol.messages import QuoteParameters

HOUR_NS = 3_600 * 10**9


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
    window_ns = round(session.settings.optimizer.window_hours * HOUR_NS)
    sets = (incumbent, asked.word.candidate)
    held, candidate = weigh(session, tape, sets, now_ns=now_ns, window_ns=window_ns)
    return Shadowed(asked, incumbent=held, candidate=candidate)
