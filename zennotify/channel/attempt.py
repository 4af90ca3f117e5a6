"""One try of one message: how long it may take, what it met, and the sockets it opens.

egress.py (HTTP) and mail.py (SMTP) write into the current attempt what happened; apprise_channel.py reads it.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from zennotify.channel.outcome import Exchange, NoAnswer, Trouble

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Addresses of the machine's own link and of clouds' metadata services, which hand out credentials.
_FORBIDDEN: Final = tuple(
    map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32"))
)
#: IPv6 networks that carry an IPv4 address: where in the 128 bits it stands.
_EMBEDDED: Final = (
    (ip_network("::ffff:0:0/96"), 0),
    (ip_network("64:ff9b::/96"), 0),
    (ip_network("64:ff9b:1::/48"), 0),
    (ip_network("2002::/16"), 80),
)


#: Family, kind and protocol of a socket, and where it shall connect.
_Place = tuple[int, int, int, Any]


class ForbiddenAddressError(OSError):
    """The name leads to an address that zennotify does not talk to."""


class Attempt:
    """What one try may still spend, and what it met so far."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        #: Whether all of the present request was handed to the network.
        self.sent = False
        #: What the last request came to.
        self.last: Exchange | None = None
        self._deadline = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raise TimeoutError when there are none."""
        left = self._deadline - monotonic()
        if left <= 0:
            msg = f"no answer within {self.seconds:g} s"
            raise TimeoutError(msg)
        return left

    def failed(self, host: str, error: BaseException) -> None:
        """Keep why the present request got no answer."""
        error = _root(error)
        if self.sent:
            trouble, reason = Trouble.NO_ANSWER, f"{host} took the message and did not answer"
        else:
            trouble, reason = _before_sending(host, error)
        if isinstance(error, TimeoutError) and trouble is not Trouble.UNTRUSTED:
            reason += f" within {self.seconds:g} s"
        self.last = NoAnswer(trouble=trouble, reason=reason)


def _root(error: BaseException) -> BaseException:
    """Return what the libraries wrapped: the innermost error of the operating system."""
    root = error
    inner: BaseException | None = error
    while inner is not None:
        root = inner if isinstance(inner, OSError) else root
        inner = inner.__cause__ or inner.__context__
    return root


def _before_sending(host: str, error: BaseException) -> tuple[Trouble, str]:
    match error:
        case ssl.SSLCertVerificationError():
            return Trouble.UNTRUSTED, f"the certificate of {host} cannot be trusted: {error.verify_message}"
        case ForbiddenAddressError():
            return Trouble.FORBIDDEN, f"{host} leads to an address that zennotify never talks to"
        case socket.gaierror():
            return Trouble.NOT_SENT, f"the name {host} is not known"
        case TimeoutError():
            return Trouble.NOT_SENT, f"{host} could not be reached"
        case ssl.SSLError():
            return Trouble.NOT_SENT, f"no TLS with {host}: {error.reason or 'the connection was closed'}"
        case OSError(errno=int(number)):
            return Trouble.NOT_SENT, f"{host} could not be reached: {os.strerror(number)}"
        case _:
            return Trouble.NOT_SENT, f"{host} closed the connection before the message was sent"


_current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


@contextmanager
def attempt(seconds: float) -> Iterator[Attempt]:
    """Make a new attempt the current one of this thread."""
    made = Attempt(seconds)
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def current() -> Attempt | None:
    """Return this thread's attempt, if it makes one."""
    return _current.get()


def dial(host: str, port: int, made: Attempt, options: Sequence[tuple[int, int, int]] = ()) -> socket.socket:
    """Return a connected socket; all addresses of the name together have no more than the attempt's time."""
    error: OSError | None = None
    for family, kind, protocol, address in _addresses(host, port, made):
        if is_forbidden(str(address[0])):
            raise ForbiddenAddressError
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(made.left())
            for option in options:
                sock.setsockopt(*option)
            sock.connect(address)
            sock.settimeout(made.left())
        except OSError as failure:
            sock.close()
            error = failure
        else:
            return sock
    raise error or OSError("the name has no address")


def _addresses(host: str, port: int, made: Attempt) -> list[_Place]:
    """Return where `host` is; a name service that does not answer takes no more than the attempt's time."""
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, not an address
    answer: Future[list[_Place]] = Future()
    # A thread of its own, which nobody waits for: the resolver cannot be told to stop.
    threading.Thread(target=_answer, args=(answer, host, port), daemon=True).start()
    return answer.result(made.left())


def _answer(answer: Future[list[_Place]], host: str, port: int) -> None:
    try:
        answer.set_result(_look_up(host, port, 0))
    except OSError as error:
        answer.set_exception(error)


def _look_up(host: str, port: int, flags: int) -> list[_Place]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError as error:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "not a name") from error
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def is_forbidden(address: str) -> bool:
    """Whether a numeric address, however it is written, is one that zennotify does not talk to."""
    address = address.strip("[]").partition("%")[0]
    try:
        number = ip_address(address)
    except ValueError:
        try:
            number = IPv4Address(socket.inet_aton(address))  # 0xa9fea9fe, 2852039166, 169.254.43518
        except OSError:
            return False
    return any(candidate in network for candidate in _meanings(number) for network in _FORBIDDEN)


def _meanings(number: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    yield number
    for network, shift in _EMBEDDED:
        if number in network:
            yield IPv4Address(int(number) >> shift & 0xFFFFFFFF)


class DeadlineReader(io.RawIOBase):
    """Reads a socket, and stops at the end of the current attempt however slowly the bytes drip.

    A socket's own time-out begins anew with every byte.
    """

    def __init__(self, stream: io.BufferedReader, sock: socket.socket) -> None:
        super().__init__()
        self._raw = stream.detach()
        self._sock = sock

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        made = current()
        if made is not None:
            self._sock.settimeout(made.left())
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()
