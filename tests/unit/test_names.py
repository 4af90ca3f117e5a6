"""The names of an event: every thing exists with every field, whatever Zenoti sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, make_event
from zennotify.core.model import Code, Placeholder, UtcTime, Zone
from zennotify.core.path import parse_path
from zennotify.zenoti.catalog import give_meaning
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.names import EVENT_NAMES, MessageNames, Names
from zennotify.zenoti.sample import load_sample, sample_names
from zennotify.zenoti.things import FIELDS


def names(**data: Any) -> Names:
    return Names(make_event(data=data))


def of_type(event_type: str, **data: Any) -> Names:
    return Names(make_event(event_type, data))


def of_sample(name: str) -> Names:
    return Names(reopen(json.dumps(load_sample(name)).encode(), START, Reading(Zone.CENTER), ""))


@pytest.mark.parametrize("sample", sample_names())
def test_every_thing_has_every_field_in_every_sample(sample: str) -> None:
    made = of_sample(sample)
    for thing, fields in FIELDS.items():
        assert thing in made
        assert tuple(made[thing]) == fields


def test_event_and_data_are_the_events_own() -> None:
    event = make_event("T", {"x": 1})
    made = Names(event)
    assert made["event"] == {"type": "T", "id": "e1", "at": START, "received_at": START}
    assert tuple(made["event"]) == EVENT_NAMES["event"]
    assert made["data"] is event.data


def test_a_name_that_nothing_has_is_a_key_error() -> None:
    made = names()
    assert "nothing" not in made
    with pytest.raises(KeyError):
        made["nothing"]


def test_a_thing_is_made_once() -> None:
    made = names()
    assert made["guest"] is made["guest"]


def test_a_path_reaches_things_and_what_is_unknown_is_null() -> None:
    made = names(guest={"first_name": "Ann"})
    assert [*parse_path("guest.first_name").values(made)] == ["Ann"]
    assert [*parse_path("guest.email").values(made)] == [None]
    assert [*parse_path("guest.shoe_size").values(made)] == []
    assert [*parse_path("nothing.id").values(made)] == []


def test_documented_booking_names_guest_centre_group_and_invoice() -> None:
    made = of_sample("AppointmentGroup.Created")
    assert made["guest"] == {
        "id": "d08327d8-f928-4c37-8be3-87b93c90ac56",
        "name": "Abc test",
        "first_name": "Abc",
        "last_name": "test",
        "email": "aa@swd.wed",
        "phone": None,
        "opted_out": None,
    }
    assert (made["center"]["id"], made["center"]["name"]) == (
        "1aab4fd2-2ff3-4ede-bca2-74aa2ccb54b6",
        "Bellevue",
    )
    assert made["group"]["id"] == "883ce749-12a8-497b-bc50-2c3206c50e91"
    assert made["group"]["services"] == ["Laser Hair - Male"]
    assert made["group"]["start"] == UtcTime("2024-07-25T16:15:00")
    assert made["group"]["start"].zone is Zone.UTC
    assert made["group"]["start_in_center"].zone is Zone.CENTER
    assert (made["invoice"]["id"], made["invoice"]["number"]) == (
        "e8cedcb5-58b7-42bf-8024-7184c877aa03",
        "8086",
    )
    assert made["employee"]["name"] == "DebashisTest TripathyTest"


def test_documented_status_says_its_word_and_nothing_human() -> None:
    made = of_sample("AppointmentGroup.Status")
    assert isinstance(made["group"]["status"], Code)
    assert made["group"]["status"].word == "Checkin"
    assert (made["guest"]["name"], made["center"]["id"], made["group"]["services"]) == (None, None, None)


def test_a_class_and_its_booking_name_the_same_session_in_zenotis_two_spellings() -> None:
    schedule = of_type(
        "Class.Schedule.Created", sesion_id=89604, class_name="Yoga", start_time="s", end_time="e"
    )["session"]
    assert [schedule[field] for field in ("id", "name", "start", "end")] == [89604, "Yoga", "s", "e"]
    booking = of_type("Class.Booking.NoShow", session_id=89604)["session"]
    assert [booking[field] for field in ("id", "name", "start", "end")] == [89604, None, None, None]
    assert of_sample("Class.Schedule.Cancelled")["session"]["id"] is not None
    assert of_sample("Class.Booking.NoShow")["session"]["id"] is not None


@pytest.mark.parametrize(
    "data",
    [
        {"center_Name": "Bellevue", "center_id": "c1"},
        {"center_name": "Bellevue", "center_id": "c1"},
        {"center": {"name": "Bellevue", "id": "c1"}},
        {"center_name": "Bellevue", "center": {"name": "other", "id": "c1"}},
        {"center_Name": "", "center_name": "Bellevue", "center": {"id": "c1"}},
    ],
    ids=str,
)
def test_a_centre_is_read_in_each_of_zenotis_spellings(data: dict[str, Any]) -> None:
    center = names(**data)["center"]
    assert (center["id"], center["name"]) == ("c1", "Bellevue")


@pytest.mark.parametrize(
    ("guest", "name"),
    [
        ({"first_name": "Ann", "last_name": "Lee"}, "Ann Lee"),
        ({"first_name": " Ann ", "last_name": None}, "Ann"),
        ({"first_name": "", "last_name": "Lee"}, "Lee"),
        ({"first_name": " ", "last_name": ""}, None),
        ({"first_name": 5, "last_name": ["x"]}, None),
        ({}, None),
        (None, None),
        ("Ann", None),
    ],
    ids=str,
)
def test_a_guests_name_is_made_of_what_is_there(guest: Any, name: str | None) -> None:
    assert names(guest=guest)["guest"]["name"] == name


def test_a_guest_is_known_by_id_alone() -> None:
    assert names(guest_id="g1")["guest"]["id"] == "g1"
    assert names(guest={"id": "g2"}, guest_id="g1")["guest"]["id"] == "g2"


def test_a_group_starts_with_its_first_appointment_and_lists_all_services() -> None:
    data: dict[str, Any] = {
        "appointments": [
            {
                "service_name": "Cut",
                "start_time": "2024-07-25T17:15:00",
                "start_time_in_center": "2024-07-25T10:15:00",
            },
            {
                "service_name": "Wash",
                "start_time": "2024-07-25T16:15:00",
                "start_time_in_center": "2024-07-25T09:15:00",
            },
            {"service_name": None, "start_time": None},
            "not an appointment",
        ]
    }
    give_meaning("AppointmentGroup.Created", data, Zone.CENTER)
    group = of_type("AppointmentGroup.Created", **data)["group"]
    assert (group["services"], group["start"], group["start_in_center"]) == (
        ["Cut", "Wash"],
        "2024-07-25T16:15:00",
        "2024-07-25T09:15:00",
    )


def test_a_group_without_appointments_has_no_services_and_no_start() -> None:
    group = names(appointments=[], appointment_group_id="g")["group"]
    assert (group["id"], group["services"], group["start"], group["start_in_center"]) == (
        "g",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("guest", "a guest"),
        ("center", "the centre"),
        ("session", "a class"),
        ("employee", "an employee"),
        ("membership", "a membership"),
        ("package", "a package"),
    ],
)
def test_an_unknown_name_prints_as_words_and_is_not_true(thing: str, words: str) -> None:
    name = MessageNames(names(), {})[thing]["name"]
    assert isinstance(name, Placeholder)
    assert f"{name}" == words
    assert not name


def test_a_known_name_is_said_and_what_a_message_adds_is_there() -> None:
    message = MessageNames(names(center_name="Bellevue"), {"rule": {"id": "r"}, "held_back": 2})
    assert message["center"]["name"] == "Bellevue"
    assert (message["rule"], message["held_back"]) == ({"id": "r"}, 2)
    assert all(name in message for name in EVENT_NAMES)
    assert "nothing" not in message


keys = st.sampled_from(
    [
        *("guest", "guest_id", "center", "center_id", "center_Name", "session_id", "sesion_id", "class_name"),
        *(
            "appointments",
            "start_time",
            "service_name",
            "invoice_id",
            "name",
            "id",
            "first_name",
            "last_name",
        ),
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(keys, json_values, max_size=8))
def test_whatever_is_sent_every_thing_can_be_made(data: dict[str, Any]) -> None:
    message = MessageNames(names(**data), {})
    for thing, fields in FIELDS.items():
        assert tuple(message[thing]) == fields
        assert all(f"{value}" or True for value in message[thing].values())
