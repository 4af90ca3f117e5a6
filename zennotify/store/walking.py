"""What looks through the whole store, a page at a time: for surveys, and for erasing.

A part of Reader.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from sqlalchemy import func, select, tuple_

from zennotify.core.window import WindowKey
from zennotify.store.asking import PAGE, Asking, contains, young
from zennotify.store.rows import KeptEvent
from zennotify.store.schema import decisions, deliveries, events, facts, from_micros, windows

_PAGE_OF_SMALL = 5_000


class Walking(Asking):
    """The part of Reader that looks through the whole store."""

    def all_events(self, since: datetime | None = None) -> Iterator[list[KeptEvent]]:
        """Yield the events, oldest first."""
        query = select(events).order_by(events.c.seq).limit(PAGE)
        if since is not None:
            query = query.where(*young(events.c.seq, events.c.received_at, since))
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
            of_these = select(events.c.seq).where(*young(events.c.seq, events.c.received_at, since))
            query = query.where(decisions.c.event.in_(of_these))
        rows = self._all(query.group_by(decisions.c.rule, decisions.c.reason))
        return {(row.rule, row.reason): row.made for row in rows}

    def messages_with(self, text: str) -> list[tuple[str, str]]:
        """Return the messages that contain a text, in whatever case: each with the id of its event."""
        says = contains(deliveries.c.message, text) | contains(deliveries.c.title, text)
        query = select(events.c.id, deliveries.c.title, deliveries.c.message).join_from(
            deliveries, events, events.c.seq == deliveries.c.event
        )
        return [(row.id, f"{row.title}\n{row.message}") for row in self._all(query.where(says))]

    def count_waiting(self, ids: Collection[str], *, addressed: bool = False) -> int:
        """Return how many deliveries of these events are not over; `addressed`: of those with a recipient."""
        listed = sorted(ids)
        count = 0
        for start in range(0, len(listed), PAGE):
            of_these = select(events.c.seq).where(events.c.id.in_(listed[start : start + PAGE]))
            is_open = deliveries.c.state.in_(["pending", "sending"])
            query = select(func.count()).where(deliveries.c.event.in_(of_these), is_open)
            count += self._all(query.where(deliveries.c.recipient != "") if addressed else query)[0][0]
        return count

    def recipients(self, ids: Collection[str]) -> set[str]:
        """Return the addresses and numbers that messages made of these events went to, or will."""
        listed = sorted(ids)
        found: set[str] = set()
        for start in range(0, len(listed), PAGE):
            of_these = select(events.c.seq).where(events.c.id.in_(listed[start : start + PAGE]))
            query = select(deliveries.c.recipient).where(
                deliveries.c.event.in_(of_these), deliveries.c.recipient != ""
            )
            found.update(row.recipient for row in self._all(query.distinct()))
        return found
