"""Where a name leads, whether zennotify talks to it, and a connection to it in bounded time.

Used by http1.py and smtp.py, and by address.py for what a URL says.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

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


class ProxyError(OSError):
    """The proxy on the way does not lead there; the text says why."""

    def __init__(self, reason: str, *, is_lasting: bool) -> None:
        super().__init__(reason)
        #: Whether every message would meet it until somebody changes something.
        self.is_lasting = is_lasting


def dial(host: str, port: int, left: Callable[[], float]) -> socket.socket:
    """Return a connected socket.

    All addresses of the name together take no more time than is `left`, which raises TimeoutError when none is; one
    that does not answer no more than its share, so that the next has time, too.
    """
    error: OSError | None = None
    places = _addresses(host, port, left)
    for number, (family, kind, protocol, address) in enumerate(places):
        if is_forbidden(str(address[0])):
            raise ForbiddenAddressError
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left() / (len(places) - number))
            # What is written is whole; the kernel would wait 40 ms for more.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
            sock.settimeout(left())
        except OSError as failure:
            sock.close()
            error = failure
        else:
            return sock
    raise error or OSError("the name has no address")


def _addresses(host: str, port: int, left: Callable[[], float]) -> list[_Place]:
    """Return where `host` is; a name service that does not answer takes no more than what is left."""
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, not an address
    answer: Future[list[_Place]] = Future()
    # A thread of its own, which nobody waits for: the resolver cannot be told to stop.
    threading.Thread(target=_answer, args=(answer, host, port), daemon=True).start()
    return answer.result(left())


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
