"""The fields of each event type: all that the samples have, and what is known beyond them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from zennotify.core.path import EVERY, Step, parse_path
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS, GENDER, PACKAGE_INVOICE_STATUS
from zennotify.zenoti.fields import Field, Fields, Kind, Lost, fields_of, spell_path
from zennotify.zenoti.sample import load_sample, sample_names
from zennotify.zenoti.things import FIELDS, REDEMPTIONS

#: Samples that are variants of a type, whose names are not the type's.
VARIANTS = {
    "AppointmentGroup.Updated.empty": "AppointmentGroup.Updated",
    "Appointment.Feedback.v1": "Appointment.Feedback",
    "Appointment.Feedback.v2": "Appointment.Feedback",
}


def of(event_type: str) -> Fields:
    fields = fields_of(event_type)
    assert fields is not None
    return fields


def field(event_type: str, path: str) -> Field:
    way = of(event_type).find(parse_path(path).steps)
    assert not isinstance(way, Lost)
    assert way[-1].path == path
    return way[-1]


def ways(value: Any, way: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    yield way, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ways(inner, (*way, name))
    if isinstance(value, list):
        for element in value:
            yield from ways(element, (*way, EVERY))


@pytest.mark.parametrize("sample", sample_names())
def test_every_path_of_a_sample_is_known_for_its_type(sample: str) -> None:
    fields = of(VARIANTS.get(sample, sample))
    for way, value in ways(load_sample(sample)["data"], ("data",)):
        found = fields.find(way)
        assert not isinstance(found, Lost), spell_path(way)
        assert len(found) == len(way), spell_path(way)
        assert found[-1].path == spell_path(way)
        assert found[-1].kinds if value is not None else found[-1].nullable, spell_path(way)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_path_can_be_written_in_a_rule_and_is_found_again(event_type: str) -> None:
    fields = fields_of(event_type)
    for one in fields.all() if fields else ():
        found = fields.find(parse_path(one.path).steps) if fields else None
        assert isinstance(found, tuple)
        assert found[-1] is one


def test_of_what_nobody_knows_there_are_no_fields() -> None:
    assert [name for name in EVENT_TYPES if fields_of(name) is None] == ["Guest.Merged"]
    assert fields_of("Spa.Booked") is None


@pytest.mark.parametrize("event_type", ["guestpass.REDEEMED", "Guestpass.redeemed"])
def test_a_type_is_found_in_any_spelling(event_type: str) -> None:
    assert of(event_type).event_type == "Guestpass.redeemed"


@pytest.mark.parametrize(
    ("event_type", "path", "kinds"),
    [
        ("AppointmentGroup.Created", "data.center_Name", [Kind.TEXT]),
        ("AppointmentGroup.Created", "data.guest", [Kind.OBJECT]),
        ("AppointmentGroup.Created", "data.appointments", [Kind.LIST]),
        ("AppointmentGroup.Created", "data.appointments[*].start_time", [Kind.UTC_TIME]),
        ("AppointmentGroup.Created", "data.appointments[*].start_time_in_center", [Kind.CENTER_TIME]),
        ("AppointmentGroup.Created", "data.appointments[*].is_add_on", [Kind.FLAG]),
        ("AppointmentGroup.Status", "data.is_noshowfeerequired", [Kind.YES_NO]),
        ("AppointmentGroup.Status", "data.appointment_group_status", [Kind.CODE]),
        ("Class.Schedule.Created", "data.start_time", [Kind.CLASS_TIME]),
        ("Class.Schedule.Created", "data.recurrence_end_time", [Kind.CLASS_TIME]),  # null in the sample
        ("Class.Schedule.Updated", "data.event_id", [Kind.NUMBER]),
        ("Class.Schedule.Created", "data.event_id", []),
        ("Class.Booking.Created", "data.booking_source", [Kind.CODE]),  # null in the sample
        ("Class.Booking.Approved", "data.recurrence_registration_ids[*]", [Kind.NUMBER]),
        ("Guest.Membership.Created", "data.expiry_date", [Kind.DAY]),
        ("Guest.Membership.Created", 'data.membership["T&C"]', []),
        ("Guest.Membership.Reinstate", 'data.membership["T&C"]', [Kind.TEXT]),
        ("Guest.Created", "data._id", [Kind.NUMBER]),
        ("Invoice.Closed", "data.invoice.total_price.sum_total", [Kind.NUMBER]),
        ("Appointment.Feedback", "data.rating_value", [Kind.NUMBER, Kind.OBJECT]),  # the two versions
        ("Appointment.Feedback", "data.rating_value.service", [Kind.NUMBER]),
    ],
)
def test_what_stands_in_a_field(event_type: str, path: str, kinds: list[Kind]) -> None:
    assert list(field(event_type, path).kinds) == kinds


def test_a_code_has_its_words() -> None:
    assert field("AppointmentGroup.Status", "data.appointment_group_status").words == APPOINTMENT_GROUP_STATUS
    assert field("Guest.Created", "data.personal_info.gender").words == GENDER
    assert field("Guest.Created", "data.code").words is None


@pytest.mark.parametrize(
    ("event_type", "path", "nullable", "optional"),
    [
        ("AppointmentGroup.Status", "data.invoice_id", False, False),
        ("Guest.Created", "data.personal_info.date_of_birth", True, False),
        ("AppointmentGroup.Updated", "data.invoice_number", False, True),  # not when all was deleted
        ("AppointmentGroup.Updated", "data.guest.email", False, False),
        ("AppointmentGroup.Updated", "data.appointments[*]", False, True),
        ("AppointmentGroup.Updated", "data.appointments[*].service_name", False, False),
        ("AppointmentGroup.Updated", "data.utm_source", False, True),  # as in Created
        ("Appointment.Feedback", "data.share_feedback", False, True),
        ("Appointment.Feedback", "data.comments", False, False),
        ("Guest.Package.Created", "data.services[*].price", True, True),
        ("Invoice.Closed", "data.invoice.guest.email", False, True),  # only observed
        ("Guest.Updated", "data.personal_info.mobile_phone", True, False),
        ("Guest.Updated", "data.personal_info.mobile_phone.phone_code", False, True),
    ],
)
def test_what_may_be_null_or_missing(event_type: str, path: str, nullable: bool, optional: bool) -> None:
    found = field(event_type, path)
    assert (found.nullable, found.optional) == (nullable, optional)


@pytest.mark.parametrize(
    ("event_type", "path", "personal"),
    [
        ("AppointmentGroup.Created", "data.guest", True),
        ("AppointmentGroup.Created", "data.guest.id", False),
        ("AppointmentGroup.Created", "data.guest.email", True),
        ("AppointmentGroup.Created", "data.appointments[*].service_name", True),  # can be a matter of health
        ("AppointmentGroup.Created", "data.appointments[*].start_time", False),
        ("AppointmentGroup.Created", "data.center_Name", False),
        ("Employee.Created", "data.job_info.salary", True),
        ("Employee.Created", "data.job_info.hourly_rate", True),
        ("Employee.Created", "data.job_info.job_name", False),
        ("Employee.Created", "data.login_info.username", True),
        ("Guest.Created", "data.personal_info.date_of_birth", True),
        ("Guest.Created", "data.address_info.zip_code", True),
        ("Guest.Created", "data.center_name", False),
        ("Guest.OptedOut", "data.details.phone[*].number", True),
        ("Guest.OptedOut", "data.preference_update.channel", False),
        ("Class.Booking.Approved", "data.training_virtual_guests[*].mobile_phone.number", True),
        ("Appointment.Feedback", "data.comments", True),
        ("Guest.Membership.Freeze", "data.freeze.froze_by", True),
        ("Guest.Membership.Created", "data.members[*].name", True),
        ("Guest.Membership.Created", "data.membership.name", False),
        ("Guest.Package.Redemption", "data.service_redemptions[*].service.name", True),
        ("Invoice.Closed", "data.invoice.invoice_items[*].name", True),
        ("Invoice.Closed", "data.invoice.invoice_items[*].price.final", False),
        ("Class.Schedule.Created", "data.description", False),
    ],
)
def test_what_is_personal(event_type: str, path: str, personal: bool) -> None:
    assert field(event_type, path).personal is personal


@pytest.mark.parametrize(
    ("event_type", "path"),
    [
        ("Invoice.Closed", "data.invoice.transactions[*].anything.at_all"),
        ("Guest.Membership.Created", "data.service_balance[*].anything"),
        ("Guest.Package.Created", "data.services[*].service_type_info.anything"),
        ("Guest.Created", "data.address_info.country_name"),
        ("Class.Booking.Created", "data.training_virtual_guests[*].first_name"),  # null in every sample
        ("Guest.Membership.Created", "data.payment_history[0].date"),  # an empty list
    ],
)
def test_below_what_the_samples_do_not_show_anything_may_stand(event_type: str, path: str) -> None:
    steps = parse_path(path).steps
    way = of(event_type).find(steps)
    assert not isinstance(way, Lost)
    assert len(way) < len(steps)


@pytest.mark.parametrize(
    ("event_type", "path", "last", "at"),
    [
        ("Class.Schedule.Cancelled", "data.session_id", "data", 1),
        ("AppointmentGroup.Created", "data.guest.nmae", "data.guest", 2),
        ("AppointmentGroup.Created", "data.appointments.service_name", "data.appointments", 2),
        ("AppointmentGroup.Created", "data.guest[*].id", "data.guest", 2),
        ("AppointmentGroup.Created", "data.center_id.name", "data.center_id", 2),
        # Null in the samples, but its parts are known.
        ("Guest.Created", "data.personal_info.mobile_phone.numbr", "data.personal_info.mobile_phone", 3),
    ],
)
def test_a_path_is_lost_where_it_leaves_what_is_known(event_type: str, path: str, last: str, at: int) -> None:
    way = of(event_type).find(parse_path(path).steps)
    assert isinstance(way, Lost)
    assert (way.last.path, way.at) == (last, at)


@pytest.mark.parametrize("event_type", ["Guest.Package.Redemption", "Guest.Package.RedemptionReversal"])
@pytest.mark.parametrize("name", REDEMPTIONS)
def test_a_redemption_and_its_reversal_may_have_each_of_the_lists(event_type: str, name: str) -> None:
    assert field(event_type, f"data.{name}").optional
    assert field(event_type, f"data.{name}[*].invoice.status").words == PACKAGE_INVOICE_STATUS
    assert field(event_type, f"data.{name}[*].usage_date").kinds == (Kind.DAY,)
    assert not field(event_type, "data.center.name").optional


def test_what_was_only_observed_is_not_complete() -> None:
    assert [one.path for one in of("AppointmentGroup.Delete").all()] == [
        "data.appointment_group_id",
        "data.appointment_id",
    ]
    incomplete = {name for name in EVENT_TYPES if (fields := fields_of(name)) and not fields.complete}
    unseen = {name for name in EVENT_TYPES if (fields := fields_of(name)) and not fields.shown}
    assert unseen == {"AppointmentGroup.Delete", "Invoice.Payments.Added", "Invoice.Payments.Deleted"}
    assert incomplete == {
        "AppointmentGroup.Delete",
        "Employee.Created",
        "Employee.Deleted",
        "Employee.Updated",
        "Guest.Created",
        "Guest.Deleted",
        "Guest.Membership.Created",
        "Guest.Package.Created",
        "Guest.Updated",
        "Invoice.Closed",
        "Invoice.Payments.Added",
        "Invoice.Payments.Deleted",
    }


@pytest.mark.parametrize(
    ("event_type", "things"),
    [
        ("Class.Schedule.Cancelled", {"center", "session"}),
        ("Class.Booking.NoShow", {"center", "session", "guest"}),
        ("Guest.OptedOut", {"center", "guest"}),
        ("Employee.Deleted", {"center", "employee"}),
        # By way of what earlier events taught of the booking.
        ("AppointmentGroup.Status", {"center", "employee", "group", "guest", "invoice"}),
        ("Guestpass.redeemed", set(FIELDS) - {"package"}),
    ],
)
def test_the_things_that_an_event_can_lead_to(event_type: str, things: set[str]) -> None:
    assert of(event_type).things == things
