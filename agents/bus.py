"""How a process reaches the bus, from settings: the hubs' addresses and a participant with its key.

Apart from `process.py`, so that who works alone never loads the bus.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from agents.settings import Settings
from protocol.bus.endpoints import Endpoints, far_endpoints, ipc_endpoints, tcp_endpoints
from protocol.bus.hub import Hub
from protocol.bus.participant import COORDINATOR, Participant
from protocol.errors import RosterError
from protocol.keyring import Keyring
from protocol.keys import Roster
from protocol.messages import Word


def endpoints_of(settings: Settings) -> Endpoints:
    """Return the hubs' addresses on their own host: the folder's, else ports, else the data's.

    Raises:
        BusError: a socket path would be too long.
    """
    if settings.bus.folder is None and settings.bus.port is not None:
        return tcp_endpoints(settings.bus.port)
    return ipc_endpoints(settings.bus.folder or settings.data / "bus")


def far_endpoints_of(address: str, roster: Roster) -> Endpoints:
    """Return the hubs' addresses between hosts, with the CURVE key that the roster knows them by.

    Raises:
        EndpointError: it is no such address.
        RosterError: the roster has no coordinator.
    """
    hubs = roster.members.get(COORDINATOR)
    if hubs is None:
        raise RosterError(f"the roster has no {COORDINATOR}, whose key an address beyond needs")
    return far_endpoints(address, hubs.curve)


def hub_of(settings: Settings, keyring: Keyring, *, folder: Path, clock: Callable[[], int]) -> Hub:
    """Return the hubs of a coordinator, not yet bound.

    Args:
        folder: of the log.
        clock: wall time in ns.

    Raises:
        BusError: an address cannot be one.
    """
    identity, roster = keyring.keys.identity, keyring.keys.roster
    listen = settings.bus.listen
    return Hub(
        identity,
        roster,
        endpoints_of(settings),
        folder=folder,
        clock=clock,
        beyond=None if listen is None else far_endpoints_of(listen, roster),
        keyring=keyring,
    )


def participant_of(
    settings: Settings,
    name: str,
    environ: Mapping[str, str],
    *,
    clock: Callable[[], int] = time.time_ns,
    beat: Callable[[float], Word] | None = None,
    telemetry: bool = True,
    renews: bool = True,
) -> Participant:
    """Return the party `name`, not yet on the bus.

    Args:
        environ: may hold its key.
        clock, beat, telemetry: see `Participant`.
        renews: whether it lives long enough for keys to change.

    Raises:
        RosterError: its key or the roster is missing, or they do not fit.
        BusError: an address cannot be one.
    """
    keyring = Keyring(name, settings.keys_folder, environ)
    identity, roster = keyring.keys.identity, keyring.keys.roster
    # Whoever hosts the hubs is where they are.
    connect = None if name == COORDINATOR else settings.bus.connect
    return Participant(
        identity,
        roster,
        endpoints_of(settings) if connect is None else far_endpoints_of(connect, roster),
        clock=clock,
        beat=beat,
        telemetry=telemetry,
        keyring=keyring if renews else None,
    )
