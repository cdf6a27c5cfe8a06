"""A seat as peer and as voter: it recomputes every round, and votes by its own replay.

One vote a round, on disk before it is said; a round that is heard again, after a death too, gets
the same vote again.
"""

from pathlib import Path
from typing import Self

from agents.optimizer.mind import Mind
from agents.weighing import disagreement, objection
from protocol.errors import printable
from protocol.journal import Entry, Journal
from protocol.merge import digest
from protocol.messages import Ack, Choice, Mode, Nack, NackCode, Round, Stage, Vote, utc_ns

SCHEMA_VERSION = 1
TABLE = "votes"


class Votes:
    """The votes that this seat has given, by the message that asked for each; durable."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._given = {row.key: Vote.model_validate(row.body) for row in journal.rows(TABLE)}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file at `path`, made if it is missing.

        Raises:
            JournalError: it is damaged.
        """
        return cls(Journal.open(path, schema_version=SCHEMA_VERSION, tables=(TABLE,)))

    def get(self, ref: str) -> Vote | None:
        """Return the vote given to a round, None when none was."""
        return self._given.get(ref)

    def give(self, ref: str, vote: Vote, now_ns: int) -> Vote:
        """Put a vote on disk; return what was voted first, if the round was voted on already."""
        held = self._given.get(ref)
        if held is not None:
            return held
        body = vote.model_dump(mode="json")
        self._journal.append((Entry(TABLE, now_ns, "vote", body, key=ref),))
        self._given[ref] = vote
        return vote

    def close(self) -> None:
        """Close the file."""
        self._journal.close()


def checked(mind: Mind, word: Round, mode: Mode) -> Ack | Nack:
    """Return a peer's answer to a round: an alarm when the merge is not what it finds."""
    line = disagreement(word, mode, mind.session.settings)
    if line is None:
        return Ack(stage=Stage.RECEIVED)
    return Nack(code=NackCode.SCHEMA, detail=line)


def voted(mind: Mind, word: Round, mode: Mode, now_ns: int) -> Vote:
    """Return a voter's judgement: the same candidate, and not worse on its newest window.

    Args:
        now_ns: venue time as far as this seat knows it, 0 when it does not.
    """
    line = disagreement(word, mode, mind.session.settings)
    if line is None:
        # Whoever has just started knows the time from the sets alone.
        told_ns = max((utc_ns(each.timestamp) for each in word.sets), default=0)
        held, candidate = mind.weigh(word.incumbent, word.candidate, now_ns or told_ns)
        found = objection(held, candidate)
        problem = None if found is None else f"{NackCode.RISK_VETO.value}: {found}"
    else:
        problem = f"{NackCode.SCHEMA.value}: {line}"
    return Vote(
        round=word.round,
        candidate=digest(word.candidate),
        choice=Choice.APPROVE if problem is None else Choice.REJECT,
        reason=printable(problem or "not worse on the newest window"),
    )
