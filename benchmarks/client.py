"""The load generator: a process of its own that posts requests made beforehand over kept connections.

It measures answers, not promises: a request is counted when its whole answer is there and says "accepted".
"""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import uvloop

from benchmarks.events import request
from benchmarks.figure import percentile
from benchmarks.process import obey

#: Requests that are made beforehand for each second of load; who is faster than this gets them a second time.
FASTEST = 30_000


@dataclass(slots=True)
class Load:
    """One load: every connection posts its next request as soon as it has the answer to the last."""

    requests: list[bytes]
    port: int
    #: Stop after so many requests.
    most: float = float("inf")
    taken: int = 0
    open: int = 0
    #: Set when all connections are closed.
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    #: Answers that said "accepted".
    accepted: int = 0
    #: For each answer, when it came and how long it took.
    answers: list[tuple[float, float]] = field(default_factory=list)

    def take(self) -> bytes:
        self.taken += 1
        return self.requests[(self.taken - 1) % len(self.requests)]


class Connection(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._load.open += 1
        self._post()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.open -= 1
        if not self._load.open:
            self._load.ended.set()

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        if not _is_whole(data):
            self._buffer = data
            return
        self._buffer = b""
        now = monotonic()
        self._load.answers.append((now, now - self._began))
        if data.startswith(b"HTTP/1.1 200") and b'"accepted"' in data:
            self._load.accepted += 1
        self._post()

    def _post(self) -> None:
        if self._load.taken >= self._load.most:
            self._transport.close()
            return
        content = self._load.take()
        self._began = monotonic()
        self._transport.write(content)


def _is_whole(data: bytes) -> bool:
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    place = data.find(b"Content-Length: ")
    return len(data) >= head + 4 + int(data[place + 16 : data.find(b"\r\n", place)])


class Client:
    """Carries out the orders.  Request n is the event n of events.py."""

    def __init__(self) -> None:
        self._requests: list[bytes] = []

    def prepare(self, count: int, guests: int = 0) -> int:
        self._requests = [request(number, guests) for number in range(count)]
        return len(self._requests)

    def load(self, **how: Any) -> dict[str, Any]:
        """Post as fast as the answers come, over `connections`, and measure for `seconds` after `warmup`."""
        return uvloop.run(_load(Load(self._requests, how.pop("port")), **how))

    def post(self, port: int, count: int, connections: int = 16) -> int:
        """Post the first `count` requests; return how many were accepted."""
        load = Load(self._requests, port, most=count)
        uvloop.run(_post_all(load, connections))
        return load.accepted

    def pace(self, port: int, first: int, count: int, gap: float) -> list[tuple[float, float]]:
        """Post one request after the other, `gap` seconds apart; return for each when it began and its seconds."""
        return uvloop.run(_pace(Load(self._requests[first : first + count], port), gap))


async def _connect(load: Load, connections: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", load.port)


async def _load(load: Load, connections: int, warmup: float, seconds: float) -> dict[str, Any]:
    began = monotonic() + warmup
    await _connect(load, connections)
    await asyncio.sleep(began + seconds - monotonic())
    ended = monotonic()
    load.most = 0
    await load.ended.wait()
    times = [took for at, took in load.answers if began <= at <= ended]
    if not times:
        raise RuntimeError("the server answers nothing")
    return {
        "rate": len(times) / (ended - began),
        "p50": percentile(times, 0.5),
        "p99": percentile(times, 0.99),
        "posted": load.taken,
        "accepted": load.accepted,
    }


async def _post_all(load: Load, connections: int) -> None:
    await _connect(load, connections)
    await load.ended.wait()


async def _pace(load: Load, gap: float) -> list[tuple[float, float]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    took: list[tuple[float, float]] = []
    for content in load.requests:
        await asyncio.sleep(gap)
        began = monotonic()
        writer.write(content)
        answer = b""
        while not _is_whole(answer):
            answer += await reader.read(65536)
        took.append((round(began, 6), round(monotonic() - began, 6)))
    writer.close()
    return took


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles, and a collection would show as a slow answer
    client = Client()
    obey("ready", {"prepare": client.prepare, "load": client.load, "post": client.post, "pace": client.pace})
