"""Channels that are paused, limited, or fall back: exact times on a clock that the test moves, on a real store."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.carrying import BUSY, FIRST, RETRY, SENT, ScriptedChannel, World, keep
from tests.fakes import START
from zennotify.core.model import Form, Label, Message, Outcome, Result, Room
from zennotify.core.pause import Cause
from zennotify.core.rate import Rate
from zennotify.core.verdict import Fallback, OnUnknown
from zennotify.outbox import Outbox
from zennotify.store.number import delivery_id
from zennotify.store.rows import Begun, Claimed, NewDelivery, Withheld
from zennotify.store.transaction import Transaction

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WRONG_TOKEN = Result(outcome=Outcome.BLOCKED, detail="HTTP 401: invalid_auth")
REFUSED = Result(outcome=Outcome.PERMANENT, detail="HTTP 400")
UNKNOWN = Result(outcome=Outcome.UNKNOWN, detail="no answer; the message may have arrived")
TOO_MANY = Result(outcome=Outcome.TEMPORARY, detail="HTTP 429", retry_after=10 * MINUTE, of_channel=True)
MAIL = Fallback("mail", 15 * MINUTE)


def states(world: World, channel: str = "desk") -> Counter[str]:
    found = world.store.reader.deliveries(channel=channel, most=10_000)
    return Counter(f"{one.state} {one.reason}".strip() for one in found)


def is_quiet(world: World, outbox: Outbox) -> bool:
    """Whether all is sent, or waits for the channel's next probe."""
    found = states(world)
    waits = found["pending"] + found["pending blocked"] + found["sending"] + found["sending blocked"]
    pause = outbox.pauses().get("desk")
    return waits == 0 or (pause is not None and pause.until in world.clock.alarms)


def texts(channel: ScriptedChannel) -> list[str]:
    return [text for _, text in channel.sent]


def moments(channel: ScriptedChannel) -> list[timedelta]:
    return [moment - START for moment, _ in channel.sent]


# --- paused


async def test_a_429_stops_the_whole_channel_and_one_message_tries_it_again(world: World) -> None:
    channel = ScriptedChannel(world.clock, TOO_MANY)
    world.start(world.way("desk", channel, concurrency=1))
    await world.owe(*range(20))
    await world.until_asleep(START + 10 * MINUTE)
    await world.until(lambda: states(world) == {"pending": 20})
    assert len(channel.sent) == 1
    await world.pass_time(10 * MINUTE, 10 * MINUTE)  # the probe meets it again
    await world.until(lambda: states(world) == {"pending": 20})
    assert moments(channel) == [timedelta(0), 10 * MINUTE]
    assert len(set(texts(channel))) == 1, "the oldest message is the probe"
    channel.answer(SENT)
    await world.clock.advance(10 * MINUTE)
    await world.until(lambda: states(world) == {"delivered": 20})
    assert channel.most_at_once == 1
    assert [attempt.outcome for attempt in world.delivery(1).attempts] == ["temporary", "temporary", "sent"]


async def test_what_waits_behind_a_429_uses_up_no_tries(world: World) -> None:
    channel = ScriptedChannel(world.clock, TOO_MANY)
    world.start(world.way("desk", channel, concurrency=1))
    await world.owe(1)
    await world.until_asleep(START + 10 * MINUTE)
    for _ in range(3 * len(RETRY)):
        await world.pass_time(10 * MINUTE, 10 * MINUTE)
    await world.until(lambda: states(world) == {"pending": 1})
    channel.answer(SENT)
    await world.clock.advance(10 * MINUTE)
    await world.until(lambda: states(world) == {"delivered": 1})


