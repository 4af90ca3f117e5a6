"""What a channel may send: never more than its rates in any span, and hardly less."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from zennotify.core.rate import Budget, Rate

SECOND = timedelta(seconds=1)
A_SECOND = Rate(1, SECOND, "1/s")
AN_HOUR = Rate(60, 3600 * SECOND, "60/h")


def drained(budget: Budget, start: datetime, count: int) -> list[datetime]:
    """Send as soon as it is allowed; return when."""
    now = start
    sent: list[datetime] = []
    while len(sent) < count:
        if budget.free(now) > 0:
            budget.spend(now)
            sent.append(now)
        else:
            now = budget.next_free(now)
    return sent


def most_within(sent: Sequence[datetime], span: timedelta) -> int:
    return max(sum(moment <= other < moment + span for other in sent) for moment in sent)


def test_one_a_second_is_a_little_more_than_a_second_apart() -> None:
    sent = drained(Budget([A_SECOND]), START, 100)
    assert sent[0] == START
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert min(gaps) >= SECOND
    assert sent[-1] - sent[0] <= 1.02 * 99 * SECOND


def test_what_was_not_used_is_there_at_once_and_then_the_hour_is_full() -> None:
    budget = Budget([AN_HOUR])
    assert budget.free(START) == 60
    sent = drained(budget, START, 61)
    assert sent[59] == START
    assert 3600 * SECOND <= sent[60] - START <= 3661 * SECOND


def test_several_rates_hold_together() -> None:
    sent = drained(Budget([A_SECOND, AN_HOUR]), START, 121)
    assert most_within(sent, SECOND) == 1
    assert most_within(sent, 3600 * SECOND) == 60


@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.sampled_from([1, 60, 3600])), min_size=1, max_size=3, unique=True
    ),
    st.lists(st.floats(0, 2000), max_size=60),
)
def test_no_span_ever_holds_more(limits: list[tuple[int, int]], waits: list[float]) -> None:
    rates = [Rate(count, seconds * SECOND, f"{count}/{seconds}") for count, seconds in limits]
    budget, now = Budget(rates), START
    sent: list[datetime] = []
    for wait in waits:
        now = max(now + wait * SECOND / 100, budget.next_free(now) if wait < 5 else now)
        if budget.free(now) > 0:
            budget.spend(now)
            sent.append(now)
    for rate in rates:
        assert not sent or most_within(sent, rate.period) <= rate.count


def test_a_restart_changes_nothing() -> None:
    budget = Budget([A_SECOND, AN_HOUR])
    drained(budget, START, 60)
    again = Budget([A_SECOND, AN_HOUR])
    again.load(budget.dump())
    now = START + 60 * SECOND
    assert again.free(now) == budget.free(now)
    assert again.next_free(now) == budget.next_free(now) > START + 3600 * SECOND


def test_another_rate_begins_anew() -> None:
    budget = Budget([AN_HOUR])
    drained(budget, START, 60)
    other = Budget([Rate(30, 3600 * SECOND, "30/h")])
    other.load(budget.dump())
    assert other.free(START) == 30


@pytest.mark.parametrize("jump", [-86400, -3600, -1])
def test_a_clock_that_goes_back_stops_a_channel_for_a_period_at_most(jump: int) -> None:
    budget = Budget([A_SECOND])
    budget.spend(START)
    now = START + jump * SECOND
    assert budget.free(now) == 0
    assert budget.next_free(now) <= now + 1.02 * SECOND


def test_what_it_remembers_does_not_grow_with_the_rate() -> None:
    budget = Budget([Rate(900_000, 86400 * SECOND, "900000/d")])
    for number in range(5000):
        budget.spend(START + number * 17 * SECOND)
    budget.free(START + 5000 * 17 * SECOND)
    assert len(budget.dump()) < 2000
