"""What fields does each event type carry?  Derived from the samples beside this file, so that nothing is listed twice.

What is known beyond the samples stands in `_OBSERVED` below.  Asked by `check` and `doctor`, never for an event: the
samples of a type are read when it is first asked for.  A type of which nothing is known has no fields at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from zennotify.core.model import CenterTime, Code, Event, TimeText, YesNo, Zone
from zennotify.core.path import EVERY, Step
from zennotify.zenoti.catalog import EVENT_TYPES, give_meaning
from zennotify.zenoti.codes import Words
from zennotify.zenoti.sample import load_sample, sample_names
from zennotify.zenoti.things import POINTERS, REDEMPTIONS, things_of


class Kind(StrEnum):
    """What stands in a field, in words."""

    TEXT = "a text"
    NUMBER = "a number"
    FLAG = "true or false"
    YES_NO = '"Yes" or "No"'
    CODE = "a code"
    UTC_TIME = "a time in UTC"
    CENTER_TIME = "a time of the centre"
    #: Zenoti does not say how it is meant: the setting `class_times` does.
    CLASS_TIME = "a time of a class"
    #: A midnight of the centre's, written in UTC or on its own clock.
    DAY = "a day"
    OBJECT = "a group of fields"
    LIST = "a list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of an event type."""

    #: As rules write it; `[*]` is every element of a list.
    path: str
    #: Mostly one; none where the samples have only null.
    kinds: tuple[Kind, ...]
    #: Those of an object, by name.
    fields: Mapping[str, Field]
    #: The words of a code.
    words: Words | None = None
    #: It is null in a sample.
    nullable: bool = False
    #: It is left out of a sample, or was only ever observed.
    optional: bool = False
    #: It says who somebody is, or something about them.
    personal: bool = False
    #: Below it anything may stand: the samples show nothing, or not all.
    open: bool = False
    #: Of a list.
    element: Field | None = None

    def below(self, step: Step) -> Field | None:
        """Return the field one step further down."""
        return self.fields.get(step) if isinstance(step, str) else self.element

    def all(self) -> Iterator[Field]:
        """Yield every field below this one, each after the one that it is in."""
        for field in (*self.fields.values(), *([self.element] if self.element else ())):
            yield field
            yield from field.all()


class Lost(NamedTuple):
    """Where a path leaves what is known."""

    #: The last field that there is, and which step from it there is not.
    last: Field
    at: int


@dataclass(frozen=True, slots=True)
class Fields:
    """All that is known of one event type's `data`."""

    #: In the catalog's spelling.
    event_type: str
    data: Field
    #: Whether the samples show the whole of it, as far as anybody knows.
    complete: bool
    #: Whether there is a sample at all, so that this is more than what somebody happened to see.
    shown: bool
    #: The kinds of things (guest, session, ...) that the event names, or that earlier events can lead it to.
    things: frozenset[str]

    def find(self, steps: Sequence[Step]) -> tuple[Field, ...] | Lost:
        """Return the fields on the way of a path, from `data` on; fewer than steps where anything may stand."""
        way = [self.data]
        for place, step in enumerate(steps[1:], 1):
            field = way[-1].below(step)
            if field is None:
                return tuple(way) if any(known.open for known in way) else Lost(way[-1], place)
            way.append(field)
        return tuple(way)

    def all(self) -> Iterator[Field]:
        """Yield every field, each after the one that it is in."""
        return self.data.all()


def fields_of(event_type: str) -> Fields | None:
    """Return what is known of a type, in any spelling; None where nothing is."""
    return _fields_of(event_type.casefold())


def spell_path(steps: Iterable[Step]) -> str:
    """Return a path as rules write it."""
    return "".join(_spell_step(step) if place else str(step) for place, step in enumerate(steps))


_PLAIN = re.compile(r"[^\W\d][\w-]*")


