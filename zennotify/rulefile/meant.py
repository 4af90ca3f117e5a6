"""What was probably meant by a path, or by an event type, that there is not?  Called by scope.py and onerule.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from typing import Final, NamedTuple

from zennotify.core.path import EVERY, Step
from zennotify.spelling import nearest
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS
from zennotify.zenoti.fields import Field, Fields, Lost
from zennotify.zenoti.things import FIELDS, USUAL

Steps = tuple[Step, ...]

#: Names that say nothing without the one before them.
_VAGUE: Final = frozenset(
    ("id", "name", "code", "type", "total", "date", "number", "status", "start", "end", "source")
)
_SIMILAR: Final = 0.6
#: So alike are a name and its misspelling.
_TYPED_WRONG: Final = 0.8
_FIELD_TYPED_WRONG: Final = 0.75
#: In a word of so many letters two may be wrong.
_LONG_WORD: Final = 8
_SHORT_WORD: Final = 4
_NEGATIONS: Final = frozenset(("in", "un", "non", "de", "dis", "re"))
#: What people look for in `data` because other events have it there, and the name by which every event knows it.
#: Of several the one that the event leads to.
_TAUGHT: Final[Mapping[str, tuple[str, ...]]] = {
    "event_type": ("event.type",),
    "event_timestamp": ("event.at",),
    "event_id": ("event.id",),
    "appointments.service_name": ("group.services",),
    "service_name": ("group.services",),
    "appointments.start_time": ("group.start",),
    "appointments.end_time": ("group.end",),
    "appointments.start_time_in_center": ("group.start_in_center",),
    "start_time_in_center": ("group.start_in_center",),
    "appointments.therapist_id": ("employee.id",),
    "appointments.therapist_name": ("employee.name",),
    "therapist_id": ("employee.id",),
    "therapist_name": ("employee.name",),
    "therapist.name": ("employee.name",),
    "start_time": ("session.start", "group.start"),
    "end_time": ("session.end", "group.end"),
    "class_name": ("session.name",),
    "class.name": ("session.name",),
    "members.id": ("guest.id",),
    "members.name": ("guest.name",),
    "user_id": ("guest.id",),
    "personal_info.first_name": ("guest.first_name",),
    "personal_info.last_name": ("guest.last_name",),
    "personal_info.email": ("guest.email",),
    "guest.guest_email": ("guest.email",),
    "guest_email": ("guest.email",),
    "personal_info.mobile_phone": ("guest.phone",),
    "guest.mobile_phone": ("guest.phone",),
    "mobile_phone": ("guest.phone",),
    "mobile_phone.number": ("guest.phone",),
    "appointment_group_status": ("group.status",),
    "invoice.invoice_number": ("invoice.number",),
    "invoice.no": ("invoice.number",),
    "invoice_no": ("invoice.number",),
    "total_price.sum_total": ("invoice.total",),
    "sum_total": ("invoice.total",),
    "total_price": ("invoice.total",),
    "expiry_date": ("membership.expiry",),
}


class Meant(NamedTuple):
    """What a path was probably to say."""

    #: Where in `data` it stands, or something like it.
    path: Steps | None = None
    #: The name by which every event knows it, e.g. guest.name.
    thing: str = ""
    #: Whether it is a typing mistake, not only alike.
    sure: bool = False


class Finder:
    """Finds what was meant, in all that some types carry."""

    def __init__(self, types: Sequence[Fields], leads_to: Callable[[str], bool]) -> None:
        """Take the types, and which kinds of things their events lead to."""
        self._types = types
        self._leads_to = leads_to

    def find(self, steps: Steps, at: int, siblings: Sequence[str], *, certain: bool) -> Meant:
        """Return what was meant by a path of which the step `at` is none of its siblings.

        Where it is not `certain` that all is known, what is only a little alike is probably something else.
        """
        thing = self._thing(steps)
        if (mended := self._mended(steps, at, siblings, _mistyped)) is not None:
            return Meant(mended, thing, sure=True)
        path = self._by_key.get(_key(steps)) or self._elsewhere(steps)
        if path is None and not thing and certain:
            path = self._longer(steps, at, siblings) or self._mended(steps, at, siblings, _alike)
        return Meant(path, thing or ("" if path else self._thing_alike(steps)))

    def _mended(
        self,
        steps: Steps,
        at: int,
        siblings: Sequence[str],
        near: Callable[[str, Sequence[str]], str | None],
    ) -> Steps | None:
        """Return the path with its first unknown name, and those behind it, spelled rightly."""
        right = near(str(steps[at]), siblings)
        if right is None:
            return None
        mended = (*steps[:at], right, *steps[at + 1 :])
        ways = [fields.find(mended) for fields in self._types]
        if any(not isinstance(way, Lost) and len(way) == len(mended) for way in ways):
            return mended
        lost = [way for way in ways if isinstance(way, Lost)]
        further = max((one.at for one in lost), default=0)
        if further <= at:  # anything may stand below it: that is no hint
            return mended if at == len(mended) - 1 else None
        names = [name for one in lost if one.at == further for name in one.last.fields]
        return self._mended(mended, further, names, near) or mended[:further]

    def _elsewhere(self, steps: Steps) -> Steps | None:
        """Return the place where the same names, or a field of this name, do stand."""
        names = _names(steps)
        if len(names) > 1 and (found := self._by_end.get(names)):
            return _with_places(found, steps)
        name = steps[-1]
        return None if name in _VAGUE or not isinstance(name, str) else self._by_end.get((_key((name,)),))

    def _longer(self, steps: Steps, at: int, siblings: Sequence[str]) -> Steps | None:
        """Return the one field whose name has all words of this one, e.g. `invoice_number` for `number`."""
        words = {*str(steps[at]).casefold().split("_")}
        longer = [name for name in siblings if words < {*name.casefold().split("_")}]
        return (*steps[:at], longer[0]) if len(longer) == 1 and at == len(steps) - 1 else None

    def _thing(self, steps: Steps) -> str:
        """Return the name under which what was asked for is known of every event."""
        names = [step.casefold() for step in steps[1:] if isinstance(step, str)]
        for start in range(len(names)):
            called = _things_called(names[start:], alone=start == 0)
            reached = [name for name in called if self._reaches(name.partition(".")[0])]
            if len(reached) == 1:
                return reached[0]
        return ""

    def _thing_alike(self, steps: Steps) -> str:
        """Return what a misspelled field of a thing was to be: `data.guest.nmae`."""
        match steps[1:]:
            case [str() as kind, str() as field] if kind in FIELDS and self._leads_to(kind):
                near = nearest(field, FIELDS[kind], _FIELD_TYPED_WRONG)
                return f"{kind}.{near}" if near else ""
            case _:
                return ""

    def _reaches(self, kind: str) -> bool:
        return kind == "event" or self._leads_to(kind)

    @cached_property
    def _by_key(self) -> dict[str, Steps]:
        """Every path, by its names without case and joints."""
        return {_key(way): way for way in reversed(self._ways)}

    @cached_property
    def _by_end(self) -> dict[tuple[str, ...], Steps]:
        """The shortest path that ends with some names."""
        found: dict[tuple[str, ...], Steps] = {}
        for way in sorted(self._ways, key=len, reverse=True):
            names = _names(way)
            if isinstance(way[-1], str):
                found.update((names[start:], way) for start in range(len(names)))
        return found

    @cached_property
    def _ways(self) -> list[Steps]:
        return list(dict.fromkeys(way for fields in self._types for way in _ways(fields.data, ("data",))))


def _things_called(names: Sequence[str], *, alone: bool) -> Sequence[str]:
    """Return the fields of things that names in `data` may mean, e.g. session.id for session_id."""
    if taught := _TAUGHT.get(".".join(names)):
        return taught
    match names:
        case [kind, field] if field in FIELDS.get(kind, ()):
            return (f"{kind}.{field}",)
        case [name] if alone:
            usual = [f"{kind}.{field}" for known, kind, field in USUAL if known.casefold() == name]
            joined = [
                f"{kind}.{field}" for kind in FIELDS for field in FIELDS[kind] if name == f"{kind}_{field}"
            ]
            single = [
                f"{kind}.{field}" for kind in FIELDS for field in FIELDS[kind] if name == field != "name"
            ]
            return usual[:1] or joined or single
        case _:
            return ()


def _mistyped(name: str, known: Sequence[str]) -> str | None:
    """Return the known name of which this one is a misspelling."""
    mistyped = [other for other in known if _is_misspelling(name.casefold(), other.casefold())]
    return max(mistyped, key=lambda other: _likeness(name.casefold(), other.casefold()), default=None)


def _alike(name: str, known: Sequence[str]) -> str | None:
    return nearest(name, known, _SIMILAR)


def _is_misspelling(name: str, known: str) -> bool:
    """Return whether somebody mistyped a name, rather than thought of another one: `payment_type`, `payment_date`."""
    joined, right = name.replace("_", ""), known.replace("_", "")
    if joined == right:
        return True
    if re.sub(r"\D", "", name) != re.sub(r"\D", "", known) or _likeness(name, known) < _TYPED_WRONG:
        return False
    if name.count("_") != known.count("_"):
        return _slips(joined, right) <= 1
    return all(map(_is_slip, name.split("_"), known.split("_")))


def _is_slip(word: str, right: str) -> bool:
    """Return whether a word is another one with a letter too many, too few or wrong; of a long word, with two."""
    slips = _slips(word, right)
    if slips > 1:
        short, long = sorted((word, right), key=len)
        return slips == 2 and len(short) >= _LONG_WORD and not long.startswith(short)
    if len(word) == len(right) < _SHORT_WORD and sorted(word) != sorted(right):
        return False  # `tax` is no `tag`
    return not slips or (word[:1] == right[:1] and not _denies(word, right))


def _slips(one: str, other: str) -> int:
    """Return how many letters are missing, too many, wrong, or in the wrong order."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one):
        further: list[int] = [place + 1]
        for at, right in enumerate(other):
            cost: int = min(row[at + 1] + 1, further[at] + 1, row[at] + (letter != right))
            if place and at and letter == other[at - 1] and one[place - 1] == right:
                cost = min(cost, before[at - 1] + 1)
            further.append(cost)
        before, row = row, further
    last: int = row[-1]
    return last


