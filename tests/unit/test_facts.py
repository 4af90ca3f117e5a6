"""What events teach: the same in every order, once or repeated, and by every name that Zenoti has for a thing."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import START, make_event
from zennotify.core.model import CenterTime, Code, Event, UtcTime, Zone
from zennotify.zenoti import facts
from zennotify.zenoti.catalog import give_meaning
from zennotify.zenoti.envelope import Envelope, read_envelope
from zennotify.zenoti.event import Reading
from zennotify.zenoti.event import make_event as wired
from zennotify.zenoti.facts import MOST_GUESTS, Lesson
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import MessageNames, Names
from zennotify.zenoti.sample import load_sample
from zennotify.zenoti.story import STORIES, tell
from zennotify.zenoti.things import things_of

GUEST, CENTER, GROUP = "d08327d8-f928-4c37-8be3-87b93c90ac56", "1aab4fd2", "883ce749"


def event(event_type: str, data: dict[str, Any], minute: int | None = 0, id_: str = "") -> Event:
    at = None if minute is None else START + timedelta(minutes=minute)
    give_meaning(event_type, data, Zone.CENTER)
    return make_event(event_type, data, id_=id_ or f"{event_type} {minute}", at=at)


class World:
    """A memory on a store that is a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def learn(self, *events: Event) -> World:
        for one in events:
            memory = self.memory()
            things = things_of(one)
            keys = facts.keys_of(things)
            memory.prepare(keys.values())
            at = None if one.at is None else (one.at - START) // timedelta(microseconds=1)
            memory.learn(one, things, keys, at)
            changed = memory.changes()
            if changed is not None:
                self.kept |= {key: json.dumps(lessons) for key, lessons in json.loads(changed).items()}
        return self

    def memory(self) -> Memory:
        return Memory(lambda keys: {key: self.kept[key] for key in keys if key in self.kept}, Zone.CENTER)

    def names(self, one: Event) -> Names:
        return Names(one, self.memory().recall)


def booking(minute: int | None = 0, **more: Any) -> Event:
    data = {
        "appointment_group_id": GROUP,
        "center_id": CENTER,
        "center_Name": "Bellevue",
        "invoice_id": "inv-1",
        "guest": {"id": GUEST, "first_name": "Ann", "last_name": "Lee", "email": "ann@example.com"},
        "appointments": [
            {
                "service_name": "Facial",
                "start_time": "2024-07-25T16:15:00",
                "end_time": "2024-07-25T17:15:00",
                "start_time_in_center": "2024-07-25T09:15:00",
                "therapist_id": "t-1",
                "therapist_name": "Tom",
            }
        ],
    }
    return event("AppointmentGroup.Created", {**data, **more}, minute)


def status(minute: int | None = 5, code: int = -2) -> Event:
    return event(
        "AppointmentGroup.Status",
        {"appointment_group_id": GROUP.upper(), "invoice_id": "inv-1", "appointment_group_status": code},
        minute,
    )


def test_a_status_names_what_the_earlier_booking_taught() -> None:
    names = World().learn(booking()).names(status())
    assert names["guest"]["name"] == "Ann Lee"
    assert names["guest"]["id"] == GUEST
    assert (names["center"]["id"], names["center"]["name"]) == (CENTER, "Bellevue")
    assert names["group"]["services"] == ["Facial"]
    assert isinstance(names["group"]["start"], UtcTime)
    assert isinstance(names["group"]["start_in_center"], CenterTime)
    assert names["employee"]["name"] == "Tom"
    assert names["group"]["status"].word == "NoShow"  # of the event itself


def test_a_class_booking_names_the_class_and_the_guest() -> None:
    schedule = event(
        "Class.Schedule.Created",
        {"sesion_id": 89607, "class_name": "Yoga", "start_time": "2026-03-01T10:00:00", "center_id": CENTER},
    )
    guest = event("Guest.Created", {"id": GUEST, "personal_info": {"first_name": "Ann", "last_name": "Lee"}})
    no_show = event("Class.Booking.NoShow", {"session_id": 89607, "guest_id": GUEST.upper()}, 9)
    names = World().learn(schedule, guest).names(no_show)
    assert names["session"]["name"] == "Yoga"
    assert isinstance(names["session"]["start"], CenterTime)
    assert (names["guest"]["name"], names["center"]["id"]) == ("Ann Lee", CENTER)


def test_an_invoice_payment_finds_its_guest_over_the_booking() -> None:
    payment = event("Invoice.Payments.Added", {"invoice_id": "INV-1", "transactions": []}, 9)
    names = World().learn(booking()).names(payment)
    assert names["guest"]["name"] == "Ann Lee"
    assert names["group"]["services"] == ["Facial"]


