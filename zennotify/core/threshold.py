"""The stage `threshold`: only when a key's events come often enough.

Every event is counted, at its own time and whatever follows; which one came first does not matter.  An event passes
while there is a span of `within` around it that holds as many as are asked for.

Its window: `times` are those of the events.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from zennotify.core.path import Path
from zennotify.core.window import Window

#: So many events are counted at most, and no threshold may be higher.
MOST_COUNTED: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """`threshold: {count, within, per}` of a rule."""

    count: int
    within: timedelta
    #: None of them: all of the rule's events are counted together.
    per: tuple[Path, ...] = ()


def pass_threshold(
    threshold: Threshold, window: Window | None, at: datetime, now: datetime
) -> tuple[int, Window]:
    """Count an event of the time `at`: return how many there are with it in one span, and what to remember.

    It passes when there are as many as the threshold's `count`.
    """
    times = list(window.times) if window else []
    insort(times, at)
    # What came late may belong to a span that ended before the newest one began.
    del times[: bisect_left(times, times[-1] - 2 * threshold.within)]
    del times[:-MOST_COUNTED]
    # A span that holds it begins with one of these.
    starts = range(bisect_right(times, at - threshold.within), bisect_right(times, at))
    if at == times[-1]:  # nothing is later: the first of these spans holds the most
        starts = starts[:1]
    number = max(
        (bisect_left(times, times[start] + threshold.within) - start for start in starts),
        default=1,  # it was too late to be counted with the others
    )
    until = max(times[-1], now) + 2 * threshold.within
    return number, Window(until=until, times=tuple(times))
