"""What was meant by a name: a typing mistake, or another name altogether."""

from __future__ import annotations

import pytest

from zennotify.rulefile.meant import Finder, nearest_type
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.fields import fields_of


def is_misspelled(name: str, right: str) -> bool:
    finder = Finder([], lambda _: False)
    return finder.find(("data", name), 1, [right], certain=False).sure


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("center_nme", "center_name"),
        ("center_naem", "center_name"),
        ("Center_name", "center_Name"),
        ("session_id", "sesion_id"),
        ("appointmentGroupId", "appointment_group_id"),
        ("is_noshow_fee_required", "is_noshowfeerequired"),
        ("service_duration_in_minutes", "serviceduration_in_miutes"),
        ("appointmnet_gruop_staus", "appointment_group_status"),
        ("recieved_number", "received_number"),
        ("guest_ids", "guest_id"),
    ],
)
def test_a_slip_of_the_finger_is_a_misspelling(name: str, right: str) -> None:
    assert is_misspelled(name, right)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("payment_type", "payment_date"),
        ("payment_mode", "payment_code"),
        ("start_date", "start_time"),
        ("start_time_utc", "start_time"),
        ("invoice_no", "invoice_id"),
        ("total_tax", "total_tag"),
        ("is_inactive", "is_active"),
        ("address_line_2", "address_line_1"),
        ("members", "membership"),
        ("is_refunded", "is_refund"),
        ("text_field", "text_fields_1"),
    ],
)
def test_another_name_is_none(name: str, right: str) -> None:
    assert not is_misspelled(name, right)


def test_no_name_of_the_samples_is_a_misspelling_of_one_beside_it() -> None:
    for event_type in EVENT_TYPES:
        fields = fields_of(event_type)
        for one in (fields.data, *fields.all()) if fields else ():
            for name in one.fields:
                others = [other for other in one.fields if other != name]
                finder = Finder([], lambda _: False)
                # Guests have an `id` and an `_id`.
                assert name in {"_id", "id"} or not finder.find(("data", name), 1, others, certain=False).sure


@pytest.mark.parametrize(
    ("event", "near"),
    [
        ("Guest.Membership.Sold", "Guest.Membership.Created"),
        ("guest.package.purchased", "Guest.Package.Created"),
        ("Membership.Created", "Guest.Membership.Created"),
        ("GuestMembership.Freeze", "Guest.Membership.Freeze"),
        ("class_booking_noshow", "Class.Booking.NoShow"),
        ("Class.Booking.No-Show", "Class.Booking.NoShow"),
        ("Gest.Created", "Guest.Created"),
        ("Appointment.Created", "AppointmentGroup.Created"),
    ],
)
def test_the_nearest_type_is_named(event: str, near: str) -> None:
    known = {name.casefold(): name for name in EVENT_TYPES}
    assert nearest_type(event, known) == f"; did you mean `{near}`?"


@pytest.mark.parametrize("event", ["Opportunity.Created", "Guest.Membership.Suspended", ".", "Spa", ""])
def test_what_is_like_none_gets_no_hint(event: str) -> None:
    assert nearest_type(event, {name.casefold(): name for name in EVENT_TYPES}) == ""
