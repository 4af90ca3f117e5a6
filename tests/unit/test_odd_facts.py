"""What may stand where things are expected, and what of it is remembered: nothing odd, nothing large."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from time import process_time
from typing import Any

import pytest

from tests.fakes import START, make_rule
from tests.unit.test_facts import World, event
from zennotify.core.decide import examine
from zennotify.core.model import CenterTime, Form, UtcTime, Zone
from zennotify.core.rule import RuleSet
from zennotify.decider.batch import Batch
from zennotify.errors import StoreError, StoreUnavailable
from zennotify.message import compile_expression
from zennotify.message.templates import Templates
from zennotify.store.rows import Undecided
from zennotify.store.transaction import Transaction
from zennotify.zenoti import facts, offset
from zennotify.zenoti.envelope import Wrapped
from zennotify.zenoti.event import Reading, make_event
from zennotify.zenoti.facts import MOST_GUESTS, Lesson
from zennotify.zenoti.things import things_of

NOBODY = "00000000-0000-0000-0000-000000000000"


def guest_event(person: Mapping[str, Any], minute: int, kind: str = "Guest.Updated") -> Any:
    return event(kind, {"id": "g1", "personal_info": dict(person)}, minute)


def known(world: World, kind: str, id_: Any) -> Mapping[str, Any]:
    return world.memory().recall(kind, id_)


ANN = {"first_name": "Ann", "last_name": "Lee", "email": "ann@example.com", "mobile_phone": "+1 206"}


@pytest.mark.parametrize("id_", [10**4000, "x" * 201, NOBODY, "0", "", "  ", None, True, [1], {"a": 1}, 1.5])
def test_what_is_no_id_names_nothing(id_: Any) -> None:
    assert facts.key_of("guest", id_) is None


def test_the_guest_of_zeros_is_not_one_person() -> None:
    world = World().learn(
        event("AppointmentGroup.Created", {"appointment_group_id": "a", "guest": {"id": NOBODY, **ANN}}, 0)
    )
    names = world.names(
        event("AppointmentGroup.Created", {"appointment_group_id": "b", "guest": {"id": NOBODY}}, 1)
    )
    assert names["guest"]["email"] is None


@pytest.mark.parametrize(
    ("person", "left"),
    [
        ({}, ANN),
        ({"first_name": "Anna"}, {**ANN, "first_name": "Anna"}),
        ({"email": ""}, {**ANN, "email": None}),
        ({"email": None, "mobile_phone": None}, {**ANN, "email": None, "mobile_phone": None}),
        ({"mobile_phone": {"number": ""}}, {**ANN, "mobile_phone": None}),
    ],
)
def test_what_an_event_leaves_out_stays_and_what_it_empties_goes(
    person: dict[str, Any], left: dict[str, Any]
) -> None:
    world = World().learn(guest_event(ANN, 0, "Guest.Created"), guest_event(person, 1))
    found = known(world, "guest", "g1")
    named = {name: found.get({"mobile_phone": "phone"}.get(name, name)) for name in ANN}
    assert named == left


def test_an_emptied_name_is_no_name() -> None:
    world = World().learn(guest_event(ANN, 0), guest_event({"first_name": "", "last_name": None}, 1))
    assert known(world, "guest", "g1").get("name") is None


MEMBERS = [{"id": "kid", "name": "Bob Kid"}, {"id": "G", "name": "Ann Lee (Primary)"}]


@pytest.mark.parametrize(
    ("data", "guest"),
    [
        ({"guest_id": "g", "members": MEMBERS}, {"id": "g", "name": "Ann Lee"}),
        ({"guest_id": "kid", "members": MEMBERS}, {"id": "kid", "name": "Bob Kid"}),
        ({"members": MEMBERS}, {"id": "G", "name": "Ann Lee"}),
        ({"members": MEMBERS[:1]}, {"id": "kid", "name": "Bob Kid"}),
        ({"guest_id": "other", "members": MEMBERS}, {"id": "other"}),
        ({"members": "nobody"}, {}),
    ],
)
def test_the_guest_of_a_membership_is_the_member_with_the_id_or_the_primary(
    data: dict[str, Any], guest: dict[str, Any]
) -> None:
    assert things_of(event("Guest.Membership.Created", data)).get("guest", {}) == guest


def test_a_long_run_of_blanks_in_a_name_costs_no_more_than_other_names() -> None:
    blanks = " " * 100_000
    members = [{"id": "g", "name": f"Ann{blanks}Lee{blanks}(Primary){blanks}"}]
    started = process_time()
    guest = things_of(event("Guest.Membership.Created", {"members": members}))["guest"]
    assert guest["name"] == f"Ann{blanks}Lee"
    assert process_time() - started < 10  # its square takes minutes


def test_only_what_things_have_is_remembered() -> None:
    data = {"sesion_id": 1, "class_name": {"x": "y" * 500_000}, "start_time": [1], "capacity": 5}
    world = World().learn(event("Class.Schedule.Created", data))
    assert json.loads(world.kept["session 1"])[0][2] == {"capacity": 5}


def test_a_class_remembers_its_newest_guests_however_much_else_is_learned_with_it() -> None:
    lessons = [Lesson(number, "e", {f"guest g{number}": True}) for number in range(3 * MOST_GUESTS)]
    small = {f"guest {number}": [Lesson(1, "e", {"name": "Ann"})] for number in range(300)}
    kept = json.loads(facts.written({"session 1": lessons, **small}))
    guests = facts.values_of(facts.read(json.dumps(kept["session 1"])), "session", Zone.UTC)["guests"]
    assert guests == [f"g{number}" for number in range(2 * MOST_GUESTS, 3 * MOST_GUESTS)]


@pytest.mark.parametrize(
    ("expiry", "meant"),
    [
        ("2025-07-25T00:00:00", CenterTime),
        ("2025-07-25T00:00:00.000", CenterTime),
        ("2025-07-25 00:00:00", CenterTime),
        ("2025-07-25", CenterTime),
        ("2025-07-25T20:00:00", UtcTime),
    ],
)
def test_a_day_is_the_same_day_in_the_event_and_as_a_fact(expiry: str, meant: type) -> None:
    sold = event("Guest.Membership.Created", {"user_membership_id": "m", "expiry_date": expiry})
    assert type(sold.data["expiry_date"]) is meant
    assert type(known(World().learn(sold), "membership", "m")["expiry"]) is meant


@pytest.mark.parametrize(
    ("start", "start_in_center"),
    [("2024-07-25T161500Z", "2024-07-25T091500"), ("2024-07-25T16:15+07", "2024-07-25T09:15")],
)
def test_times_written_oddly_teach_no_clock(start: str, start_in_center: str) -> None:
    assert offset.said("c", start, start_in_center) == {}


def wish(kind: str, arrived: int, timestamp: Any, *unwanted: str) -> Any:
    preferences = {"marketing": {"email": "opted-out" if "email" in unwanted else "opted-in"}}
    data = {"id": "g1", "timestamp": timestamp, "current_preferences": preferences}
    wrapped = Wrapped(f"e{arrived}", kind, None, data)
    return make_event(wrapped, START + timedelta(minutes=arrived), Reading(Zone.CENTER))


@pytest.mark.parametrize(
    "stamps", [(None, None), ("2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"), ("soon", "later")]
)
def test_a_guests_last_word_counts_also_without_an_envelope(stamps: tuple[Any, Any]) -> None:
    world = World().learn(wish("Guest.OptedIn", 0, stamps[0]), wish("Guest.OptedOut", 1, stamps[1], "email"))
    assert known(world, "guest", "g1")["opted_out"] == ["marketing email"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{{ guest.name }} {{ invoice.number }}", {("guest", "name"), ("invoice", "number")}),
        # Names of the template's own are no things.
        ("{% set invoice = data.invoice %}{{ invoice.invoice_number }}", set()),
        ("{% for guest in data.guests %}{{ guest.nickname }}{% endfor %}", set()),
        ("{{ guest['email'] }}{% if session.name %}x{% endif %}", {("guest", "email"), ("session", "name")}),
    ],
)
def test_a_message_wants_the_fields_of_things_and_nothing_else(
    text: str, wanted: set[tuple[str, str]]
) -> None:
    message = Templates({}, time_zone="UTC", locale="en-US").inline(text, "T")
    assert {tuple(want) for want in message.wants} == wanted


class Away(dict[str, Any]):
    """Names whose facts cannot be read."""

    def __missing__(self, name: str) -> Any:
        raise StoreUnavailable("the store is away")

    def __contains__(self, name: object) -> bool:
        return True


def test_a_store_that_is_away_is_no_fault_of_a_rule_or_a_template() -> None:
    message = Templates({}, time_zone="UTC", locale="en-US").inline("{{ guest.name }}", "T")
    with pytest.raises(StoreUnavailable):
        message.render(Form.CHAT, Away(), short_id="0123abcd")
    with pytest.raises(StoreUnavailable):
        compile_expression("guest.name == 'Ann'")(Away())
    rules = RuleSet("hash", (make_rule("r", "*", when=compile_expression("guest.name == 'Ann'")),))
    with pytest.raises(StoreUnavailable):
        examine(event("Any.Type", {}), Away(), rules)


class Damaged(Transaction):
    """A transaction in which facts cannot be read any more, after the first time."""

    def __init__(self) -> None:
        self._asked = 0

    def facts(self, things: Any) -> dict[str, str]:
        self._asked += 1
        if self._asked > 1:
            raise StoreError("the store is damaged")
        return {"group g1": '[[1,"e",{"guest":"a1"}]]'}

    def windows(self, keys: Any) -> dict[Any, Any]:
        return {}


def test_a_damaged_store_is_no_fault_of_an_event() -> None:
    status = event("AppointmentGroup.Status", {"appointment_group_id": "g1"})
    rules = RuleSet("hash", (make_rule("r", "*", when=compile_expression("guest.name == 'Ann'")),))
    with pytest.raises(StoreError):
        Batch(rules, Zone.CENTER).decide(Damaged(), [Undecided(1, "hash", status)])
