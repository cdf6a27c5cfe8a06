"""One machine as a node of a Ray cluster: is Ray there, does the head answer, how is one started.

Ray waits for minutes for a head that is not there, and ends a process that has no node on its own
machine; so both are asked first, within a bound.
"""

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Mapping

from protocol.errors import ProtocolError

CONFIGURATION = 4
REACH_S = 5.0
PROBE = "import sys, ray; ray.init(sys.argv[1], logging_level='ERROR', log_to_driver=False)"
PROBE_S = 30.0
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_enable_metrics_collection": "0",
}


class ClusterError(ProtocolError):
    """The cluster cannot be used; the text is one line."""

    exit_code = CONFIGURATION


def environment() -> Mapping[str, str]:
    """Return the environment of Ray's processes."""
    return {**os.environ, **QUIET}


def demand_ray() -> None:
    """Refuse to go on without Ray.

    Raises:
        ClusterError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise ClusterError("ray is not installed here: pip install 'counterpoint[cluster]'")


def demand_head(address: str) -> None:
    """Refuse an address at which nobody listens.

    Raises:
        ClusterError: it is no address, or why it cannot be reached.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ClusterError(f"a cluster is named HOST:PORT of its head, found {address}")
    try:
        socket.create_connection((host, int(port)), timeout=REACH_S).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise ClusterError(f"no head of a cluster can be reached at {address}: {why}") from None


def joined(address: str) -> bool:
    """Return whether this machine has a node of that cluster, within PROBE_S."""
    probe = [sys.executable, "-c", PROBE, address]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            probe, env=environment(), capture_output=True, check=False, timeout=PROBE_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def node_command(address: str, cpus: int | None) -> list[str]:
    """Return what runs a node of a cluster here until it ends.

    Args:
        address: of the head.
        cpus: processors that it offers; None: all.
    """
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}"]
    offered = [] if cpus is None else [f"--num-cpus={cpus}"]
    return [*command, *offered, "--block", "--disable-usage-stats"]
