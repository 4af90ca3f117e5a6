"""What is deleted: the statements that take out rows with all that came of them.

A part of Transaction, for retention and for erasure.py.  SQLite overwrites what is deleted (`secure_delete`), though
not the copies that rows leave behind when pages are balanced: those go when the file is rewritten.

A place that is freed may be taken by another event, and so may the number of a digest: nothing may go on naming them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    case,
    cast,
    delete,
    func,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from zennotify.core.escalation import TAKEN
from zennotify.core.model import DeliveryState, Reason
from zennotify.core.window import Stage, WindowKey
from zennotify.store import statements as sql
from zennotify.store.remembering import kept_event
from zennotify.store.rows import KeptEvent
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
#: The stages whose windows gather events under their number.
_GATHERING = (Stage.DIGEST, Stage.ELSEWHERE, Stage.LATE)
_FORGOTTEN = "the guest was forgotten"
#: An event's place and a rule.
_Pair = tuple[int, str]


class Emptied(NamedTuple):
    """What is left of an event that has to stay."""

    event_id: str
    body: bytes


#: Says what is left of an event.
Empty = Callable[[KeptEvent], Emptied]


class _Going(NamedTuple):
    """Events that go, and what names them."""

    places: Sequence[int]
    #: How many of them each digest tells of, by its number.
    digests: Mapping[int, int]
    #: Those of which nothing is left.
    over: Collection[int]
    #: The windows that name them.
    windows: Sequence[Any]
    #: Of these nothing but the alarm of a rule that misses something is left.
    alarms: Collection[_Pair]

    def is_not_of_alarm(self, event: ColumnElement[int], rule: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the condition that a row is not about such an alarm."""
        return tuple_(event, rule).not_in(self.alarms)


