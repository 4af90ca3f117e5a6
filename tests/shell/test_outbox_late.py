"""What is too late to be sent alone before its first attempt, and is gathered for its channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime

import pytest

from tests.books import Book, Books, new, opened
from tests.carrying import FIRST, HOUR, MINUTE, ScriptedChannel, World, keep, nothing, states
from tests.fakes import START
from zennotify.core.model import DeliveryState, Form, Message, Outcome, Room, Zone
from zennotify.core.rule import RuleSet
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


async def window_of(world: World, channel: str, recipient: str = "") -> Window | None:
    key = WindowKey("r", Stage.LATE, f"{channel} {recipient}")
    return (await world.store.writer.call(Transaction.windows, [key])).get(key)


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
    window = await window_of(world, "desk")
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
    window, other = await window_of(world, "desk"), await window_of(world, "mail")
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
    window = await window_of(world, "desk")
    assert window is not None
    assert (window.count, failing) == (1, [])


async def test_what_is_too_late_a_second_time_is_gathered_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "render", lambda *_: LATE)
    outbox = world.start(world.way("desk", ScriptedChannel(world.clock)))
    await world.owe(1)
    await world.until(lambda: states(world) == {"cancelled digested": 1})
    await world.store.writer.call(Transaction.revive, world.delivery(1).id, world.clock.now())
    outbox.wake({"desk"})
    await world.until(lambda: states(world) == {"cancelled digested": 1})
    window = await window_of(world, "desk")
    assert window is not None
    assert world.store.reader.gathering(window.number or 0, 200).count == 1


async def test_what_is_wanted_by_hand_still_is_when_it_was_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def render(claimed: Claimed, form: Form, room: Room) -> Message:
        asked.append(claimed.is_by_hand)
        if len(asked) == 1:
            raise StoreUnavailable("away")
        return Message(title="", body="text", form=form)

    monkeypatch.setattr(world, "render", render)
    await world.store.writer.call(keep, (1,), "desk")
    await world.store.writer.call(Transaction.revive, world.delivery(1).id, world.clock.now())
    world.start(world.way("desk", ScriptedChannel(world.clock)))
    await world.until(lambda: states(world) == {"pending by_hand": 1} and len(asked) == 1)
    await world.clock.advance(MINUTE)
    await world.until(lambda: states(world) == {"delivered": 1})
    assert asked == [True, True]


async def test_a_delivery_whose_lease_has_ended_is_left_to_its_new_holder(world: World) -> None:
    await world.store.writer.call(keep, (1,), "desk")
    [claimed] = await world.store.writer.call(Transaction.claim, "desk", 1, "mine", START, START + HOUR)
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
    answers = await world.store.writer.call(gather_late, [Late(claimed, settled, START)])
    assert (answers, await window_of(world, "desk")) == ([None], None)
    assert states(world) == {"sending": 1}


class Whole:
    """Outbox, decider and timers on one store, joined as app.py joins them."""

    def __init__(self, book: Book, channel: ScriptedChannel) -> None:
        writer, clock, metrics = book.store.writer, book.clock, Metrics()
        ops = Ops(writer, clock, [], {}, self._wake, lambda name, _: name)
        way = Way(name="desk", channel=channel, concurrency=1, timeout=MINUTE, policy=Policy(retry=(MINUTE,)))
        self._book = book
        self._tasks: list[asyncio.Task[None]] = []
        self.outbox = Outbox(
            writer, clock, metrics, book.rulebook.render, [way], ops, set_timer=self._tell_timer
        )
        self.decider = Decider(
            writer,
            clock,
            metrics,
            reading=Reading(Zone.CENTER),
            wake=self._wake,
            ops=ops,
            set_timer=self._set_timer,
        )
        self.timers = Timers(writer, clock, self.decider.fire)

    def _wake(self, channels: set[str]) -> None:
        self.outbox.wake(channels)

    def _tell_timer(self, due: datetime | None) -> None:
        self.decider.tell_timer(due)

    def _set_timer(self, due: datetime | None) -> None:
        self.timers.set(due)

    async def start(self, rules: RuleSet) -> None:
        self.decider.use(rules)
        self._tasks.append(asyncio.create_task(self.timers.run()))
        await self.until(lambda: bool(self._book.clock.alarms))
        self._tasks.append(asyncio.create_task(self.outbox.run()))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await self._book.store.writer.call(nothing)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


async def test_many_that_are_late_become_one_message_when_their_time_comes(books: Books) -> None:
    book = await opened(books, "stale_after: {age: 2h, then: digest}")
    rules, reader, clock = book.rulebook.rules, book.store.reader, book.clock
    assert rules is not None
    places = book.keep(*(new(number) for number in range(1, 4)))
    owed = [NewDelivery(place, "r", "desk", rules.hash, START, START) for place in places]
    book.store.write(Transaction.add_deliveries, owed)
    await clock.advance(3 * HOUR)
    channel = ScriptedChannel(clock)
    whole = Whole(book, channel)
    await whole.start(rules)
    await whole.until(lambda: len(reader.deliveries(state="cancelled", reason="digested")) == 3)
    due = clock.now() + 15 * MINUTE
    while clock.now() < due:  # in steps, as the timers look at the clock
        assert channel.sent == []
        await clock.advance(MINUTE / 4)
        await book.store.writer.call(nothing)
    await whole.until(lambda: bool(reader.deliveries(state="delivered")))
    [view] = reader.deliveries(state="delivered")
    assert channel.sent == [(due, f"3 are new: G1 G2 G3. Last: G3.\n\nRef {view.id[:8]}")]
    assert view.title == "(delayed) New guests"
    await whole.stop()
