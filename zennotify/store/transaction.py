"""What is written: every statement of the write path, for one transaction.

Called inside the writer's transactions by all on the path of an event, by ops.py and by app.py.  The same statements
serve SQLite and PostgreSQL; `now` is always an argument.  Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from zennotify.core.model import DeliveryState
from zennotify.core.once import Window, WindowKey
from zennotify.store import statements as sql
from zennotify.store.rows import (
    Begun,
    Claimed,
    KeptEvent,
    NewDecision,
    NewDelivery,
    NewEvent,
    Quarantined,
    Settled,
)
from zennotify.store.schema import (
    PENDING,
    SENDING,
    attempts,
    decisions,
    deliveries,
    events,
    from_micros,
    quarantine,
    rule_sets,
    to_micros,
    windows,
)

#: Quarantine is bounded: the oldest go when either is passed.
MOST_QUARANTINED = 1000
MOST_QUARANTINED_BYTES = 64 * 2**20


class Transaction:
    """The statements, on one connection that is inside a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    # --- events -------------------------------------------------------------------------------------------

    def known(
        self, ids: Collection[str], fingerprints: Collection[str], since: datetime
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return id -> fingerprint of the ids that are kept, and fingerprint -> id of what came since."""
        by_id = self._connection.execute(sql.KNOWN_IDS, {"ids": list(ids)})
        recent = self._connection.execute(
            sql.KNOWN_FINGERPRINTS, {"fingerprints": list(fingerprints), "since": to_micros(since)}
        )
        return {row.id: row.fingerprint for row in by_id}, {row.fingerprint: row.id for row in recent}

    def add_events(self, new: Sequence[NewEvent]) -> None:
        """Keep events, undecided."""
        rows = [
            {
                "id": event.id,
                "event_id": event.event_id,
                "type": event.type,
                "center": event.center,
                "at": to_micros(event.at) if event.at else None,
                "received_at": to_micros(event.received_at),
                "fingerprint": event.fingerprint,
                "state": "undecided",
                "tries": 0,
                "body": event.body,
            }
            for event in new
        ]
        self._connection.execute(self._insert(events).on_conflict_do_nothing(index_elements=["id"]), rows)

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

    def undecided(self, most: int, after: int = 0) -> list[tuple[int, KeptEvent]]:
        """Return the oldest undecided events behind the place `after`, each with its place."""
        rows = self._connection.execute(sql.OLDEST_UNDECIDED, {"most": most, "after": after})
        return [(row.seq, _kept(row)) for row in rows]

    def last_undecided(self) -> int:
        """Return the place of the newest undecided event; 0 when there is none."""
        return self._connection.execute(sql.LAST_UNDECIDED).scalar() or 0

    def count_tries(self, tried: Collection[str]) -> None:
        """Count that deciding these events is about to be tried."""
        self._connection.execute(sql.COUNT_TRY, [{"event": event} for event in tried])

    def finish_events(self, finished: Iterable[tuple[str, str, str | None]]) -> None:
        """Set (event, state, rule set) of events that have been decided or have failed."""
        rows = [{"event": event, "new_state": state, "hash": rules} for event, state, rules in finished]
        if rows:
            self._connection.execute(sql.FINISH_EVENT, rows)

    def add_decisions(self, new: Sequence[NewDecision]) -> None:
        """Keep decisions."""
        if new:
            rows = [
                {"event": item.event, "rule": item.rule, "reason": item.reason, "detail": item.detail}
                for item in new
            ]
            self._connection.execute(sql.ADD_DECISION, rows)

    # --- windows ------------------------------------------------------------------------------------------

    def windows(self, keys: Collection[WindowKey]) -> dict[WindowKey, Window]:
        """Return the windows that are kept of these keys."""
        if not keys:
            return {}
        rows = self._connection.execute(
            sql.WINDOWS,
            {
                "rules": sorted({key.rule for key in keys}),
                "stages": sorted({key.stage for key in keys}),
                "keys": sorted({key.key for key in keys}),
            },
        )
        found = {
            WindowKey(row.rule, row.stage, row.key): Window(until=from_micros(row.until), held=row.held)
            for row in rows
        }
        return {key: window for key, window in found.items() if key in keys}

    def save_windows(self, changed: Mapping[WindowKey, Window]) -> None:
        """Keep windows as they are now."""
        if not changed:
            return
        rows = [
            {
                "rule": key.rule,
                "stage": key.stage,
                "key": key.key,
                "until": to_micros(window.until),
                "held": window.held,
                "expires": to_micros(window.expires),
            }
            for key, window in changed.items()
        ]
        statement = self._insert(windows)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["rule", "stage", "key"],
                set_={name: statement.excluded[name] for name in ("until", "held", "expires")},
            ),
            rows,
        )

    # --- deliveries ---------------------------------------------------------------------------------------

    def add_deliveries(self, new: Sequence[NewDelivery]) -> None:
        """Keep deliveries, pending."""
        if not new:
            return
        rows = [
            {
                "id": item.id,
                "event": item.event,
                "window": item.window,
                "rule": item.rule,
                "channel": item.channel,
                "rule_set": item.rule_set,
                "held_back": item.held_back,
                "state": DeliveryState.PENDING.value,
                "created": to_micros(item.created),
                "due": to_micros(item.due),
                "title": item.title,
                "message": item.message,
            }
            for item in new
        ]
        self._connection.execute(self._insert(deliveries).on_conflict_do_nothing(index_elements=["id"]), rows)

    def claim(self, channel: str, most: int, lease: str, now: datetime, until: datetime) -> list[Claimed]:
        """Take the oldest due deliveries of a channel; nobody else gets them before `until`."""
        rows = self._connection.execute(
            sql.CLAIM,
            {
                "wanted_channel": channel,
                "now": to_micros(now),
                "most": most,
                "token": lease,
                "until": to_micros(until),
            },
        ).all()
        if not rows:
            return []
        found = self._connection.execute(sql.EVENTS, {"ids": [row.event for row in rows]})
        kept = {row.id: _kept(row) for row in found}
        return [
            Claimed(
                id=row.id,
                event=kept.get(row.event),
                rule=row.rule,
                channel=row.channel,
                rule_set=row.rule_set,
                held_back=row.held_back,
                attempts=row.attempts,
                lease=lease,
                title=row.title,
                message=row.message,
            )
            for row in sorted(rows, key=lambda row: (row.due, row.created, row.id))
        ]

    def next_due(self, channel: str) -> datetime | None:
        """Return when the next pending delivery of a channel is due."""
        due = self._connection.execute(sql.NEXT_DUE, {"wanted_channel": channel}).scalar()
        return None if due is None else from_micros(due)

    def begin(self, begun: Sequence[Begun]) -> list[bool]:
        """Keep the attempts and their texts before they are sent; False for one whose lease is not ours any more."""
        wanted = {item.delivery: item.lease for item in begun}
        rows = self._connection.execute(sql.LEASES, {"ids": list(wanted)})
        held = {row.id for row in rows if row.lease == wanted[row.id]}
        mine = [item for item in begun if item.delivery in held]
        if mine:
            self._connection.execute(
                sql.ADD_ATTEMPT,
                [
                    {"delivery": item.delivery, "number": item.number, "started": to_micros(item.started)}
                    for item in mine
                ],
            )
            self._connection.execute(
                sql.BEGIN,
                [
                    {
                        "delivery": item.delivery,
                        "number": item.number,
                        "text_title": item.message.title,
                        "text_body": item.message.body,
                    }
                    for item in mine
                ],
            )
        return [item.delivery in held for item in begun]

    def settle(self, settled: Sequence[Settled]) -> None:
        """Keep what attempts came to; a delivery whose lease is not ours any more is left to its new holder."""
        self._connection.execute(
            sql.FINISH_ATTEMPT,
            [
                {
                    "of_delivery": item.delivery,
                    "of_number": item.number,
                    "ended": to_micros(item.finished),
                    "result": item.outcome.value,
                    "text": item.detail,
                }
                for item in settled
            ],
        )
        self._connection.execute(
            sql.SETTLE,
            [
                {
                    "delivery": item.delivery,
                    "token": item.lease,
                    "new_state": item.state.value,
                    "new_reason": item.reason,
                    "new_due": to_micros(item.due),
                }
                for item in settled
            ],
        )

    def return_expired(self, now: datetime | None) -> tuple[list[str], datetime | None]:
        """Make deliveries pending again whose lease ended before `now` (None: all leases, their holder is dead).

        An attempt that was open is recorded as unknown: it may have been sent.  Returns the channels that have
        something to do, and when the next lease ends.
        """
        ended = [deliveries.c.state == SENDING]
        if now is not None:
            ended.append(deliveries.c.lease_until < to_micros(now))
        rows = self._connection.execute(
            update(deliveries)
            .where(*ended)
            .values(state=DeliveryState.PENDING.value, lease=None, lease_until=None)
            .returning(deliveries.c.id, deliveries.c.channel, deliveries.c.attempts)
        ).all()
        if rows:
            self._connection.execute(
                sql.LOSE_ATTEMPT, [{"of_delivery": row.id, "of_number": row.attempts} for row in rows]
            )
        next_end = self._connection.execute(sql.NEXT_LEASE_END).scalar()
        return sorted({row.channel for row in rows}), None if next_end is None else from_micros(next_end)

    def bury_orphans(self, channels: Collection[str]) -> int:
        """Mark pending deliveries of channels that are configured no more as dead; return their number."""
        return self._connection.execute(
            update(deliveries)
            .where(deliveries.c.state == PENDING, deliveries.c.channel.not_in(list(channels)))
            .values(state=DeliveryState.DEAD.value, reason="channel_removed")
        ).rowcount

    def revive(self, delivery: str, now: datetime) -> bool:
        """Make a delivery that is dead, cancelled or waiting due at once, for one more try at least."""
        states = (DeliveryState.DEAD, DeliveryState.CANCELLED, DeliveryState.PENDING)
        return self._change(
            delivery, states, {"state": DeliveryState.PENDING.value, "reason": "", "due": to_micros(now)}
        )

    def cancel(self, delivery: str) -> bool:
        """Cancel a delivery that waits."""
        return self._change(
            delivery,
            (DeliveryState.PENDING, DeliveryState.DEAD),
            {"state": DeliveryState.CANCELLED.value, "reason": "cancelled by hand"},
        )

    def _change(self, delivery: str, states: Sequence[DeliveryState], values: dict[str, Any]) -> bool:
        changed = self._connection.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery, deliveries.c.state.in_([state.value for state in states]))
            .values(**values)
        )
        return changed.rowcount == 1

    # --- rule sets ----------------------------------------------------------------------------------------

    def save_rule_set(self, rules_hash: str, sources: str, now: datetime) -> None:
        """Keep a rule set that comes into force now."""
        statement = self._insert(rule_sets)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["hash"], set_={"used_at": statement.excluded.used_at}
            ),
            {"hash": rules_hash, "sources": sources, "used_at": to_micros(now)},
        )

    # --- retention ----------------------------------------------------------------------------------------

    def purge_windows(self, now: datetime) -> int:
        """Forget windows that nothing needs any more."""
        return self._connection.execute(delete(windows).where(windows.c.expires < to_micros(now))).rowcount

    def purge_quarantine(self, before: datetime) -> int:
        """Forget bodies that were quarantined before this moment."""
        return self._connection.execute(
            delete(quarantine).where(quarantine.c.received_at < to_micros(before))
        ).rowcount

    def purge_events(self, before: datetime, dead_before: datetime, most: int) -> int:
        """Forget up to `most` old events with all that came of them.

        An event goes when it was received before `before`, has been decided, no delivery of it is open, and
        none died after `dead_before`.
        """
        keeps = select(deliveries.c.id).where(
            deliveries.c.event == events.c.id,
            or_(
                deliveries.c.state.in_([DeliveryState.PENDING.value, DeliveryState.SENDING.value]),
                (deliveries.c.state == DeliveryState.DEAD.value)
                & (deliveries.c.created >= to_micros(dead_before)),
            ),
        )
        old = (
            self._connection.execute(
                select(events.c.id)
                .where(
                    events.c.received_at < to_micros(before), events.c.state != "undecided", ~keeps.exists()
                )
                .limit(most)
            )
            .scalars()
            .all()
        )
        if old:
            gone = select(deliveries.c.id).where(deliveries.c.event.in_(old))
            self._connection.execute(delete(attempts).where(attempts.c.delivery.in_(gone)))
            self._connection.execute(delete(deliveries).where(deliveries.c.event.in_(old)))
            self._connection.execute(delete(decisions).where(decisions.c.event.in_(old)))
            self._connection.execute(delete(events).where(events.c.id.in_(old)))
        self._purge_ops(before)
        return len(old)

    def _purge_ops(self, before: datetime) -> None:
        """Forget what was told to the owners: these deliveries have no event."""
        told = select(deliveries.c.id).where(
            deliveries.c.event.is_(None),
            deliveries.c.created < to_micros(before),
            deliveries.c.state.not_in([DeliveryState.PENDING.value, DeliveryState.SENDING.value]),
        )
        self._connection.execute(delete(attempts).where(attempts.c.delivery.in_(told)))
        self._connection.execute(delete(deliveries).where(deliveries.c.id.in_(told)))


def _kept(row: Any) -> KeptEvent:
    return KeptEvent(
        id=row.id,
        type=row.type,
        received_at=from_micros(row.received_at),
        body=bytes(row.body),
        tries=row.tries,
    )
