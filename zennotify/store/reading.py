"""What is read: lists and single rows, for the command line, the admin address and rendering.

Every call opens a short read transaction of its own, which never blocks the writer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from zennotify.core.model import Reason
from zennotify.core.pause import Pause
from zennotify.store.acknowledging import AcknowledgementReader
from zennotify.store.asking import PAGE, begins, like, young
from zennotify.store.delivering import pause_of
from zennotify.store.engine import translated_errors
from zennotify.store.gatherings import Gatherings
from zennotify.store.number import delivery_id, numbers_of
from zennotify.store.prepared import is_in
from zennotify.store.prepared import numbers as listed_numbers
from zennotify.store.recalling import Recalling
from zennotify.store.schema import (
    PENDING,
    attempts,
    channels,
    decisions,
    deliveries,
    events,
    from_micros,
    gathered,
    quarantine,
    rule_sets,
    to_micros,
    undecided,
)
from zennotify.store.silencing import SilenceReading
from zennotify.store.statements import FACTS
from zennotify.store.views import (
    AttemptView,
    Backlog,
    DecisionView,
    DeliveryView,
    EventView,
    QuarantineView,
)
from zennotify.store.walking import Walking

#: Says whether an event's body is one that is looked for.
BodyFilter = Callable[[bytes], bool]

#: Deliveries with the id of their event.
_DELIVERIES = select(deliveries, events.c.id.label("event_key")).outerjoin(
    events, events.c.seq == deliveries.c.event
)


def _of_any(meets: Callable[[Any], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return the condition that an event which a delivery tells of meets something."""
    one = events.alias()
    among = select(gathered.c.event).join(one, one.c.seq == gathered.c.event)
    return meets(events) | among.where(gathered.c.number == deliveries.c.gathered, meets(one)).exists()


