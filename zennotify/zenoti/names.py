"""The names that rules and templates use: `event`, `data`, and the things that the event points to.

A thing always exists and always has the same fields; what the event does not say is None.  Made per event, and
each thing only when a rule or a template asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zennotify.core.model import Event, Placeholder

Data = Mapping[str, Any]
Thing = dict[str, Any]

#: Every thing and its fields.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "guest": ("id", "name", "first_name", "last_name", "email"),
    "center": ("id", "name", "time_zone", "currency"),
    "session": ("id", "name", "start", "end"),
    "group": ("id", "services", "start", "start_in_center", "status"),
    "employee": ("id", "name"),
    "membership": ("id", "name"),
    "package": ("id", "name"),
    "invoice": ("id", "number"),
}
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

    def __missing__(self, name: str) -> Thing:
        thing = self[name] = _make_thing(name, self["data"])
        return thing

    def __contains__(self, name: object) -> bool:
        return name in FIELDS or super().__contains__(name)


class MessageNames(dict[str, Any]):
    """The names for a template: unknown names as words, and what only a message has."""

    def __init__(self, names: Names, extra: Data) -> None:
        super().__init__(event=names["event"], data=names["data"], **extra)
        self._names = names

    def __missing__(self, name: str) -> Thing:
        thing = self[name] = dict(self._names[name])
        if name in _UNNAMED and not thing["name"]:
            thing["name"] = Placeholder(_UNNAMED[name])
        return thing

    def __contains__(self, name: object) -> bool:
        return name in FIELDS or super().__contains__(name)


def _make_thing(name: str, data: Data) -> Thing:
    fields = FIELDS[name]  # a KeyError here is a name that nothing has
    known = _FOUND[name](data) if name in _FOUND else {}
    return {field: known.get(field) for field in fields}


def _mapping(value: Any) -> Data:
    return value if isinstance(value, Mapping) else {}


def _guest(data: Data) -> Thing:
    guest = _mapping(data.get("guest"))
    first, last = guest.get("first_name"), guest.get("last_name")
    name = " ".join(part.strip() for part in (first, last) if isinstance(part, str) and part.strip())
    return {
        "id": guest.get("id") or data.get("guest_id"),
        "name": name or None,
        "first_name": first,
        "last_name": last,
        "email": guest.get("email"),
    }


def _center(data: Data) -> Thing:
    name = data.get("center_Name") or data.get("center_name") or _mapping(data.get("center")).get("name")
    return {"id": center_id(data), "name": name}


def center_id(data: Data) -> Any:
    """Return the id of the centre that an event is about, as sent, or None."""
    return data.get("center_id") or _mapping(data.get("center")).get("id")


def _session(data: Data) -> Thing:
    # Class.Schedule.* spells it sesion_id, Class.Booking.* session_id
    session = data.get("sesion_id")
    found: Thing = {"id": data.get("session_id") if session is None else session}
    if "class_name" in data:
        found |= {"name": data["class_name"], "start": data.get("start_time"), "end": data.get("end_time")}
    return found


def _group(data: Data) -> Thing:
    appointments = data.get("appointments")
    visits = [_mapping(visit) for visit in appointments] if isinstance(appointments, list) else []
    services = [visit["service_name"] for visit in visits if visit.get("service_name")]
    starts = sorted((visit for visit in visits if isinstance(visit.get("start_time"), str)), key=_start)
    first = starts[0] if starts else {}
    return {
        "id": data.get("appointment_group_id"),
        "services": services or None,
        "start": first.get("start_time"),
        "start_in_center": first.get("start_time_in_center"),
        "status": data.get("appointment_group_status"),
    }


def _start(visit: Data) -> str:
    return str(visit["start_time"])


def _invoice(data: Data) -> Thing:
    return {"id": data.get("invoice_id"), "number": data.get("invoice_number")}


_FOUND: Mapping[str, Callable[[Data], Thing]] = {
    "guest": _guest,
    "center": _center,
    "session": _session,
    "group": _group,
    "invoice": _invoice,
}
