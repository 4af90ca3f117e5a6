"""A store whose events are decided as the daemon decides them, turn by turn, at times that the test says."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from tests.fakes import START
from zennotify.core.model import Zone
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.silence import Silence
from zennotify.core.window import Window, WindowKey
from zennotify.decider.batch import Batch
from zennotify.decider.turn import Turn
from zennotify.store import Store
from zennotify.store.rows import KeptEvent, NewEvent, Undecided
from zennotify.store.transaction import Transaction
from zennotify.zenoti.event import Reading, event_key, reopen

_READING = Reading(Zone.CENTER)


class Decided:
    """Decides what comes by these rules."""

    def __init__(self, store: Store, *rules: Rule, silences: tuple[Silence, ...] = ()) -> None:
        self.store = store
        self.rules = RuleSet("rules", rules)
        self._silences = silences
        self._count = 0

    def come(
        self,
        event_type: str,
        data: dict[str, Any] | None = None,
        *,
        after: timedelta = timedelta(),
        at: datetime | None = None,
        center: str | None = None,
    ) -> str:
        """Let an event arrive, so long after START, and decide it; `at` is its own time.  Return its id."""
        self._count += 1
        name, arrival = f"event {self._count}", START + after
        envelope = {
            "event_id": name,
            "event_type": event_type,
            "event_timestamp": (at or arrival).isoformat(),
            "data": data or {},
        }
        event = NewEvent(
            id=event_key(name),
            event_id=name,
            type=event_type,
            center=center,
            at=at or arrival,
            received_at=arrival,
            fingerprint=name,
            body=json.dumps(envelope).encode(),
        )
        self.store.write(Transaction.add_events, [event])
        self.store.write(self._turn, None)
        return event.id

    def fire(self, after: timedelta) -> None:
        """Fire what is due so long after START."""
        self.store.write(self._turn, START + after)

    def _turn(self, transaction: Transaction, now: datetime | None) -> None:
        turn = Turn(
            transaction,
            lambda: Batch(self.rules, Zone.CENTER, self._silences),
            _reopen,
            self._rule_of,
        )
        kept = transaction.undecided(100)
        turn.decide([_reopen(one) for one in kept], max([START, *(one.received_at for one in kept)]))
        if now is not None:
            turn.fire(now)

    def _rule_of(self, key: WindowKey, _window: Window) -> tuple[Rule, RuleSet] | None:
        rule = self.rules.by_id.get(key.rule)
        return None if rule is None else (rule, self.rules)


def _reopen(kept: KeptEvent) -> Undecided:
    return Undecided(kept.place, kept.rule_set, reopen(kept.body, kept.received_at, _READING, kept.type))
