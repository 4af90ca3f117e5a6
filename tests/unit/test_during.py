"""`hours`: a rule speaks only during certain hours, by the clock of the event's centre."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import make_once, make_rule
from tests.onpaper import Timeline, clock_of, directory_of, hours, minutes, opening_hours, wait
from tests.onpaper import digest as every
from zennotify.core.center import Center
from zennotify.core.during import Otherwise, is_outside, next_opening
from zennotify.core.escalation import Step
from zennotify.core.rule import Hold, Rule

ZONES = clock_of(
    usual="UTC",
    la="America/Los_Angeles",
    berlin="Europe/Berlin",
    sydney="Australia/Sydney",
    kolkata="Asia/Kolkata",
)
TICK = timedelta(microseconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def line(rule: Rule, *centers: Center) -> Timeline:
    return Timeline(rule, directory=directory_of(*centers, local=ZONES))


def goes_out(text: str, center: str, now: str) -> str:
    """When a message goes out that comes at `now`, both in UTC."""
    of = line(make_rule(hours=hours(text)))
    of.event(utc(now), center_id=center)
    return of.kept.sent[0].due.astimezone(UTC).isoformat()[:16]


@pytest.mark.parametrize(
    ("text", "clock", "outside"),
    [
        ("08:00-21:00", "07:59:59.999999", True),
        ("08:00-21:00", "08:00", False),
        ("08:00-21:00", "20:59:59.999999", False),
        ("08:00-21:00", "21:00", True),
        ("22:00-06:00", "21:59", True),
        ("22:00-06:00", "22:00", False),
        ("22:00-06:00", "00:00", False),
        ("22:00-06:00", "05:59:59.999999", False),
        ("22:00-06:00", "06:00", True),
        ("00:00-24:00", "00:00", False),
        ("00:00-24:00", "23:59:59.999999", False),
        ("18:00-24:00", "00:00", True),
        ("08:00-12:00, 13:00-21:00", "12:30", True),
    ],
)
def test_the_ends_are_exclusive_and_midnight_may_lie_within(text: str, clock: str, outside: bool) -> None:
    local = datetime.fromisoformat(f"2026-05-05T{clock}").replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert is_outside(hours(text), None, local) is outside


def test_opening_hours_are_those_of_the_centre_and_count_as_open_where_they_are_not_known() -> None:
    local = datetime(2026, 5, 5, 7, tzinfo=ZoneInfo("Europe/Berlin"))
    center = opening_hours("mon-fri 09:00-20:00; sun closed")
    assert is_outside(hours("opening-hours"), center, local)
    assert next_opening(hours("opening-hours"), center, local) == local.replace(hour=9)
    assert not is_outside(hours("opening-hours"), None, local)
    assert not is_outside(hours("opening-hours"), center, local.replace(day=9))  # a Saturday


# In Los Angeles the clocks go from 2:00 to 3:00 at 2026-03-08T10:00Z, and from 2:00 to 1:00 at 2026-11-01T09:00Z;
# in Berlin at 2026-03-29T01:00Z and 2026-10-25T01:00Z; in Sydney from 3:00 to 2:00 at 2026-04-04T16:00Z, and from
# 2:00 to 3:00 at 2026-10-03T16:00Z; in India never.
@pytest.mark.parametrize(
    ("text", "center", "now", "due"),
    [
        ("08:00-21:00", "la", "2026-03-08T04:59", "2026-03-08T04:59"),  # 20:59
        ("08:00-21:00", "la", "2026-03-08T05:00", "2026-03-08T15:00"),  # 21:00 PST, until 08:00 PDT
        ("08:00-21:00", "la", "2026-11-01T04:00", "2026-11-01T16:00"),
        ("08:00-21:00", "berlin", "2026-03-28T20:00", "2026-03-29T06:00"),
        ("08:00-21:00", "berlin", "2026-10-24T19:00", "2026-10-25T07:00"),
        ("08:00-21:00", "sydney", "2026-04-04T10:00", "2026-04-04T22:00"),
        ("08:00-21:00", "sydney", "2026-10-03T11:00", "2026-10-03T21:00"),
        ("08:00-21:00", "kolkata", "2026-03-08T15:30", "2026-03-09T02:30"),
        ("22:00-06:00", "la", "2026-03-08T13:00", "2026-03-09T05:00"),  # 06:00, until 22:00
        ("22:00-06:00", "la", "2026-03-08T12:59", "2026-03-08T12:59"),
        (
            "22:00-02:30",
            "la",
            "2026-03-08T10:00",
            "2026-03-09T05:00",
        ),  # 02:30 does not come: it ends at 03:00
        ("22:00-02:30", "la", "2026-11-01T10:29", "2026-11-01T10:29"),  # 02:30 comes after both 01:30s
        ("22:00-02:30", "la", "2026-11-01T10:30", "2026-11-02T06:00"),
        ("22:00-01:30", "la", "2026-11-01T08:29", "2026-11-01T08:29"),
        ("22:00-01:30", "la", "2026-11-01T08:30", "2026-11-02T06:00"),  # the first 01:30
        ("02:30-05:00", "la", "2026-03-08T09:00", "2026-03-08T10:00"),  # 02:30 is jumped over: at 03:00
        ("02:30-05:00", "berlin", "2026-10-25T00:00", "2026-10-25T00:30"),  # the first 02:30
        ("02:30-05:00", "sydney", "2026-04-04T15:00", "2026-04-04T15:30"),
        ("02:30-05:00", "sydney", "2026-10-03T15:00", "2026-10-03T16:00"),
    ],
)
def test_a_message_is_held_until_they_begin_on_the_clock_of_the_centre(
    text: str, center: str, now: str, due: str
) -> None:
    assert goes_out(text, center, now) == due


def test_what_is_held_says_so_and_in_the_centres_time() -> None:
    of = line(make_rule(hours=hours("08:00-21:00")))
    of.event(utc("2026-03-08T06:00"), center_id="la")
    assert of.reason("e1") == "notified"
    assert of.detail("e1") == "held until 2026-03-08T08:00:00-07:00"


def test_hours_that_never_come_are_said() -> None:
    never = Center(id="la", hours=opening_hours("mon-sun closed"))
    of = line(make_rule(hours=hours("opening-hours")), never)
    of.event(utc("2026-03-08T06:00"), center_id="la")
    assert (of.reason("e1"), of.detail("e1")) == ("outside_hours", "it never opens again")


def test_what_comes_outside_is_dropped_and_starts_no_period() -> None:
    of = line(make_rule(hours=hours("08:00-21:00", Otherwise.DROP), once=make_once("data.id")))
    of.event(utc("2026-03-08T05:00"), center_id="la", id=1)
    of.event(utc("2026-03-08T14:59"), center_id="la", id=1)
    of.event(utc("2026-03-08T15:00"), center_id="la", id=1)
    assert [of.reason(f"e{place}") for place in (1, 2, 3)] == ["outside_hours", "outside_hours", "notified"]
    assert of.detail("e1") == "21:00 is outside 08:00-21:00"
    assert of.detail("e2") == "07:59 is outside 08:00-21:00"


def test_what_comes_outside_goes_elsewhere_at_once() -> None:
    of = line(make_rule(hours=hours("08:00-21:00", Otherwise.ELSEWHERE, "night", "boss")))
    of.event(utc("2026-03-08T05:00"), center_id="la")
    of.event(utc("2026-03-08T15:00"), center_id="la")
    assert [(sent.channel, sent.events) for sent in of.kept.sent] == [
        ("night", ("e1",)),
        ("boss", ("e1",)),
        ("desk", ("e2",)),
    ]
    assert of.detail("e1") == "outside 08:00-21:00: told elsewhere"


def test_what_goes_elsewhere_does_so_after_its_wait_whatever_the_hours_are_then() -> None:
    of = line(make_rule(hours=hours("08:00-21:00", Otherwise.ELSEWHERE, "night"), wait=wait(minutes(60))))
    of.event(utc("2026-03-08T14:30"), center_id="la", id=1)
    of.event(utc("2026-03-09T03:30"), center_id="la", id=2)
    of.until(utc("2026-03-10T00:00"))
    assert [(sent.channel, sent.events) for sent in of.kept.sent] == [("night", ("e1",)), ("desk", ("e2",))]
    assert of.detail("e1") == "outside 08:00-21:00: told elsewhere"


def test_what_waits_to_go_elsewhere_is_told_here_where_nobody_is_elsewhere_any_more() -> None:
    rule = make_rule(hours=hours("08:00-21:00", Otherwise.ELSEWHERE, "night"), wait=wait(minutes(60)))
    of = line(rule)
    of.event(utc("2026-03-08T06:00"), center_id="la", id=1)
    of.load(make_rule(wait=wait(minutes(60))))
    of.until(utc("2026-03-10T00:00"))
    assert [sent.channel for sent in of.kept.sent] == ["desk"]


def test_digests_of_those_here_and_elsewhere_are_two() -> None:
    rule = make_rule(hours=hours("08:00-21:00", Otherwise.ELSEWHERE, "night"), digest=every(minutes(60)))
    of = line(rule)
    for clock in ("03:45", "03:55", "04:00", "04:05"):
        of.event(utc(f"2026-03-09T{clock}"), center_id="la")
    of.until(utc("2026-03-10T00:00"))
    assert [(sent.due, sent.channel, sent.events) for sent in of.kept.sent] == [
        (utc("2026-03-09T04:45"), "desk", ("e1", "e2")),
        (utc("2026-03-09T05:00"), "night", ("e3", "e4")),
    ]


def test_a_digest_that_is_due_outside_is_held_and_its_escalation_counts_from_its_going_out() -> None:
    rule = make_rule(
        hours=hours("08:00-21:00"), digest=every(minutes(60)), escalate=(Step(minutes(15), ("boss",)),)
    )
    of = line(rule)
    of.event(utc("2026-03-08T04:30"), center_id="la")
    of.until(utc("2026-03-10T00:00"))
    assert [(sent.decided, sent.due, sent.channel) for sent in of.kept.sent] == [
        (utc("2026-03-08T05:30"), utc("2026-03-08T15:00"), "desk"),
        (utc("2026-03-08T15:15"), utc("2026-03-08T15:15"), "boss"),
    ]


def test_an_escalation_counts_real_time_through_the_night_whose_clocks_go_back() -> None:
    """It is held until 01:00, and an hour later it is 01:00 again."""
    of = line(make_rule(hours=hours("01:00-05:00"), escalate=(Step(minutes(60), ("boss",)),)))
    of.event(utc("2026-11-01T06:00"), center_id="la")
    of.until(utc("2026-11-02T00:00"))
    assert [sent.due for sent in of.kept.sent] == [utc("2026-11-01T08:00"), utc("2026-11-01T09:00")]


def test_the_escalation_of_what_is_held_is_not_taken_for_the_work_of_a_clock_that_was_ahead() -> None:
    of = line(make_rule(hours=hours("08:00-21:00"), escalate=(Step(minutes(15), ("boss",)),)))
    of.event(utc("2026-03-08T06:00"), center_id="la")
    [window] = of.kept.windows.values()
    assert (window.opened, window.until) == (None, utc("2026-03-08T15:00"))


def test_what_is_held_waits_for_no_name() -> None:
    rule = make_rule(hours=hours("08:00-21:00"), hold=Hold(minutes(1), lambda _names: ["guest 1"]))
    of = line(rule)
    of.event(utc("2026-03-08T06:00"), center_id="la")
    of.event(utc("2026-03-08T16:00"), center_id="la")
    assert [sent.due for sent in of.kept.sent] == [utc("2026-03-08T15:00"), utc("2026-03-08T16:01")]


@given(
    st.sampled_from(["08:00-21:00", "22:00-06:00", "02:30-03:15", "23:00-02:30", "01:15-01:45"]),
    st.sampled_from(["la", "berlin", "sydney", "kolkata"]),
    st.sampled_from([(3, 7), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31), (6, 1)]),
    st.integers(0, 48 * 60),
)
def test_a_message_is_held_until_the_first_minute_that_is_within(
    text: str, center: str, day: tuple[int, int], minute: int
) -> None:
    now = datetime(2026, *day, tzinfo=UTC) + timedelta(minutes=minute)
    of = line(make_rule(hours=hours(text)))
    of.event(now, center_id=center)
    due, asked = of.kept.sent[0].due, hours(text)
    local = ZONES(NamesLike(center), now).tzinfo
    moment = now
    while moment < due:
        assert is_outside(asked, None, moment.astimezone(local))
        moment += timedelta(minutes=15)
    assert not is_outside(asked, None, due.astimezone(local))
    assert due == now or is_outside(asked, None, (due - TICK).astimezone(local))


class NamesLike(dict[str, dict[str, str]]):
    """The names of an event of a centre."""

    def __init__(self, center: str) -> None:
        super().__init__(center={"id": center})
