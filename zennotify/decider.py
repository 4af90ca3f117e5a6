"""Decides what kept events mean, in the writer's next transaction and in order.

The deciding itself is the pure core/decide.py; this module brings it the events, the rules and the windows, and
keeps what comes of it.  Decisions, deliveries and windows commit together with the event's state, so that no
crash can separate them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from zennotify import log
from zennotify.core.decide import Decision, Duty, Passed, conclude, examine
from zennotify.core.model import Reason
from zennotify.core.once import Window, WindowKey
from zennotify.core.rule import RuleSet
from zennotify.errors import StoreUnavailable, place_of
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.store import Rank, Writer
from zennotify.store.rows import KeptEvent, NewDecision, NewDelivery, Undecided
from zennotify.store.schema import to_micros
from zennotify.store.transaction import Transaction
from zennotify.waiting import Waiting, WaitingRoom
from zennotify.zenoti.aliases import kind_of
from zennotify.zenoti.catalog import label
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.facts import Key, keys_of
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import Names
from zennotify.zenoti.things import Things

logger = logging.getLogger("zennotify.decider")

Answer = TypeVar("Answer")

#: After this many crashes while it was being decided, an event is not tried again.
MOST_TRIES = 3
#: Events that wait in memory for their decision; what is beyond is read back from the store.
_MOST_WAITING = 5_000
_BATCH = 256
#: A transaction decides no further event once it has worked this long (seconds).
_LONGEST_WORK = 0.05
#: Centres that are reported as not listed.
_MOST_REPORTED = 1_000
#: Decisions that the owners hear of.
_TROUBLES = {Reason.ERROR, Reason.FAILED}


class _ReadBack:
    """In the queue of events: read the oldest undecided ones from the store."""


_READ_BACK = _ReadBack()


@dataclass(frozen=True, slots=True)
class _Decided:
    undecided: Undecided
    decisions: list[Decision]


@dataclass(slots=True)
class _Batch:
    """What one transaction decides."""

    decided: list[_Decided] = field(default_factory=list)
    windows: dict[WindowKey, Window] = field(default_factory=dict)
    #: The things that something has been learned of, and what is known of them now, as it is kept (facts.written).
    learned: Collection[Key] = ()
    facts: str | None = None
    #: The centres, by their ids, that centers.yaml does not list.
    unlisted: set[Key] = field(default_factory=set)
    #: What waits for names.
    waiting: list[Waiting] = field(default_factory=list)
    #: What need not wait any more.
    hastened: list[Waiting] = field(default_factory=list)
    #: Whether the store has more undecided events than were read back.
    has_more: bool = False
    #: Whether events were left for the next transaction, because these took long.
    left_some: bool = False


class Decider:
    """Brings events, rules and windows together."""

    def __init__(
        self,
        writer: Writer,
        metrics: Metrics,
        *,
        reading: Reading,
        wake: Callable[[set[str]], None],
        ops: Ops,
    ) -> None:
        self._writer = writer
        self._metrics = metrics
        self._reading = reading
        #: Called in the writer's thread with the channels that have new deliveries.
        self._wake = wake
        self._ops = ops
        self._rules: RuleSet | None = None
        self._has_rules = asyncio.Event()
        self._waiting_room = WaitingRoom()
        #: Centres that have been reported as not listed.
        self._reported: set[Key] = set()
        #: Whether the store has undecided events that are not in the queue; only the writer's thread changes it.
        self._is_behind = True
        #: Whether what an earlier process left has been decided; until then nothing is read back.
        self._has_recovered = False
        #: Whether the place holder for reading them is in the queue.
        self._is_queued = False
        self._events = writer.lane(
            self._decide, rank=Rank.DECISIONS, most=_BATCH, committed=self._decided, failed=self._not_decided
        )

    def use(self, rules: RuleSet) -> None:
        """Decide by these rules from the next transaction on."""
        self._rules = rules
        self._has_rules.set()

    @property
    def rule_set(self) -> str | None:
        """The hash of the rules in force."""
        return self._rules.hash if self._rules is not None else None

    def hand_on(self, event: Undecided) -> None:
        """Take a new event, in the writer's thread, right after its commit."""
        if self._is_behind:
            return  # it is read back from the store in its turn
        if len(self._events) < _MOST_WAITING:
            self._events.put(event)
        else:
            self.fall_behind()

    async def recover(self) -> None:
        """Decide first what an earlier process left undecided, one by one, each try counted before it is made.

        An event whose decision ended the process several times is given up, so that those behind it are decided.
        Waits until there are rules.
        """
        await self._has_rules.wait()
        place = 0
        counted = 0
        last = await self._patiently(lambda: self._writer.call(Transaction.last_undecided))
        while place < last:
            after = place
            # Alone, and not in a batch: an event that a kill interrupts by chance must not count as a poison.
            [kept] = await self._patiently(partial(self._writer.call, Transaction.undecided, 1, after))
            place = kept.place
            if kept.tries >= MOST_TRIES:
                await self._give_up(kept)
                continue
            if place != counted:
                await self._patiently(partial(self._writer.call, Transaction.count_try, place))
                counted = place
            await self._patiently(partial(self._events.ask, self._reopen(kept)))
        self._has_recovered = True
        await self._patiently(lambda: self._writer.call(self._catch_up))

    def _catch_up(self, _transaction: Transaction) -> None:
        self.fall_behind()

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask again while the store is unavailable; the writer pauses meanwhile."""
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                logger.warning("the store is unavailable; deciding what was left waits for it")

    async def _give_up(self, kept: KeptEvent) -> None:
        kind = kind_of(kept.type, self._reading.aliases)
        logger.error("event=%s type=%s state=failed tries=%d", kept.id, label(kind), kept.tries)
        reason = f"deciding it ended zennotify {kept.tries} times"
        await self._patiently(partial(self._writer.call, _keep_failed, kept, reason))
        self._metrics.decisions.labels("", Reason.FAILED.value).inc()
        self._tell(kept.id, Decision(rule="", reason=Reason.FAILED, detail=reason))

    def fall_behind(self) -> None:
        """Read the undecided events back from the store; in the writer's thread."""
        self._is_behind = True
        if not self._is_queued and self._has_recovered:
            self._is_queued = True
            self._events.put(_READ_BACK)

    # --- in the writer's thread ---------------------------------------------------------------------------

    def _decide(self, transaction: Transaction, items: list[Undecided | _ReadBack]) -> list[_Batch]:
        rules = self._rules
        assert rules is not None, "nothing is put into the queue before there are rules"  # noqa: S101
        batch = _Batch()
        events = {item.place: item for item in items if isinstance(item, Undecided)}
        if len(events) < len(items):
            kept = transaction.undecided(_BATCH)
            events |= {event.place: self._reopen(event) for event in kept if event.place not in events}
            batch.has_more = len(kept) == _BATCH
        self._conclude_all(transaction, rules, list(events.values()), batch)
        _keep_decided(transaction, rules.hash, batch)
        self._hasten(transaction, batch)
        return [batch] * len(items)

    def _hasten(self, transaction: Transaction, batch: _Batch) -> None:
        """Make due now what waits for a thing that has been learned about."""
        batch.hastened = self._waiting_room.waiting_for(batch.learned)
        if batch.hastened:
            now = max(one.undecided.event.received_at for one in batch.decided)
            transaction.hasten([one.delivery for one in batch.hastened], now)

    def _conclude_all(
        self, transaction: Transaction, rules: RuleSet, events: Sequence[Undecided], batch: _Batch
    ) -> None:
        """Decide the events over what the windows were before this transaction and became within it."""
        centers = rules.directory.centers
        memory = Memory(transaction.facts, self._reading.class_times, centers)
        said: list[tuple[Undecided, Things, Mapping[str, Key]]] = []
        for event in events:
            try:
                things = memory.things_of(event.event)
                said.append((event, things, keys_of(things)))
            except Exception as error:  # a bug of ours: only this event may suffer
                batch.decided.append(_failure(event, error))
        memory.prepare(key for _, _, keys in said for key in keys.values())
        began = time.monotonic()
        examined: list[tuple[Undecided, Things, list[Passed | Decision]]] = []
        for event, things, keys in said:
            if time.monotonic() - began > _LONGEST_WORK:
                batch.left_some = True  # a rule that takes long must not keep new events waiting
                break
            try:
                if len(centers) and "center" in keys and centers.get(things["center"]["id"]) is None:
                    batch.unlisted.add(keys["center"])
                names = Names(event.event, memory.recall, things, centers)
                items = examine(event.event, names, rules)
                at = event.event.at
                memory.learn(event.event, things, keys, None if at is None else to_micros(at))
                examined.append((event, things, items))
            except Exception as error:  # as above
                batch.decided.append(_failure(event, error))
        passed = [item for *_, items in examined for item in items if isinstance(item, Passed)]
        windows = transaction.windows({item.window for item in passed if item.window is not None})
        for event, things, items in examined:
            try:
                # Anew: later events of this batch may have taught a name.
                names = Names(event.event, memory.recall, things, centers)
                decisions, changed = conclude(items, names, rules, windows, event.event.received_at)
            except Exception as error:  # as above
                batch.decided.append(_failure(event, error))
                continue
            windows |= changed
            batch.windows |= changed
            batch.decided.append(_Decided(event, decisions))
        batch.learned = memory.changed
        batch.facts = memory.changes()

    def _decided(self, items: list[Undecided | _ReadBack], batches: Sequence[_Batch]) -> None:
        batch = batches[0]
        if any(isinstance(item, _ReadBack) for item in items):
            self._is_queued = False
            self._is_behind = batch.has_more
        if batch.has_more or batch.left_some:
            self.fall_behind()
        channels = {
            duty.channel for one in batch.decided for decision in one.decisions for duty in decision.duties
        }
        channels |= {waiting.channel for waiting in batch.hastened}
        self._report(batch.unlisted - self._reported)
        if batch.decided:
            self._waiting_room.end(max(one.undecided.event.received_at for one in batch.decided))
        self._waiting_room.leave(batch.hastened)
        for waiting in batch.waiting:
            self._waiting_room.enter(waiting)
        if channels:
            self._wake(channels)
        made = Counter(
            (decision.rule, decision.reason) for one in batch.decided for decision in one.decisions
        )
        for (rule, reason), count in made.items():
            self._metrics.decisions.labels(rule, reason.value).inc(count)
        for one in batch.decided:
            for decision in one.decisions:
                if decision.reason in _TROUBLES:
                    self._tell(one.undecided.event.id, decision)
        log.lines(logger, (_line(one) for one in batch.decided))

    def _report(self, unlisted: set[Key]) -> None:
        """Say once of each centre that centers.yaml does not list it."""
        for key in unlisted:
            if len(self._reported) < _MOST_REPORTED:
                self._reported.add(key)
                center = quote(key.partition(" ")[2])  # it may hold anything
                logger.warning("center=%s is not in centers.yaml; see: zennotify doctor --centers", center)

    def _tell(self, event: str, decision: Decision) -> None:
        self._ops.tell(
            f"{decision.reason} {decision.rule}",
            f"rule {decision.rule} could not be asked" if decision.rule else "an event could not be decided",
            f"{decision.detail}\n\nNothing was sent for it.  See: zennotify events show {event[:8]}",
        )

    def _not_decided(self, items: list[Undecided | _ReadBack], error: Exception) -> None:
        """Read the events back later; what is not a passing fault ends the process, and `recover` isolates it."""
        if not isinstance(error, StoreUnavailable):
            raise error
        if any(isinstance(item, _ReadBack) for item in items):
            self._is_queued = False
        self.fall_behind()

    def _reopen(self, kept: KeptEvent) -> Undecided:
        event = reopen(kept.body, kept.received_at, self._reading, kept.type)
        return Undecided(kept.place, kept.rule_set, event)


