"""One try of one message: how long it may take, and what it met.

egress.py (HTTP) and mail.py (SMTP) write into the current attempt what happened; apprise_channel.py reads it.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING

from zennotify.channel.dial import ForbiddenAddressError, ProxyError
from zennotify.channel.outcome import Exchange, NoAnswer, Trouble

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class UnreadableError(Exception):
    """What came back is no answer of this protocol, or has no end."""


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
            is_odd = isinstance(error, UnreadableError)
            did = "gave an answer that cannot be read" if is_odd else "did not answer"
            trouble, reason = Trouble.NO_ANSWER, f"{host} took the message and {did}"
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
        case ProxyError():
            trouble = Trouble.FORBIDDEN if error.is_lasting else Trouble.NOT_SENT
            return trouble, f"{host} could not be reached: {error}"
        case UnreadableError():
            return Trouble.NOT_SENT, f"{host} gave an answer that cannot be read, before the message was sent"
        case socket.gaierror():
            return Trouble.NOT_SENT, f"the name {host} is not known"
        case TimeoutError():
            return Trouble.NOT_SENT, f"{host} could not be reached"
        case ssl.SSLError():
            return Trouble.NOT_SENT, f"no TLS with {host}: {error.reason or 'the connection was closed'}"
        case OSError(errno=int(number)):
            return Trouble.NOT_SENT, f"{host} could not be reached: {os.strerror(number)}"
        case _:
            ended = f"the conversation with {host} ended before the message was sent"
            return Trouble.NOT_SENT, f"{ended} ({type(error).__name__})"


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


def send_all(made: Attempt, sock: socket.socket, data: bytes) -> None:
    """Write all of it, however slowly it is taken no longer than the attempt may take.

    A socket's own time-out begins anew with every part.
    """
    view = memoryview(data)
    while view:
        sock.settimeout(made.left())
        view = view[sock.send(view) :]


class Incoming(io.RawIOBase):
    """What comes over a socket, waited for no longer than there is time left, however slowly it drips.

    A socket's own time-out begins anew with every byte.
    """

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        super().__init__()
        self._sock = sock
        self._left = left

    def readable(self) -> bool:
        """Return True: it is read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Wait for some bytes; return how many came, 0 at the end."""
        self._sock.settimeout(self._left())
        return self._sock.recv_into(buffer)