class Erasing:
    """The deleting half of Transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def erase_events(self, ids: Sequence[str], *, alone: bool, empty: Empty | None = None) -> Counter[str]:
        """Delete events with all that came of them, whether or not it was sent; count what went.

        What is just being decided or sent is `left`, unless we are `alone` with the store: whoever decides and sends
        has it in hand.  The digests of others lose their texts; one that waits is written anew, without these events.

        The last event that came before something was missed is not what the alarm is about: it is emptied, where a
        window still watches, or the alarm waits or escalates.  Without `empty` it goes, and the alarm with it.
        """
        found = self._connection.execute(select(events.c.seq).where(events.c.id.in_(ids))).scalars().all()
        busy = set() if alone else self._in_hand(found)
        places = [place for place in found if place not in busy]
        going = self._going(places, with_alarms=empty is not None)
        erased = self._erase_messages(going)
        self._connection.execute(delete(gathered).where(gathered.c.event.in_(places)))
        self._leave_windows(going)
        self._connection.execute(delete(undecided).where(undecided.c.event.in_(places)))
        if going.alarms and empty is not None:
            self._empty(going, empty)
        emptied = {place for place, _ in going.alarms}
        self._delete_events([place for place in places if place not in emptied])
        return erased + Counter(events=len(places), left=len(busy))

    def _going(self, places: Sequence[int], *, with_alarms: bool) -> _Going:
        among = select(gathered.c.number, func.count().label("gone")).where(gathered.c.event.in_(places))
        rows = self._connection.execute(among.group_by(gathered.c.number))
        digests: dict[int, int] = {row.number: row.gone for row in rows}
        others = select(gathered.c.number).where(
            gathered.c.number.in_(digests), gathered.c.event.not_in(places)
        )
        # All at once: there is no index of windows by event.
        naming = self._connection.execute(
            select(windows).where(or_(windows.c.event.in_(places), windows.c.number.in_(digests)))
        ).all()
        return _Going(
            places=places,
            digests=digests,
            over=digests.keys() - set(self._connection.execute(others.distinct()).scalars()),
            windows=naming,
            alarms=self._alarms(naming) if with_alarms else (),
        )

    def _alarms(self, naming: Sequence[Any]) -> set[_Pair]:
        """Return what windows of absence watch still, and that of which the alarm is not over."""
        last: dict[_Pair, bool] = {
            (row.event, row.rule): row.due is not None for row in naming if row.stage == Stage.ABSENT
        }
        escalated = {(row.event, row.rule) for row in naming if row.stage == Stage.ESCALATE}
        told = select(deliveries.c.event, deliveries.c.rule).where(
            deliveries.c.event.in_({place for place, _ in last}), deliveries.c.state.in_(_OPEN)
        )
        wait = {(row.event, row.rule) for row in self._connection.execute(told)} if last else set()
        return {one for one, watches in last.items() if watches or one in escalated | wait}

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
        among = (
            select(gathered.c.event)
            .join_from(gathered, deliveries, deliveries.c.gathered == gathered.c.number)
            .where(gathered.c.event.in_(places), deliveries.c.state == SENDING)
        )
        return {
            place
            for query in (waiting, sending, among)
            for place in self._connection.execute(query).scalars().all()
        }

    # --- messages -----------------------------------------------------------------------------------------

    def _erase_messages(self, going: _Going) -> Counter[str]:
        """Delete the messages about these events alone, and the texts of the others that tell of them."""
        its_own = select(deliveries.c.seq).where(
            deliveries.c.event.in_(going.places),
            or_(going.is_not_of_alarm(deliveries.c.event, deliveries.c.rule), deliveries.c.recipient != ""),
        )
        digests = select(deliveries.c.seq).where(deliveries.c.gathered.in_(going.over))
        gone = union_all(its_own, digests, _addressed_digests(going.places))
        erased = self._delete_deliveries(set(self._connection.execute(gone).scalars()))
        for number, less in going.digests.items():
            # What was said has been said; what may still be written counts those that are left.
            fewer = case((deliveries.c.counted > less, deliveries.c.counted - less), else_=0)
            self._connection.execute(
                update(deliveries)
                .where(deliveries.c.gathered == number, deliveries.c.state != DeliveryState.DELIVERED.value)
                .values(counted=fewer)
            )
        left = _told_of(going.places, going.digests)
        return erased + Counter(texts=self._blank(left))

    def _delete_deliveries(self, numbers: Collection[int]) -> Counter[str]:
        those = deliveries.c.seq.in_(numbers)
        erased = self._count_states(those)
        self._connection.execute(delete(attempts).where(attempts.c.delivery.in_(numbers)))
        self._connection.execute(delete(deliveries).where(those))
        return erased

    def _blank(self, *those: ColumnElement[bool]) -> int:
        """Delete the texts of messages, and what providers said of them; return how many there were."""
        written = [
            *those,
            deliveries.c.message.is_not(None),
            # It says who took it, and nothing of a guest; nobody could write it anew.
            deliveries.c.step != TAKEN,
        ]
        tried = select(deliveries.c.seq).where(*written)
        self._connection.execute(update(attempts).where(attempts.c.delivery.in_(tried)).values(detail=""))
        blank = update(deliveries).where(*written).values(title=None, message=None)
        return self._connection.execute(blank).rowcount

    def erase_texts(self, ids: Sequence[str], digests: Collection[int] = (), *, alone: bool) -> Counter[str]:
        """Delete the texts of the messages that came of these events and digests, and what providers said of them.

        A message that still waits is written anew when it is due.
        """
        told = _told_of(self._places(ids), digests)
        if alone:
            return Counter(texts=self._blank(told), left=0)
        # Without a text, too: it is perhaps being written.
        sending = select(func.count()).where(told, deliveries.c.state == SENDING)
        left = self._connection.execute(sending).scalar_one()
        return Counter(texts=self._blank(told, deliveries.c.state != SENDING), left=left)

    def erase_addressed(self, ids: Sequence[str], *, alone: bool) -> Counter[str]:
        """Delete the deliveries of these events that hold a recipient's address, sent or not; count them.

        A digest goes to the guest of its last event.
        """
        places = self._places(ids)
        its_own = select(deliveries.c.seq).where(deliveries.c.event.in_(places), deliveries.c.recipient != "")
        those: list[ColumnElement[bool]] = [
            deliveries.c.seq.in_(union_all(its_own, _addressed_digests(places)))
        ]
        if not alone:
            those.append(deliveries.c.state != SENDING)
        gone = self._connection.execute(select(deliveries.c.seq).where(*those)).scalars()
        return self._delete_deliveries(set(gone))

    def _places(self, ids: Sequence[str]) -> Sequence[int]:
        return self._connection.execute(select(events.c.seq).where(events.c.id.in_(ids))).scalars().all()

    # --- events -------------------------------------------------------------------------------------------

    def _empty(self, going: _Going, empty: Empty) -> None:
        """Leave of events what an alarm needs; the rules that are not about them have forgotten them."""
        places = {place for place, _ in going.alarms}
        for table in (decisions, acknowledgements):
            is_other = going.is_not_of_alarm(table.c.event, table.c.rule)
            self._connection.execute(delete(table).where(table.c.event.in_(places), is_other))
        for row in self._connection.execute(
            select(events, cast(0, BigInteger).label("tries")).where(events.c.seq.in_(places))
        ).all():
            left = empty(kept_event(row))
            self._connection.execute(
                update(events)
                .where(events.c.seq == row.seq)
                .values(event_id=left.event_id, body=left.body, fingerprint="")
            )

    def _delete_events(self, places: Sequence[int]) -> None:
        """Delete events with their decisions, deliveries and attempts, and take them out of what was gathered."""
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

    # --- windows ------------------------------------------------------------------------------------------

    def _leave_windows(self, going: _Going) -> None:
        """Take events that go out of the windows that are about them; those that are about nothing else end."""
        self._connection.execute(delete(acknowledgements).where(acknowledgements.c.gathered.in_(going.over)))
        last = select(gathered.c.number, func.max(gathered.c.event).label("event"))
        among = last.where(gathered.c.number.in_(going.digests)).group_by(gathered.c.number)
        lasts: dict[int, int] = {row.number: row.event for row in self._connection.execute(among)}
        for row in going.windows:
            if (row.event, row.rule) in going.alarms and row.number is None:
                continue
            changed = _without_gathered(row, going, lasts) if row.number in going.digests else _alone(row)
            statement = delete(windows) if changed is None else update(windows).values(changed)
            key = (windows.c.rule == row.rule, windows.c.stage == row.stage, windows.c.key == row.key)
            self._connection.execute(statement.where(*key))

    def erase_windows(self, keys: Iterable[WindowKey]) -> int:
        """Delete windows; return their number.  What waited in them is told of no more, and its decision says so."""
        return sum(self._erase_window(key) for key in keys)

    def _erase_window(self, key: WindowKey) -> int:
        of_key = [windows.c[name] == part for name, part in key._asdict().items()]
        row = self._connection.execute(select(windows).where(*of_key)).one_or_none()
        if row is None:
            return 0
        waited = [row.event] if key.stage == Stage.WAIT else []
        if key.stage in _GATHERING and row.number is not None:
            of_number = gathered.c.number == row.number
            waited += self._connection.execute(select(gathered.c.event).where(of_number)).scalars()
            self._connection.execute(delete(gathered).where(of_number))
        self._connection.execute(
            update(decisions)
            .where(
                decisions.c.event.in_(waited),
                decisions.c.rule == key.rule,
                decisions.c.reason.in_([Reason.WAITING.value, Reason.DIGESTED.value]),
            )
            .values(reason=Reason.WITHDRAWN.value, detail=_FORGOTTEN)
        )
        self._connection.execute(delete(windows).where(*of_key))
        return 1

    # --- the rest -----------------------------------------------------------------------------------------

    def erase_quarantine(self, numbers: Sequence[int]) -> int:
        """Delete quarantined bodies; return their number."""
        return self._connection.execute(delete(quarantine).where(quarantine.c.id.in_(numbers))).rowcount

    def rewrite_facts(self, changed: Mapping[str, str | None]) -> None:
        """Keep what is left of facts, or nothing of them; when they were last seen stays."""
        gone = [thing for thing, lessons in changed.items() if lessons is None]
        self._connection.execute(delete(facts).where(facts.c.thing.in_(gone)))
        rows = [(lessons, thing) for thing, lessons in changed.items() if lessons is not None]
        sql.REWRITE_FACT.many(self._connection, rows)


def _told_of(places: Collection[int], digests: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that a delivery tells of one of these events, or is of one of these digests."""
    numbers = select(gathered.c.number).where(gathered.c.event.in_(places))
    return deliveries.c.seq.in_(
        union_all(
            select(deliveries.c.seq).where(deliveries.c.event.in_(places)),
            select(deliveries.c.seq).where(deliveries.c.gathered.in_(numbers)),
            select(deliveries.c.seq).where(deliveries.c.gathered.in_(digests)),
        )
    )


