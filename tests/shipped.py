"""The rules and templates that zennotify ships, all switched on, and what they say of an event after others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.fakes import START
from zennotify.acklink import make_token
from zennotify.core.decide import examine
from zennotify.core.model import Event, Form, Message, Zone
from zennotify.core.scene import Opposed, Passed
from zennotify.rulebook import MOST_EVENTS
from zennotify.rulefile import CompiledRules, Sources, compile_rules, read_sources
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.facts import keys_of
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import MessageNames, Names
from zennotify.zenoti.sample import load_sample
from zennotify.zenoti.things import things_of

ROOT = Path(__file__).parents[1]
SHIPPED = read_sources(ROOT / "rules", ROOT / "templates", ROOT / "centers.yaml")
PUBLIC_URL = "https://alerts.example.com"
ACK_URL = f"{PUBLIC_URL}/ack/{make_token(bytes(32), int(START.timestamp()), START)}"
CHANNELS = {"front-desk": Form.CHAT, "manager-mail": Form.EMAIL, "manager-sms": Form.SMS}

#: A sample's name, and what of its data is different: mappings deeply, all else replaced.
Step = tuple[str, Mapping[str, Any]]


class Case(NamedTuple):
    """An event that a rule speaks of, after other events, and what it then says."""

    rule: str
    says: str
    sample: str
    changes: Mapping[str, Any]
    given: tuple[Step, ...]
    title: str
    chat: str
    sms: str
    #: Events that its digest has gathered before it.
    gathered: tuple[Step, ...] = ()
    #: What a threshold or a digest has counted; 0: it has neither.
    counted: int = 0


class Silent(NamedTuple):
    """An event of the rule's type that it does not speak of, after other events."""

    rule: str
    says: str
    sample: str
    changes: Mapping[str, Any]
    given: tuple[Step, ...] = ()


def compiled(texts: Mapping[str, str]) -> CompiledRules:
    return compile_rules(
        Sources(rules=texts, templates=SHIPPED.templates, centers=SHIPPED.centers),
        channels=CHANNELS,
        time_zone="America/Los_Angeles",
        locale="en-US",
        event_types=EVENT_TYPES,
        public_url=PUBLIC_URL,
    )


def switched_on(text: str) -> str:
    """Return a rule file with all of its rules on."""
    return text.replace("enabled: no\n", "enabled: yes\n")


AS_SHIPPED = compiled(SHIPPED.rules)
ALL_ON = compiled({name: switched_on(text) for name, text in SHIPPED.rules.items()})


def merged(data: Any, changes: Any) -> Any:
    if not isinstance(data, dict) or not isinstance(changes, Mapping):
        return changes
    return data | {name: merged(data.get(name), value) for name, value in changes.items()}


def event_of(sample: str, changes: Mapping[str, Any], number: int = 0) -> Event:
    body = load_sample(sample)
    body["data"] = merged(body["data"], changes)
    # Samples without an envelope share one.
    body["event_id"] = f"{body['event_id']}-{number}"
    return reopen(json.dumps(body).encode(), START, Reading(Zone.CENTER), "")


def scene(sample: str, changes: Mapping[str, Any], given: tuple[Step, ...] = ()) -> tuple[Event, Names]:
    """Return an event and its names after others, by the way of decider.py."""
    [told] = scenes((*given, (sample, changes)), 1)
    return told


def scenes(steps: tuple[Step, ...], last: int) -> list[tuple[Event, Names]]:
    """Return the last of some events and their names, each after those before it."""
    centers = ALL_ON.rules.directory.centers
    memory = Memory(lambda _: {}, Zone.CENTER, centers)
    found = []
    for number, step in enumerate(steps, 1):
        event = event_of(*step, number)
        things = things_of(event)
        memory.learn(event, things, keys_of(things), number)
        found.append((event, Names(event, memory.recall, things, centers)))
    return found[-last:]


#: Ids of the samples that the cases bring together.
GROUP = "53ef8c73-ded2-48cf-b6b2-0492a0463f9b"
NORA = {"id": "d08327d8-f928-4c37-8be3-87b93c90ac56", "first_name": "Nora", "last_name": "Field"}
CLASS_CENTER = "e1693623-bda5-4b3e-a2a7-611ea4f1f7ad"
MEMBER = "01192853-a6b5-4ff4-b299-e36b9efe61ac"

#: The booking that AppointmentGroup.Status is about.
BOOKED: Step = ("AppointmentGroup.Created", {"appointment_group_id": GROUP, "guest": NORA})
#: The visit that the samples of feedback are about; they write its id in upper case.
VISITED: Step = (
    "AppointmentGroup.Created",
    {
        "appointment_group_id": "9ad21c96-cfcf-433b-9690-0d5c7d645be1",
        "center_id": "34f7b069-1bce-4f24-b9b2-f58ebbf768f0",
        "guest": {**NORA, "id": "f89eed2c-c8c1-4556-aab5-ea1f3479ff3d"},
    },
)
SOLD: Step = (
    "Guest.Membership.Created",
    {
        "user_membership_id": MEMBER,
        "guest_id": NORA["id"],
        "members": [{"id": NORA["id"], "name": "Nora Field (Primary)"}],
        "membership": {"name": "Gold"},
    },
)
#: The class, and the guest, of the samples of Class.Booking.*
PLANNED: Step = ("Class.Schedule.Created", {"sesion_id": 89607, "class_name": "Yoga"})
REGISTERED: Step = (
    "Guest.Created",
    {
        "id": "ef44e802-505c-4129-9744-0978c094c8f2",
        "center_id": CLASS_CENTER,
        "center_name": "Bellevue",
        "personal_info": {"first_name": "Nora", "last_name": "Field"},
    },
)


def places(*guests: str) -> tuple[Step, ...]:
    """Bookings of the class that the sample of Class.Schedule.Cancelled cancels."""
    return tuple(("Class.Booking.Created", {"session_id": 89606, "guest_id": guest}) for guest in guests)


def passed(event: Event, names: Names) -> set[str]:
    examined = examine(event, names, ALL_ON.rules)
    assert all(isinstance(item, Passed | Opposed) for item in examined), "a rule could not be asked"
    return {item.rule.id for item in examined if isinstance(item, Passed)}


def render(
    rule_id: str, names: Names, form: Form, *, gathered: Sequence[Names] | None = None, counted: int = 0
) -> Message:
    """Write a message by the way of rulebook.py."""
    rule = ALL_ON.rules.by_id[rule_id]
    extra = {
        "held_back": 0,
        "count": counted or 1,
        "ack_url": ACK_URL if rule.escalate else "",
        "asks_to_take": bool(rule.escalate),
        "now": START,
        "rule": {"id": rule.id, "description": rule.description},
    }
    if rule.absent is not None:
        extra |= {"count": 0, "events": []}
    return ALL_ON.messages[rule.id].render(form, MessageNames(names, extra, gathered), short_id="0123abcd")


def written(case: Case, form: Form) -> Message:
    about = (*case.gathered, (case.sample, case.changes))
    told = [names for _, names in scenes((*case.given, *about), len(about))]
    gathered = told[:MOST_EVENTS] if ALL_ON.rules.by_id[case.rule].digest else None
    return render(case.rule, told[-1], form, gathered=gathered, counted=case.counted)