def _keep_decided(transaction: Transaction, rules_hash: str, batch: _Batch) -> None:
    transaction.save_windows(batch.windows)
    if batch.facts is not None and batch.decided:
        seen = max(one.undecided.event.received_at for one in batch.decided)
        transaction.save_facts(batch.facts, seen)
    decisions: list[NewDecision] = []
    deliveries: list[NewDelivery] = []
    duties: list[Duty] = []
    for one in batch.decided:
        event, now = one.undecided.place, one.undecided.event.received_at
        for place, made in enumerate(one.decisions):
            decisions.append(NewDecision(event, place, made.rule, made.reason.value, made.detail))
            duties += made.duties
            deliveries += [
                NewDelivery(
                    event, made.rule, duty.channel, rules_hash, now, duty.due, duty.held_back, duty.recipient
                )
                for duty in made.duties
            ]
    transaction.add_decisions(decisions)
    numbers = transaction.add_deliveries(deliveries)
    batch.waiting = [
        Waiting(number, duty.channel, duty.due, tuple(duty.awaited))
        for number, duty in zip(numbers, duties, strict=True)
        if duty.awaited
    ]
    transaction.finish_events(
        ((one.undecided.place, one.undecided.rule_set) for one in batch.decided), rules_hash
    )


def _keep_failed(transaction: Transaction, event: KeptEvent, detail: str) -> None:
    transaction.add_decisions([NewDecision(event.place, 0, "", Reason.FAILED.value, detail)])
    transaction.finish_events([(event.place, event.rule_set)], event.rule_set)


def _failure(event: Undecided, error: Exception) -> _Decided:
    """Record that deciding raised; the error's text stays out, it may hold a guest's data."""
    detail = place_of(error)
    logger.error("event=%s could not be decided: %s", event.event.id, detail)
    return _Decided(event, [Decision(rule="", reason=Reason.FAILED, detail=detail)])


def _line(one: _Decided) -> str:
    made = " ".join(f"{decision.rule}:{decision.reason.value}" for decision in one.decisions) or "unmatched"
    event = one.undecided.event
    return f"event={event.id} type={label(event.kind)} decided {made}"
