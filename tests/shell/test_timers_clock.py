"""Timers by a clock that is wrong, and how they hear of each other: the loop and the writer's thread."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes import START
from tests.timelines import (
    CLOSED,
    DAY,
    FROZEN,
    HOUR,
    LOW,
    MINUTE,
    SECOND,
    SUMMARY,
    Make,
    a_wait,
    during,
    fired,
)
from zennotify.core.digest import Digest
from zennotify.core.during import Hours
from zennotify.core.model import Names
from zennotify.store.transaction import Transaction

# --- the clock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [2, 24])
async def test_a_clock_that_is_set_back_delays_a_window_by_no_more_than_its_period(
    make: Make, hours: int
) -> None:
    world = make(FROZEN, SUMMARY, LOW)
    for kind in ("Frozen", "Cancelled", "Low"):
        await world.post(kind)
    await world.pass_time(5 * MINUTE)
    world.clock.set_back(hours * HOUR)
    await world.settle()
    back = 5 * MINUTE - hours * HOUR
    assert world.timers() == [
        ("frozen", "wait", back + 10 * MINUTE),
        ("summary", "digest", back + 15 * MINUTE),
        ("low", "escalate", back + 30 * MINUTE),
    ]
    await world.pass_time(2 * DAY)
    assert world.owed()[1:] == [
        fired("frozen", back + 10 * MINUTE),
        fired("summary", back + 15 * MINUTE, counted=1),
        fired("low", back + 30 * MINUTE, step=1),
        fired("low", back + HOUR, step=2),
        fired("low", back + HOUR, step=2),
    ]


async def test_a_clock_that_was_set_back_while_nothing_ran_is_noticed_at_the_start(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.clock._now -= 2 * HOUR
    await world.restart()
    await world.pass_time(DAY)
    assert world.owed() == [fired("frozen", 10 * MINUTE - 2 * HOUR)]


async def test_an_event_that_came_by_a_clock_that_was_ahead_lets_nothing_fire_early(make: Make) -> None:
    world = make(replace(FROZEN, wait=a_wait(10 * HOUR)))
    await world.post("Frozen")
    await world.accept("Cancelled", "b", stamped=START + DAY)
    await world.settle()
    assert world.owed() == []
    await world.pass_time(11 * HOUR)
    assert world.owed() == [fired("frozen", 10 * HOUR)]


async def test_a_window_that_was_open_for_long_does_not_count_anew(make: Make) -> None:
    world = make(replace(FROZEN, wait=a_wait(4 * HOUR)))
    await world.post("Frozen")
    await world.pass_time(3 * HOUR)
    world.clock.set_back(2 * HOUR)
    await world.pass_time(DAY)
    assert world.owed() == [fired("frozen", 4 * HOUR)]


async def test_what_the_clock_on_the_wall_says_stays_where_the_clock_is_set_back(make: Make) -> None:
    """The digest of six in the evening, the guest who has not come at three, the invoice that Zenoti's clock dates."""

    def at_three(_names: Names) -> datetime | None:
        return START + 3 * HOUR

    world = make(
        replace(SUMMARY, digest=Digest(at=18 * 60)),
        replace(FROZEN, wait=a_wait(15 * MINUTE, after=at_three)),
        CLOSED,
        replace(LOW, hours=Hours(during=during("15:00-20:00"))),
    )
    for kind in ("Cancelled", "Frozen", "Low"):
        await world.post(kind)
    await world.post("Closed", at=START - HOUR)
    world.clock.set_back(HOUR)
    await world.settle()
    assert world.timers() == [
        ("closed", "absent", HOUR),
        ("frozen", "wait", 3 * HOUR + 15 * MINUTE),
        ("low", "escalate", 3 * HOUR + 30 * MINUTE),
        ("summary", "digest", 6 * HOUR),
    ]


async def test_events_count_for_what_is_absent_though_the_last_one_came_by_a_clock_that_was_ahead(
    make: Make,
) -> None:
    world = make(CLOSED)
    await world.post("Closed")
    world.clock.set_back(DAY)
    for _ in range(6):
        await world.pass_time(HOUR)
        await world.post("Closed")
    assert world.owed() == []
    await world.pass_time(3 * HOUR)
    assert world.owed() == [fired("closed", 8 * HOUR - DAY)]


