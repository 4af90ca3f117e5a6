"""Real receivers on loopback: an HTTP and an SMTP server that answer as they are told and keep what they get.

Both run on threads of their own, so that tests with and without an event loop use them alike::

    with HttpSink() as sink:
        sink.answer(Answer(503, headers={"Retry-After": "7"}), Answer(200))
        ...
        assert [got.json["title"] for got in sink.wait_for(2)] == ["...", "..."]

When the script is used up, the last answer stands for all that follow (200 "ok" without one).
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any, Generic, Self, TypeVar
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Item = TypeVar("Item")

#: Long enough for a slow machine, short enough to fail.
PATIENCE = 10.0


class How(StrEnum):
    """How an answer is given."""

    AT_ONCE = "at_once"
    #: Takes the request and never answers.
    HANG = "hang"
    #: Closes the connection instead of answering.
    CLOSE = "close"
    #: One byte of the headers, or of the body, every 50 ms, for ever.
    DRIP_HEADERS = "drip_headers"
    DRIP_BODY = "drip_body"
    #: Headers, or a body, without an end.
    ENDLESS_HEADERS = "endless_headers"
    ENDLESS_BODY = "endless_body"
    #: Answers properly, then closes the connection without having said so.
    THEN_CLOSE = "then_close"
    #: Says the body only, and closes the connection.
    RAW = "raw"
    #: Resets the connection instead of answering.
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the HTTP sink does with one request."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    how: How = How.AT_ONCE
    #: Seconds before it begins.
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """One HTTP request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    #: `time.monotonic()` when it was complete.
    at: float
    #: Counts the connections of this sink, from 1.
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def first_line(self) -> str:
        """The first line of a message, without the note that it is sent again."""
        text = str(self.json["message"]).removeprefix("Sent again: the first try may have arrived.")
        return text.lstrip().partition("\n")[0]

    @property
    def form(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}


class _Kept(Generic[Item]):
    """What a sink got so far, and a way to wait for more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.received: list[Item] = []

    def _keep(self, item: Item) -> None:
        with self._changed:
            self.received.append(item)
            self._changed.notify_all()

    def wait_for(self, count: int) -> list[Item]:
        """Return what came as soon as there are `count` of it."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received) >= count, PATIENCE):
                msg = f"waited for {count}, got {len(self.received)}: {self.received}"
                raise AssertionError(msg)
            return list(self.received)

    def wait_until(self, holds: Callable[[list[Item]], bool], patience: float = PATIENCE) -> bool:
        """Return whether `holds` of what came, as soon as it does or when patience (seconds) is out."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self.received), patience)


class HttpSink(_Kept[Received]):
    """An HTTP server on 127.0.0.1 that keeps what it gets."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._tls = tls
        self._script: deque[Answer] = deque()
        self._last = Answer()
        self._lock = threading.Lock()
        #: Ends every wait of an answer that hangs or drips.
        self.stopping = threading.Event()
        #: How many connections were opened.
        self.connections = 0

    def __enter__(self) -> Self:
        self._server = _HttpServer(self)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self.hang_up()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def url(self, path: str = "/hook", scheme: str = "json") -> str:
        """Return this sink as a channel's URL."""
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def answer(self, *answers: Answer) -> None:
        """Answer the next requests so, and all later ones as the last of these."""
        with self._lock:
            self._script.extend(answers)

    def next_answer(self, _received: Received) -> Answer:
        """Decide what one request is answered."""
        with self._lock:
            if self._script:
                self._last = self._script.popleft()
            return self._last

    def hang_up(self) -> None:
        """Close every connection, also those that a client keeps."""
        self._server.hang_up()

    def wait_until_closed(self) -> None:
        """Return when no connection is open any more."""
        self._server.wait_until_closed()

    def keep(self, received: Received) -> None:
        self._keep(received)


