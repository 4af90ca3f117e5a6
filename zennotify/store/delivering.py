"""What is owed and sent: the statements of deliveries, their attempts and their channels.

A part of Transaction, for the outbox, and for those who owe something new.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, case, delete, select, update

from zennotify.core.escalation import TAKEN
from zennotify.core.model import DeliveryState, Reason
from zennotify.core.pause import Cause, Pause
from zennotify.core.verdict import Standing, Verdict
from zennotify.core.window import Window
from zennotify.store import delivery_statements as sql
from zennotify.store.number import delivery_id, delivery_number
from zennotify.store.remembering import kept_event
from zennotify.store.rows import (
    BY_HAND,
    Begun,
    ChannelState,
    Claimed,
    Lost,
    NewDelivery,
    Settled,
)
from zennotify.store.schema import (
    PENDING,
    SENDING,
    attempts,
    channels,
    deliveries,
    from_micros,
    to_micros,
)
from zennotify.store.statements import EVENTS

_MICROSECONDS = 1_000_000
#: A delivery that is new: it has not been tried, and nothing of it may have arrived.
_UNTRIED: Final = (0, 0)
_CANCELLED_BY_HAND: Final = "cancelled by hand"
#: Why a message is cancelled that nobody is told in another way.
_CALLED_OFF: Final = frozenset({Reason.STALE.value, _CANCELLED_BY_HAND, "erased"})


class Delivering:
    """The part of Transaction that carries messages."""

    _connection: Connection

    # --- deliveries ---------------------------------------------------------------------------------------

    def next_number(self, now: datetime) -> int:
        """Return the number of the next delivery.

        It is never below the present second, so that no id is repeated: not by a new store, nor after all was purged.
        """
        [(last,)] = sql.LAST_DELIVERY.all(self._connection)
        return max((last or 0) + 1, to_micros(now) // _MICROSECONDS)

    def add_deliveries(self, new: Sequence[NewDelivery]) -> range:
        """Keep deliveries, pending; return their numbers."""
        if not new:
            return range(0)
        first = self.next_number(new[0].created)
        sql.ADD_DELIVERY.many(
            self._connection, [_new_row(number, item) for number, item in enumerate(new, first)]
        )
        return range(first, first + len(new))

    def hasten(self, numbers: Collection[int], now: datetime) -> None:
        """Make deliveries due now that wait for later."""
        at = to_micros(now)
        sql.HASTEN.many(self._connection, [(at, json.dumps(list(numbers)), at)])

    def claim(self, channel: str, most: int, lease: str, now: datetime, until: datetime) -> list[Claimed]:
        """Take the oldest due deliveries of a channel; nobody else gets them before `until`."""
        rows = sql.CLAIM.all(self._connection, lease, to_micros(until), channel, to_micros(now), most)
        if not rows:
            return []
        places = json.dumps([row.event for row in rows if row.event is not None])
        kept = {row.seq: kept_event(row) for row in EVENTS.all(self._connection, places)}
        others = self._channels_of([row.instead_of for row in rows if row.instead_of is not None])
        return [
            Claimed(
                id=delivery_id(row.seq),
                event=kept.get(row.event),
                rule=row.rule,
                channel=row.channel,
                rule_set=row.rule_set,
                held_back=row.held_back,
                attempts=row.attempts,
                recipient=row.recipient,
                standing=_standing(row),
                instead_of=others.get(row.instead_of, ""),
                is_by_hand=row.reason == BY_HAND,
                step=row.step,
                gathered=row.gathered,
                counted=row.counted,
                meant=None if row.meant is None else from_micros(row.meant),
                lease=lease,
                title=row.title,
                message=row.message,
            )
            for row in sorted(rows, key=lambda row: (row.due, row.seq))
        ]

    def _channels_of(self, numbers: Sequence[int]) -> dict[int, str]:
        rows = sql.CHANNELS_OF.all(self._connection, json.dumps(numbers)) if numbers else ()
        return {row.seq: row.channel for row in rows}

    def next_due(self, channel: str) -> datetime | None:
        """Return when the next pending delivery of a channel is due."""
        [(due,)] = sql.NEXT_DUE.all(self._connection, channel)
        return None if due is None else from_micros(due)

    def hold(self, leases: Sequence[tuple[str, str]]) -> list[bool]:
        """Say of each delivery whether this lease is still the one that it is held by; it stays so until the commit."""
        numbers = [delivery_number(delivery) for delivery, _ in leases]
        kept = {row.seq: row.lease for row in sql.LEASES.all(self._connection, json.dumps(numbers))}
        return [kept.get(number) == lease for number, (_, lease) in zip(numbers, leases, strict=True)]

    def begin(self, begun: Sequence[Begun]) -> list[bool]:
        """Keep the attempts and their texts before they are sent; False for one whose lease is not ours any more."""
        numbers = [delivery_number(item.delivery) for item in begun]
        held = self.hold([(item.delivery, item.lease) for item in begun])
        mine = [(number, item) for number, item, is_held in zip(numbers, begun, held, strict=True) if is_held]
        sql.ADD_ATTEMPT.many(
            self._connection, [(number, item.number, to_micros(item.started)) for number, item in mine]
        )
        sql.BEGIN.many(
            self._connection,
            [(item.number, item.message.title, item.message.body, number) for number, item in mine],
        )
        spent = {item.channel: item.spent for _, item in mine if item.spent is not None}
        self.save_spent(spent)
        return held

    def settle(self, settled: Sequence[Settled]) -> set[str]:
        """Keep what attempts came to; a delivery whose lease is not ours any more is left to its new holder.

        Returns those that are told by a fallback.
        """
        numbers = [delivery_number(item.delivery) for item in settled]
        sql.FINISH_ATTEMPT.many(
            self._connection,
            [
                (_micros(item.finished), item.outcome.value, item.detail, number, item.number)
                for number, item in zip(numbers, settled, strict=True)
            ],
        )
        falling = {
            number: item for number, item in zip(numbers, settled, strict=True) if item.verdict.falls_back
        }
        # While the leases are still there to be compared.
        fell = self._fall_back_settled(falling) if falling else set()
        sql.FORGET_TEXT.many(
            self._connection,
            [
                (number, item.lease)
                for number, item in zip(numbers, settled, strict=True)
                if item.is_unwritten
            ],
        )
        verdicts = [
            item.verdict if number in fell else _without_fallback(item.verdict)
            for number, item in zip(numbers, settled, strict=True)
        ]
        sql.SETTLE.many(
            self._connection,
            [
                (
                    made.state.value,
                    made.reason,
                    to_micros(made.due),
                    made.tries,
                    int(made.is_unsure),
                    number,
                    item.lease,
                )
                for number, item, made in zip(numbers, settled, verdicts, strict=True)
            ],
        )
        again = [
            number
            for number, made in zip(numbers, verdicts, strict=True)
            if made.state is DeliveryState.PENDING
        ]
        if again:
            sql.CANCEL_TAKEN.many(self._connection, [(json.dumps(again),)])
        return {delivery_id(number) for number in fell}

    # --- fallbacks ----------------------------------------------------------------------------------------

    def _fall_back_settled(self, falling: Mapping[int, Settled]) -> set[int]:
        fell: set[int] = set()
        for row in sql.FALLING.all(self._connection, json.dumps(list(falling))):
            item = falling[row.seq]
            if row.lease == item.lease:
                fell |= self._fall_back([row], item.fallback, item.verdict.due)
        return fell

    def _fall_back(self, rows: Sequence[Any], to: str, now: datetime) -> set[int]:
        """Owe to another channel what these rows owed to theirs; return those that it tells, or told already."""
        at = to_micros(now)
        sql.ADD_FALLBACK.many(
            self._connection,
            [
                (
                    number,
                    row.event,
                    row.window,
                    row.rule,
                    to,
                    "",
                    row.step,
                    row.rule_set,
                    row.held_back,
                    "pending",
                    "",
                    at,
                    at,
                    0,
                    None,
                    None,
                    at,
                    *_UNTRIED,
                    row.seq,
                    row.gathered,
                    row.counted,
                    row.meant,
                )
                for number, row in enumerate(rows, self.next_number(now))
            ],
        )
        places = json.dumps([row.event for row in rows if row.event is not None])
        gathered = json.dumps([row.gathered for row in rows if row.gathered is not None])
        told = sql.TOLD_BY.all(self._connection, places, gathered, to)
        duties = {(one.event, one.gathered, one.rule, one.step) for one in told}
        return {row.seq for row in rows if (row.event, row.gathered, row.rule, row.step) in duties}

    def fall_back_overdue(
        self, channel: str, to: str, before: datetime, now: datetime, most: int
    ) -> tuple[int, datetime | None]:
        """Cancel what is pending for a channel since `before`, and owe it to another one.

        Returns how many there were, and when the first of the others was, or will be, due first; None where that was
        not looked for, because there may be more.
        """
        found = sql.OVERDUE.all(self._connection, channel, to_micros(now), to_micros(before), most)
        numbers = json.dumps([row.seq for row in found])
        rows = sql.FALLING.all(self._connection, numbers) if found else ()
        fell = self._fall_back(rows, to, now) if rows else set()
        sql.CANCEL_FALLEN.many(self._connection, [(to_micros(now), number) for number in fell])
        if len(fell) == most:
            return most, None
        [(since,)] = sql.FIRST_DUE.all(self._connection, channel)
        return len(fell), None if since is None else from_micros(since)

    # --- what a dead process held -------------------------------------------------------------------------

    def lost(self, now: datetime | None) -> list[Lost]:
        """Return the deliveries whose lease ended before `now` (None: all leases, their holder is dead)."""
        ended = [deliveries.c.state == SENDING]
        if now is not None:
            ended.append(deliveries.c.lease_until < to_micros(now))
        is_open = (
            (attempts.c.delivery == deliveries.c.seq)
            & (attempts.c.number == deliveries.c.attempts)
            & attempts.c.outcome.is_(None)
        )
        rows = self._connection.execute(
            select(deliveries, attempts.c.number)
            .outerjoin(attempts, is_open)
            .where(*ended)
            .order_by(deliveries.c.seq)
        ).all()
        return [
            Lost(
                id=delivery_id(row.seq),
                channel=row.channel,
                lease=row.lease,
                attempts=row.attempts,
                standing=_standing(row),
                was_begun=row.number is not None,
            )
            for row in rows
        ]

    def next_lease_end(self) -> datetime | None:
        """Return when the next lease ends."""
        [(next_end,)] = sql.NEXT_LEASE_END.all(self._connection)
        return None if next_end is None else from_micros(next_end)

    def bury_orphans(self, channels: Collection[str]) -> int:
        """Mark pending deliveries of channels that are configured no more as dead; return their number."""
        return self._connection.execute(
            update(deliveries)
            .where(deliveries.c.state == PENDING, deliveries.c.channel.not_in(list(channels)))
            .values(state=DeliveryState.DEAD.value, reason="channel_removed")
        ).rowcount

    def revive(self, delivery: str, now: datetime) -> bool:
        """Make a delivery that is dead, cancelled or waiting due at once, with all its tries before it."""
        states = (DeliveryState.DEAD, DeliveryState.CANCELLED, DeliveryState.PENDING)
        return self._change(
            delivery,
            states,
            {
                "state": DeliveryState.PENDING.value,
                "reason": BY_HAND,
                "due": to_micros(now),
                # A message that waits does not become younger by being asked for.
                "since": case((deliveries.c.state == PENDING, deliveries.c.since), else_=to_micros(now)),
                "tries": 0,
            },
        )

    def cancel(self, delivery: str) -> bool:
        """Cancel a delivery that waits."""
        return self._change(
            delivery,
            (DeliveryState.PENDING, DeliveryState.DEAD),
            {"state": DeliveryState.CANCELLED.value, "reason": _CANCELLED_BY_HAND},
        )

    def is_called_off(self, rule: str, window: Window) -> bool:
        """Return whether what a window escalates was cancelled before anybody was told.

        What went to a fallback, or into a digest of late messages, is told there.
        """
        about = (
            deliveries.c.event == window.event
            if window.number is None
            else deliveries.c.gathered == window.number
        )
        rows = self._connection.execute(
            select(deliveries.c.state, deliveries.c.reason).where(
                about, deliveries.c.rule == rule, deliveries.c.step == 0
            )
        ).all()
        return bool(rows) and all(
            row.state == DeliveryState.CANCELLED.value and row.reason in _CALLED_OFF for row in rows
        )

    def _change(self, delivery: str, states: Sequence[DeliveryState], values: dict[str, Any]) -> bool:
        try:
            number = delivery_number(delivery)
        except ValueError:  # there is no delivery of this name
            return False
        changed = self._connection.execute(
            update(deliveries)
            .where(
                deliveries.c.seq == number,
                deliveries.c.state.in_([state.value for state in states]),
            )
            .values(**values)
        )
        return changed.rowcount == 1

    # --- channels -----------------------------------------------------------------------------------------

    def save_pause(self, channel: str, pause: Pause | None) -> None:
        """Keep why a channel is paused, or that it is not."""
        kept: tuple[Any, ...] = (None,) * 5
        if pause is not None:
            times = (to_micros(pause.since), to_micros(pause.until))
            kept = (pause.cause.value, *times, pause.probes, pause.detail)
        sql.SAVE_PAUSE.many(self._connection, [(channel, *kept)])

    def save_spent(self, spent: Mapping[str, str]) -> None:
        """Keep what channels have spent of their rates."""
        sql.SAVE_SPENT.many(self._connection, list(spent.items()))

    def unblock(self, channels: Collection[str], now: datetime) -> None:
        """Make due now what waits for the next probe of channels that may send, or shall try."""
        at = to_micros(now)
        sql.UNBLOCK.many(self._connection, [(at, channel, at) for channel in channels])

    def channel_states(self, names: Collection[str]) -> list[ChannelState]:
        """Return what is kept of these channels; forget the others, which are no more."""
        self._connection.execute(delete(channels).where(channels.c.name.not_in(list(names))))
        return [
            ChannelState(name=row.name, pause=pause_of(row), spent=row.spent)
            for row in self._connection.execute(select(channels))
        ]


def pause_of(row: Any) -> Pause | None:
    """Return the pause that a row of `channels` holds."""
    if row.cause is None:
        return None
    since, until = from_micros(row.since), from_micros(row.until)
    return Pause(cause=Cause(row.cause), since=since, until=until, probes=row.probes, detail=row.detail)


def _without_fallback(made: Verdict) -> Verdict:
    """Return what becomes of a delivery that no fallback tells."""
    if made.otherwise_due is None:
        return made
    return made._replace(state=DeliveryState.PENDING, reason="", due=made.otherwise_due)


def _standing(row: Any) -> Standing:
    return Standing(
        tries=row.tries,
        due=from_micros(row.due),
        since=from_micros(row.since),
        is_unsure=bool(row.unsure),
        may_fall_back=(row.event is not None or row.gathered is not None) and row.step != TAKEN,
    )


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _new_row(number: int, item: NewDelivery) -> tuple[Any, ...]:
    due = to_micros(item.due)
    return (
        number,
        item.event,
        item.window,
        item.rule,
        item.channel,
        item.recipient,
        item.step,
        item.rule_set,
        item.held_back,
        "pending",
        item.reason,
        due if item.created is item.due else to_micros(item.created),
        due,
        0,
        item.title,
        item.message,
        due,
        *_UNTRIED,
        None,
        item.gathered,
        item.counted,
        _micros(item.meant),
    )
