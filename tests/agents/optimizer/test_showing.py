"""An optimizer's figures: what it answered, and what that took."""

from types import SimpleNamespace

from agents.optimizer.mind import Answer
from agents.optimizer.showing import Noted
from protocol.errors import NackCode
from protocol.exposition import Histogram
from protocol.messages import NoUpdate


def test_answers_are_counted_with_what_they_took():
    """Both kinds of answer and every code are there from the start."""
    noted = Noted()
    word = NoUpdate(window=(1, 2), digest="a" * 64, reason="nothing better")
    noted.answered(Answer(word, SimpleNamespace(evaluated=128, confidence=0.4)), 0.3)
    noted.refused(NackCode.STEP)
    shown = {each.name: each.samples for each in noted.figures()}
    told = {
        (name, *labels.values()): value
        for name, samples in shown.items()
        if not isinstance(samples, Histogram)
        for labels, value in samples
    }
    assert told["answers_total", "no_update"] == 1
    assert told["answers_total", "parameter_update"] == 0
    assert told["answers_refused_total", "E_STEP"] == 1
    assert told["candidates_total",] == 128
    assert told["confidence_ratio",] == 0.4
    assert (sum(shown["search_seconds"].counts), shown["search_seconds"].total) == (1, 0.3)
