"""`digest`: one message about all events of a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import make_once, make_rule
from tests.onpaper import Timeline, at, clock_of, digest, directory_of, minutes, wait
from zennotify.core.digest import begin_digest, close, gather, is_late
from zennotify.core.stale import Stale, Then
from zennotify.core.window import Stage, WindowKey

QUARTER = minutes(15)
EVERY = digest(QUARTER, "data.id")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
LATE = "it came too late for the digest before, and goes into the next; "


def line(asked: Any = EVERY, **more: Any) -> Timeline:
    return Timeline(make_rule(digest=asked, **more))


# --- its window --------------------------------------------------------------------------------------------------


def test_it_gets_its_number_with_the_first_event_and_counts() -> None:
    numbers = count(5)
    window = begin_digest(None, at(15), at(0))
    assert (window.number, window.count, window.due) == (None, 0, at(15))
    window = gather(window, 7, 2, lambda: next(numbers))
    window = gather(window, 9, 1, lambda: next(numbers))
    assert (window.number, window.count, window.event, window.held) == (5, 2, 9, 3)


def test_one_that_has_gone_out_is_remembered_for_those_that_come_too_late() -> None:
    closed = close(gather(begin_digest(None, at(15), at(0)), 7, 0, lambda: 1), at(15))
    assert (closed.due, closed.number) == (None, None)
    assert closed.expires == at(15) + timedelta(days=7)
    window = begin_digest(closed, at(35), at(20))
    assert is_late(window, at(15) - timedelta(microseconds=1), at(20))
    assert not is_late(window, at(15), at(20))
    assert not is_late(begin_digest(None, at(15), at(0)), datetime(2000, 1, 1, tzinfo=UTC), at(0))


def test_nothing_is_late_for_one_that_has_gone_out_by_a_clock_that_was_ahead() -> None:
    assert not is_late(close(begin_digest(None, at(15), at(0)), at(15)), at(5), at(6))


def test_one_that_ends_by_the_clock_on_the_wall_does_not_move_with_a_clock_that_was_ahead() -> None:
    for asked, opened in [(EVERY, at(0)), (digest(at=1080), None)]:
        of = line(asked)
        of.event(at(0), id=1)
        assert [window.opened for window in of.kept.windows.values()] == [opened]


@pytest.mark.parametrize(
    ("asked", "zone", "now", "ends"),
    [
        # Real time, whatever the clocks do: at 01:50 they will go back, or on, in ten minutes.
        (digest(QUARTER), "America/Los_Angeles", "2026-11-01T08:50", "2026-11-01T09:05"),
        (digest(QUARTER), "America/Los_Angeles", "2026-03-08T09:50", "2026-03-08T10:05"),
        (digest(timedelta(days=1)), "Europe/Berlin", "2026-10-24T10:00", "2026-10-25T10:00"),
        (digest(at=1080), "Europe/Berlin", "2026-10-24T15:59", "2026-10-24T16:00"),
        (digest(at=1080), "Europe/Berlin", "2026-10-24T16:00", "2026-10-25T17:00"),
        (digest(at=1080), "Asia/Kolkata", "2026-10-24T12:29", "2026-10-24T12:30"),
        # 02:30 is jumped over, and comes twice.
        (digest(at=150), "America/Los_Angeles", "2026-03-08T09:59", "2026-03-08T10:00"),
        (digest(at=150), "America/Los_Angeles", "2026-03-08T10:00", "2026-03-09T09:30"),
        (digest(at=150), "Europe/Berlin", "2026-10-25T00:29", "2026-10-25T00:30"),
        (digest(at=150), "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),
        (digest(at=150), "Europe/Berlin", "2026-10-25T01:15", "2026-10-26T01:30"),
        (digest(at=150), "Australia/Sydney", "2026-10-03T15:00", "2026-10-03T16:00"),
        (digest(at=150), "Australia/Sydney", "2026-04-04T16:15", "2026-04-05T16:30"),
    ],
)  # fmt: skip
def test_it_ends_in_real_time_or_at_the_next_such_time_on_the_wall(
    asked: Any, zone: str, now: str, ends: str
) -> None:
    local = datetime.fromisoformat(now).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert asked.ends(local).astimezone(UTC).isoformat()[:16] == ends


# --- every so often --------------------------------------------------------------------------------------------


def test_it_runs_from_its_first_event_and_gathers_all_until_then() -> None:
    of = line()
    for minute in (0, 5, 14.99, 15, 40):
        of.event(at(minute), id=1)
    of.until(at(100))
    assert of.told == [
        "0:15:00 r > desk: e1 e2 e3",
        "0:30:00 r > desk: e4",
        "0:55:00 r > desk: e5",
    ]
    assert [sent.counted for sent in of.kept.sent] == [3, 1, 1]
    assert of.reason("e1") == "digested"
    assert of.detail("e2") == "until 2026-03-01T12:15:00+00:00"


def test_keys_are_gathered_apart_and_those_without_a_key_together() -> None:
    of = line()
    for minute, id_ in enumerate([1, 2, "1", None, "", 2]):
        of.event(at(minute), id=id_)
    of.until(at(100))
    assert of.told == [
        "0:15:00 r > desk: e1 e3",
        "0:16:00 r > desk: e2 e6",
        "0:18:00 r > desk: e4 e5",
    ]


def test_without_per_all_are_gathered_together() -> None:
    of = line(digest(QUARTER))
    for minute, id_ in enumerate([1, 2, None]):
        of.event(at(minute), id=id_)
    of.until(at(100))
    assert of.told == ["0:15:00 r > desk: e1 e2 e3"]


def test_a_late_event_goes_into_the_next_one_and_says_so() -> None:
    of = line()
    of.event(at(0), id=1)
    of.event(at(16), id=1, at=at(14))
    of.event(at(17), id=1, at=at(16))
    of.event(at(40), id=1, at=at(16))
    of.until(at(100))
    assert of.told == ["0:15:00 r > desk: e1", "0:31:00 r > desk: e2 e3", "0:55:00 r > desk: e4"]
    assert [one.is_late for one in of.kept.gathered] == [False, True, False, True]
    assert of.detail("e2") == f"{LATE}until 2026-03-01T12:31:00+00:00"
    assert of.detail("e3") == "until 2026-03-01T12:31:00+00:00"


def test_what_has_waited_is_not_late() -> None:
    of = line(digest(QUARTER), wait=wait(minutes(10)))
    of.event(at(0), id=1)
    of.event(at(24), id=2)
    of.until(at(100))
    assert of.told == ["0:25:00 r > desk: e1", "0:49:00 r > desk: e2"]
    assert not any(one.is_late for one in of.kept.gathered)


def test_a_changed_period_is_that_of_the_next_one() -> None:
    of = line()
    of.event(at(0), id=1)
    of.load(make_rule(digest=digest(minutes(5), "data.id")))
    of.event(at(14), id=1)
    of.event(at(15), id=1)
    of.until(at(100))
    assert of.told == ["0:15:00 r > desk: e1 e2", "0:20:00 r > desk: e3"]


def test_one_whose_rule_is_disabled_meanwhile_says_so_of_each_event() -> None:
    of = line()
    for minute in range(2):
        of.event(at(minute), id=1)
    of.load(make_rule(enabled=False))
    of.until(at(100))
    assert of.told == []
    assert (of.reason("e1"), of.reason("e2")) == ("disabled", "disabled")


def test_it_tells_how_many_messages_once_held_back() -> None:
    of = line(digest(minutes(30)), once=make_once("data.id", period=minutes(10)))
    for minute, id_ in [(0, 1), (1, 2), (2, 1), (3, 1), (4, 2), (10, 1), (11, 2), (12, 2)]:
        of.event(at(minute), id=id_)
    of.until(at(100))
    assert of.told == ["0:30:00 r > desk: e1 e2 e6 e7"]
    assert (of.kept.sent[0].counted, of.kept.sent[0].held_back) == (4, 3)


# --- at a time --------------------------------------------------------------------------------------------------


def test_it_goes_out_at_the_centres_time_or_the_usual_one() -> None:
    local = clock_of(usual="Europe/Berlin", la="America/Los_Angeles", kolkata="Asia/Kolkata")
    of = Timeline(
        make_rule("each", digest=digest(None, "center.id", at=1080, is_of_center=True)),
        make_rule("all", digest=digest(at=1080)),
        directory=directory_of(local=local),
    )
    for center in ("la", "kolkata"):
        of.event(datetime(2026, 3, 7, 20, tzinfo=UTC), center_id=center)
    of.until(datetime(2026, 3, 10, tzinfo=UTC))
    assert [(sent.due.isoformat()[:16], sent.rule, sent.events) for sent in of.kept.sent] == [
        ("2026-03-08T02:00", "each", ("e1",)),
        ("2026-03-08T12:30", "each", ("e2",)),
        ("2026-03-08T17:00", "all", ("e1", "e2")),
    ]
    assert of.detail("e1", "each") == "until 2026-03-07T18:00:00-08:00"


# --- the first at once ------------------------------------------------------------------------------------------


def test_the_first_goes_out_at_once_and_only_what_follows_is_gathered() -> None:
    of = line(digest(QUARTER, "data.id", immediate=True))
    for minute in (0, 1, 2, 15, 40, 54.9, 55):
        of.event(at(minute), id=1)
    of.until(at(100))
    assert of.told == [
        "0:00:00 r > desk: e1",
        "0:15:00 r > desk: e2 e3",
        "0:15:00 r > desk: e4",
        "0:40:00 r > desk: e5",
        "0:55:00 r > desk: e6",
        "0:55:00 r > desk: e7",
    ]
    assert (of.reason("e1"), of.reason("e2")) == ("notified", "digested")


def test_one_that_gathered_nothing_ends_without_a_trace_and_takes_no_number() -> None:
    of = line(digest(QUARTER, immediate=True))
    of.event(at(0))
    assert [window.number for window in of.kept.windows.values()] == [None]
    of.until(at(100))
    assert of.told == ["0:00:00 r > desk: e1"]
    assert of.kept.windows == {}
    assert of.kept.gathered == []


# --- what is stale ----------------------------------------------------------------------------------------------


def test_what_is_too_old_to_be_sent_alone_is_gathered_though_the_rule_has_no_digest() -> None:
    of = line(None, stale=Stale(minutes(30), "30m", Then.DIGEST))
    of.event(at(100), id=1, at=at(60))
    of.event(at(101), id=2, at=at(71))
    of.event(at(102), id=3, at=at(73))
    of.until(at(200))
    assert of.told == ["1:42:00 r > desk: e3", "1:55:00 r > desk: e1 e2"]
    assert of.reason("e1") == "digested"
    assert set(of.kept.windows) == {WindowKey("r", Stage.LATE, "")}


def test_what_is_too_old_goes_into_the_rules_own_digest_and_never_out_at_once() -> None:
    of = line(digest(QUARTER, immediate=True), stale=Stale(minutes(30), "30m", Then.DIGEST))
    of.event(at(100), at=at(60))
    of.event(at(101))
    of.until(at(200))
    assert of.told == ["1:55:00 r > desk: e1 e2"]


# --- against a simple oracle --------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(1, 2)), max_size=14),
    st.booleans(),
)
def test_every_event_is_told_once_and_none_before_its_digest_ends(
    arrivals: list[tuple[int, int, int]], immediate: bool
) -> None:
    """What came is (arrival, how late, key)."""
    arrivals.sort(key=lambda one: one[0])
    of = line(digest(QUARTER, "data.id", immediate=immediate))
    for arrival, late, id_ in arrivals:
        of.event(at(arrival), at=at(arrival - late), id=id_)
    of.until(at(1000))
    expected: list[tuple[int, tuple[str, ...]]] = []
    for id_ in (1, 2):
        mine = [(arrival, f"e{place}") for place, (arrival, _, key) in enumerate(arrivals, 1) if key == id_]
        while mine:
            first = mine[0][0]
            inside = [name for arrival, name in mine if arrival < first + 15]
            mine = mine[len(inside) :]
            if immediate:
                expected.append((first, (inside[0],)))
                inside = inside[1:]
            if inside:
                expected.append((first + 15, tuple(inside)))
    assert sorted((sent.due, sent.events) for sent in of.kept.sent) == sorted(
        (at(due), events) for due, events in expected
    )