def _addressed_digests(places: Collection[int]) -> Any:
    """Return the query for the digests that go to the guest of one of these events, their last."""
    numbers = select(gathered.c.number).where(gathered.c.event.in_(places))
    last = select(func.max(gathered.c.event)).where(gathered.c.number == deliveries.c.gathered)
    return select(deliveries.c.seq).where(
        deliveries.c.gathered.in_(numbers),
        deliveries.c.recipient != "",
        last.scalar_subquery().in_(places),
    )


def _without_gathered(row: Any, going: _Going, lasts: Mapping[int, int]) -> dict[str, Any] | None:
    """Return what changes of a window when some of the events go that it has gathered; None: it is over."""
    less = going.digests[row.number]
    if row.stage == Stage.ESCALATE:
        is_over = row.number in going.over
        return None if is_over else {"event": lasts[row.number], "held": max(row.held - less, 0)}
    if row.number in going.over:
        # It stays, as empty as an immediate digest whose first message is out; what comes until then goes into it.
        return {"event": None, "number": None, "count": 0}
    return {"event": lasts[row.number], "count": max(row.count - less, 0)}


def _alone(row: Any) -> dict[str, Any] | None:
    """Return what changes of a window when the event goes that it is about; None: it is over."""
    return None if row.stage in {Stage.WAIT, Stage.ESCALATE} else {"event": None}
