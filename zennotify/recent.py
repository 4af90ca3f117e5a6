"""Facts for messages: what many messages ask for is read once in a while, not for each.

A message that says a local time asks for its centre and its centre's clock.  Called by rulebook.py, in the channels'
threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from zennotify.clock import Clock
from zennotify.zenoti import offset

Read = Callable[[Collection[str]], Mapping[str, str]]

#: The kinds of things that many messages ask for; what is learned of one may be late by this much.
_SHARED: Final = ("center ", "employee ", f"{offset.KIND} ")
_AGE: Final = timedelta(seconds=10)
_MOST: Final = 5_000


class RecentFacts:
    """Reads facts, and remembers those of centres, their clocks and employees for some seconds."""

    def __init__(self, read: Read, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, str | None] = {}
        self._until: datetime | None = None

    def read(self, keys: Collection[str]) -> dict[str, str]:
        """Return what is kept of these things, as JSON."""
        with self._lock:
            now = self._clock.now()
            if self._until is None or self._until <= now or len(self._kept) > _MOST:
                self._kept.clear()
                self._until = now + _AGE
            known = {key: self._kept[key] for key in keys if key in self._kept}
        wanted = [key for key in keys if key not in known]
        found = dict(self._read(wanted)) if wanted else {}
        with self._lock:
            self._kept |= {key: found.get(key) for key in wanted if key.startswith(_SHARED)}
        return {**found, **{key: lessons for key, lessons in known.items() if lessons is not None}}