def _spell_step(step: Step) -> str:
    if not isinstance(step, str):
        return str(step) if step is EVERY else f"[{step}]"
    return f".{step}" if _PLAIN.fullmatch(step) else f'["{step}"]'


# --- what is known beyond the samples ---------------------------------------------------------------------

_REBOOKED = {
    "rebooked_source_group_id": "x",
    "is_appointment_rescheduled": True,
    "initial_appointment_start_time": "x",
}
_PAYMENTS = {
    "invoice_id": "x",
    "is_closed": False,
    "transactions": [
        {
            "transaction_id": "x",
            "payment_date": "x",
            "amount_paid": 1,
            "transaction_center": {"id": "x", "name": "x"},
        }
    ],
}
_PHONE = {"country_code": 1, "phone_code": 1, "number": "x", "display_number": "x"}
_GUEST = {"personal_info": {"mobile_phone": _PHONE, "work_phone": _PHONE, "home_phone": _PHONE}}
#: Fields that others have seen in real events, as one such event; each may be missing.
_OBSERVED: Final[Mapping[str, Mapping[str, Any]]] = {
    "appointmentgroup.created": _REBOOKED,
    "appointmentgroup.updated": _REBOOKED,
    "appointmentgroup.status": _REBOOKED,
    "appointmentgroup.delete": {"appointment_group_id": "x", "appointment_id": "x"},
    "invoice.payments.added": _PAYMENTS,
    "invoice.payments.deleted": _PAYMENTS,
    "invoice.closed": {
        "group_invoice_id": "x",  # where it stands is not said
        "invoice": {
            "group_invoice_id": "x",
            "invoice_number_prefix": "x",
            "additional_fields": [{"key": "x", "value": "x"}],
            "guest": {"email": "x"},
            "center": {"id": "x", "name": "x"},
        },
    },
    "guest.created": _GUEST,
    "guest.updated": _GUEST,
    "guest.deleted": _GUEST,
}
#: Types that carry what another one does, whatever their samples show.
_LIKE: Final = {"appointmentgroup.updated": "appointmentgroup.created"}
#: Zenoti describes both alike; that their samples name their lists otherwise may be chance.
_REDEEMING: Final = ("guest.package.redemption", "guest.package.redemptionreversal")
#: Where there is more than the sample shows: where the published one ends too early, and where Zenoti's change log
#: says that fields were added (the names of country and state, in 2023).
_MORE: Final[Mapping[str, tuple[str, ...]]] = {
    "invoice.closed": ("invoice", "transactions"),
    "guest.membership.created": ("service_balance",),
    "guest.package.created": ("services",),
    "guest.created": ("address_info",),
    "guest.updated": ("address_info",),
    "guest.deleted": ("address_info",),
    "employee.created": ("address",),
    "employee.updated": ("address",),
    "employee.deleted": ("address",),
}
#: All that stands below these is personal, ids excepted; as are these fields wherever they stand.
_PERSONS: Final = frozenset((
    "guest", "personal_info", "details", "address", "address_info", "login_info", "members", "therapist", "sold_by",
    "training_virtual_guests", "mobile_phone", "home_phone", "work_phone", "phone", "additional_fields",
))  # fmt: skip
_PERSONAL: Final = frozenset((
    "first_name", "last_name", "email", "guest_email", "therapist_name", "service_name", "salary", "hourly_rate",
    "comments", "reason", "froze_by", "cancelled_by", "display_name", "access_code", "search_tags", "keyword",
    "text_field_1", "text_field_2",
))  # fmt: skip
#: Of what is bought, the name: it can be about somebody's health.
_ITEMS: Final = frozenset(("service", "service_type_info", "invoice_items"))


