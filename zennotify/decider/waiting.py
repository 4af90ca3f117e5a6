"""Deliveries that wait for a name (`wait_for_names`), found by the things that may teach it.

In memory only, and only in the writer's thread: what is lost with the process is sent at the end of its wait.
Called by decider.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, NamedTuple

#: When so many deliveries wait, further ones are sent at the end of their wait, whatever is learned.
MOST_WAITING: Final = 20_000


class Waiting(NamedTuple):
    """A delivery that waits for names."""

    #: Its number in the store.
    delivery: int
    channel: str
    #: When it is sent at the latest.
    due: datetime
    #: The things that may teach the names, by their keys.
    awaited: tuple[str, ...]


class WaitingRoom:
    """What waits, by the things that it waits for."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}
        self._by_thing: dict[str, dict[int, Waiting]] = {}
        #: Those that wait, and some that have left, by when their wait ends.
        self._ends: list[tuple[datetime, int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, one: Waiting) -> None:
        """Let a delivery wait."""
        if len(self._waiting) >= MOST_WAITING:
            return
        self._waiting[one.delivery] = one
        heapq.heappush(self._ends, (one.due, one.delivery))
        if len(self._ends) > 2 * MOST_WAITING:
            self._ends = [(waiting.due, waiting.delivery) for waiting in self._waiting.values()]
            heapq.heapify(self._ends)
        for thing in one.awaited:
            self._by_thing.setdefault(thing, {})[one.delivery] = one

    def waiting_for(self, things: Collection[str]) -> list[Waiting]:
        """Return the deliveries that wait for any of these things."""
        if not self._waiting:
            return []
        found = {one.delivery: one for thing in things for one in self._by_thing.get(thing, {}).values()}
        return list(found.values())

    def leave(self, those: Iterable[Waiting]) -> None:
        """Let deliveries go that wait no more."""
        for one in those:
            self._waiting.pop(one.delivery, None)
            for thing in one.awaited:
                waiting = self._by_thing.get(thing, {})
                waiting.pop(one.delivery, None)
                if not waiting:
                    self._by_thing.pop(thing, None)

    def end(self, now: datetime) -> None:
        """Let those go whose wait is over."""
        while self._ends and self._ends[0][0] <= now:
            _, delivery = heapq.heappop(self._ends)
            if delivery in self._waiting:
                self.leave([self._waiting[delivery]])
