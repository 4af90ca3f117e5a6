"""When windows fire: each timed key's timeline, and the order of events and timers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

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
    Owed,
    a_rule,
    a_wait,
    an_absence,
    during,
    fired,
    in_zone,
    per,
)
from zennotify.core.digest import Digest
from zennotify.core.during import Hours
from zennotify.core.once import Once
from zennotify.core.stale import Stale, Then

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
