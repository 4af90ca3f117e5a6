"""Keeps what the receiver lets in: an event, a duplicate of one, or a body for quarantine.

Requests that wait at the same moment become one transaction (store/writer.py); the receiver answers after its
commit.  A new event is then handed on to decider/.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from zennotify.clock import Clock
from zennotify.core.model import Event
from zennotify.errors import StoreUnavailable
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.store import Lane, Rank, Writer
from zennotify.store.rows import NewEvent, Quarantined, Undecided
from zennotify.store.transaction import Transaction
from zennotify.zenoti.catalog import label
from zennotify.zenoti.envelope import Envelope
from zennotify.zenoti.event import Reading, make_event, reopen
from zennotify.zenoti.things import center_id

logger = logging.getLogger("zennotify.intake")

Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: The same (type, timestamp, data) under another event_id is a duplicate for this long.
SAME_CONTENT = timedelta(hours=24)
#: How long a request is held while the store cannot take it; seconds.  Zenoti waits 10 s.
LONGEST_HOLD = 8.0
_HOLD_STEP = timedelta(milliseconds=250)
#: How often it is looked who has waited too long; seconds.
_WATCH = 0.25
#: Requests that wait for the writer; beyond, the store counts as unavailable.
_MOST_ARRIVALS = 10_000
_BATCH = 256
#: A clock that was further ahead has been set back.
_MOST_AHEAD = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a request: our event id where there is one, the reason where it was quarantined."""

    status: Literal["accepted", "duplicate", "quarantined"]
    event: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Arrival:
    event: Event
    fingerprint: str
    body: bytes


class _Kept(NamedTuple):
    """What became of an arrival."""

    receipt: Receipt
    undecided: Undecided | None = None


class Deciding(Protocol):
    """Who decides what has been kept; asked in the writer's thread."""

    @property
    def rule_set(self) -> str | None:
        """The hash of the rules in force."""
        ...

    @property
    def last_fired(self) -> datetime:
        """The latest moment that a timer was due that has fired; long ago where there is none."""
        ...

    def hand_on(self, event: Undecided) -> None:
        """Take a new event, after its commit and in order."""
        ...

    def fall_behind(self) -> None:
        """Hear that a commit failed: what was in it may have been kept all the same, and has then to be read back."""
        ...


