"""Carries deliveries to their channels: claim, render, send, settle.

Each channel has a carrier of its own with its own threads, so that a slow or broken channel harms only itself.  A
carrier sleeps until something is due or somebody wakes it; it never polls.

    claim    take the oldest due deliveries under a lease                 (the carrier's task)
    begin    render, and keep the attempt with its text before anything leaves the house
    send     hand it to the provider                                      (one of the channel's threads)
    settle   keep the outcome: delivered, dead, or due again later

A crash after `begin` leaves an attempt without an outcome: at the next start, or when its lease ends, it is
recorded as unknown and the delivery is tried again with the same text.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from queue import SimpleQueue
from typing import Protocol

from zennotify import log
from zennotify.clock import Clock
from zennotify.core.model import DeliveryState, Form, Message, Outcome, Result
from zennotify.core.retry import next_due
from zennotify.errors import StoreUnavailable, place_of
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.store import Lane, Rank, Writer
from zennotify.store.rows import Begun, Claimed, Settled
from zennotify.store.transaction import Transaction

logger = logging.getLogger("zennotify.outbox")

#: A send is given up, its outcome unknown, after this many times the channel's time-out: the time-out bounds one
#: exchange, and a provider may need several.
_PATIENCE = 3
#: The lease outlives the wait for a thread and the longest send: otherwise a slow send is claimed twice.
_LEASE_PATIENCE = 5
_LEASE_MARGIN = timedelta(seconds=30)
#: Deliveries that are claimed for each thread, so that none waits for the commit of a claim; more are claimed when
#: half of them are over.
_AHEAD = 4
#: Before the next claim while the store is unavailable.
_STORE_PAUSE = timedelta(seconds=1)


class Channel(Protocol):
    """A way out; see channel/."""

    @property
    def form(self) -> Form:
        """How messages for it are written."""
        ...

    def send(self, message: Message, *, delivery_id: str) -> Result:
        """Send one message; blocks, never raises."""
        ...


#: Renders a delivery's message; called in the channel's threads.
Render = Callable[[Claimed, Form], Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A channel and how it may be used."""

    name: str
    channel: Channel
    concurrency: int
    timeout: timedelta
    #: The longest wait before each try; their number is the number of tries.
    retry: Sequence[timedelta]


@dataclass(frozen=True, slots=True)
class _Claim:
    channel: str
    most: int
    now: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Lanes:
    """What carriers ask of the writer."""

    claims: Lane[_Claim, tuple[list[Claimed], datetime | None]]
    begins: Lane[Begun, bool]
    settles: Lane[_Settling, None]


class _Phase(Enum):
    """How far an attempt has come."""

    #: Nothing has left the house.
    WAITING = auto()
    SENDING = auto()
    #: Settled, or given back.
    OVER = auto()


@dataclass(slots=True, eq=False)
class _Attempt:
    """One try under way."""

    claimed: Claimed
    phase: _Phase = _Phase.WAITING
    #: When it is given up (`time.monotonic`), once it is being sent.
    deadline: float = 0.0


@dataclass(frozen=True, slots=True)
class _Settling:
    """An outcome on its way into the store."""

    claimed: Claimed
    settled: Settled
    #: False for a delivery that is given back without a try.
    is_attempt: bool = True


