"""What is written: every statement of the write path, for one transaction.

Called inside the writer's transactions by all on the path of an event, by ops.py and by app.py.  The same statements
serve SQLite and PostgreSQL; `now` is always an argument.  Nothing here commits.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from zennotify.core.model import DeliveryState
from zennotify.errors import StoreError
from zennotify.store import statements as sql
from zennotify.store.acknowledging import Acknowledging
from zennotify.store.delivering import Delivering
from zennotify.store.engine import translated_errors
from zennotify.store.erasing import Erasing
from zennotify.store.remembering import Remembering, kept_event
from zennotify.store.rows import (
    KeptEvent,
    NewDecision,
    NewEvent,
    Quarantined,
)
from zennotify.store.schema import (
    acknowledgements,
    attempts,
    deliveries,
    events,
    facts,
    gathered,
    quarantine,
    rule_sets,
    to_micros,
    undecided,
    windows,
)
from zennotify.store.signing import Signing
from zennotify.store.silencing import Silencing

#: Quarantine is bounded: the oldest go when either is passed.
MOST_QUARANTINED = 1000
MOST_QUARANTINED_BYTES = 64 * 2**20
_OPEN = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)


class Transaction(Delivering, Remembering, Acknowledging, Signing, Silencing, Erasing):
    """The statements, on one connection that is inside a transaction."""

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Undo only what was done in here when it raises, unless the store itself is to blame (StoreError)."""
        savepoint = self._connection.begin_nested()
        try:
            with translated_errors():
                yield
        except StoreError:  # the whole transaction is rolled back
            raise
        except Exception:
            savepoint.rollback()
            raise
        savepoint.commit()

    # --- events -------------------------------------------------------------------------------------------

    def known(
        self, ids: Sequence[str], fingerprints: Sequence[str], since: datetime
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return id -> fingerprint of the ids that are kept, and fingerprint -> id of what came since."""
        by_id = sql.KNOWN_IDS.all(self._connection, json.dumps(ids))
        recent = sql.KNOWN_FINGERPRINTS.all(self._connection, json.dumps(fingerprints), to_micros(since))
        return {row.id: row.fingerprint for row in by_id}, {row.fingerprint: row.id for row in recent}

    def add_events(self, new: Sequence[NewEvent]) -> range:
        """Keep events that are not known, undecided; return their places."""
        [(last,)] = sql.LAST_EVENT.all(self._connection)
        places = range((last or 0) + 1, (last or 0) + 1 + len(new))
        sql.ADD_EVENT.many(
            self._connection,
            [
                (
                    place,
                    event.id,
                    event.event_id,
                    event.type,
                    event.center,
                    to_micros(event.at) if event.at else None,
                    to_micros(event.received_at),
                    event.fingerprint,
                    event.rule_set,
                    event.body,
                )
                for place, event in zip(places, new, strict=True)
            ],
        )
        sql.ADD_UNDECIDED.many(self._connection, [(place,) for place in places])
        return places

    def add_quarantine(self, bodies: Sequence[Quarantined]) -> None:
        """Keep bodies in quarantine; the oldest go when there are too many."""
        rows = [
            {
                "received_at": to_micros(item.received_at),
                "reason": item.reason,
                "size": len(item.body),
                "body": item.body,
            }
            for item in bodies
        ]
        self._connection.execute(insert(quarantine), rows)
        self._trim_quarantine()

    def _trim_quarantine(self) -> None:
        running = func.sum(quarantine.c.size).over(order_by=quarantine.c.id.desc())
        number = func.row_number().over(order_by=quarantine.c.id.desc())
        ranked = select(quarantine.c.id, running.label("bytes"), number.label("number")).subquery()
        over = select(ranked.c.id).where(
            or_(ranked.c.bytes > MOST_QUARANTINED_BYTES, ranked.c.number > MOST_QUARANTINED)
        )
        self._connection.execute(delete(quarantine).where(quarantine.c.id.in_(over)))

    def undecided(self, most: int, after: int = 0) -> list[KeptEvent]:
        """Return the oldest undecided events behind the place `after`."""
        return [kept_event(row) for row in sql.OLDEST_UNDECIDED.all(self._connection, after, most)]

    def last_undecided(self) -> int:
        """Return the place of the newest undecided event; 0 when there is none."""
        [(last,)] = sql.LAST_UNDECIDED.all(self._connection)
        return last or 0

    def count_try(self, place: int) -> None:
        """Count that deciding an event is about to be tried."""
        sql.COUNT_TRY.many(self._connection, [(place,)])

    def finish_events(self, finished: Iterable[tuple[int, str | None]], rules: str | None) -> None:
        """Note that events have been decided by these rules; each comes with the rule set that is kept with it."""
        places: list[int] = []
        others: list[tuple[str | None, int]] = []
        for place, kept_with in finished:
            places.append(place)
            if kept_with != rules:
                others.append((rules, place))
        sql.DECIDED.many(self._connection, [(json.dumps(places),)])
        sql.SET_RULES.many(self._connection, others)

    def add_decisions(self, new: Sequence[NewDecision]) -> None:
        """Keep decisions."""
        sql.ADD_DECISION.many(self._connection, new)

    # --- facts --------------------------------------------------------------------------------------------

    def facts(self, things: Collection[str]) -> dict[str, str]:
        """Return what is kept of these things, as JSON."""
        if not things:
            return {}
        with translated_errors():  # it is asked in the middle of deciding, where only an event may be blamed
            rows = sql.FACTS.all(self._connection, json.dumps(list(things)))
        return {row.thing: row.lessons for row in rows}

    def save_facts(self, learned: str, seen: datetime) -> None:
        """Keep what is known of things now: one JSON object of lists, by thing."""
        sql.SAVE_FACTS.many(self._connection, [(to_micros(seen), learned)])

    # --- rule sets ----------------------------------------------------------------------------------------

    def save_rule_set(self, rules_hash: str, sources: str, now: datetime) -> None:
        """Keep a rule set that comes into force now."""
        add = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        statement = add(rule_sets)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["hash"], set_={"used_at": statement.excluded.used_at}
            ),
            {"hash": rules_hash, "sources": sources, "used_at": to_micros(now)},
        )

    # --- retention ----------------------------------------------------------------------------------------

    def purge_facts(self, before: datetime, after: str, most: int) -> str | None:
        """Forget things not seen since `before`, among the next `most` behind the thing `after`.

        Returns where to go on, or None at the end: without an index on the time, which every event would pay for.
        """
        rows = self._connection.execute(
            select(facts.c.thing, facts.c.seen)
            .where(facts.c.thing > after)
            .order_by(facts.c.thing)
            .limit(most)
        ).all()
        old = [row.thing for row in rows if row.seen < to_micros(before)]
        if old:
            self._connection.execute(delete(facts).where(facts.c.thing.in_(old)))
        return rows[-1].thing if len(rows) == most else None

    def purge_quarantine(self, before: datetime) -> int:
        """Forget bodies that were quarantined before this moment."""
        return self._connection.execute(
            delete(quarantine).where(quarantine.c.received_at < to_micros(before))
        ).rowcount

    def purge_events(self, now: datetime, before: datetime, dead_before: datetime, most: int) -> int:
        """Forget up to `most` old events with all that came of them.

        An event goes when it was received before `before`, has been decided, no delivery of it is open, and
        none died after `dead_before`.
        """
        # Events lie in the order of their arrival, so that only old ones are looked at.  What came from the future,
        # when the clock was wrong, tells nothing.
        young = self._connection.execute(
            select(events.c.seq)
            .where(events.c.received_at.between(to_micros(before), to_micros(now)))
            .order_by(events.c.seq)
            .limit(1)
        ).scalar()
        waits = select(undecided.c.event).where(undecided.c.event == events.c.seq)
        is_needed = deliveries.c.state.in_(_OPEN) | (
            (deliveries.c.state == DeliveryState.DEAD.value)
            & (deliveries.c.created >= to_micros(dead_before))
        )
        keeps = select(deliveries.c.seq).where(deliveries.c.event == events.c.seq, is_needed)
        # What a window is about, or has gathered and not told of, is needed.
        about = select(windows.c.event).where(windows.c.event.is_not(None), windows.c.due.is_not(None))
        numbers = (
            select(windows.c.number)
            .where(windows.c.number.is_not(None))
            .union_all(select(deliveries.c.gathered).where(deliveries.c.gathered.is_not(None), is_needed))
        )
        told = select(gathered.c.event).where(gathered.c.number.in_(numbers))
        is_old = events.c.received_at < to_micros(before)
        if young is not None:
            is_old &= events.c.seq < young
        query = (
            select(events.c.seq)
            .where(
                is_old,
                ~waits.exists(),
                ~keeps.exists(),
                events.c.seq.not_in(about),
                events.c.seq.not_in(told),
            )
            .limit(most)
        )
        old = self._connection.execute(query).scalars().all()
        if old:
            self._delete_events(old)
        self._purge_ops(before, dead_before)
        return len(old)

    def _purge_ops(self, before: datetime, dead_before: datetime) -> None:
        """Forget what was told to the owners, and of gathered events: these deliveries have no event."""
        told = select(deliveries.c.seq).where(
            deliveries.c.event.is_(None),
            deliveries.c.created < to_micros(before),
            deliveries.c.state.not_in(_OPEN),
            (deliveries.c.state != DeliveryState.DEAD.value)
            | (deliveries.c.created < to_micros(dead_before)),
        )
        ended = told.where(deliveries.c.gathered.is_not(None)).with_only_columns(deliveries.c.gathered)
        numbers = self._connection.execute(ended.distinct()).scalars().all()
        self._connection.execute(delete(attempts).where(attempts.c.delivery.in_(told)))
        self._connection.execute(delete(deliveries).where(deliveries.c.seq.in_(told)))
        self._forget_gathered(numbers)

    def _forget_gathered(self, numbers: Sequence[int]) -> None:
        """Forget what was gathered under these numbers, and who took it, where nothing tells of it any more."""
        left = select(deliveries.c.gathered).where(deliveries.c.gathered.in_(numbers))
        kept = set(self._connection.execute(left).scalars())
        over = [number for number in numbers if number not in kept]
        self._connection.execute(delete(gathered).where(gathered.c.number.in_(over)))
        self._connection.execute(delete(acknowledgements).where(acknowledgements.c.gathered.in_(over)))
