"""May a channel send now?  Its pause and its rates, for the carrier's task and all its threads.

What pauses a channel and what a rate counts is said by core/pause.py and core/rate.py; here it has a lock, is kept over
a restart, and is told to those who have to know.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from zennotify.core.model import Outcome, Result
from zennotify.core.pause import Health, Pause, hastened, heed, is_over, is_worth_telling, resumed
from zennotify.core.rate import Budget, Rate
from zennotify.store.rows import ChannelState

_WELL = Health()

logger = logging.getLogger("zennotify.outbox")


@dataclass(frozen=True, slots=True)
class Change:
    """A channel is paused, longer than before, or not any more."""

    channel: str
    #: None: it sends again.
    pause: Pause | None
    #: What was before.
    before: Pause | None


class Leave(NamedTuple):
    """How much may be claimed now."""

    #: None: as much as there is room for.
    most: int | None
    #: Whether it is a probe: the channel is paused.
    is_probe: bool = False
    #: When to ask again, where nothing may be claimed; None: when something that is open is over.
    again: datetime | None = None


class Gate:
    """One channel's pause and rates; for any thread."""

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        rates: Sequence[Rate],
        is_for_guests: bool,
        jitter: Callable[[], float],
    ) -> None:
        self._name = name
        self._threads = threads
        #: A refusal says something of a guest's address, not of the channel.
        self._refusals_count = not is_for_guests
        self._jitter = jitter
        self._budget = Budget(rates) if rates else None
        self._health = _WELL
        self._lock = threading.Lock()
        self._is_told = False
        #: Called when the pause changes, from any thread.
        self.changed: Callable[[Change], None] = lambda change: None
        #: Called once for each pause that somebody has to hear of, and again, with True, when it is over.
        self.tell: Callable[[str, Pause, bool], None] = lambda name, pause, is_over: None

    def resume(self, state: ChannelState, now: datetime) -> None:
        """Go on where an earlier process stopped."""
        if self._budget is not None and state.spent:
            self._budget.load(state.spent)
        if state.pause is not None:
            self._health = Health(pause=resumed(state.pause, now))

    @property
    def pause(self) -> Pause | None:
        """Why the channel is paused."""
        return self._health.pause

    @property
    def has_rates(self) -> bool:
        """Whether what it may send is limited."""
        return self._budget is not None

    def leave(self, now: datetime, unsent: int, in_hand: int) -> Leave:
        """Say how much may be claimed now; of what is in hand already, so much is `unsent`."""
        with self._lock:
            pause, most = self._health.pause, None
            if self._budget is not None:
                most = self._budget.free(now) - unsent
                if most <= 0:
                    return Leave(0, again=None if unsent else self._budget.next_free(now))
            if pause is None:
                return Leave(most)
            if not is_over(pause, now):
                return Leave(0, again=pause.until)
            return Leave(0 if in_hand else 1, is_probe=True)

    def may_pass(self, now: datetime, *, is_probe: bool) -> bool:
        """Whether what was claimed may still be sent; if so it counts as sent."""
        with self._lock:
            if self._health.pause is not None and not is_probe:
                return False
            if self._budget is not None:
                self._budget.spend(now)
            return True

    def pass_by_hand(self, now: datetime, unsent: int) -> datetime | None:
        """Count a message that is sent by hand; where the rates are used up, return when one may go instead."""
        with self._lock:
            if self._budget is None:
                return None
            if self._budget.free(now) <= unsent:
                return self._budget.next_free(now)
            self._budget.spend(now)
            return None

    def spent(self, now: datetime, unsent: int) -> str | None:
        """Return what is to be kept when this much is about to be sent; None where there are no rates."""
        if self._budget is None:
            return None
        with self._lock:
            about = Budget(self._budget.rates)
            about.load(self._budget.dump())
        for _ in range(unsent):
            about.spend(now)
        return about.dump()

    def heed(self, result: Result, now: datetime, *, is_probe: bool, is_by_hand: bool = False) -> None:
        """Learn from what an attempt came to."""
        with self._lock:
            before = self._health.pause
            if result.outcome is Outcome.SENT and self._health == _WELL:
                return
            self._health = heed(
                self._health,
                result,
                now,
                fraction=self._jitter(),
                threads=self._threads,
                is_probe=is_probe,
                is_by_hand=is_by_hand,
                refusals_count=self._refusals_count,
            )
            pause = self._health.pause
        if pause != before:
            self._say(Change(self._name, pause, before), now)

    def try_now(self, now: datetime) -> None:
        """Let the next probe go at once, because somebody asks for it; a provider's wish holds all the same."""
        with self._lock:
            before = self._health.pause
            if before is not None:
                self._health = replace(self._health, pause=hastened(before, now))

    def _say(self, change: Change, now: datetime) -> None:
        pause, before = change.pause, change.before
        if pause is not None and before is None:
            logger.warning("channel=%s paused cause=%s", self._name, pause.cause)
        elif pause is None:
            logger.info("channel=%s sends again", self._name)
        self.changed(change)
        if pause is not None and not self._is_told and is_worth_telling(pause, now):
            self._is_told = True
            self.tell(self._name, pause, False)
        elif pause is None and before is not None and self._is_told:
            self._is_told = False
            self.tell(self._name, before, True)
