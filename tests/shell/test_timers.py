"""When windows fire: each timed key's timeline, before which events, and after which restarts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fakes import START
from tests.timelines import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Owed,
    Timeline,
    a_rule,
    a_wait,
    an_absence,
    per,
)
from zennotify.core.digest import Digest
from zennotify.core.during import During, Hours
from zennotify.core.escalation import Step
from zennotify.core.hours import OpeningHours, read_ranges
from zennotify.core.model import Names
from zennotify.core.notify import Directory
from zennotify.core.once import Once
from zennotify.core.rule import Rule
from zennotify.core.stale import Stale, Then
from zennotify.decider import batch, turn
from zennotify.errors import StoreUnavailable
from zennotify.store.transaction import Transaction

Make = Callable[..., Timeline]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Timeline] = []

    def timeline(*rules: Rule, **more: Any) -> Timeline:
        made.append(Timeline(tmp_path, *rules, **more))
        return made[-1]

    yield timeline
    for one in made:
        await one.close()


def during(ranges: str) -> During:
    return During(text=ranges, hours=OpeningHours(week=(read_ranges(ranges),) * 7))


def in_zone(name: str) -> Directory:
    zone = ZoneInfo(name)

    def local(_names: Names | None, moment: datetime) -> datetime:
        return moment.astimezone(zone)

    return Directory(local=local)


def fired(name: str, moment: timedelta, about: str = "k", **more: Any) -> Owed:
    """What a timer led to that was due at a moment after the start."""
    return Owed(name, about, moment, moment, moment, **more)


FROZEN = a_rule("frozen", "Frozen", wait=a_wait(10 * MINUTE, "Unfrozen"))
SUMMARY = a_rule("summary", "Cancelled", digest=Digest(every=15 * MINUTE))
CLOSED = a_rule("closed", "Closed", absent=an_absence(2 * HOUR))
LOW = a_rule("low", "Low", escalate=(Step(30 * MINUTE, ("boss",)), Step(HOUR, ("owner", "boss"))))


# --- each key -------------------------------------------------------------------------------------------------


async def test_a_wait_ends_after_its_period_and_the_message_is_about_its_event(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen", "a")
    await world.pass_time(10 * MINUTE - SECOND)
    assert (world.owed(), world.decisions()) == ([], [("frozen", "waiting")])
    await world.pass_time(SECOND)
    assert world.owed() == [fired("frozen", 10 * MINUTE, "a")]
    assert world.decisions() == [("frozen", "notified")]
    assert world.timers() == []
    await world.pass_time(DAY)
    assert len(world.owed()) == 1


async def test_an_opposite_withdraws_what_waits_and_leaves_another_key_alone(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen", "a")
    await world.post("Frozen", "b")
    await world.pass_time(9 * MINUTE)
    await world.post("Unfrozen", "a")
    await world.pass_time(HOUR)
    assert world.owed() == [fired("frozen", 10 * MINUTE, "b")]
    assert world.decisions() == [("frozen", "withdrawn"), ("frozen", "notified")]


async def test_a_further_event_takes_the_place_of_what_waits(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    await world.pass_time(4 * MINUTE)
    await world.post("Frozen")
    await world.pass_time(HOUR)
    assert world.owed() == [fired("frozen", 14 * MINUTE)]
    assert world.decisions() == [("frozen", "withdrawn"), ("frozen", "notified")]


async def test_a_digest_tells_all_events_of_its_period_at_once(make: Make) -> None:
    world = make(SUMMARY)
    for key in ("a", "b", "c"):
        await world.post("Cancelled", key)
        await world.pass_time(5 * MINUTE)
    await world.post("Cancelled", "d")
    await world.pass_time(HOUR)
    assert world.owed() == [
        fired("summary", 15 * MINUTE, "a b c", counted=3),
        fired("summary", 30 * MINUTE, "d", counted=1),
    ]
    assert world.decisions() == [("summary", "digested")] * 4


async def test_the_first_message_of_an_immediate_digest_goes_out_at_once(make: Make) -> None:
    world = make(replace(SUMMARY, digest=Digest(every=15 * MINUTE, immediate=True, per=per("data.key"))))
    await world.post("Cancelled", "a")
    await world.post("Cancelled", "b")
    await world.pass_time(MINUTE)
    await world.post("Cancelled", "b")
    await world.pass_time(HOUR)
    at_once = timedelta()
    assert world.owed() == [
        Owed("summary", "a", at_once, at_once, None),
        Owed("summary", "b", at_once, at_once, None),
        fired("summary", 15 * MINUTE, "b", counted=1),
    ]
    assert world.timers() == []


async def test_what_is_absent_is_told_once_until_it_has_come_again(make: Make) -> None:
    world = make(CLOSED)
    await world.post("Closed", "a")
    await world.pass_time(HOUR)
    await world.post("Closed", "a")
    await world.pass_time(10 * HOUR)
    assert world.owed() == [fired("closed", 3 * HOUR, "a")]
    await world.post("Closed", "a")
    await world.pass_time(10 * HOUR)
    assert world.owed() == [fired("closed", 3 * HOUR, "a"), fired("closed", 13 * HOUR, "a")]
    assert world.decisions() == [("closed", "notified"), ("closed", "notified")]


async def test_only_opening_hours_count_for_what_is_absent(make: Make) -> None:
    world = make(replace(CLOSED, absent=an_absence(2 * HOUR, during=during("09:00-13:00"))))
    await world.post("Closed", "a")
    await world.pass_time(2 * DAY)
    assert world.owed() == [fired("closed", 22 * HOUR, "a")]


async def test_many_late_events_are_one_alarm(make: Make) -> None:
    world = make(CLOSED)
    await world.pass_time(DAY)
    for minutes in range(20):
        await world.post("Closed", "a", at=START + minutes * MINUTE)
    assert len(world.owed()) == 1
    await world.post("Closed", "a")
    await world.pass_time(3 * HOUR)
    assert world.owed()[1:] == [fired("closed", DAY + 2 * HOUR, "a")]


async def test_each_step_of_an_escalation_counts_from_the_message(make: Make) -> None:
    world = make(LOW)
    await world.post("Low", "a")
    await world.pass_time(DAY)
    at_once = timedelta()
    assert world.owed() == [
        Owed("low", "a", at_once, at_once, None),
        fired("low", 30 * MINUTE, "a", step=1),
        fired("low", HOUR, "a", step=2),
        fired("low", HOUR, "a", step=2),
    ]
    assert world.timers() == []


async def test_an_escalation_of_what_is_held_counts_from_the_opening(make: Make) -> None:
    world = make(replace(LOW, hours=Hours(during=during("15:00-20:00"))))
    await world.post("Low", "a")
    await world.restart()
    await world.pass_time(DAY)
    assert [(one.step, one.due, one.created) for one in world.owed()] == [
        (0, 3 * HOUR, timedelta()),
        (1, 3 * HOUR + 30 * MINUTE, 3 * HOUR + 30 * MINUTE),
        (2, 4 * HOUR, 4 * HOUR),
        (2, 4 * HOUR, 4 * HOUR),
    ]


async def test_what_is_too_old_is_gathered(make: Make) -> None:
    world = make(a_rule("old", "Made", stale=Stale(text="2h", age=2 * HOUR, then=Then.DIGEST)))
    for key in ("a", "b"):
        await world.post("Made", key, at=START - DAY)
    await world.pass_time(HOUR)
    assert world.owed() == [fired("old", 15 * MINUTE, "a b", counted=2)]


async def test_a_wait_goes_on_through_once_a_digest_and_the_hours(make: Make) -> None:
    rule = replace(
        FROZEN,
        once=Once(per=per("data.key"), period=HOUR),
        digest=Digest(every=30 * MINUTE),
        hours=Hours(during=during("14:00-20:00")),
    )
    world = make(rule)
    for key in ("a", "b"):
        await world.post("Frozen", key)
    await world.pass_time(20 * MINUTE)
    await world.post("Frozen", "a")
    await world.pass_time(10 * MINUTE)
    assert world.decisions() == [("frozen", "digested"), ("frozen", "digested"), ("frozen", "held_back")]
    await world.pass_time(DAY)
    assert world.owed() == [Owed("frozen", "a b", 2 * HOUR, 40 * MINUTE, 2 * HOUR, counted=2)]


async def test_a_digest_that_is_due_with_the_waits_that_go_into_it_loses_nothing(make: Make) -> None:
    """All three are read at once; the digest has still to see what the waits before it put into it."""
    digest = Digest(every=15 * MINUTE, immediate=True)
    world = make(replace(FROZEN, wait=a_wait(10 * MINUTE), digest=digest))
    await world.post("Frozen", "a")
    await world.pass_time(3 * MINUTE)
    await world.post("Frozen", "b")
    await world.pass_time(MINUTE)
    await world.post("Frozen", "c")
    await world.pass_time(6 * MINUTE)
    world.skip(DAY)
    await world.restart()
    await world.settle()
    assert world.owed() == [
        Owed("frozen", "a", 10 * MINUTE, 10 * MINUTE, 10 * MINUTE),
        fired("frozen", 25 * MINUTE, "b c", counted=2),
    ]
    assert world.timers() == []


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        # The clocks go forward on 2026-03-08 and back on 2026-11-01; in Phoenix never.
        ("America/New_York", datetime(2026, 3, 7, 22, 30, tzinfo=UTC), 23.5),
        ("America/New_York", datetime(2026, 10, 31, 21, 30, tzinfo=UTC), 25.5),
        ("America/Phoenix", datetime(2026, 3, 8, 0, 30, tzinfo=UTC), 24.5),
        # 2026-03-29 and 2026-10-25.
        ("Europe/Berlin", datetime(2026, 3, 28, 16, 30, tzinfo=UTC), 23.5),
        ("Europe/Berlin", datetime(2026, 10, 24, 15, 30, tzinfo=UTC), 25.5),
    ],
)
async def test_a_digest_goes_out_by_the_clock_on_the_wall_over_a_change_of_the_clocks(
    make: Make, zone: str, start: datetime, hours: float
) -> None:
    """It is half past five in the evening; the digest of the day goes out at six, and the next day's at six, too."""
    world = make(replace(SUMMARY, digest=Digest(at=18 * 60)), start=start, directory=in_zone(zone))
    await world.post("Cancelled", "a")
    await world.pass_time(HOUR)
    await world.post("Cancelled", "b")
    await world.pass_time(2 * DAY)
    assert [(one.due, one.about) for one in world.owed()] == [
        (30 * MINUTE, "a"),
        (hours * HOUR, "b"),
    ]


