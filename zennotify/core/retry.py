"""When is something tried again?  After a failed delivery, and after a provider asked to be left alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from zennotify.core.model import Result

#: A provider's wish to be left alone is honoured within these bounds.
SHORTEST_WISH = timedelta(seconds=1)
LONGEST_WISH = timedelta(hours=1)

_SECONDS = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")


def next_due(
    waits: Sequence[timedelta], attempts: int, result: Result, now: datetime, fraction: float
) -> datetime | None:
    """Return when to try again, or None when the delivery is dead.

    `waits[n]` is the longest wait before try n+1; `attempts` counts the tries made, the last one included.
    `fraction` (0 to 1) is the jitter: the whole wait is drawn, so that what failed together does not return
    together.
    """
    if attempts >= len(waits):
        return None
    return now + max(waits[attempts] * fraction, wish(result))


def wish(result: Result) -> timedelta:
    """Return how long the provider asks to be left alone, within bounds; nothing where it does not ask."""
    if result.retry_after is None:
        return timedelta(0)
    return min(max(result.retry_after, SHORTEST_WISH), LONGEST_WISH)


def retry_after(value: str, *, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After asks for, within 1 s and 1 h; None where it cannot be read."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value[:20])  # a longer number is only more absurd
        wait = timedelta(seconds=min(max(seconds, 0.0), LONGEST_WISH.total_seconds()))
    else:
        moment = http_date(value)
        if moment is None:
            return None
        wait = moment - now
    return min(max(wait, SHORTEST_WISH), LONGEST_WISH)


def http_date(value: str | None) -> datetime | None:
    """Return the moment of a Date header, in UTC; None where it cannot be read."""
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
