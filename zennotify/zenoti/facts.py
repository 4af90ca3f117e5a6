"""What is remembered of a thing: learned from events in any order, and the same in the end.

What one event taught of a thing is a Lesson; a thing is the list of its lessons that still count.  For each field the
later event wins: by its time and, at the same time, by its id.  An event without a readable time only fills gaps.
Pure; decider/ learns in the transaction that decides the event, the store keeps one row for each thing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from zennotify.core.model import CenterTime, Code, Event, TimeText, UtcTime, Zone
from zennotify.zenoti.catalog import day
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS, PACKAGE_STATUS
from zennotify.zenoti.things import Things, emptied

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
#: What a thing's facts usually take; where a batch takes more, each is looked at.
_USUAL: Final = 2_000
#: What only the booking's own events say as a whole.
_WHOLE_GROUP: Final = ("services", "start", "end", "start_in_center")
#: A class that will not take place.
_CALLED_OFF: Final = ("class.schedule.cancelled", "class.schedule.deleted")
_OFF: Final = "off"
#: A place that is cancelled so shortly before its class, or after it, goes with it; microseconds.
_TOGETHER: Final = 5 * 60 * 1_000_000
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
        text = str(id_)
    elif isinstance(id_, str):
        text = id_.strip().lower()
    else:
        return None
    # The id of zeros stands for nobody: a guest who walked in, a therapist who is not chosen yet.
    return f"{kind} {text}" if len(text) <= _LONGEST_ID and text.strip("0-") else None


def keys_of(things: Things) -> dict[str, Key]:
    """Return the keys of an event's things, by kind; without those that have no id."""
    keys: dict[str, Key] = {}
    for kind, said in things.items():
        key = key_of(kind, said.get("id"))
        if key is not None:
            keys[kind] = key
    return keys


def teaches(
    event: Event, things: Things, keys: Mapping[str, Key], at: int | None
) -> list[tuple[Key, Lesson]]:
    """Return what an event teaches of its things; `at` is its time in microseconds since 1970."""
    event_type = event.kind
    stamp = -1 if at is None else at
    lessons: list[tuple[Key, Lesson]] = []
    for kind, key in keys.items():
        values = things[kind].copy()
        del values["id"]
        if kind == "group":
            if not event_type.startswith("appointmentgroup."):
                for field in _WHOLE_GROUP:  # the other events list only a part of the booking
                    values.pop(field, None)
        elif kind == "session":
            values |= _of_class(event_type, keys.get("guest"))
        elif event_type in _WHOLE and event_type.startswith(kind):
            values |= emptied(event)
        if not _ODD.isdisjoint(map(type, values.values())):
            values = {field: value for field, value in values.items() if _is_plain(value)}
        if values:
            lessons.append((key, Lesson(stamp, event.id, values)))
    return lessons


def _of_class(event_type: str, guest: Key | None) -> dict[str, Any]:
    """Return what a type of event says of its class: that it is off, or whether a guest is booked for it."""
    said: dict[str, Any] = {_OFF: True} if event_type in _CALLED_OFF else {}
    if guest is not None and event_type.startswith("class.booking."):
        said[guest] = event_type.endswith((".created", ".approved", ".noshow"))
    return said


_ODD: Final = frozenset((dict, list))


def _is_plain(value: Any) -> bool:
    """Return whether a value is one that things have: whatever Zenoti sends, nothing larger is remembered."""
    kind = type(value)
    return kind is not dict and (kind is not list or all(isinstance(item, str) for item in value))


def read(kept: str) -> Lessons:
    """Return lessons from their JSON."""
    return [Lesson(*lesson) for lesson in json.loads(kept)]


def written(known: Mapping[Key, Lessons]) -> str:
    """Return the lessons of things as one JSON object, bounded."""
    if any(len(lessons) > MOST_GUESTS for lessons in known.values()):
        known = {key: bounded(lessons) for key, lessons in known.items()}
    kept = _encode(known)
    if len(kept) <= _USUAL * len(known):
        return kept
    return _encode({key: _shortest(lessons) for key, lessons in known.items()})


def _shortest(lessons: Lessons) -> Lessons:
    """Return lessons without the texts beyond what anybody reads."""
    return [_cut(lesson) for lesson in lessons] if len(_encode(lessons)) > _LONGEST else lessons


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
    if len(lessons) == 1 and new.at >= 0:  # nearly always, and cheap
        [old] = lessons
        if (old.at, old.event) < (new.at, new.event) and old.values.keys() <= new.values.keys():
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
    off = min((lesson.at for lesson in lessons if _OFF in lesson.values), default=None)
    for lesson in lessons:
        for field, value in lesson.values.items():
            if field.startswith("guest "):
                # Whose place was cancelled together with the class had booked it.
                if value or (off is not None and lesson.at >= off - _TOGETHER):
                    guests.append(field[6:])
            elif value is not None:
                values[field] = _meant(kind, field, value, class_times)
    if kind == "session":
        values["guests"] = guests
    return values


def _meant(kind: str, field: str, value: Any, class_times: Zone) -> Any:
    if isinstance(value, str) and field in _TIMES:
        return _time(kind, field, value, class_times)
    words = CODES.get((kind, field))
    if words is not None and isinstance(value, int) and not isinstance(value, bool):
        return Code(value, words)
    return value


def _time(kind: str, field: str, value: str, class_times: Zone) -> TimeText:
    if kind == "session":
        return UtcTime(value) if class_times is Zone.UTC else CenterTime(value)
    if field == "expiry":
        return day(value)
    return CenterTime(value) if field == "start_in_center" else UtcTime(value)


_TIMES: Final = frozenset({"start", "end", "start_in_center", "expiry"})
CODES: Final = {
    ("group", "status"): APPOINTMENT_GROUP_STATUS,
    ("package", "status"): PACKAGE_STATUS,
}
