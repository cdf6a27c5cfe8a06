"""Tells what the decision log holds, for the result of a run: in feed time and nothing else.

Wall times, epochs, versions, round numbers and message ids are left out, since they depend on
what the machine did. Refusals of decisions by the executor and `applied` reach the log when its
answer does, which at the very end of a run is a matter of luck; so what was applied is taken from
the caller (the executor's journal) where he has it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from agents.coordinator.hedge import LOSS_UNITS
from agents.coordinator.records import Kind, Record
from agents.coordinator.state import VOID
from protocol.messages import Choice, Mode, Pair, utc_text

APPROVE = Choice.APPROVE.value
VOTED = (Mode.MASTER_SLAVE, Mode.CONSENSUS)


def story(records: Iterable[Record], applied: Mapping[Pair, int] | None = None) -> dict[str, Any]:
    """Return proposals, decisions and their counts as plain values, in the order of the log.

    Args:
        records: the whole log, oldest first.
        applied: venue time of application by pair, from the executor's journal; None: from the
            log, without a time.
    """
    teller = _Teller(applied)
    for record in records:
        teller.hear(record)
    return teller.result()


class _Teller:
    """Collects rows by proposal id and by pair, which do not leave here."""

    def __init__(self, applied: Mapping[Pair, int] | None) -> None:
        self._applied = applied
        self._boundary: int | None = None
        self._boundaries = 0
        self._no_updates: Counter[str] = Counter()
        self._proposals: dict[str, dict[str, Any]] = {}
        self._decisions: dict[Pair, dict[str, Any]] = {}
        self._votes: dict[str, str] = {}
        self._supervision = Supervision()
        self._alarms = 0
        self._fates: dict[Pair, str] = {}
        self._changes: list[dict[str, Any]] = []

    def hear(self, record: Record) -> None:
        """Take in one record."""
        body = record.body
        match record.kind:
            case Kind.BOUNDARY:
                self._boundary, self._boundaries = body["index"], self._boundaries + 1
            case Kind.ANSWER if body["update"] is None:
                self._no_updates[body["seat"]] += 1
            case Kind.ANSWER:
                self._propose(record, body["seat"], self._boundary)
            case Kind.PROPOSAL:
                self._propose(record, body["src"], None)
            case Kind.ROUND:
                self._votes = {}
            case Kind.VOTE:
                known = self._votes.get(body["voter"])
                self._votes[body["voter"]] = body["choice"] if known is None else VOID
            case Kind.MEASURED:
                self._supervision.hear(record)
            case Kind.ALARM:
                self._alarms += 1
            case Kind.REFUSED:
                row = self._proposals[body["id"]]
                row |= {"outcome": "refused", "code": body["code"], "detail": body["detail"]}
            case Kind.DECISION:
                self._decide(record)
            case Kind.APPLIED:
                self._fates[_pair(body["pair"])] = "applied"
            case Kind.REJECTED:
                self._fates[_pair(body["pair"])] = "refused at the executor: " + body["code"]
            case Kind.MODE:
                row = {"at": utc_text(record.time_ns), "from": body["from"], "to": body["to"]}
                self._changes.append(row)
            case _:
                pass

    def _propose(self, record: Record, seat: str, boundary: int | None) -> None:
        data = record.body["update"]["data"]
        self._proposals[record.body["id"]] = {
            "boundary": boundary,
            "at": utc_text(record.time_ns),
            "seat": seat,
            "params": data["optimized_params"],
            "confidence_score": data["confidence_score"],
            "outcome": "open",
            "code": None,
            "detail": "",
        }

    def _decide(self, record: Record) -> None:
        body = record.body
        for each in body["basis"]:
            self._proposals[each]["outcome"] = "approved"
        self._decisions[_pair(body["pair"])] = {
            "boundary": body["boundary"],
            "approved_at": utc_text(record.time_ns),
            "approved_by": self._approved_by(Mode(body["mode"])),
            "mode": body["mode"],
            "generation": body["generation"],
            "seat": body["seat"],
            "params": body["params"],
            "not_before": utc_text(body["not_before"]),
            "not_after": utc_text(body["not_after"]),
        }

    def _approved_by(self, mode: Mode) -> str | None:
        """Return whose votes the decision rests on; None where nobody votes."""
        if mode not in VOTED:
            return None
        return "+".join(sorted(each for each, said in self._votes.items() if said == APPROVE))

    def result(self) -> dict[str, Any]:
        """Return the whole story."""
        decisions = [{**row, **self._fate(pair)} for pair, row in sorted(self._decisions.items())]
        # Answers to one boundary, and votes of one round, reach the log in any order.
        proposals = sorted(self._proposals.values(), key=lambda row: (row["at"], row["seat"]))
        refused = Counter(row["code"] for row in proposals if row["outcome"] == "refused")
        return {
            "boundaries": self._boundaries,
            "no_updates": dict(sorted(self._no_updates.items())),
            "proposals_made": len(proposals),
            "proposals_approved": sum(row["outcome"] == "approved" for row in proposals),
            "proposals_refused": dict(sorted(refused.items())),
            "proposals": proposals,
            "decisions": decisions,
            "mode_changes": self._changes,
            "supervision": self._supervision.result(),
            "alarms": self._alarms,
        }

    def _fate(self, pair: Pair) -> dict[str, Any]:
        if self._applied is None:
            return {"fate": self._fates.get(pair, "open")}
        at = self._applied.get(pair)
        if at is not None:
            return {"fate": "applied", "applied_at": utc_text(at)}
        return {"fate": "not applied", "applied_at": None}


class Supervision:
    """What the supervisor's choices cost beside the best strategy, since its weights began.

    The weights' regret has a bound, sqrt(T ln K / 2); that of the strategy that ran has none.
    """

    def __init__(self) -> None:
        self._lost: dict[str, float] = {}
        self._expected = self._ran = 0.0
        self._windows = self._horizon = self._switches = 0
        self._running: str | None = None
        self._weights: dict[str, float] = {}

    def hear(self, record: Record) -> None:
        """Take in one measurement."""
        body, told = record.body, record.body["supervisor"]
        if told is None:
            return
        names = list(told["experts"])
        if names != list(self._lost):
            self._lost, self._windows = dict.fromkeys(names, 0.0), 0
            self._expected = self._ran = 0.0
        self._horizon = told["horizon"]
        self._running, self._switches = told["running"]["expert"], told["running"]["switches"]
        losses = body["losses"]
        if not losses:
            return
        if self._windows == self._horizon:
            self._lost, self._windows = dict.fromkeys(names, 0.0), 0
            self._expected = self._ran = 0.0
        self._windows += 1
        taken = {name: losses.get(name, LOSS_UNITS) / LOSS_UNITS for name in names}
        self._weights = {name: float(weight) for name, weight in body["weights"].items()}
        self._expected += sum(self._weights[name] * taken[name] for name in names)
        self._ran += taken.get(body["ran"], 1.0)
        for name in names:
            self._lost[name] += taken[name]

    def result(self) -> dict[str, Any] | None:
        """Return the figures, None when nothing was supervised."""
        if not self._lost:
            return None
        best = min(self._lost.values())
        bound = math.sqrt(self._horizon * math.log(len(self._lost)) / 2.0)
        return {
            "windows": self._windows,
            "horizon": self._horizon,
            "runs": self._running,
            "switches": self._switches,
            "losses": {name: round(lost, 8) for name, lost in self._lost.items()},
            "weights": {name: round(each, 8) for name, each in self._weights.items()},
            "regret_of_weights": round(self._expected - best, 8),
            "regret_bound": round(bound, 8),
            "regret_of_what_ran": round(self._ran - best, 8),
        }


def _pair(value: Any) -> Pair:
    epoch, version = value
    return (int(epoch), int(version))