async def test_a_wrong_token_pauses_the_channel_longer_and_longer_and_loses_nothing(world: World) -> None:
    channel, mail = ScriptedChannel(world.clock, WRONG_TOKEN), ScriptedChannel(world.clock)
    outbox = world.start(world.way("desk", channel, concurrency=1), world.way("mail", mail), ops="mail")
    await world.owe(*range(30))
    await world.until_asleep(START + MINUTE)
    for wait in (5, 15, 60, 60, 60):
        until = next(iter(outbox.pauses().values())).until
        await world.pass_time(until - world.clock.now(), wait * MINUTE)
    assert moments(channel) == [minutes * MINUTE for minutes in (0, 1, 6, 21, 81, 141)]
    await world.until(lambda: states(world) == {"pending blocked": 6, "pending": 24})
    pause = outbox.pauses()["desk"]
    assert (pause.cause, pause.since, pause.detail) == (Cause.BLOCKED, START, "HTTP 401: invalid_auth")
    assert world.store.reader.pauses() == outbox.pauses()
    assert b'zennotify_channel_paused{channel="desk"} 1.0' in world.metrics.text()
    assert b'zennotify_channel_paused{channel="mail"} 0.0' in world.metrics.text()

    channel.answer(SENT)
    await world.clock.advance(HOUR)
    await world.until(lambda: states(world) == {"delivered": 30})
    assert outbox.pauses() == world.store.reader.pauses() == {}
    await world.until(lambda: len(mail.sent) == 2)
    told, ended = texts(mail)
    assert "Channel desk cannot send: HTTP 401" in told
    assert "in 60 s one message tries again" in told
    assert "Channel desk sends again; it was paused for 3 h." in ended


async def test_a_message_that_the_provider_forbids_does_not_stop_the_others_for_ever(world: World) -> None:
    poison = f"text of {delivery_id(FIRST)}"

    class Picky(ScriptedChannel):
        def send(self, message: Message, label: Label) -> Result:
            super().send(message, label)
            return WRONG_TOKEN if message.body == poison else SENT

    channel = Picky(world.clock)
    outbox = world.start(world.way("desk", channel, concurrency=1))
    for number in range(1, 60):
        await world.owe(number)
        await world.until(lambda: is_quiet(world, outbox))
        await world.clock.advance(MINUTE)
    await world.until(lambda: states(world) == {"dead exhausted": 1, "delivered": 58})
    assert texts(channel).count(poison) <= 2 * len(RETRY)


async def test_a_channels_own_trouble_is_told_by_its_fallback(world: World) -> None:
    mail, sms = ScriptedChannel(world.clock, WRONG_TOKEN), ScriptedChannel(world.clock)
    fallback = Fallback("sms", HOUR)
    world.start(world.way("mail", mail, concurrency=1, fallback=fallback), world.way("sms", sms), ops="mail")
    await world.owe(1, channel="mail")
    await world.until(lambda: len(sms.sent) == 1)
    assert "Channel mail cannot send" in texts(sms)[0]
    assert len(mail.sent) == 1


async def test_a_channels_own_trouble_is_not_told_by_itself(world: World) -> None:
    mail = ScriptedChannel(world.clock, WRONG_TOKEN)
    world.start(world.way("mail", mail, concurrency=1), ops="mail")
    await world.owe(1, channel="mail")
    await world.until_asleep(START + MINUTE)
    assert len(world.store.reader.deliveries()) == 1


async def test_a_channel_that_fails_for_long_is_told_and_a_short_failure_is_not(world: World) -> None:
    channel, mail = ScriptedChannel(world.clock, BUSY), ScriptedChannel(world.clock)
    outbox = world.start(world.way("desk", channel, concurrency=1), world.way("mail", mail), ops="mail")
    await world.owe(*range(20))
    await world.until_asleep(START + 5 * SECOND)
    waits = [15, 30, *[60] * 5]
    for wait in waits:
        assert mail.sent == []
        until = outbox.pauses()["desk"].until
        await world.pass_time(until - world.clock.now(), wait * SECOND)
    await world.clock.advance(MINUTE)
    await world.until(lambda: len(mail.sent) == 1)
    assert "Channel desk cannot send for 5 min: HTTP 503" in texts(mail)[0]


async def test_many_refusals_in_a_row_do_not_kill_what_waits(world: World) -> None:
    channel = ScriptedChannel(world.clock, REFUSED)
    world.start(world.way("desk", channel, concurrency=1))
    await world.owe(*range(30))
    await world.until_asleep(START + MINUTE)
    await world.until(lambda: states(world) == {"dead refused": 3, "pending": 27})


async def test_a_pause_outlives_a_restart_where_the_provider_wished_for_it(world: World) -> None:
    channel = ScriptedChannel(world.clock, TOO_MANY, SENT)
    world.start(world.way("desk", channel, concurrency=1))
    await world.owe(1, 2)
    await world.until_asleep(START + 10 * MINUTE)
    await world.restart(world.way("desk", channel, concurrency=1))
    await world.until_asleep(START + 10 * MINUTE)
    assert len(channel.sent) == 1
    await world.clock.advance(10 * MINUTE)
    await world.until(lambda: states(world) == {"delivered": 2})


