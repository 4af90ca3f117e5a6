"""One exchange over HTTP/1.1, on a kept connection where there is one; the bytes below egress.py.

It is ours because of what a message needs and HTTP libraries do not have: one deadline for all of it, head and body
as one packet, knowing whether all of a request was handed over, and an answer that ends where we say.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from zennotify.channel import tls
from zennotify.channel.attempt import Attempt, UnreadableError, send_all
from zennotify.channel.dial import ProxyError, dial
from zennotify.channel.kept import Kept

#: No more of an answer is read: of its head, and of its body.
LARGEST_HEAD: Final = 64 * 1024
LARGEST_BODY: Final = 64 * 1024
#: Servers close idle connections after 5 s and more.  Who reuses one just then cannot know whether the message
#: arrived, so we do not come near that moment.
_LONGEST_IDLE: Final = 4.0

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: (.*))?")
_NO_BODY: Final = frozenset({204, 304})
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
    kept = _KEPT.take(place)
    if kept is not None:
        try:
            return _use(kept, made, place, request, has_body=has_body)
        except OSError:
            if made.sent:
                raise
            # It was closed just now, before all of the request was written.
    return _use(_Connection(made, place), made, place, request, has_body=has_body)


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
    """A connection to one place."""

    def __init__(self, made: Attempt, place: Place) -> None:
        self._data = bytearray()
        #: Whether the last answer left it as it was.
        self.is_reusable = False
        host, port = _first_stop(place)
        self.sock = dial(host, port, made.left)
        if place.is_tls:
            try:
                if place.proxy:
                    self._pass_through(made, place)
                self._encrypt(made, place)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        with suppress(OSError):
            self.sock.close()

    def exchange(self, made: Attempt, request: bytes, *, has_body: bool) -> Answer:
        self.is_reusable = False
        send_all(made, self.sock, request)
        # Only now can the provider have all of it.  Where writing failed, it cannot have acted.
        made.sent = True
        version, status, reason, headers = self._head(made)
        while 100 <= status < 200 and status != 101:  # interim; the answer follows
            version, status, reason, headers = self._head(made)
        body = bytearray()
        is_whole = True
        if has_body and status not in _NO_BODY and status >= 200:
            try:
                is_whole = self._read_body(made, headers, body)
            except (OSError, UnreadableError):
                if 200 <= status < 300:
                    raise
                is_whole = False  # a refusal counts even when its words do not come
        says = headers.get("connection", "").lower()
        is_kept = "close" not in says if version == "1" else "keep-alive" in says
        # What came after the answer would be taken for the next one.
        self.is_reusable = is_whole and is_kept and status >= 200 and not self._data
        return Answer(status, reason, headers, _decoded(headers, bytes(body), status))

    def _pass_through(self, made: Attempt, place: Place) -> None:
        """Ask the proxy for a way to the place."""
        host = f"[{place.host}]" if ":" in place.host else place.host
        lines = [f"CONNECT {host}:{place.port} HTTP/1.1", f"Host: {host}:{place.port}"]
        lines += [f"{name}: {value}" for name, value in proxy_headers(place.proxy).items()]
        send_all(made, self.sock, "\r\n".join([*lines, "\r\n"]).encode("latin-1"))
        _, status, _, _ = self._head(made)
        if not 200 <= status < 300:
            raise ProxyError(f"the proxy answered HTTP {status}", is_lasting=status in _PROXY_REFUSES)

    def _encrypt(self, made: Attempt, place: Place) -> None:
        self.sock.settimeout(made.left())
        context = tls.context(place.authorities, verify=place.verify)
        self.sock = context.wrap_socket(self.sock, server_hostname=place.host)

    def _head(self, made: Attempt) -> tuple[str, int, str, dict[str, str]]:
        """Return the minor version, status, reason and headers of what comes next."""
        seen = 0
        while (end := _BLANK_LINE.search(self._data, seen)) is None:
            if len(self._data) > LARGEST_HEAD:
                raise UnreadableError("a head without an end")
            seen = max(len(self._data) - 3, 0)
            self._fill(made)
        first, *lines = self._data[: end.start()].decode("latin-1").split("\n")
        del self._data[: end.end()]
        status = _STATUS.fullmatch(first.rstrip("\r"))
        if status is None:
            raise UnreadableError("no status line")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers.setdefault(name.lower(), value.strip())
        return status[1], int(status[2]), status[3] or "", headers

    def _read_body(self, made: Attempt, headers: dict[str, str], body: bytearray) -> bool:
        """Read the body into `body`; return whether it ended before the cap, and the connection goes on."""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks(made, body)
        said = headers.get("content-length")
        if said is None:
            with suppress(EOFError):
                self._read(made, LARGEST_BODY, body)
            return False
        if not (said.isascii() and said.isdigit()):
            raise UnreadableError("a length that is none")
        length = int(said[:20])  # a longer number is only more absurd
        self._read(made, min(length, LARGEST_BODY), body)
        return length <= LARGEST_BODY

    def _read_chunks(self, made: Attempt, body: bytearray) -> bool:
        while (size := _chunk_size(self._line(made))) > 0:
            room = LARGEST_BODY - len(body)
            self._read(made, min(size, room), body)
            if size >= room:
                return False
            self._line(made)
        while self._line(made).strip():
            pass  # what follows the last chunk
        return True

    def _read(self, made: Attempt, size: int, body: bytearray) -> None:
        """Read so many bytes into `body`; what came before a failure is there."""
        while size > 0:
            if not self._data:
                self._fill(made)
            part = self._data[:size]
            del self._data[:size]
            body += part
            size -= len(part)

    def _line(self, made: Attempt) -> bytes:
        seen = 0
        while (end := self._data.find(b"\n", seen)) < 0:
            if len(self._data) > LARGEST_HEAD:
                raise UnreadableError("a line without an end")
            seen = len(self._data)
            self._fill(made)
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        return line

    def _fill(self, made: Attempt) -> None:
        """Wait for more, however slowly it drips no longer than the attempt may take."""
        self.sock.settimeout(made.left())
        part = self.sock.recv(LARGEST_BODY)
        if not part:
            raise ClosedError
        self._data += part


class ClosedError(ConnectionError, EOFError):
    """The peer closed the connection."""


def _first_stop(place: Place) -> tuple[str, int]:
    if not place.proxy:
        return place.host, place.port
    parts = urlsplit(place.proxy if "://" in place.proxy else f"http://{place.proxy}")
    if parts.scheme != "http" or not parts.hostname:
        raise ProxyError("only proxies that are reached by http:// can be used", is_lasting=True)
    return parts.hostname, parts.port or 80


def _chunk_size(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
        raise UnreadableError("a chunk without a size")
    return int(size, 16)


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
