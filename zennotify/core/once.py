"""The stage `once`: at most one message per key and period.

Its window: `until` is where the period ends that the last message started, `held` counts the messages that were held
back since then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from zennotify.core.path import Path
from zennotify.core.window import Window

#: How long after its period a window still knows how many messages it held back.
REMEMBER_HELD = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """`once: {per, for}` of a rule."""

    per: tuple[Path, ...]
    period: timedelta


def pass_once(once: Once, window: Window | None, now: datetime) -> tuple[bool, int, Window]:
    """Say whether a message may pass at `now`, how many were held back before it, and what to remember.

    The period runs from the arrival of the message that was let through and is not extended by those held back.
    """
    if window is not None and now < window.until:
        # What a clock started that was ahead, or a longer period, lasts no longer than a period from now.
        until = min(window.until, now + once.period)
        return False, 0, replace(window, until=until, held=window.held + 1, lasts=until + REMEMBER_HELD)
    return True, window.held if window else 0, Window(until=now + once.period)
