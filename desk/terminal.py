"""`counterpoint menu`: the numbered control interface, in any terminal, over ssh as well.

    python -m desk.terminal [--data FOLDER] [--config FILE]

An item is chosen by its number, by arrows or by mouse. Each runs a command of `counterpoint`, which
could be typed as well and is shown; the menu holds no state of its own, so it may be closed and
opened at any time. What was started goes on when it is closed.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import DescendantFocus, Key
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Input, Label, OptionList, RichLog, Static
from textual.widgets.option_list import Option

from desk.terminal_items import EMERGENCY, ITEMS, LEAVE, Answers, Item, Question, Way, chosen

AGAIN_S: Final = 2.0
FOLLOW_S: Final = 0.2
WIDTH: Final = 80
"""Of commands' tables, where the terminal is no wider."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which runs the commands are about: what every one of them is told."""

    data: Path
    config: Path | None = None

    def line(self, words: Sequence[str]) -> list[str]:
        """Return a command of `counterpoint` as a program to run."""
        told = ["--data", str(self.data)]
        told += [] if self.config is None else ["--config", str(self.config)]
        return [sys.executable, "-m", "agents.cli.main", *words, *told]


def shown_command(words: Sequence[str]) -> str:
    """Return what a person would type."""
    return " ".join(("counterpoint", *words))


