"""Connections that wait for their next use; http1.py keeps some, and smtp.py.

A kept connection has one user at a time.  One that waited too long, or on which the peer said something meanwhile
(mostly goodbye), is closed and never handed out; a thread closes those that nobody asks for any more.
"""

from __future__ import annotations

import select
import socket
import threading
from time import monotonic
from typing import Generic, Protocol, TypeVar


class Connection(Protocol):
    """What may be kept."""

    @property
    def sock(self) -> socket.socket | None:
        """What is read and written."""

    def close(self) -> None:
        """Take leave, without waiting for the peer; for any thread; never raises."""


Key = TypeVar("Key")
Kind = TypeVar("Kind", bound=Connection)


class Kept(Generic[Key, Kind]):
    """Connections of one kind, by what they lead to."""

    def __init__(self, longest_idle: float) -> None:
        #: Seconds that one may wait for its next use.
        self.longest_idle = longest_idle
        self._lock = threading.Lock()
        self._waiting: dict[Key, list[tuple[float, Kind]]] = {}
        self._closing = threading.Event()
        self._is_watched = False

    def take(self, key: Key) -> Kind | None:
        """Return the one that was used last, or None where there is none that can be used."""
        while True:
            with self._lock:
                waiting = self._waiting.get(key)
                if not waiting:
                    return None
                since, connection = waiting.pop()
            if monotonic() - since < self.longest_idle and _is_silent(connection.sock):
                return connection
            connection.close()

    def put(self, key: Key, connection: Kind) -> None:
        """Keep one for its next use."""
        with self._lock:
            self._waiting.setdefault(key, []).append((monotonic(), connection))
            if self._is_watched:
                return
            self._is_watched = True
        threading.Thread(target=self._watch, name="kept-connections", daemon=True).start()

    def close(self) -> None:
        """Close all that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            self._closing.set()
        for connections in waiting.values():
            for _, connection in connections:
                connection.close()

    def _watch(self) -> None:
        """Close what waited too long, until nothing waits any more."""
        pause: float | None = self.longest_idle
        while pause is not None:
            self._closing.wait(pause)
            with self._lock:
                self._closing.clear()
                old, oldest = self._part_with_old()
                self._is_watched = oldest is not None
            pause = None if oldest is None else max(oldest + self.longest_idle - monotonic(), 0.01)
            for connection in old:
                connection.close()

    def _part_with_old(self) -> tuple[list[Kind], float | None]:
        """Return what waited too long, and since when the oldest of the others waits."""
        limit = monotonic() - self.longest_idle
        old: list[Kind] = []
        for key, waiting in list(self._waiting.items()):
            old += [connection for since, connection in waiting if since <= limit]
            self._waiting[key] = [kept for kept in waiting if kept[0] > limit]
            if not self._waiting[key]:
                del self._waiting[key]
        return old, min((waiting[0][0] for waiting in self._waiting.values()), default=None)


def _is_silent(sock: socket.socket | None) -> bool:
    """Whether nothing came since the last use: what comes unasked is the end of a conversation."""
    if sock is None:
        return False
    poll = select.poll()
    try:
        poll.register(sock, select.POLLIN)
    except (OSError, ValueError):  # it is closed
        return False
    return not poll.poll(0)
