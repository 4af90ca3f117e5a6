"""One transaction's turn: events in the order of their arrival, and between them the timers that are due before.

`now` in a decision is the event's arrival or the timer's due moment, and every timer that is due at or before an
event's arrival fires before that event is decided.  Called by decider.py in the writer's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import takewhile

from zennotify.core.rule import Rule, RuleSet
from zennotify.core.window import Stage, Window, WindowKey
from zennotify.decider.batch import LONGEST_WORK, Batch
from zennotify.errors import StoreError, place_of
from zennotify.store.rows import KeptEvent, Timer, Undecided
from zennotify.store.transaction import Transaction

#: Windows whose time has come are taken so many at a time.
_MOST_TIMERS = 100


class Turn:
    """What one transaction decides, in order."""

    def __init__(
        self,
        transaction: Transaction,
        new_batch: Callable[[], Batch],
        reopen: Callable[[KeptEvent], Undecided],
        rule_of: Callable[[WindowKey, Window], tuple[Rule, RuleSet] | None],
    ) -> None:
        self._transaction = transaction
        self._new_batch = new_batch
        self._reopen = reopen
        self._rule_of = rule_of
        self._began = time.monotonic()
        self.batches: list[Batch] = []
        self.has_fired = False

    def decide(self, events: Sequence[Undecided], now: datetime) -> Sequence[Undecided]:
        """Decide events, and what is due before them; return those that are left, because it took long.

        What arrived after `now`, by a clock that was ahead, lets nothing fire before its time.
        """
        while events and not self._took_long():
            due = self._transaction.next_timer()
            ready = events
            if due is not None:
                ready = list(takewhile(lambda one, due=due: min(one.event.received_at, now) < due, events))  # type: ignore[misc]
            if ready:
                done = self._decide(ready)
                events = [one for one in events if one.place not in done]
            else:
                self._fire(min(events[0].event.received_at, now))
        return events

    def fire(self, now: datetime) -> None:
        """Fire what is due by `now`, as long as no event that came before it is undecided."""
        first = self._transaction.first_undecided()
        until = now if first is None else min(now, first)
        while not self._took_long() and self._fire(until):
            pass

    def _took_long(self) -> bool:
        return bool(self.batches) and time.monotonic() - self._began > LONGEST_WORK

    def _decide(self, events: Sequence[Undecided]) -> set[int]:
        batch = self._new_batch()
        too_early = batch.decide(self._transaction, events)
        while too_early is not None:
            # It came after a timer that one of those before it has set: that one fires first.
            events = list(takewhile(lambda one, place=too_early.place: one.place != place, events))  # type: ignore[misc]
            batch = self._new_batch()
            too_early = batch.decide(self._transaction, events)
        batch.keep(self._transaction)
        self.batches.append(batch)
        return {one.undecided.place for one in batch.decided}

    def _fire(self, until: datetime) -> bool:
        timers = self._transaction.due_windows(until, _MOST_TIMERS)
        if not timers:
            return False
        self.batches.append(self._fired(timers))
        self.has_fired = True
        return True

    def _fired(self, timers: Sequence[Timer]) -> Batch:
        """Fire as many timers as can be kept together; one that cannot be kept alone is given up.

        Otherwise it would end the process at each start, and before that be blamed on the events that come after it.
        """
        while True:
            batch = self._new_batch()
            try:
                with self._transaction.apart():
                    batch.fire(self._transaction, timers, self._event_of, self._rule_of)
                    batch.keep(self._transaction)
            except StoreError:
                raise
            except Exception as error:
                if len(timers) == 1:
                    return self._given_up(timers[0], place_of(error))
                timers = timers[: len(timers) // 2]
            else:
                return batch

    def _given_up(self, timer: Timer, detail: str) -> Batch:
        batch = self._new_batch()
        batch.give_up(self._transaction, timer, detail)
        batch.keep(self._transaction)
        return batch

    def _event_of(self, timer: Timer) -> Undecided | None:
        kept, window = timer.event, timer.window
        if timer.key.stage == Stage.ESCALATE and self._transaction.is_called_off(timer.key.rule, window):
            return None  # nobody was told, so nobody could take it
        if kept is None and window.event is not None:
            kept = self._transaction.events_at([window.event]).get(window.event)
        if kept is None and window.number is not None:  # the last one has been erased
            kept = self._transaction.last_gathered(window.number)
        return None if kept is None else self._reopen(kept)
