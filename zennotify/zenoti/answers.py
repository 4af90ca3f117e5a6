"""What does an answer of Zenoti's API say?  Read into the fields of things.py, as the facts take them.

Documented [D]: the calls; a guest's parts; that an invoice's answer is like Invoice.Closed; that of the API's
times `start_time` is the centre's and `start_time_utc` is UTC.  Inferred [I], because no document at hand shows those
answers whole: that entries of `sessions` and an employee are named as in the webhooks, and `page_info.total`.  What is
missing or has another form is unknown; nothing is guessed.  Pure; called by lookup.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from zennotify.core.model import Zone, read_time
from zennotify.zenoti.facts import Key, key_of
from zennotify.zenoti.things import Said, full_name

Data = Mapping[str, Any]
#: The fields of each thing that an answer told of.
Found = dict[Key, Said]
_Pairs = Iterator[tuple[Key | None, Said]]

#: Centres come in pages of this size, the largest there is.
PAGE_SIZE: Final = 100

_LONGEST_TEXT: Final = 500
_LONGEST_ZONE: Final = 64
#: As in Guest.Membership.Created, where all are null.
_ZONE_NAMES: Final = ("identifier_name", "standard_name", "name")
_LARGEST_AMOUNT: Final = 1e15
_CURRENCY = re.compile(r"[A-Z]{3}")
#: Half characters and NULs cannot be stored.
_BAD_CHARACTER = re.compile("[\ud800-\udfff\x00]")


def read(kind: str, id_: Any, document: Any, class_times: Zone) -> Found | None:
    """Return what a document says of the thing that was asked for and of others, or None for one of another form.

    `class_times` is how the facts keep a class's times.
    """
    pairs = _READERS[kind](id_, _mapping(document), class_times)
    return None if pairs is None else {key: said for key, said in pairs if key is not None and said}


def has_more(document: Data, page: int) -> bool:
    """Return whether there are centres on further pages; pages are counted from 1."""
    count = len(document["centers"])
    total = _mapping(document.get("page_info")).get("total")
    return count > 0 and total > page * PAGE_SIZE if type(total) is int else count >= PAGE_SIZE


# --- the forms of the answers; None: this is not one


def _guest(id_: Any, document: Data, _class_times: Zone) -> _Pairs | None:
    person = document.get("personal_info")
    if not _is_same("guest", id_, document.get("id")) or not isinstance(person, Mapping):
        return None
    center = _pointer("center", document.get("center_id"))
    # The country code of `mobile_phone` is Zenoti's number of the country (225), not what is dialled (+1).
    guest = _person(person) | _known(
        email=_text(person.get("email")), phone=_phone(person.get("mobile_phone")), center=center
    )
    return iter(
        [
            (key_of("guest", id_), guest),
            (key_of("center", center), _known(name=_text(document.get("center_name")))),
        ]
    )


def _centers(_id: Any, document: Data, _class_times: Zone) -> _Pairs | None:
    centers = document.get("centers")
    if not isinstance(centers, list):
        return None
    return (
        (key_of("center", _pointer("center", center.get("id"))), _center(center))
        for center in map(_mapping, centers)
    )


def _center(center: Data) -> Said:
    currency = _mapping(center.get("currency")).get("code") or center.get("currency")
    zones = [center.get("time_zone"), _mapping(center.get("location")).get("time_zone")]
    return _known(
        name=_text(center.get("name")),
        currency=currency if isinstance(currency, str) and _CURRENCY.fullmatch(currency) else None,
        time_zone=next(filter(None, map(_zone, zones)), None),
    )


def _zone(said: Any) -> str | None:
    """Return the time zone where it has the name that the rest of the world uses; Zenoti's are those of Windows."""
    names = [said.get(field) for field in _ZONE_NAMES] if isinstance(said, Mapping) else [said]
    return next((name for name in names if _is_zone(name)), None)


def _is_zone(name: Any) -> bool:
    if not isinstance(name, str) or "/" not in name or len(name) > _LONGEST_ZONE:
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone, not a zone's name, a folder of zones
        return False
    return True


