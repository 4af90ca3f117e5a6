"""All carriers together, what they ask of the writer, and what returns the deliveries of the dead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from zennotify import log
from zennotify.clock import Clock
from zennotify.core.model import DeliveryState, Outcome
from zennotify.errors import StoreUnavailable
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.outbox.carrier import STORE_PAUSE, Carrier, Claim, Lanes, Settling
from zennotify.outbox.way import Render, Way
from zennotify.store import Rank, Writer
from zennotify.store.rows import Claimed, Settled
from zennotify.store.transaction import Transaction

logger = logging.getLogger("zennotify.outbox")


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
        lanes = Lanes(
            claims=writer.lane(_claim, rank=Rank.CLAIMS, most=64, committed=self._claimed),
            begins=writer.lane(Transaction.begin, rank=Rank.SETTLES, most=256),
            settles=writer.lane(
                _settle,
                rank=Rank.SETTLES,
                most=256,
                patient=True,
                committed=self._settled,
                failed=self._not_settled,
            ),
        )
        for way in ways:  # so that a rate can be taken from the first scrape on
            metrics.post_to_sent_seconds.labels(way.name)
            for outcome in Outcome:
                metrics.deliveries.labels(way.name, outcome.value)
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
            # A call may join a transaction that has passed the settles already; the second one cannot.
            await self._writer.call(_nothing)
            await self._writer.call(_nothing)

    def _wake_now(self, channels: set[str]) -> None:
        for name in channels & self._carriers.keys():
            self._carriers[name].wake.set()

    async def _return_expired(self) -> None:
        while True:
            try:
                channels, next_end = await self._writer.call(Transaction.return_expired, self._clock.now())
            except StoreUnavailable:
                channels, next_end = [], self._clock.now() + STORE_PAUSE
            self._wake_now(set(channels))
            self._has_no_leases = next_end is None
            await self._clock.sleep_until(next_end, self._lease_taken)

    # --- in the writer's thread, after a commit ------------------------------------------------------------

    def _claimed(self, _claims: list[Claim], found: Sequence[tuple[list[Claimed], datetime | None]]) -> None:
        if self._has_no_leases and self._loop is not None and any(claimed for claimed, _ in found):
            self._has_no_leases = False
            self._loop.call_soon_threadsafe(self._lease_taken.set)

    def _settled(self, settlings: list[Settling], _answers: Sequence[None]) -> None:
        attempts = [settling for settling in settlings if settling.is_attempt]
        for settling in attempts:
            self._count(settling.claimed, settling.settled)
        log.lines(logger, (_line(settling) for settling in attempts))
        again = {one.claimed.channel for one in settlings if one.settled.state is DeliveryState.PENDING}
        if again:
            self.wake(again)

    def _not_settled(self, settlings: list[Settling], error: Exception) -> None:
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


def _line(settling: Settling) -> str:
    claimed, settled = settling.claimed, settling.settled
    event = claimed.event.id if claimed.event else "-"
    return (
        f"delivery={claimed.id} event={event} rule={claimed.rule} channel={claimed.channel} "
        f"attempt={settled.number} outcome={settled.outcome} state={settled.state}"
    )


def _claim(transaction: Transaction, claims: list[Claim]) -> list[tuple[list[Claimed], datetime | None]]:
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


def _settle(transaction: Transaction, settlings: list[Settling]) -> list[None]:
    transaction.settle([settling.settled for settling in settlings])
    return [None] * len(settlings)
