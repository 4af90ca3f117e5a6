"""Channels that are paused, or held to a rate: exact times on a clock that the test moves, on a real store."""

from __future__ import annotations

from datetime import timedelta

from tests.carrying import (
    BUSY,
    FIRST,
    HOUR,
    MINUTE,
    REFUSED,
    RETRY,
    SECOND,
    SENT,
    TOO_MANY,
    WRONG_TOKEN,
    ScriptedChannel,
    World,
    is_quiet,
    moments,
    states,
    texts,
)
from tests.fakes import START
from zennotify.core.model import Form, Label, Message, Outcome, Result
from zennotify.core.pause import Cause
from zennotify.core.rate import Rate
from zennotify.core.verdict import Fallback
from zennotify.store.number import delivery_id
from zennotify.store.rows import NewDelivery
from zennotify.store.transaction import Transaction

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
