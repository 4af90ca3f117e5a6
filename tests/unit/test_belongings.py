"""What belongs to a guest: found through facts and events, and nothing of another guest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from tests.fakes import make_event
from zennotify.zenoti.belongings import Bearing, Belongings, fact_without


def fact(**values: Any) -> str:
    return json.dumps([[1, "e1", values]])


def belongings(facts: Mapping[str, str], guest: str = "nora") -> Belongings:
    own = Belongings(guest)
    before = None
    while own.extent != before:
        before = own.extent
        for key, kept in facts.items():
            own.read_fact(key, kept)
    return own


def test_a_thing_belongs_to_who_it_names() -> None:
    own = belongings({"group g": fact(guest="NORA"), "group h": fact(guest="mia")})
    assert (own.things, own.is_known, own.has_fact) == ({"group g"}, True, False)


def test_what_is_tied_to_a_guests_thing_is_the_guests_in_whatever_order() -> None:
    facts = {
        "package p": fact(invoice="i"),
        "invoice i": fact(group="G"),
        "group g": fact(guest="nora", invoice="i2", center="c"),
        "invoice i2": fact(number="7"),
        "membership m": fact(invoice="i3"),
    }
    for order in (facts, dict(reversed(facts.items()))):
        assert belongings(order).things == {"package p", "invoice i", "group g", "invoice i2"}


def test_a_thing_leads_on_only_once_its_own_fact_is_known() -> None:
    facts = {
        "package a": fact(invoice="c"),
        "invoice c": fact(number="7"),
        "group d": fact(guest="nora", invoice="c"),
    }
    assert belongings(facts).things == {"package a", "invoice c", "group d"}


def test_what_names_another_guest_stays_that_guests() -> None:
    facts = {
        "group g": fact(guest="nora", invoice="i"),
        "invoice i": fact(guest="mia"),
        "package p": fact(invoice="i"),
    }
    for order in (facts, dict(reversed(facts.items()))):
        assert belongings(order).things == {"group g"}


#: Ann's booking and Bob's are paid with one invoice.
PAID_TOGETHER = {
    "group g-1": fact(guest="nora", invoice="i"),
    "group g-2": fact(guest="mia", invoice="i"),
    "package p": fact(invoice="i"),
}


@pytest.mark.parametrize("last", ["g-1", "g-2"])
def test_an_invoice_of_two_guests_is_nobodys(last: str) -> None:
    facts = {**PAID_TOGETHER, "invoice i": fact(group=last)}
    for order in permutations(facts):
        own = belongings({key: facts[key] for key in order})
        assert own.things == {"group g-1"}
        for data, bearing in (
            ({"appointment_group_id": "g-1", "invoice_id": "i"}, Bearing.ABOUT_THINGS),
            ({"appointment_group_id": "g-2", "invoice_id": "i"}, Bearing.NONE),
            ({"appointment_group_id": "g-3", "invoice_id": "i"}, Bearing.NONE),
        ):
            assert own.read_event(make_event("AppointmentGroup.Status", data)) is bearing
        assert own.read_event(make_event("Invoice.Closed", {"invoice_id": "i"})) is Bearing.NONE


def test_an_invoice_that_names_the_guest_is_the_guests_though_another_was_there() -> None:
    own = belongings({**PAID_TOGETHER, "invoice i": fact(guest="nora", group="g-2")})
    assert own.things == {"group g-1", "invoice i", "package p"}
    data = {"appointment_group_id": "g-2", "invoice_id": "i"}
    assert own.read_event(make_event("AppointmentGroup.Status", data)) is Bearing.NONE


def test_a_booking_that_changed_hands_takes_its_invoice_along() -> None:
    booked = {"appointment_group_id": "g", "invoice_id": "i"}
    facts = {"group g": fact(guest="mia", invoice="i"), "invoice i": fact(group="g")}
    for known in (facts, {"invoice i": fact(group="g")}, {}):
        own = Belongings("nora")
        before = None
        bearings: list[Bearing] = []
        while own.extent != before:
            before = own.extent
            for key, kept in known.items():
                if own.wanted().may_be_in(f"{key} {kept}".encode()):
                    own.read_fact(key, kept)
            bearings = [
                own.read_event(make_event(f"AppointmentGroup.{name}", {**booked, **guest}))
                for name, guest in (
                    ("Created", {"guest": {"id": "nora"}}),
                    ("Updated", {"guest": {"id": "mia"}}),
                    ("Status", {}),
                )
            ]
        assert bearings == [Bearing.PERSONAL, Bearing.NONE, Bearing.NONE]
        assert own.things == set()


def test_a_guest_is_known_from_a_class_and_from_a_fact_of_its_own() -> None:
    own = belongings({"session 1": fact(**{"guest nora": True}), "session 2": fact(**{"guest mia": True})})
    assert (own.classes, own.is_known) == ({"session 1"}, True)
    own = belongings({"guest nora": fact(name="Nora")})
    assert (own.has_fact, own.is_known, own.things) == (True, True, set())
    assert not belongings({"center nora": fact(name="Nora")}).is_known


EVENTS: list[tuple[str, dict[str, Any], Bearing]] = [
    ("Guest.Created", {"id": "NORA"}, Bearing.PERSONAL),
    ("Appointment.Feedback", {"user_id": "nora"}, Bearing.PERSONAL),
    ("Something.New", {"people": [{"their_guest": "nora"}]}, Bearing.PERSONAL),
    ("AppointmentGroup.Status", {"appointment_group_id": "g"}, Bearing.ABOUT_THINGS),
    ("Guest.Membership.Freeze", {"user_membership_id": "m"}, Bearing.ABOUT_THINGS),
    # Names the member without an id.
    ("Guest.Membership.Reinstate", {"user_membership_id": "m", "members": [{"name": "N"}]}, Bearing.PERSONAL),
    ("AppointmentGroup.Created", {"appointment_group_id": "g", "guest": {"id": "mia"}}, Bearing.NONE),
    ("AppointmentGroup.Status", {"appointment_group_id": "h"}, Bearing.NONE),
    ("Class.Schedule.Cancelled", {"sesion_id": 1}, Bearing.NONE),
]


@pytest.mark.parametrize(("event_type", "data", "bearing"), EVENTS)
def test_an_event_bears_on_the_guest_or_not(event_type: str, data: dict[str, Any], bearing: Bearing) -> None:
    own = belongings({"group g": fact(guest="nora"), "membership m": fact(guest="nora")})
    assert own.read_event(make_event(event_type, data)) is bearing


def test_an_event_teaches_which_things_are_the_guests() -> None:
    own = Belongings("nora")
    created = {"appointment_group_id": "G", "invoice_id": "i", "guest": {"id": "nora"}}
    assert own.read_event(make_event("AppointmentGroup.Created", created)) is Bearing.PERSONAL
    assert own.things == {"group g", "invoice i"}
    assert own.wanted().may_be_in(b'{"invoice_id": "I"}')


def test_what_is_told_of_a_guests_classes_may_list_the_guest() -> None:
    own = belongings({"session 1": fact(**{"guest nora": True})})
    told: list[tuple[str, dict[str, Any], Bearing]] = [
        ("Class.Booking.Created", {"session_id": 2, "guest_id": "nora"}, Bearing.PERSONAL),
        ("Class.Schedule.Cancelled", {"sesion_id": 1}, Bearing.OF_CLASS),
        # No fact says it: the guest's own booking does.
        ("Class.Booking.Created", {"session_id": 2, "guest_id": "mia"}, Bearing.OF_CLASS),
        ("Class.Schedule.Cancelled", {"sesion_id": 3}, Bearing.NONE),
    ]
    for event_type, data, bearing in told:
        assert own.read_event(make_event(event_type, data)) is bearing
    assert own.wanted_of_events().may_be_in(b'{"session_id": 2}')
    assert not own.wanted().may_be_in(b'{"session_id": 2}')


@pytest.mark.parametrize(
    ("message", "is_named"),
    [
        ("Cancelled: Mia, Zo\u00eb O'Neil", True),
        ("Cancelled: Zoe O\\'Neil", True),
        ("<p>Zo&euml; O&#39;Neil</p>", True),
        ("ZOE is in it", True),
        ("see guest d08327d8-f928-4c37-8be3", True),
        ("Cancelled: Mia, Zora Neil", False),
    ],
)
def test_a_name_is_found_however_a_form_has_written_it(message: str, is_named: bool) -> None:
    own = Belongings("d08327d8-f928-4c37-8be3")
    own.read_event(
        make_event(
            "Guest.Created",
            {"id": own.mention.id, "personal_info": {"first_name": "Zo\u00eb", "last_name": "O'Neil"}},
        )
    )
    assert own.is_named_in(message) is is_named


def test_a_number_counts_only_as_a_guests_id() -> None:
    own = Belongings("12")
    assert own.read_event(make_event("Invoice.Closed", {"total": 12, "text": "12"})) is Bearing.NONE
    assert own.read_event(make_event("Class.Booking.NoShow", {"guest_id": 12})) is Bearing.PERSONAL


def test_quarantined_bodies_are_searched_for_the_guest_and_the_guests_things() -> None:
    own = belongings({"group g-1": fact(guest="nora"), "group 12": fact(guest="nora")})
    assert own.is_in_text(b'{"guest": "Nora", ')
    assert own.is_in_text(b'{"appointment_group_id": "G-1"')
    assert not own.is_in_text(b'{"guest": "mia", "n": 12}')


def test_an_id_that_may_be_a_word_is_none_in_anothers_text() -> None:
    own = Belongings("test")
    visit = {"appointment_group_id": "g", "guest": {"id": "mia", "first_name": "Abc test"}}
    assert own.read_event(make_event("AppointmentGroup.Created", visit)) is Bearing.NONE
    assert not own.is_in_text(b'{"name": "Abc test", ')


WINDOWS = [
    ("nora", '[["nora"]]', True),
    ("NORA", '[["c-1"],["nora"]]', True),
    ("nora", '[["nora pilcrow"]]', True),
    ("nora", '[["nora\\"s@example.com"]]', True),
    ("nora", '[["+1 2065550188"]]', True),
    ("nora", '[["2065550188"]]', True),
    ("nora", '[["new@example.com"]]', True),
    ("nora", '[["nora\'s yoga"]]', False),
    ("nora", '[["n"]]', False),
    ("nora", "12345678901234567890123456789012", False),
    ("12", '[["12"]]', False),
    ("12", '[["new@example.com"]]', True),
    # A channel, and whom it tells.
    ("nora", "guest-sms +1 2065550188", True),
    ("nora", "guest-mail New@example.com", True),
    ("nora", "guest-mail other@example.com", False),
    ("nora", "desk ", False),
    ("12", "event 12", False),
]


@pytest.mark.parametrize(("guest", "key", "is_theirs"), WINDOWS)
def test_a_window_is_the_guests_by_a_whole_part_of_its_key(guest: str, key: str, is_theirs: bool) -> None:
    own = Belongings(guest)
    own.read_fact(
        own.guest, fact(name="Nora Pilcrow", email='NORA"s@example.com', phone="+1 2065550188", opted_out=[])
    )
    changed = {"id": guest, "personal_info": {"email": "New@example.com"}}
    assert own.read_event(make_event("Guest.Updated", changed)) is Bearing.PERSONAL
    others = {"id": "mia", "personal_info": {"email": "n"}}
    assert own.read_event(make_event("Guest.Updated", others)) is Bearing.NONE
    assert own.is_in_window(key) is is_theirs


@pytest.mark.parametrize("guest_id", ["", "  ", "x" * 201])
def test_what_is_no_id_is_said(guest_id: str) -> None:
    with pytest.raises(ValueError, match="an id of a guest is"):
        Belongings(guest_id)


def test_a_class_keeps_its_other_guests() -> None:
    kept = json.dumps(
        [[1, "e1", {"name": "Yoga"}], [2, "e2", {"guest nora": True}], [3, "e3", {"guest mia": True}]]
    )
    left = fact_without("guest nora", "session 1", kept)
    assert left is not None
    assert json.loads(left) == [[1, "e1", {"name": "Yoga"}], [3, "e3", {"guest mia": True}]]
    assert fact_without("guest nora", "session 1", fact(**{"guest nora": False})) is None


def test_a_thing_goes_unless_it_has_become_anothers() -> None:
    assert fact_without("guest nora", "guest nora", fact(name="Nora")) is None
    assert fact_without("guest nora", "invoice i", fact(number="7")) is None
    assert fact_without("guest nora", "group g", fact(guest="Nora", services=["Cut"])) is None
    others = fact(guest="mia")
    assert fact_without("guest nora", "group g", others) == others


GUID = "d08327d8-f928-4c37-8be3-1b2c3d4e5f60"


@pytest.mark.parametrize(
    ("guest", "match", "is_about"),
    [
        (GUID, {"guest.id": GUID.upper()}, True),
        (GUID, {"data.note": {"contains": f"for {GUID}"}}, True),
        (GUID, {"guest.id": ["x", GUID]}, True),
        (GUID, {"guest.id": {"not": [GUID]}}, True),
        (GUID, {"center.id": "another"}, False),
        (GUID, {"guest.name": " ABC Test "}, True),
        (GUID, {"guest.name": {"starts_with": "abc test"}}, True),
        (GUID, {"center.name": "Bellevue", "data.total": 12}, False),
        ("12", {"guest.id": 12}, True),
        ("12", {"data.guest_id": "12"}, True),
        ("12", {"data.total": 12}, False),
    ],
)
def test_a_silence_about_the_guest_is_known_by_its_match(
    guest: str, match: dict[str, Any], is_about: bool
) -> None:
    own = belongings({f"guest {guest}": fact(name="Abc test")}, guest)
    assert own.is_in_match(match) is is_about
