import errno

import pytest
from rich.table import Table

from agents.cli.console import Screen
from agents.cli.exits import CLOSED, CONFIGURATION, OutputError, explain
from agents.cli.output import put

TEXT = "feed.fee_tiers=0:10:10,10000:-1:5 :thumbs_up: [bold]x[/bold] [1.5]"


def test_text_is_printed_as_it_is(capsys):
    """On a line and in a cell: no pictures, no markup, no colour of numbers."""
    screen = Screen(108)
    screen.print(TEXT)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_row(TEXT)
    screen.print(table)
    put(TEXT)
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [TEXT] * 3


def test_markup_is_read_where_it_is_asked_for_and_pictures_never(capsys):
    """A title may be bold; a fee tier stays a fee tier."""
    Screen(108, markup=True).print("[bold]x[/bold] 10:10,10000:-1:5")
    assert capsys.readouterr().out == "x 10:10,10000:-1:5\n"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OutputError(errno.EPIPE), CLOSED, ""),
        (OutputError(errno.ENOSPC), CONFIGURATION, "standard output cannot be written: No space"),
        (OSError(errno.ENOSPC, "No space left"), CONFIGURATION, "the output cannot be written"),
        (OSError(errno.EIO, "Input/output error", "a.csv"), CONFIGURATION, "a.csv cannot be"),
        (ValueError("odd"), 1, "a bug, please report it: ValueError: odd"),
    ],
)
def test_a_full_machine_is_no_bug(tmp_path, capsys, error, code, says):
    """One plain line, and none at all for a reader that left."""
    assert explain(error, tmp_path) == code
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == bool(says)
    assert (tmp_path / "counterpoint-error.txt").exists() == (code == 1)
