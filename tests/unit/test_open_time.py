"""How long has it been open?  `OpeningHours.advance` and `next_time`, also when the clocks change."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.onpaper import opening_hours
from zennotify.core.hours import ALL_DAY, OpeningHours, Range, next_time, read_ranges

LOS_ANGELES, BERLIN, SYDNEY, KOLKATA = (
    ZoneInfo(name) for name in ("America/Los_Angeles", "Europe/Berlin", "Australia/Sydney", "Asia/Kolkata")
)
#: Its midnight does not exist on the day its summer begins, and its clocks went back at one minute past midnight.
BEIRUT, ST_JOHNS = ZoneInfo("Asia/Beirut"), ZoneInfo("America/St_Johns")
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
LONG = datetime(2100, 1, 1, tzinfo=UTC)

SALON = opening_hours(
    "mon-fri 09:00-12:00, 13:00-20:00; sun closed", d20260309="closed", d20260310="10:00-11:00"
)
BAR = opening_hours("mon-thu 18:00-24:00; fri-sat 18:00-02:00; sun closed", d20260307="closed")
CLUB = opening_hours("mon-sun 22:00-06:00")
OPEN = opening_hours("mon-sun open")


def at(text: str, zone: ZoneInfo = LOS_ANGELES) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


# 2026-03-06 is a Friday.
@pytest.mark.parametrize(
    ("centre", "local", "hours", "reached"),
    [
        (SALON, "2026-03-05T09:00", 2, "2026-03-05T11:00"),
        (SALON, "2026-03-05T09:00", 3, "2026-03-05T12:00"),  # at its closing, not at its next opening
        (SALON, "2026-03-05T11:00", 2, "2026-03-05T14:00"),
        (SALON, "2026-03-05T12:30", 2, "2026-03-05T15:00"),
        (SALON, "2026-03-05T19:00", 2, "2026-03-06T10:00"),
        (SALON, "2026-03-05T23:00", 10, "2026-03-06T20:00"),
        (SALON, "2026-03-06T19:00", 2, "2026-03-07T01:00"),  # Saturday is not known, and counts as open
        (SALON, "2026-03-06T19:00", 25, "2026-03-08T00:00"),
        (SALON, "2026-03-07T23:00", 3, "2026-03-11T10:00"),  # Sunday, and a date, closed; another date open for an hour
        (BAR, "2026-03-06T01:00", 7, "2026-03-07T01:00"),
        (BAR, "2026-03-06T23:00", 4, "2026-03-09T19:00"),  # Friday's end after midnight is of Friday
        (CLUB, "2026-05-05T05:00", 2, "2026-05-05T23:00"),
        (CLUB, "2026-05-05T23:00", 10, "2026-05-07T01:00"),  # seven until 06:00, and three from 22:00 on
        (OPEN, "2026-05-05T05:00", 100, "2026-05-09T09:00"),
        (OpeningHours(), "2026-05-05T05:00", 100, "2026-05-09T09:00"),
    ],
)  # fmt: skip
def test_only_the_time_in_which_it_is_open_counts(
    centre: OpeningHours, local: str, hours: int, reached: str
) -> None:
    for zone in (BERLIN, KOLKATA, ZoneInfo("UTC")):
        assert centre.advance(at(local, zone), hours * HOUR, LONG) == at(reached, zone)


# The expected moments are in UTC, so that nothing depends on how zones compare.
@pytest.mark.parametrize(
    ("centre", "zone", "after", "minutes", "reached"),
    [
        # Los Angeles, 2026-03-08: 02:00 PST (10:00Z) becomes 03:00; 2026-11-01: 02:00 PDT (09:00Z) becomes 01:00.
        (OPEN, LOS_ANGELES, "2026-03-08T09:30", 60, "2026-03-08T10:30"),
        (OPEN, LOS_ANGELES, "2026-11-01T08:30", 60, "2026-11-01T09:30"),
        (OpeningHours(), LOS_ANGELES, "2026-11-01T08:30", 2880, "2026-11-03T08:30"),
        (CLUB, LOS_ANGELES, "2026-03-08T06:00", 420, "2026-03-08T13:00"),  # seven hours in this night
        (CLUB, LOS_ANGELES, "2026-03-08T06:00", 421, "2026-03-09T05:01"),
        (CLUB, LOS_ANGELES, "2026-11-01T05:00", 540, "2026-11-01T14:00"),  # nine in this one
        (CLUB, LOS_ANGELES, "2026-11-01T05:00", 541, "2026-11-02T06:01"),
        # Berlin, 2026-03-29: 02:00 (01:00Z) becomes 03:00; 2026-10-25: 03:00 (01:00Z) becomes 02:00.
        (CLUB, BERLIN, "2026-03-28T21:00", 421, "2026-03-29T20:01"),
        (CLUB, BERLIN, "2026-10-24T20:00", 541, "2026-10-25T21:01"),
        # Sydney, 2026-04-05: 03:00 (16:00Z) becomes 02:00; 2026-10-04: 02:00 (16:00Z) becomes 03:00.
        (CLUB, SYDNEY, "2026-04-04T11:00", 540, "2026-04-04T20:00"),
        (CLUB, SYDNEY, "2026-10-03T12:00", 421, "2026-10-04T11:01"),
        (CLUB, KOLKATA, "2026-03-08T16:30", 481, "2026-03-09T16:31"),
        # The clocks jump over all of 02:15 to 02:45.
        (opening_hours("mon-sun 02:15-02:45"), LOS_ANGELES, "2026-03-08T08:00", 10, "2026-03-09T09:25"),
        # Beirut, 2026-03-29: 00:00 (2026-03-28T22:00Z) becomes 01:00.
        (opening_hours("mon-sun 00:00-02:00"), BEIRUT, "2026-03-28T20:00", 90, "2026-03-29T21:30"),
    ],
)  # fmt: skip
def test_real_time_counts_when_the_clocks_change(
    centre: OpeningHours, zone: ZoneInfo, after: str, minutes: int, reached: str
) -> None:
    local = datetime.fromisoformat(after).replace(tzinfo=UTC).astimezone(zone)
    found = centre.advance(local, minutes * MINUTE, LONG)
    assert found is not None
    assert found.tzinfo is zone
    assert found.astimezone(UTC).isoformat()[:16] == reached


def test_what_is_not_reached_in_time_is_not_looked_for() -> None:
    local = at("2026-03-05T19:00")
    assert SALON.advance(local, 2 * HOUR, at("2026-03-06T10:00")) == at("2026-03-06T10:00")
    assert SALON.advance(local, 2 * HOUR, at("2026-03-06T09:59")) is None
    assert SALON.advance(local, 1000 * HOUR, at("2026-03-20T10:00")) is None


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        SALON.advance(datetime(2026, 3, 6, 12), HOUR, LONG)  # noqa: DTZ001 - that is what is asked


NEVER = opening_hours("mon-sun closed")
HOLIDAYS = OpeningHours(
    ((),) * 7, {date(2026, 1, 1) + n * DAY: read_ranges("09:00-09:01") for n in range(3000)}
)


@pytest.mark.parametrize(
    ("centre", "moment", "span"),
    [
        (NEVER, "2026-03-05T09:00", HOUR),
        (opening_hours("mon-sun closed", d20260306="09:00-10:00"), "2026-03-05T09:00", 2 * HOUR),
        (opening_hours("mon-sun closed", d20250306="09:00-10:00"), "2026-03-05T09:00", HOUR),
        (HOLIDAYS, "2026-03-05T09:00", 14 * DAY),
        (opening_hours("mon 09:00-09:01; tue-sun closed"), "2026-03-05T09:00", 14 * DAY),
        (SALON, "9999-12-31T23:00", HOUR),
        (OpeningHours(), "9999-12-31T23:00", 2 * HOUR),
        (opening_hours("mon-sun 09:00-10:00"), "9999-12-01T09:00", 100 * HOUR),
        (OPEN, "9999-12-01T09:00", 100 * DAY),
        (SALON, "2026-03-05T09:00", timedelta.max),
    ],
)
def test_it_ends_soon_where_it_is_never_open_for_so_long(
    centre: OpeningHours, moment: str, span: timedelta
) -> None:
    local = at(moment)
    by = datetime(2026, 3, 19, tzinfo=UTC) if local.year == 2026 else datetime.max.replace(tzinfo=UTC)
    began = time.process_time()
    assert centre.advance(local, span, by) is None
    assert time.process_time() - began < 0.25


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "0001-01-01T23:00", "9999-12-31T23:59"])
@pytest.mark.parametrize("zone", [LOS_ANGELES, KOLKATA])
@pytest.mark.parametrize("centre", [SALON, NEVER, OPEN, OpeningHours()])
def test_the_ends_of_the_calendar_do_no_harm(centre: OpeningHours, moment: str, zone: ZoneInfo) -> None:
    local = at(moment, zone)
    found = centre.advance(local, HOUR, LONG)
    assert found is None or found > local


# --- against counting minute by minute ------------------------------------------------------------------------

_TIMES = st.integers(0, 1439)
_RANGES = st.lists(_TIMES, max_size=4, unique=True).map(
    lambda found: tuple(
        Range(opens, closes) for opens, closes in zip(sorted(found)[::2], sorted(found)[1::2], strict=False)
    )
)
_NIGHTS = st.tuples(st.integers(1080, 1439), st.integers(1440, 1700)).map(lambda pair: (Range(*pair),))
_HOURS_OF_DAY = st.one_of(_RANGES, _NIGHTS, st.just(ALL_DAY), st.none())
#: Around the changes of the clocks in Los Angeles, Berlin, Sydney and Beirut, 2026.
_CHANGES = st.sampled_from(
    [
        (LOS_ANGELES, date(2026, 3, 8)),
        (LOS_ANGELES, date(2026, 11, 1)),
        (BERLIN, date(2026, 3, 29)),
        (BERLIN, date(2026, 10, 25)),
        (SYDNEY, date(2026, 4, 5)),
        (SYDNEY, date(2026, 10, 4)),
        (BEIRUT, date(2026, 3, 29)),
        (KOLKATA, date(2026, 6, 1)),
    ]
)


@st.composite
def places(draw: st.DrawFn) -> tuple[OpeningHours, datetime]:
    """Return a centre's hours, and a moment near a change of its clocks."""
    zone, change = draw(_CHANGES)
    dates = st.dates(change - 2 * DAY, change + 2 * DAY)
    centre = OpeningHours(
        draw(st.tuples(*[_HOURS_OF_DAY] * 7)),
        draw(st.dictionaries(dates, st.one_of(_RANGES, _NIGHTS), max_size=3)),
    )
    midnight = datetime.combine(draw(dates), datetime.min.time(), UTC)
    return centre, (midnight + draw(_TIMES) * MINUTE).astimezone(zone)