def test_nothing_known_is_none_and_words_in_a_message() -> None:
    names = World().names(status())
    assert names["guest"]["name"] is None
    assert str(MessageNames(names, {})["guest"]["name"]) == "a guest"


def test_a_membership_teaches_its_guest_without_the_word_primary() -> None:
    reinstate = load_sample("Guest.Membership.Reinstate")["data"]
    freeze = load_sample("Guest.Membership.Freeze")["data"]
    world = World().learn(event("Guest.Membership.Reinstate", reinstate))
    names = world.names(event("Guest.Membership.Freeze", freeze, 9))
    assert names["guest"]["name"] == "rajamouli s"
    assert names["membership"]["name"] == "10- Massages - mem"


def test_the_later_event_wins_and_absent_fields_change_nothing() -> None:
    old = event(
        "Guest.Updated", {"id": "g", "personal_info": {"first_name": "Ann", "email": "a@example.com"}}, 1
    )
    new = event("Class.Booking.Approved", {"guest_id": "g", "guest": {"id": "g", "first_name": "Anna"}}, 2)
    for order in ([old, new], [new, old]):
        names = World().learn(*order).names(event("Class.Booking.NoShow", {"guest_id": "g"}, 3))
        assert (names["guest"]["first_name"], names["guest"]["email"]) == ("Anna", "a@example.com")


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_clears_only_where_the_event_tells_all_of_a_thing(empty: str | None) -> None:
    first = event("Guest.Created", {"id": "g", "personal_info": {"first_name": "Ann", "email": "a@b.c"}}, 1)
    other = event("Guest.OptedOut", {"id": "g", "details": {"first_name": "Ann", "email": empty}}, 2)
    whole = event("Guest.Updated", {"id": "g", "personal_info": {"first_name": "Ann", "email": empty}}, 3)
    world = World().learn(first, other)
    assert world.memory().recall("guest", "g")["email"] == "a@b.c"
    assert "email" not in world.learn(whole).memory().recall("guest", "g")


def test_an_event_without_a_time_only_fills_gaps() -> None:
    timed = event("Guest.OptedIn", {"id": "g", "details": {"first_name": "Ann"}}, 1)
    untimed = event(
        "Guest.OptedOut", {"id": "g", "details": {"first_name": "Bob", "email": "b@example.com"}}, None
    )
    for order in ([timed, untimed], [untimed, timed]):
        known = World().learn(*order).memory().recall("guest", "g")
        assert (known["first_name"], known["email"]) == ("Ann", "b@example.com")


def test_a_class_remembers_its_guests_and_forgets_who_left() -> None:
    def booked(kind: str, guest: str, minute: int) -> Event:
        return event(f"Class.Booking.{kind}", {"session_id": 1, "guest_id": guest}, minute)

    world = World().learn(booked("Created", "a", 1), booked("Created", "b", 2), booked("Cancelled", "a", 3))
    names = world.names(event("Class.Schedule.Cancelled", {"sesion_id": 1}, 9))
    assert names["session"]["guests"] == ["b"]


def test_a_cancelled_class_still_knows_whose_place_went_with_it() -> None:
    def booked(kind: str, guest: str, minute: int) -> Event:
        return event(f"Class.Booking.{kind}", {"session_id": 1, "guest_id": guest}, minute)

    def named(guest: str, first: str) -> Event:
        return event("Guest.Created", {"id": guest, "personal_info": {"first_name": first}}, 1)

    off = event("Class.Schedule.Cancelled", {"sesion_id": 1}, 20)
    events = [
        *(booked("Created", guest, 2) for guest in "abcd"),
        booked("Cancelled", "a", 14),  # left by herself
        booked("Cancelled", "b", 16),
        off,
        booked("Cancelled", "c", 21),
        named("b", "Bea"),
        named("c", "Cem"),
    ]
    for order in (events, events[::-1]):
        session = World().learn(*order).names(off)["session"]
        assert sorted(session["guests"]) == ["b", "c", "d"]
        assert sorted(session["guest_names"]) == ["Bea", "Cem"]


def test_a_class_that_takes_place_forgets_who_left() -> None:
    events = [
        event("Class.Booking.Created", {"session_id": 1, "guest_id": "a"}, 1),
        event("Class.Booking.Cancelled", {"session_id": 1, "guest_id": "a"}, 9),
        event("Class.Schedule.Updated", {"sesion_id": 1}, 10),
    ]
    session = World().learn(*events).names(events[-1])["session"]
    assert (session["guests"], session["guest_names"]) == ([], [])