async def test_after_a_restart_a_blocked_channel_is_tried_at_once(world: World) -> None:
    channel = ScriptedChannel(world.clock, WRONG_TOKEN, SENT)
    world.start(world.way("desk", channel, concurrency=1))
    await world.owe(1, 2)
    await world.until_asleep(START + MINUTE)
    await world.until(lambda: states(world) == {"pending blocked": 1, "pending": 1})
    await world.restart(world.way("desk", channel, concurrency=1))
    await world.until(lambda: states(world) == {"delivered": 2})


async def test_somebody_who_asks_for_a_retry_does_not_wait_for_the_pause(world: World) -> None:
    channel = ScriptedChannel(world.clock, WRONG_TOKEN, SENT)
    outbox = world.start(world.way("desk", channel, concurrency=1))
    await world.owe(1, 2)
    await world.until_asleep(START + MINUTE)
    await outbox.try_now()
    await world.until(lambda: states(world) == {"delivered": 2})


async def test_a_message_sent_by_hand_opens_a_paused_channel(world: World) -> None:
    channel = ScriptedChannel(world.clock, WRONG_TOKEN, SENT)
    outbox = world.start(world.way("desk", channel, concurrency=1))
    await world.owe(1)
    await world.until_asleep(START + MINUTE)
    message = Message(title="[TEST]", body="by hand", form=Form.CHAT)
    assert outbox.send_by_hand("desk", message, Label("test")) == SENT
    await world.until(lambda: states(world) == {"delivered": 1})
    assert texts(channel)[1] == "by hand"


async def test_the_owners_read_last_what_is_true(world: World) -> None:
    channel, mail = ScriptedChannel(world.clock, WRONG_TOKEN, SENT, WRONG_TOKEN), ScriptedChannel(world.clock)
    world.start(world.way("desk", channel, concurrency=1), world.way("mail", mail), ops="mail")
    await world.owe(1)
    await world.until_asleep(START + MINUTE)
    await world.clock.advance(MINUTE)
    await world.until(lambda: len(mail.sent) == 2)
    await world.owe(2)
    await world.until(lambda: len(mail.sent) == 3)
    told = ["is paused" if "cannot send" in text else "works" for text in texts(mail)]
    assert told == ["is paused", "works", "is paused"]


async def test_a_hook_that_refuses_is_not_reported_as_mended_by_a_retry(world: World) -> None:
    channel, mail = ScriptedChannel(world.clock, REFUSED), ScriptedChannel(world.clock)
    outbox = world.start(world.way("desk", channel, concurrency=1), world.way("mail", mail))
    await world.owe(*range(30))
    await world.until_asleep(START + MINUTE)
    await outbox.try_now()
    await world.until(lambda: states(world)["dead refused"] == 4)
    await world.until_asleep(START + 5 * MINUTE)
    await world.restart(world.way("desk", channel, concurrency=1), world.way("mail", mail), ops="mail")
    await world.until(lambda: states(world)["dead refused"] == 5)
    await world.until(lambda: len(mail.sent) == 2)
    assert sum("is paused" in text or "cannot send" in text for text in texts(mail)) == 1
    assert not any("sends again" in text for text in texts(mail))


async def test_a_clock_that_was_hours_ahead_does_not_stop_a_channel_for_hours(world: World) -> None:
    channel = ScriptedChannel(world.clock, BUSY, SENT)
    world.start(world.way("desk", channel, concurrency=1))
    await world.owe(1)
    await world.until_asleep(START + 5 * SECOND)
    world.clock.set_back(8 * HOUR)
    now = world.clock.now()

    def owe(transaction: Transaction) -> None:
        transaction.add_deliveries([NewDelivery(1, "other", "desk", "", now, now)])

    await world.store.writer.call(owe)
    assert world.outbox is not None
    world.outbox.wake({"desk"})
    await world.until(lambda: states(world) == {"pending": 1, "delivered": 1})


async def test_a_probe_that_hangs_is_followed_by_a_longer_pause(world: World) -> None:
    channel = ScriptedChannel(world.clock, BUSY)
    outbox = world.start(world.way("desk", channel, concurrency=1, timeout=0.05))
    await world.owe(*range(5))
    await world.until_asleep(START + 5 * SECOND)
    channel.open.clear()
    await world.clock.advance(5 * SECOND)
    await world.until(lambda: outbox.pauses()["desk"].probes == 1)
    await world.until_asleep(START + 20 * SECOND)
    channel.open.set()
    assert len(channel.sent) == 2


