"""The stage `once`: at most one message per key and period."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from zennotify.core.match import keys_of
from zennotify.core.model import Names
from zennotify.core.path import Path

#: How long after its period a window still knows how many messages it held back.
REMEMBER_HELD = timedelta(days=7)
#: A longer key (characters) is kept as its hash: PostgreSQL's indexes refuse one of 2,704 bytes.
_LONGEST_KEY = 300


_NOTHING = (None, "")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """`once: {per, for}` of a rule."""

    per: tuple[Path, ...]
    period: timedelta


class WindowKey(NamedTuple):
    """Names one window: a rule's memory for one key."""

    rule: str
    stage: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What `once` remembers for one key."""

    #: The period that the last message started ends here.
    until: datetime
    #: Messages held back since then.
    held: int = 0

    @property
    def expires(self) -> datetime:
        """When nothing needs this window any more."""
        return self.until + REMEMBER_HELD if self.held else self.until


def window_key(rule: str, once: Once, names: Names) -> WindowKey | None:
    """Return the window that limits this rule for these names, or None.

    A key that is missing, null or empty limits nothing: all unknown guests are not one guest.
    """
    parts: list[list[str]] = []
    for path in once.per:
        keys = [
            _text(keys[-1][1])
            for value in path.values(names)
            if value not in _NOTHING and (keys := keys_of(value))
        ]
        if not keys:
            return None
        parts.append(keys)
    key = _written(parts)
    if len(key) > _LONGEST_KEY:
        key = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return WindowKey(rule, "once", key)


def _written(parts: list[list[str]]) -> str:
    """Return the parts as JSON; of a single plain text, as most keys are, without the price of an encoder."""
    if len(parts) == 1 and len(parts[0]) == 1:
        text = parts[0][0]
        if text.isprintable() and '"' not in text and "\\" not in text:
            return f'[["{text}"]]'
    return _encode(parts)


def _text(key: Any) -> str:
    """Return equal texts for equal keys: 5.0 is 5."""
    return str(int(key) if isinstance(key, float) and key.is_integer() else key)


def pass_once(once: Once, window: Window | None, now: datetime) -> tuple[bool, int, Window]:
    """Say whether a message may pass at `now`, how many were held back before it, and what to remember.

    The period runs from the arrival of the message that was let through and is not extended by those held back.
    """
    if window is not None and now < window.until:
        return False, 0, replace(window, held=window.held + 1)
    return True, window.held if window else 0, Window(until=now + once.period)
