"""The names that rules and templates use: `event`, `data`, and the things that the event points to.

A thing always exists and always has the same fields.  What the event itself does not say is looked up among the
facts, when a rule or a template asks for it; what nobody knows is None.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from zennotify.core.center import NOT_LISTED, Center, Centers
from zennotify.core.model import Event, Placeholder
from zennotify.zenoti import offset
from zennotify.zenoti.facts import Key, key_of
from zennotify.zenoti.things import FIELDS, POINTERS, Things, things_of

Data = Mapping[str, Any]
#: Returns what earlier events taught of a thing, by its kind and id; nothing where nothing is known.
Recall = Callable[[str, Any], Data]

#: The names of an event with their fields; of the fields of `data` Zenoti decides.
EVENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "event": ("type", "id", "at", "received_at"),
    "data": (),
    **FIELDS,
}
#: The names of a message with their fields.
MESSAGE_NAMES: Mapping[str, tuple[str, ...]] = {
    **EVENT_NAMES,
    "rule": ("id", "description"),
    "now": (),
    "held_back": (),
    "count": (),
    "events": (),
    "ack_url": (),
}
#: The names that each of a message's `events` has, with their fields.
ELEMENT_NAMES: Mapping[str, tuple[str, ...]] = {
    name: MESSAGE_NAMES[name] for name in (*EVENT_NAMES, "rule", "now")
}

#: The kinds of things, each behind those that may point to it.
_POINTING = ("membership", "package", "session", "invoice", "group", "employee", "guest", "center")
#: What tells nobody which thing it is.
_NO_NAMES = frozenset({"id", "guests", "guest_names", "opted_out"})
_UNNAMED = {
    "guest": "a guest",
    "center": "the centre",
    "session": "a class",
    "employee": "an employee",
    "membership": "a membership",
    "package": "a package",
}


def _recall_nothing(_kind: str, _id: Any) -> Data:
    return {}


class Names(dict[str, Any]):
    """The names of one event; a thing is made when it is first asked for."""

    def __init__(
        self,
        event: Event,
        recall: Recall = _recall_nothing,
        said: Things | None = None,
        centers: Centers = NOT_LISTED,
    ) -> None:
        """Take the event; `said` is what it says of its things, where that is known already."""
        super().__init__(
            event={
                "type": event.type,
                "id": event.id,
                "at": event.at,
                "received_at": event.received_at,
            },
            data=event.data,
        )
        self._event = event
        self._recall = recall
        self._said = said
        self._centers = centers

    def __missing__(self, name: str) -> Thing:
        if name not in FIELDS:
            raise KeyError(name)
        thing = self[name] = Thing(self, name)
        return thing

    def __contains__(self, name: object) -> bool:
        return name in FIELDS or super().__contains__(name)

    def said(self, kind: str) -> Data:
        """Return what the event itself says of a thing."""
        if self._said is None:
            self._said = things_of(self._event)
        return self._said.get(kind, {})

    def recalled(self, kind: str) -> Data:
        """Return what earlier events taught of the thing that this event points to."""
        id_ = self.id_of(kind)
        return {} if id_ is None else self._recall(kind, id_)

    def names_of(self, kind: str, ids: Iterable[Any]) -> list[str]:
        """Return the names of these things, as far as they are known."""
        names = (self._recall(kind, id_).get("name") for id_ in ids)
        return [name for name in names if name]

    def listed(self) -> Center | None:
        """Return the event's centre as centers.yaml knows it."""
        return self._centers.get(self.id_of("center")) if len(self._centers) else None

    def offset_at(self, moment: datetime) -> timedelta | None:
        """Return how far the clock of the event's centre is from UTC around a moment, as bookings taught it."""
        center = self.id_of("center")
        return None if center is None else offset.near(self._recall, center, moment)

    def id_of(self, kind: str, seen: frozenset[str] = frozenset()) -> Any:
        """Return the id of a thing: as the event says it, or as another thing that it points to does."""
        id_ = self.said(kind).get("id")
        for other in () if id_ is not None else POINTERS[kind]:
            if other in seen:
                continue
            its_id = self.id_of(other, seen | {kind})
            id_ = None if its_id is None else self._recall(other, its_id).get(kind)
            if id_ is not None:
                break
        return id_

    def sources(self, kind: str, seen: frozenset[str] = frozenset()) -> set[Key]:
        """Return the keys of the things that may teach something of a thing: its own, and those that may name it."""
        key = key_of(kind, self.said(kind).get("id"))
        if key is not None:
            return {key}
        known = key_of(kind, self.id_of(kind))
        others = (other for other in POINTERS[kind] if other not in seen)
        found = {key for other in others for key in self.sources(other, seen | {kind})}
        return found if known is None else {known, *found}

    def unknown(self, wants: Collection[tuple[str, str]]) -> list[str]:
        """Return the kinds of things of which nothing is known that is wanted."""
        fields: dict[str, set[str]] = {}
        for kind, field in sorted(wants):
            if field not in _NO_NAMES:
                fields.setdefault(kind, set()).add(field)
        return [
            kind
            for kind, wanted in fields.items()
            # Where the name is wanted, nothing else stands in for it.
            if all(self[kind][field] is None for field in ({"name"} & wanted or wanted))
        ]

    def awaited(self, wants: Collection[tuple[str, str]]) -> tuple[Key, ...]:
        """Return the things that may still teach what is wanted and unknown, by their keys."""
        return tuple(sorted({key for kind in self.unknown(wants) for key in self.sources(kind)}))

    def renew(self) -> None:
        """Look everything up anew, for more has been learned."""
        for kind in FIELDS:
            self.pop(kind, None)


