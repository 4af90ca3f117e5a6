"""Carries deliveries to their channels: claim, render, send, settle.

Each channel has a carrier of its own with its own threads, so that a slow or broken channel harms only itself.  A
carrier sleeps until something is due or somebody wakes it; it never polls.

    claim    take the oldest due deliveries under a lease
    begin    render, and keep the attempt with its text before anything leaves the house
    send     hand it to the provider, in one of the channel's threads
    settle   keep the outcome: delivered, dead, or due again later

A crash after `begin` leaves an attempt without an outcome: when its lease ends, or at the next start, it is
recorded as unknown and the delivery is tried again with the same text.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from zennotify.clock import Clock
from zennotify.core.model import DeliveryState, Form, Message, Outcome, Result
from zennotify.core.retry import next_due
from zennotify.errors import StoreUnavailable, place_of
from zennotify.metrics import Metrics
from zennotify.store import Lane, Rank, Writer
from zennotify.store.rows import Begun, Claimed, Settled
from zennotify.store.transaction import Transaction

logger = logging.getLogger("zennotify.outbox")

#: A send is given up, its outcome unknown, after this many times the channel's time-out: the time-out bounds one
#: exchange, and SMTP has several.
_PATIENCE = 3
#: The lease outlives the longest send: otherwise a slow send is claimed twice.
_LEASE_MARGIN = timedelta(seconds=30)
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
    settles: Lane[Settled, None]


@dataclass(slots=True)
class _Attempt:
    """One try under way; shared by the loop and the sending thread."""

    claimed: Claimed
    #: Whether the attempt is kept: from then on the message may have been sent.
    has_begun: bool = False


class Outbox:
    """The carriers of all channels, and what returns the deliveries of the dead."""

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        render: Render,
        ways: Sequence[Way],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Carry on these ways; `jitter` draws the part (0 to 1) of each wait that is really waited."""
        self._writer = writer
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lease_taken = asyncio.Event()
        lanes = _Lanes(
            claims=writer.lane(_claim, rank=Rank.CLAIMS, most=64),
            begins=writer.lane(Transaction.begin, rank=Rank.SETTLES, most=256),
            settles=writer.lane(_settle_all, rank=Rank.SETTLES, most=256),
        )
        self._carriers = {
            way.name: Carrier(way, clock, metrics, render, lanes, self._lease_taken, jitter) for way in ways
        }

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
            await self._clock.sleep_until(next_end, self._lease_taken)


