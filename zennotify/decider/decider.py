"""Which events are decided when: as they come, in batches; what a crash left first, one by one.

Decisions, deliveries, windows and facts commit together with the event's state, so that no crash can separate them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from zennotify import log
from zennotify.clock import Clock
from zennotify.core.model import Reason
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.scene import Decision
from zennotify.core.silence import Silence
from zennotify.core.window import Stage, Window, WindowKey
from zennotify.decider.batch import Batch, Decided, Ended
from zennotify.decider.turn import Turn
from zennotify.decider.waiting import Waiting, WaitingRoom
from zennotify.errors import StoreUnavailable
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.store import Rank, Writer
from zennotify.store.rows import KeptEvent, NewDecision, Undecided
from zennotify.store.transaction import Transaction
from zennotify.zenoti.aliases import kind_of
from zennotify.zenoti.catalog import label
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.facts import Key

logger = logging.getLogger("zennotify.decider")

Answer = TypeVar("Answer")

#: After this many crashes while it was being decided, an event is not tried again.
MOST_TRIES = 3
#: Events that wait in memory for their decision; what is beyond is read back from the store.
_MOST_WAITING = 5_000
_BATCH = 256
#: Centres and days whose offset is known to be known.
_MOST_CLOCKS = 20_000
#: Centres that are reported as not listed.
_MOST_REPORTED = 1_000
#: Rule sets of the past that are kept at hand.
_MOST_GONE = 8
_NEVER = datetime.min.replace(tzinfo=UTC)
#: Decisions that the owners hear of.
_TROUBLES = {Reason.ERROR, Reason.FAILED}
#: What a step of an escalation may come to without a word to them; they hear of troubles anyway.
_HEARD = {Reason.NOTIFIED, Reason.DISABLED, *_TROUBLES}


class _ReadBack:
    """In the queue of events: read the oldest undecided ones from the store."""


_READ_BACK = _ReadBack()


class _Fire(NamedTuple):
    """In the queue of events: windows whose time has come by then."""

    now: datetime


_Item = Undecided | _ReadBack | _Fire


class Fires(NamedTuple):
    """What is known of the timers."""

    #: When the next one is due; it may be over, where undecided events come before it.
    next: datetime | None
    #: Whether any has fired.
    has_fired: bool


class _Answer(NamedTuple):
    """What one transaction decided, and what comes of it after the commit."""

    batches: Sequence[Batch]
    #: Deliveries that need not wait any more.
    hastened: Sequence[Waiting]
    #: Whether the store has more undecided events than were decided.
    has_more: bool
    fires: Fires


class Decider:
    """Brings events, rules and windows together."""

    def __init__(  # noqa: PLR0913 - what it asks and tells is other parts of the daemon
        self,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        *,
        reading: Reading,
        wake: Callable[[set[str]], None],
        ops: Ops,
        past: Callable[[str], RuleSet | None] = lambda _hash: None,
        set_timer: Callable[[datetime | None], None] = lambda _due: None,
        silences: Callable[[], Sequence[Silence]] = tuple,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._reading = reading
        #: Called in the writer's thread with the channels that have new deliveries.
        self._wake = wake
        self._ops = ops
        #: Returns a rule set that was in force before, by its hash.
        self._past = past
        #: Called in the writer's thread with the moment when the next timer is due.
        self._set_timer = set_timer
        #: The rules whose new names have been given to windows, and those whose are being given.
        self._carried: RuleSet | None = None
        self._carrying: RuleSet | None = None
        #: Those of removed rules, by the hashes of their sets; they tell whom the names in `notify` mean now.
        self._gone: dict[str, RuleSet | None] = {}
        self._next_timer: datetime | None = None
        self._last_fired = _NEVER
        #: Returns the silences that may mute something.
        self._silences = silences
        self._rules: RuleSet | None = None
        self._has_rules = asyncio.Event()
        self._waiting_room = WaitingRoom()
        #: The centres and days whose offset from UTC has been learned: it is not learned with every booking again.
        self._clocks: set[tuple[Any, str]] = set()
        #: Centres that have been reported as not listed.
        self._reported: set[Key] = set()
        #: Whether the store has undecided events that are not in the queue; only the writer's thread changes it.
        self._is_behind = True
        #: Whether it has some that come before those in the queue.
        self._has_lost = False
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

    async def has_rules(self) -> None:
        """Wait until there are rules."""
        await self._has_rules.wait()

    @property
    def last_fired(self) -> datetime:
        """The latest moment that a timer was due that has fired; long ago where there is none."""
        return self._last_fired

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
            # It is left while the timers that are due before it take long.
            while (await self._patiently(partial(self._events.ask, self._reopen(kept)))).has_more:
                pass
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

    async def fire(self, now: datetime) -> Fires:
        """Take the windows whose time has come by `now` through the stages that are left.

        Raises StoreUnavailable.
        """
        answer: _Answer = await self._events.ask(_Fire(now))
        return answer.fires

    # --- in the writer's thread ---------------------------------------------------------------------------

    def tell_timer(self, due: datetime | None) -> None:
        """Take from others who have set a timer when the next one is due, after their commit."""
        self._next_timer = due
        self._set_timer(due)

    def _decide(self, transaction: Transaction, items: list[_Item]) -> list[_Answer]:
        events, has_more = self._taken(transaction, items)
        rules = self._rules
        assert rules is not None, "nothing is put into the queue before there are rules"  # noqa: S101
        if self._carried is not rules:
            # In one transaction with what they decide first: no window of an old name is made any more.
            transaction.carry_over(rules.renamed)
            self._carrying = rules
            self._gone.clear()
        turn = Turn(transaction, partial(self._new_batch, rules), self._reopen, self._rule_of)
        left = turn.decide([events[place] for place in sorted(events)], self._clock.now())
        now = max((item.now for item in items if isinstance(item, _Fire)), default=None)
        if now is not None and not left:
            turn.fire(now)
        learned = {thing for batch in turn.batches for thing in batch.learned}
        hastened = self._waiting_room.waiting_for(learned)
        if hastened:
            moments = [batch.now for batch in turn.batches if batch.learned and batch.now is not None]
            transaction.hasten([one.delivery for one in hastened], max(moments))
        fires = Fires(transaction.next_timer(), turn.has_fired)
        return [_Answer(turn.batches, hastened, has_more or bool(left), fires)] * len(items)

    def _taken(self, transaction: Transaction, items: list[_Item]) -> tuple[dict[int, Undecided], bool]:
        """Return the events to decide, by their places, and whether the store has more."""
        events = {item.place: item for item in items if isinstance(item, Undecided)}
        is_lost = self._has_lost and self._has_recovered
        if not is_lost and not any(isinstance(item, _ReadBack) for item in items):
            return events, False
        kept = transaction.undecided(_BATCH)
        read = {event.place: events.get(event.place) or self._reopen(event) for event in kept}
        # What comes behind those that were lost is read back in its turn, too.
        return (read if is_lost else events | read), len(kept) == _BATCH

    def _new_batch(self, rules: RuleSet) -> Batch:
        return Batch(rules, self._reading.class_times, self._silences(), self._clocks)

    def _rule_of(self, key: WindowKey, window: Window) -> tuple[Rule, RuleSet] | None:
        """Return the rule of a window and the set that it is in: one that was removed goes on as it was."""
        rules = self._rules
        if rules is not None and key.rule in rules.by_id:
            return rules.by_id[key.rule], rules
        past = self._past_of(window.rule_set)
        if past is None or key.rule not in past.by_id:
            return None
        return past.by_id[key.rule], past

    def _past_of(self, rules_hash: str) -> RuleSet | None:
        if rules_hash not in self._gone:
            past, rules = self._past(rules_hash), self._rules
            if len(self._gone) >= _MOST_GONE:
                self._gone.clear()
            self._gone[rules_hash] = (
                None if past is None or rules is None else replace(past, directory=rules.directory)
            )
        return self._gone[rules_hash]

    def _decided(self, items: list[_Item], answers: Sequence[_Answer]) -> None:
        batches, hastened, has_more, fires = answers[0]
        self._carried = self._carrying
        is_read_back = any(isinstance(item, _ReadBack) for item in items)
        if is_read_back:
            self._is_queued = False
            self._is_behind = has_more
        # What was left comes before those in the queue, until the place holder behind these has had its turn.
        self._has_lost = has_more or (self._has_lost and not is_read_back)
        if has_more:
            self.fall_behind()
        for batch in batches:
            self._follow(batch)
        self._let_wait(batches, hastened)
        channels = {channel for batch in batches for channel in batch.channels}
        channels |= {waiting.channel for waiting in hastened}
        if channels:
            self._wake(channels)
        if fires.next != self._next_timer or fires.has_fired:
            self._next_timer = fires.next
            self._set_timer(fires.next)

    def _follow(self, batch: Batch) -> None:
        """Say what has been decided: in the metrics, the log and to the owners."""
        self._last_fired = max([self._last_fired, *(one.now for one in batch.ended)])
        self._report(batch.unlisted - self._reported)
        if len(self._clocks) > _MOST_CLOCKS:
            self._clocks.clear()
        self._clocks |= batch.new_clocks
        made = Counter(
            (decision.rule, decision.reason) for _, decisions in batch.made() for decision in decisions
        )
        for (rule, reason), count in made.items():
            self._metrics.decisions.labels(rule, reason.value).inc(count)
        for event, decisions in batch.made():
            for decision in decisions:
                if decision.reason in _TROUBLES:
                    self._tell(event, decision)
                if decision.used_up:
                    self._tell_used_up(event, decision)
        for end in batch.ended:
            if end.key.stage == Stage.ESCALATE and end.fired.decision.reason not in _HEARD:
                self._tell_unheard(end.event, end.fired.decision)
        log.lines(logger, (_line(one) for one in batch.decided))
        log.lines(logger, (_timer_line(one) for one in batch.ended))

    def _let_wait(self, batches: Sequence[Batch], hastened: Sequence[Waiting]) -> None:
        for batch in batches:
            now = batch.now
            if now is not None:
                self._waiting_room.end(now)
        self._waiting_room.leave(hastened)
        for batch in batches:
            for waiting in batch.waiting:
                self._waiting_room.enter(waiting)

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

    def _tell_used_up(self, event: str, decision: Decision) -> None:
        for channel in decision.used_up:
            self._ops.tell(
                f"per_day {channel}",
                f"{channel} has sent as many messages as it may in a day",
                f"{decision.detail}\n\nUntil then no guest gets a message through it.  "
                f"See: zennotify events show {event[:8]}",
            )

    def _tell_unheard(self, event: str, decision: Decision) -> None:
        self._ops.tell(
            f"escalate {decision.rule}",
            f"the next step of rule {decision.rule} tells nobody",
            f"{decision.detail or decision.reason.value}\n\nNobody has taken it yet.  "
            f"See: zennotify events show {event[:8]}",
        )

    def _not_decided(self, items: list[_Item], error: Exception) -> None:
        """Read the events back later; what is not a passing fault ends the process, and `recover` isolates it."""
        if not isinstance(error, StoreUnavailable):
            raise error
        if any(isinstance(item, _ReadBack) for item in items):
            self._is_queued = False
        self._has_lost = self._has_lost or any(isinstance(item, Undecided) for item in items)
        self.fall_behind()

    def _reopen(self, kept: KeptEvent) -> Undecided:
        event = reopen(kept.body, kept.received_at, self._reading, kept.type)
        return Undecided(kept.place, kept.rule_set, event)


def _keep_failed(transaction: Transaction, event: KeptEvent, detail: str) -> None:
    transaction.add_decisions([NewDecision(event.place, 0, "", Reason.FAILED.value, detail)])
    transaction.finish_events([(event.place, event.rule_set)], event.rule_set)


def _timer_line(one: Ended) -> str:
    decision = one.fired.decision
    return (
        f"event={one.event} type={label(one.kind)} timer={one.key.stage} due={one.now.isoformat()}"
        f" decided {decision.rule}:{decision.reason.value}"
    )


def _line(one: Decided) -> str:
    made = " ".join(f"{decision.rule}:{decision.reason.value}" for decision in one.decisions) or "unmatched"
    event = one.undecided.event
    return f"event={event.id} type={label(event.kind)} decided {made}"
