"""Client order ids: whose order it is can be read from its name, on any day and by anybody."""

import re
from dataclasses import dataclass

from exchange.errors import VenueError

PREFIX = "cp-"
TOKEN = re.compile(r"[a-z0-9]{1,12}")
ORDER = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one executor's orders: `cp-<token>-<order id>`.

    The token stays the same over restarts, so that a new start knows its strays; ids rise.

    Attributes:
        token: 1 to 12 lower-case letters and digits, one executor's alone in its account.
    """

    token: str

    def __post_init__(self) -> None:
        if not TOKEN.fullmatch(self.token):
            raise VenueError(f"an executor's token is 1 to 12 of a-z and 0-9, found {self.token!r}")

    @property
    def prefix(self) -> str:
        """What every name begins with."""
        return f"{PREFIX}{self.token}-"

    def of(self, order_id: int) -> str:
        """Return the name of an order."""
        return f"{self.prefix}{order_id}"

    def order_id(self, name: str) -> int | None:
        """Return the order that a name stands for; None when it is none of ours."""
        rest = name.removeprefix(self.prefix)
        if rest == name or not ORDER.fullmatch(rest):
            return None
        return int(rest)
