"""What may have arrived, what falls back, and what has become too old: on a clock that the test moves."""

from __future__ import annotations

import pytest

from tests.carrying import (
    BUSY,
    FIRST,
    HOUR,
    MAIL,
    MINUTE,
    REFUSED,
    SECOND,
    SENT,
    TOO_MANY,
    UNKNOWN,
    WRONG_TOKEN,
    ScriptedChannel,
    World,
    die_while_sending,
    keep,
    keep_of,
    moments,
    states,
    texts,
)
from tests.fakes import START
from zennotify.core.model import Form, Message, Room
from zennotify.core.rate import Rate
from zennotify.core.verdict import Fallback, OnUnknown
from zennotify.store.number import delivery_id
from zennotify.store.rows import Claimed, NewDelivery, Withheld
from zennotify.store.transaction import Transaction

# --- unknown


async def test_what_may_have_arrived_is_sent_again_and_labelled_as_a_repeat(world: World) -> None:
    channel = ScriptedChannel(world.clock, UNKNOWN, SENT)
    world.start(world.way("desk", channel))
    await world.owe(1)
    await world.until_asleep(START + 5 * SECOND)
    await world.clock.advance(5 * SECOND)
    await world.until(lambda: states(world) == {"delivered": 1})
    assert [label.is_repeat for label in channel.labels] == [False, True]
    assert len({label.delivery for label in channel.labels}) == 1


@pytest.mark.parametrize(
    ("on_unknown", "state", "sent"),
    [
        (OnUnknown.RESEND, "delivered", 1),
        (OnUnknown.HOLD, "dead maybe_sent", 0),
        (OnUnknown.ASSUME_SENT, "delivered assumed_sent", 0),
    ],
)
async def test_what_a_dead_process_was_sending_is_treated_by_the_channels_setting(
    world: World, on_unknown: OnUnknown, state: str, sent: int
) -> None:
    await die_while_sending(world, 1)
    channel = ScriptedChannel(world.clock)
    await world.restart(world.way("desk", channel, on_unknown=on_unknown))
    await world.until(lambda: states(world) == {state: 1})
    assert len(channel.sent) == sent
    assert all(label.is_repeat for label in channel.labels)
    assert world.delivery(1).attempts[0].outcome == "unknown"


@pytest.mark.parametrize("on_unknown", [OnUnknown.HOLD, OnUnknown.ASSUME_SENT])
async def test_what_may_have_arrived_is_not_sent_again_where_that_is_not_wanted(
    world: World, on_unknown: OnUnknown
) -> None:
    channel = ScriptedChannel(world.clock, UNKNOWN)
    world.start(world.way("desk", channel, on_unknown=on_unknown))
    await world.owe(1)
    await world.until(lambda: world.delivery(1).state != "sending" and world.delivery(1).attempts != ())
    await world.clock.advance(100 * HOUR)
    assert len(channel.sent) == 1


async def test_what_is_held_is_sent_when_somebody_says_so(world: World) -> None:
    channel = ScriptedChannel(world.clock, UNKNOWN, SENT)
    outbox = world.start(world.way("desk", channel, on_unknown=OnUnknown.HOLD))
    await world.owe(1)
    await world.until(lambda: states(world) == {"dead maybe_sent": 1})
    await world.store.writer.call(Transaction.revive, world.delivery(1).id, world.clock.now())
    await outbox.try_now()
    await world.until(lambda: states(world) == {"delivered": 1})
    assert [label.is_repeat for label in channel.labels] == [False, True]


# --- fallbacks


async def test_what_is_refused_is_told_by_the_fallback_at_once(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock, REFUSED), ScriptedChannel(world.clock)
    world.start(world.way("desk", desk, fallback=MAIL), world.way("mail", mail))
    await world.owe(1)
    await world.until(lambda: states(world, "mail") == {"delivered": 1})
    [instead] = world.store.reader.deliveries(channel="mail")
    assert (instead.instead_of, instead.event) == (world.delivery(1).id, world.delivery(1).event)
    assert states(world) == {"dead refused": 1}


async def test_what_waits_too_long_in_a_pause_falls_back_in_time(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock, WRONG_TOKEN), ScriptedChannel(world.clock)
    world.start(world.way("desk", desk, concurrency=1, fallback=MAIL), world.way("mail", mail))
    await world.owe(*range(5))
    await world.until_asleep(START + MINUTE)
    await world.pass_time(MINUTE, 5 * MINUTE)
    await world.pass_time(5 * MINUTE, 9 * MINUTE)  # what is due at 15:00 comes before the probe at 21:00
    assert mail.sent == []
    await world.clock.advance(9 * MINUTE)
    await world.until(lambda: states(world, "mail") == {"delivered": 5})
    assert states(world) == {"cancelled fallback": 5}
    assert set(moments(mail)) == {15 * MINUTE}