def _invoice(id_: Any, document: Data, _class_times: Zone) -> _Pairs | None:
    invoice = _mapping(document.get("invoice")) or document
    if not _is_same("invoice", id_, invoice.get("id")) or "invoice_number" not in invoice:
        return None
    guest = _mapping(invoice.get("guest"))
    pointers = _known(
        guest=_pointer("guest", guest.get("id")), center=_pointer("center", invoice.get("center_id"))
    )
    group = _pointer("group", invoice.get("appointment_group_id"))
    total = _mapping(invoice.get("total_price")).get("sum_total")
    email = _text(guest.get("guest_email")) or _text(guest.get("email"))
    contact = _known(email=email, phone=_phone(guest.get("mobile_phone")))
    said = _known(number=_text(invoice.get("invoice_number")), total=_amount(total), group=group)
    return iter(
        [
            (key_of("invoice", id_), said | pointers),
            (key_of("guest", pointers.get("guest")), _person(guest) | contact),
            (key_of("group", group), {"invoice": id_, **pointers}),
        ]
    )


def _sessions(id_: Any, document: Data, class_times: Zone) -> _Pairs | None:
    sessions = document.get("sessions")
    if not isinstance(sessions, list):
        return None
    key = key_of("session", id_)
    return (
        (key, _session(session, class_times))
        for session in map(_mapping, sessions)
        if key_of("session", session.get("session_id", session.get("id"))) == key
    )


def _session(session: Data, class_times: Zone) -> Said:
    capacity = session.get("capacity")
    return _known(
        name=_text(session.get("class_name")) or _text(session.get("name")),
        start=_time(session, "start_time", class_times),
        end=_time(session, "end_time", class_times),
        capacity=capacity if type(capacity) is int else None,
        center=_pointer("center", session.get("center_id")),
    )


def _time(said: Data, field: str, class_times: Zone) -> str | None:
    """Return a time so that whoever takes it for one of `class_times` is right."""
    local, utc = _text(said.get(field)) or "", _text(said.get(f"{field}_utc")) or ""
    if class_times is Zone.CENTER and read_time(local) is not None:
        return local
    moment = read_time(utc)
    if moment is None:
        return None
    return utc if moment.tzinfo is not None else f"{utc}Z"


def _employee(id_: Any, document: Data, _class_times: Zone) -> _Pairs | None:
    person = document.get("personal_info")
    if not _is_same("employee", id_, document.get("id")) or not isinstance(person, Mapping):
        return None
    employee = _known(name=_person(person).get("name"), center=_pointer("center", document.get("center_id")))
    return iter([(key_of("employee", id_), employee)])


_READERS: Final[Mapping[str, Callable[[Any, Data, Zone], _Pairs | None]]] = {
    "guest": _guest,
    "center": _centers,
    "invoice": _invoice,
    "session": _sessions,
    "employee": _employee,
}


# --- values


def _is_same(kind: str, wanted: Any, id_: Any) -> bool:
    """Whether an answer is about the thing that was asked for; one that does not say is taken for it."""
    return id_ is None or key_of(kind, id_) == key_of(kind, wanted)


def _person(person: Data) -> Said:
    first, last = _text(person.get("first_name")), _text(person.get("last_name"))
    return _known(name=full_name(first, last), first_name=first, last_name=last)


def _phone(value: Any) -> str | None:
    return _text(_mapping(value).get("display_number")) or _text(value)


def _known(**fields: Any) -> Said:
    return {name: value for name, value in fields.items() if value is not None}


def _mapping(value: Any) -> Data:
    return value if isinstance(value, Mapping) else {}


def _pointer(kind: str, value: Any) -> Any:
    """Return an id as sent, or None for what is none: 00000000-0000-0000-0000-000000000000 is nobody."""
    key = key_of(kind, value)
    if key is None or _BAD_CHARACTER.search(key) or not key[len(kind) :].strip(" 0-"):
        return None
    return value


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return None
    return _BAD_CHARACTER.sub("\ufffd", value.strip()) or None


def _amount(value: Any) -> int | float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < _LARGEST_AMOUNT else None
