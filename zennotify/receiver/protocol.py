"""How is a connection held?  HTTP/1.1 on aiohttp's parser, with bounds of our own on time, memory and connections.

aiohttp's server has no deadlines for reading, logs a traceback for each malformed request, quotes its bytes in
the answer, and answers `Expect` itself.  Its parser (llhttp, in C) is strict and is used as it is; the few states
around it are here.  One request is read at a time; what is pipelined behind it waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import Enum, auto
from typing import Any, Protocol, cast

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion10, HttpVersion11, RawRequestMessage

from zennotify.receiver import answers
from zennotify.receiver.answers import Answer
from zennotify.receiver.proof import IPAddress, read_peer
from zennotify.receiver.request import Request

_NEVER = float("inf")
#: The parser copies what it has left over with each request that is pipelined, so that it is given little at a time.
_SLICE = 16 * 1024


class Site(Protocol):
    """Says what becomes of requests."""

    def most(self, message: RawRequestMessage, /) -> int:
        """Return the size of the largest body that is read, in bytes."""
        ...

    def look(self, message: RawRequestMessage) -> Answer | None:
        """Return the refusal of what the headers already show to be wrong."""
        ...

    def answer(self, request: Request) -> Answer | Coroutine[Any, Any, Answer]:
        """Return the answer to a whole request; only for who has proved something does it take its time."""
        ...

    def is_proof(self, message: RawRequestMessage) -> bool:
        """Return whether such an answer shows the sender to be Zenoti, whose connections are kept the longest."""
        ...

    def refused(self, message: RawRequestMessage, peer: IPAddress | None, answer: Answer) -> None:
        """Take note of a request that was refused before it was whole."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds; times in seconds."""

    #: For the headers, counted from the connection or from the first byte of a further request.
    header: float = 10
    #: For the body, counted from the headers.
    body: float = 15
    #: Between two requests.
    idle: float = 30
    #: For a client that was refused, to read the answer and hang up.
    linger: float = 2
    #: How long a connection may stay silent when we stop.
    grace: float = 0.25
    #: How long requests in flight may take when we stop.
    stop: float = 5
    connections: int = 512
    #: Bytes of bodies in memory, all connections together.
    bodies: int = 64 * 1024 * 1024
    header_line: int = 8190
    headers: int = 128


class Phase(Enum):
    """Where a connection stands."""

    #: Nothing came yet.
    SILENT = auto()
    HEAD = auto()
    BODY = auto()
    #: A whole request is being answered.
    BUSY = auto()
    #: Between two requests.
    IDLE = auto()
    #: Answered for the last time.
    CLOSING = auto()


