"""What looks through the whole store, a page at a time: for surveys, and for erasing.

A part of Reader.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select, tuple_

from zennotify.core.window import WindowKey
from zennotify.store.asking import PAGE, Asking, contains, young
from zennotify.store.rows import KeptEvent
from zennotify.store.schema import decisions, deliveries, events, facts, from_micros, gathered, windows
from zennotify.store.views import DigestView, MessageText

_PAGE_OF_SMALL = 5_000
_OPEN: Final = ("pending", "sending")


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

    def messages_with(self, text: str) -> list[MessageText]:
        """Return the messages about events that contain a text, in whatever case."""
        says = contains(deliveries.c.message, text) | contains(deliveries.c.title, text)
        return self._texts(says)

    def messages_of(self, ids: Collection[str]) -> list[MessageText]:
        """Return the messages that tell of these events, as far as they have been written."""
        return [
            one
            for of_these in _in_pages(ids)
            for one in self._texts(deliveries.c.event.in_(of_these))
            + self._texts(
                deliveries.c.gathered.in_(select(gathered.c.number).where(gathered.c.event.in_(of_these)))
            )
        ]

    def _texts(self, those: ColumnElement[bool]) -> list[MessageText]:
        query = (
            select(events.c.id, deliveries.c.gathered, deliveries.c.title, deliveries.c.message)
            .outerjoin_from(deliveries, events, events.c.seq == deliveries.c.event)
            .where(those, deliveries.c.message.is_not(None))
        )
        return [
            MessageText(row.id, row.gathered, f"{row.title}\n{row.message}")
            for row in self._all(query)
            if row.id is not None or row.gathered is not None
        ]

    def digests(self, ids: Collection[str]) -> list[DigestView]:
        """Return the deliveries of digests that tell of one of these events, among others."""
        columns = ("gathered", "recipient", "state", "message")
        found: dict[int, Any] = {}
        for of_these in _in_pages(ids):
            numbers = select(gathered.c.number).where(gathered.c.event.in_(of_these))
            query = select(deliveries.c.seq, *(deliveries.c[name] for name in columns))
            found |= {row.seq: row for row in self._all(query.where(deliveries.c.gathered.in_(numbers)))}
        told: dict[int, list[str]] = {number: [] for number in {row.gathered for row in found.values()}}
        for page in _pages(sorted(told)):
            among = (
                select(gathered.c.number, events.c.id)
                .join_from(gathered, events, events.c.seq == gathered.c.event)
                .where(gathered.c.number.in_(page))
                .order_by(gathered.c.event)
            )
            for row in self._all(among):
                told[row.number].append(row.id)
        return [
            DigestView(
                number=row.gathered,
                recipient=row.recipient,
                is_open=row.state in _OPEN,
                has_text=row.message is not None,
                events=tuple(told[row.gathered]),
            )
            for row in found.values()
        ]

    def count_waiting(self, ids: Collection[str], *, addressed: bool = False) -> int:
        """Return how many deliveries of these events are not over; `addressed`: of those with a recipient."""
        count = 0
        for of_these in _in_pages(ids):
            query = select(func.count()).where(
                deliveries.c.event.in_(of_these), deliveries.c.state.in_(_OPEN)
            )
            count += self._all(query.where(deliveries.c.recipient != "") if addressed else query)[0][0]
        return count

    def recipients(self, ids: Collection[str]) -> set[str]:
        """Return the addresses and numbers that messages made of these events went to, or will."""
        found: set[str] = set()
        for of_these in _in_pages(ids):
            query = select(deliveries.c.recipient).where(
                deliveries.c.event.in_(of_these), deliveries.c.recipient != ""
            )
            found.update(row.recipient for row in self._all(query.distinct()))
        return found


def _in_pages(ids: Collection[str]) -> Iterator[Select[tuple[int]]]:
    """Yield queries for the places of these events."""
    for page in _pages(sorted(ids)):
        yield select(events.c.seq).where(events.c.id.in_(page))


def _pages(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), PAGE):
        yield items[start : start + PAGE]
