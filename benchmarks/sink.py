"""What messages are sent to: a server in a process of its own that keeps when each one came.

`http`, or `https CERTIFICATE KEY`:

/ok...     answers 200 at once
/hang...   takes the message and never answers

`smtps CERTIFICATE KEY`: a mail server with TLS from the first byte, a login (any password) and PIPELINING, which
aiosmtpd does not offer; its mails are found under /mail.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
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


class _MailSession(asyncio.Protocol):
    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._data = b""
        self._end = b"\r\n"

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._data += data
        replies: list[bytes] = []
        while (end := self._data.find(self._end)) >= 0:
            said, self._data = self._data[:end], self._data[end + len(self._end) :]
            replies.append(self._reply(said))
        self._transport.write(b"".join(replies))

    def _reply(self, said: bytes) -> bytes:
        if self._end != b"\r\n":
            self._end = b"\r\n"
            self._arrivals.add("/mail")
            return b"250 taken\r\n"
        match said[:4].upper():
            case b"EHLO":
                return b"250-sink\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN\r\n"
            case b"AUTH":
                return b"235 welcome\r\n"
            case b"DATA":
                self._end = b"\r\n.\r\n"
                return b"354 go on\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
            case _:
                return b"250 ok\r\n"


async def _serve(arrivals: Arrivals, ready: Any, kind: str, *certificate: str) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    protocol = _MailSession if kind == "smtps" else _Connection
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(arrivals), "127.0.0.1", 0, backlog=512, ssl=context
    )
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main(kind: str = "http", *certificate: str) -> None:
    arrivals = Arrivals()
    port: list[int] = []
    is_ready = threading.Event()

    def ready(number: int) -> None:
        port.append(number)
        is_ready.set()

    serve = _serve(arrivals, ready, kind, *certificate)
    threading.Thread(target=uvloop.run, args=(serve,), daemon=True).start()
    is_ready.wait()
    obey(port[0], {"wait": arrivals.wait, "forget": arrivals.forget})


if __name__ == "__main__":
    main(*sys.argv[1:])