def _denies(one: str, other: str) -> bool:
    """Return whether one word is the other one's opposite."""
    short, long = sorted((one, other), key=len)
    return long.endswith(short) and long.removesuffix(short) in _NEGATIONS


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _key(steps: Steps) -> str:
    return "".join(step for step in steps if isinstance(step, str)).replace("_", "").casefold()


def _names(steps: Steps) -> tuple[str, ...]:
    return tuple(_key((step,)) for step in steps[1:] if isinstance(step, str))


def _with_places(way: Steps, steps: Steps) -> Steps:
    """Return a path with the elements that another one names, where it goes through as many lists."""
    places = [step for step in steps if not isinstance(step, str)]
    if len(places) != sum(step is EVERY for step in way):
        return way
    left = iter(places)
    return tuple(next(left) if step is EVERY else step for step in way)


def _ways(field: Field, way: Steps) -> Iterator[Steps]:
    below: list[tuple[Step, Field]] = [*field.fields.items()]
    below += [(EVERY, field.element)] if field.element else []
    for step, inner in below:
        yield (*way, step)
        yield from _ways(inner, (*way, step))


# --- event types ------------------------------------------------------------------------------------------

#: Other words for the last part of a type, and what an event of it is.
_CALLED: Final = {"sold": "created", "purchased": "created", "bought": "created", "new": "created"}
_REFUNDED: Final = "; did you mean `Invoice.Closed` with data.invoice.is_refund: yes?"
_JOINT: Final = re.compile(r"[.\s_/]+")


