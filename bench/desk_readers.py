"""Readers that flood a desk: half ask one question after the other, half listen to its stream.

    python -m bench.desk_readers PORT TOKENFILE [--readers 50]

They print a line when they begin, go on until SIGTERM, also while nobody serves, and then print one
JSON object: how many answers, refusals (429), messages of the stream and failed attempts were.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections import Counter
from itertools import cycle
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

QUESTIONS = (
    "status", "performance", "fills?limit=500", "orders?limit=500", "equity?points=5000",
    "orders?resting=true", "proposals", "decisions", "risk", "markouts", "logs",
)  # fmt: skip
NICE = 19
"""Readers sit elsewhere; on this machine they shall not take the processor of who trades."""
AGAIN_S = 0.1


async def asker(client: httpx.AsyncClient, told: Counter[str]) -> None:
    """Ask without a pause."""
    for question in cycle(QUESTIONS):
        try:
            answer = await client.get(question)
        except httpx.HTTPError:
            told["failed"] += 1
            await asyncio.sleep(AGAIN_S)
            continue
        busy = answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        told["refused" if busy else "answers"] += 1


async def listener(port: int, token: str, told: Counter[str]) -> None:
    """Listen, and again when it was cut."""
    headers = {"authorization": f"Bearer {token}"}
    while True:
        try:
            url = f"ws://127.0.0.1:{port}/api/v1/stream"
            async with connect(url, additional_headers=headers) as socket:
                async for _ in socket:
                    told["messages"] += 1
        except (OSError, InvalidHandshake, WebSocketException):
            told["failed"] += 1
        await asyncio.sleep(AGAIN_S)


async def flood(port: int, token: str, readers: int) -> Counter[str]:
    """Read until SIGTERM."""
    told: Counter[str] = Counter()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    limits = httpx.Limits(max_connections=readers)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}/api/v1/",
        headers={"authorization": f"Bearer {token}"},
        timeout=10.0,
        limits=limits,
    ) as client:
        tasks = [
            asyncio.create_task(asker(client, told) if place % 2 else listener(port, token, told))
            for place in range(readers)
        ]
        print("begun", flush=True)
        await ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return told


def main() -> int:
    """Flood; print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("token", type=Path)
    parser.add_argument("--readers", type=int, default=50)
    told = parser.parse_args()
    os.nice(NICE)
    token = told.token.read_text(encoding="ascii").strip()
    print(json.dumps(asyncio.run(flood(told.port, token, told.readers))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
