"""The caps of a channel that writes to phones of guests: whom it may write to, and how often.

Each message costs money, and whoever can make events happen could send them to anybody: numbers outside the
prefixes are never written to, one number gets so many messages within a period, and all together so many in a day.
A cap's period begins with the first message that it counts and does not move: around its end, twice as many may
come close together.  Asked by notify.py, once it is known whom a rule would tell.

A window: `until` is where the period ends, `held` the number of messages that it let through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from zennotify.core.rate import Rate, rate_of
from zennotify.core.window import Window, WindowKey

#: The name under which these windows are kept; no rule can have it.
CAPS: Final = "(caps)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """`allowed_prefixes`, `per_recipient` and `per_day` of a channel."""

    #: How numbers begin that may be written to, e.g. +1.
    prefixes: tuple[str, ...]
    per_recipient: tuple[Rate, ...]
    per_day: int

    def allows(self, number: str) -> bool:
        """Return whether a number may be written to at all."""
        return number.startswith(self.prefixes)


class UsedUp(NamedTuple):
    """A cap that lets no more messages through."""

    #: As it is written, e.g. `per_recipient: 5/d`.
    setting: str
    until: datetime
    is_of_all: bool


def cap_windows(channel: str, cap: Cap, recipient: str) -> dict[WindowKey, Rate]:
    """Return the windows that are asked before a message to this recipient, each with its limit."""
    name = recipient_key(recipient)
    windows = {
        WindowKey(CAPS, f"{channel} per_recipient {limit.unit}", name): limit for limit in cap.per_recipient
    }
    windows[WindowKey(CAPS, f"{channel} per_day", "")] = rate_of(cap.per_day, "d")
    return windows


def recipient_key(recipient: str) -> str:
    """Return what stands for a recipient in the keys of windows.

    Found again by whoever knows the number, as `forget` does.  It is no secret: there are few numbers.
    """
    return hashlib.blake2b(recipient.encode(), digest_size=16).hexdigest()


def pass_caps(
    windows: dict[WindowKey, Rate], look_up: Callable[[WindowKey], Window | None], now: datetime
) -> UsedUp | dict[WindowKey, Window]:
    """Count a message at `now`: return the windows as they are then, or the cap that holds it back.

    What is held back is counted nowhere.
    """
    changed: dict[WindowKey, Window] = {}
    for key, limit in windows.items():
        window = look_up(key)
        if window is None or now >= window.until:
            window = Window(until=now + limit.period)
        elif window.held >= limit.count:
            return _used_up(key, limit, window.until)
        changed[key] = Window(until=window.until, held=window.held + 1)
    return changed


def _used_up(key: WindowKey, limit: Rate, until: datetime) -> UsedUp:
    if key.key:
        return UsedUp(f"per_recipient {limit.text}", until, is_of_all=False)
    return UsedUp(f"per_day {limit.count}", until, is_of_all=True)