class Intake:
    """Turns an authentic request into something durable."""

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        *,
        reading: Reading,
        decider: Deciding,
        ops: Ops,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._reading = reading
        self._ops = ops
        self._decider = decider
        #: When the last event arrived.
        self._last_arrival = datetime.min.replace(tzinfo=UTC)
        self._arrivals = writer.lane(
            self._keep, rank=Rank.EVENTS, most=_BATCH, committed=self._kept, failed=self._not_kept
        )
        #: Who waits for the writer, and until when (the loop's clock).
        self._held: dict[asyncio.Future[Any], float] = {}
        self._is_watched = False
        self._bodies = writer.lane(self._keep_bodies, rank=Rank.EVENTS, most=_BATCH)

    async def accept(self, envelope: Envelope, body: bytes, received_at: datetime) -> Receipt:
        """Keep an event; returns after the commit.  Raises StoreUnavailable when it took too long."""
        event = make_event(envelope, received_at, self._reading)
        arrival = _Arrival(event, envelope.fingerprint, body)
        receipt = (await self._hold(self._arrivals, arrival)).receipt
        if receipt.status == "quarantined":
            self._count_quarantined(receipt, len(body))
        return receipt

    async def quarantine(self, reason: str, body: bytes, received_at: datetime) -> Receipt:
        """Keep a body that cannot become an event; returns after the commit.  Raises StoreUnavailable."""
        kept = Quarantined(received_at=received_at, reason=reason, body=body)
        receipt = await self._hold(self._bodies, kept)
        self._count_quarantined(receipt, len(body))
        return receipt

    async def _hold(self, lane: Lane[Item, Answer], item: Item) -> Answer:
        """Ask the writer again while the store is unavailable, as long as Zenoti can wait."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_HOLD
        while True:
            if len(self._arrivals) >= _MOST_ARRIVALS:
                raise StoreUnavailable("too many requests wait for the store")
            asked = lane.ask(item)
            self._held[asked] = until
            if not self._is_watched:
                self._is_watched = True
                loop.call_later(_WATCH, self._watch)
            try:
                return await asked
            except StoreUnavailable:
                if loop.time() >= until:
                    raise
                await self._clock.sleep_until(self._clock.now() + _HOLD_STEP, asyncio.Event())
            finally:
                del self._held[asked]

    def _watch(self) -> None:
        """Send away who has waited too long; one timer for all costs less than one each."""
        loop = asyncio.get_running_loop()
        self._is_watched = bool(self._held)
        if self._is_watched:
            loop.call_later(_WATCH, self._watch)
        for asked, until in self._held.items():
            if until <= loop.time() and not asked.done():
                asked.set_exception(StoreUnavailable("the store did not take it in time"))

    def _count_quarantined(self, receipt: Receipt, size: int) -> None:
        self._metrics.quarantined.inc()
        logger.warning("quarantined reason=%s bytes=%d", receipt.reason, size)
        self._ops.tell(
            f"quarantine {receipt.reason}",
            "a request could not be understood",
            f"It is kept in quarantine, for the reason {receipt.reason}.  See: zennotify events --quarantine",
        )

    def _in_order(self, arrivals: list[_Arrival]) -> Iterator[_Arrival]:
        """Let events arrive after those that were kept, and the timers that have fired, while they waited here.

        So events lie in the order of their arrival, and no timer has fired that was due after one that follows.
        """
        fired = self._decider.last_fired
        for arrival in arrivals:
            stamped = moment = arrival.event.received_at
            for before in (self._last_arrival, fired):
                if moment < before <= stamped + _MOST_AHEAD:
                    moment = before
            self._last_arrival = moment
            if moment is stamped:
                yield arrival
            else:  # made anew: without an id of its own, its id says when it came
                event = reopen(arrival.body, moment, self._reading, arrival.event.type)
                yield replace(arrival, event=event)

    def _keep(self, transaction: Transaction, arrivals: list[_Arrival]) -> list[_Kept]:
        arrivals = list(self._in_order(arrivals))
        ids = [arrival.event.id for arrival in arrivals]
        fingerprints = [arrival.fingerprint for arrival in arrivals]
        since = min(arrival.event.received_at for arrival in arrivals) - SAME_CONTENT
        known, recent = transaction.known(ids, fingerprints, since)
        new: list[_Arrival] = []
        conflicts: list[Quarantined] = []
        receipts: list[Receipt] = []
        for arrival in arrivals:
            key, fingerprint = arrival.event.id, arrival.fingerprint
            if known.get(key, fingerprint) != fingerprint:
                conflicts.append(
                    Quarantined(received_at=arrival.event.received_at, reason="conflict", body=arrival.body)
                )
                receipts.append(Receipt(status="quarantined", reason="conflict"))
            elif key in known or fingerprint in recent:
                receipts.append(
                    Receipt(status="duplicate", event=key if key in known else recent[fingerprint])
                )
            else:
                known[key] = fingerprint
                recent[fingerprint] = key
                new.append(arrival)
                receipts.append(Receipt(status="accepted", event=key))
        if conflicts:
            transaction.add_quarantine(conflicts)
        added = iter(self._add(transaction, new))
        return [_Kept(one, next(added) if one.status == "accepted" else None) for one in receipts]

    def _add(self, transaction: Transaction, new: list[_Arrival]) -> list[Undecided]:
        if not new:
            return []
        rules = self._decider.rule_set
        places = transaction.add_events([_new(arrival, rules) for arrival in new])
        return [Undecided(place, rules, arrival.event) for place, arrival in zip(places, new, strict=True)]

    def _kept(self, _arrivals: list[_Arrival], kept: Sequence[_Kept]) -> None:
        new = [one.undecided for one in kept if one.undecided is not None]
        for undecided in new:
            self._decider.hand_on(undecided)
        for kind, count in Counter(label(undecided.event.kind) for undecided in new).items():
            self._metrics.events.labels(kind).inc(count)
        if new:
            self._metrics.last_event.set(new[-1].event.received_at.timestamp())

    def _not_kept(self, _arrivals: list[_Arrival], _error: Exception) -> None:
        self._decider.fall_behind()

    def _keep_bodies(self, transaction: Transaction, bodies: list[Quarantined]) -> list[Receipt]:
        transaction.add_quarantine(bodies)
        return [Receipt(status="quarantined", reason=body.reason) for body in bodies]


def _new(arrival: _Arrival, rules: str | None) -> NewEvent:
    event = arrival.event
    center = center_id(event.data)
    return NewEvent(
        id=event.id,
        event_id=event.event_id,
        type=event.type,
        center=center if isinstance(center, str) else None,
        at=event.at,
        received_at=event.received_at,
        fingerprint=arrival.fingerprint,
        rule_set=rules,
        body=arrival.body,
    )