class _HttpServer(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = False

    def __init__(self, sink: HttpSink) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sink = sink
        self._open: set[socket.socket] = set()
        self._lock = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
            self.sink.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self._open.discard(request)
            self._lock.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what is tested."""

    def hang_up(self) -> None:
        with self._lock:
            for sock in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def wait_until_closed(self) -> None:
        with self._lock:
            assert self._lock.wait_for(lambda: not self._open, PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HttpServer

    def setup(self) -> None:
        super().setup()
        self._number = self.server.sink.connections

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()
            return
        self.close_connection = True

    def _take(self) -> None:
        sink = self.server.sink
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the client died while it was sending: nobody would call that received
            raise ConnectionAbortedError
        received = Received(
            method=self.command,
            path=self.path,
            headers=dict(self.headers),
            body=body,
            at=monotonic(),
            connection=self._number,
        )
        answer = sink.next_answer(received)
        sink.keep(received)
        if answer.delay:
            sink.stopping.wait(answer.delay)
        self._give(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _take  # noqa: N815 - names of http.server

    def _give(self, answer: Answer) -> None:
        head, body = self._head(answer), answer.body
        self.close_connection = answer.how is not How.AT_ONCE
        match answer.how:
            case How.AT_ONCE | How.THEN_CLOSE:
                self.wfile.write(head + body)
            case How.HANG:
                self.server.sink.stopping.wait()
            case How.CLOSE:
                pass
            case How.RAW:
                self.wfile.write(answer.body)
            case How.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                socket.socket.close(self.connection)
            case How.DRIP_HEADERS:
                self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"z")
            case How.DRIP_BODY:
                self._drip(head, b"z")
            case How.ENDLESS_HEADERS:
                self._flood(b"HTTP/1.1 200 OK\r\n", b"X-Long: %s\r\n" % (b"z" * 1000))
            case How.ENDLESS_BODY:
                self._flood(head, b"z" * 65536)

    def _head(self, answer: Answer) -> bytes:
        endless = answer.how in {How.DRIP_BODY, How.ENDLESS_BODY}
        length = 10**10 if endless else len(answer.body)
        lines = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('Odd',))[0]}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += [] if answer.status in {204, 304} else [f"Content-Length: {length}"]
        return "\r\n".join([*lines, "\r\n"]).encode()

    def _drip(self, first: bytes, drop: bytes) -> None:
        self.wfile.write(first)
        while not self.server.sink.stopping.wait(0.05):
            self.wfile.write(drop)

    def _flood(self, first: bytes, wave: bytes) -> None:
        self.wfile.write(first)
        while not self.server.sink.stopping.is_set():
            self.wfile.write(wave)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that the SMTP sink took (or was offered: the script may refuse it after the content)."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    raw: bytes

    def part(self, kind: str) -> str:
        """Return the text of the "plain" or "html" part."""
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n").strip()


#: Instead of a reply: closes the connection, or says nothing.
DROP, HANG = "drop", "hang"


class SmtpSink(_Kept[Mail]):
    """An SMTP server on 127.0.0.1 that keeps what it gets.

    `users` makes it ask for a login; `tls` offers STARTTLS, or speaks TLS from the first byte with `tls_first`.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        tls_first: bool = False,
    ) -> None:
        super().__init__()
        self._replies: dict[str, deque[str]] = {}
        self._users = users
        self.asks_for_login = users is not None
        #: How many sessions were opened.
        self.sessions = 0
        self._sessions: set[_MailServer] = set()
        self._controller = _MailController(
            _MailHandler(self),
            hostname="127.0.0.1",
            port=0,
            ssl_context=tls if tls_first else None,
            tls_context=None if tls_first else tls,
            authenticator=self._login,
            auth_require_tls=False,
            timeout=PATIENCE,
        )

    def __enter__(self) -> Self:
        self._controller.start()
        self.sessions = 0  # the controller has looked whether it answers
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self._controller.stop()

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def hang_up(self) -> None:
        """Close every session, also those that a client keeps; return when they are closed."""
        with self._changed:
            for server in self._sessions:
                self._controller.loop.call_soon_threadsafe(server.abort)
            assert self._changed.wait_for(lambda: not self._sessions, PATIENCE)

    def has_session(self, server: _MailServer, *, is_open: bool) -> None:
        """Count a session that begins or ends."""
        with self._changed:
            self.sessions += is_open and server not in self._sessions
            (self._sessions.add if is_open else self._sessions.discard)(server)
            self._changed.notify_all()

    def url(self, *, login: str = "", query: str = "", scheme: str = "mailto") -> str:
        """Return this sink as a channel's URL; the sender is zennotify@example.com."""
        login = f"{login}@" if login else ""
        return f"{scheme}://{login}127.0.0.1:{self.port}?from=zennotify@example.com{query}"

    def reply(self, verb: str, *replies: str) -> None:
        """Answer the next `MAIL`, `RCPT` or `DATA` (its content) so, and later ones as the last of these."""
        self._replies.setdefault(verb, deque()).extend(replies)

    def next_reply(self, verb: str) -> str:
        script = self._replies.get(verb)
        if not script:
            return "250 OK"
        return script.popleft() if len(script) > 1 else script[0]

    def keep(self, mail: Mail) -> None:
        self._keep(mail)

    def _login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        known = (self._users or {}).get(data.login.decode())
        return AuthResult(success=known == data.password.decode(), handled=False)


class _MailServer(SMTP):
    """One session."""

    event_handler: _MailHandler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # and again after STARTTLS
        self.event_handler.sink.has_session(self, is_open=True)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.event_handler.sink.has_session(self, is_open=False)

    def abort(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _MailController(Controller):
    def factory(self) -> SMTP:
        return _MailServer(self.handler, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call] # aiosmtpd's


class _MailHandler:
    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink

    async def handle_MAIL(  # noqa: N802 - a name of aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.sink.asks_for_login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return await self._reply("MAIL", server)

    async def handle_RCPT(  # noqa: N802 - a name of aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return await self._reply("RCPT", server)

    async def handle_DATA(  # noqa: N802 - a name of aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.sink.keep(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), message, content))
        return await self._reply("DATA", server)

    async def _reply(self, verb: str, server: SMTP) -> str:
        reply = self.sink.next_reply(verb)
        if reply == HANG:
            await asyncio.Event().wait()
        if reply == DROP and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return reply
