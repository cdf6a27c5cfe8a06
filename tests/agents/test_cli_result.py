"""What `result.json` says beside what was traded."""

from agents.cli.result import untuned
from agents.executor.promotion import Finding, Stage
from agents.executor.state import enter_stage, new_state
from tests.agents.executor.market import lucky, session_for
from tests.agents.executor.test_replay import lived


def test_the_untuned_run_is_by_the_policy_of_the_start(tmp_path):
    """Whoever was promoted meanwhile has no part in what would have been without any change."""
    feed, sections = lucky(tmp_path)
    session = session_for(feed, **sections)
    kept = lived(session, tmp_path)
    tape = session.tape_builder().advance(kept.last_ns)
    wanted = untuned(session_for(feed, **sections), tape, kept)
    enter_stage(new_state(session), Finding(Stage.PROMOTED, "surely better"), session.first_ns)
    assert untuned(session, tape, kept) == wanted
