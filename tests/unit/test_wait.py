"""`wait`: a message goes out only when its opposite has not come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes import START, clause, make_once, make_rule
from tests.onpaper import Timeline, at, minutes, paths, threshold, wait
from zennotify.core.model import Names, read_time
from zennotify.core.stale import Stale, Then
from zennotify.core.wait import LONGEST_AHEAD, Opposite, Wait, begin_wait, goes_elsewhere, oppose, was_late

FREEZE, BACK = "Guest.Membership.Freeze", "Guest.Membership.Reinstate"
HOUR = timedelta(hours=1)


def frozen(**more: Any) -> Timeline:
    return Timeline(make_rule("r", FREEZE.casefold(), **{"wait": wait(minutes(10), BACK)} | more))


def start(names: Names) -> datetime | None:
    text = names["data"].get("start")
    return None if text is None else read_time(text)


# --- with an opposite ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrivals", "reasons", "told"),
    [
        # What comes is written (arrival, time); F freezes, B is its opposite.
        (["F 0 0"], ["notified"], ["0:10:00"]),
        (["F 0 0", "B 5 5"], ["withdrawn"], []),
        (["F 0 0", "B 10 10"], ["notified"], ["0:10:00"]),  # what is due then fires first
        (["F 0 0", "B 11 5"], ["notified"], ["0:10:00"]),  # the opposite came too late
        (["B 0 0", "F 1 1"], ["notified"], ["0:11:00"]),  # it happened before
        (["B 2 2", "F 3 1"], ["withdrawn"], []),  # it happened after, and came first
        (["F 3 2", "B 4 1"], ["notified"], ["0:13:00"]),  # it happened before, and came after
        (["F 3 2", "B 4 2"], ["withdrawn"], []),  # at the same time: it came after
        (["B 3 2", "F 4 2"], ["notified"], ["0:14:00"]),  # at the same time: it came before
        (["B 5 5", "B 6 1", "F 7 4"], ["withdrawn"], []),  # the latest opposite counts
        (["F 0 0", "B 2 2", "F 3 3"], ["withdrawn", "notified"], ["0:13:00"]),
        (["F 0 0", "F 4 4"], ["withdrawn", "notified"], ["0:14:00"]),
        (["F 0 0", "F 4 4", "B 5 5"], ["withdrawn", "withdrawn"], []),
        (["F 4 4", "F 5 2"], ["notified", "withdrawn"], ["0:14:00"]),  # the further one happened before
        (["F 4 2", "F 5 2"], ["withdrawn", "notified"], ["0:15:00"]),
        (["F 0 0", "F 10 10"], ["notified", "notified"], ["0:10:00", "0:20:00"]),
    ],
    ids=str,
)
def test_it_goes_out_unless_the_opposite_came(
    arrivals: list[str], reasons: list[str], told: list[str]
) -> None:
    line = frozen()
    asked = []
    for text in arrivals:
        kind, arrival, time = text.split()
        id_ = line.event(at(int(arrival)), FREEZE if kind == "F" else BACK, at=at(int(time)), id=1)
        asked += [id_] if kind == "F" else []
    line.until(at(60))
    assert [line.reason(id_) for id_ in asked] == reasons
    assert [text.partition(" ")[0] for text in line.told] == told


def test_each_step_says_what_it_waits_for_and_what_withdrew_it() -> None:
    line = frozen()
    line.event(at(0), FREEZE, id=1)
    assert line.reason("e1") == "waiting"
    assert line.detail("e1") == "until 2026-03-01T12:10:00+00:00 unless guest.membership.reinstate"
    line.event(at(1), FREEZE, id=1)
    assert line.detail("e1") == "event e2 came in its place"
    line.event(at(1), FREEZE, id=1, at=at(0))
    assert line.detail("e3") == "a later one waits already"
    line.event(at(2), BACK, id=1)
    assert line.detail("e2") == "Guest.Membership.Reinstate came: event e4"
    line.event(at(3), FREEZE, id=1, at=at(1))
    assert line.detail("e5") == "its opposite came before it, and is of 2026-03-01T12:02:00+00:00"


def test_keys_wait_apart() -> None:
    line = frozen()
    line.event(at(0), FREEZE, id=1)
    line.event(at(0), FREEZE, id=2)
    line.event(at(1), BACK, id="2")
    line.until(at(60))
    assert line.told == ["0:10:00 r > desk: e1"]


@pytest.mark.parametrize("id_", [None, "", " ", []], ids=str)
def test_without_a_key_each_waits_alone_and_nothing_withdraws_it(id_: object) -> None:
    line = frozen()
    for minute in (0, 1):
        line.event(at(minute), FREEZE, id=id_)
    line.event(at(2), BACK, id=id_)
    line.until(at(60))
    assert line.told == ["0:10:00 r > desk: e1", "0:11:00 r > desk: e2"]


def test_without_per_each_waits_for_itself() -> None:
    line = frozen(wait=wait(minutes(10), per=()))
    line.event(at(0), FREEZE, id=1)
    line.event(at(1), FREEZE, id=1)
    line.until(at(60))
    assert line.told == ["0:10:00 r > desk: e1", "0:11:00 r > desk: e2"]


def test_an_opposite_may_be_one_of_several_and_asks_for_its_match() -> None:
    opposites = (
        Opposite(events=("guest.membership.re*",), match=(clause("data.active", "yes"),)),
        Opposite(events=("guest.deleted",)),
    )
    line = frozen(wait=Wait(text="10m", period=minutes(10), unless=opposites, per=paths("data.id")))
    for place in range(3):
        line.event(at(0), FREEZE, id=place)
    line.event(at(1), BACK, id=0, active="No")
    line.event(at(1), BACK, id=1, active="Yes")
    line.event(at(1), "Guest.Deleted", id=2)
    line.until(at(60))
    assert line.told == ["0:10:00 r > desk: e1"]
    assert line.detail("e3") == "Guest.Deleted came: event e6"


def test_an_event_that_is_its_own_opposite_withdraws_only_what_was_before() -> None:
    line = frozen(wait=wait(minutes(10), FREEZE))
    for minute in (0, 1, 20):
        line.event(at(minute), FREEZE, id=1)
    line.until(at(60))
    assert line.told == ["0:11:00 r > desk: e2", "0:30:00 r > desk: e3"]


def test_a_further_event_that_is_stopped_before_replaces_nothing() -> None:
    line = frozen(stale=Stale(minutes(5), "5m", Then.DROP))
    line.event(at(4), FREEZE, id=1, at=at(3))
    line.event(at(9), FREEZE, id=1, at=at(4))
    line.until(at(60))
    assert line.told == ["0:14:00 r > desk: e1"]


def test_an_opposite_is_remembered_for_a_day_or_as_long_as_the_wait() -> None:
    short, long = wait(minutes(10), BACK), wait(48 * HOUR, BACK)
    assert oppose(short, None, at(0), at(5)).expires == at(5) + timedelta(days=1)
    assert oppose(long, None, at(0), at(5)).expires == at(5) + timedelta(days=2)
    window = oppose(short, oppose(short, None, at(9), at(10)), at(4), at(11))
    assert window.times == (at(9),)


# --- what it counts from ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "reason", "told"),
    [
        (None, "no_moment", []),
        ("not a time", "no_moment", []),
        ("9999-12-31T23:59:00Z", "no_moment", []),
        ("2026-03-01T12:30:00Z", "notified", ["0:45:00 r > desk: e1"]),
        ("2026-03-01T14:30:00+02:00", "notified", ["0:45:00 r > desk: e1"]),
        ("2026-03-01T11:46:00Z", "notified", ["0:01:00 r > desk: e1"]),
        ("2026-03-01T11:45:00Z", "notified", ["0:00:00 r > desk: e1"]),  # now
        ("2026-02-01T11:45:00Z", "notified", ["0:00:00 r > desk: e1"]),  # past
    ],
)
def test_it_may_count_from_a_moment_that_the_event_names(
    begins: str | None, reason: str, told: list[str]
) -> None:
    line = Timeline(make_rule(wait=wait(minutes(15), after=start)))
    line.event(at(0), id=1, start=begins)
    line.until(at(100))
    assert line.reason("e1") == reason
    assert line.told == told


def test_no_moment_names_the_path_and_leaves_what_waits() -> None:
    line = Timeline(make_rule(wait=wait(minutes(15), after=start)))
    line.event(at(0), id=1, start="2026-03-01T12:30:00Z")
    line.event(at(1), id=1)
    assert line.detail("e2") == "data.start is not known"
    line.until(at(100))
    assert line.told == ["0:45:00 r > desk: e1"]


def test_a_further_event_moves_it_and_one_that_is_due_already_goes_out_in_its_place() -> None:
    line = Timeline(make_rule(wait=wait(minutes(15), after=start)))
    line.event(at(0), id=1, start="2026-03-01T12:30:00Z")
    line.event(at(1), id=1, start="2026-03-01T12:50:00Z")
    line.event(at(2), id=1, start="2026-03-01T11:00:00Z")
    line.until(at(100))
    assert line.told == ["0:02:00 r > desk: e3"]
    assert (line.reason("e1"), line.reason("e2")) == ("withdrawn", "withdrawn")
    assert line.kept.windows == {}


def test_a_moment_by_the_clock_on_the_wall_is_counted_from_in_real_time() -> None:
    """Half an hour after 01:45, in the night whose clocks go back, it is 01:15."""
    local = datetime(2026, 11, 1, 1, 45, tzinfo=ZoneInfo("America/Los_Angeles"))
    asked = wait(minutes(30), after=lambda _names: local)
    due = asked.ends({}, START)
    assert due is not None
    assert due.astimezone(UTC) == datetime(2026, 11, 1, 9, 15, tzinfo=UTC)


def test_what_goes_by_the_clock_on_the_wall_does_not_move_with_a_clock_that_was_ahead() -> None:
    for asked, opened in [(wait(HOUR), at(0)), (wait(HOUR, after=start), None)]:
        line = Timeline(make_rule(wait=asked))
        line.event(at(0), id=1, start="2026-03-01T12:30:00Z")
        assert [window.opened for window in line.kept.windows.values()] == [opened]
    assert wait(HOUR).longest == HOUR
    assert wait(HOUR, after=start).longest == HOUR + LONGEST_AHEAD


# --- what it passes on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_elsewhere", [False, True])
@pytest.mark.parametrize("is_late", [False, True])
def test_what_was_found_before_the_wait_is_known_after_it(is_elsewhere: bool, is_late: bool) -> None:
    window = begin_wait(at(0), at(61), 7, opened=at(1), count=3, is_elsewhere=is_elsewhere, is_late=is_late)
    assert goes_elsewhere(window) is is_elsewhere
    assert was_late(window) is is_late
    assert (window.due, window.event, window.count) == (at(61), 7, 3)


def test_the_count_of_a_threshold_is_told_after_the_wait() -> None:
    line = Timeline(make_rule(threshold=threshold(2, HOUR), wait=wait(minutes(10))))
    for minute in (0, 1, 2):
        line.event(at(minute), id=1)
    line.until(at(60))
    assert [(sent.events, sent.counted) for sent in line.kept.sent] == [(("e3",), 3)]


def test_what_is_withdrawn_starts_no_period_and_the_period_runs_from_the_end_of_the_wait() -> None:
    line = frozen(once=make_once("data.id", period=HOUR))
    line.event(at(0), FREEZE, id=1)
    line.event(at(1), BACK, id=1)
    line.event(at(2), FREEZE, id=1)
    line.event(at(60), FREEZE, id=1)
    line.event(at(71), FREEZE, id=1)
    line.until(at(200))
    assert line.told == ["0:12:00 r > desk: e3", "1:21:00 r > desk: e5"]
    assert line.reason("e4") == "held_back"
    assert line.kept.sent[1].held_back == 1


def test_a_rule_that_is_disabled_when_it_ends_tells_nobody() -> None:
    line = frozen()
    line.event(at(0), FREEZE, id=1)
    line.load(make_rule("r", FREEZE.casefold(), enabled=False))
    line.until(at(60))
    assert line.reason("e1") == "disabled"
    assert line.kept.windows == {}


def test_a_rule_that_waits_no_more_tells_what_waits() -> None:
    line = frozen()
    line.event(at(0), FREEZE, id=1)
    line.load(make_rule("r", FREEZE.casefold()))
    line.until(at(60))
    assert line.told == ["0:10:00 r > desk: e1"]


# --- against a simple oracle -----------------------------------------------------------------------------------


_ARRIVALS = st.lists(
    st.tuples(st.sampled_from(["F", "B"]), st.integers(0, 40), st.integers(0, 15)), max_size=12
)


@given(_ARRIVALS)
@example([("F", 0, 0), ("F", 3, 3), ("B", 5, 1)])
def test_it_goes_out_just_if_nothing_later_of_its_key_came_within_the_wait(
    arrivals: list[tuple[str, int, int]],
) -> None:
    """Never early, and once; what came is (what, arrival, how late)."""
    arrivals = sorted(arrivals, key=lambda one: one[1])
    line = frozen()
    for kind, arrival, late in arrivals:
        line.event(at(arrival), FREEZE if kind == "F" else BACK, at=at(arrival - late), id=1)
    line.until(at(1000))
    expected = []
    for place, (kind, arrival, late) in enumerate(arrivals):
        moment = arrival - late
        before = [one for one in arrivals[:place] if one[1] - one[2] > moment]
        after = [one for one in arrivals[place + 1 :] if one[1] < arrival + 10 and one[1] - one[2] >= moment]
        is_answered = any(one[0] == "B" for one in (*before, *after)) or any(one[0] == "F" for one in after)
        if kind == "F" and not is_answered and not waits_already(arrivals[: place + 1]):
            expected.append(f"{minutes(arrival + 10)} r > desk: e{place + 1}")
    assert line.told == expected


def waits_already(arrivals: list[tuple[str, int, int]]) -> bool:
    """Return whether, when the last of these comes, one of a later time waits."""
    waiting: tuple[int, int] | None = None  # its time, and when its wait ends
    latest = -1000
    for kind, arrival, late in arrivals[:-1]:
        moment = arrival - late
        if waiting is not None and waiting[1] <= arrival:
            waiting = None
        if kind == "B":
            latest = max(latest, moment)
            if waiting is not None and moment >= waiting[0]:
                waiting = None
        elif latest <= moment and (waiting is None or moment >= waiting[0]):
            waiting = (moment, arrival + 10)
    _, arrival, late = arrivals[-1]
    return waiting is not None and waiting[1] > arrival and waiting[0] > arrival - late