class Connection(BaseProtocol):
    """One client."""

    __slots__ = (
        "_body",
        "_ended",
        "_later",
        "_message",
        "_payload",
        "_peer",
        "_started",
        "_table",
        "deadline",
        "held",
        "phase",
        "proven",
    )

    def __init__(self, table: Connections) -> None:
        limits = table.limits
        parser = HttpRequestParser(
            self,
            table.loop,
            2**20,
            max_line_size=limits.header_line,
            max_field_size=limits.header_line,
            max_headers=limits.headers,
            auto_decompress=False,
            max_msg_queue_size=1,
        )
        super().__init__(table.loop, parser)
        self._table = table
        self.phase = Phase.SILENT
        self.deadline = _NEVER
        #: Somebody authentic is at the other end, as far as the last request tells.
        self.proven = False
        #: Bytes of bodies that the table counts for this connection.
        self.held = 0
        self._message: RawRequestMessage | None = None
        self._payload: StreamReader | None = None
        self._body = bytearray()
        self._later = b""
        self._ended = False
        self._started = 0.0
        self._peer: IPAddress | None = None

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection, if there is room."""
        super().connection_made(transport)
        self._peer = read_peer(transport.get_extra_info("peername"))
        self.deadline = self._loop.time() + self._table.limits.header
        self._table.add(self)

    def data_received(self, data: bytes) -> None:
        """Read on; what follows a request that is not answered yet waits, and so does the client."""
        for start in range(0, len(data), _SLICE):
            if self.phase is Phase.BUSY:
                self._later += data[start:]
                self._pause_reading_for_buffer()
                return
            if self.phase is Phase.CLOSING:
                return
            if self.phase is Phase.SILENT or self.phase is Phase.IDLE:
                self._begin()
            self._parse(data[start : start + _SLICE])

    def eof_received(self) -> bool:
        """Keep the connection of a client that has said all, but still waits for its answer."""
        self._ended = True
        return self.phase is Phase.BUSY

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection; what is being kept is kept all the same."""
        super().connection_lost(exc)
        self.phase = Phase.CLOSING
        self._table.remove(self)
        self._parser = None
        self._forget()

    def pause_writing(self) -> None:
        """Hang up on a client that sends requests and does not read the answers."""
        super().pause_writing()
        self.abort()

    def pause_reading(self) -> None:
        """Ignore the parser's brake: a body is taken out of it at once, and bounded here."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Ignore the parser's brake."""

    # --- what the table calls

    def expire(self) -> None:
        """End a phase that took too long."""
        if self.phase is Phase.CLOSING:
            self.abort()
        elif self.phase is Phase.IDLE:
            self.close()
        else:
            self.refuse(answers.TOO_SLOW)

    def refuse(self, answer: Answer) -> None:
        """Answer a request that is not whole, and stop listening.

        The client may still be sending: if we closed now, the kernel would reset the connection and the answer
        could be lost.  So only our half is closed, and what still comes is dropped for a moment.
        """
        if self.transport is None or self.phase is Phase.CLOSING:
            return
        if self.transport.is_closing():
            self.abort()
            return
        if self._message is not None:
            self._table.site.refused(self._message, self._peer, answer)
        self.transport.write(answer.raw(self._table.date(), close=True))
        self.phase = Phase.CLOSING
        self.deadline = self._loop.time() + self._table.limits.linger
        self._forget()
        try:
            self.transport.write_eof()
        except OSError:  # the client is gone already
            self.abort()

    def leave(self) -> None:
        """Make room for somebody else."""
        self.expire()
        self.close()

    def close(self) -> None:
        """Hang up as soon as all is sent."""
        self.phase = Phase.CLOSING
        self.deadline = self._loop.time() + self._table.limits.linger
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.abort()

    # --- one request

    def _begin(self) -> None:
        self._started = time.perf_counter()
        self.phase = Phase.HEAD
        self.deadline = self._loop.time() + self._table.limits.header

    def _parse(self, data: bytes) -> None:
        found = self._feed(data)
        if found is not None:
            self._take(*found)
        elif self.phase is Phase.BODY:
            self._collect()

    def _feed(self, data: bytes) -> tuple[RawRequestMessage, StreamReader] | None:
        """Give bytes to the parser; return the request that they begin, if they do."""
        assert self._parser is not None  # noqa: S101 - for mypy: it is there until the connection is lost
        try:
            messages, _, _ = self._parser.feed_data(data)
        except Exception:  # the parser's own errors, and ValueError for targets that are no URL
            self.refuse(answers.BAD_REQUEST)
            return None
        return messages[0] if messages else None

    def _take(self, message: RawRequestMessage, payload: StreamReader) -> None:
        """Look at the headers; then read the body, or refuse."""
        if self.transport is None or self.phase is Phase.CLOSING:
            return
        self._message, self._payload = message, payload
        if message.version not in (HttpVersion11, HttpVersion10):
            self.refuse(answers.BAD_REQUEST)
            return
        refusal = self._table.site.look(message)
        if refusal is not None:
            self._turn_down(refusal, whole=payload.is_eof())
            return
        self.phase = Phase.BODY
        self.deadline = self._loop.time() + self._table.limits.body
        self._collect()
        expects = "Expect" in message.headers and message.version == HttpVersion11
        if expects and self.phase is Phase.BODY and not self._body:
            self.transport.write(answers.CONTINUE)

    def _collect(self) -> None:
        """Take what has come of the body; when it is whole, have it answered."""
        payload = cast(StreamReader, self._payload)
        data = payload.read_nowait()
        whole = payload.is_eof()
        if self._body or not whole:
            self._body += data
        size = len(self._body) or len(data)
        if size > self._table.site.most(cast(RawRequestMessage, self._message)):
            self._turn_down(answers.TOO_LARGE, whole=whole)
        elif not self._table.hold(self, size):
            self._turn_down(answers.OVERLOADED, whole=whole)
        elif whole:
            self._answer(bytes(self._body) if self._body else data)
        elif self._ended:
            self.abort()

    def _turn_down(self, answer: Answer, *, whole: bool) -> None:
        if not whole:
            self.refuse(answer)
            return
        message = cast(RawRequestMessage, self._message)
        self._table.site.refused(message, self._peer, answer)
        self._send(answer)

    def _answer(self, body: bytes) -> None:
        self.phase = Phase.BUSY
        self.deadline = _NEVER
        message = cast(RawRequestMessage, self._message)
        answer = self._table.site.answer(Request(message, body, self._peer, self._started))
        if isinstance(answer, Answer):
            self.proven = False
            self._send(answer)
        else:
            self.proven = self._table.site.is_proof(message)
            self._table.spawn(self._finish(answer))

    async def _finish(self, answer: Coroutine[Any, Any, Answer]) -> None:
        try:
            self._send(await answer)
        finally:
            self._table.finished()

    def _send(self, answer: Answer) -> None:
        """Answer a whole request, then wait for the next."""
        message = self._message
        if self.transport is None or message is None or self.transport.is_closing():
            return
        last = (
            message.should_close
            or message.upgrade
            or message.version == HttpVersion10
            or self._ended
            or self._table.draining
        )
        bodiless = message.method == "HEAD"
        self.transport.write(answer.raw(self._table.date(), close=last, bodiless=bodiless))
        self._forget()
        if last:
            self.close()
        else:
            self._next()

    def _next(self) -> None:
        """Read what was pipelined behind the request; in a later turn, so that nobody holds the loop."""
        self.phase = Phase.IDLE
        self.deadline = self._loop.time() + self._table.limits.idle
        if self._parser is None:
            return
        self._parser.message_consumed()
        found = self._feed(b"")  # what the parser has left over
        if found is not None:
            self._begin()
            self.phase = Phase.BUSY
            self._loop.call_soon(self._take, *found)
            return
        later, self._later = self._later, b""
        self.data_received(later)
        if self._buffer_paused and not self._later:
            self._resume_reading_for_buffer()

    def _forget(self) -> None:
        self._message = None
        self._payload = None
        self._body = bytearray()
        self._table.release(self)


