"""A stack with a desk beside it, each a process, and who asks the desk."""

import asyncio
import json
import secrets
import subprocess
import sys
import time

import httpx

from agents.cli.desk import desk_document
from bench.ports import free_ports
from desk.settings import DeskSettings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.tokens import load_tokens, new_tokens
from tests.integration.house import PATIENCE_S, ROOT, House, settings_in

EXECUTOR = "executor-1"
DESK = "desk"
PATIENT_S = 4 * PATIENCE_S
"""A desk gives way to those who trade, and to every other test."""


def new_id():
    """An id for an action."""
    return secrets.token_hex(16)


class Window:
    """A house with a desk.

    Args:
        folder: for everything.
        hours: of an artificial day, thirty times as fast as it was; a policy is in shadow.
        more: of the settings' table `desk`.
    """

    def __init__(self, folder, hours=3.0, **more):
        feed = folder / "day.npz"
        save(feed, synthetic_recording(seed=3, hours=hours, setting="planted_edge"))
        table = {"open": True, "port": free_ports(), **more}
        judged = {"executor": {"candidate": "plan"}, "promotion": {"block_s": 60}}
        self.house = House(settings_in(folder, feed, desk=table, **judged))
        self.port = table["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        new_tokens(self.house.settings.keys_folder)
        self.tokens = load_tokens(self.house.settings.keys_folder, {})
        self._config = folder / "desk.json"
        document = desk_document(self.house.settings, folder)
        DeskSettings.model_validate_json(json.dumps(document))
        self._config.write_text(json.dumps(document), encoding="utf-8")

    def __enter__(self):
        self.house.coordinator()
        self.house.executor()
        self.open_desk()
        return self

    def __exit__(self, *told):
        self.house.__exit__(*told)

    def open_desk(self):
        """Start the desk, in place of the one that was there."""
        if DESK in self.house.processes:
            self.house.kill(DESK)
        with (self.house.folder / "desk.stderr").open("ab") as errors:
            self.house.processes[DESK] = subprocess.Popen(
                [sys.executable, "-m", "desk", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=ROOT,
            )

    def client(self, scope="read", **more):
        """Whoever asks with a token."""
        headers = {"authorization": f"Bearer {self.tokens[scope]}"} if scope else {}
        return httpx.AsyncClient(
            base_url=f"{self.url}/api/v1/", headers=headers | more, timeout=PATIENT_S
        )

    async def until(self, true, what):
        """Wait until an awaited question is answered with something true; return that."""
        ends_s = time.monotonic() + PATIENT_S
        while True:
            try:
                found = await true()
            except httpx.TransportError:
                found = None
            if found:
                return found
            assert time.monotonic() < ends_s, f"{what}; {self.house.last_words()}"
            await asyncio.sleep(0.05)

    async def living(self, client):
        """Wait until the executor says how it stands."""

        async def fresh():
            return not (await get(client, "status"))["stale"]

        await self.until(fresh, "the executor is heard")

    async def trading(self, client, fills=3):
        """Wait until so many fills are seen through the desk."""

        async def enough():
            found = await get(client, "fills")
            return len(found["fills"]) >= fills and found

        return await self.until(enough, f"{fills} fills are seen")


async def get(client, path, **query):
    """What the desk answers."""
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def act(client, action, key=None, **more):
    """What the desk answers to an action: status code and body."""
    answer = await client.post(action, json={"id": key or new_id(), **more})
    return answer.status_code, answer.json()
