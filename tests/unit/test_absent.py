"""`absent`: a message because something has not come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, make_rule
from tests.onpaper import (
    Timeline,
    at,
    clock_of,
    digest,
    directory_of,
    during,
    hours,
    minutes,
    opening_hours,
    paths,
)
from zennotify.core.absent import FORGOTTEN_AFTER, Absent, hear, told
from zennotify.core.center import Center
from zennotify.core.during import Otherwise
from zennotify.core.hours import OpeningHours

HOUR = timedelta(hours=1)
TWO_HOURS = Absent(period=2 * HOUR, per=paths("data.id"))
OPEN = Absent(period=2 * HOUR, per=paths("center.id"), during=during())
DAY = 24 * 60


def line(absent: Absent = TWO_HOURS, **more: Any) -> Timeline:
    return Timeline(make_rule(absent=absent, **more))


# --- all time ---------------------------------------------------------------------------------------------------


def test_it_is_told_once_and_again_only_after_an_event_came() -> None:
    of = line()
    of.event(at(0), id=1)
    of.event(at(60), id=1)
    of.event(at(500), id=1)
    of.until(at(5000))
    assert of.told == ["3:00:00 r > desk: e2", "10:20:00 r > desk: e3"]
    assert (of.reason("e2"), of.reason("e3")) == ("notified", "notified")


def test_what_comes_leads_to_no_decision() -> None:
    of = line()
    of.event(at(0), id=1)
    assert of.kept.became == {}


def test_what_comes_just_when_it_is_due_comes_too_late() -> None:
    of = line()
    of.event(at(0), id=1)
    of.event(at(120), id=1)
    of.until(at(130))
    assert of.told == ["2:00:00 r > desk: e1"]


def test_keys_are_missed_apart_and_without_per_all_are_one() -> None:
    for per, told_of in [(paths("data.id"), ["2:00:00", "2:01:00"]), ((), ["2:01:00"])]:
        of = line(Absent(period=2 * HOUR, per=per))
        of.event(at(0), id=1)
        of.event(at(1), id=2)
        of.until(at(500))
        assert [text.partition(" ")[0] for text in of.told] == told_of


def test_an_event_without_a_key_is_of_nothing_that_could_be_missed() -> None:
    of = line()
    of.event(at(0), id=None)
    assert of.kept.windows == {}


def test_match_says_what_is_awaited() -> None:
    of = line(match={"data.paid": "yes"})
    of.event(at(0), id=1, paid="Yes")
    of.event(at(60), id=1, paid="No")
    of.until(at(500))
    assert of.told == ["2:00:00 r > desk: e1"]


def test_it_counts_from_the_events_own_time_and_a_late_one_may_be_due_at_once() -> None:
    of = line()
    of.event(at(30), id=1, at=at(0))
    of.event(at(300), id=2, at=at(60))
    of.until(at(1000))
    assert of.told == ["2:00:00 r > desk: e1", "5:00:00 r > desk: e2"]


def test_events_that_are_too_old_to_end_what_has_been_told_are_no_further_alarms() -> None:
    of = line()
    of.event(at(0), id=1)
    for late in (10, 20, 30):
        of.event(at(300), id=1, at=at(late))
    of.event(at(310), id=1, at=at(200))
    of.until(at(1000))
    assert of.told == ["2:00:00 r > desk: e1", "5:20:00 r > desk: e5"]


@pytest.mark.parametrize("late", [0, 20, 60])
def test_an_event_that_came_late_changes_nothing_where_a_newer_one_came_before(late: int) -> None:
    of = line()
    of.event(at(60), id=1)
    of.event(at(90), id=1, at=at(late))
    of.until(at(200))
    of.event(at(300), id=1, at=at(late))
    of.until(at(1000))
    assert of.told == ["3:00:00 r > desk: e1"]


def test_a_time_after_the_arrival_is_the_arrival() -> None:
    of = line()
    of.event(at(0), id=1, at=at(9999))
    of.until(at(1000))
    assert of.told == ["2:00:00 r > desk: e1"]


def test_a_key_that_is_not_seen_for_fourteen_days_is_forgotten() -> None:
    window = hear(TWO_HOURS, None, at(0), at(10), None, 7)
    assert (window.until, window.due, window.expires) == (at(0), at(120), at(10) + FORGOTTEN_AFTER)
    assert told(window).due is None
    assert told(window).expires == window.expires
    for period, due in [(FORGOTTEN_AFTER, at(0) + FORGOTTEN_AFTER), (FORGOTTEN_AFTER + minutes(1), None)]:
        assert hear(Absent(period=period), None, at(0), at(0), None, 7).due == due


def test_a_rule_that_is_disabled_tells_nobody_and_goes_on_listening() -> None:
    """Enabled again before it is missed, it must not miss what came meanwhile."""
    of = line()
    of.event(at(0), id=1)
    of.event(at(0), id=2)
    of.load(make_rule(absent=TWO_HOURS, enabled=False))
    of.event(at(100), id=1)
    of.until(at(130))
    of.load(make_rule(absent=TWO_HOURS))
    of.until(at(1000))
    assert of.told == ["3:40:00 r > desk: e3"]
    assert of.kept.became == {("e2", "r"): ("disabled", ""), ("e3", "r"): ("notified", "")}


# --- hours, digest ------------------------------------------------------------------------------------------------


def test_the_hours_of_the_rule_are_asked_when_it_is_missed() -> None:
    for otherwise, notify, expected in [
        (Otherwise.HOLD, (), ["20:00:00 r > desk: e1"]),
        (Otherwise.DROP, (), []),
        (Otherwise.ELSEWHERE, ("night",), ["10:00:00 r > night: e1"]),
    ]:
        of = line(Absent(period=10 * HOUR), hours=hours("08:00-21:00", otherwise, *notify))
        of.event(at(0))
        of.until(at(5000))
        assert of.told == expected


def test_what_is_missed_may_go_into_a_digest() -> None:
    of = line(digest=digest(minutes(30)))
    for minute, id_ in enumerate("abc"):
        of.event(at(minute), id=id_)
    of.until(at(5000))
    assert of.told == ["2:30:00 r > desk: e1 e2 e3"]
    assert not any(one.is_late for one in of.kept.gathered)


# --- only open time -------------------------------------------------------------------------------------------------

LOCAL = clock_of(
    usual="UTC",
    la="America/Los_Angeles",
    berlin="Europe/Berlin",
    kolkata="Asia/Kolkata",
    sydney="Australia/Sydney",
)
SALON = opening_hours("mon-fri 09:00-20:00; sat-sun closed", d20260309="closed")
CLUB = opening_hours("mon-sun 22:00-06:00")


def missed(center: str, hours_of: OpeningHours | None, last: str, period: timedelta = 2 * HOUR) -> str | None:
    """When it is told that nothing came since `last`, both in UTC."""
    absent = Absent(period=period, per=paths("center.id"), during=during())
    of = Timeline(
        make_rule(absent=absent), directory=directory_of(Center(id=center, hours=hours_of), local=LOCAL)
    )
    now = datetime.fromisoformat(last).replace(tzinfo=UTC)
    of.event(now, center_id=center)
    of.until(now + timedelta(days=60))
    return of.kept.sent[0].due.isoformat()[:16] if of.kept.sent else None


@pytest.mark.parametrize(
    ("center", "hours_of", "last", "due"),
    [
        ("la", SALON, "2026-03-05T18:00", "2026-03-05T20:00"),
        ("la", SALON, "2026-03-06T02:00", "2026-03-06T04:00"),  # at closing
        ("la", SALON, "2026-03-06T03:00", "2026-03-06T18:00"),  # an hour before closing, an hour after opening
        # Over a weekend, a closed day, and the change of the clocks: from Friday 19:00 PST to Tuesday 10:00 PDT.
        ("la", SALON, "2026-03-07T03:00", "2026-03-10T17:00"),
        ("la", SALON, "2026-10-31T02:00", "2026-11-02T18:00"),  # from Friday 19:00 PDT to Monday 10:00 PST
        ("berlin", SALON, "2026-03-27T18:00", "2026-03-30T08:00"),
        ("berlin", SALON, "2026-10-23T17:00", "2026-10-26T09:00"),
        ("kolkata", SALON, "2026-03-05T13:30", "2026-03-06T04:30"),
        # In the night itself: an hour before the change, and two hours later.
        ("la", CLUB, "2026-03-08T09:00", "2026-03-08T11:00"),
        ("la", CLUB, "2026-11-01T08:00", "2026-11-01T10:00"),
        ("la", CLUB, "2026-03-08T12:00", "2026-03-09T06:00"),  # 05:00 PDT, an hour before closing
        ("berlin", CLUB, "2026-10-25T00:30", "2026-10-25T02:30"),
        ("sydney", CLUB, "2026-10-03T15:30", "2026-10-03T17:30"),
        ("sydney", CLUB, "2026-04-04T19:00", "2026-04-05T13:00"),
        # What is not known is open.
        ("la", None, "2026-03-07T03:00", "2026-03-07T05:00"),
        ("la", OpeningHours(), "2026-03-07T03:00", "2026-03-07T05:00"),
        # It never opens; or not within the time that anybody thinks of it.
        ("la", opening_hours("mon-sun closed"), "2026-03-07T03:00", None),
        ("la", opening_hours("mon-sun closed", d20260401="09:00-20:00"), "2026-03-07T03:00", None),
        ("la", opening_hours("mon-sun closed", d20260320="09:00-20:00"), "2026-03-07T03:00", "2026-03-20T18:00"),
    ],
)  # fmt: skip
def test_only_the_time_within_the_hours_counts(
    center: str, hours_of: OpeningHours | None, last: str, due: str | None
) -> None:
    assert missed(center, hours_of, last) == due


def test_the_hours_may_be_the_rules_own() -> None:
    absent = Absent(period=2 * HOUR, during=during("08:00-13:00"))
    of = line(absent)
    of.event(at(0))
    of.until(at(3000))
    assert of.told == ["21:00:00 r > desk: e1"]  # 12:00 to 13:00, and 08:00 to 09:00


# --- against a simple oracle ---------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 200)), min_size=1, max_size=12))
def test_it_is_told_just_if_nothing_newer_came_for_so_long(arrivals: list[tuple[int, int]]) -> None:
    """What came is (arrival, how late)."""
    arrivals.sort(key=lambda one: one[0])
    of = line()
    for arrival, late in arrivals:
        of.event(at(arrival), id=1, at=at(arrival - late))
    of.until(at(5000))
    newest, expected, is_told = -1000, list[str](), False
    for place, (arrival, late) in enumerate(arrivals):
        if arrival - late <= newest:
            continue
        newest = arrival - late
        due = max(newest + 120, arrival)
        if is_told and due == arrival:
            continue  # so old that what has been told still holds
        later = [one for one in arrivals[place + 1 :] if one[0] - one[1] > newest]
        is_told = not later or later[0][0] >= due
        if is_told:
            expected.append(f"{minutes(due)} r > desk: e{place + 1}")
    assert of.told == expected


def test_the_moment_is_kept_in_utc() -> None:
    local = START.astimezone(ZoneInfo("America/Los_Angeles"))
    window = hear(OPEN, None, local, START, SALON, 1)
    assert (window.until.tzinfo, window.due and window.due.tzinfo) == (UTC, UTC)
