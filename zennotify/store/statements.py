"""The SQL of the write path, one set for both engines.

Built once: SQLAlchemy finds the compiled form of a statement it has seen faster than that of a new one.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, select, update

from zennotify.core.model import DeliveryState, Outcome
from zennotify.store.schema import (
    PENDING,
    SENDING,
    UNDECIDED,
    attempts,
    decisions,
    deliveries,
    events,
    windows,
)

EVENT_COLUMNS = (
    events.c.seq,
    events.c.id,
    events.c.type,
    events.c.received_at,
    events.c.body,
    events.c.tries,
)
KNOWN_IDS = select(events.c.id, events.c.fingerprint).where(events.c.id.in_(bindparam("ids", expanding=True)))
KNOWN_FINGERPRINTS = select(events.c.id, events.c.fingerprint).where(
    events.c.fingerprint.in_(bindparam("fingerprints", expanding=True)),
    events.c.received_at >= bindparam("since"),
)
OLDEST_UNDECIDED = (
    select(*EVENT_COLUMNS)
    .where(events.c.state == UNDECIDED, events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
    .limit(bindparam("most"))
)
LAST_UNDECIDED = select(func.max(events.c.seq)).where(events.c.state == UNDECIDED)
EVENTS = select(*EVENT_COLUMNS).where(events.c.id.in_(bindparam("ids", expanding=True)))
COUNT_TRY = update(events).where(events.c.id == bindparam("event")).values(tries=events.c.tries + 1)
FINISH_EVENT = (
    update(events)
    .where(events.c.id == bindparam("event"))
    .values(state=bindparam("new_state"), rule_set=bindparam("hash"))
)
ADD_DECISION = insert(decisions)
# Not `(rule, stage, key) IN (...)`: for more than one key SQLite would read the whole table.
WINDOWS = select(windows).where(
    windows.c.rule.in_(bindparam("rules", expanding=True)),
    windows.c.stage.in_(bindparam("stages", expanding=True)),
    windows.c.key.in_(bindparam("keys", expanding=True)),
)
CLAIM = (
    update(deliveries)
    .where(
        deliveries.c.id.in_(
            select(deliveries.c.id)
            .where(
                deliveries.c.channel == bindparam("wanted_channel"),
                deliveries.c.state == PENDING,
                deliveries.c.due <= bindparam("now"),
            )
            .order_by(deliveries.c.due)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(state=DeliveryState.SENDING.value, lease=bindparam("token"), lease_until=bindparam("until"))
    .returning(
        deliveries.c.id,
        deliveries.c.event,
        deliveries.c.rule,
        deliveries.c.channel,
        deliveries.c.rule_set,
        deliveries.c.held_back,
        deliveries.c.attempts,
        deliveries.c.title,
        deliveries.c.message,
        deliveries.c.due,
        deliveries.c.created,
    )
)
NEXT_DUE = select(func.min(deliveries.c.due)).where(
    deliveries.c.channel == bindparam("wanted_channel"), deliveries.c.state == PENDING
)
NEXT_LEASE_END = select(func.min(deliveries.c.lease_until)).where(deliveries.c.state == SENDING)
LEASES = (
    select(deliveries.c.id, deliveries.c.lease)
    .where(deliveries.c.id.in_(bindparam("ids", expanding=True)))
    .with_for_update()
)
ADD_ATTEMPT = insert(attempts)
BEGIN = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(attempts=bindparam("number"), title=bindparam("text_title"), message=bindparam("text_body"))
)
FINISH_ATTEMPT = (
    update(attempts)
    .where(attempts.c.delivery == bindparam("of_delivery"), attempts.c.number == bindparam("of_number"))
    .values(finished=bindparam("ended"), outcome=bindparam("result"), detail=bindparam("text"))
)
LOSE_ATTEMPT = (
    update(attempts)
    .where(
        attempts.c.delivery == bindparam("of_delivery"),
        attempts.c.number == bindparam("of_number"),
        attempts.c.outcome.is_(None),
    )
    .values(outcome=Outcome.UNKNOWN.value, detail="zennotify died while it was sending")
)
SETTLE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"), deliveries.c.lease == bindparam("token"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        due=bindparam("new_due"),
        lease=None,
        lease_until=None,
    )
)