def nearest_type(event: str, known: Mapping[str, str]) -> str:
    """Return "; did you mean `x`?" for what is no event type, or nothing."""
    if "*" in event:
        families = {
            f"{'.'.join(one[:end])}.*" for one in map(_split, known.values()) for end in range(1, len(one))
        }
        near = nearest(event, sorted(families), _TYPED_WRONG)
        return f"; did you mean `{near}`?" if near else ""
    head, _, last = event.partition(".")
    word = nearest(last, APPOINTMENT_GROUP_STATUS.values(), _TYPED_WRONG)
    if word is not None and head.casefold() in {"appointment", "appointmentgroup"}:
        return f"; did you mean `AppointmentGroup.Status` with data.appointment_group_status: {word}?"
    if event.casefold() in {"invoice.refunded", "invoice.refund"} and "invoice.closed" in known:
        return _REFUNDED
    near = max(known, key=lambda kind: _type_likeness(event, kind), default="")
    return f"; did you mean `{known[near]}`?" if near and _type_likeness(event, near) else ""


def _split(event: str) -> list[str]:
    return [part for part in _JOINT.split(event) if part]


def _type_likeness(event: str, kind: str) -> float:
    """Return how alike two types are; 0 where one of their parts is not alike, the first one above all."""
    parts = [part.replace("-", "") for part in _split(event.casefold())]
    right = kind.split(".")
    if not parts:
        return 0
    parts[-1] = _CALLED.get(parts[-1], parts[-1])
    if parts == right[-len(parts) :]:  # `Membership.Created`
        return len(parts)
    if len(parts) != len(right):
        joined = _likeness("".join(parts), "".join(right))
        return joined if joined >= _TYPED_WRONG else 0
    alike = [_likeness(one, other) for one, other in zip(parts, right, strict=True)]
    return sum(alike) if alike[0] >= _TYPED_WRONG and min(alike) >= _SIMILAR else 0