async def output_of(
    place: Place, words: Sequence[str], columns: int, *, cut: bool
) -> tuple[int, str]:
    """Run a command to its end; return its exit code and what it said.

    Args:
        place: of the runs.
        words: the command.
        columns: width of its tables.
        cut: whether it ends when nobody waits for it any more.
    """
    process = await asyncio.create_subprocess_exec(
        *place.line(words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"},
    )
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        if cut and process.returncode is None:
            process.terminate()
        raise
    return process.returncode or 0, said.decode("utf-8", "replace")


class Asking(ModalScreen[Answers | None]):
    """Asks the questions of an item, one line each; escape gives up."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "back")]

    def __init__(self, item: Item) -> None:
        super().__init__()
        self._item = item
        self._questions = list(item.questions)
        if item.confirm:
            self._questions.append(Question("confirm", item.confirm, "no", ("no", "yes")))

    def compose(self) -> ComposeResult:
        """Lay out a label and a line for each question."""
        with Vertical(id="asking"):
            yield Label(f"{self._item.number}  {self._item.title}", id="asked")
            for question in self._questions:
                hint = f" ({', '.join(question.choices)})" if question.choices else ""
                yield Label(question.text + hint)
                yield Input(placeholder=question.default, id=f"q-{question.name}", compact=True)
            yield Label("", id="objection")
            yield Label("", id="hint")

    @on(DescendantFocus)
    def tell_place(self, event: DescendantFocus) -> None:
        """Say which question waits for an answer."""
        names = [f"q-{question.name}" for question in self._questions]
        if event.widget.id in names:
            place = f"{names.index(event.widget.id) + 1} of {len(names)}"
            hint = f"{place}    enter: next, and at the last one go    escape: back"
            self.query_one("#hint", Label).update(hint)

    @on(Input.Submitted)
    def next(self, event: Input.Submitted) -> None:
        """Go to the next question; behind the last one, answer."""
        names = [f"q-{question.name}" for question in self._questions]
        place = names.index(str(event.input.id))
        if place + 1 < len(names):
            self.query_one(f"#{names[place + 1]}", Input).focus()
            return
        answers = {}
        for question in self._questions:
            answer = self.query_one(f"#q-{question.name}", Input).value.strip()
            answers[question.name] = answer or question.default
            objection = question.objection(answers[question.name])
            if objection is not None:
                self.query_one("#objection", Label).update(objection)
                self.query_one(f"#q-{question.name}", Input).focus()
                return
        if self._item.confirm and answers.pop("confirm") != "yes":
            self.dismiss(None)
            return
        self.dismiss(answers)

    def action_leave(self) -> None:
        """Go back without doing anything."""
        self.dismiss(None)


class Showing(Screen[None]):
    """Shows what a command says: once, again and again, or as it goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "leave", "menu"),
        ("q", "leave", "menu"),
        ("exclamation_mark", "app.stop", "EMERGENCY STOP"),
    ]

    def __init__(self, item: Item, words: Sequence[str], place: Place) -> None:
        super().__init__()
        self._item, self._words, self._place = item, tuple(words), place

    def compose(self) -> ComposeResult:
        """A heading with the command, its output, and the keys."""
        yield Static(
            f"{self._item.title}: {shown_command(self._words)}", id="command", markup=False
        )
        yield RichLog(id="said", wrap=True, markup=False)
        yield Static("running ...", id="end", markup=False)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin."""
        if self._item.way is Way.LONG:
            self.follow()
        else:
            self.show()

    @work(exclusive=True)
    async def show(self) -> None:
        """Run the command and show what it said; again, where it is asked for."""
        log, end = self.query_one("#said", RichLog), self.query_one("#end", Static)
        while True:
            columns = max(WIDTH, self.app.size.width) - 2
            cut = self._item.way is not Way.ACT
            code, said = await output_of(self._place, self._words, columns, cut=cut)
            log.clear()
            log.write(said.rstrip() or "(it said nothing)", scroll_end=False)
            if self._item.way is not Way.AGAIN:
                end.update("done" if code == 0 else f"exit code {code}")
                return
            end.update(f"every {AGAIN_S:.0f} s" if code == 0 else f"exit code {code}")
            await asyncio.sleep(AGAIN_S)

    @work(exclusive=True)
    async def follow(self) -> None:
        """Start the command in a session of its own and follow what it says."""
        log, end = self.query_one("#said", RichLog), self.query_one("#end", Static)
        self._place.data.mkdir(parents=True, exist_ok=True)
        path = self._place.data / "menu.log"
        with path.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *self._place.line(self._words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
                env=os.environ | {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"},
                start_new_session=True,
            )
        end.update("running; it goes on when you leave (14 ends it)")
        with path.open("r", encoding="utf-8", errors="replace") as file:
            while process.returncode is None:
                await asyncio.sleep(FOLLOW_S)
                write_lines(log, file)
            write_lines(log, file)
        end.update("done" if process.returncode == 0 else f"exit code {process.returncode}")

    def action_leave(self) -> None:
        """Go back to the menu."""
        self.dismiss()


def write_lines(log: RichLog, file: Iterable[str]) -> None:
    """Append what is new in a file, line by line."""
    for line in file:
        log.write(line.rstrip("\r\n").rpartition("\r")[2])


class Menu(App[None]):
    """The menu.

    Args:
        place: of the runs.
    """

    TITLE = "counterpoint"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #menu { height: 1fr; border: none; }
    #head, #command { text-style: bold; height: 1; background: $primary-background; }
    #typed, #end { height: 1; color: $text-muted; }
    #said { height: 1fr; }
    Asking { align: center middle; }
    #asking { width: 76; height: auto; max-height: 22; border: round $primary; padding: 0 1; }
    #asked { text-style: bold; }
    #objection { color: $error; }
    #hint { color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("exclamation_mark", "stop", "EMERGENCY STOP"),
        ("q", "quit", "quit"),
    ]

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._typed = ""

    def compose(self) -> ComposeResult:
        """A heading, the items, what was typed, and the keys."""
        yield Static(f"counterpoint    {self._place.data}", id="head", markup=False)
        lines = [
            Option(f"[{item.number:>2}]  {item.title}".replace("[", r"\["), id=str(item.number))
            for item in ITEMS
        ]
        leave = Option(rf"\[{LEAVE:>2}]  Quit", id=str(LEAVE))
        yield OptionList(*lines, leave, id="menu")
        yield Static(self._prompt(), id="typed", markup=False)
        yield Footer(compact=True)

    def on_key(self, event: Key) -> None:
        """Collect the digits of a number; enter chooses it."""
        if len(self.screen_stack) > 1:
            return
        if event.key in set("0123456789"):
            self._typed = (self._typed + event.key)[-2:]
        elif event.key == "backspace":
            self._typed = self._typed[:-1]
        elif event.key == "enter" and self._typed:
            number, self._typed = int(self._typed), ""
            event.stop()
            event.prevent_default()
            self._choose(number)
        else:
            return
        self.query_one("#typed", Static).update(self._prompt())

    @on(OptionList.OptionSelected)
    def pick(self, event: OptionList.OptionSelected) -> None:
        """An item was chosen by arrows or by mouse."""
        self._choose(int(event.option.id or LEAVE))

    def action_stop(self) -> None:
        """Ask for the emergency stop from wherever one is."""
        self._choose(EMERGENCY)

    def _prompt(self) -> str:
        return f"number: {self._typed}_    (type it and press enter, or use arrows or mouse)"

    def _choose(self, number: int) -> None:
        if number == LEAVE:
            self.exit()
            return
        item = chosen(number)
        if item is None:
            self.notify(f"{number} is no item: choose {LEAVE} to {ITEMS[-1].number}")
            return
        if item.questions or item.confirm:
            self.push_screen(Asking(item), lambda answers: self._go(item, answers))
        else:
            self._go(item, {})

    def _go(self, item: Item, answers: Answers | None) -> None:
        if answers is not None:
            self.push_screen(Showing(item, item.command(answers), self._place))


def main() -> int:
    """Run the menu until it is left."""
    parser = argparse.ArgumentParser(description="the numbered control interface")
    parser.add_argument("--data", type=Path, default=Path("counterpoint-data"))
    parser.add_argument("--config", type=Path)
    told = parser.parse_args()
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        print("counterpoint: the menu needs a terminal; use the commands", file=sys.stderr)  # noqa: T201 - one line
        return 2
    Menu(Place(told.data, told.config)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
