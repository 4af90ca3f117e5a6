"""The stage `wait`: a message goes out only when its opposite has not come.

Its window, of the stage `wait`: `event` is the event that waits, `times` its time, `due` when the wait ends, `count`
what a threshold has counted, `held` what the stages before it have found.  One of the stage `unless` holds in `times`
the latest opposite that came: what it withdraws may arrive after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from zennotify.core.match import Clause
from zennotify.core.model import Names, as_utc
from zennotify.core.path import Path
from zennotify.core.window import Window

#: So long, or as long as the wait itself, an opposite is remembered that came before what it withdraws.
REMEMBER_OPPOSITE: Final = timedelta(hours=24)
#: So far ahead may lie what a wait counts from, e.g. an appointment, as far as is remembered what may mute it.
LONGEST_AHEAD: Final = timedelta(days=90)
#: What is found before the wait, as bits.
_ELSEWHERE: Final = 1
_LATE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Opposite:
    """One of `unless`: an event that withdraws the message."""

    #: Event types, in lower case; `*` is a glob.
    events: tuple[str, ...]
    match: tuple[Clause, ...] = ()
    #: The types as they are written, for who reads about it.
    text: str = field(default="", compare=False)

    def listens_to(self, event_type: str) -> bool:
        """Return whether it may be an event of a type, given in lower case."""
        return any(fnmatchcase(event_type, pattern) for pattern in self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """`wait: {for, unless, per}` of a rule."""

    #: As it is written: `10m`, or `15m after group.start`.
    text: str
    period: timedelta
    #: Returns what the period counts from, where that is not the arrival of the event; None where it is not known.
    after: Callable[[Names], datetime | None] | None = None
    #: The path of that moment, for who looks at the rule.
    after_path: Path | None = None
    unless: tuple[Opposite, ...] = ()
    per: tuple[Path, ...] = ()

    @property
    def longest(self) -> timedelta:
        """How long something may wait."""
        return self.period if self.after is None else self.period + LONGEST_AHEAD

    def ends(self, names: Names, now: datetime) -> datetime | None:
        """Return when the wait of an event that arrives at `now` ends; None where there is no such moment."""
        start = now if self.after is None else self.after(names)
        try:
            return None if start is None else as_utc(start) + self.period
        except OverflowError:
            return None


def begin_wait(
    at: datetime,
    due: datetime,
    place: int,
    *,
    opened: datetime | None,
    count: int,
    is_elsewhere: bool,
    is_late: bool,
) -> Window:
    """Return the window of an event of the time `at` that waits until `due`; `opened` where that counts from now."""
    held = _ELSEWHERE * is_elsewhere + _LATE * is_late
    return Window(until=due, opened=opened, due=due, event=place, times=(at,), count=count, held=held)


def goes_elsewhere(window: Window) -> bool:
    """Return whether what waits tells those of `hours: {otherwise}`."""
    return bool(window.held & _ELSEWHERE)


def was_late(window: Window) -> bool:
    """Return whether what waits was too old to be sent alone when it came."""
    return bool(window.held & _LATE)


def oppose(wait: Wait, window: Window | None, at: datetime, now: datetime) -> Window:
    """Remember that an opposite of the time `at` came."""
    latest = max(at, *window.times) if window else at
    return Window(until=max(latest, now) + max(wait.period, REMEMBER_OPPOSITE), times=(latest,))


def opposite_of(window: Window | None, at: datetime) -> datetime | None:
    """Return the time of an opposite that came before an event of the time `at`, and happened after it; or None."""
    return window.times[0] if window is not None and window.times[0] > at else None


def withdraws(waiting: Window, at: datetime) -> bool:
    """Return whether an opposite of the time `at` withdraws what waits; of equal times the first to come is earlier."""
    return at >= waiting.times[0]
