"""The stage `absent`: a message because something has not come.

Its window: `until` is the time of the last event that came, `event` is that event, `due` is when it
has been missing for long enough; None once that has been told, until an event comes that ends the absence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from zennotify.core.during import During
from zennotify.core.hours import OpeningHours
from zennotify.core.model import as_utc
from zennotify.core.path import Path
from zennotify.core.window import Window

#: A key of which nothing has come for so long is forgotten.
FORGOTTEN_AFTER: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """`absent: {event, for, per, during}` of a rule; the rule's `events` and `match` say what is awaited."""

    period: timedelta
    #: None of them: all events that are awaited are one.
    per: tuple[Path, ...] = ()
    #: Only time within these hours counts; None: all time.
    during: During | None = None

    def ends(self, local: datetime, center: OpeningHours | None, by: datetime) -> datetime | None:
        """Return when it has been missing for long enough, from a moment by the centre's clock on, or None."""
        if self.during is not None:
            return self.during.at(center).advance(local, self.period, by)
        due = as_utc(local) + self.period
        return due if due <= by else None


def hear(
    absent: Absent,
    window: Window | None,
    local: datetime,
    now: datetime,
    center: OpeningHours | None,
    place: int,
) -> Window:
    """Return the window after an event that happened at a moment by the centre's clock."""
    at = as_utc(local)
    if window is not None and at <= window.until <= now:  # a later time is one of a clock that was ahead
        return window
    forgotten = now + FORGOTTEN_AFTER
    due = absent.ends(local, center, forgotten)
    if due is not None:
        due = max(as_utc(due), now)  # an event that came late may already have been the last for too long
    if due == now and window is not None and window.due is None:
        due = None  # it is so old that what has been told still holds: many late events are not many alarms
    # Its own time does not depend on our clock; an event without one happened when it came.
    opened = now if at == now else None
    return Window(until=at, opened=opened, due=due, event=place, lasts=forgotten)


def told(window: Window) -> Window:
    """Return the window once its absence has been told: it is told again only after an event came."""
    return replace(window, due=None)
