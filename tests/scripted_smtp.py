"""A mail server on 127.0.0.1 that says at each stage what a test tells it to, and keeps all that it heard.

aiosmtpd (tests/sinks.py) says what a good server says; this one greets, offers, refuses, drops and limits as it likes::

    with ScriptedSmtp({"RCPT": ["450 later", "250 ok"]}, offers=["PIPELINING"]) as server:
        ...
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", "RSET"]
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from tests.sinks import DROP, HANG, PATIENCE

#: Instead of a reply: an endless one, one byte every 50 ms.
ENDLESS, DRIP = "endless", "drip"

_USUAL: Final = {
    "GREETING": "220 scripted",
    "STARTTLS": "220 go ahead",
    "AUTH": "235 welcome",
    "DATA": "354 go on",
    "CONTENT": "250 taken",
    "QUIT": "221 bye",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One line of a client."""

    #: Counts the sessions, from 1.
    session: int
    #: Counts what one `recv` brought, from 1, within the session.
    packet: int
    line: str

    @property
    def verb(self) -> str:
        return self.line.split(" ")[0].upper()


class ScriptedSmtp:
    """Each stage's replies are used up one by one; the last stands for all that follow."""

    def __init__(
        self,
        replies: Mapping[str, Sequence[str]] | None = None,
        *,
        offers: Iterable[str] = ("PIPELINING", "SIZE 1000000"),
        tls: ssl.SSLContext | None = None,
        tls_first: bool = False,
        most_sessions: int = 1000,
    ) -> None:
        self._replies = {stage: list(said) for stage, said in (replies or {}).items()}
        self._offers = [*offers, *(["STARTTLS"] if tls and not tls_first else [])]
        self._tls = tls
        self._tls_first = tls_first
        self._most_sessions = most_sessions
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self.heard: list[Heard] = []
        #: Session, recipients and text of each mail that was wholly handed over.
        self.mails: list[tuple[int, list[str], bytes]] = []
        #: How many sessions were asked for, and how many of them were too many.
        self.sessions = 0
        self.turned_away = 0

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.hang_up()
        for thread in list(self._threads):
            thread.join()

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def url(self, *, login: str = "", query: str = "", scheme: str = "mailto") -> str:
        """Return this server as a channel's URL; the sender is zennotify@example.com."""
        login = f"{login}@" if login else ""
        return f"{scheme}://{login}127.0.0.1:{self.port}?from=zennotify@example.com{query}"

    def verbs(self, session: int | None = None) -> list[str]:
        return [heard.verb for heard in self.heard if session in {None, heard.session}]

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as it holds."""
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE), self.heard

    def hang_up(self) -> None:
        """Close every session; return when they are closed."""
        with self._changed:
            for sock in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            assert self._changed.wait_for(lambda: not self._open, PATIENCE)

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._changed:
                    self._open.add(sock)
                    self.sessions += 1
                    number, is_one_too_many = self.sessions, len(self._open) > self._most_sessions
                    self.turned_away += is_one_too_many
                self._spawn(self._serve, sock, number, is_one_too_many)

    def _serve(self, sock: socket.socket, number: int, is_one_too_many: bool) -> None:
        session = _Session(self, sock, number)
        with suppress(OSError, _OverError):
            if is_one_too_many:
                session.say("421 4.7.0 too many connections from you")
            else:
                session.talk()
        with self._changed:
            self._open.discard(sock)
            self._changed.notify_all()
        session.close()

    # --- for the sessions

    def reply(self, stage: str) -> str:
        with self._changed:
            script = self._replies.get(stage)
            if not script:
                return _USUAL.get(stage, "250 ok")
            return script.pop(0) if len(script) > 1 else script[0]

    def offers(self, *, is_secret: bool) -> str:
        lines = ["scripted", *(offer for offer in self._offers if not (is_secret and offer == "STARTTLS"))]
        return "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}"

    def keep(self, heard: Heard) -> None:
        with self._changed:
            self.heard.append(heard)
            self._changed.notify_all()

    def take(self, session: int, recipients: list[str], text: bytes) -> None:
        with self._changed:
            self.mails.append((session, recipients, text))
            self._changed.notify_all()

    @property
    def tls_first(self) -> ssl.SSLContext | None:
        return self._tls if self._tls_first else None

    @property
    def tls(self) -> ssl.SSLContext | None:
        return self._tls

    @property
    def stopping(self) -> threading.Event:
        return self._stopping


class _OverError(Exception):
    """This session ends."""


class _Session:
    def __init__(self, server: ScriptedSmtp, sock: socket.socket, number: int) -> None:
        self._server = server
        self._sock = sock
        self._raw = sock
        self._number = number
        self._packet = 0
        self._data = b""
        self._recipients: list[str] = []

    def close(self) -> None:
        with suppress(OSError):
            self._sock.close()
        self._raw.close()

    def talk(self) -> None:
        if self._server.tls_first is not None:
            self._encrypt(self._server.tls_first)
        self._answer("GREETING")
        while True:
            line = self._until(b"\r\n").decode()
            heard = Heard(self._number, self._packet, line)
            self._server.keep(heard)
            self._obey(heard.verb, line)

    def say(self, reply: str) -> None:
        self._sock.sendall(reply.encode() + b"\r\n")

    def _obey(self, verb: str, line: str) -> None:
        said = self._answer(verb)
        match verb:
            case "STARTTLS" if said.startswith("2") and self._server.tls is not None:
                self._encrypt(self._server.tls)
            case "MAIL" | "RSET":
                self._recipients = []
            case "RCPT" if said.startswith("2"):
                self._recipients.append(line.partition("<")[2].rstrip(">"))
            case "DATA" if said.startswith("354"):
                text = self._until(b"\r\n.\r\n")
                self._server.take(self._number, self._recipients, text)
                self._answer("CONTENT")
            case "QUIT":
                raise _OverError
            case _:
                pass

    def _answer(self, stage: str) -> str:
        reply = self._server.reply(stage)
        if stage == "EHLO" and reply == "250 ok":
            reply = self._server.offers(is_secret=isinstance(self._sock, ssl.SSLSocket))
        if reply == DROP:
            raise _OverError
        if reply == HANG:
            while self._sock.recv(65536):  # until somebody hangs up
                pass
            raise _OverError
        while reply == DRIP:
            self._sock.sendall(b"2")
            if self._server.stopping.wait(0.05):
                raise _OverError
        while reply == ENDLESS:
            self._sock.sendall(b"250-on and on\r\n")
        self.say(reply)
        if reply.startswith("421"):
            raise _OverError
        return reply

    def _encrypt(self, context: ssl.SSLContext) -> None:
        self._sock = context.wrap_socket(self._sock.dup(), server_side=True)

    def _until(self, end: bytes) -> bytes:
        while end not in self._data:
            part = self._sock.recv(65536)
            if not part:
                raise _OverError
            self._packet += 1
            self._data += part
        found, _, self._data = self._data.partition(end)
        return found
