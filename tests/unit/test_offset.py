"""A centre's clock as bookings teach it: by the day, at most a week away, and right on both sides of a change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from zennotify.zenoti import offset

Known = dict[str, dict[str, int]]


def learn(known: Known, start: str, start_in_center: str, center: str = "c1") -> Known:
    said = offset.said(center, start, start_in_center)
    if said:
        id_ = str(said.pop("id"))
        known.setdefault(id_, {}).update(said)
    return known


def near(known: Known, moment: str, center: str = "c1") -> float | None:
    def recall(kind: str, id_: Any) -> Mapping[str, Any]:
        assert kind == offset.KIND
        return known.get(id_, {})

    found = offset.near(recall, center, datetime.fromisoformat(moment).replace(tzinfo=UTC))
    return None if found is None else found / timedelta(hours=1)


@pytest.mark.parametrize(
    ("start", "start_in_center", "hours"),
    [
        ("2024-07-25T16:15:00", "2024-07-25T09:15:00", -7),
        ("2024-07-25T16:15:00", "2024-07-25T21:45:00", 5.5),
        ("2024-07-25T16:15:00", "2024-07-26T06:15:00", 14),
        ("2024-07-25T16:15:00", "2024-07-25T16:15:00", 0),
        ("2024-07-25T16:15:00.1230000", "2024-07-25T09:15:00.1230000", -7),
    ],
)
def test_two_times_of_one_moment_teach_the_offset(start: str, start_in_center: str, hours: float) -> None:
    assert near(learn({}, start, start_in_center), "2024-07-25T12:00:00") == hours


@pytest.mark.parametrize(
    ("start", "start_in_center"),
    [
        ("2024-07-25T16:15:00", "2024-07-25T09:16:00"),  # no clock differs by this
        ("2024-07-25T16:15:00", "2024-07-25T09:15:30"),
        ("2024-07-25T16:15:00", "2024-07-27T09:15:00"),
        ("2024-07-25T16:15:00Z", "2024-07-25T09:15:00"),
        ("2024-07-25T16:15:00", "0001-01-01T00:00:00"),
        ("soon", "2024-07-25T09:15:00"),
        (None, "2024-07-25T09:15:00"),
        (5, 6),
    ],
)
def test_what_is_no_pair_of_times_teaches_nothing(start: Any, start_in_center: Any) -> None:
    assert offset.said("c1", start, start_in_center) == {}


def test_it_holds_for_a_week_before_and_after_and_not_longer() -> None:
    known = learn({}, "2024-07-25T16:15:00", "2024-07-25T09:15:00")
    assert [near(known, f"2024-07-{day}T12:00:00") for day in (17, 18, 25)] == [None, -7, -7]
    assert [near(known, f"2024-08-{day:02}T12:00:00") for day in (1, 2)] == [-7, None]
    assert near(known, "2024-07-25T12:00:00", center="c2") is None


def test_of_two_days_the_nearer_one_counts_also_in_the_week_of_a_change() -> None:
    known = learn({}, "2024-11-02T17:00:00", "2024-11-02T10:00:00")
    learn(known, "2024-11-03T18:00:00", "2024-11-03T10:00:00")
    assert near(known, "2024-11-01T12:00:00") == -7
    assert near(known, "2024-11-02T12:00:00") == -7
    assert near(known, "2024-11-03T20:00:00") == -8
    assert near(known, "2024-11-09T12:00:00") == -8
