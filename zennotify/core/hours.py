"""Opening hours: whether a centre is open at a moment, and when it opens next.

A range of times belongs to the day it starts on, and may end after midnight.  It is meant by the clock on the
centre's wall, and opens and closes once: in a night whose clocks go back, at the first of two equal times; where
they jump over a time, at the first moment after the jump.  centerfile.py reads them from centers.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final, NamedTuple

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = 24 * 60
# Word processors make a dash of the hyphen.
_RANGE = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-\u2013]\s*([0-9]{1,2}):([0-9]{2})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}")


class HoursError(ValueError):
    """A text does not name hours or days; the message says why."""


class Range(NamedTuple):
    """From `opens` to before `closes`, in minutes from the start of the day by the clock on the wall."""

    opens: int
    #: More than 24 hours when it ends after midnight.
    closes: int


Ranges = tuple[Range, ...]

ALL_DAY: Final[Ranges] = (Range(0, _DAY),)
_WORDS: Final[Mapping[str, Ranges]] = {"closed": (), "open": ALL_DAY}
_UNKNOWN: Final[tuple[Ranges | None, ...]] = (None,) * 7


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The hours of one centre."""

    #: From Monday on; () is closed, None is unknown.
    week: Sequence[Ranges | None] = _UNKNOWN
    #: The hours of single dates, which replace those of their weekday.
    dates: Mapping[date, Ranges] = field(default_factory=dict)

    @property
    def unknown_days(self) -> list[str]:
        """The weekdays of which nothing is known, as `WEEKDAYS` names them."""
        return [name for name, ranges in zip(WEEKDAYS, self.week, strict=True) if ranges is None]

    @property
    def is_never_open(self) -> bool:
        """Whether every day is closed."""
        return not any(ranges is None or ranges for ranges in (*self.week, *self.dates.values()))

    def is_open(self, local: datetime) -> bool | None:
        """Say whether it is open at an aware moment in the centre's zone; None where that is not known."""
        zone, today = _zone(local), local.date()
        try:
            now = local.astimezone(UTC)
            # What began the evening before may still be going on.
            for day in (today - timedelta(days=1), today):
                for opens, closes in self.of(day) or ():
                    if _moment(day, opens, zone) <= now < _moment(day, closes, zone):
                        return True
        except OverflowError:  # at the ends of the calendar
            return None
        return None if self.of(today) is None else False

    def next_opening(self, local: datetime) -> datetime | None:
        """Return the first moment, from an aware one on, that is not closed; None when it never opens again.

        Hours that are not known count as open.  The moment is in the zone of `local`.
        """
        if self.is_open(local) is not False:
            return local
        zone, now = _zone(local), local.astimezone(UTC)
        try:
            for day in self._days_that_open(local.date()):
                later = [moment for moment in self._openings(day, zone) if moment > now]
                if later:
                    return min(later).astimezone(zone)
        except OverflowError:  # the end of the calendar
            pass
        return None

    def advance(self, local: datetime, span: timedelta, by: datetime) -> datetime | None:
        """Return the moment at which, from an aware one on, it has been open for `span`; None when not even by `by`.

        Hours that are not known count as open.  The moment is in the zone of `local`.
        """
        zone, left, limit = _zone(local), span, by.astimezone(UTC)
        try:
            opening = self.next_opening(local)
            while opening is not None:
                start, closing = opening.astimezone(UTC), self._closing(opening)
                end = start + left
                if closing is None or end <= closing:
                    return end.astimezone(zone) if end <= limit else None
                if closing >= limit:
                    return None
                left -= closing - start
                opening = self.next_opening(closing.astimezone(zone))
        except OverflowError:  # the end of the calendar
            pass
        return None

    def _closing(self, local: datetime) -> datetime | None:
        """Return, in UTC, the end of the range or the unknown day that an open moment is in; None: it has none."""
        zone, now = _zone(local), local.astimezone(UTC)
        if not self.dates and all(ranges is None for ranges in self.week):
            return None
        for day in (local.date() - timedelta(days=1), local.date()):
            for opens, closes in self.of(day) or ():
                closing = _moment(day, closes, zone)
                if _moment(day, opens, zone) <= now < closing:
                    return closing
        return next_time(local, 0).astimezone(UTC)  # nothing is known of this day

    def of(self, day: date) -> Ranges | None:
        """Return the ranges that begin on a day; () is closed, None is unknown."""
        return self.dates.get(day, self.week[day.weekday()])

    def _days_that_open(self, first: date) -> Iterator[date]:
        """Yield the days from `first` on that may open."""
        if not any(ranges is None or ranges for ranges in self.week):
            yield from sorted(day for day in self.dates if day >= first)
            return
        day = first
        while True:
            yield day
            day += timedelta(days=1)

    def _openings(self, day: date, zone: tzinfo) -> Iterator[datetime]:
        ranges = self.of(day)
        for opens, closes in ALL_DAY if ranges is None else ranges:
            moment = _moment(day, opens, zone)
            if moment < _moment(day, closes, zone):  # not where the clocks jump over all of it
                yield moment


