"""What the policy saw during a day: in the executor's journal, and in the training environment."""

from pathlib import Path

from agents.executor import records
from agents.executor.recovery import open_journal
from agents.session import Session, parameter_row
from market.recorded_gymnasium import RecordedMarketEnv, Span


def seen_otherwise(session: Session, run: Path) -> tuple[int, str]:
    """Return how many observations are equal in bytes, and the first that is not in words.

    Args:
        session: of the day that was lived.
        run: folder with the executor's journal.
    """
    with open_journal(run, readonly=True) as journal:
        rows = journal.rows(records.CYCLES, kinds=("cycle",))
        saw = {row.time_ns: records.observation_row(row.body) for row in rows}
    tape = session.tape_builder().advance(session.last_ns)
    span = Span(tape.step_at(session.first_ns), len(tape.steps))
    environment = RecordedMarketEnv(tape, session.setup, parameter_row(session.baseline), span)
    seen, info = environment.reset()
    equal, over = 0, False
    while not over:
        mine = saw.get(info["now_ns"])
        if mine is None or mine.tobytes() != seen.tobytes():
            return equal, f"observation at {info['now_ns']}: lived {mine}, in training {seen}"
        equal += 1
        seen, _, _, over, info = environment.follow()
    return equal, ""
