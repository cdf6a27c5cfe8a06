"""When somebody must be woken: rules over what the desk knows, and the book of what was told.

Pure: facts and a time in, letters out. An alert is told once; it is told again only after it was
clear for a while, so that what flickers does not ring. In quiet hours only what cannot wait is
told; the rest is told as one letter when they end.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

CLEAR_S: Final = 60.0
"""How long an alert must have been clear before the same one may be told again."""
DAY_MINUTES: Final = 24 * 60
NS: Final = 10**9


class Weight(StrEnum):
    """How much it matters."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the desk knows of one executor at a moment; None where it knows nothing.

    Attributes:
        executor: its name.
        silent_s: seconds since it last said anything.
        feed_age_s: seconds since its market last moved.
        connected: whether its venue is there.
        risk: active, reducing or halted.
        risk_reason: why, empty while active.
        stops: active stop ids.
        drawdown_share: drawdown as a share of its limit; 0: no limit.
        undecided_s: seconds since the last decision came into force or was renewed.
        sent_back: why its promoted policy was rolled back; empty while none was.
        refused: updates refused in the last hour.
        store_fails: why the store takes nothing; empty while it does.
        restarts: starts of each process in the last hour, beyond the first.
    """

    executor: str
    silent_s: float | None = None
    feed_age_s: float | None = None
    connected: bool | None = None
    risk: str | None = None
    risk_reason: str = ""
    stops: tuple[str, ...] = ()
    drawdown_share: float = 0.0
    undecided_s: float | None = None
    sent_back: str = ""
    refused: int = 0
    store_fails: str = ""
    restarts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where on a rule speaks; a bound of 0 switches its rule off."""

    silent_s: float = 10.0
    feed_age_s: float = 30.0
    drawdown_share: float = 0.8
    undecided_s: float = 7200.0
    refused: int = 20
    restarts: int = 3


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong.

    Attributes:
        rule: its name; a runbook has an entry for each (docs/desk.md).
        subject: the executor or process that it is about.
    """

    rule: str
    subject: str
    weight: Weight
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same alert."""
        return self.rule, self.subject


def found(facts: Facts, bounds: Bounds) -> tuple[Alert, ...]:
    """Return what is wrong now, by name of the rule."""
    return tuple(alert for rule in RULES for alert in rule(facts, bounds))


def _silent(facts: Facts, bounds: Bounds) -> Iterable[Alert]:
    if bounds.silent_s and facts.silent_s is not None and facts.silent_s > bounds.silent_s:
        yield Alert(
            "executor_silent",
            facts.executor,
            Weight.CRITICAL,
            f"{facts.executor} has said nothing for {facts.silent_s:.0f} s",
        )


def _disconnected(facts: Facts, _: Bounds) -> Iterable[Alert]:
    if facts.connected is False:
        line = f"{facts.executor} has lost its venue and quotes nothing"
        yield Alert("venue_lost", facts.executor, Weight.CRITICAL, line)


def _stale(facts: Facts, bounds: Bounds) -> Iterable[Alert]:
    if bounds.feed_age_s and facts.feed_age_s is not None and facts.feed_age_s > bounds.feed_age_s:
        line = f"the market of {facts.executor} has not moved for {facts.feed_age_s:.0f} s"
        yield Alert("feed_stale", facts.executor, Weight.WARNING, line)


def _halted(facts: Facts, _: Bounds) -> Iterable[Alert]:
    if facts.risk is not None and facts.risk != "active":
        weight = Weight.CRITICAL if facts.risk == "halted" else Weight.WARNING
        line = f"{facts.executor} is {facts.risk}: {facts.risk_reason or 'no reason given'}"
        yield Alert(f"risk_{facts.risk}", facts.executor, weight, line)


def _stopped(facts: Facts, _: Bounds) -> Iterable[Alert]:
    if facts.stops:
        line = f"{facts.executor} is stopped; rearm it when the reason is gone"
        yield Alert("stopped", facts.executor, Weight.CRITICAL, line)


def _drawdown(facts: Facts, bounds: Bounds) -> Iterable[Alert]:
    if bounds.drawdown_share and facts.drawdown_share > bounds.drawdown_share:
        line = f"{facts.executor} has used {facts.drawdown_share:.0%} of its drawdown limit"
        yield Alert("drawdown_near_limit", facts.executor, Weight.WARNING, line)


def _undecided(facts: Facts, bounds: Bounds) -> Iterable[Alert]:
    long = facts.undecided_s is not None and facts.undecided_s > bounds.undecided_s
    if bounds.undecided_s and long:
        line = f"nothing was decided for {facts.executor} in {facts.undecided_s:.0f} s"
        yield Alert("no_decision", facts.executor, Weight.WARNING, line)


