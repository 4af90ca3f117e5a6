"""Escalations, and who takes them: on a real store, with a clock that the test moves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.carrying import BUSY, SENT
from tests.escalating import MINUTE, PUBLIC_URL, Escalation, escalating
from zennotify.acknowledgement import MOST_NAME, taker
from zennotify.core.escalation import Step
from zennotify.core.model import Names
from zennotify.core.notify import Directory, GuestChannel
from zennotify.core.rule import RuleSet
from zennotify.errors import LinkError, LinkExpired
from zennotify.store.number import delivery_number
from zennotify.store.transaction import Transaction

HOUR = 60 * MINUTE


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Escalation]:
    made = Escalation(tmp_path)
    await made.begin()
    yield made
    await made.close()


# --- without an acknowledgement --------------------------------------------------------------------------------


async def test_each_step_tells_its_channels_in_its_time(world: Escalation) -> None:
    await world.happens()
    assert world.told() == {"desk": 1, "lead": 0, "owner": 0}
    await world.later(10 * MINUTE - timedelta(seconds=1))
    assert world.told() == {"desk": 1, "lead": 0, "owner": 0}
    await world.later(timedelta(seconds=1))
    assert world.told() == {"desk": 1, "lead": 1, "owner": 0}
    await world.later(20 * MINUTE)
    assert world.told() == {"desk": 1, "lead": 2, "owner": 1}
    await world.later(100 * HOUR)
    assert world.told() == {"desk": 1, "lead": 2, "owner": 1}


async def test_steps_come_after_a_restart_and_what_was_due_meanwhile_comes_at_once(world: Escalation) -> None:
    await world.happens()
    await world.start_anew()
    await world.later(10 * MINUTE)
    assert world.told() == {"desk": 1, "lead": 1, "owner": 0}
    await world.clock.advance(2 * HOUR)
    await world.start_anew()
    await world.fire()
    assert world.told() == {"desk": 1, "lead": 2, "owner": 1}
    assert world.to("owner").meant is not None
    await world.start_anew()
    await world.fire()
    assert world.told() == {"desk": 1, "lead": 2, "owner": 1}


async def test_what_was_cancelled_before_anybody_was_told_is_not_escalated(world: Escalation) -> None:
    await world.happens()
    told = world.to("desk")
    await world.store.writer.call(_unsent, told.id)
    await world.store.writer.call(Transaction.cancel, told.id)
    await world.later(HOUR)
    assert world.to("desk").reason == "cancelled by hand"
    assert world.told() == {"desk": 1, "lead": 0, "owner": 0}
    assert world.store.reader.timers() == []


async def test_what_could_not_be_sent_is_escalated(world: Escalation) -> None:
    """Whoever should have heard of it has not, so the next one has to."""
    await world.happens()
    await world.store.writer.call(_unsent, world.to("desk").id, "dead")
    await world.later(10 * MINUTE)
    assert world.told() == {"desk": 1, "lead": 1, "owner": 0}


def _unsent(transaction: Transaction, delivery: str, state: str = "pending") -> None:
    number = delivery_number(delivery)
    # Far off, so that it is not sent meanwhile.
    transaction._connection.exec_driver_sql(
        f"UPDATE deliveries SET state = '{state}', due = due * 2 WHERE seq = {number}"
    )


async def test_the_owners_hear_of_a_step_that_tells_nobody(tmp_path: Path) -> None:
    def nobody(_names: Names) -> str:
        return ""

    guests = {"lead": GuestChannel(recipient=nobody, medium="sms", to="{{ guest.phone }}")}
    world = Escalation(tmp_path)
    world.rules = RuleSet("first", world.rules.rules, Directory(guests=guests))
    world.decider.use(world.rules)
    await world.begin()
    await world.happens()
    await world.later(10 * MINUTE)
    await world.until(lambda: len(world.channels["desk"].sent) == 2)
    await world.until_sent()
    [told] = [one for one in world.store.reader.deliveries() if one.rule == "(ops)"]
    assert told.title == "zennotify: the next step of rule r tells nobody"
    assert "lead: 'to' gives no address for this event" in (told.message or "")
    await world.later(20 * MINUTE)
    assert world.told() == {"desk": 2, "lead": 0, "owner": 1}
    await world.close()


# --- somebody takes it -----------------------------------------------------------------------------------------


async def test_whoever_takes_it_ends_the_escalation_and_the_others_hear_of_it(world: Escalation) -> None:
    await world.happens()
    await world.later(10 * MINUTE)
    standing = await world.acknowledger.take(world.to("desk").id, "Ann  Lee ")
    assert standing is not None
    assert (standing.rule, standing.sent) == ("A guest did not come", "Sun, Mar 1, 1:00 PM")
    assert (standing.by, standing.at, standing.is_new) == ("Ann Lee", "Sun, Mar 1, 1:10 PM", True)
    await world.until_sent()
    assert world.told() == {"desk": 2, "lead": 2, "owner": 0}
    first = {one.channel: one.id[:8] for one in world.store.reader.deliveries() if one.step < 100}
    for channel in ("desk", "lead"):
        told = world.to(channel)
        assert (told.title, told.step, told.state) == ("A guest did not come", 100, "delivered")
        about = f"Taken by Ann Lee, 1:10 PM: message {first[channel]}."
        assert told.message == f"{about}\n\nRef {told.id[:8]}"
    await world.later(100 * HOUR)
    assert world.told() == {"desk": 2, "lead": 2, "owner": 0}


async def test_whoever_comes_later_learns_who_was_first_and_changes_nothing(world: Escalation) -> None:
    await world.happens()
    await world.later(10 * MINUTE)
    await world.acknowledger.take(world.to("lead").id, "Ann")
    await world.later(MINUTE)
    for delivery in (world.to("desk"), world.to("lead"), *world.store.reader.deliveries()):
        standing = await world.acknowledger.take(delivery.id, "Bob")
        assert standing is not None
        assert (standing.by, standing.at, standing.is_new) == ("Ann", "Sun, Mar 1, 1:10 PM", False)
    await world.until_sent()
    assert world.told() == {"desk": 2, "lead": 2, "owner": 0}


async def test_it_holds_over_a_restart(world: Escalation) -> None:
    await world.happens()
    await world.acknowledger.take(world.to("desk").id, "Ann")
    await world.start_anew()
    await world.later(HOUR)
    assert world.told() == {"desk": 2, "lead": 0, "owner": 0}
    standing = await world.acknowledger.look(world.to("desk").id)
    assert standing is not None
    assert standing.by == "Ann"


async def test_another_event_of_the_rule_goes_on(world: Escalation) -> None:
    await world.happens()
    first = world.to("desk").id
    await world.happens()
    await world.acknowledger.take(first, "Ann")
    await world.later(HOUR)
    assert world.told() == {"desk": 3, "lead": 2, "owner": 1}


async def test_a_step_that_waits_is_cancelled(world: Escalation) -> None:
    world.channels["lead"].answer(BUSY)
    await world.happens()
    await world.later(10 * MINUTE)
    tries = world.told()["lead"]
    assert tries >= 1
    await world.acknowledger.take(world.to("desk").id, "Ann")
    world.channels["lead"].answer(SENT)
    await world.later(HOUR)
    assert world.told()["lead"] == tries
    assert (world.to("lead").state, world.to("lead").reason) == ("cancelled", "acknowledged")


@pytest.mark.parametrize("change", ["switched off", "removed", "without escalate", "renamed"])
async def test_a_rule_that_was_changed_is_taken_all_the_same(world: Escalation, change: str) -> None:
    await world.happens()
    changed = {
        "switched off": [escalating(enabled=False)],
        "removed": [],
        "without escalate": [escalating(steps=())],
        "renamed": [escalating("new", renamed_from="r")],
    }
    world.use(*changed[change])
    if change == "renamed":
        await world.later(10 * MINUTE)
        assert world.to("lead").rule == "new"
    standing = await world.acknowledger.take(world.to("desk").id, "Ann")
    assert standing is not None
    assert (standing.rule, standing.by) == ("A guest did not come", "Ann")
    before = world.told()["lead"]
    await world.later(HOUR)
    assert world.told()["owner"] == 0
    assert world.told()["lead"] == before + (change == "renamed")  # it hears who took it
    again = await world.acknowledger.take(world.store.reader.deliveries()[0].id, "Bob")
    assert again is not None
    assert again.by == "Ann"


async def test_a_message_of_a_rule_without_steps_can_be_taken(tmp_path: Path) -> None:
    world = Escalation(tmp_path, replace(escalating(steps=()), description="", notify=("desk", "lead")))
    await world.begin()
    await world.happens()
    standing = await world.acknowledger.take(world.to("desk").id, "Ann")
    assert standing is not None
    assert (standing.rule, standing.is_new) == ("r", True)
    await world.until_sent()
    assert world.told() == {"desk": 2, "lead": 2, "owner": 0}
    assert world.to("lead").title == "r"
    await world.close()


async def test_a_name_is_only_text_in_the_message(tmp_path: Path) -> None:
    world = Escalation(tmp_path, escalating(steps=(Step(MINUTE, ("lead",)),)))
    await world.begin()
    await world.happens()
    await world.acknowledger.take(world.to("desk").id, "<!channel> *Ann* [x](https://evil.example) @here")
    await world.until_sent()
    said = world.to("desk").message or ""
    assert "<!channel>" not in said
    assert "[x](" not in said
    await world.close()


# --- links -----------------------------------------------------------------------------------------------------


async def test_a_link_leads_back_to_its_delivery_until_it_is_over_also_after_a_restart(
    world: Escalation,
) -> None:
    await world.happens()
    delivery = world.to("desk").id
    url = world.acknowledger.url(delivery)
    assert re.fullmatch(rf"{PUBLIC_URL}/ack/[a-z2-7]{{29}}", url)
    token = url.rpartition("/")[2]
    await world.start_anew()
    assert world.acknowledger.delivery_of(token) == delivery
    await world.clock.advance(timedelta(days=7, hours=1))
    with pytest.raises(LinkExpired):
        world.acknowledger.delivery_of(token)
    with pytest.raises(LinkError):
        world.acknowledger.delivery_of(token[::-1])


async def test_what_is_not_there_is_not_taken(world: Escalation) -> None:
    await world.happens()
    assert await world.acknowledger.take("00000000", "Ann") is None
    assert await world.acknowledger.look("what") is None
    assert await world.acknowledger.command({"id": "00000000", "by": "Ann"}) == {}


# --- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Ann", "Ann"),
        ("  Ann \u00a0 Lee\u3000", "Ann Lee"),
        ("x" * 200, "x" * MOST_NAME),
        ("Zoë Müller-李 👩\u200d🔧", "Zoë Müller-李 👩\u200d🔧"),
        ("<b>Ann</b>", "<b>Ann</b>"),
    ],
)
def test_a_name_is_kept_in_one_line_and_not_too_long(written: str, kept: str) -> None:
    assert taker(written) == kept


@pytest.mark.parametrize(
    "written",
    ["", "  ", "\u200d", "Ann\nLee", "Ann\x00", "a\x1b[2J", "\u202eAnn", "a\ud800", "a\u2028b", "a\tb"],
)
def test_what_is_no_name_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="name"):
        taker(written)
