"""The stage `suppressed_by`: another rule that fired for the same thing says it all.

The other rule fires with each event that gets past its `threshold`, whatever becomes of its message.  Its event may be
up to `within` older than the one that is asked for, or younger, where that one has waited.

The window is the other rule's: `times` are those of its events.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from zennotify.core.path import Path
from zennotify.core.window import Stage, Window

_MOST_TIMES: Final = 50


class Mark(NamedTuple):
    """What is remembered of a rule that fires, for those that it suppresses by the same paths."""

    #: Of the windows.
    stage: str
    same: tuple[Path, ...]
    #: How long one of those may still ask for it: it may come late, and wait.
    lasts: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedBy:
    """`suppressed_by: {rule, same, within}` of a rule."""

    rule: str
    same: tuple[Path, ...]
    within: timedelta

    @property
    def stage(self) -> str:
        """The stage of the other rule's windows."""
        return f"{Stage.FIRED} {' '.join(path.text for path in self.same)}"


def fire(mark: Mark, window: Window | None, at: datetime, now: datetime) -> Window:
    """Remember that the other rule has fired for an event of the time `at`."""
    times = list(window.times) if window else []
    insort(times, at)
    del times[: bisect_left(times, times[-1] - mark.lasts)]
    return Window(until=max(times[-1], now) + mark.lasts, times=tuple(times[-_MOST_TIMES:]))


def suppressor(suppressed: SuppressedBy, window: Window | None, at: datetime) -> datetime | None:
    """Return when the other rule fired for the same thing, near enough to an event of the time `at`; None: never."""
    times = window.times if window else ()
    return next((time for time in reversed(times) if abs(at - time) < suppressed.within), None)