@pytest.mark.parametrize("jump", [2 * HOUR, DAY])
async def test_a_clock_that_is_set_forward_fires_what_is_due_once(make: Make, jump: timedelta) -> None:
    world = make(FROZEN, SUMMARY, CLOSED)
    for kind in ("Frozen", "Cancelled", "Closed"):
        await world.post(kind)
    before = world.process.asked
    world.skip(jump)
    await world.pass_time(30 * SECOND)
    assert world.owed() == [
        fired("frozen", 10 * MINUTE),
        fired("summary", 15 * MINUTE, counted=1),
        fired("closed", 2 * HOUR),
    ]
    assert world.process.asked - before <= 3
    await world.pass_time(DAY)
    assert len(world.owed()) == 3


async def test_a_start_in_1970_says_so_and_nothing_is_lost(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    world = make(FROZEN, SUMMARY, CLOSED)
    for kind in ("Frozen", "Cancelled", "Closed"):
        await world.post(kind)
    world.clock._now = datetime(1970, 1, 1, tzinfo=UTC)
    await world.restart()
    await world.settle()
    assert "it has not been set" in caplog.text
    keep = 90 * DAY
    now = world.clock.now()
    writer = world.process.store.writer
    assert await writer.call(Transaction.purge_windows, now) == 0
    assert await writer.call(Transaction.purge_events, now, now - keep, now - keep, 100) == 0
    await world.post("Frozen", "in 1970")
    await world.pass_time(5 * MINUTE)
    assert world.owed() == []
    world.clock._now = START + 2 * MINUTE
    await world.pass_time(30 * SECOND)
    assert world.owed() == []
    await world.pass_time(DAY)
    assert world.owed() == [
        fired("frozen", 10 * MINUTE),
        # It counts from when the clock was right.
        fired("frozen", 12 * MINUTE, "in 1970"),
        fired("summary", 15 * MINUTE, counted=1),
        fired("closed", 2 * HOUR),
    ]


async def test_the_clock_on_the_wall_is_read_at_least_every_30_seconds(make: Make) -> None:
    world = make(FROZEN)
    await world.settle()
    assert world.clock.alarms == [START + 30 * SECOND]
    await world.post("Frozen")
    await world.settle()
    assert world.clock.alarms == [START + 30 * SECOND]
    await world.pass_time(9 * MINUTE + 45 * SECOND)
    assert world.clock.alarms == [START + 10 * MINUTE]


# --- the loop and the writer's thread -------------------------------------------------------------------------


async def test_timers_that_come_first_are_heard_of_from_the_writers_thread(make: Make) -> None:
    world = make(FROZEN, replace(FROZEN, id="soon", events=("soon",), wait=a_wait(5 * SECOND)))
    await world.settle()
    await world.post("Frozen")
    await world.pass_time(SECOND)
    await world.post("Soon")
    assert world.clock.alarms == [START + 6 * SECOND]
    await world.pass_time(MINUTE)
    assert world.owed() == [fired("soon", 6 * SECOND)]


async def test_a_timer_that_is_set_while_an_answer_is_under_way_is_not_forgotten(make: Make) -> None:
    """The loop hears of what was fired only after the next transaction has set another timer."""
    world = make(replace(FROZEN, wait=a_wait(20 * SECOND)))
    await world.post("Frozen", "a")
    fire = world.process.decider.fire

    async def slowly(now: datetime) -> Any:
        fires = await fire(now)
        await world.accept("Frozen", "b", stamped=now)
        await world.process.store.writer.call(lambda _: None)
        return fires

    world.process.timers._fire = slowly
    await world.pass_time(20 * SECOND)
    world.process.timers._fire = fire
    await world.pass_time(20 * SECOND)
    assert world.owed() == [fired("frozen", 20 * SECOND, "a"), fired("frozen", 40 * SECOND, "b")]


async def test_timers_that_undecided_events_are_in_the_way_of_are_asked_for_once_a_second(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.skip(9 * MINUTE)
    await world.restart(recovers=False)
    await world.accept("Unfrozen")
    for _ in range(5):
        await world.clock.advance(SECOND)
        await world.flush()
    before = world.process.asked
    world.clock._now = START + 10 * MINUTE
    for _ in range(10):
        await world.clock.advance(SECOND)
        await world.flush()
    assert 5 <= world.process.asked - before <= 11
    assert world.owed() == []
    await world.restart()
    await world.pass_time(MINUTE)
    assert (world.owed(), world.decisions()) == ([], [("frozen", "withdrawn")])


async def test_an_idle_daemon_asks_for_no_timers(make: Make) -> None:
    world = make(FROZEN)
    await world.settle()
    await world.clock.advance(HOUR)
    assert world.process.asked == 1
