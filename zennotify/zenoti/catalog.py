"""What is known of each event type: its name, and what the values of its fields mean.

Sources: docs.zenoti.com/reference/webhook-events and the samples beside this file.  "inferred" names were never
seen on the wire; types are compared without case, and one that is not listed here is kept like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from zennotify.core.match import read_number
from zennotify.core.model import CenterTime, Code, UtcTime, YesNo, Zone
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS

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


def _yes_no(value: Any) -> Any:
    return YesNo(value) if isinstance(value, str) else value


def _group_status(value: Any) -> Any:
    number = read_number(value.strip()) if isinstance(value, str) else value
    if isinstance(number, int) and not isinstance(number, bool):
        return Code(number, APPOINTMENT_GROUP_STATUS)
    return value


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
    appointment_group_status=_group_status,
    is_noshowfeerequired=_yes_no,
    is_cancellationfeerequired=_yes_no,
)
#: Zenoti does not say how these are meant: the setting `class_times` does.
_CLASS_TIMES = ("start_time", "end_time", "recurrence_start_time", "recurrence_end_time")
_CLASSES: Mapping[Zone, Table] = {
    Zone.UTC: _table(**dict.fromkeys(_CLASS_TIMES, _utc)),
    Zone.CENTER: _table(**dict.fromkeys(_CLASS_TIMES, _center)),
}

_TABLES: Mapping[str, Table] = {
    "appointmentgroup.created": _VISITS,
    "appointmentgroup.updated": _VISITS,
    "appointmentgroup.status": _GROUP_STATUS,
}


def give_meaning(event_type: str, data: dict[str, Any], class_times: Zone) -> None:
    """Replace the values of known fields in `data`, in place, by values that carry their meaning."""
    kind = event_type.casefold()
    table = _CLASSES[class_times] if kind.startswith("class.schedule.") else _TABLES.get(kind)
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