class Outbox:
    """The carriers of all channels, and what returns the deliveries of the dead."""

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        render: Render,
        ways: Sequence[Way],
        ops: Ops | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Carry on these ways; `jitter` draws the part (0 to 1) of each wait that is really waited."""
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._ops = ops
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lease_taken = asyncio.Event()
        #: Whether nobody had a lease when we last looked, so that the next one has to wake us.
        self._has_no_leases = False
        lanes = _Lanes(
            claims=writer.lane(_claim, rank=Rank.CLAIMS, most=64, committed=self._claimed),
            begins=writer.lane(Transaction.begin, rank=Rank.SETTLES, most=256),
            settles=writer.lane(
                _settle, rank=Rank.SETTLES, most=256, committed=self._settled, failed=self._not_settled
            ),
        )
        self._settles = lanes.settles
        self._carriers = {way.name: Carrier(way, clock, render, lanes, jitter) for way in ways}

    async def run(self) -> None:
        """Carry until cancelled; raises when a carrier fails."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for carrier in self._carriers.values():
                group.create_task(carrier.run())
            group.create_task(self._return_expired())

    async def take_over(self) -> None:
        """Return what a dead process was sending, and bury what belongs to channels that are no more."""
        await self._writer.call(Transaction.return_expired, None)
        buried = await self._writer.call(Transaction.bury_orphans, list(self._carriers))
        if buried:
            logger.warning("deliveries=%d state=dead reason=channel_removed", buried)

    def wake(self, channels: set[str]) -> None:
        """Tell carriers that there is something new; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake_now, channels)

    async def stop(self, deadline: timedelta) -> None:
        """Start nothing more, wait for what is being sent; what outlives the deadline is recorded as unknown."""
        await asyncio.gather(*(carrier.stop(deadline) for carrier in self._carriers.values()))
        with contextlib.suppress(StoreUnavailable):
            await self._writer.call(_nothing)  # returns when what was settled is kept

    def _wake_now(self, channels: set[str]) -> None:
        for name in channels & self._carriers.keys():
            self._carriers[name].wake.set()

    async def _return_expired(self) -> None:
        while True:
            try:
                channels, next_end = await self._writer.call(Transaction.return_expired, self._clock.now())
            except StoreUnavailable:
                channels, next_end = [], self._clock.now() + _STORE_PAUSE
            self._wake_now(set(channels))
            self._has_no_leases = next_end is None
            await self._clock.sleep_until(next_end, self._lease_taken)

    # --- in the writer's thread, after a commit ------------------------------------------------------------

    def _claimed(self, _claims: list[_Claim], found: Sequence[tuple[list[Claimed], datetime | None]]) -> None:
        if self._has_no_leases and self._loop is not None and any(claimed for claimed, _ in found):
            self._has_no_leases = False
            self._loop.call_soon_threadsafe(self._lease_taken.set)

    def _settled(self, settlings: list[_Settling], _answers: Sequence[None]) -> None:
        attempts = [settling for settling in settlings if settling.is_attempt]
        for settling in attempts:
            self._count(settling.claimed, settling.settled)
        log.lines(logger, (_line(settling) for settling in attempts))
        again = {one.claimed.channel for one in settlings if one.settled.state is DeliveryState.PENDING}
        if again:
            self.wake(again)

    def _not_settled(self, settlings: list[_Settling], error: Exception) -> None:
        """Settle again when the store is back: an outcome that is lost would be sent again."""
        if not isinstance(error, StoreUnavailable):
            raise error
        for settling in settlings:
            self._settles.put(settling)

    def _count(self, claimed: Claimed, settled: Settled) -> None:
        self._metrics.deliveries.labels(claimed.channel, settled.outcome.value).inc()
        if settled.state is DeliveryState.DELIVERED and claimed.event is not None:
            took = (settled.finished - claimed.event.received_at).total_seconds()
            self._metrics.post_to_sent_seconds.labels(claimed.channel).observe(took)
        if settled.state is DeliveryState.DEAD:
            logger.warning(
                "delivery=%s channel=%s state=dead reason=%s", claimed.id, claimed.channel, settled.reason
            )
            if self._ops is not None:
                self._ops.tell(
                    f"dead {claimed.channel}",
                    f"channel {claimed.channel} could not deliver a message",
                    f"The message of rule {claimed.rule} is dead ({settled.reason}): {settled.detail}\n\n"
                    f"See: zennotify deliveries show {claimed.id[:8]}.  "
                    f"To try again: zennotify deliveries retry {claimed.id[:8]}",
                    but_not_by=claimed.channel,
                )


class Carrier:
    """Carries one channel's deliveries."""

    def __init__(
        self, way: Way, clock: Clock, render: Render, lanes: _Lanes, jitter: Callable[[], float]
    ) -> None:
        self._way = way
        self._clock = clock
        self._render = render
        self._lanes = lanes
        self._jitter = jitter
        #: Set when something may be due, or there is room.
        self.wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopping = False
        #: When so few are open, more are claimed.
        self._refill = way.concurrency * _AHEAD // 2
        self._patience = (_PATIENCE * way.timeout).total_seconds()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._claimed: SimpleQueue[_Attempt | None] = SimpleQueue()
        #: Guards the two below.
        self._lock = threading.Lock()
        #: Claimed and not over.
        self._open: set[_Attempt] = set()
        #: Threads; a send that is given up keeps its own, and up to as many again are made in their place.
        self._threads = 0

    async def run(self) -> None:
        """Carry until cancelled."""
        self._loop = asyncio.get_running_loop()
        for _ in range(self._way.concurrency):
            self._add_thread()
        while True:
            due = await self._carry_due()
            await self._clock.sleep_until(due, self.wake)

    async def stop(self, deadline: timedelta) -> None:
        """Start nothing more and wait for what is being sent; what outlives the deadline becomes unknown."""
        self._stopping = True
        if self._loop is None:
            return
        self._give_back_if_stopping()
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                while self._open:
                    await self._idle.wait()
                    self._idle.clear()
        except TimeoutError:
            for attempt in list(self._open):
                self._give_up(attempt, "still being sent when zennotify stopped")
        if self._overdue is not None:
            self._overdue.cancel()
        for _ in range(self._threads):
            self._claimed.put(None)

    async def _carry_due(self) -> datetime | None:
        """Claim what is due while there is room; return when to look again, None when somebody will wake us."""
        room = 2 * self._refill - len(self._open)
        if self._stopping or room < self._refill:
            return None
        now = self._clock.now()
        until = now + _LEASE_PATIENCE * _PATIENCE * self._way.timeout + _LEASE_MARGIN
        try:
            claimed, due = await self._lanes.claims.ask(_Claim(self._way.name, room, now, until))
        except StoreUnavailable:
            return now + _STORE_PAUSE
        attempts = [_Attempt(delivery) for delivery in claimed]
        with self._lock:
            self._open.update(attempts)
        for attempt in attempts:
            self._claimed.put(attempt)
        self._give_back_if_stopping()  # it may have been asked to while it waited for the claim
        return due

    def _give_back_if_stopping(self) -> None:
        """Give back what no thread has taken up yet."""
        while self._stopping and not self._claimed.empty():
            attempt = self._claimed.get_nowait()
            if attempt is not None:
                self._give_back(attempt)

    # --- in the channel's threads --------------------------------------------------------------------------

    def _add_thread(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name=f"send-{self._way.name}", daemon=True).start()

    def _work(self) -> None:
        while (attempt := self._claimed.get()) is not None:
            try:
                begun = self._begin(attempt.claimed)
            except StoreUnavailable:
                self._give_back(attempt, _STORE_PAUSE)
                continue
            except Exception as error:  # a bug of ours: trying again would not help
                self._fail(attempt, place_of(error))
                continue
            if begun is None or not self._may_send(attempt):
                self._give_back(attempt)
                continue
            self._settle(attempt, self._send(attempt.claimed, begun))

    def _begin(self, claimed: Claimed) -> Message | None:
        """Render and keep the attempt; return the message, or None when the lease is not ours any more."""
        form = self._way.channel.form
        if claimed.message is None:
            message = self._render(claimed, form)
        else:
            message = Message(title=claimed.title or "", body=claimed.message, form=form)
        begun = Begun(
            delivery=claimed.id,
            lease=claimed.lease,
            number=claimed.attempts + 1,
            started=self._clock.now(),
            message=message,
        )
        return message if self._lanes.begins.ask_and_wait(begun) else None

    def _may_send(self, attempt: _Attempt) -> bool:
        with self._lock:
            if attempt not in self._open:
                return False
            attempt.phase = _Phase.SENDING
            attempt.deadline = time.monotonic() + self._patience
        if self._overdue is None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._look_for_overdue)
        return True

    def _send(self, claimed: Claimed, message: Message) -> Result:
        try:
            return self._way.channel.send(message, delivery_id=claimed.id)
        except Exception as error:  # a bug of ours, or of the provider's plugin, harms this delivery only
            logger.error("delivery=%s failed: %s", claimed.id, place_of(error))  # noqa: TRY400 - no values in the log
            return Result(outcome=Outcome.UNKNOWN, detail=place_of(error))

    # --- the ends of an attempt (any thread) ---------------------------------------------------------------

    def _settle(self, attempt: _Attempt, result: Result) -> None:
        """Keep the outcome, unless the attempt was given up meanwhile."""
        if not self._close(attempt):
            return
        now = self._clock.now()
        number = attempt.claimed.attempts + 1
        state, reason, due = DeliveryState.DELIVERED, "", now
        if result.outcome is not Outcome.SENT:
            again = next_due(self._way.retry, number, result, now, self._jitter())
            state = DeliveryState.DEAD if again is None else DeliveryState.PENDING
            reason = "" if again else "refused" if result.outcome is Outcome.PERMANENT else "exhausted"
            due = again or now
        self._keep(attempt.claimed, now, result.outcome, result.detail, state, reason, due)

    def _fail(self, attempt: _Attempt, detail: str) -> None:
        logger.error("delivery=%s could not be begun: %s", attempt.claimed.id, detail)
        if self._close(attempt):
            now = self._clock.now()
            self._keep(
                attempt.claimed, now, Outcome.PERMANENT, detail, DeliveryState.DEAD, f"failed: {detail}", now
            )

    def _give_back(self, attempt: _Attempt, pause: timedelta = timedelta(0)) -> None:
        """Make a delivery pending again of which nothing has left the house."""
        if self._close(attempt):
            now = self._clock.now()
            self._keep(
                attempt.claimed,
                now,
                Outcome.TEMPORARY,
                "not sent",
                DeliveryState.PENDING,
                "",
                now + pause,
                is_attempt=False,
            )

    def _give_up(self, attempt: _Attempt, why: str) -> None:
        if attempt.phase is _Phase.SENDING:
            self._settle(attempt, Result(outcome=Outcome.UNKNOWN, detail=why))
        else:
            self._give_back(attempt)

    def _close(self, attempt: _Attempt) -> bool:
        """End an attempt; return False where another thread has done so."""
        with self._lock:
            if attempt not in self._open:
                return False
            self._open.remove(attempt)
            attempt.phase = _Phase.OVER
            left = len(self._open)
        if self._loop is not None and (left == self._refill or self._stopping):
            self._loop.call_soon_threadsafe(self._has_room)
        return True

    def _keep(
        self,
        claimed: Claimed,
        now: datetime,
        outcome: Outcome,
        detail: str,
        state: DeliveryState,
        reason: str,
        due: datetime,
        *,
        is_attempt: bool = True,
    ) -> None:
        settled = Settled(
            delivery=claimed.id,
            lease=claimed.lease,
            number=claimed.attempts + 1,
            finished=now,
            outcome=outcome,
            detail=detail,
            state=state,
            reason=reason,
            due=due,
        )
        self._lanes.settles.put(_Settling(claimed, settled, is_attempt))

    # --- in the loop ----------------------------------------------------------------------------------------

    def _has_room(self) -> None:
        self.wake.set()
        self._idle.set()

    def _look_for_overdue(self) -> None:
        """Give up the sends that take too long, and look again when the next one would."""
        with self._lock:
            sending = [attempt for attempt in self._open if attempt.phase is _Phase.SENDING]
        now = time.monotonic()
        for attempt in sending:
            if attempt.deadline <= now:
                self._give_up(attempt, f"no answer within {self._patience:g} s")
                if self._threads < self._way.concurrency * 2:
                    self._add_thread()
        deadlines = [attempt.deadline for attempt in sending if attempt.deadline > now]
        assert self._loop is not None, "threads send only while it runs"  # noqa: S101
        self._overdue = (
            self._loop.call_later(min(deadlines) - now, self._look_for_overdue) if deadlines else None
        )


def _line(settling: _Settling) -> str:
    claimed, settled = settling.claimed, settling.settled
    event = claimed.event.id if claimed.event else "-"
    return (
        f"delivery={claimed.id} event={event} rule={claimed.rule} channel={claimed.channel} "
        f"attempt={settled.number} outcome={settled.outcome} state={settled.state}"
    )


def _claim(transaction: Transaction, claims: list[_Claim]) -> list[tuple[list[Claimed], datetime | None]]:
    """Claim for each carrier that asks, and say when its next delivery is due."""
    return [
        (
            transaction.claim(claim.channel, claim.most, secrets.token_hex(8), claim.now, claim.until),
            transaction.next_due(claim.channel),
        )
        for claim in claims
    ]


def _nothing(_transaction: Transaction) -> None:
    """Stand behind what waits."""


def _settle(transaction: Transaction, settlings: list[_Settling]) -> list[None]:
    transaction.settle([settling.settled for settling in settlings])
    return [None] * len(settlings)
