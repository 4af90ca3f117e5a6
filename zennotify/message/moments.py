"""Times by the centre's clock: the filters `local`, `date` and `time`, and how a time prints."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import DateTimePattern, format_date, format_time, parse_pattern

from zennotify.core.model import NO_DATE, TimeText, Zone, read_time
from zennotify.message import limits
from zennotify.message.clock import at_zone, center_zone, text_of_center
from zennotify.message.limits import Refused, Unfit, current

_LONGEST_PATTERN = 64
#: What writing a time costs, in steps.
_COST = 20


class Style:
    """How a locale writes times."""

    __slots__ = ("date", "locale", "moment", "time")

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        self.date: DateTimePattern = locale.datetime_skeletons["yMMMEd"]
        self.time: DateTimePattern = locale.time_formats["short"]
        day = locale.datetime_skeletons["MMMEd"].pattern
        both = str(locale.datetime_formats["medium"])
        self.moment = parse_pattern(both.replace("{0}", self.time.pattern).replace("{1}", day))


@lru_cache(maxsize=64)
def style(locale: str) -> Style:
    """Return how a locale of this name writes; ValueError where there is none."""
    try:
        return Style(Locale.parse(locale.replace("-", "_")))
    except (UnknownLocaleError, ValueError, TypeError) as error:
        raise ValueError(f"unknown locale {locale!r}, expected one like en-US") from error


def of_center(field: str) -> str | None:
    """Return a text that is known of the event's centre, or None."""
    return text_of_center(current().here, field)


def local(value: Any, zone: str | None = None) -> Any:
    """Return a time as a moment of the centre's clock; what names no time comes back as it is."""
    if zone is not None and zone not in (Zone.UTC, Zone.CENTER):
        raise Unfit("it takes 'utc' or 'center'")
    if not isinstance(value, str):
        return _at_center(value, zone) if isinstance(value, datetime) else value
    moment = read_time(value)
    if moment is None:
        return None if value.startswith(NO_DATE[:10]) else value
    meant = zone or (value.zone if isinstance(value, TimeText) else None)
    if meant is None and moment.tzinfo is None:
        raise Unfit("the zone of this time is not known: write local('utc') or local('center')")
    return _at_center(moment, meant)


def date_of(value: Any, pattern: str | None = None) -> Any:
    """Return a time's date as text; what names no time comes back as it is."""
    moment = _readable(value)
    if moment is None:
        return value
    if pattern is None:
        return show(moment, style(current().locale).date)
    if "%" in _checked(pattern):
        return moment.strftime(pattern)
    return _plain_blanks(format_date(moment, pattern, locale=style(current().locale).locale))


def time_of(value: Any, pattern: str | None = None) -> Any:
    """Return a time's hour and minute as text; what names no time comes back as it is."""
    moment = _readable(value)
    if not isinstance(moment, datetime):
        return value
    if pattern is None:
        return show(moment, style(current().locale).time)
    if "%" in _checked(pattern):
        return moment.strftime(pattern)
    return _plain_blanks(
        format_time(moment.replace(tzinfo=None), pattern, locale=style(current().locale).locale)
    )


def show(moment: date, pattern: DateTimePattern | None = None) -> str:
    """Return a time as it prints in a message: by the centre's clock, e.g. `Thu, Jul 25, 9:15 AM`."""
    limits.spend(_COST)
    written = style(current().locale)
    if not isinstance(moment, datetime):
        return _plain_blanks(written.date.apply(moment, written.locale))
    if moment.tzinfo is not None:
        moment = _at_center(moment, None).replace(tzinfo=None)
    return _plain_blanks((pattern or written.moment).apply(moment, written.locale))


def _readable(value: Any) -> date | None:
    """Return the moment that a value names, by the centre's clock where it can be told; None where it names none."""
    limits.spend(_COST)
    meant = None
    if isinstance(value, str):
        meant = value.zone if isinstance(value, TimeText) else None
        value = read_time(value)
    if isinstance(value, datetime) and (value.tzinfo is not None or meant is not None):
        return _at_center(value, meant)
    return value if isinstance(value, date) else None


def _at_center(moment: datetime, meant: str | None) -> datetime:
    """Return a moment by the centre's clock; one without a zone is meant as said."""
    run = current()
    zone = center_zone(run.here, moment, run.time_zone)
    if zone is None:
        raise Refused("the centre's time zone is not known here")
    return at_zone(moment, zone, meant)


def _checked(pattern: Any) -> str:
    if isinstance(pattern, str) and len(pattern) <= _LONGEST_PATTERN:
        return pattern
    raise Unfit(f"it takes a pattern of at most {_LONGEST_PATTERN} characters, e.g. 'EEE d MMM' or '%H:%M'")


def _plain_blanks(text: str) -> str:
    """Return a text with ordinary blanks: Unicode's narrow one doubles the price of an SMS."""
    return text.replace("\u202f", " ").replace("\xa0", " ")
