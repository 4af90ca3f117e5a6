"""When the timers look: what is said to them while they fire is not forgotten."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tests.carrying import World
from tests.fakes import START
from zennotify.decider import Fires
from zennotify.timers import Timers

MINUTE = timedelta(minutes=1)


async def test_a_timer_that_is_set_while_others_fire_is_not_forgotten(world: World) -> None:
    fired: list[datetime] = []

    async def fire(now: datetime) -> Fires:
        fired.append(now)
        if len(fired) == 1:
            timers.set(START + MINUTE)  # by a transaction behind the one that answers
        return Fires(None, False)

    timers = Timers(world.store.writer, world.clock, fire)
    task = asyncio.create_task(timers.run())
    await world.until(lambda: bool(fired))
    await world.until_asleep(START + MINUTE / 2)
    await world.clock.advance(MINUTE)
    await world.until(lambda: len(fired) > 1)
    assert fired == [START, START + MINUTE]
    task.cancel()
    await asyncio.wait([task])
