"""`wait_for_names`: what a message lacks, and which things may still teach it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import START, concluded, make_event
from zennotify.core.decide import examine
from zennotify.core.digest import Digest
from zennotify.core.model import Event
from zennotify.core.outgoing import Outgoing, send
from zennotify.core.rule import Hold, Rule, RuleSet
from zennotify.core.scene import Scene
from zennotify.core.window import Windows
from zennotify.zenoti.names import Names

STATUS = make_event("AppointmentGroup.Status", {"appointment_group_id": "G1", "invoice_id": "I1"})
NAME = ("guest", "name")
KNOWN: dict[tuple[str, str], dict[str, Any]] = {
    ("group", "g1"): {"guest": "a1", "services": ["Massage"]},
    ("guest", "a1"): {"name": "Ann Lee"},
}


def names(event: Event, known: Mapping[tuple[str, str], Mapping[str, Any]]) -> Names:
    return Names(event, lambda kind, id_: known.get((kind, str(id_).lower()), {}))


@pytest.mark.parametrize(
    ("known", "wants", "awaited"),
    [
        (KNOWN, [NAME], ()),
        ({}, [NAME], ("group g1", "invoice i1")),
        # The guest's id alone does not say who it is.
        ({("group", "g1"): {"guest": "a1"}}, [NAME], ("group g1", "guest a1", "invoice i1")),
        # One field of a thing that is known may be missing for ever.
        (KNOWN, [NAME, ("guest", "phone")], ()),
        (KNOWN, [("guest", "phone")], ("group g1", "guest a1", "invoice i1")),
        # A name is not replaced by something else that is known.
        (
            {("group", "g1"): {"guest": "a1"}, ("guest", "a1"): {"email": "ann@example.com"}},
            [NAME, ("guest", "email")],
            ("group g1", "guest a1", "invoice i1"),
        ),
        (KNOWN, [("guest", "opted_out")], ()),
        ({}, [("group", "services")], ("group g1",)),
        ({}, [("session", "name")], ()),  # nothing points to a class
        ({}, [("group", "id")], ()),
        ({}, [], ()),
    ],
)
def test_a_message_waits_for_the_things_that_may_teach_what_it_lacks(
    known: dict[tuple[str, str], dict[str, Any]], wants: list[tuple[str, str]], awaited: tuple[str, ...]
) -> None:
    assert names(STATUS, known).awaited(wants) == awaited


@pytest.mark.parametrize(("known", "waits"), [(KNOWN, False), ({}, True)])
def test_only_a_message_that_lacks_a_name_is_due_later(
    known: dict[tuple[str, str], dict[str, Any]], waits: bool
) -> None:
    hold = Hold(timedelta(seconds=20), lambda names: names.awaited([NAME]))  # type: ignore[attr-defined]
    rule = Rule(id="r", events=("appointmentgroup.status",), notify=("desk",), hold=hold)
    rules, said = RuleSet("hash", (rule,)), names(STATUS, known)
    [decision], _ = concluded(examine(STATUS, said, rules), said, rules, {}, START)
    [duty] = decision.duties
    assert duty.due == START + timedelta(seconds=20 if waits else 0)
    assert duty.awaited == (("group g1", "invoice i1") if waits else ())


@pytest.mark.parametrize(("number", "waits"), [(None, True), (7, False)], ids=["alone", "gathered"])
def test_a_digest_does_not_wait_for_the_name_of_its_last_event(number: int | None, waits: bool) -> None:
    hold = Hold(timedelta(seconds=20), lambda names: names.awaited([NAME]))  # type: ignore[attr-defined]
    rule = Rule(id="r", events=("*",), notify=("desk",), digest=Digest(every=timedelta(hours=1)), hold=hold)
    said, windows = names(STATUS, {}), Windows({}, lambda: 1)
    scene = Scene(names=said, rules=RuleSet("hash", (rule,)), windows=windows, at=START, now=START)
    message = Outgoing(rule=rule, notify=rule.notify, number=number, counted=3)
    [duty] = send(message, scene).duties
    assert (duty.due > START, bool(duty.awaited)) == (waits, waits)