async def test_more_than_a_transaction_takes_fall_back(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock, WRONG_TOKEN), ScriptedChannel(world.clock)
    world.start(world.way("desk", desk, concurrency=1, fallback=MAIL), world.way("mail", mail))
    await world.owe(*range(450))
    await world.until_asleep(START + MINUTE)
    await world.clock.advance(HOUR)
    await world.until(lambda: states(world, "mail") == {"delivered": 450})
    assert states(world) == {"cancelled fallback": 450}


async def test_what_a_rate_holds_up_too_long_falls_back(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock), ScriptedChannel(world.clock)
    way = world.way("desk", desk, rates=[Rate(1, HOUR, "1/h")], fallback=MAIL)
    world.start(way, world.way("mail", mail))
    await world.owe(*range(3))
    await world.until(lambda: states(world)["delivered"] == 1)  # else its lease ends when the clock moves
    await world.until_asleep(START + 15 * MINUTE)
    await world.clock.advance(15 * MINUTE)
    await world.until(lambda: states(world, "mail") == {"delivered": 2})
    await world.until(lambda: states(world) == {"delivered": 1, "cancelled fallback": 2})


async def test_a_message_that_only_fails_falls_back_after_its_last_try_in_time(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock, BUSY), ScriptedChannel(world.clock)
    way = world.way("desk", desk, fallback=Fallback("mail", 2 * MINUTE))
    world.start(way, world.way("mail", mail))
    await world.owe(1)
    for wait in (5, 30, 85):
        await world.until_asleep(world.clock.now() + wait * SECOND)
        await world.clock.advance(wait * SECOND)
    await world.until(lambda: states(world, "mail") == {"delivered": 1})
    assert moments(desk) == [seconds * SECOND for seconds in (0, 5, 35, 120)]
    assert states(world) == {"cancelled fallback": 1}


async def test_a_number_of_tries_is_enough_to_fall_back(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock, BUSY), ScriptedChannel(world.clock)
    way = world.way("desk", desk, fallback=Fallback("mail", HOUR, tries=2))
    world.start(way, world.way("mail", mail))
    await world.owe(1)
    await world.until_asleep(START + 5 * SECOND)
    await world.clock.advance(5 * SECOND)
    await world.until(lambda: states(world, "mail") == {"delivered": 1})
    assert len(desk.sent) == 2


async def test_a_fallback_has_a_fallback_of_its_own(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock, REFUSED), ScriptedChannel(world.clock, REFUSED)
    sms = ScriptedChannel(world.clock)
    world.start(
        world.way("desk", desk, fallback=MAIL),
        world.way("mail", mail, fallback=Fallback("sms", MINUTE)),
        world.way("sms", sms),
    )
    await world.owe(1)
    await world.until(lambda: states(world, "sms") == {"delivered": 1})
    assert states(world) == states(world, "mail") == {"dead refused": 1}


async def test_who_is_told_anyway_is_not_told_twice(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock, REFUSED), ScriptedChannel(world.clock)
    world.start(world.way("desk", desk, fallback=MAIL), world.way("mail", mail))

    def also_mail(transaction: Transaction) -> None:
        keep(transaction, (1,), "desk")
        [[place]] = transaction._connection.exec_driver_sql("SELECT max(seq) FROM events").all()
        keep_of(transaction, place)

    await world.store.writer.call(also_mail)
    assert world.outbox is not None
    world.outbox.wake({"desk", "mail"})
    await world.until(lambda: states(world) == {"dead refused": 1})
    await world.until(lambda: states(world, "mail") == {"delivered": 1})
    assert len(mail.sent) == 1


async def test_what_a_dead_process_may_have_sent_falls_back_where_it_is_held(world: World) -> None:
    await die_while_sending(world, 1)
    desk, mail = ScriptedChannel(world.clock), ScriptedChannel(world.clock)
    way = world.way("desk", desk, on_unknown=OnUnknown.HOLD, fallback=MAIL)
    await world.restart(way, world.way("mail", mail))
    await world.until(lambda: states(world, "mail") == {"delivered": 1})
    assert (len(desk.sent), states(world)) == (0, {"dead maybe_sent": 1})