def _refused(facts: Facts, bounds: Bounds) -> Iterable[Alert]:
    if bounds.refused and facts.refused > bounds.refused:
        line = f"{facts.refused} updates for {facts.executor} were refused within an hour"
        yield Alert("updates_refused", facts.executor, Weight.WARNING, line)


def _sent_back(facts: Facts, _: Bounds) -> Iterable[Alert]:
    if facts.sent_back:
        line = f"{facts.executor} quotes by the policy of before; the promoted: {facts.sent_back}"
        yield Alert("policy_rolled_back", facts.executor, Weight.WARNING, line)


def _restarted(facts: Facts, bounds: Bounds) -> Iterable[Alert]:
    for process, count in sorted(facts.restarts.items()):
        if bounds.restarts and count > bounds.restarts:
            line = f"{process} was started again {count} times within an hour"
            yield Alert("process_restarts", process, Weight.CRITICAL, line)


def _unstored(facts: Facts, _: Bounds) -> Iterable[Alert]:
    if facts.store_fails:
        line = f"the store takes nothing: {facts.store_fails}; trading goes on"
        yield Alert("store_fails", "desk", Weight.WARNING, line)


RULES: Final[tuple[Callable[[Facts, Bounds], Iterable[Alert]], ...]] = (
    _silent, _disconnected, _stale, _halted, _stopped, _drawdown, _undecided, _refused, _sent_back,
    _restarted, _unstored,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which only what cannot wait is told, minutes of the day in UTC; equal: none."""

    first: int = 0
    until: int = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the hours of a text such as 22:00-07:00; none where it is empty."""
        if not text:
            return cls()
        first, until = (60 * int(each[:2]) + int(each[3:]) for each in text.split("-"))
        return cls(first, until)

    def holds(self, now_ns: int) -> bool:
        """Return whether it is quiet now; the hours may go past midnight."""
        minute = now_ns // (60 * NS) % DAY_MINUTES
        if self.first <= self.until:
            return self.first <= minute < self.until
        return minute >= self.first or minute < self.until


@dataclass(frozen=True, slots=True)
class Entry:
    """An alert as it stands in the book.

    Attributes:
        raised_ns: when it was first found.
        told: whether somebody was told.
        clear_ns: since when it has been clear; None while it is not.
    """

    alert: Alert
    raised_ns: int
    told: bool = False
    clear_ns: int | None = None


Book = Mapping[tuple[str, str], Entry]


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent: one alert, or several that waited for the end of quiet hours."""

    title: str
    body: str
    alerts: tuple[Alert, ...]


def judge(
    book: Book, alerts: Iterable[Alert], now_ns: int, quiet: Quiet
) -> tuple[Book, tuple[Letter, ...]]:
    """Return the book after what is found now, and what somebody must be told.

    Args:
        book: of the time before; empty at first.
        alerts: everything that is wrong now.
        now_ns: wall time.
        quiet: quiet hours.
    """
    now = {alert.key: alert for alert in alerts}
    kept: dict[tuple[str, str], Entry] = {}
    for key, entry in book.items():
        if key in now:
            kept[key] = replace(entry, alert=now[key], clear_ns=None)
        else:
            clear_ns = now_ns if entry.clear_ns is None else entry.clear_ns
            if now_ns - clear_ns < CLEAR_S * NS:
                kept[key] = replace(entry, clear_ns=clear_ns)
    for key, alert in now.items():
        kept.setdefault(key, Entry(alert, now_ns))
    calm = quiet.holds(now_ns)
    due = [
        entry
        for entry in kept.values()
        if not entry.told
        and entry.clear_ns is None
        and (entry.alert.weight is Weight.CRITICAL or not calm)
    ]
    for entry in due:
        kept[entry.alert.key] = replace(entry, told=True)
    waited = [each for each in due if each.raised_ns < now_ns and len(due) > 1]
    single = [each for each in due if each not in waited]
    letters = [_letter((each.alert,)) for each in single]
    if waited:
        letters.append(_letter(tuple(each.alert for each in waited)))
    return kept, tuple(letters)


def _letter(alerts: tuple[Alert, ...]) -> Letter:
    if len(alerts) == 1:
        only = alerts[0]
        return Letter(f"counterpoint {only.weight.value}: {only.rule}", only.text, alerts)
    body = "\n".join(f"{each.rule}: {each.text}" for each in alerts)
    return Letter(f"counterpoint: {len(alerts)} alerts of the quiet hours", body, alerts)
