"""The only reader of the wall clock.

`app.build` makes one Clock and hands it down; everything else gets `now` as an argument.  Tests hand in a
clock of their own, so that hours pass without waiting.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The time, and the one way to wait for it."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...

    async def sleep_until(self, when: datetime | None, wake: asyncio.Event) -> None:
        """Return at `when` (None: never) or as soon as `wake` is set; `wake` is left cleared.

        Returns early where the clock is set back meanwhile: who waits looks again how long.
        """
        ...


class SystemClock:
    """The machine's clock."""

    #: The wall clock is read again at least this often, so that a jump of it is noticed.
    longest_nap = timedelta(seconds=30)
    #: Less is a correction that hurts nobody.
    _set_back = timedelta(seconds=5)

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime | None, wake: asyncio.Event) -> None:
        """Return at `when` (None: never) or as soon as `wake` is set; `wake` is left cleared.

        Returns early where the clock is set back meanwhile: who waits looks again how long.
        """
        seen: datetime | None = None
        while not wake.is_set():
            nap: float | None = None
            if when is not None:
                now = self.now()
                if when <= now or (seen is not None and now < seen - self._set_back):
                    break
                seen = now
                nap = min(when - now, self.longest_nap).total_seconds()
            try:
                async with asyncio.timeout(nap):
                    await wake.wait()
            except TimeoutError:
                continue
        wake.clear()
