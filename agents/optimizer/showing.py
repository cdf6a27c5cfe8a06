"""What an optimizer shows on its metrics endpoint: counts of its answers and what they took."""

import time
from collections import Counter
from collections.abc import Iterator

from agents.optimizer.mind import Answer
from protocol.errors import NackCode
from protocol.exposition import Figure, Histogram, counter, counters, gauge, histogram
from protocol.messages import NoUpdate, ParameterUpdate

SEARCH_BOUNDS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0)


class Noted:
    """Of one optimizer, since the start of the process."""

    def __init__(self) -> None:
        self.searching = False
        self._answers = Counter({ParameterUpdate.type_name: 0, NoUpdate.type_name: 0})
        self._refused: Counter[str] = Counter({code.value: 0 for code in NackCode})
        self._searches = Histogram(SEARCH_BOUNDS_S)
        self._candidates = 0
        self._confidence = 0.0
        self._answered_s = time.monotonic()

    def answered(self, answer: Answer, took_s: float) -> None:
        """Note what was found at a boundary."""
        self._answers[answer.word.type_name] += 1
        self._searches.observe(took_s)
        self._candidates += answer.judgement.evaluated
        self._confidence = answer.judgement.confidence
        self._answered_s = time.monotonic()

    def refused(self, code: NackCode) -> None:
        """Note that an answer came to nothing."""
        self._refused[code.value] += 1

    def figures(self) -> Iterator[Figure]:
        """Yield every figure."""
        age_s = time.monotonic() - self._answered_s
        yield gauge("searching", "1 while a boundary is thought about", self.searching)
        yield gauge("answer_age_seconds", "Since it last found an answer", age_s)
        yield counters("answers_total", "Found since the start", "kind", self._answers)
        yield counters("answers_refused_total", "Since the start", "code", self._refused)
        yield counter("candidates_total", "Replayed since the start", self._candidates)
        yield gauge("confidence_ratio", "Of the newest answer", self._confidence)
        yield histogram("search_seconds", "From a boundary to its answer", self._searches)
