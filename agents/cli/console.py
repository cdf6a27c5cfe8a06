"""The console of every command that prints with rich."""

import errno

from rich.console import Console

from agents.cli.exits import OutputError
from agents.cli.output import silence


class Screen(Console):
    """A console on stdout that leaves text as it is: `10:10,10000:-1` is no picture of a thumb.

    Markup is off too, unless a caller asks for it; such a caller escapes what is not its own.
    """

    def __init__(self, width: int, *, markup: bool = False) -> None:
        super().__init__(width=width, highlight=False, soft_wrap=True, markup=markup, emoji=False)

    def on_broken_pipe(self) -> None:
        """End quietly: nobody reads any more."""
        silence()
        raise OutputError(errno.EPIPE)