def next_time(local: datetime, minute: int) -> datetime:
    """Return the first moment after an aware one at which its clock shows a minute of the day."""
    zone, now, day = _zone(local), local.astimezone(UTC), local.date()
    while (moment := _moment(day, minute, zone)) <= now:
        day += timedelta(days=1)
    return moment.astimezone(zone)


def _zone(local: datetime) -> tzinfo:
    if local.tzinfo is None:
        raise ValueError("a moment without a zone has no opening hours")
    return local.tzinfo


def _moment(day: date, minute: int, zone: tzinfo) -> datetime:
    """Return, in UTC, when the clocks of a zone first show a minute of a day, or have jumped over it."""
    wall = datetime.combine(day, time(), zone) + timedelta(minutes=minute)
    after = wall.astimezone(UTC)
    if after.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return after
    # Read by the clocks of before the jump the time falls after it, and the other way round.
    before = wall.replace(fold=1).astimezone(UTC)
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def read_ranges(text: str) -> Ranges:
    """Read `09:00-20:00`, `09:00-12:00, 13:00-20:00`, `open` (all day) or `closed`, or raise HoursError."""
    word = text.strip().casefold()
    if word in _WORDS:
        return _WORDS[word]
    return read_spans(text, "hours are written 09:00-20:00, `open` or `closed`")


def read_spans(text: str, expected: str) -> Ranges:
    """Read the same without words, or raise HoursError, which says what is expected."""
    ranges = sorted(_read_range(part.strip(), expected) for part in text.split(","))
    for one, other in pairwise(ranges):
        if other.opens < one.closes:
            raise HoursError(f"{_written(one)} and {_written(other)} overlap")
    return tuple(ranges)


def _read_range(text: str, expected: str) -> Range:
    match = _RANGE.fullmatch(text)
    if match is None:
        beside = "; a range is missing beside a comma" if not text else f", not `{text[:60]}`"
        raise HoursError(expected + beside)
    opens, closes = _minute(match[1], match[2]), _minute(match[3], match[4])
    if opens == _DAY:
        raise HoursError("24:00 can only be an end; the day begins at 00:00")
    if opens == closes:
        raise HoursError(f"`{text}` ends when it begins; all day is written 00:00-24:00, or `open`")
    return Range(opens, closes if closes > opens else closes + _DAY)


def read_minute(text: str) -> int:
    """Read a time of the day, `18:00`, as its minute, or raise HoursError."""
    if not _TIME.fullmatch(text):
        raise HoursError(f'a time of the day is expected, e.g. "18:00", not `{text[:60]}`')
    minute = _minute(*text.split(":"))
    if minute == _DAY:
        raise HoursError("the day ends before 24:00; midnight is written 00:00")
    return minute


def _minute(hour: str, minute: str) -> int:
    if int(minute) > 59 or int(hour) * 60 + int(minute) > _DAY:
        raise HoursError(f"{hour}:{minute} is not a time of the day, 00:00 to 24:00")
    return int(hour) * 60 + int(minute)


def _written(one: Range) -> str:
    closes = one.closes if one.closes <= _DAY else one.closes - _DAY
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (one.opens, closes))


def read_days(text: str) -> date | tuple[int, ...]:
    """Read a date, or the numbers (Monday is 0) of `mon`, `mon-fri` and `sat,sun`, or raise HoursError."""
    text = text.strip().casefold()
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise HoursError("this date is not in the calendar") from None
    days = [number for part in text.split(",") for number in _read_weekdays(part.strip())]
    twice = next((number for number in days if days.count(number) > 1), None)
    if twice is not None:
        raise HoursError(f"`{WEEKDAYS[twice]}` is in it twice")
    return tuple(days)


def _read_weekdays(text: str) -> list[int]:
    first, dash, last = (part.strip() for part in text.partition("-"))
    for name in (first, last) if dash else (first,):
        if name not in WEEKDAYS:
            raise HoursError(
                f"a weekday (mon to sun) or a date like 2026-12-25 is expected{_hint(name, text)}"
            )
    start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
    if dash and start == end:
        raise HoursError(
            f"`{text}` begins and ends with the same day; one day is `{first}`, all are `mon-sun`"
        )
    return [number % 7 for number in range(start, end + 1 if end >= start else end + 8)]


def _hint(name: str, text: str) -> str:
    if _TIME.match(text):
        return '; several ranges of a day go into quotes: "09:00-12:00, 13:00-20:00"'
    if name[:3] in WEEKDAYS:  # Monday
        return f"; did you mean `{name[:3]}`?"
    return ""
