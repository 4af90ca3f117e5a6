"""Which clock does an event's centre go by?  Asked by filters (moments.py), and by rules that know time.

A centre's zone is what centers.yaml says; else what bookings around that day taught of its clock; else the usual zone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from zennotify.core.model import Names, TimeText, Zone, read_time
from zennotify.core.path import Path


def center_clock(time_zone: str) -> Callable[[Names | None, datetime], datetime]:
    """Return what shows an aware moment by the clock of an event's centre, or by the usual one without names."""
    usual = _zone(time_zone)

    def local(names: Names | None, moment: datetime) -> datetime:
        zone = usual if names is None else center_zone(names, moment, time_zone)
        return at_zone(moment, zone or UTC)

    return local


def moment_at(path: Path, time_zone: str) -> Callable[[Names], datetime | None]:
    """Return what reads the moment at a path, by the centre's clock; None where there is none, or no zone is known."""

    def moment(names: Names) -> datetime | None:
        value = next(iter(path.values(names)), None)
        meant = None
        if isinstance(value, str):
            meant = value.zone if isinstance(value, TimeText) else None
            value = read_time(value)
        if not isinstance(value, datetime) or (value.tzinfo is None and meant is None):
            return None
        return at_zone(value, center_zone(names, value, time_zone) or UTC, meant)

    return moment


def center_zone(names: Names, moment: datetime, usual: str | None) -> tzinfo | None:
    """Return the zone of an event's centre around a moment; None where not even a usual one is known."""
    name = text_of_center(names, "time_zone")
    if name and (zone := _zone(name)):
        return zone
    offset_at = getattr(names, "offset_at", None)  # a test's names are a plain mapping
    offset = offset_at(moment) if offset_at is not None else None
    if offset is not None:
        return timezone(offset)
    return _zone(usual) if usual else None


def at_zone(moment: datetime, zone: tzinfo, meant: str | None = None) -> datetime:
    """Return a moment by the clock of a zone; one that does not say its own is meant in UTC, or as said."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone if meant == Zone.CENTER else UTC)
    try:
        return moment.astimezone(zone)
    except OverflowError:  # the last hours of the year 9999 are no moment elsewhere
        return moment


def text_of_center(names: Names, field: str) -> str | None:
    """Return a text that is known of an event's centre, or None."""
    try:
        value = names["center"][field]
    except (KeyError, TypeError):
        return None
    return value if isinstance(value, str) and value else None


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone, not a zone's name, a folder of zones
        return None
