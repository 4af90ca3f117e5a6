"""What is deleted: the statements that take out rows with all that came of them.

A part of Transaction, for retention and for erasure.py.  SQLite overwrites what is deleted (`secure_delete`), though
not the copies that rows leave behind when pages are balanced: those go when the file is rewritten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from zennotify.core.escalation import TAKEN
from zennotify.core.model import DeliveryState
from zennotify.core.window import WindowKey
from zennotify.store import statements as sql
from zennotify.store.schema import (
    SENDING,
    acknowledgements,
    attempts,
    decisions,
    deliveries,
    events,
    facts,
    gathered,
    quarantine,
    undecided,
    windows,
)

_OPEN = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)


class Erasing:
    """The deleting half of Transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def erase_events(self, ids: Sequence[str], *, alone: bool) -> Counter[str]:
        """Delete events with all that came of them, whether or not it was sent; count what went.

        What is just being decided or sent is `left`, unless we are `alone` with the store: whoever decides and sends
        has it in hand.
        """
        found = self._connection.execute(select(events.c.seq).where(events.c.id.in_(ids))).scalars().all()
        busy = set() if alone else self._in_hand(found)
        places = [place for place in found if place not in busy]
        erased = self._count_states(deliveries.c.event.in_(places))
        self._connection.execute(delete(undecided).where(undecided.c.event.in_(places)))
        numbers = [row.number for row in self._connection.execute(self._numbers_of(places).distinct())]
        self._erase_texts_of(deliveries.c.gathered.in_(numbers))
        erased += self._erase_deliveries(self._addressed_by(places), deliveries.c.gathered.in_(numbers))
        self._delete_events(places)
        self._forget_in_windows(places)
        erased += self._erase_emptied(numbers)
        return erased + Counter(events=len(places), left=len(busy))

    def _count_states(self, *those: ColumnElement[bool]) -> Counter[str]:
        """Count deliveries, and how many of them are not over."""
        query = (
            select(deliveries.c.state, func.count().label("made")).where(*those).group_by(deliveries.c.state)
        )
        states: dict[str, int] = {row.state: row.made for row in self._connection.execute(query)}
        return Counter(messages=sum(states.values()), cancelled=sum(states.get(state, 0) for state in _OPEN))

    def _in_hand(self, places: Sequence[int]) -> set[int]:
        waiting = select(undecided.c.event).where(undecided.c.event.in_(places))
        sending = select(deliveries.c.event).where(
            deliveries.c.event.in_(places), deliveries.c.state == SENDING
        )
        told = (
            select(gathered.c.event)
            .join(deliveries, deliveries.c.gathered == gathered.c.number)
            .where(gathered.c.event.in_(places), deliveries.c.state == SENDING)
        )
        return {
            place
            for query in (waiting, sending, told)
            for place in self._connection.execute(query).scalars().all()
        }

    def _numbers_of(self, places: Any) -> Select[tuple[int]]:
        """Return the numbers under which events have been gathered."""
        return select(gathered.c.number).where(gathered.c.event.in_(places))

    def _forget_in_windows(self, places: Sequence[int]) -> None:
        """End the timers of windows that are about events which are gone: the next event may get such a place.

        A digest goes on with the others that it has gathered.
        """
        is_of_one = windows.c.event.in_(places) & windows.c.number.is_(None)
        self._connection.execute(delete(windows).where(is_of_one, windows.c.due.is_not(None)))
        self._connection.execute(update(windows).where(windows.c.event.in_(places)).values(event=None))

    def _erase_emptied(self, numbers: Sequence[int]) -> Counter[str]:
        """Delete what was to tell, or has told, of gathered events of which none is left; count it."""
        left = select(gathered.c.number).where(gathered.c.number.in_(numbers))
        kept = set(self._connection.execute(left).scalars())
        over = [number for number in numbers if number not in kept]
        erased = self._erase_deliveries(deliveries.c.gathered.in_(over))
        self._connection.execute(delete(acknowledgements).where(acknowledgements.c.gathered.in_(over)))
        self._connection.execute(delete(windows).where(windows.c.number.in_(over)))
        return erased

    def _delete_events(self, places: Sequence[int]) -> None:
        """Delete events with their decisions, deliveries and attempts, and take them out of what is gathered."""
        gone = select(deliveries.c.seq).where(deliveries.c.event.in_(places))
        self._connection.execute(delete(attempts).where(attempts.c.delivery.in_(gone)))
        self._connection.execute(delete(deliveries).where(deliveries.c.event.in_(places)))
        self._connection.execute(delete(decisions).where(decisions.c.event.in_(places)))
        self._connection.execute(delete(acknowledgements).where(acknowledgements.c.event.in_(places)))
        numbers = select(gathered.c.number).where(gathered.c.event.in_(places)).distinct()
        told = self._connection.execute(numbers).scalars().all()
        self._connection.execute(delete(gathered).where(gathered.c.event.in_(places)))
        if told:  # a window that has lost all that it gathered has nothing to tell
            left = select(gathered.c.number).where(gathered.c.number.in_(told))
            emptied = windows.c.number.in_(told) & windows.c.number.not_in(left)
            self._connection.execute(delete(windows).where(emptied))
        self._connection.execute(delete(events).where(events.c.seq.in_(places)))

    def erase_texts(self, ids: Sequence[str], *, alone: bool) -> Counter[str]:
        """Delete the texts of the messages that came of these events, and what providers said of them.

        A message that still waits is written anew when it is due.
        """
        places = select(events.c.seq).where(events.c.id.in_(ids))
        of_these = self._telling_of(places)
        if alone:
            return Counter(texts=self._erase_texts_of(of_these), left=0)
        # Without a text, too: it is perhaps being written.
        sending = select(func.count()).where(of_these, deliveries.c.state == SENDING)
        left = self._connection.execute(sending).scalar_one()
        return Counter(texts=self._erase_texts_of(of_these, deliveries.c.state != SENDING), left=left)

    def _telling_of(self, places: Any) -> ColumnElement[bool]:
        """Return the condition that a delivery tells of one of these events, alone or with others."""
        return deliveries.c.event.in_(places) | deliveries.c.gathered.in_(self._numbers_of(places))

    def _erase_texts_of(self, *those: ColumnElement[bool]) -> int:
        """Delete the texts of deliveries, and what providers said of them; return how many."""
        # The message that says who took it holds nothing of a guest; nobody could write it anew.
        written = (*those, deliveries.c.message.is_not(None), deliveries.c.step != TAKEN)
        tried = select(deliveries.c.seq).where(*written)
        self._connection.execute(update(attempts).where(attempts.c.delivery.in_(tried)).values(detail=""))
        blank = update(deliveries).where(*written).values(title=None, message=None)
        return self._connection.execute(blank).rowcount

    def erase_addressed(self, ids: Sequence[str], *, alone: bool) -> Counter[str]:
        """Delete the deliveries of these events that hold a recipient's address, sent or not; count them."""
        places = select(events.c.seq).where(events.c.id.in_(ids))
        those = [self._addressed_by(places)]
        if not alone:
            those.append(deliveries.c.state != SENDING)
        return self._erase_deliveries(*those)

    def _addressed_by(self, places: Any) -> ColumnElement[bool]:
        """Return the condition that a delivery holds an address which one of these events has led to.

        Of events that were gathered it is the last that says it.
        """
        last = (
            select(gathered.c.number)
            .where(gathered.c.number.in_(self._numbers_of(places)))
            .group_by(gathered.c.number)
            .having(func.max(gathered.c.event).in_(places))
        )
        is_theirs = deliveries.c.event.in_(places) | deliveries.c.gathered.in_(last)
        return is_theirs & (deliveries.c.recipient != "")

    def _erase_deliveries(self, *those: ColumnElement[bool]) -> Counter[str]:
        """Delete deliveries with their attempts, sent or not; count them."""
        erased = self._count_states(*those)
        gone = select(deliveries.c.seq).where(*those)
        self._connection.execute(delete(attempts).where(attempts.c.delivery.in_(gone)))
        self._connection.execute(delete(deliveries).where(*those))
        return erased

    def erase_windows(self, keys: Iterable[WindowKey]) -> int:
        """Delete windows; return their number."""
        return sum(
            self._connection.execute(
                delete(windows).where(windows.c.rule == rule, windows.c.stage == stage, windows.c.key == key)
            ).rowcount
            for rule, stage, key in keys
        )

    def erase_quarantine(self, numbers: Sequence[int]) -> int:
        """Delete quarantined bodies; return their number."""
        return self._connection.execute(delete(quarantine).where(quarantine.c.id.in_(numbers))).rowcount

    def rewrite_facts(self, changed: Mapping[str, str | None]) -> None:
        """Keep what is left of facts, or nothing of them; when they were last seen stays."""
        gone = [thing for thing, lessons in changed.items() if lessons is None]
        self._connection.execute(delete(facts).where(facts.c.thing.in_(gone)))
        rows = [(lessons, thing) for thing, lessons in changed.items() if lessons is not None]
        sql.REWRITE_FACT.many(self._connection, rows)
