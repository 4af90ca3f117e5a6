"""The values that carry a meaning: they print as Zenoti sent them."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, make_event
from zennotify.core.model import NO_DATE, CenterTime, Code, Placeholder, YesNo, Zone, as_utc, read_time

WORDS = {-2: "NoShow", 2: "Checkin"}


def test_a_code_is_its_number_and_knows_its_word() -> None:
    code = Code(-2, WORDS)
    assert (code, str(code), f"{code}", json.dumps(code), code.word) == (-2, "-2", "-2", "-2", "NoShow")
    assert hash(code) == hash(-2)


def test_a_code_without_a_word_is_never_guessed() -> None:
    assert Code(77, WORDS).word == "77"


@pytest.mark.parametrize(
    ("text", "truth"),
    [("Yes", True), ("yes", True), (" TRUE ", True), ("No", False), ("no", False), ("", False), ("1", False)],
)
def test_yes_and_no_print_as_sent_and_are_true_or_false(text: str, truth: bool) -> None:
    value = YesNo(text)
    assert (str(value), json.dumps(value), bool(value)) == (text, json.dumps(text), truth)


def test_a_placeholder_prints_and_is_not_true() -> None:
    value = Placeholder("a guest")
    assert f"{value} came" == "a guest came"
    assert not value


def test_a_time_prints_as_sent_and_knows_its_zone() -> None:
    value = CenterTime("2024-07-25T16:15:00")
    assert (value, value.zone, json.dumps(value)) == (
        "2024-07-25T16:15:00",
        Zone.CENTER,
        '"2024-07-25T16:15:00"',
    )


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-07-25T16:15:00", datetime(2024, 7, 25, 16, 15)),  # noqa: DTZ001 - a text without a zone
        (" 2024-07-25 16:15 ", datetime(2024, 7, 25, 16, 15)),  # noqa: DTZ001 - as above
        ("2024-07-25", datetime(2024, 7, 25)),  # noqa: DTZ001 - as above
        ("2022-03-01 20:00:00.000", datetime(2022, 3, 1, 20)),  # noqa: DTZ001 - as above
        ("2024-07-25T16:15:00Z", datetime(2024, 7, 25, 16, 15, tzinfo=UTC)),
        ("2022-03-22T09:54:53.3484785Z", datetime(2022, 3, 22, 9, 54, 53, 348478, tzinfo=UTC)),
        ("2022-03-22T12:36:45.390915Z", datetime(2022, 3, 22, 12, 36, 45, 390915, tzinfo=UTC)),
        ("2022-03-22T12:36:45.4Z", datetime(2022, 3, 22, 12, 36, 45, 400000, tzinfo=UTC)),
        ("2022-03-22T12:36:45.Z", datetime(2022, 3, 22, 12, 36, 45, tzinfo=UTC)),
        (
            "2022-03-22T12:36:45.1234567+05:30",
            datetime(2022, 3, 22, 12, 36, 45, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        ),
        ("9999-12-31T23:59:59", datetime(9999, 12, 31, 23, 59, 59)),  # noqa: DTZ001 - as above
    ],
)
def test_time_is_read_with_any_number_of_digits_and_any_zone(text: str, moment: datetime) -> None:
    read = read_time(text)
    assert read == moment
    assert read is not None
    assert (read.tzinfo is None) is (moment.tzinfo is None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "16:15",
        "2024-07",
        "2024-13-01",
        "2024-07-25T25:00:00",
        "2024-07-25T16:15:00 o'clock",
        "2024-W30-4",
        "20240725T161500",
        "2024072512345",
        "2024-07-25x16:15",
        "25/07/2024 16:15",
        NO_DATE,
        "0001-01-01",
        "9999-12-31T23:59:59-05:00",
        "\ud800" * 12,
        "2024-07-25T\ud80016:15",
    ],
)
def test_what_names_no_moment_is_none(text: str) -> None:
    assert read_time(text) is None


@given(st.text(max_size=30) | st.text(alphabet="0123456789-T:.Z+ ", min_size=10, max_size=30))
def test_reading_a_time_never_raises_and_what_is_read_can_be_said_in_utc(text: str) -> None:
    moment = read_time(text)
    if moment is not None:
        assert as_utc(moment).tzinfo is UTC


def test_utc_is_assumed_where_no_zone_is_named() -> None:
    assert as_utc(datetime(2024, 7, 25, 16)) == datetime(2024, 7, 25, 16, tzinfo=UTC)  # noqa: DTZ001 - the point
    plus_two = timezone(timedelta(hours=2))
    assert as_utc(datetime(2024, 7, 25, 16, tzinfo=plus_two)) == datetime(2024, 7, 25, 14, tzinfo=UTC)


def test_values_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_event().received_at = START  # type: ignore[misc]