@pytest.mark.parametrize(
    ("start", "opens"),
    [
        (datetime(2026, 3, 8, 4, 0, tzinfo=UTC), 8 * HOUR),
        (datetime(2026, 11, 1, 3, 0, tzinfo=UTC), 10 * HOUR),
    ],
)
async def test_what_waits_into_the_night_is_held_until_the_opening_by_the_new_time(
    make: Make, start: datetime, opens: timedelta
) -> None:
    """It is eleven in the evening in New York, and the clocks change in the night."""
    rule = replace(FROZEN, hours=Hours(during=during("08:00-21:00")))
    world = make(rule, start=start, directory=in_zone("America/New_York"))
    await world.post("Frozen")
    await world.pass_time(DAY)
    assert world.owed() == [Owed("frozen", "k", opens, 10 * MINUTE, opens)]


# --- events and timers in order -------------------------------------------------------------------------------


async def test_a_timer_fires_before_an_event_that_arrives_with_it_or_after(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.skip(10 * MINUTE)  # nobody has woken the timers yet
    await world.post("Unfrozen")
    assert world.owed() == [fired("frozen", 10 * MINUTE)]
    assert world.decisions() == [("frozen", "notified")]


async def test_an_event_that_arrives_just_before_a_timer_is_decided_before_it(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.skip(10 * MINUTE - timedelta(microseconds=1))
    await world.post("Unfrozen")
    await world.pass_time(HOUR)
    assert (world.owed(), world.decisions()) == ([], [("frozen", "withdrawn")])


async def test_timers_that_events_of_one_transaction_set_fire_between_these_events(make: Make) -> None:
    world = make(FROZEN, SUMMARY)
    world.skip(3 * HOUR)
    arrivals = [
        ("Frozen", "a", 0),
        ("Cancelled", "a", 1),
        ("Unfrozen", "a", 9),
        ("Frozen", "b", 10),
        ("Cancelled", "b", 16),
        ("Frozen", "c", 20),
        ("Unfrozen", "b", 20),
        ("Unfrozen", "c", 29),
        ("Frozen", "d", 60),
    ]
    await world.accept_at_once(*((kind, key, START + minutes * MINUTE) for kind, key, minutes in arrivals))
    await world.settle()
    assert sorted(world.owed(), key=lambda one: one.due) == [
        fired("summary", 16 * MINUTE, "a", counted=1),
        fired("frozen", 20 * MINUTE, "b"),
        fired("summary", 31 * MINUTE, "b", counted=1),
        fired("frozen", 70 * MINUTE, "d"),
    ]


async def test_an_event_that_arrives_with_a_timer_of_its_own_transaction_comes_after_it(make: Make) -> None:
    world = make(FROZEN)
    world.skip(HOUR)
    await world.accept_at_once(("Frozen", "a", START), ("Unfrozen", "a", START + 10 * MINUTE))
    await world.settle()
    assert world.owed() == [fired("frozen", 10 * MINUTE, "a")]


async def test_what_came_before_a_timer_and_is_undecided_is_decided_first(make: Make) -> None:
    """The opposite was acknowledged, and the daemon died before it was decided."""
    world = make(FROZEN)
    await world.post("Frozen")
    world.skip(9 * MINUTE)
    world.process.crashes = True
    await world.accept("Unfrozen")
    await world.has_died()
    world.skip(DAY)
    await world.restart()
    await world.settle()
    assert (world.owed(), world.decisions()) == ([], [("frozen", "withdrawn")])


async def test_events_that_a_crash_left_undecided_are_decided_with_the_timers_between_them(
    make: Make,
) -> None:
    world = make()
    await world.accept("Frozen", "a")
    world.skip(5 * MINUTE)
    await world.accept("Frozen", "b")
    world.skip(6 * MINUTE)
    await world.accept("Unfrozen", "b")
    await world.accept("Unfrozen", "a")
    world.skip(DAY)
    world.rules = world.made(FROZEN)
    await world.restart()
    await world.settle()
    assert world.owed() == [fired("frozen", 10 * MINUTE, "a")]
    assert world.decisions() == [("frozen", "notified"), ("frozen", "withdrawn")]


async def test_what_was_due_while_nothing_ran_fires_at_the_start_in_order(make: Make) -> None:
    world = make(FROZEN, SUMMARY, CLOSED, LOW)
    await world.post("Low", "l")
    await world.post("Closed", "c")
    await world.post("Cancelled", "x")
    await world.post("Frozen", "f")
    world.skip(3 * DAY)
    await world.restart()
    await world.settle()
    assert world.owed()[1:] == [
        fired("frozen", 10 * MINUTE, "f"),
        fired("summary", 15 * MINUTE, "x", counted=1),
        fired("low", 30 * MINUTE, "l", step=1),
        fired("low", HOUR, "l", step=2),
        fired("low", HOUR, "l", step=2),
        fired("closed", 2 * HOUR, "c"),
    ]


async def test_more_timers_than_one_look_takes_fire_all_in_order(make: Make) -> None:
    world = make(FROZEN)
    for number in range(250):
        await world.accept("Frozen", f"{number}", stamped=START + number * SECOND)
    await world.settle()
    world.skip(DAY)
    await world.restart()
    await world.settle()
    assert world.owed() == [
        fired("frozen", 10 * MINUTE + number * SECOND, f"{number}") for number in range(250)
    ]


async def test_no_timer_fires_before_there_are_rules(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.rules = None
    await world.restart()
    await world.pass_time(HOUR)
    assert (world.owed(), world.process.asked) == ([], 0)
    world.reload(FROZEN)
    await world.settle()
    assert world.owed() == [fired("frozen", 10 * MINUTE)]


async def test_an_event_arrives_after_the_timer_that_fired_while_it_waited_for_the_writer(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    stamped = world.clock.now() + 10 * MINUTE - SECOND
    await world.pass_time(10 * MINUTE)
    posted = await world.post("Unfrozen", stamped=stamped)
    [event] = world.process.store.reader.event(posted)
    assert event.received == START + 10 * MINUTE
    assert world.decisions() == [("frozen", "notified")]


async def test_events_lie_in_the_order_of_their_arrival_whoever_came_to_the_writer_first(make: Make) -> None:
    world = make(FROZEN)
    stamps = [9.0, 3.0, 10.0, 0.0, 9.5, -1.0]
    await world.accept_at_once(*(("Frozen", "k", START + stamp * SECOND) for stamp in stamps))
    rows = world.rows("SELECT received_at FROM events ORDER BY seq")
    behind = [(row.received_at - rows[0].received_at) / 1e6 for row in rows]
    # More than ten seconds before the last one: the clock was set back.
    assert behind == [0, 0, 1, 1, 1, -10]


async def test_an_event_without_an_id_keeps_the_id_of_its_arrival(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen", stamped=START + 5 * SECOND)
    posted = await world.post("Guest.Created", stamped=START, is_bare=True)
    [event] = world.process.store.reader.event(posted)
    [kept] = world.rows("SELECT id, event_id, received_at FROM events WHERE seq = 2")
    assert (event.received, kept.id) == (START + 5 * SECOND, posted)
    await world.restart()
    assert world.reopened(2).id == posted


# --- restarts and reloads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [0, 5, 10, 11])
@pytest.mark.parametrize("is_in_transaction", [False, True])
async def test_a_restart_changes_nothing_about_an_open_window(
    make: Make, minutes: int, is_in_transaction: bool
) -> None:
    world = make(FROZEN, SUMMARY)
    await world.post("Frozen", "a")
    await world.post("Cancelled", "b")
    if is_in_transaction:
        await world.crash(lambda: world.clock.advance(10 * MINUTE))
    await world.until(max(world.clock.now(), START + minutes * MINUTE))
    await world.restart()
    await world.pass_time(DAY)
    assert world.owed() == [fired("frozen", 10 * MINUTE, "a"), fired("summary", 15 * MINUTE, "b", counted=1)]


async def test_a_transaction_that_fails_is_done_again_one_by_one(make: Make) -> None:
    """The timer's own firing is not to blame, and neither is the event's decision."""
    world = make(FROZEN)
    await world.post("Frozen", "a")
    world.process.raises = ValueError("somebody else's fault")
    await world.pass_time(10 * MINUTE)
    assert world.owed() == [fired("frozen", 10 * MINUTE, "a")]
    world.process.raises = ValueError("once more")
    await world.accept_at_once(*(("Frozen", key, world.clock.now()) for key in ("b", "c", "d")))
    await world.pass_time(HOUR)
    assert [one.about for one in world.owed()] == ["a", "b", "c", "d"]
    assert not world.process.has_died.is_set()


async def test_while_the_store_is_unavailable_timers_try_again_every_second(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.process.raises = StoreUnavailable("the disk is full")
    await world.clock.advance(10 * MINUTE)
    async with asyncio.timeout(10):
        while START + 10 * MINUTE + SECOND not in world.clock.alarms:
            await world.flush()
    assert world.owed() == []
    await world.pass_time(SECOND)
    assert world.owed() == [fired("frozen", 10 * MINUTE)]


async def test_what_a_failed_commit_lost_is_decided_before_what_came_after_it(make: Make) -> None:
    world = make(FROZEN)
    gate = await queue(world, "Frozen", "Unfrozen")
    world.process.raises = StoreUnavailable("the disk is full")
    gate.set()
    await world.pass_time(HOUR)
    assert (world.owed(), len(world.details())) == ([], 300)
    assert all(detail.startswith("Unfrozen came: event") for detail in world.details())


async def test_what_a_slow_transaction_has_left_is_decided_before_what_came_after_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(FROZEN)
    gate = await queue(world, "Frozen", "Unfrozen")
    for module in (turn, batch):
        monkeypatch.setattr(module, "LONGEST_WORK", 0.002)
    lane = world.process.decider._events
    committed = lane.committed
    order: list[int] = []

    def note(items: list[Any], answers: Sequence[Any]) -> None:
        order.extend(one.undecided.place for made in answers[0].batches for one in made.decided)
        if committed is not None:
            committed(items, answers)

    lane.committed = note
    gate.set()
    await world.pass_time(HOUR)
    assert order == [*range(1, 601)]
    assert (world.owed(), len(world.details())) == ([], 300)


async def test_what_a_crash_left_is_decided_in_order_though_the_timers_before_it_take_long(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(FROZEN)
    for number in range(450):
        await world.accept("Frozen", f"{number}")
    await world.settle()
    world.skip(DAY)
    world.process.decider._is_behind = True  # so that what is kept is not decided yet
    for kind in ("Frozen", *["Other"] * 5, "Unfrozen"):
        world.skip(SECOND)
        await world.accept(kind, "x")
    monkeypatch.setattr(turn, "LONGEST_WORK", 0.0)  # each hundred timers take long
    await world.restart()
    await world.settle()
    assert world.details()[-1].startswith("Unfrozen came: event")
    assert {one.about for one in world.owed()} == {f"{number}" for number in range(450)}


async def queue(world: Timeline, *kinds: str) -> threading.Event:
    """Keep 300 events of each of these types and put all into the decider's queue; what is returned lets it work."""
    await world.settle()
    process = world.process
    process.decider._is_behind = True  # so that what is kept is not decided yet
    for kind in kinds:
        world.skip(SECOND)
        for number in range(300):
            await world.accept(kind, f"{number}")
    kept = await process.store.writer.call(Transaction.undecided, 300 * len(kinds))
    gate, is_blocked = threading.Event(), threading.Event()

    def block(_transaction: Transaction) -> None:
        is_blocked.set()
        gate.wait(10)

    process.store.writer._calls.put((block, (), {}))
    await asyncio.to_thread(is_blocked.wait, 10)
    process.decider._is_behind = False
    for one in kept:
        process.decider.hand_on(process.decider._reopen(one))
    return gate


@pytest.mark.parametrize(
    "edited",
    [
        [FROZEN, a_rule("another", "Other")],
        [replace(FROZEN, wait=a_wait(HOUR, "Unfrozen"))],
        [replace(FROZEN, wait=None)],
        [a_rule("another", "Other")],
    ],
    ids=["another rule", "its period", "its wait is gone", "it is removed"],
)
async def test_a_reload_changes_nothing_about_an_open_window(make: Make, edited: list[Rule]) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    await world.pass_time(MINUTE)
    world.reload(*edited)
    await world.pass_time(MINUTE)
    await world.restart()
    await world.pass_time(HOUR)
    assert world.owed() == [fired("frozen", 10 * MINUTE)]
    assert world.decisions() == [("frozen", "notified")]


async def test_another_period_of_a_digest_holds_from_the_next_window_on(make: Make) -> None:
    world = make(SUMMARY)
    await world.post("Cancelled", "a")
    world.reload(replace(SUMMARY, digest=Digest(every=HOUR)))
    await world.post("Cancelled", "b")
    await world.pass_time(20 * MINUTE)
    await world.post("Cancelled", "c")
    await world.pass_time(DAY)
    assert world.owed() == [
        fired("summary", 15 * MINUTE, "a b", counted=2),
        fired("summary", 80 * MINUTE, "c", counted=1),
    ]


async def test_what_a_removed_rule_led_to_is_written_by_the_rules_of_that_time(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen")
    world.reload(SUMMARY)
    await world.pass_time(HOUR)
    assert [row.rule_set for row in world.rows("SELECT rule_set FROM deliveries")] == ["set 1"]


async def test_a_window_whose_rule_nobody_knows_any_more_is_given_up_and_told(make: Make) -> None:
    world = make(FROZEN, replace(SUMMARY, digest=Digest(every=10 * MINUTE)))
    await world.post("Frozen")
    await world.post("Cancelled")
    world.reload(a_rule("another", "Other"))
    del world.sets["set 1"]
    await world.pass_time(HOUR)
    assert (world.owed(), world.timers()) == ([], [])
    assert world.decisions() == [("frozen", "failed"), ("summary", "failed")]
    assert "the rule was removed" in world.details()[0]
    assert sum("the rule was removed" in text for text in world.troubles()) == 2


async def test_a_rule_that_awaits_nothing_any_more_sends_its_new_message_for_nothing_that_is_absent(
    make: Make,
) -> None:
    world = make(CLOSED)
    await world.post("Closed")
    world.reload(a_rule("closed", "Other"))
    await world.pass_time(DAY)
    assert (world.owed(), world.timers()) == ([], [])
    assert list(zip(world.decisions(), world.details(), strict=True)) == [
        (("closed", "disabled"), "it awaits nothing any more")
    ]


async def test_a_renamed_rule_takes_its_windows_with_it(make: Make) -> None:
    world = make(FROZEN, SUMMARY)
    await world.post("Frozen", "a")
    await world.post("Cancelled", "b")
    world.reload(
        replace(FROZEN, id="iced", renamed_from="frozen"), replace(SUMMARY, id="sum", renamed_from="summary")
    )
    await world.pass_time(SECOND)
    await world.post("Frozen", "c")
    await world.post("Unfrozen", "a")
    await world.post("Cancelled", "d")
    await world.pass_time(HOUR)
    assert world.owed() == [
        fired("iced", 10 * MINUTE + SECOND, "c"),
        fired("sum", 15 * MINUTE, "b d", counted=2),
    ]
    assert world.decisions() == [
        ("iced", "withdrawn"),
        ("sum", "digested"),
        ("iced", "notified"),
        ("sum", "digested"),
    ]


async def test_a_rule_that_takes_over_another_one_loses_none_of_its_messages(make: Make) -> None:
    other = replace(FROZEN, id="other", events=("other",))
    world = make(FROZEN, other)
    await world.post("Frozen")
    await world.post("Other")
    world.reload(replace(FROZEN, renamed_from="other"))
    await world.pass_time(HOUR)
    assert world.owed() == [fired("frozen", 10 * MINUTE), fired("other", 10 * MINUTE)]


async def test_a_disabled_rule_sends_nothing_that_waited(make: Make) -> None:
    world = make(FROZEN, SUMMARY, CLOSED, LOW)
    for kind in ("Frozen", "Cancelled", "Closed", "Low"):
        await world.post(kind)
    world.reload(*(replace(rule, enabled=False) for rule in (FROZEN, SUMMARY, CLOSED, LOW)))
    await world.pass_time(DAY)
    assert [(one.rule, one.step) for one in world.owed()] == [("low", 0)]
    assert world.decisions() == [
        ("frozen", "disabled"),
        ("summary", "disabled"),
        ("closed", "disabled"),
        ("low", "notified"),
    ]
    assert world.timers() == []


# --- what goes wrong ------------------------------------------------------------------------------------------


def fails(_names: Names) -> datetime | None:
    raise LookupError("a bug of ours")


class Broken:
    """Hours that nobody can ask."""

    text = "broken"

    def at(self, _center: OpeningHours | None) -> OpeningHours:
        raise LookupError("a bug of ours")


async def test_a_timer_whose_firing_raises_is_given_up_and_the_others_go_on(make: Make) -> None:
    broken: Any = Hours(during=Broken())  # type: ignore[arg-type]
    rules = [
        replace(FROZEN, hours=broken),
        replace(SUMMARY, hours=broken, digest=Digest(every=10 * MINUTE)),
        replace(FROZEN, id="good"),
        replace(CLOSED, absent=an_absence(10 * MINUTE), hours=broken),
    ]
    world = make(*rules)
    for kind in ("Frozen", "Cancelled", "Closed"):
        await world.post(kind)
    await world.pass_time(HOUR)
    assert world.owed() == [fired("good", 10 * MINUTE)]
    assert world.decisions() == [
        ("frozen", "failed"),
        ("good", "notified"),
        ("summary", "failed"),
        ("closed", "failed"),
    ]
    assert sum("LookupError in test_timers.py" in text for text in world.troubles()) == 3
    assert world.timers() == []
    assert not world.process.has_died.is_set()


@pytest.mark.parametrize("event_comes", [False, True], ids=["alone", "before an event"])
async def test_a_timer_that_cannot_be_kept_is_given_up_and_the_others_go_on(
    make: Make, event_comes: bool
) -> None:
    world = make(FROZEN, SUMMARY)
    for number in range(9):
        await world.post("Frozen", f"{number}")
    await world.process.store.writer.call(refuse, 6)
    await world.restart()
    if event_comes:
        world.skip(DAY)
        await world.post("Cancelled")
    else:
        await world.pass_time(DAY)
    reasons = ["failed" if place == 6 else "notified" for place in range(1, 10)]
    assert [reason for rule, reason in world.decisions() if rule == "frozen"] == reasons
    about = [one.about for one in world.owed() if one.rule == "frozen"]
    assert about == [str(number) for number in range(9) if number != 5]
    assert [timer[0] for timer in world.timers()] == ["summary"] * event_comes
    assert sum("IntegrityError in" in text for text in world.troubles()) == 1
    assert not world.process.has_died.is_set()


def refuse(transaction: Transaction, place: int) -> None:
    """Let the store refuse each delivery of an event, as PostgreSQL refuses a text with a NUL."""
    transaction._connection.exec_driver_sql(
        f"CREATE TRIGGER refuse BEFORE INSERT ON deliveries WHEN NEW.event = {place} "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    )


async def test_an_event_that_cannot_be_read_any_more_harms_only_its_own_window(make: Make) -> None:
    world = make(FROZEN)
    await world.post("Frozen", "a")
    await world.post("Frozen", "b")
    await world.process.store.writer.call(spoil, 1)
    await world.pass_time(HOUR)
    assert [tuple(row) for row in world.rows("SELECT event FROM deliveries WHERE rule = 'frozen'")] == [(2,)]
    assert world.decisions() == [("frozen", "failed"), ("frozen", "notified")]
    assert len(world.troubles()) == 1


def spoil(transaction: Transaction, place: int) -> None:
    transaction._connection.exec_driver_sql(f"UPDATE events SET body = x'00' WHERE seq = {place}")


async def test_a_window_of_an_erased_event_ends_silently(make: Make) -> None:
    world = make(FROZEN, CLOSED, SUMMARY, LOW)
    ids = [await world.post(kind) for kind in ("Frozen", "Closed", "Low", "Cancelled", "Cancelled")]
    await world.process.store.writer.call(Transaction.erase_events, ids[:4], alone=False)
    await world.pass_time(DAY)
    assert world.owed() == [fired("summary", 15 * MINUTE, "k", counted=1)]
    assert (world.timers(), world.troubles()) == ([], [])


async def test_a_digest_that_has_lost_its_last_event_tells_the_others(make: Make) -> None:
    world = make(SUMMARY)
    await world.post("Cancelled", "a")
    last = await world.post("Cancelled", "b")
    await world.process.store.writer.call(Transaction.erase_events, [last], alone=False)
    await world.pass_time(HOUR)
    assert world.owed() == [fired("summary", 15 * MINUTE, "a", counted=1)]


async def test_digests_go_on_when_all_that_one_had_gathered_is_erased(make: Make) -> None:
    world = make(SUMMARY)
    first = await world.post("Cancelled", "a")
    await world.pass_time(HOUR)
    await world.process.store.writer.call(Transaction.erase_events, [first], alone=False)
    await world.post("Cancelled", "b")
    await world.pass_time(HOUR)
    assert [one.about for one in world.owed()] == ["b"]
    lost = await world.post("Cancelled", "c")
    await world.process.store.writer.call(Transaction.erase_events, [lost], alone=False)
    await world.post("Cancelled", "d")
    await world.pass_time(HOUR)
    assert [one.about for one in world.owed()] == ["b", "d"]
    assert not world.process.has_died.is_set()


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
