"""Stands in for Twilio where only its latency matters: takes every text, says so after a while, calls nobody back.

Answers ``POST`` with a created message of Twilio's shape, from one thread of its own, for next to nothing. ``taken``
holds when each came in, from whom, to whom and its words.
"""

import asyncio
import itertools
import json
import threading
import time
from urllib.parse import parse_qs


class Provider:
    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.taken: list[tuple[float, str, str, str]] = []
        self._serial = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Provider":
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        make = self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=512)
        self._server = self._loop.run_until_complete(make)
        self._ready.set()
        self._loop.run_forever()

    def answer(self, body: bytes) -> bytes:
        fields = parse_qs(body.decode())
        self.taken.append((time.time(), fields["From"][0], fields["To"][0], fields["Body"][0]))
        said = json.dumps({"sid": f"SM{next(self._serial):032x}", "status": "queued", "to": fields["To"][0]}).encode()
        head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"
        return head.encode() + said


class _Connection(asyncio.Protocol):
    """One request after the other on a connection that is kept."""

    def __init__(self, provider: Provider) -> None:
        self._provider, self._buffer = provider, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        if len(rest) < length:
            return
        body, self._buffer = rest[:length], rest[length:]
        said = self._provider.answer(body)
        asyncio.get_running_loop().call_later(self._provider.latency, self._transport.write, said)
