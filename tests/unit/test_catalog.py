"""The catalog: the spelling of event types, and the fields whose values carry a meaning."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.core.model import Code, TimeText, YesNo, Zone
from zennotify.zenoti.catalog import EVENT_TYPES, give_meaning, label
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS
from zennotify.zenoti.sample import load_sample, sample_names


def meant(event_type: str, data: dict[str, Any], class_times: Zone = Zone.CENTER) -> dict[str, Any]:
    give_meaning(event_type, data, class_times)
    return data


@pytest.mark.parametrize(
    "spelling", ["AppointmentGroup.Status", "appointmentgroup.status", "APPOINTMENTGROUP.STATUS"]
)
def test_label_is_the_catalogs_spelling(spelling: str) -> None:
    assert label(spelling) == "AppointmentGroup.Status"


@pytest.mark.parametrize("event_type", ["Guestpass.Redeemed", "guestpass.redeemed"])
def test_label_keeps_zenotis_own_lower_case(event_type: str) -> None:
    assert label(event_type) == "Guestpass.redeemed"


@given(st.text(max_size=30))
def test_label_never_grows_with_what_is_sent(event_type: str) -> None:
    assert label(event_type) in {*EVENT_TYPES, "other"}


def test_no_event_type_is_listed_twice() -> None:
    assert len({name.casefold() for name in EVENT_TYPES}) == len(EVENT_TYPES)


def test_every_sample_is_of_a_type_that_is_listed() -> None:
    known = {name.casefold() for name in EVENT_TYPES}
    unlisted = {name for name in sample_names() if name.casefold() not in known}
    # Variants of a listed type, and one whose name Zenoti does not tell.
    assert unlisted == {
        "AppointmentGroup.Updated.empty",
        "Appointment.Feedback.v1",
        "Appointment.Feedback.v2",
    }


def at(path: str, data: Any) -> Any:
    """The value at a path of names; of lists the first element."""
    for name in path.split("."):
        data = data[name]
        data = data[0] if isinstance(data, list) else data
    return data


@pytest.mark.parametrize(
    ("sample", "path", "word"),
    [
        ("AppointmentGroup.Status", "appointment_group_status", "Checkin"),
        ("Appointment.Started", "appointments.appointment_progress", "Started"),
        ("Appointment.Completed", "appointments.appointment_progress", "Completed"),
        ("Guest.Membership.Freeze", "status", "Active"),
        ("Guest.Membership.Freeze", "recurrence_status", "Frozen"),
        ("Guest.Membership.Freeze", "freeze.type", "Freeze benefits and shift next payment"),
        ("Guest.Membership.Reinstate", "payments.payment_type", "Cash"),
        ("Guest.Membership.Reinstate", "invoice.status", "Closed"),
        ("Guest.Membership.Reinstate", "membership.type", "Recurring"),
        ("Guest.Package.Created", "user_package_state", "WithProcessing"),
        ("Guest.Package.Created", "invoice.status", "Open"),
        ("Guest.Package.StatusUpdate", "status", "Active"),
        ("Class.Booking.Approved", "booking_source", "Store"),
        ("Class.Booking.Approved", "training_virtual_guests.gender", "Male"),
        ("Guest.Created", "personal_info.gender", "Female"),
        ("Employee.Created", "personal_info.gender", "NotSpecified"),
        ("Invoice.Closed", "invoice.guest.gender", "Male"),
        ("Invoice.Closed", "invoice.invoice_items.type", "Service"),
    ],
)
def test_a_code_knows_its_table_by_its_field(sample: str, path: str, word: str) -> None:
    body = load_sample(sample)
    code = at(path, meant(body["event_type"], body["data"]))
    assert isinstance(code, Code)
    assert code.word == word


@pytest.mark.parametrize(
    ("sample", "path", "zone"),
    [
        ("AppointmentGroup.Created", "appointments.creation_date", Zone.UTC),
        ("Appointment.Started", "appointments.start_time", Zone.UTC),
        ("Invoice.Closed", "invoice.invoice_date", Zone.UTC),
        ("Guest.Updated", "created_date", Zone.UTC),
        ("Guest.Membership.Freeze", "freeze.start_date", Zone.UTC),  # 20:00: midnight in the Emirates
        ("Guest.Membership.Freeze", "next_collection_date", Zone.CENTER),  # 00:00: the day as written
        ("Guest.Membership.Created", "expiry_date", Zone.CENTER),
        ("Guest.Membership.Cancelled", "cancel.cancel_initiated_date", Zone.UTC),
        ("Guest.Package.StatusUpdate", "purchase.date", Zone.UTC),
        ("Guest.Package.StatusUpdate", "date.start", Zone.CENTER),
        ("Guest.Package.Redemption", "service_redemptions.usage_date", Zone.UTC),
        ("Guestpass.redeemed", "date", Zone.CENTER),
        ("Employee.Created", "job_info.start_date", Zone.CENTER),
    ],
)
def test_a_time_knows_its_zone_by_its_field(sample: str, path: str, zone: Zone) -> None:
    body = load_sample(sample)
    time = at(path, meant(body["event_type"], body["data"]))
    assert isinstance(time, TimeText)
    assert time.zone is zone


@pytest.mark.parametrize("sample", sample_names())
def test_what_zenoti_does_not_explain_is_not_translated(sample: str) -> None:
    body = load_sample(sample)
    untouched = {
        "appointment_type",
        "therapist_request_type",
        "class_type",
        "recurrence_type",
        "duration_type",
    }
    untouched |= {"fee_type", "currency_id", "service_category_type", "overtime_type", "pay_type", "source"}
    waiting: list[Any] = [meant(body["event_type"], body["data"])]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            assert not any(isinstance(value[name], Code) for name in untouched & value.keys())
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


@pytest.mark.parametrize("event_type", ["AppointmentGroup.Status", "appointmentgroup.STATUS"])
def test_status_carries_its_word_and_its_truths(event_type: str) -> None:
    data = meant(
        event_type,
        {"appointment_group_status": -2, "is_noshowfeerequired": "Yes", "is_cancellationfeerequired": "No"},
    )
    status = data["appointment_group_status"]
    assert isinstance(status, Code)
    assert (status, status.word) == (-2, "NoShow")
    assert isinstance(data["is_noshowfeerequired"], YesNo)
    assert bool(data["is_noshowfeerequired"]) is True
    assert bool(data["is_cancellationfeerequired"]) is False


@pytest.mark.parametrize("event_type", ["AppointmentGroup.Created", "AppointmentGroup.Updated"])
def test_times_of_every_appointment_know_their_zone(event_type: str) -> None:
    visit = {"start_time": "2024-07-25T16:15:00", "start_time_in_center": "2024-07-25T09:15:00", "id": "x"}
    data = meant(event_type, {"appointments": [dict(visit), dict(visit)]})
    for appointment in data["appointments"]:
        assert appointment == visit
        assert appointment["start_time"].zone is Zone.UTC
        assert appointment["start_time_in_center"].zone is Zone.CENTER
        assert type(appointment["id"]) is str


@pytest.mark.parametrize("class_times", Zone)
@pytest.mark.parametrize("event_type", ["Class.Schedule.Created", "class.schedule.cancelled"])
def test_times_of_a_class_are_meant_as_the_setting_says(event_type: str, class_times: Zone) -> None:
    data = meant(
        event_type, {"start_time": "2022-03-21T15:15:00", "recurrence_start_time": None}, class_times
    )
    assert isinstance(data["start_time"], TimeText)
    assert data["start_time"].zone is class_times
    assert data["recurrence_start_time"] is None


@pytest.mark.parametrize(
    "data",
    [
        {"appointment_group_status": "two", "is_noshowfeerequired": True},
        {"appointment_group_status": None, "is_noshowfeerequired": None},
        {"appointment_group_status": True, "is_noshowfeerequired": 1},
        {"appointment_group_status": [2], "is_noshowfeerequired": {}},
        {"appointment_group_status": 2.0},
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_left_as_sent(data: dict[str, Any]) -> None:
    sent = copy.deepcopy(data)
    meant("AppointmentGroup.Status", data)
    assert data == sent
    assert [type(value) for value in data.values()] == [type(value) for value in sent.values()]


@pytest.mark.parametrize("event_type", ["Guest.Created", "Made.Up", "AppointmentGroup.Delete", ""])
def test_other_events_are_left_as_sent(event_type: str) -> None:
    data = meant(event_type, {"appointment_group_status": 2, "start_time": "2022-03-21T15:15:00"})
    assert [type(value) for value in data.values()] == [int, str]


def test_the_codes_are_the_documented_ones() -> None:
    assert {
        number: Code(number, APPOINTMENT_GROUP_STATUS).word for number in (-2, -1, 0, 1, 2, 4, 21, 3)
    } == {
        -2: "NoShow",
        -1: "Cancelled",
        0: "New",
        1: "Closed",
        2: "Checkin",
        4: "Confirm",
        21: "Voided",
        3: "3",
    }


names = st.sampled_from(
    [
        "appointments",
        "start_time",
        "start_time_in_center",
        "appointment_group_status",
        "is_noshowfeerequired",
        "recurrence_end_time",
        "other",
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(
        ["AppointmentGroup.Created", "AppointmentGroup.Status", "Class.Schedule.Updated", "Other"]
    ),
    st.dictionaries(names, json_values, max_size=5),
)
def test_meaning_changes_nothing_that_is_sent_on(event_type: str, data: dict[str, Any]) -> None:
    before = json.dumps(data)
    meant(event_type, data)
    assert json.dumps(data) == before
    meant(event_type, data)
    assert json.dumps(data) == before
