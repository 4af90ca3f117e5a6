"""How many calls of Zenoti's API are left for us?  60 a minute belong to the whole organisation.

Two counts, and the stricter one holds: our own calls of the last minute, and what Zenoti's answers say is left.  The
last calls are always left to the organisation's other integrations.  Pure: api.py asks before each call and tells
what each answer said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from zennotify.core.retry import LONGEST_WISH, http_date, retry_after

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
#: This part of the calls is left to others.
_OTHERS: Final = 6
#: More calls in a window, or a longer one, are no rate limit that anybody means.
_MOST_CALLS: Final = 10_000
_LONGEST_WINDOW: Final = timedelta(hours=1)

#: `60;w=60;b=60`: 60 calls for each 60 seconds, at most 60 at once.
_LIMIT = re.compile(r"\s*([0-9]{1,9})\s*((?:;[^,]*)?)")
_PART = re.compile(r";\s*([wb])\s*=\s*([0-9]{1,9})\s*(?=;|$)")
_COUNT = re.compile(r"\s*([0-9]{1,9})\s*")
_SECONDS = re.compile(r"\s*([+-]?[0-9]{1,9})(?:\.[0-9]*)?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is known of the calls that are left; changed by making another one."""

    #: So many calls for each window.
    calls: int = 60
    window: timedelta = timedelta(minutes=1)
    #: When we called, within the last window.
    made: tuple[datetime, ...] = ()
    #: What is left until `renewed`, as Zenoti said it, less what we spent since.
    left: int = 60
    renewed: datetime = _NEVER
    #: Zenoti asked for no call before this moment.
    closed_until: datetime = _NEVER

    @property
    def others(self) -> int:
        """The calls that are left to other integrations."""
        return self.calls // _OTHERS

    def free_at(self, now: datetime) -> datetime:
        """Return when the next call may be made: now, or a later moment."""
        times = [now]
        made = self._made(now)
        most = self.calls - self.others
        if len(made) >= most:
            times.append(made[-most] + self.window)
        if self.left <= self.others and self.renewed <= now + self.window:
            times.append(self.renewed)
        if (
            self.closed_until <= now + LONGEST_WISH
        ):  # what is further away is from before the clock was set back
            times.append(self.closed_until)
        return max(times)

    def spent(self, now: datetime) -> Budget:
        """Return what is left after one more call."""
        return replace(self, made=(*self._made(now), now), left=max(self.left - 1, 0))

    def heard(self, status: int, headers: Mapping[str, str], now: datetime) -> Budget:
        """Return what is left by an answer's headers; those that cannot be read change nothing."""
        calls, window = _limit(headers.get("Organization-RateLimit-Limit", "")) or (self.calls, self.window)
        told = replace(self, calls=calls, window=window)
        until_new = _reset(headers.get("RateLimit-Reset", ""), window)
        if remaining := _COUNT.fullmatch(headers.get("RateLimit-Remaining", "")):
            told = _counted(told, int(remaining[1]), now, now + until_new)
        if status == 429:
            wait = retry_after(headers.get("Retry-After", ""), now=http_date(headers.get("Date")) or now)
            told = replace(told, closed_until=now + (wait or max(until_new, _SECOND)))
        return told

    def _made(self, now: datetime) -> tuple[datetime, ...]:
        return tuple(moment for moment in self.made if now - self.window < moment <= now)


def _counted(told: Budget, remaining: int, now: datetime, renewed: datetime) -> Budget:
    """Take what is said to be left: within one window it only gets less, as answers may overtake each other."""
    if now < told.renewed and renewed < told.renewed + told.window / 2:
        remaining, renewed = min(remaining, told.left), min(renewed, told.renewed)
    return replace(told, left=remaining, renewed=renewed)


def _limit(value: str) -> tuple[int, timedelta] | None:
    found = _LIMIT.match(value)
    if found is None or not int(found[1]):
        return None
    parts = {name: int(number) for name, number in _PART.findall(found[2].rstrip())}
    calls = min(int(found[1]), parts.get("b") or _MOST_CALLS, _MOST_CALLS)
    window = min(timedelta(seconds=parts.get("w") or 60), _LONGEST_WINDOW)
    return calls, window


def _reset(value: str, window: timedelta) -> timedelta:
    """Return the time until there are new calls: at most a window, as it is when nothing readable is said."""
    found = _SECONDS.fullmatch(value)
    return window if found is None else min(max(timedelta(seconds=int(found[1])), timedelta()), window)