async def test_a_paused_fallback_still_hears_of_it(world: World) -> None:
    mail, sms = ScriptedChannel(world.clock, WRONG_TOKEN), ScriptedChannel(world.clock, BUSY)
    way = world.way("mail", mail, concurrency=1, fallback=Fallback("sms", HOUR))
    world.start(way, world.way("sms", sms, concurrency=1), ops="mail")
    await world.owe(1, channel="sms")
    await world.until_asleep(START + 5 * SECOND)
    await world.owe(2, channel="mail")
    await world.until_asleep(START + MINUTE)
    await world.until(lambda: len(world.store.reader.deliveries(channel="sms")) == 2)


# --- limited


PER_SECOND = Rate(1, SECOND, "1/s")


async def test_a_rate_holds_for_all_threads_and_the_oldest_go_first(world: World) -> None:
    channel = ScriptedChannel(world.clock)
    world.start(world.way("desk", channel, rates=[Rate(2, MINUTE, "2/m")]))
    await world.owe(*range(7))
    for number in range(3):
        await world.until_asleep(START + (number + 1) * 61 * SECOND)
        assert len(channel.sent) == 2 * (number + 1)
        await world.clock.advance(61 * SECOND)
    await world.until(lambda: states(world) == {"delivered": 7})
    oldest_first = [f"text of {delivery_id(FIRST + number)}" for number in range(7)]
    for place in range(0, 7, 2):  # two go at once, in any order
        assert set(texts(channel)[place : place + 2]) == set(oldest_first[place : place + 2])


async def test_a_restart_does_not_forget_what_was_sent(world: World) -> None:
    channel, rates = ScriptedChannel(world.clock), [Rate(3, HOUR, "3/h")]
    world.start(world.way("desk", channel, rates=rates))
    await world.owe(*range(5))
    await world.until(lambda: len(channel.sent) == 3)
    await world.until_asleep(START + 61 * MINUTE)
    await world.restart(world.way("desk", channel, rates=rates))
    await world.until_asleep(START + 61 * MINUTE)
    assert len(channel.sent) == 3
    await world.clock.advance(61 * MINUTE)
    await world.until(lambda: states(world) == {"delivered": 5})


async def test_tries_that_fail_count_against_the_rate(world: World) -> None:
    channel = ScriptedChannel(world.clock, BUSY, SENT)
    world.start(world.way("desk", channel, rates=[Rate(1, MINUTE, "1/m")]))
    await world.owe(1)
    await world.until_asleep(START + 61 * SECOND)
    await world.clock.advance(61 * SECOND)
    await world.until(lambda: states(world) == {"delivered": 1})
    assert moments(channel) == [timedelta(0), 61 * SECOND]


async def test_a_message_by_hand_counts_and_is_refused_when_the_rate_is_used_up(world: World) -> None:
    channel = ScriptedChannel(world.clock)
    outbox = world.start(world.way("desk", channel, rates=[Rate(1, MINUTE, "1/m")]))
    message = Message(title="", body="by hand", form=Form.CHAT)
    assert outbox.send_by_hand("desk", message, Label("test")).outcome is Outcome.SENT
    refused = outbox.send_by_hand("desk", message, Label("test"))
    assert (refused.outcome, refused.detail) == (
        Outcome.TEMPORARY,
        "not sent: the rate of this channel is used up for another 61 s",
    )
    await world.restart(world.way("desk", channel, rates=[Rate(1, MINUTE, "1/m")]))
    await world.owe(1)
    await world.until_asleep(START + 61 * SECOND)
    assert texts(channel) == ["by hand"]


# --- unknown


async def die_while_sending(world: World, *numbers: int) -> None:
    """Leave deliveries as a process does that dies in the middle of their sends."""
    await world.store.writer.call(keep, numbers, "desk")

    def begin(transaction: Transaction) -> None:
        claimed = transaction.claim("desk", len(numbers), "dead", START, START + HOUR)
        message = Message(title="Title", body="kept text", form=Form.CHAT)
        transaction.begin(
            [
                Begun(delivery=one.id, lease="dead", number=1, started=START, message=message, channel="desk")
                for one in claimed
            ]
        )

    await world.store.writer.call(begin)


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


def keep_of(transaction: Transaction, place: int) -> None:
    transaction.add_deliveries([NewDelivery(place, "r", "mail", "", START, START)])


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
