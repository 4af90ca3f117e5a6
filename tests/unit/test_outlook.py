"""Moments as people say them, and details of decisions by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from zennotify.outlook import Wall

#: A Thursday, 14:00 there.
NOW = datetime(2026, 3, 26, 13, 0, tzinfo=UTC)
WALL = Wall(ZoneInfo("Europe/Berlin"), NOW)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (timedelta(), "14:00"),
        (timedelta(hours=-14), "00:00"),
        (timedelta(hours=9, minutes=59, seconds=59), "23:59"),
        (timedelta(hours=10), "Fri 00:00"),
        # The clocks go forward on Sunday.
        (timedelta(days=4), "Mon 15:00"),
        (timedelta(days=6), "Wed 15:00"),
        (timedelta(days=7), "Thu 2026-04-02 15:00"),
        (timedelta(days=-6), "Fri 14:00"),
        (timedelta(days=-7), "Thu 2026-03-19 14:00"),
    ],
)
def test_a_moment_has_the_day_that_it_needs(after: timedelta, said: str) -> None:
    assert WALL.moment(NOW + after) == said


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("until 2026-03-26T18:00:00-08:00 unless x", "until Fri 03:00 unless x"),
        ("at 2026-03-26T13:00:00.123456+00:00", "at 14:00"),
        ("from 2026-03-26T13:00:00Z to 2026-03-27T13:00:00Z", "from 14:00 to Fri 14:00"),
        ("the event 00112233445566778899aabbccddeeff came", "the event 00112233 came"),
        ("at 2026-99-26T13:00:00Z", "at 2026-99-26T13:00:00Z"),
        ("at 2026-03-26T13:00:00", "at 2026-03-26T13:00:00"),
        ("3 of 5; event 12", "3 of 5; event 12"),
    ],
)
def test_a_detail_says_its_moments_by_this_clock_and_ids_in_short(detail: str, said: str) -> None:
    assert WALL.words(detail) == said
