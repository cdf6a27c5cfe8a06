"""The lockstep of a simulated exchange, from the client's side: an instant at a time, by counts.

The exchange says how much it has ever sent us; we act once all of that is here. We say how many
requests about orders we have ever sent; it goes on once all of those are there. So nothing depends
on how quick either of us, or the network between, happens to be.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from exchange.errors import VenueError


@dataclass(frozen=True, slots=True)
class Instant:
    """One guard step, and how much was ever sent to us by then."""

    now_ns: int
    market: int
    user: int
    answers: int


class Lockstep:
    """The connection to the control port.

    Args:
        control: its address, `http://127.0.0.1:9011`.
        key: of our account.
    """

    def __init__(self, control: str, key: str) -> None:
        place = control.rstrip("/").replace("http", "ws", 1)
        self._address = f"{place}/lockstep?key={quote(key)}"
        self._socket: ClientConnection | None = None
        self._done_ns: int | None = None

    async def open(self) -> None:
        """Connect; from now on the feed moves with us.

        Raises:
            VenueError: it cannot be reached.
        """
        try:
            self._socket = await connect(self._address, proxy=None, ping_interval=None)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise VenueError(
                f"the lockstep at {self._address} cannot be reached: {error}"
            ) from None

    async def close(self) -> None:
        """Leave the lockstep."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    async def next(self, requests: int) -> Instant | None:
        """Say that the last instant is done, and return the next one; None at the end.

        Args:
            requests: about orders that we have ever sent.

        Raises:
            VenueError: the connection is gone.
        """
        if self._socket is None:
            raise VenueError("the lockstep is not open")
        try:
            if self._done_ns is not None:
                done = {"done": self._done_ns, "requests": requests}
                await self._socket.send(json.dumps(done))
            told = json.loads(await self._socket.recv())
        except (OSError, WebSocketException) as error:
            raise VenueError(f"the lockstep was lost: {error}") from None
        if "end" in told:
            return None
        self._done_ns = int(told["step"])
        return Instant(self._done_ns, int(told["market"]), int(told["user"]), int(told["answers"]))


async def until_here(
    enough: Callable[[], bool], wait: Callable[[], Awaitable[object]], lost: Callable[[], str]
) -> None:
    """Wait until all that was sent has come.

    Raises:
        VenueError: a stream was lost; an instant of a lockstep cannot be lived through twice.
    """
    while not enough():
        if lost():
            raise VenueError(f"a stream was lost in lockstep: {lost()}")
        await wait()
