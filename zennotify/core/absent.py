"""The stage `absent`: a message because something has not come.

Its window: `until` is the time of the last event that came, `event` is that event, `due` is when it
has been missing for long enough; None once that has been told, until an event comes that ends the absence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from zennotify.core.during import During
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


def hear(window: Window | None, at: datetime, now: datetime, due: datetime | None, place: int) -> Window:
    """Return the window after an event of the time `at`; `due` is when it will have been missing for long enough."""
    if window is not None and at < window.until <= now:  # a later time is one of a clock that was ahead
        return window
    forgotten = max(at, now) + FORGOTTEN_AFTER
    if due is not None and due > forgotten:
        due = None
    if due is not None and due <= now and window is not None and window.due is None:
        due = None  # it is so old that what has been told still holds: many late events are not many alarms
    # Its own time does not depend on our clock; an event without one happened when it came.
    opened = now if at == now else None
    return Window(until=at, opened=opened, due=due, event=place, lasts=forgotten)


def told(window: Window) -> Window:
    """Return the window once its absence has been told: it is told again only after an event came."""
    return replace(window, due=None)