@settings(max_examples=60, deadline=None)
@given(places(), st.integers(1, 2000))
def test_it_counts_the_minutes_in_which_it_is_open(
    place: tuple[OpeningHours, datetime], minutes: int
) -> None:
    centre, local = place
    zone, moment, end = local.tzinfo, local.astimezone(UTC), local.astimezone(UTC) + 6 * DAY
    found = centre.advance(local, minutes * MINUTE, end)
    left = minutes
    while left and moment < end:
        left -= centre.is_open(moment.astimezone(zone)) is not False
        moment += MINUTE
    if left or moment > end:
        assert found is None
    else:
        assert found is not None
        assert found.astimezone(UTC) == moment


@settings(deadline=None)
@given(places(), st.integers(1, 500), st.integers(1, 500))
def test_to_go_on_twice_is_to_go_on_once(place: tuple[OpeningHours, datetime], one: int, other: int) -> None:
    centre, local = place
    first = centre.advance(local, one * MINUTE, LONG)
    whole = centre.advance(local, (one + other) * MINUTE, LONG)
    if first is None:
        assert whole is None
        return
    second = centre.advance(first, other * MINUTE, LONG)
    assert (second and second.astimezone(UTC)) == (whole and whole.astimezone(UTC))


@pytest.mark.parametrize("week", ["mon-sun open", "mon-sun 20:00-04:00", "sat 09:00-10:00", "sun closed", ""])
def test_a_night_that_goes_back_over_midnight_does_no_harm(week: str) -> None:
    """In St. John's, 2010-11-07, 00:01 became 23:01 of the day before."""
    moment = datetime(2010, 11, 7, 0, 0, tzinfo=UTC)
    for quarter in range(40):
        local = (moment + quarter * 15 * MINUTE).astimezone(ST_JOHNS)
        found = opening_hours(week).advance(local, HOUR, LONG)
        assert found is not None
        assert found.astimezone(UTC) >= local.astimezone(UTC) + HOUR


