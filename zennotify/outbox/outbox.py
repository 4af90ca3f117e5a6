"""All carriers together, what they ask of the writer, and what returns the deliveries of the dead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from zennotify import log
from zennotify.clock import Clock
from zennotify.core.model import DeliveryState, Label, Message, Outcome, Result
from zennotify.core.pause import Pause
from zennotify.core.verdict import Verdict, verdict
from zennotify.errors import StoreUnavailable
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.outbox.carrier import STORE_PAUSE, Carrier
from zennotify.outbox.gate import Change
from zennotify.outbox.lanes import Claim, Lanes, Late, Overdue, Settling
from zennotify.outbox.late import gather_late
from zennotify.outbox.way import Render, Way
from zennotify.outbox.words import of_crash, of_death, of_pause, of_recovery
from zennotify.store import Rank, Writer
from zennotify.store.rows import Claimed, Lost, Settled
from zennotify.store.transaction import Transaction

logger = logging.getLogger("zennotify.outbox")

_DIED = "zennotify died while it was sending"


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
        set_timer: Callable[[datetime | None], None] = lambda _due: None,
    ) -> None:
        """Carry on these ways; `jitter` draws the part (0 to 1) of each wait that is really waited.

        `set_timer` is called in the writer's thread with the moment when the next timer is due.
        """
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
            overdue=writer.lane(_fall_back, rank=Rank.CLAIMS, most=1, committed=self._fell_back),
            begins=writer.lane(Transaction.begin, rank=Rank.SETTLES, most=256),
            settles=writer.lane(
                _settle,
                rank=Rank.SETTLES,
                most=256,
                patient=True,
                committed=self._settled,
                failed=self._not_settled,
            ),
            lates=writer.lane(
                gather_late, rank=Rank.SETTLES, most=64, committed=self._gathered, failed=self._not_gathered
            ),
        )
        for way in ways:  # so that a rate can be taken from the first scrape on
            metrics.post_to_sent_seconds.labels(way.name)
            for outcome in Outcome:
                metrics.deliveries.labels(way.name, outcome.value)
        self._settles, self._lates = lanes.settles, lanes.lates
        self._set_timer = set_timer
        self._pauses = writer.lane(
            self._save_pauses, rank=Rank.REST, most=64, committed=self._saved, failed=self._not_saved
        )
        self._spent = writer.lane(_save_spent, rank=Rank.REST, most=64, failed=self._not_saved)
        self._jitter = jitter
        self._ways = {way.name: way for way in ways}
        self._carriers = {way.name: Carrier(way, clock, render, lanes, jitter) for way in ways}
        for name, carrier in self._carriers.items():
            metrics.channel_paused.labels(name).set(0)
            carrier.gate.changed = self._changed
            carrier.gate.tell = self._tell

    async def run(self) -> None:
        """Carry until cancelled; raises when a carrier fails."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for carrier in self._carriers.values():
                group.create_task(carrier.run())
            group.create_task(self._return_expired())

    async def take_over(self) -> None:
        """Go on where an earlier process stopped: its pauses and rates, what it was sending, and for whom."""
        for state in await self._writer.call(Transaction.channel_states, list(self._carriers)):
            gate = self._carriers[state.name].gate
            gate.resume(state, self._clock.now())
            self._metrics.channel_paused.labels(state.name).set(gate.pause is not None)
        await self._writer.call(Transaction.unblock, list(self._carriers), self._clock.now())
        await self._return_lost(None)
        buried = await self._writer.call(Transaction.bury_orphans, list(self._carriers))
        if buried:
            logger.warning("deliveries=%d state=dead reason=channel_removed", buried)

    def pauses(self) -> dict[str, Pause]:
        """Return the channels that are paused, and why."""
        return {name: pause for name, one in self._carriers.items() if (pause := one.gate.pause) is not None}

    async def try_now(self) -> None:
        """Let channels that are paused try at once, because somebody asks for it."""
        await self._writer.call(Transaction.unblock, list(self.pauses()), self._clock.now())
        for carrier in self._carriers.values():
            carrier.gate.try_now(self._clock.now())
        self.wake(set(self._carriers))

    def send_by_hand(self, channel: str, message: Message, label: Label, recipient: str = "") -> Result:
        """Send one message that is no delivery, now; blocks."""
        carrier = self._carriers[channel]
        result = carrier.send_by_hand(message, label, recipient)
        spent = carrier.gate.spent(self._clock.now(), 0)
        if spent is not None:
            self._spent.put((channel, spent))
        return result

    def reaching(self, channel: str, but_not_by: str) -> str | None:
        """Return the channel that reaches whom this one would: itself or, while it cannot, its fallback."""
        name, paused = channel, None
        while name == but_not_by or self._carriers[name].gate.pause is not None:
            if name != but_not_by:
                paused = paused or name
            name = self._ways[name].fallback
            if not name:
                return paused  # is better than none
        return name

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
                channels, next_end = await self._return_lost(self._clock.now())
            except StoreUnavailable:
                channels, next_end = set(), self._clock.now() + STORE_PAUSE
            self._wake_now(channels)
            self._has_no_leases = next_end is None
            await self._clock.sleep_until(next_end, self._lease_taken)

    async def _return_lost(self, now: datetime | None) -> tuple[set[str], datetime | None]:
        """Return the deliveries of the dead (None: of all); what they were sending may have arrived.

        Returns the channels that have something to do, and when the next lease ends.
        """
        settled, next_end = await self._writer.call(self._settle_lost, now)
        held = Counter(channel for channel, one in settled if one.verdict.state is DeliveryState.DEAD)
        for channel, count in held.items():
            logger.warning("deliveries=%d channel=%s state=dead: they may have arrived", count, channel)
            if self._ops is not None:
                self._ops.tell(*of_crash(channel, count), but_not_by=channel)
        fallbacks = {one.fallback for _, one in settled if one.fallback}
        return {channel for channel, _ in settled} | fallbacks, next_end

    # --- in the writer's thread, after a commit ------------------------------------------------------------

    def _claimed(self, _claims: list[Claim], found: Sequence[tuple[list[Claimed], datetime | None]]) -> None:
        if self._has_no_leases and self._loop is not None and any(claimed for claimed, _ in found):
            self._has_no_leases = False
            self._loop.call_soon_threadsafe(self._lease_taken.set)

    def _settled(self, settlings: list[Settling], fell_back: Sequence[bool]) -> None:
        attempts = [settling for settling in settlings if settling.is_attempt]
        for settling, fell in zip(settlings, fell_back, strict=True):
            if settling.is_attempt:
                self._count(settling.claimed, settling.settled, fell)
        log.lines(logger, (_line(settling) for settling in attempts))
        again = {one.claimed.channel for one in settlings if _state(one) is DeliveryState.PENDING}
        again |= {one.settled.fallback for one in settlings if one.settled.fallback}
        if again:
            self.wake(again)

    def _not_settled(self, settlings: list[Settling], error: Exception) -> None:
        """Settle again when the store is back: an outcome that is lost would be sent again."""
        if not isinstance(error, StoreUnavailable):
            raise error
        for settling in settlings:
            self._settles.put(settling)

    def _gathered(self, lates: list[Late], dues: Sequence[datetime | None]) -> None:
        log.lines(
            logger,
            (
                f"delivery={one.claimed.id} event={_event_of(one.claimed)} rule={one.claimed.rule} "
                f"channel={one.claimed.channel} state=cancelled: late, and gathered"
                for one in lates
            ),
        )
        self._set_timer(dues[-1])

    def _not_gathered(self, lates: list[Late], error: Exception) -> None:
        """Try again when the store is back."""
        if not isinstance(error, StoreUnavailable):
            raise error
        for late in lates:
            self._lates.put(late)

    def _count(self, claimed: Claimed, settled: Settled, fell: bool) -> None:
        self._metrics.deliveries.labels(claimed.channel, settled.outcome.value).inc()
        state = settled.verdict.state
        if state is DeliveryState.DELIVERED and claimed.event is not None and settled.finished is not None:
            took = (settled.finished - claimed.event.received_at).total_seconds()
            self._metrics.post_to_sent_seconds.labels(claimed.channel).observe(took)
        if state is DeliveryState.DEAD:
            reason = settled.verdict.reason
            logger.warning("delivery=%s channel=%s state=dead reason=%s", claimed.id, claimed.channel, reason)
            if self._ops is not None:
                self._ops.tell(*of_death(claimed, settled, fell), but_not_by=claimed.channel)

    def _fell_back(self, asked: list[Overdue], found: Sequence[tuple[int, datetime | None]]) -> None:
        for overdue, (fell, _) in zip(asked, found, strict=True):
            if fell:
                logger.warning("deliveries=%d channel=%s fell back to=%s", fell, overdue.channel, overdue.to)
                self.wake({overdue.to})

    # --- when a channel is paused, or not any more (any thread) --------------------------------------------

    def _changed(self, change: Change) -> None:
        self._metrics.channel_paused.labels(change.channel).set(change.pause is not None)
        self._pauses.put(change)

    def _tell(self, channel: str, pause: Pause, is_over: bool) -> None:
        if self._ops is not None:
            way, now = self._ways[channel], self._clock.now()
            if is_over:
                self._ops.tell(*of_recovery(channel, pause, now), clears=f"paused {channel}")
            else:
                self._ops.tell(
                    *of_pause(way, pause, now), but_not_by=channel, clears=f"works again {channel}"
                )

    def _not_saved(self, _forgotten: Sequence[object], error: Exception) -> None:
        """Forget it: the next change is kept, and a restart tries the channel anyway."""
        if not isinstance(error, StoreUnavailable):
            raise error

    def _saved(self, changes: list[Change], _answers: Sequence[None]) -> None:
        self.wake({change.channel for change in changes if change.pause is None})

    # --- in the writer's thread, within a transaction ------------------------------------------------------

    def _save_pauses(self, transaction: Transaction, changes: list[Change]) -> list[None]:
        for change in changes:
            transaction.save_pause(change.channel, change.pause)
        sending = {change.channel for change in changes if change.pause is None}
        transaction.unblock(sending, self._clock.now())
        return [None] * len(changes)

    def _settle_lost(
        self, transaction: Transaction, now: datetime | None
    ) -> tuple[list[tuple[str, Settled]], datetime | None]:
        settled = [(one.channel, self._settled_lost(one)) for one in transaction.lost(now)]
        transaction.settle([one for _, one in settled])
        return settled, transaction.next_lease_end()

    def _settled_lost(self, lost: Lost) -> Settled:
        tries, due, is_unsure = lost.standing.tries, lost.standing.due, lost.standing.is_unsure
        made, fallback = Verdict(DeliveryState.PENDING, "", due, tries, is_unsure), ""
        result = Result(outcome=Outcome.UNKNOWN, detail=_DIED)
        if lost.was_begun and lost.channel in self._ways:
            way = self._ways[lost.channel]
            # Due at once, as far as it is sent again: what happened had nothing to do with the provider.
            made = verdict(way.policy, lost.standing, result, self._clock.now(), 0)
            fallback = way.fallback if made.falls_back else ""
        return Settled(
            delivery=lost.id,
            lease=lost.lease,
            number=lost.attempts if lost.was_begun else lost.attempts + 1,
            finished=None,
            outcome=result.outcome,
            detail=result.detail,
            verdict=made,
            fallback=fallback,
        )


