"""One exchange over HTTP/1.1, on a kept connection where there is one; below egress.py.

The standard library's HTTPResponse reads what comes.  Ours is what a message needs and no HTTP library has: one
deadline for all of it, head and body as one packet, knowing whether all of a request was handed over, and an answer
that ends where we say.
"""

from __future__ import annotations

import io
import zlib
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from email.errors import MissingHeaderBodySeparatorDefect
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from zennotify.channel import tls
from zennotify.channel.attempt import Attempt, Incoming, UnreadableError, send_all
from zennotify.channel.dial import ProxyError, dial
from zennotify.channel.kept import Kept

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

#: No more of an answer is read: of its head, and of its body.
LARGEST_HEAD: Final = 64 * 1024
LARGEST_BODY: Final = 64 * 1024
#: Servers close idle connections after 5 s and more.  Who reuses one just then cannot know whether the message
#: arrived, so we do not come near that moment.
_LONGEST_IDLE: Final = 4.0
#: It does not know us, or does not let us go there.
_PROXY_REFUSES: Final = frozenset({401, 403, 407})


class Place(NamedTuple):
    """Where a connection leads, and how; one that leads to another place is never taken for it."""

    host: str
    port: int
    is_tls: bool
    #: Whose certificates are trusted, and whether anybody looks at them.
    authorities: str
    verify: bool
    #: The address of a proxy on the way.
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; its body is cut at LARGEST_BODY."""

    status: int
    reason: str
    #: By their names in lower case; of several with one name the first.
    headers: dict[str, str]
    body: bytes


def ask(made: Attempt, place: Place, request: bytes, *, has_body: bool) -> Answer:
    """Send a request and return its answer; `has_body` says whether an answer to it may have one.

    Raises OSError or UnreadableError; `made.sent` says whether the peer may have got all of the request.
    """
    try:
        kept = _KEPT.take(place)
        if kept is not None:
            try:
                return _use(kept, made, place, request, has_body=has_body)
            except OSError:
                if made.sent:
                    raise
                # It was closed just now, before all of the request was written.
        return _use(_connect(made, place), made, place, request, has_body=has_body)
    except HTTPException as error:
        raise UnreadableError(type(error).__name__) from error


def _use(connection: _Connection, made: Attempt, place: Place, request: bytes, *, has_body: bool) -> Answer:
    try:
        answer = connection.exchange(made, request, has_body=has_body)
    except BaseException:
        connection.close()
        raise
    if connection.is_reusable:
        _KEPT.put(place, connection)
    else:
        connection.close()
    return answer


def proxy_headers(proxy: str) -> dict[str, str]:
    """Return what a proxy wants to know of us."""
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def close() -> None:
    """Close the kept connections."""
    _KEPT.close()


class _Connection:
    """A connection; between two exchanges nothing that came is left unread."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        #: Whether the last answer left it so.
        self.is_reusable = False

    def close(self) -> None:
        with suppress(OSError):
            self.sock.close()

    def exchange(self, made: Attempt, request: bytes, *, has_body: bool) -> Answer:
        send_all(made, self.sock, request)
        # Only now can the provider have all of it.  Where writing failed, it cannot have acted.
        made.sent = True
        reader = _Reader(self.sock, made)
        response = reader.head(None if has_body else "HEAD")
        body = bytearray()
        try:
            is_whole = reader.read_body(response, body)
        except (OSError, UnreadableError, HTTPException):
            if 200 <= response.status < 300:
                raise
            is_whole = False  # a refusal counts even when its words do not come
        status = response.status
        is_kept = is_whole and not response.will_close and status >= 200
        # What came after the answer would be taken for the next one.
        self.is_reusable = is_kept and not reader.has_more()
        headers = {name.lower(): value.strip() for name, value in reversed(response.headers.items())}
        return Answer(status, response.reason, headers, _decoded(headers, bytes(body), status))

    def pass_through(self, made: Attempt, place: Place) -> None:
        """Ask the proxy for a way to the place."""
        host = f"[{place.host}]" if ":" in place.host else place.host
        lines = [f"CONNECT {host}:{place.port} HTTP/1.1", f"Host: {host}:{place.port}"]
        lines += [f"{name}: {value}" for name, value in proxy_headers(place.proxy).items()]
        send_all(made, self.sock, "\r\n".join([*lines, "\r\n"]).encode("latin-1"))
        status = _Reader(self.sock, made).head("CONNECT").status
        if not 200 <= status < 300:
            raise ProxyError(f"the proxy answered HTTP {status}", is_lasting=status in _PROXY_REFUSES)


