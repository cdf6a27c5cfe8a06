"""The cluster of a stack of containers: a head, a worker, and the batch that it replays."""

import json
from typing import Any

from bench.container_house import RARELY_S, ROOT, Stack, until

HEAD = "head:6379"
NODES = ("head", "worker")
BATCH = ROOT / "bench/container_batch.py"


def clustered(stack: Stack) -> dict[str, Any]:
    """Start a stack whose optimizer has a worker; return what a batch on it gave.

    The optimizer of the stack must have joined the cluster, and must have lost nothing to it.
    """
    stack.tell(MODE="master-slave", SEATS="1", CLUSTER=HEAD, COMPOSE_PROFILES="cluster")
    stack.compose("up", "--detach", "--build")
    stack.until_healthy(("head",))
    until(lambda: "Ray runtime started" in stack.logs("worker"), "a worker has joined")
    words = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "python", "optimizer", "-", HEAD)
    done = stack.done("docker-compose", *words, told=BATCH.read_bytes())
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    until(stack.in_force, "a set that a worker replayed is in force", look_s=RARELY_S)
    said = stack.logs("optimizer")
    assert "cluster_" not in said, [line for line in said.splitlines() if "cluster_" in line][:3]
    return found