async def test_the_owners_hear_of_what_is_held_after_a_crash(world: World) -> None:
    await die_while_sending(world, 1, 2)
    desk, mail = ScriptedChannel(world.clock), ScriptedChannel(world.clock)
    way = world.way("desk", desk, on_unknown=OnUnknown.HOLD)
    await world.restart(way, world.way("mail", mail), ops="mail")
    await world.until(lambda: len(mail.sent) == 1)
    assert "what it was sending is held until you decide" in texts(mail)[0]


async def test_an_owners_message_does_not_fall_back_nor_keep_the_channel_busy(world: World) -> None:
    mail, sms = ScriptedChannel(world.clock, WRONG_TOKEN), ScriptedChannel(world.clock)
    way = world.way("mail", mail, concurrency=1, fallback=Fallback("sms", MINUTE))
    world.start(way, world.way("sms", sms))

    def owe(transaction: Transaction) -> None:
        transaction.add_deliveries(
            [NewDelivery(None, "(ops)", "mail", "", START, START, window="x", title="t", message="m")]
        )

    await world.store.writer.call(owe)
    assert world.outbox is not None
    world.outbox.wake({"mail"})
    await world.until_asleep(START + MINUTE)
    await world.clock.advance(MINUTE)
    await world.until_asleep(
        START + MINUTE + 10 * SECOND
    )  # what may have waited too long is looked for in peace
    await world.until(lambda: states(world, "mail") == {"pending blocked": 1})
    assert sms.sent == []


async def test_who_has_nobody_to_fall_back_to_stays_where_it_is(world: World) -> None:
    desk, mail = ScriptedChannel(world.clock, TOO_MANY), ScriptedChannel(world.clock, REFUSED)
    world.start(world.way("desk", desk, concurrency=1, fallback=MAIL), world.way("mail", mail, concurrency=1))

    def also_mail(transaction: Transaction) -> None:
        keep(transaction, (1,), "desk")
        keep_of(transaction, 1)

    await world.store.writer.call(also_mail)
    assert world.outbox is not None
    world.outbox.wake({"desk", "mail"})
    await world.until(lambda: states(world, "mail") == {"dead refused": 1})
    await world.until_asleep(START + 10 * MINUTE)
    await world.pass_time(10 * MINUTE, 5 * MINUTE)
    await world.pass_time(5 * MINUTE, 10 * SECOND)
    desk.answer(SENT)
    await world.clock.advance(5 * MINUTE)
    await world.until(lambda: states(world) == {"delivered": 1})


async def test_a_bug_before_the_send_falls_back_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, mail = ScriptedChannel(world.clock), ScriptedChannel(world.clock)

    def render(claimed: Claimed, form: Form, room: Room) -> Message:
        if claimed.channel == "desk":
            raise KeyError("Ann")
        return Message(title="", body="text", form=form)

    monkeypatch.setattr(world, "render", render)
    world.start(world.way("desk", desk, fallback=MAIL), world.way("mail", mail))
    await world.owe(1)
    await world.until(lambda: states(world, "mail") == {"delivered": 1})


# --- too old


async def test_what_waits_in_a_pause_is_written_when_it_is_sent(world: World) -> None:
    channel = ScriptedChannel(world.clock, WRONG_TOKEN)
    written: list[str] = []
    plain = world.render

    def render(claimed: Claimed, form: Form, room: Room) -> Message:
        written.append(claimed.id)
        return plain(claimed, form, room)

    world.render = render  # type: ignore[method-assign]
    world.start(world.way("desk", channel, concurrency=2))
    await world.owe(*range(20))
    await world.until_asleep(START + MINUTE)
    await world.until(lambda: states(world)["sending"] == 0)
    begun = [one for one in world.store.reader.deliveries(state="pending") if one.message is not None]
    assert len(begun) == len(channel.sent) <= 2, "only what was tried has its text"
    channel.answer(SENT)
    await world.clock.advance(MINUTE)
    await world.until(lambda: states(world) == {"delivered": 20})
    assert len(set(written)) == 20


async def test_what_the_rule_does_not_want_any_more_is_cancelled_with_its_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(claimed: Claimed, form: Form, room: Room) -> Message | Withheld:
        if claimed.id == delivery_id(FIRST):
            return Withheld("stale")
        return Message(title="", body="text", form=form)

    monkeypatch.setattr(world, "render", render)
    channel = ScriptedChannel(world.clock)
    world.start(world.way("desk", channel))
    await world.owe(1, 2)
    await world.until(lambda: states(world) == {"cancelled stale": 1, "delivered": 1})
    assert (len(channel.sent), world.delivery(1).attempts) == (1, ())
