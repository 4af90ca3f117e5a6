"""What an event says of the things it points to: guest, centre, class, booking, employee, membership, ...

Zenoti has many names for one thing (`sesion_id`, `center_Name`, `TherapistId`, `user_id`); here each has one.  Pure;
names.py shows these things to rules and templates, facts.py remembers them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from zennotify.core.model import Event

Data = Mapping[str, Any]
#: The fields of one thing; without those that the event does not carry.
Said = dict[str, Any]
#: The things of one event, by kind.
Things = dict[str, Said]

#: Every kind of thing and its fields.  A field whose name is a kind holds the id of such a thing.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "guest": ("id", "name", "first_name", "last_name", "email", "phone", "opted_out"),
    "center": ("id", "name", "region", "time_zone", "country", "currency"),
    "session": ("id", "name", "start", "end", "capacity", "guests", "guest_names"),
    "group": ("id", "services", "start", "end", "start_in_center", "status", "number"),
    "employee": ("id", "name"),
    "membership": ("id", "name", "expiry"),
    "package": ("id", "name", "status"),
    "invoice": ("id", "number", "total"),
}
#: What one thing knows of another: the kinds that may name it, the likeliest first.
POINTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "guest": ("group", "invoice", "membership", "package"),
    "center": ("group", "session", "invoice", "membership", "package", "guest", "employee"),
    "group": ("invoice",),
    "invoice": ("group", "membership", "package"),
    "employee": ("group",),
    "session": (),
    "membership": (),
    "package": (),
}
#: Looked for at the first of some blanks only: at each, a long run of them would cost its square.
_PRIMARY = re.compile(r"(?<!\s)\s*+\(Primary\)\s*$", re.IGNORECASE)


def things_of(event: Event) -> Things:
    """Return what an event says of each thing; an id as sent, and nothing that is null or empty."""
    said = _teller(event.kind)(event.data)
    return {name: fields for name, fields in said.items() if fields}


@lru_cache(maxsize=256)
def _teller(kind: str) -> Callable[[Data], Things]:
    return next((tell for beginning, tell in _FAMILIES if kind.startswith(beginning)), _any_event)


def center_id(data: Data) -> Any:
    """Return the id of the centre that an event is about, as sent, or None."""
    found = data.get("center_id") or _mapping(data.get("center")).get("id")
    return found or _mapping(data.get("invoice")).get("center_id")


def _mapping(value: Any) -> Data:
    return value if isinstance(value, dict) else {}


def _first(value: Any) -> Data:
    """Return the first object of a list."""
    return next((item for item in value if isinstance(item, dict)), {}) if isinstance(value, list) else {}


def _known(**fields: Any) -> Said:
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def full_name(first: Any, last: Any) -> str | None:
    """Return a person's name from its parts, or None where there is none."""
    if isinstance(first, str) and isinstance(last, str):
        return f"{first.strip()} {last.strip()}".strip() or None
    return (first if isinstance(first, str) else last if isinstance(last, str) else "").strip() or None


def _person(person: Data, id_: Any, **more: Any) -> Said:
    first, last = person.get("first_name"), person.get("last_name")
    return _known(id=id_, name=full_name(first, last), first_name=first, last_name=last, **more)


def _phone(value: Any) -> str | None:
    """Return a number as text: Zenoti sends a text, or an object of country code and number."""
    if isinstance(value, str):
        return value.strip() or None
    parts = _mapping(value)
    number = parts.get("number") or parts.get("display_number")
    if not number:
        return None
    code = parts.get("phone_code") or parts.get("country_code")
    return f"+{str(code).lstrip('+')} {number}" if code else str(number)


def _any_event(data: Data) -> Things:
    """Tell what the usual names mean, of a type that is not known."""
    said: Things = {kind: {} for kind in FIELDS}
    for name, kind, field in USUAL:
        value = data.get(name)
        if value is not None and value != "":
            said[kind][field] = value
    guest = data.get("guest")
    if isinstance(guest, dict):
        said["guest"] = _person(guest, guest.get("id") or data.get("guest_id"), email=guest.get("email"))
    center = _mapping(data.get("center"))
    if center:
        said["center"] = _known(id=center.get("id"), name=center.get("name")) | said["center"]
    return said


