"""`threshold`: only when a key's events come often enough, in event time, in whatever order they arrive."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, make_names, make_rule
from tests.onpaper import Timeline, at, minutes, paths, threshold
from zennotify.core.threshold import MOST_COUNTED, pass_threshold
from zennotify.core.window import Window, key_text

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
THREE = threshold(3, HOUR, "data.id")


def numbers(times: list[datetime], within: timedelta = HOUR, now: datetime | None = None) -> list[int]:
    """How many each event counts, where they arrive in this order, each as soon as it can."""
    window: Window | None = None
    found = []
    clock = now or START
    for time in times:
        clock = max(clock, time)
        number, window = pass_threshold(threshold(3, within), window, time, clock)
        found.append(number)
    return found


@pytest.mark.parametrize(
    ("after", "counted"),
    [
        ([0], [1]),
        ([0, 10, 20], [1, 2, 3]),
        ([0, 10, 20, 30], [1, 2, 3, 4]),
        ([0, 59, 61], [1, 2, 2]),
        ([0, 30, 60], [1, 2, 2]),  # just an hour after the first is in the next span
        ([0, 30, 90, 150], [1, 2, 1, 1]),
        ([0, 0, 0], [1, 2, 3]),
        ([20, 10, 0], [1, 2, 3]),
        ([0, 40, 20], [1, 2, 3]),  # the last one to come was between them
        ([40, 80, 20], [1, 2, 2]),  # 20 with 40; 80 is another hour
        ([0, 110, 50], [1, 1, 2]),
    ],
)
def test_an_event_counts_all_that_are_in_one_span_with_it(after: list[int], counted: list[int]) -> None:
    assert numbers([at(minute) for minute in after]) == counted


def test_the_span_ends_just_before_within() -> None:
    assert numbers([START, START + HOUR - TICK]) == [1, 2]
    assert numbers([START, START + HOUR]) == [1, 1]
    assert numbers([START + HOUR, START]) == [1, 1]


def test_an_event_of_a_span_that_is_long_over_counts_alone() -> None:
    window = Window(until=START, times=(at(0), at(1)))
    number, _ = pass_threshold(THREE, window, at(-500), at(2))
    assert number == 1


def test_what_is_remembered_is_bounded_by_time_and_by_number() -> None:
    window: Window | None = None
    for minute in range(0, 600, 10):
        _, window = pass_threshold(THREE, window, at(minute), at(minute))
    assert window is not None
    assert window.times == tuple(at(minute) for minute in range(470, 600, 10))
    crowd = Window(until=START, times=(START,) * MOST_COUNTED)
    number, window = pass_threshold(THREE, crowd, START + TICK, START + TICK)
    assert number == MOST_COUNTED
    assert len(window.times) == MOST_COUNTED
    assert window.times[-1] == START + TICK


def test_the_highest_threshold_can_be_reached() -> None:
    crowd = Window(until=START, times=(START,) * (MOST_COUNTED - 1))
    assert pass_threshold(threshold(MOST_COUNTED, HOUR), crowd, START, START)[0] == MOST_COUNTED


def test_it_is_remembered_as_long_as_a_late_event_may_count() -> None:
    _, window = pass_threshold(THREE, None, at(0), at(0))
    assert window.expires == at(120)
    _, window = pass_threshold(THREE, None, at(0), at(30))  # it came late itself
    assert window.expires == at(150)


def test_a_time_after_the_arrival_is_the_arrival() -> None:
    line = Timeline(make_rule(threshold=threshold(2, minutes(10), "data.id")))
    line.event(at(0), id=1, at=at(5000))
    line.event(at(1), id=1)
    assert line.detail("e1") == "1 of 2"
    assert line.told == ["0:01:00 r > desk: e2"]


def test_each_event_passes_while_the_count_is_reached_and_says_it() -> None:
    line = Timeline(make_rule(threshold=THREE))
    for minute in (0, 10, 20, 50, 75, 140):
        line.event(at(minute), id="x")
    assert [line.reason(f"e{number}") for number in range(1, 7)] == [
        "below_threshold",
        "below_threshold",
        "notified",
        "notified",
        "notified",  # 20, 50, 75
        "below_threshold",
    ]
    assert line.detail("e2") == "2 of 3"
    assert line.detail("e6") == "1 of 3"
    assert [sent.counted for sent in line.kept.sent] == [3, 4, 3]


def test_keys_are_counted_apart_and_without_per_all_together() -> None:
    line = Timeline(
        make_rule("apart", threshold=threshold(2, HOUR, "data.id")),
        make_rule("both", threshold=threshold(2, HOUR, "data.id", "data.x")),
        make_rule("all", threshold=threshold(2, HOUR)),
    )
    line.event(at(0), id=1, x=1)
    line.event(at(1), id=2, x=1)
    line.event(at(2), id="1", x=2)
    assert line.told == ["0:01:00 all > desk: e2", "0:02:00 apart > desk: e3", "0:02:00 all > desk: e3"]


@pytest.mark.parametrize("data", [{}, {"id": None}, {"id": ""}, {"id": "  "}, {"id": []}], ids=str)
def test_an_event_that_does_not_say_for_whom_is_not_counted(data: dict[str, Any]) -> None:
    assert key_text(paths("data.id"), make_names(**data)) is None
    line = Timeline(make_rule(threshold=threshold(2, HOUR, "data.id")))
    for minute in range(3):
        line.event(at(minute), **data)
    assert line.told == []
    assert line.reason("e3") == "below_threshold"
    assert line.detail("e3") == "not counted: the event does not say for whom"
    assert line.kept.windows == {}


_TIMES = st.lists(st.integers(0, 40), min_size=1, max_size=12)


@given(_TIMES, st.integers(1, 5), st.integers(1, 20), st.data())
def test_in_any_order_somebody_passes_just_if_there_is_a_span_that_holds_enough(
    times: list[int], wanted: int, within: int, data: st.DataObject
) -> None:
    """None comes so late that it is no more than twice `within` behind the newest."""
    shuffled = data.draw(st.permutations([time for time in times if time >= max(times) - 2 * within]))
    fullest = max(sum(1 for one in shuffled if first <= one < first + within) for first in shuffled)
    counted = numbers([at(time) for time in shuffled], minutes(within), at(100))
    assert any(number >= wanted for number in counted) is (fullest >= wanted)
    assert max(counted) == fullest


@given(_TIMES, st.integers(1, 20))
def test_in_order_each_event_counts_itself_and_those_before_it_in_one_span(
    times: list[int], within: int
) -> None:
    """Where each arrives as it happens, what came before is all that can be counted."""
    times = sorted(times)
    expected = [
        sum(1 for one in times[: place + 1] if one > time - within) for place, time in enumerate(times)
    ]
    assert numbers([at(time) for time in times], minutes(within)) == expected


@given(_TIMES, st.integers(1, 20), st.data())
def test_a_late_event_lets_itself_through_where_it_makes_a_span_full(
    times: list[int], within: int, data: st.DataObject
) -> None:
    late = data.draw(st.integers(max(max(times) - within, 0), max(times)))
    counted = numbers([*(at(time) for time in sorted(times)), at(late)], minutes(within))[-1]
    every = [*times, late]
    spans = [first for first in every if first <= late < first + within]
    assert counted == max(sum(1 for one in every if first <= one < first + within) for first in spans)
