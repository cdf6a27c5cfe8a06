"""The decision log as a story: who proposed what, who voted how and why, what came of it. Pure."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from desk.wording import moment

Row = dict[str, Any]


KINDS: Final = (
    "answer", "proposal", "round", "vote", "refused", "decision", "applied", "rejected",
)  # fmt: skip
"""The entries that a story is told from."""
KEPT_MAX: Final = 5_000
"""Proposals and decisions that are kept, so that a desk which stays for years stays small."""


class Story:
    """Told from entries of the coordinator's log; what it lacks the beginning of is passed over.

    Attributes:
        proposals: in the order of the log, the newest `KEPT_MAX`.
        decisions: likewise.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]] = ()) -> None:
        """Read entries, as `tell`."""
        self._proposals: dict[str, Row] = {}
        self._decisions: dict[tuple[int, int], Row] = {}
        self._sets: list[str] = []
        self._votes: list[Row] = []
        self._tells = {
            "answer": self._answer,
            "proposal": self._proposal,
            "round": self._round,
            "vote": self._vote,
            "refused": self._refused,
            "decision": self._decision,
            "applied": self._applied,
            "rejected": self._rejected,
        }
        self.tell(entries)

    def tell(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Read further entries, oldest first: rows of `events` with kind, time_ns and body."""
        for entry in entries:
            tell = self._tells.get(entry["kind"])
            if tell is not None:
                tell(entry["body"], entry["time_ns"])
        _forget(self._proposals)
        _forget(self._decisions)

    def newest(self, limit: int) -> tuple[list[Row], list[Row]]:
        """Return copies of the newest proposals and decisions, newest first."""
        told: list[list[Row]] = []
        for held in (self._proposals, self._decisions):
            newest = islice(reversed(held.values()), limit)
            told.append([{**each, "votes": list(each["votes"])} for each in newest])
        return told[0], told[1]

    @property
    def proposals(self) -> list[Row]:
        """Everything that was proposed."""
        return list(self._proposals.values())

    @property
    def decisions(self) -> list[Row]:
        """Everything that was decided."""
        return list(self._decisions.values())

    def _answer(self, body: Row, time_ns: int) -> None:
        if body["update"] is not None:
            self._propose(body, body["seat"], time_ns)

    def _proposal(self, body: Row, time_ns: int) -> None:
        self._propose(body, body["src"], time_ns)

    def _propose(self, body: Row, seat: str, time_ns: int) -> None:
        data = body["update"]["data"]
        self._proposals[body["id"]] = {
            "id": body["id"],
            **moment(time_ns),
            "seat": seat,
            "parameters": data["optimized_params"],
            "metrics": data["performance_metrics"],
            "confidence_score": data["confidence_score"],
            "outcome": "open",
            "code": None,
            "reason": "",
            "votes": [],
        }

    def _round(self, body: Row, _: int) -> None:
        self._sets, self._votes = list(body["sets"]), []

    def _vote(self, body: Row, _: int) -> None:
        vote = {name: body[name] for name in ("voter", "choice", "reason")}
        self._votes.append(vote)
        for key in self._sets:
            if key in self._proposals:
                self._proposals[key]["votes"].append(vote)

    def _refused(self, body: Row, _: int) -> None:
        told = self._proposals.get(body["id"])
        if told is not None:
            told |= {"outcome": "refused", "code": body["code"], "reason": body["detail"]}

    def _decision(self, body: Row, time_ns: int) -> None:
        for key in body["basis"]:
            if key in self._proposals:
                self._proposals[key]["outcome"] = "approved"
        epoch, version = body["pair"]
        self._decisions[epoch, version] = {
            "pair": body["pair"],
            **moment(time_ns),
            "parameters": body["params"],
            "basis": body["basis"],
            "seat": body["seat"],
            "mode": body["mode"],
            "generation": body["generation"],
            "not_before": moment(body["not_before"]),
            "not_after": moment(body["not_after"]),
            "votes": list(self._votes),
            "outcome": "open",
            "code": None,
            "reason": "",
        }

    def _applied(self, body: Row, _: int) -> None:
        self._end(body, {"outcome": "applied"})

    def _rejected(self, body: Row, _: int) -> None:
        told = {"code": body.get("code"), "reason": body.get("detail", "")}
        self._end(body, {"outcome": "refused", **told})

    def _end(self, body: Row, told: Row) -> None:
        epoch, version = body["pair"]
        if (epoch, version) in self._decisions:
            self._decisions[epoch, version] |= told


def _forget(held: dict[Any, Row]) -> None:
    """Drop the oldest of what is too much."""
    for key in list(islice(held, max(0, len(held) - KEPT_MAX))):
        del held[key]
