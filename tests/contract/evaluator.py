"""The one contract suite of evaluators. A test file subclasses it and supplies `evaluator`."""

import numpy as np
import pytest

from agents.optimizer.evaluators import Batch
from agents.optimizer.mind import Mind
from agents.optimizer.spans import Part
from agents.session import parameter_row
from market.replay import replay


def batch_of(session, count=12, *, slices=3, first=600, last=None):
    """Candidates around the first set, over a part of the session's tape."""
    tape = session.tapes().advance(session.last_ns)
    rng = np.random.default_rng(count)
    rows = np.repeat(parameter_row(session.baseline)[None], count, axis=0)
    rows[:, 0] *= rng.uniform(0.5, 2.0, count)
    rows[:, 3] *= rng.uniform(0.5, 1.0, count)
    last = len(tape.steps) if last is None else last
    return Batch(tape, session.setup, rows, Part(first, last, slices))


def expected(batch):
    """What one thread of this process says."""
    span = {"first_step": batch.part.first, "last_step": batch.part.last}
    return replay(batch.tape, batch.parameters, batch.setup, slices=batch.part.slices, **span)


class EvaluatorContract:
    """What every evaluator owes; `evaluator` is a fixture."""

    @pytest.mark.parametrize("count", [1, 3, 12])
    def test_figures_are_those_of_one_thread_to_the_last_byte(self, evaluator, planted, count):
        """Whoever replays, and however many: the same bytes, a row a candidate in order."""
        batch = batch_of(planted, count)
        assert evaluator.submit(batch).result().tobytes() == expected(batch).tobytes()

    def test_batches_handed_in_together_do_not_mix(self, evaluator, planted):
        """Each answer is its own batch's, whichever is asked for first."""
        batches = [batch_of(planted, 5, slices=2), batch_of(planted, 4, first=900, last=1800)]
        pending = [evaluator.submit(each) for each in batches]
        for each, batch in reversed(list(zip(pending, batches, strict=True))):
            assert each.result().tobytes() == expected(batch).tobytes()

    def test_a_tape_that_has_grown_is_another_tape(self, evaluator, planted):
        """Nothing of a shorter tape is taken for the longer one's."""
        whole = batch_of(planted, 2)
        short = whole.tape.until(int(whole.tape.steps[3000, 0]))
        begun = Batch(short, whole.setup, whole.parameters, Part(600, len(short.steps), 2))
        assert evaluator.submit(begun).result().tobytes() == expected(begun).tobytes()
        assert evaluator.submit(whole).result().tobytes() == expected(whole).tobytes()

    def test_what_a_replay_refuses_is_raised(self, evaluator, planted):
        """Steps that the tape does not have are the replay's own error, not a figure."""
        batch = batch_of(planted, 2, last=10**6)
        with pytest.raises(ValueError, match="steps must be in"):
            evaluator.submit(batch).result()

    def test_a_search_through_it_says_the_same(self, evaluator, planted):
        """A whole window's answer, racing and test included, does not depend on who replays."""
        now_ns = planted.boundaries()[-1]
        said = [
            Mind(planted, "optimizer-1", evaluator=each).judgement(9, now_ns, planted.baseline)
            for each in (None, evaluator)
        ]
        assert said[0] == said[1]
