"""How a process reaches the bus, from settings: the hubs' addresses and a participant with its key.

Apart from `process.py`, so that who works alone never loads the bus.
"""

import time
from collections.abc import Callable, Mapping

from agents.settings import Settings
from protocol.bus.endpoints import Endpoints, ipc_endpoints, tcp_endpoints
from protocol.bus.participant import Participant
from protocol.keys import load_identity, load_roster
from protocol.messages import Word


def endpoints_of(settings: Settings) -> Endpoints:
    """Return the hubs' addresses: sockets in the configured folder, else ports, else in the data.

    Raises:
        BusError: a socket path would be too long.
    """
    if settings.bus.folder is None and settings.bus.port is not None:
        return tcp_endpoints(settings.bus.port)
    return ipc_endpoints(settings.bus.folder or settings.data / "bus")


def participant_of(
    settings: Settings,
    name: str,
    environ: Mapping[str, str],
    *,
    clock: Callable[[], int] = time.time_ns,
    beat: Callable[[float], Word] | None = None,
    telemetry: bool = True,
) -> Participant:
    """Return the party `name`, not yet on the bus.

    Args:
        environ: may hold its key.
        clock, beat, telemetry: see `Participant`.

    Raises:
        RosterError: its key or the roster is missing, or they do not fit.
        BusError: see `endpoints_of`.
    """
    keys = settings.keys_folder
    return Participant(
        load_identity(name, keys, environ),
        load_roster(keys),
        endpoints_of(settings),
        clock=clock,
        beat=beat,
        telemetry=telemetry,
    )
