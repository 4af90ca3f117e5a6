"""What is known of each event type: its name, and what the values of its fields mean.

Sources: docs.zenoti.com/reference/webhook-events and the samples beside this file.  "inferred" names were never
seen on the wire; types are compared without case, and one that is not listed here is kept like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from zennotify.core.match import read_number
from zennotify.core.model import CenterTime, Code, TimeText, UtcTime, YesNo, Zone
from zennotify.zenoti import codes

DOCUMENTED = (
    "Invoice.Closed",
    "Guest.Created",
    "Guest.Updated",
    "Guest.Deleted",
    "Guest.OptedIn",
    "Guest.OptedOut",
    "Guest.Merged",
    "Class.Schedule.Created",
    "Class.Schedule.Updated",
    "Class.Schedule.Cancelled",
    "Class.Schedule.Deleted",
    "Class.Booking.Created",
    "Class.Booking.Cancelled",
    "Class.Booking.Deleted",
    "Class.Booking.NoShow",
    "Guest.Membership.Created",
    "Guestpass.redeemed",
    "AppointmentGroup.Created",
    "AppointmentGroup.Status",
    "Employee.Created",
    "Employee.Updated",
    "Employee.Deleted",
)
OBSERVED = (
    "AppointmentGroup.Updated",
    "AppointmentGroup.Delete",
    "Guest.Package.Created",
    "Invoice.Payments.Added",
    "Invoice.Payments.Deleted",
)
INFERRED = (
    "Class.Booking.Approved",
    "Class.Booking.Rejected",
    "Guest.Membership.Freeze",
    "Guest.Membership.Unfreeze",
    "Guest.Membership.Cancelled",
    "Guest.Membership.Reinstate",
    "Guest.Package.Redemption",
    "Guest.Package.RedemptionReversal",
    "Guest.Package.StatusUpdate",
    "Guest.Package.ValidityUpdate",
    "Appointment.Started",
    "Appointment.Completed",
    "Appointment.Feedback",
)
EVENT_TYPES = DOCUMENTED + OBSERVED + INFERRED
_SPELLING = {name.casefold(): name for name in EVENT_TYPES}


def label(event_type: str) -> str:
    """Return the catalog's spelling of a type, or "other": a metric's label must not grow with what is sent."""
    return _SPELLING.get(event_type.casefold(), "other")


Meaning = Callable[[Any], Any]


def _utc(value: Any) -> Any:
    return UtcTime(value) if isinstance(value, str) else value


def _center(value: Any) -> Any:
    return CenterTime(value) if isinstance(value, str) else value


def day(value: str) -> TimeText:
    """Take midnight for the day as written, another hour for the centre's midnight in UTC (inferred from samples)."""
    return CenterTime(value) if value[10:].strip("T 0:.") == "" else UtcTime(value)


def _day(value: Any) -> Any:
    return day(value) if isinstance(value, str) else value


def _yes_no(value: Any) -> Any:
    return YesNo(value) if isinstance(value, str) else value


def _code(words: codes.Words) -> Meaning:
    def code(value: Any) -> Any:
        number = read_number(value.strip()) if isinstance(value, str) else value
        if isinstance(number, int) and not isinstance(number, bool):
            return Code(number, words)
        return value

    return code


_status = _code(codes.APPOINTMENT_GROUP_STATUS)
_membership = _code(codes.MEMBERSHIP_STATUS)
_gender = _code(codes.GENDER)


class Table(NamedTuple):
    """The meanings of an object's fields."""

    leaves: tuple[tuple[str, Meaning], ...]
    #: The tables of objects, or of lists of objects, within it.
    branches: tuple[tuple[str, Table], ...]


def _table(**fields: Meaning | Table) -> Table:
    return Table(
        tuple((name, field) for name, field in fields.items() if not isinstance(field, Table)),
        tuple((name, field) for name, field in fields.items() if isinstance(field, Table)),
    )