class Thing(Mapping[str, Any]):
    """One thing that an event points to."""

    __slots__ = ("_facts", "_kind", "_names")

    def __init__(self, names: Names, kind: str) -> None:
        self._names = names
        self._kind = kind
        self._facts: Data | None = None

    def __getitem__(self, field: str) -> Any:
        if field not in FIELDS[self._kind]:
            raise KeyError(field)
        if self._kind == "center" and field != "id":
            listed = self._names.listed()
            if listed is not None and (known := getattr(listed, field)) is not None:
                return known
        said = self._names.said(self._kind).get(field)
        if said is not None:
            return said
        if field == "id":
            return self._names.id_of(self._kind)
        if field == "guest_names":
            return self._names.names_of("guest", self["guests"] or ())
        if self._facts is None:
            self._facts = self._names.recalled(self._kind)
        return self._facts.get(field)

    def __iter__(self) -> Iterator[str]:
        return iter(FIELDS[self._kind])

    def __len__(self) -> int:
        return len(FIELDS[self._kind])


class NamedThing(Thing):
    """The same for a message: an unknown name is said in words."""

    __slots__ = ()

    def __getitem__(self, field: str) -> Any:
        value = super().__getitem__(field)
        if field == "name" and not value and self._kind in _UNNAMED:
            return Placeholder(_UNNAMED[self._kind])
        return value


class EventNames(dict[str, Any]):
    """The names of one event in a message: unknown names as words."""

    def __init__(self, names: Names, extra: Data) -> None:
        """Take the event's own names, and what else the message knows."""
        super().__init__(event=names["event"], data=names["data"], **extra)
        self._names = names
        self.offset_at = names.offset_at

    def __missing__(self, name: str) -> NamedThing:
        if name not in FIELDS:
            raise KeyError(name)
        thing = self[name] = NamedThing(self._names, name)
        return thing

    def __contains__(self, name: object) -> bool:
        return name in FIELDS or super().__contains__(name)


class MessageNames(EventNames):
    """The names for a template: those of one event, and of all that the message is about."""

    def __init__(self, names: Names, extra: Data, gathered: Sequence[Names] | None = None) -> None:
        """Take the names of the event, and of those that were `gathered`; None: the message is about that event."""
        super().__init__(names, extra)
        self._gathered = gathered

    def __missing__(self, name: str) -> Any:
        if name != "events":
            return super().__missing__(name)
        shared = {name: self[name] for name in ("rule", "now") if name in self}
        about = [self._names] if self._gathered is None else self._gathered
        self["events"] = made = [EventNames(names, shared) for names in about]
        return made

    def __contains__(self, name: object) -> bool:
        return name == "events" or super().__contains__(name)


def look_up(
    several: Sequence[Names], kinds: Collection[str], prepare: Callable[[Iterable[Key]], None]
) -> None:
    """Have what several events want to know of these kinds of things read at once, and not one by one.

    `prepare` reads what is known of things, so that to recall them costs nothing.
    """
    wanted = _leading_to(kinds)
    said = ((kind, names.said(kind).get("id")) for names in several for kind in wanted)
    prepare(key for kind, id_ in said if (key := key_of(kind, id_)) is not None)
    for kind in wanted:
        ids = (names.id_of(kind) for names in several)
        prepare(key for id_ in ids if (key := key_of(kind, id_)) is not None)


def _leading_to(kinds: Collection[str]) -> list[str]:
    """Return these kinds of things and those that may point to them, each before what it points to."""
    found = set(kinds)
    while more := {other for kind in found for other in POINTERS[kind]} - found:
        found |= more
    return [kind for kind in _POINTING if kind in found]
