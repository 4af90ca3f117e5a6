"""What is read: lists and single rows, for the command line, the admin address and rendering.

Every call opens a short read transaction of its own, which never blocks the writer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, func, select, tuple_

from zennotify.core.model import Reason
from zennotify.core.pause import Pause
from zennotify.core.window import WindowKey
from zennotify.store.acknowledging import Acknowledgement, AcknowledgementReader
from zennotify.store.delivering import pause_of
from zennotify.store.engine import translated_errors
from zennotify.store.number import delivery_id, numbers_of
from zennotify.store.prepared import is_in
from zennotify.store.prepared import numbers as listed_numbers
from zennotify.store.rows import KeptEvent
from zennotify.store.schema import (
    PENDING,
    attempts,
    channels,
    decisions,
    deliveries,
    events,
    facts,
    from_micros,
    quarantine,
    rule_sets,
    to_micros,
    undecided,
    windows,
)
from zennotify.store.statements import FACTS


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try of a delivery."""

    started: datetime
    finished: datetime | None
    outcome: str | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A delivery with its tries."""

    id: str
    event: str | None
    window: str | None
    rule: str
    channel: str
    state: str
    reason: str
    created: datetime
    due: datetime
    #: When it was due first: from then on its fallback counts.
    since: datetime
    title: str | None
    message: str | None
    #: The delivery of another channel that it is the fallback of.
    instead_of: str | None = None
    acknowledged: Acknowledgement | None = None
    attempts: tuple[AttemptView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """What one rule made of an event, and the deliveries that came of it."""

    rule: str
    reason: str
    detail: str
    deliveries: tuple[DeliveryView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event with its decisions."""

    id: str
    event_id: str
    type: str
    at: datetime | None
    received: datetime
    center: str | None
    state: str
    rule_set: str | None
    body: bytes
    decisions: tuple[DecisionView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineView:
    """A body that could not become an event."""

    id: int
    received: datetime
    reason: str
    size: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits: undecided events, pending deliveries by channel, and when the oldest due one was due."""

    undecided: int = 0
    pending: dict[str, int] = field(default_factory=dict)
    oldest_due: datetime | None = None


def _like(glob: str) -> str:
    """Return a glob as a pattern of LIKE."""
    return _literal(glob).replace("*", "%")


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    return func.lower(column).like(f"%{_literal(text.lower())}%", escape="\\")


def _begins(column: ColumnElement[str], beginning: str) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that an id begins so, in a form that an index serves."""
    return column >= beginning, column < beginning + chr(0x10FFFF)


#: Says whether an event's body is one that is looked for.
BodyFilter = Callable[[bytes], bool]

_SLACK = timedelta(days=1)
#: Rows that are read at a time where all are looked through: a body may have a megabyte.
_PAGE = 200
_PAGE_OF_SMALL = 5_000
#: Deliveries with the id of their event.
_DELIVERIES = select(deliveries, events.c.id.label("event_key")).outerjoin(
    events, events.c.seq == deliveries.c.event
)


def _by(name: str, rows: Iterable[Any]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for row in rows:
        grouped.setdefault(getattr(row, name), []).append(row)
    return grouped


class Reader(AcknowledgementReader):
    """Reads the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
            query = query.where(func.lower(events.c.type).like(_like(type.casefold()), escape="\\"))
        if center is not None:
            query = query.where(func.lower(events.c.center) == center.casefold())
        if since is not None:
            query = query.where(*_young(events.c.seq, events.c.received_at, since))
        if reason is not None:
            query = query.where(
                events.c.seq.in_(select(decisions.c.event).where(decisions.c.reason == reason))
            )
        return self._with_decisions(self._newest(query, events.c.seq, wanted, most))

    def event(self, beginning: str) -> list[EventView]:
        """Return the events whose id begins so, or whose event_id of Zenoti's is this; at most two."""
        query = select(events).where(*_begins(events.c.id, beginning)).limit(2)
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
        """Return deliveries, newest first; `wanted` is asked of their events."""
        query = _DELIVERIES.order_by(deliveries.c.seq.desc())
        if wanted is not None:
            query = query.add_columns(events.c.body)
        if type is not None:
            of_type = func.lower(events.c.type).like(_like(type.casefold()), escape="\\")
            query = query.where(of_type)
        if center is not None:
            of_center = func.lower(events.c.center) == center.casefold()
            query = query.where(of_center)
        if reason is not None:
            query = query.where(deliveries.c.reason == reason)
        if channel is not None:
            query = query.where(deliveries.c.channel == channel)
        if state is not None:
            query = query.where(deliveries.c.state == state)
        if since is not None:
            query = query.where(*_young(deliveries.c.seq, deliveries.c.created, since))
        return self._with_attempts(self._newest(query, deliveries.c.seq, wanted, most))

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

    # --- all there is, a page at a time: for who looks through the whole store -----------------------------

    def all_events(self, since: datetime | None = None) -> Iterator[list[KeptEvent]]:
        """Yield the events, oldest first."""
        query = select(events).order_by(events.c.seq).limit(_PAGE)
        if since is not None:
            query = query.where(*_young(events.c.seq, events.c.received_at, since))
        place = 0
        while page := self._all(query.where(events.c.seq > place)):
            place = page[-1].seq
            yield [
                KeptEvent(
                    place=row.seq,
                    id=row.id,
                    type=row.type,
                    received_at=from_micros(row.received_at),
                    rule_set=row.rule_set,
                    body=bytes(row.body),
                )
                for row in page
            ]

    def all_facts(self) -> Iterator[Sequence[tuple[str, str]]]:
        """Yield the things with what events taught of them, as JSON."""
        query = select(facts.c.thing, facts.c.lessons).order_by(facts.c.thing).limit(_PAGE_OF_SMALL)
        thing = ""
        while page := self._all(query.where(facts.c.thing > thing)):
            thing = page[-1].thing
            yield [(thing, lessons) for thing, lessons in page]

    def all_windows(self) -> Iterator[list[WindowKey]]:
        """Yield the names of the windows."""
        columns = (windows.c.rule, windows.c.stage, windows.c.key)
        query = select(*columns).order_by(*columns).limit(_PAGE_OF_SMALL)
        last = WindowKey("", "", "")
        while page := self._all(query.where(tuple_(*columns) > tuple_(*last))):
            last = WindowKey(*page[-1])
            yield [WindowKey(*row) for row in page]

    def count_decisions(self, since: datetime | None = None) -> dict[tuple[str, str], int]:
        """Return how many decisions there are, by rule and reason."""
        query = select(decisions.c.rule, decisions.c.reason, func.count().label("made"))
        if since is not None:
            of_these = select(events.c.seq).where(*_young(events.c.seq, events.c.received_at, since))
            query = query.where(decisions.c.event.in_(of_these))
        rows = self._all(query.group_by(decisions.c.rule, decisions.c.reason))
        return {(row.rule, row.reason): row.made for row in rows}

    def messages_with(self, text: str) -> list[tuple[str, str]]:
        """Return the messages that contain a text, in whatever case: each with the id of its event."""
        says = _contains(deliveries.c.message, text) | _contains(deliveries.c.title, text)
        query = select(events.c.id, deliveries.c.title, deliveries.c.message).join_from(
            deliveries, events, events.c.seq == deliveries.c.event
        )
        return [(row.id, f"{row.title}\n{row.message}") for row in self._all(query.where(says))]

    def count_waiting(self, ids: Collection[str], *, addressed: bool = False) -> int:
        """Return how many deliveries of these events are not over; `addressed`: of those with a recipient."""
        listed = sorted(ids)
        count = 0
        for start in range(0, len(listed), _PAGE):
            of_these = select(events.c.seq).where(events.c.id.in_(listed[start : start + _PAGE]))
            is_open = deliveries.c.state.in_(["pending", "sending"])
            query = select(func.count()).where(deliveries.c.event.in_(of_these), is_open)
            count += self._all(query.where(deliveries.c.recipient != "") if addressed else query)[0][0]
        return count

    def recipients(self, ids: Collection[str]) -> set[str]:
        """Return the addresses and numbers that messages made of these events went to, or will."""
        listed = sorted(ids)
        found: set[str] = set()
        for start in range(0, len(listed), _PAGE):
            of_these = select(events.c.seq).where(events.c.id.in_(listed[start : start + _PAGE]))
            query = select(deliveries.c.recipient).where(
                deliveries.c.event.in_(of_these), deliveries.c.recipient != ""
            )
            found.update(row.recipient for row in self._all(query.distinct()))
        return found

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

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _all(self, query: Select[Any], **parameters: Any) -> Sequence[Any]:
        with translated_errors(), self._engine.connect() as connection:
            return connection.execute(query, parameters).all()

    def _newest(
        self, query: Select[Any], number: ColumnElement[int], wanted: BodyFilter | None, most: int
    ) -> Sequence[Any]:
        """Return the newest rows; those that are wanted are looked for in all of them, a page at a time."""
        if wanted is None:
            return self._all(query.limit(most))
        found: list[Any] = []
        page = self._all(query.limit(_PAGE))
        while page and len(found) < most:
            found += [row for row in page if row.body is not None and wanted(bytes(row.body))]
            page = self._all(query.where(number < page[-1].seq).limit(_PAGE))
        return found[:most]

    def _with_decisions(self, rows: Sequence[Any]) -> list[EventView]:
        places = [row.seq for row in rows]
        of_these = decisions.c.event.in_(places)
        made = _by("event", self._all(select(decisions).where(of_these).order_by(decisions.c.place)))
        duties = self._all(_DELIVERIES.where(deliveries.c.event.in_(places)).order_by(deliveries.c.seq))
        owed: dict[tuple[int, str], list[DeliveryView]] = {}
        for row, view in zip(duties, self._with_attempts(duties), strict=True):
            owed.setdefault((row.event, row.rule), []).append(view)
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
        numbers = [row.seq for row in rows]
        tried = select(attempts).where(attempts.c.delivery.in_(numbers)).order_by(attempts.c.number)
        tries = _by("delivery", self._all(tried))
        taken = self._acknowledged(rows)
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
                acknowledged=taken.get((row.event, row.gathered, row.rule)),
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


def _young(
    number: ColumnElement[int], at: ColumnElement[int], since: datetime
) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for rows since a moment.

    They lie in the order of their arrival, give or take: the look back ends at what is a day older.
    """
    older = (
        select(number)
        .where(at < to_micros(since - _SLACK))
        .order_by(number.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (at >= to_micros(since), number > func.coalesce(older, 0))


def _state(is_undecided: bool, made: Sequence[Any]) -> str:
    if is_undecided:
        return "undecided"
    return "failed" if any(decision.reason == Reason.FAILED for decision in made) else "decided"
