"""What windows have gathered, for who writes a message about it.  A part of Reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Engine, bindparam, func, literal_column, select

from zennotify.store.engine import translated_errors
from zennotify.store.prepared import NONE, Prepared
from zennotify.store.remembering import kept_event
from zennotify.store.rows import KeptEvent
from zennotify.store.schema import events, gathered
from zennotify.store.statements import EVENTS

_SUMMARY = Prepared(
    select(
        func.count().label("count"),
        func.coalesce(func.sum(gathered.c.late), literal_column("0")).label("late"),
        func.max(gathered.c.event).label("last"),
    ).where(gathered.c.number == bindparam("of_number")),
    "of_number",
)
_OLDEST = Prepared(
    select(
        events.c.seq,
        events.c.id,
        events.c.type,
        events.c.received_at,
        events.c.rule_set,
        events.c.body,
        literal_column("0").label("tries"),
    )
    .join_from(gathered, events, events.c.seq == gathered.c.event)
    .where(gathered.c.number == bindparam("of_number"))
    .order_by(func.coalesce(events.c.at, events.c.received_at), events.c.seq)
    .limit(bindparam("most", type_=BigInteger))
    .offset(NONE),
    "of_number",
    "most",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """The events that a window has gathered, as far as they are still there."""

    #: By the time of the events.
    oldest: tuple[KeptEvent, ...]
    #: The one that arrived last; None where all have been erased.
    last: KeptEvent | None
    #: How many there are.
    count: int
    #: How many of them came too late for the message before.
    late: int


class Gatherings:
    """Reads what windows have gathered."""

    _engine: Engine

    def gathering(self, number: int, most: int) -> Gathering:
        """Return what was gathered under a number: the oldest events, at most so many, and the last."""
        with translated_errors(), self._engine.connect() as connection:
            [(count, late, last)] = _SUMMARY.all(connection, number)
            rows: dict[int, Any] = {row.seq: row for row in _OLDEST.all(connection, number, most)}
            oldest = tuple(kept_event(row) for row in rows.values())
            if last is not None and last not in rows:
                rows |= {row.seq: row for row in EVENTS.all(connection, f"[{last}]")}
        newest = kept_event(rows[last]) if last in rows else None
        return Gathering(oldest=oldest, last=newest, count=count, late=int(late))
