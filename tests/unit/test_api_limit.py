"""The budget of calls: never more than our part in a minute, and never against what Zenoti says."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from zennotify.zenoti.limit import Budget

MINUTE = timedelta(minutes=1)
OURS = 50
LIMIT = {"Organization-RateLimit-Limit": "60;w=60;b=60"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def spend(budget: Budget, count: int, now: datetime = START) -> Budget:
    for _ in range(count):
        budget = budget.spent(now)
    return budget


def heard(remaining: object = None, reset: object = None, status: int = 200, **more: str) -> Budget:
    headers = LIMIT | {name.replace("_", "-"): value for name, value in more.items()}
    if remaining is not None:
        headers["RateLimit-Remaining"] = str(remaining)
    if reset is not None:
        headers["RateLimit-Reset"] = str(reset)
    return Budget().heard(status, headers, START)


def test_a_new_budget_is_free_at_once() -> None:
    assert Budget().free_at(START) == START


def test_ten_of_sixty_calls_are_left_to_others() -> None:
    assert spend(Budget(), OURS - 1).free_at(START) == START
    assert spend(Budget(), OURS).free_at(at(1)) == at(60)
    assert spend(Budget(), OURS).free_at(at(60)) == at(60)


def test_calls_come_back_one_by_one_as_they_were_made() -> None:
    budget = Budget()
    for second in range(OURS):
        budget = budget.spent(at(second))
    assert budget.free_at(at(55)) == at(60)
    assert budget.spent(at(60)).free_at(at(60)) == at(61)


@given(st.lists(st.integers(min_value=0, max_value=20_000), max_size=300))
def test_no_minute_has_more_calls_than_ours(waits: list[int]) -> None:
    budget, now, made = Budget(), START, list[datetime]()
    for wait in waits:
        now = budget.free_at(now + timedelta(milliseconds=wait))
        budget = budget.spent(now)
        made.append(now)
    for first, later in zip(made, made[OURS:], strict=False):
        assert later - first >= MINUTE


def test_the_last_calls_that_zenoti_says_are_left_are_not_used() -> None:
    assert heard(remaining=11, reset=42).free_at(START) == START
    assert heard(remaining=11, reset=42).spent(START).free_at(START) == at(42)
    assert heard(remaining=10, reset=42).free_at(at(1)) == at(42)
    assert heard(remaining=0, reset=42).free_at(at(42)) == at(42)


def test_an_answer_that_was_overtaken_gives_no_call_back() -> None:
    budget = heard(remaining=12, reset=42).heard(200, LIMIT | {"RateLimit-Remaining": "40"}, START)
    assert spend(budget, 2).free_at(START) == at(42)


def test_a_new_window_brings_new_calls() -> None:
    later = LIMIT | {"RateLimit-Remaining": "59", "RateLimit-Reset": "60"}
    budget = heard(remaining=3, reset=5)
    assert budget.heard(200, later, at(6)).free_at(at(6)) == at(6)
    # Zenoti's minute began before we expected it.
    assert budget.heard(200, later, at(3)).free_at(at(3)) == at(3)


@pytest.mark.parametrize(
    ("value", "calls", "window"),
    [
        ("60;w=60;b=60", 60, 60),
        (" 600 ; w=60 ; b=300 ", 300, 60),
        ("120;b=120;w=30", 120, 30),
        ("90", 90, 60),
        ("100;w=60;b=100, 1000;w=3600", 100, 60),
        ("999999999;w=999999999", 10_000, 3600),
        ("0;w=60", 60, 60),
        ("60;w=0", 60, 60),
        ("many", 60, 60),
        ("-5;w=60", 60, 60),
        ("", 60, 60),
    ],
)
def test_the_limit_is_read(value: str, calls: int, window: int) -> None:
    budget = Budget().heard(200, {"Organization-RateLimit-Limit": value}, START)
    assert (budget.calls, budget.window) == (calls, timedelta(seconds=window))


def test_a_smaller_limit_holds_for_calls_that_were_made_before() -> None:
    budget = spend(Budget(), 30).heard(200, {"Organization-RateLimit-Limit": "12;w=60"}, START)
    assert budget.free_at(at(1)) == at(60)


def test_a_limit_of_one_leaves_one() -> None:
    budget = Budget().heard(200, {"Organization-RateLimit-Limit": "1;w=60"}, START)
    assert budget.free_at(START) == START
    assert budget.spent(START).free_at(START) == at(60)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0", 1),
        ("-30", 1),
        ("999999999999", 3600),
        ("Sun, 01 Mar 2026 12:00:20 GMT", 20),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 1),
        ("Sun, 01 Mar 2099 12:00:00 GMT", 3600),
        ("soon", 60),
        ("", 60),
    ],
)
def test_a_429_closes_for_as_long_as_it_says(value: str, seconds: int) -> None:
    assert heard(status=429, Retry_After=value).free_at(START) == at(seconds)


def test_a_retry_after_goes_by_the_clock_of_its_server() -> None:
    told = heard(
        status=429, Retry_After="Sun, 01 Mar 2026 18:00:20 GMT", Date="Sun, 01 Mar 2026 18:00:00 GMT"
    )
    assert told.free_at(START) == at(20)


def test_a_429_without_a_retry_after_closes_until_the_reset() -> None:
    assert heard(status=429, reset=12).free_at(START) == at(12)
    assert heard(status=429, reset=0).free_at(START) == at(1)


@pytest.mark.parametrize(
    ("reset", "seconds"), [(-5, 0), (999_999_999, 60), ("x", 60), ("12.9", 12), (None, 60)]
)
def test_an_absurd_reset_is_no_longer_than_a_window(reset: object, seconds: int) -> None:
    assert heard(remaining=0, reset=reset).free_at(START) == at(seconds)


def test_a_clock_that_was_set_back_blocks_nobody() -> None:
    yesterday = START - timedelta(days=1)
    used = spend(heard(remaining=0, reset=60, status=429, Retry_After="3600"), OURS)
    assert used.free_at(yesterday) == yesterday


@given(
    st.dictionaries(
        st.sampled_from(
            ["Organization-RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"]
        ),
        st.text() | st.from_regex(r"[+-]?[0-9]{0,12}(;w=[0-9]{0,12})?(;b=[0-9]{0,12})?"),
    ),
    st.sampled_from([200, 429, 503]),
)
def test_whatever_the_headers_say_the_wait_is_bounded(headers: dict[str, str], status: int) -> None:
    budget = Budget().spent(START).heard(status, headers, START).spent(START)
    assert START <= budget.free_at(START) <= START + timedelta(hours=1)
