"""A plain client of the exchange: signs, asks, listens. Knows nothing of anybody's library."""

import asyncio
import hashlib
import hmac
import json
import time
from urllib.parse import urlencode

import aiohttp

from protocol.tasks import end_all
from tests.exchange.simulated.market import SYMBOL


class Client:
    """One account over HTTP and sockets; `heard` are the events of its user stream."""

    def __init__(self, server, key="test", secret="test", root="/api/v3"):
        self.server, self.key, self.secret, self.root = server, key, secret, root
        self.session = None
        self.offset_ms = 0
        self.heard, self.answers, self.tasks = [], {}, []
        self.api = None
        self.woke = asyncio.Event()

    async def __aenter__(self):
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_):
        if self.api is not None:
            await self.api.close()
        await end_all(self.tasks)
        await self.session.close()

    def signed(self, parameters, **told):
        """Parameters with time and signature."""
        full = {**parameters, "timestamp": int(time.time() * 1000) + self.offset_ms, **told}
        query = urlencode(full)
        seal = hmac.new(self.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return f"{query}&signature={seal}"

    async def ask(self, method, path, signed=True, **parameters):
        """Ask; return (status, body)."""
        query = self.signed(parameters) if signed else urlencode(parameters)
        url = f"{self.server.url}{self.root}/{path}?{query}"
        headers = {"X-MBX-APIKEY": self.key}
        async with self.session.request(method, url, headers=headers) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json(content_type=None)

    async def set_clock(self):
        """Sign by the exchange's clock from now on, however wrong it is."""
        _, told = await self.ask("GET", "time", signed=False)
        self.offset_ms = told["serverTime"] - int(time.time() * 1000)

    async def place(self, side, quantity, price, name, kind="LIMIT_MAKER", **more):
        """Send an order."""
        told = {"side": side, "type": kind, "quantity": quantity, "price": price}
        return await self.ask("POST", "order", symbol=SYMBOL, newClientOrderId=name, **told, **more)

    async def open_api(self):
        """Open the WebSocket API and its user stream."""
        await self.open_api_only()
        return await self.call("userDataStream.subscribe.signature")

    async def open_api_only(self):
        """Open the WebSocket API."""
        self.api = await self.session.ws_connect(f"{self.server.sockets}/ws-api/v3")
        self.tasks.append(asyncio.create_task(self._listen(self.api)))

    async def call(self, method, **parameters):
        """Send a request over the WebSocket API and wait for its answer."""
        return await self.send(method, **parameters)

    def send(self, method, **parameters):
        """Send a request; return what will be its answer."""
        full = {**parameters, "apiKey": self.key, "timestamp": int(time.time() * 1000)}
        payload = "&".join(f"{name}={full[name]}" for name in sorted(full))
        seal = hmac.new(self.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        return self.raw(method, {**full, "signature": seal})

    def raw(self, method, parameters):
        """Send a request as it is; return what will be its answer.

        A lockstep waits for every request that was announced: on a connection that is gone it would
        wait for ever.
        """
        assert not self.api.closed, "the exchange has closed the connection of the API"
        number = len(self.answers) + 1
        future = self.answers[number] = asyncio.get_running_loop().create_future()
        told = {"id": number, "method": method, "params": parameters}
        self.tasks.append(asyncio.create_task(self.api.send_str(json.dumps(told))))
        return future

    async def _listen(self, socket):
        async for message in socket:
            told = json.loads(message.data)
            if "event" in told:
                self.heard.append(told["event"])
            else:
                self.answers[told["id"]].set_result(told)
            self.woke.set()

    async def follow(self, streams, heard):
        """Listen to a combined connection of streams, into a list."""
        url = f"{self.server.sockets}/stream?streams={'/'.join(streams)}"
        socket = await self.session.ws_connect(url, max_msg_size=0)

        async def listen():
            async for message in socket:
                heard.append(message.json()["data"])
                self.woke.set()

        self.tasks.append(asyncio.create_task(listen()))
        return socket

    async def until(self, true, seconds=120.0):
        """Wait until something that was heard makes it true; a busy machine may stand still."""
        async with asyncio.timeout(seconds):
            while not true():
                self.woke.clear()
                await self.woke.wait()
