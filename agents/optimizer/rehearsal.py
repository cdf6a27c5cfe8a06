"""A search before the first one: an optimizer that says it is there has done all of it once.

What a search needs is loaded and compiled, and the memory that it takes is taken, before a boundary
waits for it. Of what it finds nothing is kept.
"""

from agents.optimizer.mind import Mind
from agents.session import session_of, window
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording

HOURS = 2.0
SETTING = "planted_edge"
"""There is something to find, so that the search goes its whole way."""


def rehearse(settings: Settings, name: str) -> bool:
    """Search a window of an artificial market; return whether a candidate was found.

    Args:
        settings: whose search it is; feed, account and limits are the default's.
        name: of the seat.
    """
    given = settings.optimizer.model_copy(update={"window_hours": HOURS, "cluster": ""})
    plain = Settings(optimizer=given)
    recording = synthetic_recording(seed=1, setting=SETTING, hours=HOURS)
    session = session_of(plain, recording.meta, *window(recording.events, plain))
    found = Mind(session, name).answer(1, session.last_ns, session.baseline)
    return found.judgement.chosen is not None
