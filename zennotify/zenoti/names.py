"""The names that rules and templates use: `event`, `data`, and the things that the event points to.

A thing always exists and always has the same fields; what the event does not say is None.  Made per event, and each
thing only when a rule or a template asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zennotify.core.model import Event, Placeholder
from zennotify.zenoti.things import FIELDS, Said, Things, things_of

Data = Mapping[str, Any]

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
}

_UNNAMED = {
    "guest": "a guest",
    "center": "the centre",
    "session": "a class",
    "employee": "an employee",
    "membership": "a membership",
    "package": "a package",
}


class Names(dict[str, Any]):
    """The names of one event; a thing is made when it is first asked for."""

    def __init__(self, event: Event) -> None:
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
        self._things: Things | None = None

    def __missing__(self, name: str) -> Said:
        if name not in FIELDS:
            raise KeyError(name)
        if self._things is None:
            self._things = things_of(self._event)
        said = self._things.get(name, {})
        thing = self[name] = {field: said.get(field) for field in FIELDS[name]}
        return thing

    def __contains__(self, name: object) -> bool:
        return name in FIELDS or super().__contains__(name)


class MessageNames(dict[str, Any]):
    """The names for a template: unknown names as words, and what only a message has."""

    def __init__(self, names: Names, extra: Data) -> None:
        super().__init__(event=names["event"], data=names["data"], **extra)
        self._names = names

    def __missing__(self, name: str) -> Said:
        if name not in FIELDS:
            raise KeyError(name)
        thing = self[name] = dict(self._names[name])
        if name in _UNNAMED and not thing["name"]:
            thing["name"] = Placeholder(_UNNAMED[name])
        return thing

    def __contains__(self, name: object) -> bool:
        return name in FIELDS or super().__contains__(name)