_VISITS = _table(
    appointments=_table(
        start_time=_utc,
        end_time=_utc,
        start_time_in_center=_center,
        end_time_in_center=_center,
        creation_date=_utc,
        last_updated_on=_utc,
    )
)
_GROUP_STATUS = _table(
    appointment_group_status=_status,
    is_noshowfeerequired=_yes_no,
    is_cancellationfeerequired=_yes_no,
)
#: Without a sibling in the centre's time; that they are in UTC, as in the groups, is inferred.
_PROGRESS = _table(
    appointments=_table(
        start_time=_utc, end_time=_utc, appointment_progress=_code(codes.APPOINTMENT_PROGRESS)
    )
)
_INVOICE = _table(
    invoice=_table(
        invoice_date=_utc,  # the centre's midnight, in the sample
        appointments=_table(start_time=_utc, end_time=_utc),
        invoice_items=_table(type=_code(codes.INVOICE_ITEM_TYPE)),
        guest=_table(gender=_gender),
    )
)
_GUEST = _table(
    created_date=_utc,
    personal_info=_table(gender=_gender, date_of_birth=_center, anniversary_date=_center),
)
_EMPLOYEE = _table(
    personal_info=_table(gender=_gender, birth_date=_center, anniversary_date=_center),
    job_info=_table(start_date=_center, end_date=_center, tenure_start_date=_center),
)
_MEMBERSHIP = _table(
    status=_membership,
    recurrence_status=_membership,
    expiry_date=_day,
    next_collection_date=_day,
    grace_period_date=_day,
    freeze=_table(start_date=_day, end_date=_day, type=_code(codes.FREEZE_TYPE)),
    cancel=_table(cancel_initiated_date=_utc, cancel_date=_day, termination_date=_day),
    payments=_table(payment_type=_code(codes.PAYMENT_TYPE)),
    invoice=_table(status=_code(codes.INVOICE_STATUS)),
    membership=_table(type=_code(codes.MEMBERSHIP_TYPE)),
    purchase=_table(date=_day),
)
_REDEMPTIONS = _table(usage_date=_day, invoice=_table(status=_code(codes.PACKAGE_INVOICE_STATUS)))
#: In one sample `purchase.date` is in UTC and `date.start` the same moment on the centre's clock.
_PACKAGE = _table(
    status=_code(codes.PACKAGE_STATUS),
    user_package_state=_code(codes.PACKAGE_STATE),
    invoice=_table(status=_code(codes.PACKAGE_INVOICE_STATUS)),
    purchase=_table(date=_utc),
    date=_table(start=_center, end=_center, end_date_with_grace=_center),
    schedule=_table(next_schedule_date=_day),
    service_redemptions=_REDEMPTIONS,
    product_redemptions=_REDEMPTIONS,
    service_redemptions_reversal=_REDEMPTIONS,
    product_redemptions_reversal=_REDEMPTIONS,
)
_BOOKING = _table(booking_source=_code(codes.BOOKING_SOURCE), training_virtual_guests=_table(gender=_gender))
#: Zenoti does not say how these are meant: the setting `class_times` does.
_CLASS_TIMES = ("start_time", "end_time", "recurrence_start_time", "recurrence_end_time")
_CLASSES: Mapping[Zone, Table] = {
    Zone.UTC: _table(**dict.fromkeys(_CLASS_TIMES, _utc)),
    Zone.CENTER: _table(**dict.fromkeys(_CLASS_TIMES, _center)),
}
_PASSES: Mapping[Zone, Table] = {Zone.UTC: _table(date=_utc), Zone.CENTER: _table(date=_center)}

_TABLES: Mapping[str, Table] = {
    "appointmentgroup.created": _VISITS,
    "appointmentgroup.updated": _VISITS,
    "appointmentgroup.status": _GROUP_STATUS,
    "appointment.started": _PROGRESS,
    "appointment.completed": _PROGRESS,
    "invoice.closed": _INVOICE,
}
#: By the beginning of the type.
_FAMILIES: Sequence[tuple[str, Table | Mapping[Zone, Table]]] = (
    ("guest.membership.", _MEMBERSHIP),
    ("guest.package.", _PACKAGE),
    ("guest.", _GUEST),
    ("employee.", _EMPLOYEE),
    ("class.booking.", _BOOKING),
    ("class.schedule.", _CLASSES),
    ("guestpass.", _PASSES),
)


@lru_cache(maxsize=256)
def _table_of(event_type: str, class_times: Zone) -> Table | None:
    """Return the meanings of a type's fields; the type in any spelling."""
    kind = event_type.casefold()
    for beginning, family in _FAMILIES:
        if kind.startswith(beginning):
            return family if isinstance(family, Table) else family[class_times]
    return _TABLES.get(kind)


def give_meaning(event_type: str, data: dict[str, Any], class_times: Zone) -> None:
    """Replace the values of known fields in `data`, in place, by values that carry their meaning."""
    table = _table_of(event_type, class_times)
    if table is not None:
        _apply(data, table)


def _apply(value: Any, table: Table) -> None:
    if isinstance(value, dict):
        for name, meaning in table.leaves:
            if name in value:
                value[name] = meaning(value[name])
        for name, inner in table.branches:
            if name in value:
                _apply(value[name], inner)
    elif isinstance(value, list):
        for element in value:
            _apply(element, table)
