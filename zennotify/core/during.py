"""The stage `hours`: a rule speaks only during certain hours, by the clock of the event's centre.

Asked twice: before anything waits, where what comes outside the hours is dropped or goes elsewhere; and last, where it
is held until they begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from zennotify.core.hours import OpeningHours

#: `during: opening-hours`, the hours of the event's centre.
OPENING_HOURS: Final = "opening-hours"
_UNKNOWN: Final = OpeningHours()


class Otherwise(StrEnum):
    """What becomes of a message outside the hours."""

    #: It goes out at the next opening.
    HOLD = "hold"
    DROP = "drop"
    #: Somebody else is told.
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class During:
    """Certain hours."""

    #: As they are written: `08:00-21:00`, or `opening-hours`.
    text: str
    #: None: those of the centre.
    hours: OpeningHours | None = None

    def at(self, center: OpeningHours | None) -> OpeningHours:
        """Return the hours that count at a centre; hours that are not known count as open."""
        return self.hours or center or _UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """`hours: {during, otherwise}` of a rule."""

    during: During
    otherwise: Otherwise = Otherwise.HOLD
    #: Who is told outside the hours, where that is somebody else.
    notify: tuple[str, ...] = ()


def is_outside(hours: Hours, center: OpeningHours | None, local: datetime) -> bool:
    """Return whether a moment, by the centre's clock, is outside the hours."""
    return hours.during.at(center).is_open(local) is False


def next_opening(hours: Hours, center: OpeningHours | None, local: datetime) -> datetime | None:
    """Return the first moment from `local` on that is within the hours; None where there is none."""
    return hours.during.at(center).next_opening(local)
