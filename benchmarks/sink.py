"""The service that messages are sent to: an HTTP server in a process of its own that keeps when each one came.

/ok...     answers 200 at once
/hang...   takes the message and never answers
"""

from __future__ import annotations

import asyncio
import threading
from time import monotonic, sleep
from typing import Any

import uvloop

from benchmarks.process import obey

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Arrivals:
    """When messages came, by path."""

    def __init__(self) -> None:
        self._by_path: dict[str, list[float]] = {}

    def add(self, path: str) -> None:
        self._by_path.setdefault(path, []).append(monotonic())

    def forget(self) -> None:
        self._by_path.clear()

    def wait(self, path: str, count: int, patience: float) -> list[float]:
        """Return when each message to this path came, as soon as there are `count`, or after `patience` seconds."""
        until = monotonic() + patience
        while len(self._by_path.get(path, ())) < count and monotonic() < until:
            sleep(0.01)
        return [round(at, 6) for at in self._by_path.get(path, ())]


class _Connection(asyncio.Protocol):
    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return
        headers = self._data[:head].lower()
        place = headers.find(b"content-length:")
        length = int(headers[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(self._data) < head + 4 + length:
            return
        path = headers.split(b" ", 2)[1].decode().rstrip("/")
        self._data = b""
        self._arrivals.add(path)
        if not path.startswith("/hang"):
            self._transport.write(_ANSWER)


async def _serve(arrivals: Arrivals, ready: Any) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(arrivals), "127.0.0.1", 0, backlog=512
    )
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    arrivals = Arrivals()
    port: list[int] = []
    is_ready = threading.Event()

    def ready(number: int) -> None:
        port.append(number)
        is_ready.set()

    threading.Thread(target=lambda: uvloop.run(_serve(arrivals, ready)), daemon=True).start()
    is_ready.wait()
    obey(port[0], {"wait": arrivals.wait, "forget": arrivals.forget})


if __name__ == "__main__":
    main()
