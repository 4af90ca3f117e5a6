"""Caps: exactly so many messages pass, whatever the order, and what is held back is counted nowhere."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from zennotify.core.cap import Cap, UsedUp, cap_windows, pass_caps, recipient_key
from zennotify.core.rate import Rate, rate_of
from zennotify.core.window import Window, WindowKey

ANN, BOB = "+12065550100", "+12065550101"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
Windows = dict[WindowKey, Window]


def cap(*limits: Rate, per_day: int = 1000) -> Cap:
    return Cap(prefixes=("+1206",), per_recipient=limits or (rate_of(2, "h"),), per_day=per_day)


def send(
    windows: Windows, held_to: Cap, now: datetime, recipient: str = ANN, channel: str = "sms"
) -> UsedUp | None:
    """Ask the caps as the store would: what it keeps loses its kind."""
    passed = pass_caps(cap_windows(channel, held_to, recipient), windows.get, now)
    if isinstance(passed, UsedUp):
        return passed
    windows.update({key: Window(until=window.until, held=window.held) for key, window in passed.items()})
    return None


@pytest.mark.parametrize(
    ("unit", "period"),
    [("s", timedelta(seconds=1)), ("m", timedelta(minutes=1)), ("h", HOUR), ("d", DAY)],
)
def test_so_many_pass_within_the_period_that_the_first_one_begins(unit: str, period: timedelta) -> None:
    windows: Windows = {}
    held_to = cap(rate_of(2, unit))
    end = START + period
    used_up = UsedUp(f"per_recipient 2/{unit}", end, is_of_all=False)
    told = [
        send(windows, held_to, START + gap)
        for gap in (timedelta(), period / 2, period / 2, period - MICROSECOND)
    ]
    assert told == [None, None, used_up, used_up]
    assert send(windows, held_to, end) is None  # the end is exclusive, and begins the next period
    assert send(windows, held_to, end + period - MICROSECOND) is None
    assert send(windows, held_to, end + period - MICROSECOND) == used_up._replace(until=end + period)


def test_the_period_does_not_move_with_what_it_lets_through_or_holds_back() -> None:
    windows: Windows = {}
    for minutes in (0, 30, 50, 59):
        send(windows, cap(), START + timedelta(minutes=minutes))
    assert {window.until for key, window in windows.items() if key.key} == {START + HOUR}


def test_each_number_and_each_channel_has_its_own_and_all_share_the_day() -> None:
    windows: Windows = {}
    held_to = cap(rate_of(1, "h"), per_day=2)
    assert [send(windows, held_to, START, number) for number in (ANN, BOB)] == [None, None]
    assert send(windows, held_to, START, ANN) == UsedUp("per_recipient 1/h", START + HOUR, is_of_all=False)
    carl = "+12065550102"
    assert send(windows, held_to, START, carl) == UsedUp("per_day 2", START + DAY, is_of_all=True)
    assert send(windows, held_to, START, carl, "other") is None
    assert send(windows, held_to, START + DAY, carl) is None


def test_all_limits_hold_and_what_one_of_them_holds_back_uses_up_none() -> None:
    windows: Windows = {}
    held_to = cap(rate_of(1, "h"), rate_of(3, "d"), per_day=4)
    told = [send(windows, held_to, START + gap * HOUR / 2) for gap in range(8)]
    assert [one and one.setting for one in told] == [
        *(None, "per_recipient 1/h") * 3,
        *["per_recipient 3/d"] * 2,
    ]
    assert {(key.stage, window.held) for key, window in windows.items()} == {
        ("sms per_recipient h", 1),
        ("sms per_recipient d", 3),
        ("sms per_day", 3),
    }


def test_another_limit_in_the_configuration_counts_what_was_sent_before() -> None:
    windows: Windows = {}
    assert [send(windows, cap(rate_of(3, "d")), START) for _ in range(2)] == [None, None]
    assert send(windows, cap(rate_of(2, "d")), START) == UsedUp(
        "per_recipient 2/d", START + DAY, is_of_all=False
    )
    assert send(windows, cap(rate_of(9, "d")), START) is None


def test_no_number_stands_in_a_key_and_nothing_is_kept_longer_than_its_period() -> None:
    windows = cap_windows("sms", cap(), ANN)
    assert [key.key for key in windows] == [recipient_key(ANN), ""]
    assert not [key for key in windows if "2065550100" in str(key)]
    assert recipient_key(ANN) != recipient_key(BOB)
    assert Window(until=START, held=5).expires == START


@pytest.mark.parametrize(
    ("number", "allowed"), [(ANN, True), ("+447700900123", False), ("+1425555010", False), ("", False)]
)
def test_only_numbers_that_begin_so_are_allowed(number: str, allowed: bool) -> None:
    assert cap().allows(number) is allowed


moments = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from([ANN, BOB]), st.sampled_from(["sms", "other"])),
    max_size=80,
)


@given(moments, st.integers(1, 4), st.integers(1, 6), st.integers(1, 10))
def test_no_order_of_events_lets_more_through_than_a_cap_allows(
    sent: list[tuple[int, str, str]], hourly: int, daily: int, per_day: int
) -> None:
    """Events need not come by their arrival: what a crash left is decided first, or later."""
    held_to = cap(rate_of(hourly, "h"), rate_of(daily, "d"), per_day=per_day)
    windows: Windows = {}
    #: The messages that passed while each period was the present one.
    passed: dict[tuple[WindowKey, datetime], int] = {}
    for quarters, number, channel in sent:
        now = START + quarters * HOUR / 4
        if send(windows, held_to, now, number, channel) is None:
            for key, limit in cap_windows(channel, held_to, number).items():
                period = (key, windows[key].until)
                passed[period] = passed.get(period, 0) + 1
                assert passed[period] <= limit.count
                assert now < windows[key].until
        else:
            assert any(
                now < windows[key].until and windows[key].held == limit.count
                for key, limit in cap_windows(channel, held_to, number).items()
                if key in windows
            )


@given(st.lists(st.integers(0, 200), max_size=60), st.integers(1, 5))
def test_in_any_hour_fewer_than_twice_as_many_pass(minutes: list[int], most: int) -> None:
    windows: Windows = {}
    moments = [START + timedelta(minutes=minute) for minute in sorted(minutes)]
    passed = [moment for moment in moments if send(windows, cap(rate_of(most, "h")), moment) is None]
    for moment in passed:
        assert sum(moment <= other < moment + HOUR for other in passed) < 2 * most