#: Where the usual names stand; where there are two, the later one counts.
USUAL: Final = (
    ("guest_id", "guest", "id"),
    ("center_id", "center", "id"),
    ("center_name", "center", "name"),
    ("center_Name", "center", "name"),
    ("session_id", "session", "id"),
    ("sesion_id", "session", "id"),
    ("appointment_group_id", "group", "id"),
    ("invoice_id", "invoice", "id"),
    ("invoice_number", "invoice", "number"),
    ("user_membership_id", "membership", "id"),
    ("user_package_id", "package", "id"),
)


def _visits(data: Data) -> Things:
    """AppointmentGroup.*, Appointment.*: a booking of one or several services."""
    get = data.get
    guest, center = _mapping(get("guest")), _mapping(get("center"))
    said: Things = {
        "guest": _person(guest, guest.get("id") or get("guest_id"), email=guest.get("email")),
        "center": _known(
            id=get("center_id") or center.get("id"),
            name=get("center_Name") or get("center_name") or center.get("name"),
        ),
        "group": _known(id=get("appointment_group_id")),
        "invoice": _known(id=get("invoice_id"), number=get("invoice_number")),
        "employee": {},
    }
    group = said["group"]
    visits = get("appointments")
    if isinstance(visits, list):
        group |= _booked([visit for visit in visits if isinstance(visit, dict)], said)
    for field, name in (("status", "appointment_group_status"), ("number", "invoice_number")):
        value = data.get(name)
        if value is not None and value != "":
            group[field] = value
    _point(said, "group", "guest", "center", "invoice", "employee")
    _point(said, "invoice", "group")
    return said


def _booked(visits: Sequence[Data], said: Things) -> Said:
    """Return what the appointments of a booking say of it; who gives the first one is said of the employee."""
    timed = [visit for visit in visits if isinstance(visit.get("start_time"), str)]
    if len(timed) > 1:
        timed.sort(key=_start)
    first: Data = timed[0] if timed else {}
    ends = [visit["end_time"] for visit in visits if isinstance(visit.get("end_time"), str)]
    said["employee"] = _known(
        id=first.get("therapist_id") or first.get("TherapistId"), name=first.get("therapist_name")
    )
    services = [visit["service_name"] for visit in visits if isinstance(visit.get("service_name"), str)]
    return _known(
        services=services or None,
        start=first.get("start_time"),
        end=max(ends, default=None),
        start_in_center=first.get("start_time_in_center"),
    )


def _start(visit: Data) -> str:
    return str(visit["start_time"])


def _point(said: Things, kind: str, *others: str) -> None:
    """Let a thing name others, where both are known by their ids."""
    thing = said[kind]
    if "id" in thing:
        for other in others:
            if "id" in said[other]:
                thing[other] = said[other]["id"]


def _feedback(data: Data) -> Things:
    said = _any_event(data)
    said["guest"] = _known(id=data.get("user_id"))
    _point(said, "group", "guest", "center")
    return said


def _schedule(data: Data) -> Things:
    said = _any_event(data)
    said["session"] |= _known(
        name=data.get("class_name"),
        start=data.get("start_time"),
        end=data.get("end_time"),
        capacity=data.get("capacity"),
    )
    _point(said, "session", "center")
    return said


def _booking(data: Data) -> Things:
    said = _any_event(data)
    _point(said, "session", "center")
    return said


def _guest_event(data: Data) -> Things:
    """Guest.Created, .Updated, .Deleted, .OptedIn, .OptedOut."""
    said = _any_event(data)
    person = _mapping(data.get("personal_info")) or _mapping(data.get("details"))
    phone = _phone(person.get("mobile_phone")) or _phone(_first(person.get("phone")))
    opted_out = _opted_out(data)
    said["guest"] = _person(
        person, data.get("id"), email=person.get("email"), phone=phone, opted_out=opted_out
    )
    _point(said, "guest", "center")
    return said


def emptied(event: Event) -> Said:
    """Return the fields of its own guest or employee that an event says are empty, as None."""
    data = event.data
    person = _mapping(data.get("personal_info")) or _mapping(data.get("details"))
    empty: Said = {field: None for field in _WRITTEN if field in person and person[field] in _EMPTY}
    if "mobile_phone" in person and _phone(person["mobile_phone"]) is None:
        empty["phone"] = None
    if "first_name" in empty and "last_name" in empty:
        empty["name"] = None
    return empty