def _line(settling: Settling) -> str:
    claimed, settled = settling.claimed, settling.settled
    return (
        f"delivery={claimed.id} event={_event_of(claimed)} rule={claimed.rule} channel={claimed.channel} "
        f"attempt={settled.number} outcome={settled.outcome} state={settled.verdict.state}"
    )


def _event_of(claimed: Claimed) -> str:
    return claimed.event.id if claimed.event else "-"


def _claim(transaction: Transaction, claims: list[Claim]) -> list[tuple[list[Claimed], datetime | None]]:
    """Claim for each carrier that asks, and say when its next delivery is due."""
    return [
        (
            transaction.claim(claim.channel, claim.most, secrets.token_hex(8), claim.now, claim.until),
            transaction.next_due(claim.channel),
        )
        for claim in claims
    ]


def _fall_back(transaction: Transaction, asked: list[Overdue]) -> list[tuple[int, datetime | None]]:
    return [
        transaction.fall_back_overdue(one.channel, one.to, one.before, one.now, one.most) for one in asked
    ]


def _save_spent(transaction: Transaction, spent: list[tuple[str, str]]) -> list[None]:
    transaction.save_spent(dict(spent))
    return [None] * len(spent)


def _state(settling: Settling) -> DeliveryState:
    return settling.settled.verdict.state


def _nothing(_transaction: Transaction) -> None:
    """Stand behind what waits."""


def _settle(transaction: Transaction, settlings: list[Settling]) -> list[bool]:
    """Keep the outcomes; say of each whether a fallback tells the message."""
    fell = transaction.settle([settling.settled for settling in settlings])
    return [settling.settled.delivery in fell for settling in settlings]