class Carrier:
    """Carries one channel's deliveries."""

    def __init__(
        self,
        way: Way,
        clock: Clock,
        metrics: Metrics,
        render: Render,
        lanes: _Lanes,
        lease_taken: asyncio.Event,
        jitter: Callable[[], float],
    ) -> None:
        self._way = way
        self._clock = clock
        self._metrics = metrics
        self._render = render
        self._lanes = lanes
        self._lease_taken = lease_taken
        self._jitter = jitter
        #: Set when something may be due, or a place is free.
        self.wake = asyncio.Event()
        self._stopping = False
        self._failure: BaseException | None = None
        self._sending: set[asyncio.Task[None]] = set()
        # A send that was given up keeps its thread; as many again may start before the channel stands still.
        self._threads = ThreadPoolExecutor(way.concurrency * 2, thread_name_prefix=f"send-{way.name}")

    async def run(self) -> None:
        """Carry until cancelled; raises what a send's bookkeeping raised."""
        while True:
            due = await self._carry_due()
            await self._clock.sleep_until(due, self.wake)
            if self._failure is not None:
                raise self._failure

    async def stop(self, deadline: timedelta) -> None:
        """Start nothing more and wait for what is being sent; what outlives the deadline becomes unknown."""
        self._stopping = True
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=deadline.total_seconds())
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _carry_due(self) -> datetime | None:
        """Start what is due and has a place; return when to look again, None when somebody will wake us."""
        places = self._way.concurrency - len(self._sending)
        if self._stopping or places <= 0:
            return None
        now = self._clock.now()
        until = now + _PATIENCE * self._way.timeout + _LEASE_MARGIN
        try:
            claimed, due = await self._lanes.claims.ask(_Claim(self._way.name, places, now, until))
        except StoreUnavailable:
            return now + _STORE_PAUSE
        for delivery in claimed:
            task = asyncio.create_task(self._carry(delivery))
            self._sending.add(task)
            task.add_done_callback(self._carried)
        if claimed:
            self._lease_taken.set()
        return due

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
        self.wake.set()

    async def _carry(self, claimed: Claimed) -> None:
        attempt = _Attempt(claimed)
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._send, attempt)
        patience = _PATIENCE * self._way.timeout
        try:
            async with asyncio.timeout(patience.total_seconds()):
                result = await asyncio.shield(work)
        except TimeoutError:
            result = Result(
                outcome=Outcome.UNKNOWN, detail=f"no answer within {patience.total_seconds():g} s"
            )
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            result = Result(outcome=Outcome.UNKNOWN, detail="still being sent when zennotify stopped")
        except Exception as error:  # a bug of ours, or of the provider's plugin, harms this delivery only
            result = Result(outcome=Outcome.UNKNOWN, detail=place_of(error))
            logger.error("delivery=%s failed: %s", claimed.id, result.detail)  # noqa: TRY400 - no values in the log
        work.add_done_callback(_forget)
        if not attempt.has_begun:  # nothing left the house: the delivery is free again when its lease ends
            work.cancel()
            return
        await self._settle(claimed, result)

    def _send(self, attempt: _Attempt) -> Result:
        """Render, keep and send; runs in one of the channel's threads."""
        claimed = attempt.claimed
        if claimed.message is None:
            message = self._render(claimed, self._way.channel.form)
        else:
            message = Message(title=claimed.title or "", body=claimed.message, form=self._way.channel.form)
        begun = Begun(
            delivery=claimed.id,
            lease=claimed.lease,
            number=claimed.attempts + 1,
            started=self._clock.now(),
            message=message,
        )
        try:
            attempt.has_begun = self._lanes.begins.ask_and_wait(begun)
        except StoreUnavailable:
            attempt.has_begun = False
        if not attempt.has_begun:
            return Result(outcome=Outcome.TEMPORARY, detail="the lease was lost")
        return self._way.channel.send(message, delivery_id=claimed.id)

    async def _settle(self, claimed: Claimed, result: Result) -> None:
        now = self._clock.now()
        number = claimed.attempts + 1
        state, reason, due = DeliveryState.DELIVERED, "", now
        if result.outcome is not Outcome.SENT:
            again = next_due(self._way.retry, number, result, now, self._jitter())
            state = DeliveryState.DEAD if again is None else DeliveryState.PENDING
            reason = "" if again else "refused" if result.outcome is Outcome.PERMANENT else "exhausted"
            due = again or now
        settled = Settled(
            delivery=claimed.id,
            lease=claimed.lease,
            number=number,
            finished=now,
            outcome=result.outcome,
            detail=result.detail,
            state=state,
            reason=reason,
            due=due,
        )
        while True:
            try:
                await self._lanes.settles.ask(settled)
                break
            except StoreUnavailable:  # the outcome must not be lost: it would be sent again
                await self._clock.sleep_until(self._clock.now() + _STORE_PAUSE, asyncio.Event())
        self._report(claimed, settled)

    def _report(self, claimed: Claimed, settled: Settled) -> None:
        self._metrics.deliveries.labels(self._way.name, settled.outcome.value).inc()
        if settled.state is DeliveryState.DELIVERED and claimed.event is not None:
            took = (settled.finished - claimed.event.received_at).total_seconds()
            self._metrics.post_to_sent_seconds.labels(self._way.name).observe(took)
        logger.info(
            "delivery=%s event=%s rule=%s channel=%s attempt=%d outcome=%s state=%s",
            claimed.id,
            claimed.event.id if claimed.event else "-",
            claimed.rule,
            self._way.name,
            settled.number,
            settled.outcome.value,
            settled.state.value,
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


def _settle_all(transaction: Transaction, settled: list[Settled]) -> list[None]:
    transaction.settle(settled)
    return [None] * len(settled)


def _forget(work: asyncio.Future[Result]) -> None:
    """Take notice of the end of a send that was given up, so that asyncio does not complain."""
    if not work.cancelled():
        work.exception()