class _Reader(io.BufferedReader):
    """What an HTTPResponse reads from, in the place of its connection's socket."""

    def __init__(self, sock: socket.socket, made: Attempt) -> None:
        self._incoming = _Bounded(sock, made.left)
        super().__init__(self._incoming)

    def makefile(self, _: str) -> _Reader:
        """Return what an HTTPResponse asks a socket for."""
        return self

    def close(self) -> None:
        """Stay open: an HTTPResponse closes what it has read, and we look whether something is behind it."""

    def head(self, method: str | None) -> HTTPResponse:
        """Return the answer, its body unread."""
        while True:
            response = HTTPResponse(self, method=method)  # type: ignore[arg-type] # as above
            response.begin()
            if response.status >= 200 or response.status == 101:
                return response
            # An interim one; the other follows.

    def read_body(self, response: HTTPResponse, body: bytearray) -> bool:
        """Read the body of this answer into `body`; return whether that is all of it."""
        self._incoming.room = 8 * LARGEST_BODY  # a byte in a chunk of its own takes six
        self._incoming.may_end = response.length is None and not response.chunked
        if self._incoming.may_end and _says_where_it_ends(response.headers):
            raise UnreadableError("an end that we do not understand")
        while len(body) < LARGEST_BODY and response.length != 0:
            # `read` would lose what came before a failure, or take it for the whole.
            part = response.read1(LARGEST_BODY - len(body))
            if not part:
                return True
            body += part
        return response.length == 0

    def has_more(self) -> bool:
        """Whether something came already that nobody has read."""
        self._incoming.is_over = True
        return bool(self.peek(1))


class _Bounded(Incoming):
    """What comes over a connection, up to where we say."""

    #: How many bytes of it.
    room = LARGEST_HEAD
    #: Whether the peer may close the connection; an HTTPResponse would take half a head for a whole one.
    may_end = False
    #: Whether nobody waits for more.
    is_over = False

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if self.is_over:
            return None
        size = super().readinto(buffer) or 0
        if not (size or self.may_end):
            raise ConnectionResetError
        self.room -= size
        if self.room < 0:
            raise UnreadableError("an answer without an end")
        return size


def _connect(made: Attempt, place: Place) -> _Connection:
    connection = _Connection(dial(*_first_stop(place), made.left))
    if not place.is_tls:
        return connection
    try:
        if place.proxy:
            connection.pass_through(made, place)
        connection.sock.settimeout(made.left())
        context = tls.context(place.authorities, verify=place.verify)
        connection.sock = context.wrap_socket(connection.sock, server_hostname=place.host)
    except BaseException:
        connection.close()
        raise
    return connection


def _first_stop(place: Place) -> tuple[str, int]:
    if not place.proxy:
        return place.host, place.port
    parts = urlsplit(place.proxy if "://" in place.proxy else f"http://{place.proxy}")
    if parts.scheme != "http" or not parts.hostname:
        raise ProxyError("only proxies that are reached by http:// can be used", is_lasting=True)
    return parts.hostname, parts.port or 80


def _says_where_it_ends(headers: HTTPMessage) -> bool:
    """Whether a head says so, or may: the lines behind one that is no header are not read."""
    if "content-length" in headers or "transfer-encoding" in headers:
        return True
    return any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in headers.defects)


def _decoded(headers: dict[str, str], body: bytes, status: int) -> bytes:
    """Return a body as it was before it was compressed, which nobody asked for; cut at the cap too."""
    if headers.get("content-encoding", "").lower() not in {"gzip", "x-gzip", "deflate"}:
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, LARGEST_BODY)
    except zlib.error:
        if 200 <= status < 300:
            raise UnreadableError("a compressed body that is none") from None
        return b""


_KEPT: Final[Kept[Place, _Connection]] = Kept(_LONGEST_IDLE)
