"""The outbox on a clock that the test moves: exact times over hours, and what a slow or dying channel does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.carrying import BUSY, FIRST, RETRY, SENT, ScriptedChannel, World, keep, nothing
from tests.fakes import START
from zennotify.channel import ChannelProblem
from zennotify.core.model import Form, Label, Message, Outcome, Result, Room
from zennotify.errors import StoreUnavailable
from zennotify.store.number import delivery_id
from zennotify.store.rows import Claimed
from zennotify.store.transaction import Transaction


async def test_a_failing_delivery_is_tried_at_exact_times_for_hours_and_is_dead_then(world: World) -> None:
    channel = ScriptedChannel(world.clock, BUSY)
    world.start(world.way("desk", channel))
    await world.owe(1)
    for number in range(1, len(RETRY)):
        due = world.clock.now() + RETRY[number]
        if number >= 4:  # as many failures as threads: the channel is paused, which changes nothing here
            pause = timedelta(seconds=(5, 15, 30, 60)[number - 4])
            await world.until_asleep(world.clock.now() + pause)
            await world.clock.advance(pause)
        await world.until_asleep(due)
        assert len(world.delivery(1).attempts) == number
        await world.clock.advance(due - world.clock.now())
    await world.until(lambda: world.delivery(1).state == "dead")

    moments = [moment - START for moment, _ in channel.sent]
    assert moments == [sum(RETRY[1 : count + 1], timedelta(0)) for count in range(len(RETRY))]
    assert moments[-1] == timedelta(hours=17, minutes=35, seconds=35)
    assert world.delivery(1).reason == "exhausted"
    assert {text for _, text in channel.sent} == {f"text of {delivery_id(FIRST)}"}


async def test_a_providers_wish_to_wait_is_respected(world: World) -> None:
    later = Result(outcome=Outcome.TEMPORARY, detail="HTTP 429", retry_after=timedelta(minutes=10))
    channel = ScriptedChannel(world.clock, later, SENT)
    world.start(world.way("desk", channel))
    await world.owe(1)
    await world.until_asleep(START + timedelta(minutes=10))
    await world.clock.advance(timedelta(minutes=9, seconds=59))
    assert len(channel.sent) == 1
    await world.clock.advance(timedelta(seconds=1))
    await world.until(lambda: world.delivery(1).state == "delivered")


async def test_a_refusal_is_not_tried_again(world: World) -> None:
    channel = ScriptedChannel(world.clock, Result(outcome=Outcome.PERMANENT, detail="HTTP 404"))
    world.start(world.way("desk", channel))
    await world.owe(1)
    await world.until(lambda: world.delivery(1).state == "dead")
    assert world.delivery(1).reason == "refused"
    assert [attempt.detail for attempt in world.delivery(1).attempts] == ["HTTP 404"]


async def test_a_channel_never_sends_more_at_once_than_it_may(world: World) -> None:
    channel = ScriptedChannel(world.clock)
    world.start(world.way("desk", channel, concurrency=2))
    await world.owe(*range(30))
    await world.until(lambda: len(world.store.reader.deliveries(state="delivered")) == 30)
    assert channel.most_at_once <= 2


async def test_a_hanging_channel_does_not_hold_up_another(world: World) -> None:
    hanging, good = ScriptedChannel(world.clock), ScriptedChannel(world.clock)
    hanging.open.clear()
    world.start(world.way("hanging", hanging), world.way("good", good))
    await world.owe(*range(10), channel="hanging")
    await world.owe(*range(10, 40), channel="good")
    await world.until(lambda: len(good.sent) == 30)
    assert len(hanging.sent) == 4
    hanging.open.set()
    await world.until(lambda: len(hanging.sent) == 10)


async def test_a_send_without_an_end_is_unknown_and_does_not_keep_its_place(world: World) -> None:
    channel = ScriptedChannel(world.clock)
    channel.open.clear()
    world.start(world.way("desk", channel, concurrency=1, timeout=0.05))
    await world.owe(1, 2)
    await world.until_asleep(START + timedelta(seconds=5))  # as many failures as threads: it is paused
    await world.clock.advance(timedelta(seconds=5))
    await world.until(lambda: len(channel.sent) == 2)
    await world.until(lambda: world.delivery(1).state == "pending")
    [attempt] = world.delivery(1).attempts
    assert (attempt.outcome, attempt.detail) == ("unknown", "no answer within 0.15 s")
    channel.open.set()


async def test_what_waited_longer_than_its_lease_is_not_sent(world: World) -> None:
    channel = ScriptedChannel(world.clock)
    channel.open.clear()
    world.start(world.way("desk", channel, concurrency=1))
    await world.owe(1, 2)
    await world.until(lambda: len(channel.sent) == 1)  # the second is begun, and waits for the thread
    await world.clock.advance(timedelta(hours=1))  # the leases end: the clock was set, or the machine slept
    channel.open.set()
    await world.until(lambda: len(world.store.reader.deliveries(state="delivered")) == 2)
    # Who finds it without a lease, and begun, cannot know that nothing of it left.
    assert sum(text.endswith(f"text of {delivery_id(FIRST + 1)}") for _, text in channel.sent) == 1


async def test_stopping_waits_for_what_is_sent_and_starts_nothing_more(world: World) -> None:
    channel = ScriptedChannel(world.clock)
    channel.open.clear()
    outbox = world.start(world.way("desk", channel, concurrency=1))
    await world.owe(1, 2)
    await world.until(lambda: len(channel.sent) == 1)
    stopping = asyncio.create_task(outbox.stop(timedelta(seconds=10)))
    await world.until(lambda: world.delivery(2).state == "pending")  # it was claimed, and is given back
    channel.open.set()
    await stopping
    assert (world.delivery(1).state, world.delivery(2).state) == ("delivered", "pending")
    assert len(channel.sent) == 1


async def test_a_send_that_outlives_the_stop_is_recorded_as_unknown(world: World) -> None:
    channel = ScriptedChannel(world.clock)
    channel.open.clear()
    outbox = world.start(world.way("desk", channel))
    await world.owe(1)
    await world.until(lambda: len(channel.sent) == 1)
    await outbox.stop(timedelta(seconds=0.05))
    [attempt] = world.delivery(1).attempts
    assert (attempt.outcome, attempt.detail) == ("unknown", "still being sent when zennotify stopped")
    assert world.delivery(1).state == "pending"
    channel.open.set()


async def test_the_deliveries_of_a_dead_process_are_taken_over(world: World) -> None:
    await world.store.writer.call(keep, (1,), "desk")
    await world.store.writer.call(Transaction.claim, "desk", 1, "dead", START, START + timedelta(hours=1))
    channel = ScriptedChannel(world.clock)
    outbox = world.start(world.way("desk", channel))
    await outbox.take_over()
    outbox.wake({"desk"})
    await world.until(lambda: world.delivery(1).state == "delivered")


async def test_an_expired_lease_is_claimed_again_without_a_restart(world: World) -> None:
    await world.store.writer.call(keep, (1,), "desk")
    end = START + timedelta(minutes=1)
    await world.store.writer.call(Transaction.claim, "desk", 1, "elsewhere", START, end)
    channel = ScriptedChannel(world.clock)
    world.start(world.way("desk", channel))
    await world.until_asleep(end)
    await world.clock.advance(timedelta(minutes=1, seconds=1))
    await world.until(lambda: world.delivery(1).state == "delivered")


async def test_a_bug_in_a_channel_harms_its_delivery_only(world: World) -> None:
    class BrokenChannel(ScriptedChannel):
        def send(self, message: Message, label: Label) -> Result:
            super().send(message, label)
            raise KeyError("Ann")

    broken, good = BrokenChannel(world.clock), ScriptedChannel(world.clock)
    world.start(world.way("broken", broken), world.way("good", good))
    await world.owe(1, channel="broken")
    await world.owe(2, channel="good")
    await world.until(lambda: world.delivery(2).state == "delivered")
    await world.until(lambda: len(world.delivery(1).attempts) == 1 and world.delivery(1).state == "pending")
    [attempt] = world.delivery(1).attempts
    assert attempt.outcome == "unknown"
    assert attempt.detail.startswith("KeyError in test_outbox.py:")
    assert "Ann" not in attempt.detail


async def test_a_channel_that_only_fails_is_left_alone_and_tried_again_with_one_message(world: World) -> None:
    channel = ScriptedChannel(world.clock, BUSY)
    world.start(world.way("desk", channel, concurrency=2))
    await world.owe(*range(20))
    await world.until_asleep(START + timedelta(seconds=5))
    await world.until(lambda: not world.store.reader.deliveries(state="sending"))
    tried = len(channel.sent)
    assert tried <= 2 * 4, "what was claimed before the failures is still tried"
    await world.clock.advance(timedelta(seconds=4))
    assert len(channel.sent) == tried
    channel.answer(SENT)
    while len(world.store.reader.deliveries(state="delivered")) < 20:
        await world.clock.advance(timedelta(seconds=5))
        await world.store.writer.call(nothing)


async def test_a_message_is_written_when_the_store_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = ScriptedChannel(world.clock)
    away = [StoreUnavailable("away"), StoreUnavailable("away")]

    def render(claimed: Claimed, form: Form, room: Room) -> Message:
        if away:
            raise away.pop()
        return Message(title="Title", body="text", form=form)

    monkeypatch.setattr(world, "render", render)
    world.start(world.way("desk", channel))
    await world.owe(1)
    for _ in range(2):
        await world.until(lambda: world.delivery(1).due > world.clock.now())
        due = world.delivery(1).due
        assert world.delivery(1).state == "pending"
        await world.until_asleep(due)
        await world.clock.advance(due - world.clock.now())
    assert away == []
    await world.until(lambda: world.delivery(1).state == "delivered")
    assert [attempt.outcome for attempt in world.delivery(1).attempts] == ["sent"]


async def test_a_recipient_that_the_channel_refuses_is_not_tried_again(world: World) -> None:
    def towards(recipient: str) -> ScriptedChannel:
        raise ChannelProblem("this service does not take this address")

    way = replace(world.way("desk", ScriptedChannel(world.clock)), towards=towards)
    world.start(way)
    await world.owe(1)
    await world.until(lambda: world.delivery(1).state == "dead")
    [attempt] = world.delivery(1).attempts
    assert (attempt.outcome, attempt.detail) == ("permanent", "this service does not take this address")