# --- from samples to fields -------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _fields_of(event_type: str) -> Fields | None:
    spelling = _SPELLING.get(event_type)
    if spelling is None:
        return None
    samples = _data(event_type)
    observed = [dict(_OBSERVED[event_type])] if event_type in _OBSERVED else []
    if not samples and not observed:
        return None
    data = _derive(event_type, samples or observed)
    like = _fields_of(_LIKE.get(event_type, ""))
    for more in (*([like.data] if like else ()), *(_derive(event_type, [one]) for one in observed)):
        data = _merge(data, more)
    if event_type in _MORE:
        data = _opened(data, _MORE[event_type])
    return Fields(
        event_type=spelling,
        data=data,
        shown=bool(samples),
        complete=bool(samples) and event_type not in _MORE,
        things=_things(spelling, samples + observed),
    )


def _data(event_type: str) -> list[dict[str, Any]]:
    """Return the samples of a type."""
    if event_type in _REDEEMING:
        return _redemptions(event_type)
    return [load_sample(name)["data"] for name in _samples().get(event_type, ())]


def _redemptions(event_type: str) -> list[dict[str, Any]]:
    """Return one sample for each list that a redemption, or a reversal, may have: there are few with all of them."""
    own = load_sample(_SPELLING[event_type])["data"]
    rest = {name: value for name, value in own.items() if name not in REDEMPTIONS}
    every = [load_sample(_SPELLING[one])["data"] for one in _REDEEMING]
    lists: dict[str, list[Any]] = {name: [] for name in REDEMPTIONS}
    for name in REDEMPTIONS:
        alike = name.removesuffix("_reversal")
        for data in every:
            for other in (alike, f"{alike}_reversal"):
                lists[name] += data.get(other, [])
    return [rest | {name: elements} for name, elements in lists.items()]


_SPELLING: Final = {name.casefold(): name for name in EVENT_TYPES}


@lru_cache(maxsize=1)
def _samples() -> Mapping[str, tuple[str, ...]]:
    """Return the names of each type's samples; a variant has its name behind the type's."""
    found: dict[str, tuple[str, ...]] = {}
    for name in sample_names():
        folded = name.casefold()
        event_type = max((known for known in _SPELLING if folded.startswith(known)), key=len)
        found[event_type] = (*found.get(event_type, ()), name)
    return found


