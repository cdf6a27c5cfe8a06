"""Draws the modes' tables as diagrams: `python -m agents.coordinator.modes.draw` writes the page.

The page is `docs/modes.md`: what stands above the mark is written by hand and kept, what stands
below is drawn. With `--check` nothing is written, and 1 is returned when the lower part is not
what the tables say.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from agents.coordinator.modes import consensus, hierarchical, master_slave, peer
from agents.coordinator.modes.flight import FLIGHT
from agents.coordinator.modes.offered import MODES
from agents.coordinator.modes.table import Action, Table
from agents.coordinator.state import Flight, Phase
from protocol.messages import Mode

PAGE = Path(__file__).parents[3] / "docs" / "modes.md"
MARK = "<!-- what follows is drawn: python -m agents.coordinator.modes.draw -->"
INTRODUCTION = """
## The tables

Drawn from the tables in `agents/coordinator/modes/`; do not edit by hand. An arrow says what
happened and, behind the slash, what is done about it. What is not drawn changes nothing. The
protocol says what each mode means, `modes/table.py` what an action does.

A switch is a log entry that begins a new generation. It voids what lies before voters or the
supervisor, and the mode that is now in force begins with the same proposals; a decision that was
made before the switch still arrives, since it is judged by its pair alone.
"""
MODULES: Mapping[Mode, str | None] = {
    Mode.MASTER_SLAVE: master_slave.__doc__,
    Mode.PEER: peer.__doc__,
    Mode.HIERARCHICAL: hierarchical.__doc__,
    Mode.CONSENSUS: consensus.__doc__,
}


def diagram(table: Table) -> str:
    """Return one table as a Mermaid state diagram, in the order of phases and signals."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Phase.IDLE.value}"]
    for (phase, signal), move in table.items():
        if move.phase is phase and move.action is Action.NONE:
            continue
        deed = "" if move.action is Action.NONE else f" / {move.action.value}"
        lines.append(f"    {phase.value} --> {move.phase.value}: {signal.value}{deed}")
    return "\n".join([*lines, "```"])


def life() -> str:
    """Return the life of decisions as a diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Flight.NONE.value}"]
    for (flight, judgement), later in FLIGHT.items():
        if later is not None:
            lines.append(f"    {flight.value} --> {later.value}: {judgement.value}")
    return "\n".join([*lines, "```"])


def drawn() -> str:
    """Return the part of the page that follows from the tables."""
    parts = [INTRODUCTION]
    for mode, table in MODES.items():
        told = (MODULES[mode] or "").strip()
        parts += [f"### {mode.value}\n", f"{told}\n", f"{diagram(table)}\n"]
    parts += ["### A decision\n", "The same in every mode: one in flight, never two.\n", life()]
    return "\n".join(parts) + "\n"


def page(held: str) -> str:
    """Return the whole page anew, keeping what was written by hand in the one that is `held`."""
    return held.partition(MARK)[0] + MARK + "\n" + drawn()


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    held = PAGE.read_text(encoding="utf-8")
    if "--check" in arguments:
        return 0 if held == page(held) else 1
    PAGE.write_text(page(held), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
