"""A provider that is away for a day, with 50,000 messages waiting: nothing is lost, and its return is not a flood."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from datetime import datetime, timedelta

from tests.carrying import ScriptedChannel, World
from tests.fakes import START
from zennotify.core.model import Label, Message, Outcome, Result
from zennotify.core.rate import Rate
from zennotify.store.rows import NewDelivery, NewEvent
from zennotify.store.transaction import Transaction

WAITING = 50_000
LIMIT = 200
SECOND = timedelta(seconds=1)
BACK = START + timedelta(hours=24)


class Provider(ScriptedChannel):
    """One that is away for a day, and turns away whatever is more than its limit in any second."""

    accepted = 0

    def send(self, message: Message, label: Label) -> Result:
        super().send(message, label)
        now = self._clock.now()
        if now < BACK:
            return Result(outcome=Outcome.TEMPORARY, detail="could not be reached")
        with self._lock:
            times = [moment for moment, _ in self.sent[-4 * LIMIT :]]
        if sum(moment > now - SECOND for moment in times) > LIMIT:
            return Result(outcome=Outcome.TEMPORARY, detail="HTTP 429", of_channel=True)
        with self._lock:
            self.accepted += 1
        return Result(outcome=Outcome.SENT)


def keep(transaction: Transaction, first: int, count: int) -> None:
    numbers = range(first, first + count)
    made = [
        NewEvent(f"e{number}", str(number), "T", None, None, START, str(number), b"{}") for number in numbers
    ]
    transaction.add_deliveries(
        [NewDelivery(place, "r", "desk", "", START, START) for place in transaction.add_events(made)]
    )


async def nothing_may_be_sent(world: World, provider: Provider) -> datetime | None:
    """Wait until the channel sleeps because of its pause or its rate; return when it wakes, None when all is done."""
    assert world.outbox is not None
    gate = world.outbox._carriers["desk"].gate
    found: list[datetime | None] = []

    def is_asleep() -> bool:
        leave = gate.leave(world.clock.now(), 0, 0)
        if leave.again is not None and leave.again in world.clock.alarms:
            found.append(leave.again)
        elif provider.accepted == WAITING:
            found.append(None)
        return bool(found) and not world.store.reader.deliveries(state="sending", most=1)

    await world.until(is_asleep)
    return found[-1]


async def test_a_day_without_the_provider(world: World) -> None:
    for first in range(0, WAITING, 5000):
        await world.store.writer.call(keep, first, 5000)
    provider = Provider(world.clock)
    world.start(world.way("desk", provider, rates=[Rate(LIMIT, SECOND, f"{LIMIT}/s")]))
    while (wake := await nothing_may_be_sent(world, provider)) is not None:
        await world.clock.advance(wake - world.clock.now())

    outcomes = Counter(one.state for one in world.store.reader.deliveries(most=2 * WAITING))
    assert outcomes == {"delivered": WAITING}
    sent = sorted(when for when, _ in provider.sent if when >= BACK)
    assert len(sent) == WAITING, "no 429, and nothing twice"
    assert sent[0] - BACK <= timedelta(seconds=60)
    took = (sent[-1] - sent[0]) / SECOND
    assert 0.9 * LIMIT <= WAITING / took <= LIMIT * 1.01
    assert all(bisect_left(sent, when + SECOND) - place <= LIMIT for place, when in enumerate(sent))
    tried = len(provider.sent) - WAITING
    assert tried <= 24 * 60 + 20, "one probe a minute while it is away"
