"""Tells the decision log as a story: who proposed, who voted, merged or refused and why, what came
into force and when. Pure: records in, chapters out; nothing here opens a file or prints.

A chapter is a boundary or a group of proposals with all that followed from them, or a single event:
a start, a change of mode, a stop, a rearm. What becomes of a decision stands in the chapter in
which it was made, however much later it happened.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from agents.cli.chapters import (
    Chapter,
    Line,
    as_pair,
    clock,
    named,
    outcomes_line,
    set_line,
    supervisor_line,
    tallied,
    woven,
)
from agents.coordinator.records import Body, Kind, Record
from protocol.merge import UNITS
from protocol.messages import Mode, Pair, utc_text

Applied = Mapping[Pair, int]


@dataclass(frozen=True, slots=True)
class Decided:
    """Where one decision stands in the story: its chapter, and the lines that lead to it."""

    chapter: Chapter
    lines: tuple[Line, ...]


class Chronicle:
    """The story of a log.

    Args:
        records: the whole log, oldest first.
        mode: at the first start; None where no configuration tells it.
        applied: venue time of application by pair, from the executor's journal.
        beside: chapters that no log holds, oldest first.
    """

    def __init__(
        self,
        records: Iterable[Record],
        mode: Mode | None = None,
        applied: Applied | None = None,
        beside: Sequence[Chapter] = (),
    ) -> None:
        self.chapters: list[Chapter] = []
        self._beside = beside
        self._mode = "mode unknown" if mode is None else mode.value
        self._generation = 0
        self._applied = applied or {}
        self._boundary: Chapter | None = None
        self._seats: dict[str, str] = {}
        self._homes: dict[str, Chapter] = {}
        self._grounds: dict[str, Line] = {}
        self._round: list[Line] = []
        self._measured = ""
        self._round_home: Chapter | None = None
        self._decided: dict[Pair, Decided] = {}
        self._fates: dict[Pair, Line] = {}
        for record in records:
            _TOLD.get(record.kind, Chronicle.other)(self, record, record.body)

    # --- what is asked for --------------------------------------------------------------------
    def told(self) -> list[Chapter]:
        """Return the chapters; boundaries in a row at which nothing happened are one."""
        found: list[Chapter] = []
        told = woven(self.chapters, self._beside)
        for dull, group in groupby(told, key=lambda each: each.dull):
            chapters = list(group)
            if not dull:
                found += chapters
                continue
            ends = [each.boundaries for each in (chapters[0], chapters[-1])]
            first, last = (0 if each is None else each[0] for each in ends)
            which = f"boundary {first}" if first == last else f"boundaries {first} to {last}"
            title = f"{which}: nobody proposed"
            lines = [line for each in chapters for line in each.lines]
            found.append(Chapter(chapters[0].time_ns, title, lines, boundaries=(first, last)))
        return found

    def decision(self, pair: Pair) -> Chapter | None:
        """Return what led to one decision and what became of it; None when there is none."""
        held = self._decided.get(pair)
        if held is None:
            return None
        lines = list(held.lines)
        fate = self._fates.get(pair)
        if fate is not None:
            lines.append(fate)
            later = (each for each in self._fates if each > pair)
            heirs = [each for each in later if self._fates[each].kind == Kind.APPLIED.value]
            if fate.kind == Kind.APPLIED.value and heirs:
                heir = min(heirs)
                line = self._fates[heir]
                facts = {"pair": list(heir)}
                text = f"decision {named(heir)} took its place"
                lines.append(Line(line.time_ns, "replaced", text, facts))
        return Chapter(held.chapter.time_ns, held.chapter.title, lines)

    def newest(self) -> Pair | None:
        """Return the newest decision."""
        return max(self._decided, default=None)

    # --- records ------------------------------------------------------------------------------
    def start(self, record: Record, body: Body) -> None:
        """A coordinator begins."""
        chapter = self._begin(record, f"the coordinator starts, epoch {body['epoch']}")
        self._add(chapter, record, "", body, quiet=True)
        self._round, self._round_home = [], None

    def boundary(self, record: Record, body: Body) -> None:
        """Feed time waits."""
        index = body["index"]
        chapter = self._begin(record, f"boundary {index}, {self._under()}")
        chapter.boundaries = (index, index)
        self._boundary = chapter
        held = tuple(body["incumbent"])
        text = f"in force is decision {named(held)}" if any(held) else "no decision is in force"
        self._add(chapter, record, text, body, quiet=True)

    def answer(self, record: Record, body: Body) -> None:
        """A seat answers the boundary."""
        if body["update"] is not None:
            self._propose(record, body, body["seat"], self._boundary)
            return
        chapter = self._boundary or self._begin(record, "an answer without a boundary")
        chapter.resting.append(body["seat"])
        facts = {"seat": body["seat"], "update": None}
        self._add(chapter, record, f"{body['seat']} found nothing better", facts, quiet=True)

    def proposal(self, record: Record, body: Body) -> None:
        """Somebody proposes beside any boundary."""
        last = self.chapters[-1] if self.chapters else None
        if last is None or not last.free:
            last = self._begin(record, f"proposals, {self._under()}")
            last.free = True
        self._propose(record, body, body["src"], last)

    def _propose(self, record: Record, body: Body, seat: str, chapter: Chapter | None) -> None:
        chapter = chapter or self._begin(record, "a proposal without a boundary")
        data = body["update"]["data"]
        params, confidence = data["optimized_params"], data["confidence_score"]
        verb = "has the set in force prolonged:" if body.get("renewal") else "proposes"
        text = f"{seat} {verb} {set_line(params)} (confidence {confidence:.2f})"
        facts = {
            "seat": seat,
            "id": body["id"],
            "params": params,
            "confidence_score": confidence,
            "performance_metrics": data["performance_metrics"],
            "renewal": bool(body.get("renewal")),
        }
        self._seats[body["id"]], self._homes[body["id"]] = seat, chapter
        self._grounds[body["id"]] = self._add(chapter, record, text, facts)

    def round(self, record: Record, body: Body) -> None:
        """Sets are put to voters or peers."""
        seats = [self._seat(key) for key in body["sets"]]
        weights = dict(zip(seats, (each / UNITS for each in body["weights"]), strict=True))
        facts = {
            "round": body["round"],
            "mode": self._mode,
            "seats": seats,
            "weights": weights,
            "candidate": body["candidate"],
        }
        shared = ", ".join(f"{seat} (weight {weight:.4f})" for seat, weight in weights.items())
        candidate = set_line(body["candidate"])
        told = {
            Mode.MASTER_SLAVE.value: f"the set of {', '.join(seats)} is put to the executor",
            Mode.PEER.value: f"merged from {shared}: {candidate}; every peer checks it",
            Mode.CONSENSUS.value: f"median of {', '.join(seats)}: {candidate}; every seat votes",
        }
        text = told.get(self._mode, f"of {', '.join(seats)}: {candidate}")
        chapter = self._home(record, body["sets"])
        line = self._add(chapter, record, f"round {body['round']}: {text}", facts)
        self._round, self._round_home = [line], chapter

    def vote(self, record: Record, body: Body) -> None:
        """A voter says what he thinks."""
        verb = {"approve": "approves", "reject": "rejects", "abstain": "abstains"}[body["choice"]]
        text = f"{body['voter']} {verb}" + (f": {body['reason']}" if body["reason"] else "")
        facts = {name: body[name] for name in ("round", "voter", "choice", "reason")}
        self._round.append(self._add(self._table(record), record, text, facts))

    def void(self, record: Record, body: Body) -> None:
        """A round comes to nothing."""
        silent = body.get("silent") or []
        why = f"{', '.join(silent)} did not vote" if silent else "a start or a switch came between"
        text = f"round {body['round']} is void: {why}"
        self._add(self._table(record), record, text, {"round": body["round"], "silent": silent})
        self._round, self._round_home = [], None

    def alarm(self, record: Record, body: Body) -> None:
        """A peer finds another merge."""
        where = f"in round {body['round']}" if "round" in body else f"about {body['pair']}"
        text = f"ALARM: {body['peer']} finds otherwise {where}: {body['detail']}"
        self._add(self._table(record), record, text, dict(body))

    def measured(self, record: Record, body: Body) -> None:
        """What the standing sets would have earned, and who runs from now on."""
        text = "; ".join(part for part in (outcomes_line(body), supervisor_line(body)) if part)
        chapter = self._boundary or (self._open(record) if text else self._last(record))
        names = ("window", "nets", "won", "losses", "weights", "ran", "supervisor")
        facts = {name: body[name] for name in names if name in body}
        line = self._add(chapter, record, text, facts, quiet=not text or text == self._measured)
        self._measured = text
        if body["supervisor"] is not None:
            # What a decision rests on is told with it, news or not.
            self._round, self._round_home = [replace(line, quiet=not text)], chapter

    def refused(self, record: Record, body: Body) -> None:
        """A proposal comes to nothing."""
        seat = self._seat(body["id"])
        text = f"{seat} refused: {body['code']} {body['detail']}"
        facts = {"seat": seat, **{name: body[name] for name in ("id", "code", "detail")}}
        self._add(self._home(record, [body["id"]]), record, text, facts)

    def fault(self, record: Record, body: Body) -> None:
        """Somebody says what is no word."""
        text = f"{body['seat']} says what is no word: {body['code']} {body['detail']}"
        self._add(self._boundary or self._open(record), record, text, dict(body))

    def bench(self, record: Record, body: Body) -> None:
        """Somebody is not heard for a while."""
        until = utc_text(body["until"])
        text = f"{body['seat']} is benched until {until}, after {body['faults']} faults in a row"
        self._add(self._boundary or self._last(record), record, text, {**body, "until": until})

    def tally(self, record: Record, body: Body) -> None:
        """What was refused without an entry of its own."""
        text = f"refused besides: {tallied(body)}"
        self._add(self._boundary or self._last(record), record, text, dict(body))

    def decide(self, record: Record, body: Body) -> None:
        """A set becomes the decision in flight."""
        pair = as_pair(body["pair"])
        seats = [self._seat(key) for key in body["basis"]]
        text = (
            f"decision {named(pair)} under {body['mode']}, generation {body['generation']}, of "
            f"{body['seat']}: {set_line(body['params'])}; from {clock(body['not_before'])}, until "
            f"{clock(body['not_after'])} unless renewed"
        )
        facts = {**body, "proposed_by": seats, "not_before": utc_text(body["not_before"])}
        facts["not_after"] = utc_text(body["not_after"])
        chapter = self._home(record, body["basis"])
        line = self._add(chapter, record, text, facts)
        grounds = [self._grounds[key] for key in body["basis"] if key in self._grounds]
        self._decided[pair] = Decided(chapter, (*grounds, *self._round, line))
        self._round, self._round_home = [], None

    def apply(self, record: Record, body: Body) -> None:
        """A decision is in force."""
        pair = as_pair(body["pair"])
        at_ns = self._applied.get(pair)
        text = f"decision {named(pair)} is in force"
        text += ", says the executor" if at_ns is None else f" since {clock(at_ns)}"
        told = Record(kind=record.kind, time_ns=at_ns or record.time_ns, body=body)
        facts = {"pair": list(pair), "applied_at": None if at_ns is None else utc_text(at_ns)}
        self._fates[pair] = self._add(self._chapter_of(pair, record), told, text, facts)

    def reject(self, record: Record, body: Body) -> None:
        """The executor refuses a decision."""
        pair = as_pair(body["pair"])
        text = f"the executor refuses decision {named(pair)}: {body['code']} {body['detail']}"
        self._fates[pair] = self._add(self._chapter_of(pair, record), record, text, dict(body))

    def close(self, record: Record, body: Body) -> None:
        """A boundary ends."""
        chapter = self._boundary or self._begin(record, f"boundary {body['index']}")
        self._add(chapter, record, "", dict(body), quiet=True)
        self._boundary = None

    def switch(self, record: Record, body: Body) -> None:
        """Another mode decides from now on."""
        self._mode, self._generation = body["to"], body["generation"]
        text = f"{body['from']} -> {body['to']}, generation {self._generation}: {body['reason']}"
        self._round, self._round_home = [], None
        if self._boundary is None:
            chapter = self._begin(record, f"mode {text}")
            self._add(chapter, record, text, dict(body), quiet=True)
        else:
            self._boundary.title = f"{self._boundary.title.partition(',')[0]}, {self._under()}"
            self._add(self._boundary, record, f"mode {text}", dict(body))

    def stop(self, record: Record, body: Body) -> None:
        """Somebody pulls the brake."""
        flat = " and flatten" if body["flatten"] else ""
        chapter = self._begin(record, f"STOP{flat}, {body['scope']}: {body['reason']}")
        self._add(chapter, record, f"stop {body['id']}", dict(body))

    def rearm(self, record: Record, body: Body) -> None:
        """Stops are lifted."""
        chapter = self._begin(record, f"rearmed: {body['reason']}")
        self._add(chapter, record, f"lifts {', '.join(body['lifts'])}", dict(body))

    def other(self, record: Record, body: Body) -> None:
        """Tell what has no words of its own as it stands."""
        plain = ", ".join(f"{name} {value}" for name, value in body.items())
        chapter = self._boundary or self._open(record)
        self._add(chapter, record, f"{record.kind.value}: {plain}", dict(body))

    # --- places -------------------------------------------------------------------------------
    def _begin(self, record: Record, title: str) -> Chapter:
        self.chapters.append(Chapter(record.time_ns, title))
        return self.chapters[-1]

    def _open(self, record: Record) -> Chapter:
        """Return the group of proposals that is being told, or a new chapter."""
        last = self._last(record)
        return last if last.free or not last.lines else self._begin(record, self._under())

    def _last(self, record: Record) -> Chapter:
        """Return the newest chapter, for what needs none of its own."""
        return self.chapters[-1] if self.chapters else self._begin(record, self._under())

    def _home(self, record: Record, keys: list[str]) -> Chapter:
        """Return the chapter of proposals, the latest of theirs; no more join it then."""
        homes = [self._homes[key] for key in keys if key in self._homes]
        chapter = max(homes, key=lambda each: each.time_ns) if homes else self._table(record)
        chapter.free = False
        return chapter

    def _table(self, record: Record) -> Chapter:
        """Return the chapter of the open round."""
        return self._round_home or self._boundary or self._open(record)

    def _chapter_of(self, pair: Pair, record: Record) -> Chapter:
        held = self._decided.get(pair)
        return self._open(record) if held is None else held.chapter

    def _add(
        self, chapter: Chapter, record: Record, text: str, facts: Body, *, quiet: bool = False
    ) -> Line:
        line = Line(record.time_ns, record.kind.value, text, facts, quiet)
        chapter.lines.append(line)
        return line

    def _seat(self, key: str) -> str:
        return self._seats.get(key, key[:8])

    def _under(self) -> str:
        return f"{self._mode}, generation {self._generation}"


_TOLD: Mapping[Kind, Callable[[Chronicle, Record, Body], None]] = {
    Kind.EPOCH: Chronicle.start,
    Kind.BOUNDARY: Chronicle.boundary,
    Kind.ANSWER: Chronicle.answer,
    Kind.PROPOSAL: Chronicle.proposal,
    Kind.ROUND: Chronicle.round,
    Kind.VOTE: Chronicle.vote,
    Kind.VOID: Chronicle.void,
    Kind.ALARM: Chronicle.alarm,
    Kind.MEASURED: Chronicle.measured,
    Kind.REFUSED: Chronicle.refused,
    Kind.FAULT: Chronicle.fault,
    Kind.BENCH: Chronicle.bench,
    Kind.TALLY: Chronicle.tally,
    Kind.DECISION: Chronicle.decide,
    Kind.APPLIED: Chronicle.apply,
    Kind.REJECTED: Chronicle.reject,
    Kind.DONE: Chronicle.close,
    Kind.MODE: Chronicle.switch,
    Kind.STOP: Chronicle.stop,
    Kind.REARM: Chronicle.rearm,
}
