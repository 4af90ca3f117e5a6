"""Waiting: until a moment or a word, whichever comes first; the same for the real clock and the tests' own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat

import pytest

from tests.fakes import START, FakeClock
from zennotify.clock import Clock, SystemClock

PATIENCE = 20.0
SOON = timedelta(milliseconds=20)
HOUR = timedelta(hours=1)


class JumpingClock(SystemClock):
    """A machine whose clock is set while somebody sleeps; it is looked at again at once."""

    longest_nap = timedelta(milliseconds=1)

    def __init__(self, *moments: datetime) -> None:
        self._moments = chain(moments, repeat(moments[-1]))

    def now(self) -> datetime:
        return next(self._moments)


def set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def fallen_asleep(clock: Clock, when: datetime | None, wake: asyncio.Event) -> asyncio.Task[None]:
    task = asyncio.create_task(clock.sleep_until(when, wake))
    await asyncio.wait([task], timeout=0.01)
    return task


def test_the_machines_time_is_aware_and_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


async def test_a_moment_that_is_past_is_not_waited_for(clock: Clock) -> None:
    async with asyncio.timeout(PATIENCE):
        await clock.sleep_until(clock.now(), asyncio.Event())
        await clock.sleep_until(clock.now() - HOUR, asyncio.Event())


@pytest.mark.parametrize("hours", [None, -1, 1])
async def test_a_word_that_was_given_before_is_heard_and_forgotten(clock: Clock, hours: int | None) -> None:
    wake = set_event()
    async with asyncio.timeout(PATIENCE):
        await clock.sleep_until(None if hours is None else clock.now() + hours * HOUR, wake)
    assert not wake.is_set()


@pytest.mark.parametrize("hours", [None, 1])
async def test_a_word_wakes_and_is_forgotten(clock: Clock, hours: int | None) -> None:
    wake = asyncio.Event()
    task = await fallen_asleep(clock, None if hours is None else clock.now() + hours * HOUR, wake)
    assert not task.done()
    wake.set()
    async with asyncio.timeout(PATIENCE):
        await task
    assert not wake.is_set()


async def test_a_sleeper_can_be_cancelled(clock: Clock) -> None:
    task = await fallen_asleep(clock, clock.now() + HOUR, asyncio.Event())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_machines_clock_wakes_at_the_moment_and_not_before() -> None:
    clock = SystemClock()
    when = clock.now() + SOON
    async with asyncio.timeout(PATIENCE):
        await clock.sleep_until(when, asyncio.Event())
    assert clock.now() >= when


async def test_a_jump_of_the_machines_clock_is_noticed() -> None:
    clock = JumpingClock(START, START, START + HOUR)
    async with asyncio.timeout(PATIENCE):
        await clock.sleep_until(START + HOUR, asyncio.Event())


async def test_who_waits_while_the_clock_is_set_back_looks_again() -> None:
    clock = JumpingClock(START, START - HOUR)
    async with asyncio.timeout(PATIENCE):
        await clock.sleep_until(START + HOUR, asyncio.Event())
    assert clock.now() == START - HOUR


async def test_a_clock_that_is_corrected_by_little_is_waited_for() -> None:
    wake = asyncio.Event()
    clock = JumpingClock(START, START - timedelta(seconds=4))
    task = await fallen_asleep(clock, START + SOON, wake)
    assert not task.done()
    wake.set()
    await task


# --- the tests' own clock ---------------------------------------------------------------------------------


async def test_the_tests_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    assert clock.now() == clock.now() == START
    await clock.advance(HOUR)
    assert clock.now() == START + HOUR


async def test_sleepers_wake_in_turn_each_at_its_moment() -> None:
    clock = FakeClock()
    woken: list[tuple[str, timedelta]] = []

    async def sleep(name: str, minutes: int) -> None:
        await clock.sleep_until(START + timedelta(minutes=minutes), asyncio.Event())
        woken.append((name, clock.now() - START))

    tasks = [
        asyncio.create_task(sleep(name, minutes)) for name, minutes in (("b", 20), ("a", 10), ("late", 90))
    ]
    await clock.advance(HOUR)
    assert woken == [("a", timedelta(minutes=10)), ("b", timedelta(minutes=20))]
    await clock.advance(HOUR)
    assert woken[-1] == ("late", timedelta(minutes=90))
    await asyncio.gather(*tasks)


async def test_a_loop_that_sleeps_again_is_woken_again() -> None:
    clock = FakeClock()
    rounds: list[datetime] = []

    async def work() -> None:
        while True:
            await clock.sleep_until(clock.now() + timedelta(minutes=1), asyncio.Event())
            rounds.append(clock.now())

    task = asyncio.create_task(work())
    await clock.advance(timedelta(days=1))
    assert len(rounds) == 24 * 60
    task.cancel()
