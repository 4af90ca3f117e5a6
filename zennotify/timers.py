"""What becomes due by itself: sleeps until the next window's time has come, and has the decider fire it.

The wall clock is read again at least every 30 seconds, so that a jump of it is noticed; windows that were opened by a
clock that was ahead count from then on.  What was due while nothing ran fires at the start, in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from zennotify.clock import Clock
from zennotify.decider import Fires
from zennotify.errors import StoreUnavailable
from zennotify.store import Writer
from zennotify.store.transaction import Transaction

logger = logging.getLogger("zennotify.timers")

#: The wall clock is read again at least this often.
LONGEST_NAP: Final = timedelta(seconds=30)
#: Before the next try, while the store is unavailable, or events that came before have to be decided first.
_PAUSE: Final = timedelta(seconds=1)
#: A clock that was further ahead has been set back; less is a correction that hurts nobody.
_JUMP: Final = timedelta(seconds=5)
#: A clock that shows an earlier time has not been set yet, as on a machine without a battery.
NOT_SET: Final = datetime(2024, 1, 1, tzinfo=UTC)


class Timers:
    """Knows when the next window's time comes."""

    def __init__(self, writer: Writer, clock: Clock, fire: Callable[[datetime], Awaitable[Fires]]) -> None:
        self._writer = writer
        self._clock = clock
        self._fire = fire
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: When the next one is due; None where there is none.
        self._next: datetime | None = None
        self._last_seen: datetime | None = None

    def set(self, due: datetime | None) -> None:
        """Take the moment when the next timer is due; from any thread."""
        self._next = due
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Fire until cancelled."""
        self._loop = asyncio.get_running_loop()
        again = self._clock.now()
        while True:
            await self._clock.sleep_until(again, self._wake)
            again = await self._look(self._clock.now())

    async def _look(self, now: datetime) -> datetime:
        """Fire what is due; return when to look again."""
        fires: Fires | None = None
        try:
            # The decider does not know what another clock changes; asked, it tells us of the next one by `set`.
            if await self._is_another_clock(now) or (self._next is not None and self._next <= now):
                fires = await self._fire(now)
        except StoreUnavailable:
            return now + _PAUSE
        self._last_seen = now
        if fires is not None and not fires.has_fired and fires.next is not None and fires.next <= now:
            return now + _PAUSE
        return now + LONGEST_NAP if self._next is None else min(self._next, now + LONGEST_NAP)

    async def _is_another_clock(self, now: datetime) -> bool:
        """Return whether time does not go on from when we looked last, and then put right what a wrong clock opened."""
        last = self._last_seen
        if now < NOT_SET:
            if last is None or last >= NOT_SET:
                logger.warning("the clock shows %s: it has not been set; timers wait until it is", now.date())
            return last is None
        if last is not None and NOT_SET <= last <= now + _JUMP:
            return False
        if last is not None and last > now:
            logger.warning("the clock was set back by %s", last - now)
        await self._writer.call(Transaction.reanchor, now, NOT_SET)
        return True