def _things(event_type: str, samples: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the kinds of things that the samples name, and those that are found by way of them."""
    reached: set[str] = set()
    now = datetime.fromtimestamp(0, UTC)
    for data in samples:
        event = Event(
            id="",
            event_id="",
            type=event_type,
            kind=event_type.casefold(),
            at=now,
            received_at=now,
            data=data,
        )
        reached |= things_of(event).keys()
    while more := {
        kind for kind, by in POINTERS.items() if kind not in reached and not reached.isdisjoint(by)
    }:
        reached |= more
    return frozenset(reached)


#: Where a value stands: the names on the way, EVERY for the elements of a list.
_Way = tuple[Step, ...]
_Meant = Mapping[_Way, tuple[Kind, Words | None]]


def _derive(event_type: str, samples: Sequence[dict[str, Any]]) -> Field:
    meant: dict[_Way, tuple[Kind, Words | None]] = {}
    for data in samples:
        meant |= _meanings(event_type, data)
    return _field(("data",), samples, len(samples), meant)


def _field(way: _Way, values: Sequence[Any], parents: int, meant: _Meant) -> Field:
    """Return the field of which these are all values, in so many objects that could have one."""
    objects = [value for value in values if isinstance(value, dict)]
    lists = [value for value in values if isinstance(value, list)]
    elements = [element for one in lists for element in one]
    names = dict.fromkeys(name for one in objects for name in one)
    kinds, words = _kinds(values, meant.get(way))
    element = _field((*way, EVERY), elements, len(elements), meant) if elements else None
    if element is not None and not all(lists):
        element = replace(element, optional=True)
    return Field(
        path=spell_path(way),
        kinds=kinds,
        words=words,
        nullable=None in values,
        optional=len(values) < parents,
        personal=_is_personal(way),
        open=not kinds or (bool(lists) and not elements),
        fields={
            name: _field((*way, name), [one[name] for one in objects if name in one], len(objects), meant)
            for name in names
        },
        element=element,
    )


def _kinds(
    values: Iterable[Any], meant: tuple[Kind, Words | None] | None
) -> tuple[tuple[Kind, ...], Words | None]:
    if meant is not None:
        return (meant[0],), meant[1]
    kinds = {_KINDS[type(value)] for value in values if value is not None}
    return tuple(kind for kind in Kind if kind in kinds), None


_KINDS: Final[Mapping[type, Kind]] = {
    bool: Kind.FLAG,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    str: Kind.TEXT,
    dict: Kind.OBJECT,
    list: Kind.LIST,
}


def _meanings(event_type: str, data: Mapping[str, Any]) -> _Meant:
    """Ask the catalog which fields of a sample carry a meaning, and which: by texts that it could be given.

    A field that is null in the samples has its meaning all the same.
    """
    asked = []
    for text, zone in (("1", Zone.CENTER), ("2020-01-01T12:00:00", Zone.CENTER), ("1", Zone.UTC)):
        asked.append(_filled(data, text))
        give_meaning(event_type, asked[-1], zone)
    return {
        way: meaning for way, *given in _leaves(asked, ("data",)) if (meaning := _meaning(*given)) is not None
    }


def _filled(value: Any, text: str) -> Any:
    """Return the same objects and lists with a text for every other value."""
    if isinstance(value, Mapping):
        return {name: _filled(inner, text) for name, inner in value.items()}
    return [_filled(element, text) for element in value] if isinstance(value, list) else text


def _leaves(values: Sequence[Any], way: _Way) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each text, and the texts there."""
    first = values[0]
    if isinstance(first, dict):
        for name in first:
            yield from _leaves([value[name] for value in values], (*way, name))
    elif isinstance(first, list):
        for place in range(len(first)):
            yield from _leaves([value[place] for value in values], (*way, EVERY))
    else:
        yield (way, *values)


def _meaning(short: Any, long: Any, as_utc: Any) -> tuple[Kind, Words | None] | None:
    if isinstance(short, Code):
        return Kind.CODE, short.words
    if isinstance(short, YesNo):
        return Kind.YES_NO, None
    if not isinstance(short, TimeText):
        return None
    if type(short) is not type(as_utc):
        return Kind.CLASS_TIME, None
    if type(short) is not type(long):
        return Kind.DAY, None
    return (Kind.CENTER_TIME if isinstance(short, CenterTime) else Kind.UTC_TIME), None


def _is_personal(way: _Way) -> bool:
    name = next(step for step in reversed(way) if isinstance(step, str))
    if name in _PERSONAL or name in _PERSONS:
        return True
    above = {step for step in way if isinstance(step, str)} - {name}
    if above & _PERSONS:
        return name != "id" and not name.endswith("_id")
    return name == "name" and bool(above & _ITEMS)


def _merge(field: Field, more: Field) -> Field:
    """Return a field with what else was seen in it; what is only seen there may be missing."""
    fields = dict(field.fields)
    for name, other in more.fields.items():
        fields[name] = _merge(fields[name], other) if name in fields else replace(other, optional=True)
    element = field.element
    if more.element is not None:
        element = _merge(element, more.element) if element else more.element
    kinds = {*field.kinds, *more.kinds}
    return replace(
        field,
        kinds=tuple(kind for kind in Kind if kind in kinds),
        words=field.words or more.words,
        nullable=field.nullable or more.nullable,
        open=field.open and more.open,
        fields=fields,
        element=element,
    )


def _opened(field: Field, way: Sequence[str]) -> Field:
    """Return a field below which, at the end of a way, anything may stand."""
    if not way:
        return replace(field, open=True)
    return replace(field, fields={**field.fields, way[0]: _opened(field.fields[way[0]], way[1:])})
