"""What is too late to be sent alone before its first attempt, and is gathered for its channel."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime

import pytest

from tests.books import Books, new, opened
from tests.carrying import FIRST, HOUR, MINUTE, ScriptedChannel, World, nothing, states
from tests.fakes import START
from zennotify.core.model import DeliveryState, Form, Message, Outcome, Room, Zone
from zennotify.core.verdict import Policy, Verdict
from zennotify.core.window import Stage, Window, WindowKey
from zennotify.decider import Decider
from zennotify.errors import StoreUnavailable
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.outbox import Outbox, Way
from zennotify.outbox.lanes import Late
from zennotify.outbox.late import gather_late
from zennotify.store.number import delivery_id
from zennotify.store.rows import Claimed, NewDelivery, Settled, Withheld
from zennotify.store.transaction import Transaction
from zennotify.timers import Timers
from zennotify.zenoti.event import Reading

LATE = Withheld("digested", is_gathered=True)


def window_of(world: World, channel: str, recipient: str = "") -> Window | None:
    key = WindowKey("r", Stage.LATE, f"{channel} {recipient}")
    return world.store.write(Transaction.windows, [key]).get(key)


async def test_what_is_late_is_cancelled_and_gathered_for_its_channel_in_one_window(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(claimed: Claimed, form: Form, room: Room) -> Message | Withheld:
        on_time = claimed.id == delivery_id(FIRST + 2)
        return Message(title="", body="text", form=form) if on_time else LATE

    monkeypatch.setattr(world, "render", render)
    desk, mail = ScriptedChannel(world.clock), ScriptedChannel(world.clock)
    world.start(world.way("desk", desk, concurrency=1), world.way("mail", mail))
    await world.owe(1, 2, 3)
    await world.until(lambda: states(world) == {"cancelled digested": 2, "delivered": 1})
    assert (len(desk.sent), world.delivery(1).attempts) == (1, ())
    window = window_of(world, "desk")
    assert window is not None
    assert (window.count, window.event, window.due, window.rule_set) == (2, 2, START + 15 * MINUTE, "")
    assert window.number is not None
    gathering = world.store.reader.gathering(window.number, 200)
    assert ([one.place for one in gathering.oldest], gathering.late) == ([1, 2], 0)
    assert set(world.timers) == {START + 15 * MINUTE}
    # What comes before that moment goes into the same one; another channel has its own.
    await world.clock.advance(10 * MINUTE)
    await world.owe(4)
    await world.owe(5, channel="mail")
    await world.until(lambda: states(world, "mail") == {"cancelled digested": 1})
    await world.until(lambda: states(world)["cancelled digested"] == 3)
    window, other = window_of(world, "desk"), window_of(world, "mail")
    assert window is not None
    assert other is not None
    assert (window.count, window.due) == (3, START + 15 * MINUTE)
    assert (other.count, other.due, other.number) == (1, START + 25 * MINUTE, (window.number or 0) + 1)
    assert world.timers[-1] == START + 15 * MINUTE


async def test_what_is_late_is_gathered_when_the_store_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [True, True]
    gathered = Transaction.gather

    def gather(transaction: Transaction, those: Collection[object]) -> None:
        gathered(transaction, those)  # type: ignore[arg-type]
        if failing:
            failing.pop()
            raise StoreUnavailable("away")

    monkeypatch.setattr(Transaction, "gather", gather)
    monkeypatch.setattr(world, "render", lambda *_: LATE)
    world.start(world.way("desk", ScriptedChannel(world.clock)))
    await world.owe(1)

    def is_done() -> bool:
        return states(world) == {"cancelled digested": 1}

    async with asyncio.timeout(10):
        while not is_done():
            try:
                await world.store.writer.call(nothing)
            except StoreUnavailable:
                continue
    window = window_of(world, "desk")
    assert window is not None
    assert (window.count, failing) == (1, [])


async def test_a_delivery_whose_lease_has_ended_is_left_to_its_new_holder(world: World) -> None:
    world.start(world.way("mail", ScriptedChannel(world.clock)))
    await world.owe(1)

    def late(transaction: Transaction, lease: str) -> None:
        [claimed] = transaction.claim("desk", 1, lease, START, START + HOUR) or [None]  # type: ignore[list-item]
        held.append(claimed)

    held: list[Claimed] = []
    world.store.write(late, "mine")
    [claimed] = held
    verdict = Verdict(DeliveryState.CANCELLED, "digested", START, 0, False)
    settled = Settled(
        delivery=claimed.id,
        lease="of somebody else",
        number=1,
        finished=START,
        outcome=Outcome.TEMPORARY,
        detail="",
        verdict=verdict,
    )
    answers = world.store.write(gather_late, [Late(claimed, settled, START)])
    assert (answers, window_of(world, "desk")) == ([None], None)
    assert states(world) == {"sending": 1}


async def test_many_that_are_late_become_one_message_when_their_time_comes(books: Books) -> None:
    book = await opened(books, "stale_after: {age: 2h, then: digest}")
    rules, clock = book.rulebook.rules, book.clock
    assert rules is not None
    places = book.keep(*(new(number) for number in range(1, 4)))
    owed = [NewDelivery(place, "r", "desk", rules.hash, START, START) for place in places]
    book.store.write(Transaction.add_deliveries, owed)
    channel = ScriptedChannel(clock)
    way = Way(name="desk", channel=channel, concurrency=1, timeout=MINUTE, policy=Policy(retry=(MINUTE,)))
    await clock.advance(3 * HOUR)

    def set_timer(due: datetime | None) -> None:
        timers.set(due)

    def wake(channels: set[str]) -> None:
        outbox.wake(channels)

    writer, metrics = book.store.writer, Metrics()
    ops = Ops(writer, clock, [], {}, wake, lambda name, _: name)
    outbox = Outbox(writer, clock, metrics, book.rulebook.render, [way], ops, set_timer=set_timer)
    reading = Reading(Zone.CENTER)
    decider = Decider(writer, metrics, reading=reading, wake=wake, ops=ops, set_timer=set_timer)
    timers = Timers(writer, clock, decider.fire)
    decider.use(rules)
    tasks = [asyncio.create_task(one) for one in (outbox.run(), timers.run())]
    due = START + 3 * HOUR + 15 * MINUTE

    def cancelled() -> int:
        return len(book.store.reader.deliveries(state="cancelled", reason="digested"))

    async with asyncio.timeout(10):
        while cancelled() < 3:
            await writer.call(nothing)
    while clock.now() < due:  # in steps, as the timers look at the clock
        await clock.advance(MINUTE / 4)
        await writer.call(nothing)
    async with asyncio.timeout(10):
        while not channel.sent:
            await writer.call(nothing)
    [(moment, text)] = channel.sent
    [view] = book.store.reader.deliveries(state="delivered")
    assert (moment, text) == (due, f"3 are new: G1 G2 G3. Last: G3.\n\nRef {view.id[:8]}")
    assert view.title == "(delayed) New guests"
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