_EMPTY: Final = (None, "")
#: What stands under one name in an event and in a person; employees have no e-mail here.
_WRITTEN: Final = ("first_name", "last_name", "email")


def _opted_out(data: Data) -> list[str] | None:
    """Return what a guest wants no more, e.g. ["marketing email"]; None where the event does not say it."""
    preferences = data.get("current_preferences")
    if not isinstance(preferences, dict):
        return None
    return [
        f"{category} {medium}"
        for category, media in preferences.items()
        for medium, wish in _mapping(media).items()
        if wish == "opted-out"
    ]


def _member(guest: Any, members: Any) -> Said:
    """Return what is said of the guest of a membership: of several members the one with the id, or the primary."""
    people = [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []
    if guest:
        people = [member for member in people if _is_same(member.get("id"), guest)]
    named = [member for member in people if isinstance(member.get("name"), str)]
    member = next((member for member in named if _PRIMARY.search(member["name"])), named[0] if named else {})
    name = member.get("name")
    return _known(id=guest or member.get("id"), name=name and _PRIMARY.sub("", name).strip())


def _is_same(one: Any, other: Any) -> bool:
    return str(one).strip().lower() == str(other).strip().lower()


def _membership(data: Data) -> Things:
    said = _any_event(data)
    invoice = _mapping(data.get("invoice"))
    said["guest"] = _member(data.get("guest_id"), data.get("members"))
    said["invoice"] = _known(id=invoice.get("id"), number=invoice.get("no"))
    said["membership"] |= _known(
        # Not `status`: in the samples of all these events it is the same, so that only the event's type tells.
        name=_mapping(data.get("membership")).get("name"),
        expiry=data.get("expiry_date"),
    )
    _point(said, "membership", "guest", "center", "invoice")
    return said


#: Where the redemptions of a package stand, or their reversals.
REDEMPTIONS: Final = (
    "service_redemptions",
    "product_redemptions",
    "service_redemptions_reversal",
    "product_redemptions_reversal",
)


def _package(data: Data) -> Things:
    said = _any_event(data)
    invoice = _mapping(data.get("invoice"))
    redeemed = next(filter(None, (_first(data.get(name)) for name in REDEMPTIONS)), {})
    therapist = _mapping(redeemed.get("therapist"))
    said["invoice"] = _known(id=invoice.get("id"), number=invoice.get("no"))
    said["employee"] = _known(id=therapist.get("id"), name=therapist.get("name"))
    said["package"] |= _known(name=_mapping(data.get("package")).get("name"), status=data.get("status"))
    _point(said, "package", "center", "invoice")
    return said


def _guest_pass(data: Data) -> Things:
    said = _any_event(data)
    said["membership"] |= _known(name=_mapping(data.get("membership")).get("name"))
    _point(said, "membership", "guest")
    return said


def _invoice(data: Data) -> Things:
    invoice = _mapping(data.get("invoice"))
    said = _visits(invoice) if invoice else _any_event(data)
    guest = _mapping(invoice.get("guest"))
    email = guest.get("guest_email") or guest.get("email")
    said["guest"] |= _known(email=email, phone=_phone(guest.get("mobile_phone")))
    total = _mapping(invoice.get("total_price")).get("sum_total")
    said["invoice"] = _known(
        id=invoice.get("id") or data.get("invoice_id"), number=invoice.get("invoice_number"), total=total
    )
    transaction = _mapping(_first(data.get("transactions")).get("transaction_center"))
    if not said["center"]:
        said["center"] = _known(id=transaction.get("id"), name=transaction.get("name"))
    _point(said, "invoice", "group", "guest", "center")
    _point(said, "group", "invoice", "guest", "center")
    return said


def _employee(data: Data) -> Things:
    said = _any_event(data)
    said["employee"] = _person(_mapping(data.get("personal_info")), data.get("id"))
    _point(said, "employee", "center")
    return said


_FAMILIES: Final[tuple[tuple[str, Callable[[Data], Things]], ...]] = (
    ("appointment.feedback", _feedback),
    ("appointment", _visits),
    ("class.schedule.", _schedule),
    ("class.booking.", _booking),
    ("guest.membership.", _membership),
    ("guest.package.", _package),
    ("guestpass.", _guest_pass),
    ("guest.", _guest_event),
    ("invoice.", _invoice),
    ("employee.", _employee),
)
