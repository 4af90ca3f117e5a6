"""When a failed delivery is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from zennotify.core.model import Outcome, Result

#: A provider's wish to be left alone is honoured within these bounds.
SHORTEST_WISH = timedelta(seconds=1)
LONGEST_WISH = timedelta(hours=1)


def next_due(
    waits: Sequence[timedelta], attempts: int, result: Result, now: datetime, fraction: float
) -> datetime | None:
    """Return when to try again, or None when the delivery is dead.

    `waits[n]` is the longest wait before try n+1; `attempts` counts the tries made, the last one included.
    `fraction` (0 to 1) is the jitter: the whole wait is drawn, so that what failed together does not return
    together.  A permanent refusal is never tried again.
    """
    if result.outcome is Outcome.PERMANENT or attempts >= len(waits):
        return None
    wait = waits[attempts] * fraction
    if result.retry_after is not None:
        wait = max(wait, min(max(result.retry_after, SHORTEST_WISH), LONGEST_WISH))
    return now + wait
