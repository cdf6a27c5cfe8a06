"""What became of a policy in shadow, told from the executor's journal: a chapter a change."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from agents.cli.chapters import Chapter, Line
from agents.executor import records
from agents.executor.promotion import Finding, Stage
from agents.executor.recovery import open_journal
from protocol.errors import JournalError

KIND: Final = "policy"
"""Of a row that holds a verdict."""


def verdicts_in(folder: Path) -> list[Chapter]:
    """Return each change of stage of a run, oldest first; none where there is no journal."""
    try:
        with open_journal(folder, readonly=True) as journal:
            bodies = [row.body for row in journal.rows(records.HEARD, kinds=(KIND,))]
    except JournalError:
        return []  # another folder, or not made yet
    return changes(bodies)


def changes(verdicts: Iterable[Mapping[str, Any]]) -> list[Chapter]:
    """Return a chapter a change; that a shadow began is known with its first verdict.

    Args:
        verdicts: bodies of the journal's rows, oldest first.
    """
    chapters: list[Chapter] = []
    stage = None
    for body in verdicts:
        found = Finding.of(body)
        if found.stage is stage:
            continue
        stage = found.stage
        at_ns = body["since_ns"] if stage is Stage.SHADOW else found.until_ns
        text = text_of(found)
        line = Line(at_ns, KIND, text, dict(body), quiet=True)
        chapters.append(Chapter(at_ns, text, [line]))
    return chapters


def text_of(found: Finding) -> str:
    """Return the first verdict of a stage as a line; gains in quote asset."""
    gain = ""
    if found.lower is not None and found.upper is not None:
        gain = f", {found.lower:+.3g} to {found.upper:+.3g} a block"
    grounds = f"{found.reason}{gain}, {found.blocks} blocks, {found.trips} round trips"
    match found.stage:
        case Stage.SHADOW:
            return "policy in shadow: judged block by block beside the one that quotes"
        case Stage.PROMOTED:
            return f"policy promoted: {grounds}"
        case Stage.ROLLED_BACK:
            return f"policy sent back: {grounds}"
