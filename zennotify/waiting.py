"""Deliveries that wait for a name (`wait_for_names`), found by the things that may teach it.

In memory only, and only in the writer's thread: what is lost with the process is sent at the end of its wait.
Called by decider.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, NamedTuple

#: When so many things are waited for, those that wait are sent at the end of their wait, whatever is learned.
MOST_AWAITED: Final = 20_000


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
        self._by_thing: dict[str, dict[int, Waiting]] = {}

    def enter(self, one: Waiting) -> None:
        """Let a delivery wait."""
        if len(self._by_thing) >= MOST_AWAITED:
            self._by_thing.clear()
        for thing in one.awaited:
            self._by_thing.setdefault(thing, {})[one.delivery] = one

    def waiting_for(self, things: Collection[str]) -> list[Waiting]:
        """Return the deliveries that wait for any of these things."""
        if not self._by_thing:
            return []
        found = {one.delivery: one for thing in things for one in self._by_thing.get(thing, {}).values()}
        return list(found.values())

    def leave(self, those: Iterable[Waiting]) -> None:
        """Let deliveries go that wait no more."""
        for one in those:
            for thing in one.awaited:
                waiting = self._by_thing.get(thing, {})
                waiting.pop(one.delivery, None)
                if not waiting:
                    self._by_thing.pop(thing, None)