# --- the next time that a clock shows ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "after", "minute", "shows"),
    [
        (BERLIN, "2026-05-05T15:59:59.999999", 1080, "2026-05-05T16:00"),
        (BERLIN, "2026-05-05T16:00", 1080, "2026-05-06T16:00"),  # after, not at
        (BERLIN, "2026-05-05T22:00", 0, "2026-05-06T22:00"),
        (KOLKATA, "2026-05-05T22:00", 1439, "2026-05-06T18:29"),
        # 02:30 is jumped over: at the first moment after the jump.
        (LOS_ANGELES, "2026-03-07T20:00", 150, "2026-03-08T10:00"),
        (LOS_ANGELES, "2026-03-08T10:00", 150, "2026-03-09T09:30"),
        (BERLIN, "2026-03-28T20:00", 150, "2026-03-29T01:00"),
        (SYDNEY, "2026-10-03T14:00", 150, "2026-10-03T16:00"),
        # 01:30 and 02:30 come twice: the first time, and then not again.
        (LOS_ANGELES, "2026-11-01T07:00", 90, "2026-11-01T08:30"),
        (LOS_ANGELES, "2026-11-01T08:30", 90, "2026-11-02T09:30"),
        (LOS_ANGELES, "2026-11-01T09:15", 90, "2026-11-02T09:30"),
        (BERLIN, "2026-10-24T22:00", 150, "2026-10-25T00:30"),
        (BERLIN, "2026-10-25T00:30", 150, "2026-10-26T01:30"),
        (SYDNEY, "2026-04-04T15:00", 150, "2026-04-04T15:30"),
    ],
)
def test_the_next_time_is_the_first_after_now_that_the_clock_shows_it(
    zone: ZoneInfo, after: str, minute: int, shows: str
) -> None:
    local = datetime.fromisoformat(after).replace(tzinfo=UTC).astimezone(zone)
    assert next_time(local, minute).astimezone(UTC).isoformat()[:16] == shows


@settings(deadline=None)
@given(places(), _TIMES)
def test_the_next_time_comes_within_a_day_and_once(place: tuple[OpeningHours, datetime], minute: int) -> None:
    _, local = place
    found = next_time(local, minute).astimezone(UTC)
    assert timedelta(0) < found - local.astimezone(UTC) <= 25 * HOUR
    again = next_time(found.astimezone(local.tzinfo), minute).astimezone(UTC)
    assert 23 * HOUR <= again - found <= 25 * HOUR
