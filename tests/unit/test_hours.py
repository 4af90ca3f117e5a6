"""Opening hours: reading them, whether it is open, and when it opens next, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.onpaper import opening_hours as hours
from zennotify.core.hours import (
    ALL_DAY,
    HoursError,
    OpeningHours,
    Range,
    Ranges,
    read_days,
    read_ranges,
)

LOS_ANGELES, LONDON, KOLKATA = (
    ZoneInfo(name) for name in ("America/Los_Angeles", "Europe/London", "Asia/Kolkata")
)
#: Midnight does not exist on the day its summer begins.
BEIRUT = ZoneInfo("Asia/Beirut")
#: A whole day does not exist: 2011-12-30.
APIA = ZoneInfo("Pacific/Apia")
MINUTE = timedelta(minutes=1)


def at(text: str, zone: ZoneInfo = LOS_ANGELES, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("09:00-20:00", (Range(540, 1200),)),
        ("9:00-20:00", (Range(540, 1200),)),
        (" 09:00 - 20:00 ", (Range(540, 1200),)),
        ("09:00–20:00", (Range(540, 1200),)),
        ("13:00-20:00, 09:00-12:00", (Range(540, 720), Range(780, 1200))),
        ("09:00-12:00,12:00-20:00", (Range(540, 720), Range(720, 1200))),
        ("18:00-02:00", (Range(1080, 1560),)),
        ("18:00-00:00", (Range(1080, 1440),)),
        ("18:00-24:00", (Range(1080, 1440),)),
        ("00:00-24:00", ALL_DAY),
        ("Open", ALL_DAY),
        ("closed", ()),
    ],
)
def test_ranges_are_read(text: str, ranges: Ranges) -> None:
    assert read_ranges(text) == ranges


HOW = "hours are written 09:00-20:00, `open` or `closed`"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("9-20", f"{HOW}, not `9-20`"),
        ("9:00 to 20:00", f"{HOW}, not `9:00 to 20:00`"),
        ("9am-8pm", f"{HOW}, not `9am-8pm`"),
        ("09:00", f"{HOW}, not `09:00`"),
        ("09:00-20:00,", f"{HOW}; a range is missing beside a comma"),
        ("", f"{HOW}; a range is missing beside a comma"),
        ("25:00-26:00", "25:00 is not a time of the day, 00:00 to 24:00"),
        ("09:00-24:01", "24:01 is not a time of the day, 00:00 to 24:00"),
        ("09:60-20:00", "09:60 is not a time of the day, 00:00 to 24:00"),
        ("24:00-02:00", "24:00 can only be an end; the day begins at 00:00"),
        ("09:00-09:00", "`09:00-09:00` ends when it begins; all day is written 00:00-24:00, or `open`"),
        ("00:00-00:00", "`00:00-00:00` ends when it begins; all day is written 00:00-24:00, or `open`"),
        ("13:00-20:00, 09:00-13:30", "09:00-13:30 and 13:00-20:00 overlap"),
        ("18:00-02:00, 20:00-21:00", "18:00-02:00 and 20:00-21:00 overlap"),
    ],
)
def test_what_is_no_range_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(HoursError) as caught:
        read_ranges(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", (0,)),
        (" Sun ", (6,)),
        ("mon-fri", (0, 1, 2, 3, 4)),
        ("fri-mon", (4, 5, 6, 0)),
        ("mon-sun", (0, 1, 2, 3, 4, 5, 6)),
        ("wed-tue", (2, 3, 4, 5, 6, 0, 1)),
        ("sat,sun", (5, 6)),
        ("mon, wed-fri", (0, 2, 3, 4)),
        ("2026-12-25", date(2026, 12, 25)),
    ],
)
def test_days_are_read(text: str, days: date | tuple[int, ...]) -> None:
    assert read_days(text) == days


DAYS = "a weekday (mon to sun) or a date like 2026-12-25 is expected"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Monday", f"{DAYS}; did you mean `mon`?"),
        ("tues-fri", f"{DAYS}; did you mean `tue`?"),
        ("weekend", f"{DAYS}"),
        ("", DAYS),
        ("mon-", DAYS),
        ("mon,", DAYS),
        ("12-25", DAYS),
        ("25.12.2026", DAYS),
        ("13:00-20:00", f'{DAYS}; several ranges of a day go into quotes: "09:00-12:00, 13:00-20:00"'),
        ("2026-02-30", "this date is not in the calendar"),
        ("0000-01-01", "this date is not in the calendar"),
        ("mon-wed,tue", "`tue` is in it twice"),
        ("mon-mon", "`mon-mon` begins and ends with the same day; one day is `mon`, all are `mon-sun`"),
    ],
)
def test_what_is_no_day_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(HoursError) as caught:
        read_days(text)
    assert str(caught.value) == sentence


# 2026-03-06 is a Friday, 2026-03-08 the Sunday on which America's summer time begins.
SALON = hours("mon-fri 09:00-12:00, 13:00-20:00; sun closed", d20260309="closed", d20260310="10:00-11:00")
BAR = hours("mon-thu 18:00-24:00; fri-sat 18:00-02:00; sun closed", d20260307="closed")


@pytest.mark.parametrize(
    ("centre", "local", "is_open"),
    [
        (SALON, "2026-03-06T08:59:59.999999", False),
        (SALON, "2026-03-06T09:00", True),
        (SALON, "2026-03-06T11:59:59.999999", True),
        (SALON, "2026-03-06T12:00", False),
        (SALON, "2026-03-06T13:00", True),
        (SALON, "2026-03-06T20:00", False),
        (SALON, "2026-03-07T12:00", None),
        (SALON, "2026-03-08T12:00", False),
        (SALON, "2026-03-09T09:00", False),
        (SALON, "2026-03-10T09:30", False),
        (SALON, "2026-03-10T10:30", True),
        (BAR, "2026-03-05T23:59", True),
        (BAR, "2026-03-06T00:00", False),
        (BAR, "2026-03-07T01:59", True),  # Friday's; the date itself is closed
        (BAR, "2026-03-07T02:00", False),
        (BAR, "2026-03-07T19:00", False),
        (BAR, "2026-03-08T01:00", False),
        (BAR, "2026-03-15T01:00", True),
        (OpeningHours(), "2026-03-06T12:00", None),
    ],
)
def test_it_is_open_within_its_ranges(centre: OpeningHours, local: str, is_open: bool | None) -> None:
    for zone in (LOS_ANGELES, LONDON, KOLKATA):
        assert centre.is_open(at(local, zone)) is is_open


@pytest.mark.parametrize(
    ("centre", "local", "opens"),
    [
        (SALON, "2026-03-05T10:00", "2026-03-05T10:00"),
        (SALON, "2026-03-05T12:30", "2026-03-05T13:00"),
        (SALON, "2026-03-05T21:00", "2026-03-06T09:00"),
        (SALON, "2026-03-06T21:00", "2026-03-07T00:00"),  # Saturday's hours are unknown, and count as open
        (SALON, "2026-03-07T21:00", "2026-03-07T21:00"),
        (SALON, "2026-03-08T00:00", "2026-03-10T10:00"),
        (BAR, "2026-03-07T02:00", "2026-03-09T18:00"),
        (hours("mon-sun closed"), "2026-03-07T02:00", None),
        (hours("mon-sun closed", d20260306="open"), "2026-03-07T02:00", None),
        (hours("mon-sun closed", d20290101="09:00-10:00", d20280101="closed"), "2026-03-07T02:00", "2029-01-01T09:00"),
    ],
)  # fmt: skip
def test_the_next_opening_is_found(centre: OpeningHours, local: str, opens: str | None) -> None:
    for zone in (LOS_ANGELES, LONDON, KOLKATA):
        assert centre.next_opening(at(local, zone)) == (opens and at(opens, zone))


def test_a_long_holiday_is_passed_over() -> None:
    first = date(2026, 7, 1)
    closed = {first + timedelta(days=n): read_ranges("closed") for n in range(60)}
    assert OpeningHours((ALL_DAY,) * 7, closed).next_opening(at("2026-07-01T09:00")) == at("2026-08-30T00:00")


NIGHT = hours("mon-sun 01:30-05:00")
DAWN = hours("mon-sun 02:30-05:00")
GAP = hours("mon-sun 02:15-02:45")
LATE = hours("mon-sun 22:00-01:30")


# The expected moments are in UTC, so that nothing depends on how zones compare.
@pytest.mark.parametrize(
    ("centre", "zone", "after", "opens"),
    [
        # Los Angeles, 2026-03-08: 02:00 PST (10:00Z) becomes 03:00 PDT.
        (NIGHT, LOS_ANGELES, "2026-03-08T08:00", "2026-03-08T09:30"),
        (DAWN, LOS_ANGELES, "2026-03-08T08:00", "2026-03-08T10:00"),
        (GAP, LOS_ANGELES, "2026-03-08T08:00", "2026-03-09T09:15"),
        (SALON, LOS_ANGELES, "2026-03-08T08:00", "2026-03-10T17:00"),
        # 2026-11-01: 02:00 PDT (09:00Z) becomes 01:00 PST.
        (NIGHT, LOS_ANGELES, "2026-11-01T07:30", "2026-11-01T08:30"),
        (LATE, LOS_ANGELES, "2026-11-01T08:30", "2026-11-02T06:00"),
        (DAWN, LOS_ANGELES, "2026-11-01T09:30", "2026-11-01T10:30"),
        # London, 2026-03-29: 01:00 GMT becomes 02:00 BST; 2026-10-25: 02:00 BST (01:00Z) becomes 01:00 GMT.
        (NIGHT, LONDON, "2026-03-29T00:00", "2026-03-29T01:00"),
        (DAWN, LONDON, "2026-03-29T00:00", "2026-03-29T01:30"),
        (NIGHT, LONDON, "2026-10-25T00:00", "2026-10-25T00:30"),
        (SALON, LONDON, "2026-10-25T12:00", "2026-10-26T09:00"),
        # India has no summer time.
        (NIGHT, KOLKATA, "2026-03-08T19:00", "2026-03-08T20:00"),
        # Beirut, 2026-03-29: 00:00 (2026-03-28T22:00Z) becomes 01:00.
        (hours("mon-sun 00:00-05:00"), BEIRUT, "2026-03-28T20:00", "2026-03-28T22:00"),
        # Apia went from the 29th straight to the 31st.
        (hours("mon-sun 09:00-10:00"), APIA, "2011-12-30T00:00", "2011-12-30T19:00"),
        (hours("fri open; sat-thu closed"), APIA, "2011-12-30T00:00", "2012-01-05T10:00"),
    ],
)  # fmt: skip
def test_it_opens_at_the_right_moment_when_the_clocks_change(
    centre: OpeningHours, zone: ZoneInfo, after: str, opens: str
) -> None:
    found = centre.next_opening(at(after, ZoneInfo("UTC")).astimezone(zone))
    assert found is not None
    assert found.tzinfo is zone
    assert found.astimezone(UTC).isoformat()[:16] == opens


@pytest.mark.parametrize(
    ("local", "fold", "is_open"),
    [
        ("2026-11-01T01:29", 0, False),
        ("2026-11-01T01:30", 0, True),
        ("2026-11-01T01:15", 1, True),
        ("2026-11-01T04:59", 0, True),
    ],
)
def test_it_opens_once_in_the_night_whose_clocks_go_back(local: str, fold: int, is_open: bool) -> None:
    assert NIGHT.is_open(at(local, fold=fold)) is is_open


def test_it_closes_once_in_the_night_whose_clocks_go_back() -> None:
    assert LATE.is_open(at("2026-11-01T01:29"))
    assert LATE.is_open(at("2026-11-01T01:30")) is False
    assert LATE.is_open(at("2026-11-01T01:15", fold=1)) is False


def test_hours_that_the_clocks_jump_over_are_no_hours() -> None:
    assert GAP.is_open(at("2026-03-08T03:00")) is False
    assert hours("mon-sun 00:00-02:30").is_open(at("2026-03-08T01:59:59"))
    assert hours("mon-sun 00:00-02:30").is_open(at("2026-03-08T03:00")) is False


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        SALON.is_open(datetime(2026, 3, 6, 12))  # noqa: DTZ001 - that is what is asked


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T23:59"])
@pytest.mark.parametrize("zone", [LOS_ANGELES, KOLKATA])
def test_the_ends_of_the_calendar_do_no_harm(moment: str, zone: ZoneInfo) -> None:
    local = at(moment, zone)
    assert SALON.is_open(local) in (None, False)
    assert SALON.next_opening(local) in (None, local)
    assert hours("mon-sun 09:00-10:00").next_opening(at("9999-12-31T12:00", zone)) is None


def test_days_that_are_not_named_are_unknown() -> None:
    assert SALON.unknown_days == ["sat"]
    assert OpeningHours().unknown_days == ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


_TIMES = st.integers(0, 1439)
_RANGES = st.lists(_TIMES, max_size=4, unique=True).map(
    lambda minutes: tuple(
        Range(opens, closes)
        for opens, closes in zip(sorted(minutes)[::2], sorted(minutes)[1::2], strict=False)
    )
)
_NIGHTS = st.tuples(st.integers(1080, 1439), st.integers(1440, 1700)).map(lambda pair: (Range(*pair),))
_DAYS = st.one_of(_RANGES, _NIGHTS, st.just(ALL_DAY), st.none())
#: The days around the changes of the clocks in Los Angeles and London, 2026.
_DATES = st.one_of(
    *(
        st.dates(middle - timedelta(days=3), middle + timedelta(days=3))
        for middle in (date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1))
    )
)
_HOURS = st.builds(
    OpeningHours,
    st.tuples(*[_DAYS] * 7),
    st.dictionaries(_DATES, st.one_of(_RANGES, _NIGHTS), max_size=3),
)
_MOMENTS = st.builds(
    lambda day, minute, zone: (
        datetime.combine(day, datetime.min.time(), UTC) + timedelta(minutes=minute)
    ).astimezone(zone),
    _DATES,
    _TIMES,
    st.sampled_from([LOS_ANGELES, LONDON, KOLKATA]),
)


@given(_HOURS, _MOMENTS)
@example(NIGHT, at("2026-03-08T00:00"))
@example(NIGHT, at("2026-11-01T00:00"))
def test_at_the_next_opening_it_is_open_and_not_before(centre: OpeningHours, local: datetime) -> None:
    found = centre.next_opening(local)
    moment = local.astimezone(UTC)
    if found is None:
        end = moment + timedelta(days=8)
    else:
        end = found.astimezone(UTC)
        assert end >= moment
        assert centre.is_open(found) is not False
    while moment < min(end, local.astimezone(UTC) + timedelta(days=2)):
        assert centre.is_open(moment.astimezone(local.tzinfo)) is False
        moment += 7 * MINUTE
    if found is not None and end > local.astimezone(UTC):
        assert centre.is_open((end - MINUTE).astimezone(local.tzinfo)) is False


@given(_HOURS, _MOMENTS)
def test_it_is_open_when_the_clock_on_the_wall_says_so(centre: OpeningHours, local: datetime) -> None:
    before, after = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    if before != after or (local - timedelta(days=2)).utcoffset() != (local + timedelta(days=2)).utcoffset():
        return  # equal times come twice, or a range begins on the other side of the change
    minute, today = local.hour * 60 + local.minute, local.date()
    spilt = any(one.opens <= minute + 1440 < one.closes for one in centre.of(today - timedelta(days=1)) or ())
    own = centre.of(today)
    expected = spilt or any(one.opens <= minute < one.closes for one in own or ())
    assert bool(centre.is_open(local)) is expected
    if not expected:
        assert centre.is_open(local) is (None if own is None else False)
