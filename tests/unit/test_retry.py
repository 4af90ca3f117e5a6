"""When a delivery is tried again: within bounds, with jitter, and not for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from zennotify.core.model import Outcome, Result
from zennotify.core.retry import LONGEST_WISH, SHORTEST_WISH, next_due

SECOND = timedelta(seconds=1)
WAITS = tuple(seconds * SECOND for seconds in (0, 5, 30, 300, 1800, 7200, 18000, 36000))
TEMPORARY = Result(outcome=Outcome.TEMPORARY)


def wish(seconds: float, outcome: Outcome = Outcome.TEMPORARY) -> Result:
    return Result(outcome=outcome, retry_after=timedelta(seconds=seconds))


@pytest.mark.parametrize("attempts", range(1, len(WAITS)))
def test_the_longest_wait_grows_with_each_try(attempts: int) -> None:
    assert next_due(WAITS, attempts, TEMPORARY, START, 1.0) == START + WAITS[attempts]


@pytest.mark.parametrize("attempts", range(1, len(WAITS)))
def test_the_shortest_wait_is_none(attempts: int) -> None:
    assert next_due(WAITS, attempts, TEMPORARY, START, 0.0) == START


def test_jitter_takes_a_fraction_of_the_wait() -> None:
    assert next_due(WAITS, 2, TEMPORARY, START, 0.5) == START + 15 * SECOND


@pytest.mark.parametrize("attempts", [len(WAITS), len(WAITS) + 1, 100])
def test_after_the_last_try_the_delivery_is_dead(attempts: int) -> None:
    assert next_due(WAITS, attempts, TEMPORARY, START, 0.5) is None
    assert next_due(WAITS, attempts, wish(60), START, 0.5) is None


def test_a_single_wait_means_a_single_try() -> None:
    assert next_due((timedelta(0),), 1, TEMPORARY, START, 0.5) is None


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.BLOCKED, Outcome.UNKNOWN])
def test_every_other_failure_is_tried_again(outcome: Outcome) -> None:
    assert next_due(WAITS, 1, Result(outcome=outcome), START, 1.0) == START + 5 * SECOND


@pytest.mark.parametrize(
    ("seconds", "honoured"),
    [(60, 60), (0, 1), (-5, 1), (0.2, 1), (3600, 3600), (86400, 3600)],
)
def test_a_provider_is_left_alone_as_long_as_it_asks_within_bounds(seconds: float, honoured: float) -> None:
    assert next_due(WAITS, 1, wish(seconds), START, 0.0) == START + honoured * SECOND


def test_a_provider_that_asks_for_less_than_our_wait_gets_our_wait() -> None:
    assert next_due(WAITS, 3, wish(10), START, 1.0) == START + 300 * SECOND


@given(
    st.lists(st.integers(0, 40_000), min_size=1, max_size=10),
    st.integers(1, 12),
    st.sampled_from(Outcome),
    st.none() | st.floats(-1e6, 1e6),
    st.floats(0, 1),
)
def test_the_next_try_lies_within_the_bounds(
    waits: list[int], attempts: int, outcome: Outcome, wished: float | None, fraction: float
) -> None:
    retry_after = None if wished is None else timedelta(seconds=wished)
    result = Result(outcome=outcome, retry_after=retry_after)
    due = next_due([seconds * SECOND for seconds in waits], attempts, result, START, fraction)
    assert (due is None) is (attempts >= len(waits))
    if due is not None:
        shortest = timedelta(0) if retry_after is None else SHORTEST_WISH
        assert START + shortest <= due <= START + max(waits[attempts] * SECOND, LONGEST_WISH)