class Connections:
    """All clients: bounds on their number, their bodies and their time."""

    def __init__(self, site: Site, limits: Limits, now: Callable[[], datetime]) -> None:
        self.loop = asyncio.get_running_loop()
        self.site = site
        self._now = now
        self.limits = limits
        self.draining = False
        #: In the order in which they came.
        self._all: dict[Connection, None] = {}
        #: Those that made room and are not closed yet.
        self._leaving: set[Connection] = set()
        self._held = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty: asyncio.Future[None] | None = None
        self._tick = min(limits.header, limits.body, limits.idle, limits.linger) / 4
        self._timer = self.loop.call_later(self._tick, self._sweep)
        self._date = (0, b"")

    def __call__(self) -> Connection:
        """Make the protocol of a new connection, as asyncio's servers want it."""
        return Connection(self)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection) -> None:
        """Count a new connection in; when there are too many, another one makes room."""
        if len(self._all) >= self.limits.connections:
            victim = self._weakest()
            if victim is None:
                connection.abort()
                return
            del self._all[victim]
            self._leaving.add(victim)
            victim.leave()
        self._all[connection] = None

    def remove(self, connection: Connection) -> None:
        """Count a connection out."""
        self._all.pop(connection, None)
        self._leaving.discard(connection)
        if self._empty is not None and not self._all and not self._empty.done():
            self._empty.set_result(None)

    def hold(self, connection: Connection, size: int) -> bool:
        """Count the bytes of a body; where all are too many, unfinished bodies make room, the oldest first."""
        self._held += size - connection.held
        connection.held = size
        if self._held > self.limits.bodies:
            for other in list(self._all):
                if other.phase is Phase.BODY and other is not connection and other.held:
                    other.refuse(answers.TOO_SLOW)
                    if self._held <= self.limits.bodies:
                        break
        return self._held <= self.limits.bodies

    def release(self, connection: Connection) -> None:
        """Count the bytes of a body out."""
        self._held -= connection.held
        connection.held = 0

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the answering of one request."""
        self._tasks.add(self.loop.create_task(work))

    def finished(self) -> None:
        """Forget the present task: it is at its end."""
        self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task(self.loop)))

    def date(self) -> bytes:
        """Return the Date header's value."""
        now = self._now()
        second = int(now.timestamp())
        if second != self._date[0]:
            self._date = (second, format_datetime(now, usegmt=True).encode())
        return self._date[1]

    async def drain(self) -> None:
        """Let requests in flight end, and hang up on everybody else.

        Who is silent may be about to send: for a moment its request is still answered, and told to be the last.
        """
        self.draining = True
        if not await self._emptied(self.limits.grace):
            for connection in list(self._all):
                if connection.phase in {Phase.SILENT, Phase.IDLE}:
                    connection.close()
            await self._emptied(self.limits.stop - self.limits.grace)
        self._timer.cancel()
        for connection in [*self._all, *self._leaving]:
            connection.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._turn()

    async def _turn(self) -> None:
        done = self.loop.create_future()
        self.loop.call_soon(done.set_result, None)
        await done

    async def _emptied(self, seconds: float) -> bool:
        """Wait until no connection is left, but no longer than this; say whether it is so."""
        if self._all:
            self._empty = self.loop.create_future()
            await asyncio.wait([self._empty], timeout=seconds)
        return not self._all

    def _weakest(self) -> Connection | None:
        """Return who makes room: the oldest stranger, else the oldest that only waits."""
        waiting = [connection for connection in self._all if connection.phase is not Phase.BUSY]
        return next((c for c in waiting if not c.proven), waiting[0] if waiting else None)

    def _sweep(self) -> None:
        # First of all, so that nothing that goes wrong below ends the watch.
        self._timer = self.loop.call_later(self._tick, self._sweep)
        now = self.loop.time()
        for connection in [*self._all, *self._leaving]:
            if connection.deadline <= now:
                connection.expire()