def _by(name: str, rows: Iterable[Any]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for row in rows:
        grouped.setdefault(getattr(row, name), []).append(row)
    return grouped


class Reader(AcknowledgementReader, Gatherings, Recalling, SilenceReading, Walking):
    """Reads the store."""

    def events(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the contract's word
        center: str | None = None,
        since: datetime | None = None,
        reason: str | None = None,
        wanted: BodyFilter | None = None,
        most: int = 50,
    ) -> list[EventView]:
        """Return events, newest first; `type` is compared without case, `*` is a glob."""
        query = select(events).order_by(events.c.seq.desc())
        if type is not None:
            query = query.where(func.lower(events.c.type).like(like(type.casefold()), escape="\\"))
        if center is not None:
            query = query.where(func.lower(events.c.center) == center.casefold())
        if since is not None:
            query = query.where(*young(events.c.seq, events.c.received_at, since))
        if reason is not None:
            query = query.where(
                events.c.seq.in_(select(decisions.c.event).where(decisions.c.reason == reason))
            )
        is_wanted = None if wanted is None else lambda row: wanted(bytes(row.body))
        return self._with_decisions(self._newest(query, events.c.seq, is_wanted, most))

    def event(self, beginning: str) -> list[EventView]:
        """Return the events whose id begins so, or whose event_id of Zenoti's is this; at most two."""
        query = select(events).where(*begins(events.c.id, beginning)).limit(2)
        rows = self._all(query) or self._all(select(events).where(events.c.event_id == beginning).limit(2))
        return self._with_decisions(rows)

    def deliveries(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the contract's word
        center: str | None = None,
        reason: str | None = None,
        channel: str | None = None,
        state: str | None = None,
        since: datetime | None = None,
        wanted: BodyFilter | None = None,
        most: int = 50,
    ) -> list[DeliveryView]:
        """Return deliveries, newest first; what is asked of events has to hold for one that they tell of."""
        query = _DELIVERIES.order_by(deliveries.c.seq.desc())
        if wanted is not None:
            query = query.add_columns(events.c.body)
        if type is not None:
            pattern = like(type.casefold())
            query = query.where(_of_any(lambda of: func.lower(of.c.type).like(pattern, escape="\\")))
        if center is not None:
            folded = center.casefold()
            query = query.where(_of_any(lambda of: func.lower(of.c.center) == folded))
        if reason is not None:
            query = query.where(deliveries.c.reason == reason)
        if channel is not None:
            query = query.where(deliveries.c.channel == channel)
        if state is not None:
            query = query.where(deliveries.c.state == state)
        if since is not None:
            query = query.where(*young(deliveries.c.seq, deliveries.c.created, since))
        is_wanted = None if wanted is None else lambda row: any(wanted(body) for body in self._bodies(row))
        return self._with_attempts(self._newest(query, deliveries.c.seq, is_wanted, most))

    def delivery(self, beginning: str) -> list[DeliveryView]:
        """Return the deliveries whose id begins so; at most two."""
        [(first, last)] = self._all(select(func.min(deliveries.c.seq), func.max(deliveries.c.seq)))
        if last is None:
            return []
        try:
            numbers = numbers_of(beginning, first, last)
        except ValueError:  # no id begins so
            return []
        query = _DELIVERIES.where(is_in(deliveries.c.seq, listed_numbers("numbers"))).limit(2)
        return self._with_attempts(self._all(query, numbers=json.dumps(numbers)))

    def deliveries_about(self, number: int) -> list[DeliveryView]:
        """Return the deliveries that tell of the events gathered under a number."""
        query = _DELIVERIES.where(deliveries.c.gathered == number).order_by(deliveries.c.seq)
        return self._with_attempts(self._all(query))

    def quarantine(self, *, since: datetime | None = None, most: int = 50) -> list[QuarantineView]:
        """Return quarantined bodies, newest first."""
        query = select(quarantine).order_by(quarantine.c.id.desc()).limit(most)
        if since is not None:
            query = query.where(quarantine.c.received_at >= to_micros(since))
        rows = self._all(query)
        return [
            QuarantineView(
                id=row.id,
                received=from_micros(row.received_at),
                reason=row.reason,
                size=row.size,
                body=bytes(row.body),
            )
            for row in rows
        ]

    def backlog(self) -> Backlog:
        """Return what waits."""
        waiting = self._all(select(func.count()).select_from(undecided))
        pending = self._all(
            select(
                deliveries.c.channel, func.count().label("waiting"), func.min(deliveries.c.due).label("due")
            )
            .where(deliveries.c.state == PENDING)
            .group_by(deliveries.c.channel)
        )
        oldest = min((row.due for row in pending), default=None)
        return Backlog(
            undecided=waiting[0][0],
            pending={row.channel: row.waiting for row in pending},
            oldest_due=None if oldest is None else from_micros(oldest),
        )

    def pauses(self) -> dict[str, Pause]:
        """Return the channels that are paused, and why."""
        rows = self._all(select(channels).where(channels.c.cause.is_not(None)).order_by(channels.c.name))
        return {row.name: pause for row in rows if (pause := pause_of(row)) is not None}

    def facts(self, things: Collection[str]) -> dict[str, str]:
        """Return what events taught of these things, as JSON."""
        with translated_errors(), self._engine.connect() as connection:
            rows = FACTS.all(connection, json.dumps(list(things)))
        return {row.thing: row.lessons for row in rows}

    def rule_set(self, rules_hash: str) -> str | None:
        """Return the kept sources of a rule set."""
        rows = self._all(select(rule_sets.c.sources).where(rule_sets.c.hash == rules_hash))
        return rows[0].sources if rows else None

    def last_rule_set(self) -> tuple[str, str] | None:
        """Return hash and sources of the rule set that came into force last."""
        rows = self._all(
            select(rule_sets.c.hash, rule_sets.c.sources).order_by(rule_sets.c.used_at.desc()).limit(1)
        )
        return (rows[0].hash, rows[0].sources) if rows else None

    def quick_check(self) -> str | None:
        """Return what SQLite finds wrong in its file, or None; other engines check themselves."""
        if self._engine.dialect.name != "sqlite":
            return None
        with translated_errors(), self._engine.connect() as connection:
            answer = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        return None if answer == "ok" else answer

    def _newest(
        self,
        query: Select[Any],
        number: ColumnElement[int],
        is_wanted: Callable[[Any], bool] | None,
        most: int,
    ) -> Sequence[Any]:
        """Return the newest rows; those that are wanted are looked for in all of them, a page at a time."""
        if is_wanted is None:
            return self._all(query.limit(most))
        found: list[Any] = []
        page = self._all(query.limit(PAGE))
        while page and len(found) < most:
            found += filter(is_wanted, page)
            page = self._all(query.where(number < page[-1].seq).limit(PAGE))
        return found[:most]

    def _bodies(self, delivery: Any) -> list[bytes]:
        """Return the bodies of the events that a delivery tells of."""
        if delivery.gathered is None:
            return [] if delivery.body is None else [bytes(delivery.body)]
        query = select(events.c.body).join_from(gathered, events, events.c.seq == gathered.c.event)
        return [bytes(row.body) for row in self._all(query.where(gathered.c.number == delivery.gathered))]

    def _with_decisions(self, rows: Sequence[Any]) -> list[EventView]:
        places = [row.seq for row in rows]
        of_these = decisions.c.event.in_(places)
        made = _by("event", self._all(select(decisions).where(of_these).order_by(decisions.c.place)))
        duties = self._all(_DELIVERIES.where(deliveries.c.event.in_(places)).order_by(deliveries.c.seq))
        owed: dict[tuple[int, str], list[DeliveryView]] = {}
        for row, view in zip(duties, self._with_attempts(duties), strict=True):
            owed.setdefault((row.event, row.rule), []).append(view)
        shared = self._all(
            _DELIVERIES.add_columns(gathered.c.event.label("place"))
            .join(gathered, gathered.c.number == deliveries.c.gathered)
            .where(gathered.c.event.in_(places))
            .order_by(deliveries.c.seq)
        )
        for row, view in zip(shared, self._with_attempts(shared), strict=True):
            owed.setdefault((row.place, row.rule), []).append(view)
        waiting = self._all(select(undecided.c.event).where(undecided.c.event.in_(places)))
        still = {row.event for row in waiting}
        return [
            EventView(
                id=row.id,
                event_id=row.event_id,
                type=row.type,
                at=None if row.at is None else from_micros(row.at),
                received=from_micros(row.received_at),
                center=row.center,
                state=_state(row.seq in still, made.get(row.seq, ())),
                rule_set=row.rule_set,
                body=bytes(row.body),
                decisions=tuple(
                    DecisionView(
                        rule=decision.rule,
                        reason=decision.reason,
                        detail=decision.detail,
                        deliveries=tuple(owed.get((row.seq, decision.rule), ())),
                    )
                    for decision in made.get(row.seq, ())
                ),
            )
            for row in rows
        ]

    def _with_attempts(self, rows: Sequence[Any]) -> list[DeliveryView]:
        numbers = sorted({row.seq for row in rows})
        tried = select(attempts).where(attempts.c.delivery.in_(numbers)).order_by(attempts.c.number)
        tries = _by("delivery", self._all(tried))
        return [
            DeliveryView(
                id=delivery_id(row.seq),
                event=row.event_key,
                window=row.window,
                rule=row.rule,
                channel=row.channel,
                state=row.state,
                reason=row.reason,
                created=from_micros(row.created),
                due=from_micros(row.due),
                since=from_micros(row.since),
                title=row.title,
                message=row.message,
                instead_of=None if row.instead_of is None else delivery_id(row.instead_of),
                step=row.step,
                held_back=row.held_back,
                counted=row.counted,
                meant=None if row.meant is None else from_micros(row.meant),
                gathered=row.gathered,
                attempts=tuple(
                    AttemptView(
                        started=from_micros(one.started),
                        finished=None if one.finished is None else from_micros(one.finished),
                        outcome=one.outcome,
                        detail=one.detail,
                    )
                    for one in tries.get(row.seq, ())
                ),
            )
            for row in rows
        ]


def _state(is_undecided: bool, made: Sequence[Any]) -> str:
    if is_undecided:
        return "undecided"
    return "failed" if any(decision.reason == Reason.FAILED for decision in made) else "decided"
