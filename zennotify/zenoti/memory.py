"""Facts in use: what is known of things, for the events of one transaction or for one message.

A Memory holds lessons by thing; it reads what it lacks through the function that it is given.  decider/ fills one
for a whole batch, learns into it event by event and keeps what has changed; rulebook.py reads one thing at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from zennotify.core.center import NOT_LISTED, Centers
from zennotify.core.model import Event, Zone
from zennotify.zenoti import facts, offset
from zennotify.zenoti.facts import Key, Lesson, Lessons
from zennotify.zenoti.things import Said, Things, things_of

#: Returns the JSON of those things that are kept.
Read = Callable[[Collection[Key]], Mapping[Key, str]]


class Memory:
    """What is known of things."""

    def __init__(
        self,
        read: Read,
        class_times: Zone,
        centers: Centers = NOT_LISTED,
        clocks: Collection[tuple[Any, str]] = (),
    ) -> None:
        """Take the way to what is kept.

        No offset is learned of a centre whose zone `centers` know, nor of a centre and day in `clocks`, which is known.
        """
        self._read = read
        self._class_times = class_times
        self._centers = centers
        self._known: dict[Key, Lessons] = {}
        self._values: dict[Key, Mapping[str, Any]] = {}
        self._clocks = clocks
        #: The centres and days whose offset has been learned.
        self.new_clocks: set[tuple[Any, str]] = set()
        #: The things that have been learned about.
        self.changed: set[Key] = set()

    def things_of(self, event: Event) -> Things:
        """Return what an event says of each thing, and of its centre's clock where centers.yaml does not."""
        things = things_of(event)
        group, center = things.get("group"), things.get("center")
        if group and center and "start_in_center" in group:
            said = self._clock(center.get("id"), group.get("start"), group["start_in_center"])
            if said:
                things[offset.KIND] = said
        return things

    def _clock(self, center: Any, start: Any, start_in_center: Any) -> Said:
        """Return what a booking says of its centre's clock, where that is not known yet."""
        if not isinstance(center, str) or not isinstance(start, str):
            return {}
        day = center, start[:10]
        if day in self._clocks or day in self.new_clocks:
            return {}
        listed = self._centers.get(center)
        if listed is not None and listed.time_zone is not None:
            return {}
        said = offset.said(center, start, start_in_center)
        if said:
            self.new_clocks.add(day)
        return said

    def prepare(self, keys: Iterable[Key]) -> None:
        """Read at once what is known of these things; of others it is read when somebody asks."""
        wanted = set(keys) - self._known.keys()
        if wanted:
            self._fetch(wanted)

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
            self._add(key, lesson)

    def teach(self, lessons: Mapping[Key, Lesson]) -> None:
        """Learn what was found elsewhere."""
        for key, lesson in lessons.items():
            self._add(key, lesson)

    def changes(self) -> str | None:
        """Return the things that have changed, as they are kept (facts.written); None where nothing has."""
        if not self.changed:
            return None
        # In the order of their keys, so that neighbours are written together.
        return facts.written({key: self._known[key] for key in sorted(self.changed)})

    def _add(self, key: Key, lesson: Lesson) -> None:
        known = self._known.get(key)
        self._known[key] = facts.learn(known, lesson) if known else [lesson]
        self._values.pop(key, None)
        self.changed.add(key)

    def _fetch(self, keys: Collection[Key]) -> None:
        found = self._read(keys)
        for key in keys:
            self._known[key] = facts.read(found[key]) if key in found else []
