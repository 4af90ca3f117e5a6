"""`once`: at most one message per key and period, told how many were held back."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, make_names, make_once
from zennotify.core.model import Code
from zennotify.core.once import REMEMBER_HELD, pass_once
from zennotify.core.window import Window, key_text

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
ONCE = make_once("data.id", period=HOUR)


def key(*per: str, **data: Any) -> str | None:
    return key_text(make_once(*per).per, make_names(**data))


def test_the_first_message_passes_and_starts_the_period() -> None:
    assert pass_once(ONCE, None, START) == (True, 0, Window(until=START + HOUR))


def test_messages_within_the_period_are_held_back_and_counted() -> None:
    _, _, window = pass_once(ONCE, None, START)
    passes, told, window = pass_once(ONCE, window, START + MINUTE)
    assert (passes, told, window.held) == (False, 0, 1)
    passes, told, window = pass_once(ONCE, window, START + HOUR - timedelta(microseconds=1))
    assert (passes, told, window.held) == (False, 0, 2)


def test_held_back_messages_do_not_extend_the_period() -> None:
    _, _, window = pass_once(ONCE, None, START)
    for minute in range(1, 60):
        _, _, window = pass_once(ONCE, window, START + minute * MINUTE)
    assert window.until == START + HOUR


def test_a_period_that_a_clock_started_which_was_ahead_lasts_no_longer_than_one_from_the_next_message() -> (
    None
):
    _, _, window = pass_once(ONCE, None, START + timedelta(days=365))
    for minute in (0, 30, 59):
        passes, _, window = pass_once(ONCE, window, START + minute * MINUTE)
        assert (passes, window.until) == (False, START + HOUR)
    assert pass_once(ONCE, window, START + HOUR) == (True, 3, Window(until=START + 2 * HOUR))


def test_the_next_message_tells_how_many_were_held_back_and_starts_a_period_of_its_own() -> None:
    window = Window(until=START + HOUR, held=2)
    assert pass_once(ONCE, window, START + HOUR) == (True, 2, Window(until=START + 2 * HOUR))
    late = START + timedelta(days=3)
    assert pass_once(ONCE, window, late) == (True, 2, Window(until=late + HOUR))


def test_a_message_from_before_the_period_is_held_back() -> None:
    _, _, window = pass_once(ONCE, None, START)
    assert pass_once(ONCE, window, START - MINUTE)[0] is False


def test_window_is_remembered_while_it_has_something_to_tell() -> None:
    assert Window(until=START).expires == START
    _, _, window = pass_once(ONCE, Window(until=START), START - MINUTE)
    assert window.expires == START + REMEMBER_HELD


@pytest.mark.parametrize("data", [{}, {"id": None}, {"id": []}, {"id": {"x": 1}}], ids=str)
def test_a_null_or_missing_key_limits_nothing(data: dict[str, Any]) -> None:
    assert key("data.id", **data) is None


def test_one_null_part_of_several_limits_nothing() -> None:
    assert key("data.a", "data.b", a="x", b="y") is not None
    assert key("data.a", "data.b", a="x", b=None) is None
    assert key("data.a", "data.b", a="x") is None


def test_list_without_elements_limits_nothing_and_null_elements_are_left_out() -> None:
    assert key("data.list[*]", list=[]) is None
    assert key("data.list[*]", list=[None]) is None
    assert key("data.list[*]", list=["a", None]) == key("data.list[*]", list=["a"])
    assert key("data.list[*]", list=["a", "b"]) != key("data.list[*]", list=["a"])


@pytest.mark.parametrize(
    ("one", "other"),
    [("abc", "ABC"), ("abc", " Abc "), (5, "5"), (5, 5.0), (5.5, "5.50"), (True, "Yes"), (False, "no")],
    ids=str,
)
def test_equal_values_share_a_window(one: Any, other: Any) -> None:
    assert key("data.id", id=one) == key("data.id", id=other) != None  # noqa: E711 - both comparisons are meant


def test_a_code_has_a_window_of_its_own_for_each_number() -> None:
    words = {1: "Closed", 2: "Checkin"}
    assert key("data.id", id=Code(1, words)) == key("data.id", id=Code(1, words))
    assert key("data.id", id=Code(1, words)) != key("data.id", id=Code(2, words))
    assert key("data.id", id=Code(7, words)) != key("data.id", id=Code(8, words))


@pytest.mark.parametrize(("one", "other"), [("a", "b"), (1, 2), (True, False), (1, True), ("", "a")], ids=str)
def test_different_values_have_different_windows(one: Any, other: Any) -> None:
    assert key("data.id", id=one) != key("data.id", id=other)


def test_a_long_key_stays_short_enough_for_an_index_and_still_differs() -> None:
    long = key("data.id", id="x" * 5000)
    assert long is not None
    assert len(long) < 500
    assert long == key("data.id", id="X" * 5000)
    assert long != key("data.id", id="x" * 5001)


texts = st.text(alphabet='ab",[]\\ ', min_size=1, max_size=5).filter(lambda text: text.strip() == text)


@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=3))
def test_composite_keys_are_equal_only_when_every_part_is(one: list[str], other: list[str]) -> None:
    def composite(parts: list[str]) -> str | None:
        return key(
            *(f"data.p{n}" for n in range(len(parts))), **{f"p{n}": part for n, part in enumerate(parts)}
        )

    assert (composite(one) == composite(other)) is (one == other)


@given(st.lists(texts, min_size=2, max_size=4), st.data())
def test_elements_of_one_part_are_not_mistaken_for_parts(parts: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(parts) - 1))
    other = data.draw(st.integers(1, len(parts) - 1))
    paths = ("data.a[*]", "data.b[*]")
    one_key = key(*paths, a=parts[:cut], b=parts[cut:])
    assert (one_key == key(*paths, a=parts[:other], b=parts[other:])) is (cut == other)


@given(st.lists(st.integers(0, 90), max_size=60), st.integers(1, 30))
def test_at_most_one_message_passes_per_period_and_none_is_forgotten(gaps: list[int], minutes: int) -> None:
    once = make_once("data.id", period=minutes * MINUTE)
    now, window = START, None
    passed, told = [], 0
    for gap in gaps:
        now += gap * MINUTE / 10
        passes, held_back, window = pass_once(once, window, now)
        told += held_back
        if passes:
            passed.append(now)
    assert all(later - earlier >= once.period for earlier, later in pairwise(passed))
    waiting = window.held if window else 0
    assert len(passed) + told + waiting == len(gaps)
