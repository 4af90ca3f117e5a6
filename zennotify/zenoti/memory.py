"""Facts in use: what is known of things, for the events of one transaction or for one message.

A Memory holds lessons by thing; it reads what it lacks through the function that it is given.  decider.py fills one
for a whole batch, learns into it event by event and keeps what has changed; rulebook.py reads one thing at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from zennotify.core.model import Event, Zone
from zennotify.zenoti import facts
from zennotify.zenoti.facts import Key, Lessons
from zennotify.zenoti.things import POINTERS, Things

#: Returns the JSON of those things that are kept.
Read = Callable[[Collection[Key]], Mapping[Key, str]]
#: How far a thing may be from the event: an invoice names its booking, which names its guest.
_HOPS = 3
_POINTING = {other for others in POINTERS.values() for other in others}


class Memory:
    """What is known of things."""

    def __init__(self, read: Read, class_times: Zone) -> None:
        self._read = read
        self._class_times = class_times
        self._known: dict[Key, Lessons] = {}
        self._values: dict[Key, Mapping[str, Any]] = {}
        #: The things that have been learned about.
        self._changed: set[Key] = set()

    def prepare(self, keys: Iterable[Key]) -> None:
        """Read what is known of these things, and of the things that those point to."""
        wanted = set(keys)
        for _ in range(_HOPS):
            wanted -= self._known.keys()
            if not wanted:
                return
            self._fetch(wanted)
            wanted = {pointer for key in wanted for pointer in self._pointers(key)}

    def recall(self, kind: str, id_: Any) -> Mapping[str, Any]:
        """Return what is known of a thing, with values that carry their meaning."""
        key = facts.key_of(kind, id_)
        if key is None:
            return {}
        values = self._values.get(key)
        if values is None:
            if key not in self._known:
                self._fetch([key])
            values = self._values[key] = facts.values_of(self._known[key], kind, self._class_times)
        return values

    def learn(self, event: Event, things: Things, keys: Mapping[str, Key], at: int | None) -> None:
        """Learn what an event teaches of its things; `at` is its time in microseconds since 1970."""
        for key, lesson in facts.teaches(event, things, keys, at):
            self._known[key] = facts.learn(self._known.get(key, ()), lesson)
            self._values.pop(key, None)
            self._changed.add(key)

    def changes(self) -> dict[Key, str]:
        """Return what has changed, as it is kept."""
        return {key: facts.written(self._known[key]) for key in self._changed}

    def _fetch(self, keys: Collection[Key]) -> None:
        found = self._read(keys)
        for key in keys:
            self._known[key] = facts.read(found[key]) if key in found else []

    def _pointers(self, key: Key) -> Iterable[Key]:
        if key.partition(" ")[0] in _POINTING:
            for lesson in self._known[key]:
                for field in POINTERS.keys() & lesson.values.keys():
                    pointer = facts.key_of(field, lesson.values[field])
                    if pointer is not None:
                        yield pointer
