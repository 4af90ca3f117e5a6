"""The stage `digest`: one message about all events of a while.

Its window: `count` is the number of events that it has gathered, which are kept under its `number`; `event` is the last
of them, `held` what `once` held back, `due` when the message goes out, `until` when the one before it did: what
happened earlier comes late.  A window whose message has gone out stays for a while, without a `due`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from zennotify.core.hours import next_time
from zennotify.core.model import as_utc
from zennotify.core.path import Path
from zennotify.core.window import Gathered, Stage, Window, WindowKey, Windows

#: How long a digest that has gone out is remembered, so that a late event says so.
_REMEMBER_CLOSED: Final = timedelta(days=7)
#: Of a rule that has no digest, for what is too old to be sent alone.
LATE_EVERY: Final = timedelta(minutes=15)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """`digest: {every | at, per, immediate}` of a rule."""

    #: From the first event on; one of these two.
    every: timedelta | None = None
    #: Minutes of the day by the clock on the wall.
    at: int | None = None
    per: tuple[Path, ...] = ()
    #: Whether the first message goes out at once, and only what follows is gathered.
    immediate: bool = False
    #: Whether the clock is the centre's: where each digest is of one.
    is_of_center: bool = False

    def ends(self, local: datetime) -> datetime:
        """Return when a digest ends that begins now, at an aware moment of the clock on the wall."""
        if self.at is None:
            # In UTC: Python adds by the clock on the wall, which may be put back meanwhile.
            return as_utc(local) + (self.every or LATE_EVERY)
        return next_time(local, self.at)


#: Of what is stale, where the rule has none.
LATE: Final = Digest(every=LATE_EVERY)


def begin_digest(before: Window | None, due: datetime, opened: datetime | None) -> Window:
    """Return the window of a digest that begins after the one before it, if there was one."""
    return Window(until=before.until if before else _NEVER, opened=opened, due=due)


def is_late(window: Window, at: datetime, now: datetime) -> bool:
    """Return whether an event of the time `at` belongs to a digest that has gone out."""
    return at < window.until <= now  # a later time is one of a clock that was ahead


def gather(window: Window, place: int, held_back: int, new_number: Callable[[], int]) -> Window:
    """Return the window with one more event; with the first one it gets its number."""
    number = new_number() if window.number is None else window.number
    return replace(window, number=number, count=window.count + 1, event=place, held=window.held + held_back)


def close(window: Window, now: datetime) -> Window:
    """Return what is remembered of a digest that goes out, `now` being when it was due."""
    return Window(until=now, opened=window.opened, lasts=now + _REMEMBER_CLOSED)


# --- what is too old to be sent alone when it is its turn ---------------------------------------------------------


def late_key(rule: str, channel: str, recipient: str) -> WindowKey:
    """Return the window that gathers what is late of a rule for one channel and recipient."""
    return WindowKey(rule, Stage.LATE, f"{channel} {recipient}")


def told_by(key: WindowKey) -> tuple[str, str] | None:
    """Return the channel and the recipient of such a window; None where the rule says who is told."""
    channel, blank, recipient = key.key.partition(" ")
    return (channel, recipient) if key.stage == Stage.LATE and blank else None


def gather_late(
    windows: Windows, key: WindowKey, place: int, held_back: int, now: datetime, rule_set: str
) -> None:
    """Gather the event of a message that is too late, with others of its channel."""
    window = windows.get(key)
    if window is None or window.due is None:
        begun = begin_digest(window, due=LATE.ends(now), opened=now)
        window = replace(begun, rule_set=rule_set)
    window = gather(window, place, held_back, windows.new_number)
    assert window.number is not None, "what has gathered has a number"  # noqa: S101
    windows.put(key, window)
    windows.gather(Gathered(window.number, place))
