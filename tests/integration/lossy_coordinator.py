"""The coordinator as it is, but its hub loses what a file says, when it says so.

    python -m tests.integration.lossy_coordinator --config FILE --run FOLDER

`FOLDER/lose.json` is a list of rules; the first `copies` control messages that fit a rule are not
forwarded, after `skip` that are. What was lost is appended to `FOLDER/lost`, a topic a line.
"""

import json
import sys
from pathlib import Path
from typing import Any

import agents.coordinator.__main__ as program
from protocol.bus import hub
from protocol.bus.frames import Message
from protocol.bus.gatekeeper import Gatekeeper
from protocol.keys import Roster

RULES = "lose.json"
LOST = "lost"
FOR_EVER = 1_000_000


def lose(folder: Path, *rules: dict[str, Any]) -> None:
    """Say from now on what is lost: `topic`, a part of `body`, `skip` and `copies`."""
    draft = folder / f"{RULES}.draft"
    draft.write_text(json.dumps(rules), encoding="utf-8")
    draft.replace(folder / RULES)


def lost(folder: Path) -> list[str]:
    """Return the topics of what was lost so far."""
    path = folder / LOST
    return path.read_text(encoding="ascii").split() if path.exists() else []


class LossyGatekeeper(Gatekeeper):
    """Forwards as the gatekeeper does, but for what the rules of its folder lose."""

    folder = Path()

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self._read_ns = 0
        self._rules: list[dict[str, Any]] = []

    def judge(self, frames: list[bytes], now_ns: int) -> tuple[bool, Message | None]:
        """Return (forward it, the message whose sender must hear E_BUSY)."""
        forward, busy = super().judge(frames, now_ns)
        if forward and any(self._fits(rule, frames) for rule in self._present()):
            with (self.folder / LOST).open("ab") as file:
                file.write(frames[0] + b"\n")
            return False, None
        return forward, busy

    def _present(self) -> list[dict[str, Any]]:
        path = self.folder / RULES
        changed_ns = path.stat().st_mtime_ns if path.exists() else 0
        if changed_ns != self._read_ns:
            self._read_ns = changed_ns
            self._rules = json.loads(path.read_bytes())
        return self._rules

    @staticmethod
    def _fits(rule: dict[str, Any], frames: list[bytes]) -> bool:
        """Return whether a rule takes these frames, and count them."""
        fits = frames[0].decode() == rule["topic"] and rule.get("body", "").encode() in frames[2]
        if not fits or rule.get("copies", 1) == 0:
            return False
        if rule.get("skip", 0) > 0:
            rule["skip"] -= 1
            return False
        rule["copies"] = rule.get("copies", 1) - 1
        return True


if __name__ == "__main__":
    LossyGatekeeper.folder = program.arguments(sys.argv[1:]).run
    hub.Gatekeeper = LossyGatekeeper  # type: ignore[misc]
    sys.exit(program.main(sys.argv[1:]))
