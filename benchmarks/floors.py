"""The servers that zennotify is compared with; a process each.

proof   an aiohttp application: the same signature, the same strict parse, nothing stored
bare    an aiohttp application: reads the JSON, nothing else
raw     no HTTP library at all: shows what the load generator can do
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop
from aiohttp import web

from benchmarks.events import HEADER, PATH, SECRET
from benchmarks.process import obey
from zennotify.zenoti.envelope import Envelope, read_envelope
from zennotify.zenoti.signature import is_signed

_SECRETS = [SECRET.encode()]


async def _proof(request: web.Request) -> web.Response:
    body = await request.read()
    if not is_signed(request.headers.getall(HEADER, ()), body, _SECRETS):
        return web.json_response({"error": "bad_signature"}, status=401)
    envelope = read_envelope(body)
    if not isinstance(envelope, Envelope):
        return web.json_response({"status": "quarantined", "reason": envelope.reason})
    return web.json_response({"status": "accepted", "event": envelope.fingerprint})


async def _bare(request: web.Request) -> web.Response:
    document = await request.json()
    return web.json_response({"status": "accepted", "event": document["event_id"]})


class _Raw(asyncio.Protocol):
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"status": "accepted"}'

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        # Each request of the load generator ends with the event's last brackets, whatever the packets.
        if data.endswith(b"}"):
            self._transport.write(self.answer)


async def _serve(kind: str) -> None:
    loop = asyncio.get_running_loop()
    if kind == "raw":
        server = await loop.create_server(_Raw, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
    else:
        application = web.Application(client_max_size=2**20)
        application.router.add_post(PATH, {"proof": _proof, "bare": _bare}[kind])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
    # Ends when the benchmark closes our input.
    await loop.run_in_executor(None, obey, port, {})


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
