"""Who took care of what a rule told of: the statements of acknowledgements, for who writes and for who reads.

An acknowledgement names one delivery, and speaks for all that its rule told of the same event, or gathered events.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from zennotify.core.escalation import TAKEN
from zennotify.core.model import DeliveryState
from zennotify.core.scene import escalation_key
from zennotify.core.window import Stage
from zennotify.store.asking import Asking
from zennotify.store.number import delivery_id, delivery_number
from zennotify.store.schema import (
    PENDING,
    acknowledgements,
    attempts,
    deliveries,
    from_micros,
    gathered,
    to_micros,
    windows,
)

#: The reason of what was not sent any more.
ACKNOWLEDGED = "acknowledged"


class Acknowledgement(NamedTuple):
    """Who took it, and when."""

    by: str
    at: datetime


class Matter(NamedTuple):
    """What a delivery told of: an event, or the events gathered under a number, and the rule."""

    #: The delivery's own.
    number: int
    event: int | None
    gathered: int | None
    rule: str
    rule_set: str
    #: When the message went out first, or will.
    sent: datetime


class Acknowledging:
    """The part of Transaction that takes note of who took what.

    `rules`: the ids that the rule has, and had before it was renamed.
    """

    _connection: Connection

    def acknowledged(self, matter: Matter, rules: Collection[str]) -> Acknowledgement | None:
        """Return who took it; None where nobody did."""
        return _first(self._connection.execute(_taken(matter, rules)).all())

    def acknowledge(self, matter: Matter, rules: Collection[str], taken: Acknowledgement) -> int:
        """Keep who took it, end its escalation, and cancel the steps that wait; return how many."""
        self._connection.execute(
            insert(acknowledgements).values(
                delivery=matter.number,
                event=matter.event,
                gathered=matter.gathered,
                rule=matter.rule,
                at=to_micros(taken.at),
                by=taken.by,
            )
        )
        for rule in rules:
            key = escalation_key(rule, place=matter.event, number=matter.gathered)
            of_key = (windows.c.rule == key.rule, windows.c.stage == key.stage, windows.c.key == key.key)
            self._connection.execute(delete(windows).where(*of_key))
        about = _told_of(matter, rules)
        if matter.event is None:
            # What one channel was too late with is told again together: the events are escalated one by one.
            these = select(gathered.c.event).where(gathered.c.number == matter.gathered)
            of_one = (
                windows.c.stage == Stage.ESCALATE,
                windows.c.number.is_(None),
                windows.c.event.in_(these),
            )
            self._connection.execute(delete(windows).where(windows.c.rule.in_(rules), *of_one))
            about |= deliveries.c.event.in_(these) & deliveries.c.rule.in_(rules)
        steps = update(deliveries).where(
            about, deliveries.c.state == PENDING, deliveries.c.step.between(1, TAKEN - 1)
        )
        over = {"state": DeliveryState.CANCELLED.value, "reason": ACKNOWLEDGED}
        return self._connection.execute(steps.values(over)).rowcount

    def channels_told(self, matter: Matter, rules: Collection[str]) -> dict[str, str]:
        """Return the channels that tell of it or have told, or may have, each with the id of its first message.

        Those that write to guests are left out.
        """
        is_told = deliveries.c.state.in_([DeliveryState.SENDING.value, DeliveryState.DELIVERED.value])
        query = (
            select(deliveries.c.channel, func.min(deliveries.c.seq).label("first"))
            .where(
                _told_of(matter, rules),
                deliveries.c.step < TAKEN,
                deliveries.c.recipient == "",
                is_told | (deliveries.c.unsure != 0),
            )
            .group_by(deliveries.c.channel)
            .order_by(func.min(deliveries.c.seq))
        )
        return {row.channel: delivery_id(row.first) for row in self._connection.execute(query)}


class AcknowledgementReader(Asking):
    """The part of Reader that knows who took what."""

    def matter(self, delivery: str) -> Matter | None:
        """Return what a delivery told of; None for one that is not kept, or tells of zennotify's own troubles."""
        try:
            number = delivery_number(delivery)
        except ValueError:  # there is no delivery of this name
            return None
        first = select(func.min(attempts.c.started)).where(attempts.c.delivery == number).scalar_subquery()
        found = self._all(
            select(
                deliveries.c.seq,
                deliveries.c.event,
                deliveries.c.gathered,
                deliveries.c.rule,
                deliveries.c.rule_set,
                func.coalesce(first, deliveries.c.due).label("sent"),
            ).where(
                deliveries.c.seq == number,
                deliveries.c.event.is_not(None) | deliveries.c.gathered.is_not(None),
            )
        )
        if not found:
            return None
        [row] = found
        return Matter(row.seq, row.event, row.gathered, row.rule, row.rule_set, from_micros(row.sent))

    def acknowledgement_of(self, matter: Matter, rules: Collection[str] = ()) -> Acknowledgement | None:
        """Return who took it; None where nobody did."""
        return _first(self._all(_taken(matter, rules or (matter.rule,))))


def _taken(matter: Matter, rules: Collection[str]) -> Select[Any]:
    about = (
        acknowledgements.c.gathered == matter.gathered
        if matter.event is None
        else acknowledgements.c.event == matter.event
    )
    return select(acknowledgements).where(about, acknowledgements.c.rule.in_(rules))


def _first(rows: Sequence[Any]) -> Acknowledgement | None:
    found = [Acknowledgement(row.by, from_micros(row.at)) for row in rows]
    return min(found, key=lambda one: one.at, default=None)


def _told_of(matter: Matter, rules: Collection[str]) -> ColumnElement[bool]:
    about = (
        deliveries.c.gathered == matter.gathered
        if matter.event is None
        else deliveries.c.event == matter.event
    )
    return and_(about, deliveries.c.rule.in_(rules))


def is_taken() -> ColumnElement[bool]:
    """Return the condition that a delivery is a step of an escalation that somebody has acknowledged."""
    same = or_(
        acknowledgements.c.event == deliveries.c.event, acknowledgements.c.gathered == deliveries.c.gathered
    )
    known = select(acknowledgements.c.delivery).where(same, acknowledgements.c.rule == deliveries.c.rule)
    is_step = deliveries.c.step.between(literal_column("1"), literal_column(str(TAKEN - 1)))
    return is_step & known.exists()