def test_a_class_remembers_no_more_than_so_many_guests() -> None:
    many = [Lesson(number, "e", {f"guest {number}": True}) for number in range(MOST_GUESTS + 100)]
    kept = facts.bounded([Lesson(-1, "e", {"name": "Yoga"}), *many])
    assert kept[0].values == {"name": "Yoga"}
    assert [next(iter(lesson.values)) for lesson in kept[1:]] == [
        f"guest {number}" for number in range(100, MOST_GUESTS + 100)
    ]


def test_long_values_are_cut() -> None:
    world = World().learn(event("Guest.Created", {"id": "g", "personal_info": {"first_name": "x" * 100_000}}))
    assert len(world.kept["guest g"]) < 2_000


@pytest.mark.parametrize("id_", [None, "", " ", True, 1.5, [], {}, "x" * 1000])
def test_what_is_no_id_names_no_thing(id_: Any) -> None:
    assert facts.key_of("guest", id_) is None
    assert World().learn(event("Guest.Created", {"id": id_, "personal_info": {"first_name": "A"}})).kept == {}


def story() -> list[Event]:
    other = {"id": GUEST, "first_name": "Anna", "last_name": "Lee", "email": ""}
    return [
        booking(0),
        status(5, 4),
        booking(6, guest=other, center_Name="Bellevue Square"),
        status(7, -2),
        event("Guest.Updated", {"id": GUEST, "personal_info": {"first_name": "Ann", "email": None}}, 8),
        event("Class.Booking.Created", {"session_id": 7, "guest_id": GUEST, "center_id": CENTER}, 9),
        event("Class.Schedule.Updated", {"sesion_id": 7, "class_name": "Yoga", "center_id": CENTER}, 3),
        event("Class.Booking.Cancelled", {"session_id": 7, "guest_id": GUEST, "center_id": CENTER}, 11),
    ]


def known(world: World) -> dict[str, Any]:
    memory = world.memory()
    found = {key: dict(memory.recall(*key.split(" ", 1))) for key in world.kept}
    return {key: values for key, values in found.items() if values}


@settings(max_examples=200)
@given(st.randoms(use_true_random=False), st.integers(0, 8))
def test_every_order_of_a_story_and_every_repeat_gives_the_same(chance: random.Random, repeats: int) -> None:
    events = story()
    in_order = known(World().learn(*events))
    told = events + chance.choices(events, k=repeats)
    chance.shuffle(told)
    assert known(World().learn(*told)) == in_order
    assert in_order[f"guest {GUEST}"]["first_name"] == "Ann"


def told(name: str) -> list[Event]:
    """The events of a story that users can tell, as they come over the wire."""
    bodies = [json.dumps(body).encode() for body in tell(STORIES[name], START)]
    envelopes = [read_envelope(body) for body in bodies]
    return [
        wired(envelope, START, Reading(Zone.CENTER))
        for envelope in envelopes
        if isinstance(envelope, Envelope)
    ]


@settings(max_examples=30)
@given(st.sampled_from(sorted(STORIES)), st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_stories_teach_the_same_in_every_order(name: str, chance: random.Random, repeats: int) -> None:
    events = told(name)
    assert len(events) == len(STORIES[name].steps)
    in_order = known(World().learn(*events))
    shuffled = events + chance.choices(events, k=repeats)
    chance.shuffle(shuffled)
    assert known(World().learn(*shuffled)) == in_order


lessons = st.builds(
    Lesson,
    st.integers(0, 5),
    st.sampled_from("abc"),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3), min_size=1),
)


@given(st.lists(lessons, max_size=6, unique_by=lambda lesson: (lesson.at, lesson.event)), st.randoms())
def test_the_order_of_lessons_does_not_matter(taught: list[Lesson], chance: random.Random) -> None:
    def learned(order: list[Lesson]) -> list[Lesson]:
        result: list[Lesson] = []
        for lesson in order:
            result = facts.learn(result, lesson)
        return result

    shuffled = chance.sample(taught, len(taught))
    expected = {
        field: max(
            (lesson for lesson in taught if field in lesson.values), key=lambda lesson: lesson[:2]
        ).values[field]
        for field in {field for lesson in taught for field in lesson.values}
    }
    assert learned(shuffled) == learned(taught)
    assert facts.values_of(learned(taught), "guest", Zone.UTC) == expected


def test_lessons_come_back_from_their_json() -> None:
    learned = [
        Lesson(5, "e", {"name": "Yoga", "status": Code(2, {}), "start": UtcTime("2026-03-01T10:00:00")})
    ]
    kept = json.loads(facts.written({"session 1": learned}))
    assert kept == {"session 1": [[5, "e", {"name": "Yoga", "status": 2, "start": "2026-03-01T10:00:00"}]]}
    assert facts.read(json.dumps(kept["session 1"])) == learned
