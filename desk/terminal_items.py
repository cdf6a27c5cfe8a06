"""What the terminal menu offers: a number, what it does, what it asks for, the command that it is.

Every item is a command of `counterpoint` that could as well be typed; the menu shows which. Pure:
nothing is run here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Answers = Mapping[str, str]


class Way(StrEnum):
    """How an item's command is shown."""

    ONCE = "once"
    """Its output, when it is through."""
    ACT = "act"
    """The same; it changes something, and is not cut short when its page is left."""
    AGAIN = "again"
    """Its output, again and again, in place."""
    LONG = "long"
    """It goes on by itself; what it says is followed, and leaving does not end it."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be asked for before a command.

    Attributes:
        name: of the answer.
        text: what is asked.
        default: what an empty answer means.
        choices: what may be answered; empty: any text.
    """

    name: str
    text: str
    default: str = ""
    choices: tuple[str, ...] = ()

    def objection(self, answer: str) -> str | None:
        """Return what is wrong with an answer, None when nothing is."""
        if self.choices and answer not in self.choices:
            allowed = ", ".join(self.choices)
            return f"{self.text}: must be one of {allowed}, found {answer or 'nothing'}"
        if answer.startswith("-"):
            return f"{self.text}: must not begin with -, found {answer}"
        return None


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the menu.

    Attributes:
        number: that it is chosen by.
        title: what it does.
        command: arguments of `counterpoint` by the answers; none: it leaves.
        questions: asked first, in this order.
        way: how it is shown.
        confirm: what must be answered with yes before it is done; empty: nothing.
    """

    number: int
    title: str
    command: Callable[[Answers], tuple[str, ...]]
    questions: tuple[Question, ...] = ()
    way: Way = Way.ONCE
    confirm: str = ""


MODES: Final = ("master-slave", "peer", "hierarchical", "consensus")
YES_NO: Final = ("no", "yes")
FEED: Final = Question("feed", "recording (empty: the bundled day)")


def optional(flag: str, value: str) -> tuple[str, ...]:
    """Return a flag with its value; nothing when there is none."""
    return (flag, value) if value else ()


def _run(answers: Answers) -> tuple[str, ...]:
    told = (*optional("--feed", answers["feed"]), "--mode", answers["mode"])
    clock = ("--clock", "real") if answers["real"] == "yes" else ()
    return ("run", *told, "--optimizers", answers["optimizers"], *clock)


def _stop(answers: Answers) -> tuple[str, ...]:
    return ("stop", *(("--flatten",) if answers["flatten"] == "yes" else ()))


def fixed(*words: str) -> Callable[[Answers], tuple[str, ...]]:
    """Return a command that asks for nothing."""
    return lambda _: words


ITEMS: Final = (
    Item(
        1,
        "Start the executor and its optimizers",
        _run,
        (
            FEED,
            Question("mode", "how they agree", "master-slave", MODES),
            Question("optimizers", "how many optimizers", "1", tuple("12345678")),
            Question("real", "at the pace of a clock", "no", YES_NO),
        ),
        Way.LONG,
    ),
    Item(2, "Real-time status", fixed("status"), way=Way.AGAIN),
    Item(
        3,
        "Backtest one parameter set",
        lambda answers: ("backtest", *optional("--feed", answers["feed"])),
        (FEED,),
    ),
    Item(4, "Decisions: who proposed what, and why not", fixed("log")),
    Item(
        5,
        "Switch the mode of coordination",
        lambda answers: ("mode", answers["mode"]),
        (Question("mode", "new mode", "master-slave", MODES),),
        Way.ACT,
    ),
    Item(6, "Pause: withdraw the quotes", fixed("pause"), way=Way.ACT),
    Item(7, "Resume: quote again", fixed("resume"), way=Way.ACT),
    Item(
        8,
        "Rearm after a stop",
        fixed("rearm"),
        way=Way.ACT,
        confirm="Lift every stop that is in force?",
    ),
    Item(9, "System status", fixed("doctor")),
    Item(10, "Parameter configuration", fixed("config", "show")),
    Item(11, "Risk: what could be lost", fixed("risk", "status")),
    Item(12, "Risk: the limits, and which cannot bind", fixed("risk", "limits")),
    Item(13, "PnL report", fixed("report")),
    Item(
        14,
        "End the stack cleanly",
        fixed("down"),
        way=Way.ACT,
        confirm="Withdraw all quotes and end?",
    ),
    Item(
        15,
        "EMERGENCY STOP",
        _stop,
        (Question("flatten", "close the position too", "no", YES_NO),),
        Way.ACT,
        confirm="Cancel everything now and stay stopped?",
    ),
)
LEAVE: Final = 0
EMERGENCY: Final = 15


def chosen(number: int) -> Item | None:
    """Return the item of a number, None when there is none."""
    return next((item for item in ITEMS if item.number == number), None)
