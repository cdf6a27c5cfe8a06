"""`counterpoint run --desk`: a short recording, its end, and a desk that stays with all of it."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from decimal import Decimal

import httpx
import pytest

from bench.ports import free_ports
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.tokens import load_tokens
from tests.desk.windows import get
from tests.integration.house import ROOT

PATIENCE_S = 180.0


def started(line, talk):
    """A command with its talk in a file."""
    with talk.open("wb") as errors:
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT)


@pytest.mark.slow
async def test_the_desk_stays_after_the_end_with_the_same_figures_as_the_result(tmp_path):
    """Fills, net profit and last equity of result.json; nothing is found to be stopped any more."""
    feed, data, port = tmp_path / "day.npz", tmp_path / "data", free_ports()
    save(feed, synthetic_recording(seed=5, hours=1.0, setting="planted_edge"))
    line = [sys.executable, "-m", "agents.cli.main", "run", "--desk", "--json"]
    line += ["--feed", str(feed), "--data", str(data), "--set", f"desk.port={port}"]
    process = started(line, tmp_path / "talk")
    try:
        assert process.stdout is not None
        result = json.loads(await asyncio.to_thread(process.stdout.readline))
        headers = {"authorization": f"Bearer {load_tokens(data / 'keys', {})['read']}"}
        url = f"http://127.0.0.1:{port}/api/v1/"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60.0) as client:
            shown = await get(client, "performance")
            ends_s = time.monotonic() + PATIENCE_S
            while not (await get(client, "status"))["stale"]:
                assert time.monotonic() < ends_s, "an executor that has ended is shown as present"
                await asyncio.sleep(0.1)
        tuned = result["tuned"]
        assert (shown["fills"], shown["round_trips"], shown["wins"]) == (
            tuned["fills"]["count"], tuned["fills"]["round_trips"], tuned["fills"]["winning"],
        )  # fmt: skip
        orders = tuned["orders"]
        for name in ("sent", "accepted", "rejected"):
            assert shown[f"orders_{name}"] == orders[name], name
        assert shown["orders_refused"] == sum(orders["refused"].values())
        for name in ("spread", "fees", "inventory", "funding", "net_of_holding"):
            assert Decimal(shown[name]) == Decimal(tuned["profit"][name]), name
        folder = (data / "runs" / "latest").resolve()
        while json.loads((folder / "processes.json").read_bytes()):
            assert time.monotonic() < ends_s
            await asyncio.sleep(0.1)
        said = (tmp_path / "talk").read_text(encoding="utf-8")
        assert "Ctrl-C ends it" in said, said
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, PATIENCE_S)
        process.stdout.close()
    assert code == 0
