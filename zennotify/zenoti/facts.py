"""What is remembered of a thing: learned from events in any order, and the same in the end.

What one event taught of a thing is a Lesson; a thing is the list of its lessons that still count.  For each field the
later event wins: by its time and, at the same time, by its id.  An event without a readable time only fills gaps.
Pure; decider.py learns in the transaction that decides the event, the store keeps one row for each thing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from zennotify.core.model import CenterTime, Code, Event, TimeText, UtcTime, Zone
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS, PACKAGE_STATUS
from zennotify.zenoti.things import FIELDS, Things

#: Names a thing: its kind and its id, in lower case (Zenoti writes some in upper case), with a blank between them.
Key = str

_encode = json.JSONEncoder(separators=(",", ":")).encode

#: Guests of a class that are remembered.
MOST_GUESTS: Final = 500
_LONGEST_ID: Final = 200
_LONGEST_TEXT: Final = 500
_MOST_SERVICES: Final = 50
#: Facts of one thing that are shorter than this are kept as they are; characters.
_LONGEST: Final = 10_000
#: Families whose null or empty field says that there is nothing; elsewhere it says only that it was left out.
_WHOLE: Final = ("guest.created", "guest.updated", "employee.created", "employee.updated")


class Lesson(NamedTuple):
    """What one event taught of one thing."""

    #: Microseconds since 1970; -1 where the event's time cannot be read.
    at: int
    #: The event's id.
    event: str
    values: dict[str, Any]


Lessons = list[Lesson]


def key_of(kind: str, id_: Any) -> Key | None:
    """Return the key of a thing, or None for what is no id."""
    if type(id_) is int:
        return f"{kind} {id_}"
    if not isinstance(id_, str):
        return None
    text = id_.strip().lower()
    return f"{kind} {text}" if text and len(text) <= _LONGEST_ID else None


def keys_of(things: Things) -> dict[str, Key]:
    """Return the keys of an event's things, by kind; without those that have no id."""
    found = ((kind, key_of(kind, said["id"])) for kind, said in things.items() if "id" in said)
    return {kind: key for kind, key in found if key is not None}


def teaches(
    event: Event, things: Things, keys: Mapping[str, Key], at: int | None
) -> Iterator[tuple[Key, Lesson]]:
    """Yield what an event teaches of its things; `at` is its time in microseconds since 1970."""
    stamp = -1 if at is None else at
    for kind, key in keys.items():
        values = _learned(event.kind, kind, things[kind])
        if kind == "session" and "guest" in keys and event.kind.startswith("class.booking."):
            # The guest is booked for the class, or is not any more.
            values[keys["guest"]] = event.kind.endswith((".created", ".approved", ".noshow"))
        if values:
            yield key, Lesson(stamp, event.id, values)


def _learned(event_type: str, kind: str, said: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(said)
    del values["id"]
    if kind == "group" and not event_type.startswith("appointmentgroup."):
        # The other events list only a part of the booking.
        for field in ("services", "start", "end", "start_in_center"):
            values.pop(field, None)
    if event_type in _WHOLE and event_type.startswith(kind):
        values |= {field: None for field in FIELDS[kind] if field not in said}
    return values


def read(kept: str) -> Lessons:
    """Return lessons from their JSON."""
    return [Lesson(*lesson) for lesson in json.loads(kept)]


def written(lessons: Lessons) -> str:
    """Return lessons as JSON, bounded."""
    kept = _encode(lessons)
    return kept if len(kept) <= _LONGEST else _encode([_cut(lesson) for lesson in bounded(lessons)])


def _cut(lesson: Lesson) -> Lesson:
    """Return a lesson whose values are not longer than anybody reads."""
    return Lesson(
        lesson.at, lesson.event, {field: _shortened(value) for field, value in lesson.values.items()}
    )


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    return [_shortened(item) for item in value[:_MOST_SERVICES]] if isinstance(value, list) else value


def learn(lessons: Sequence[Lesson], new: Lesson) -> Lessons:
    """Return the lessons that count when one more has come, in whatever order."""
    if not lessons:
        return [new]
    values = dict(new.values)
    kept: Lessons = []
    for lesson in lessons:
        if (lesson.at, lesson.event) < (new.at, new.event) and new.at >= 0:
            left = {field: value for field, value in lesson.values.items() if field not in values}
            if left:
                kept.append(Lesson(lesson.at, lesson.event, left))
        else:
            kept.append(lesson)
            for field in lesson.values:
                values.pop(field, None)
    if values:
        kept.append(Lesson(new.at, new.event, values))
    return sorted(kept, key=_order) if len(kept) > 1 else kept


def _order(lesson: Lesson) -> tuple[int, str]:
    return lesson.at, lesson.event


def bounded(lessons: Lessons) -> Lessons:
    """Return the lessons of a class with no more guests than are remembered: the oldest go."""
    count = 0
    kept: Lessons = []
    for lesson in reversed(lessons):
        values: dict[str, Any] = {}
        for field, value in lesson.values.items():
            if field.startswith("guest "):
                count += 1
                if count > MOST_GUESTS:
                    continue
            values[field] = value
        if values:
            kept.append(Lesson(lesson.at, lesson.event, values))
    return kept[::-1]


def values_of(lessons: Sequence[Lesson], kind: str, class_times: Zone) -> dict[str, Any]:
    """Return what is known of a thing, with values that carry their meaning."""
    values: dict[str, Any] = {}
    guests: list[str] = []
    for lesson in lessons:
        for field, value in lesson.values.items():
            if field.startswith("guest "):
                if value:
                    guests.append(field[6:])
            elif value is not None:
                values[field] = _meant(kind, field, value, class_times)
    if kind == "session":
        values["guests"] = guests
    return values


def _meant(kind: str, field: str, value: Any, class_times: Zone) -> Any:
    if isinstance(value, str) and field in _TIMES:
        return _time(kind, field, value, class_times)
    words = _CODES.get((kind, field))
    if words is not None and isinstance(value, int) and not isinstance(value, bool):
        return Code(value, words)
    return value


def _time(kind: str, field: str, value: str, class_times: Zone) -> TimeText:
    if kind == "session":
        return UtcTime(value) if class_times is Zone.UTC else CenterTime(value)
    if field == "start_in_center" or (field == "expiry" and value.endswith("T00:00:00")):
        return CenterTime(value)
    return UtcTime(value)


_TIMES: Final = frozenset({"start", "end", "start_in_center", "expiry"})
_CODES: Final = {
    ("group", "status"): APPOINTMENT_GROUP_STATUS,
    ("package", "status"): PACKAGE_STATUS,
}
