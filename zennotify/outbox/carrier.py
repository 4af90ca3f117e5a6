"""Carries one channel's deliveries: a task that claims, and threads that begin, send and settle."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from queue import Empty, SimpleQueue

from zennotify.channel import ChannelProblem
from zennotify.clock import Clock
from zennotify.core.model import DeliveryState, Label, Message, Outcome, Result
from zennotify.core.verdict import OnUnknown, Verdict, verdict
from zennotify.errors import StoreUnavailable, place_of
from zennotify.message import repeated
from zennotify.outbox.gate import Gate
from zennotify.outbox.lanes import Claim, Lanes, Late, Overdue, Settling
from zennotify.outbox.way import Render, Way
from zennotify.store.rows import BY_HAND, Begun, Claimed, Settled, Withheld

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
#: Attempts that are begun together, for each thread: one commit for several costs a fraction of one each.
_BEGUN_AHEAD = 2
#: Before what waits is looked through again for what has waited too long.
_OVERDUE_PAUSE = timedelta(seconds=10)
_NOT_SENT = Result(outcome=Outcome.TEMPORARY, detail="not sent")
#: Before the next claim while the store is unavailable.
STORE_PAUSE = timedelta(seconds=1)


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
    #: When the lease ends, and somebody else may claim it.
    until: datetime
    #: Whether it tries a channel that is paused.
    is_probe: bool = False
    phase: _Phase = _Phase.WAITING
    #: When it is given up (`time.monotonic`), once it is being sent.
    deadline: float = 0.0


class Carrier:
    """Carries one channel's deliveries."""

    def __init__(
        self, way: Way, clock: Clock, render: Render, lanes: Lanes, jitter: Callable[[], float]
    ) -> None:
        self._way = way
        self.gate = Gate(
            way.name,
            threads=way.concurrency,
            rates=way.rates,
            is_for_guests=way.towards is not None,
            jitter=jitter,
        )
        self._clock = clock
        self._render = render
        self._lanes = lanes
        self._jitter = jitter
        #: Set when something may be due, or there is room.
        self.wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopping = False
        #: What a claim under way may bring.
        self._claiming = 0
        #: Before this moment nothing can have waited too long.
        self._overdue_at: datetime | None = None
        #: When so few are open, more are claimed.
        self._refill = way.concurrency * _AHEAD // 2
        #: What is begun and not sent when zennotify dies may have arrived, for all that anybody knows: where such a
        #: message is not just sent again, none is begun before its time.
        is_resent = way.policy.on_unknown is OnUnknown.RESEND
        self._most_begun = way.concurrency * _BEGUN_AHEAD if is_resent else 1
        self._patience = (_PATIENCE * way.timeout).total_seconds()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._claimed: SimpleQueue[_Attempt | None] = SimpleQueue()
        #: Held by the thread that begins attempts.
        self._beginning = threading.Lock()
        #: Begun, and waiting for a thread.
        self._ready: deque[tuple[_Attempt, Message]] = deque()
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
        leave = self.gate.leave(now, self._unsent(), len(self._open))
        if leave.most is not None and leave.most <= 0:
            return await self._wait(leave.again, now)
        room = room if leave.most is None else min(room, leave.most)
        until = now + _LEASE_PATIENCE * _PATIENCE * self._way.timeout + _LEASE_MARGIN
        self._claiming = room
        try:
            claimed, due = await self._lanes.claims.ask(Claim(self._way.name, room, now, until))
        except StoreUnavailable:
            self._claiming = 0
            return now + STORE_PAUSE
        attempts = [_Attempt(delivery, until, leave.is_probe) for delivery in claimed]
        with self._lock:
            self._open.update(attempts)
            self._claiming = 0
        for attempt in attempts:
            self._claimed.put(attempt)
        self._give_back_if_stopping()  # it may have been asked to while it waited for the claim
        return due

    async def _wait(self, again: datetime | None, now: datetime) -> datetime | None:
        """Let fall back what may not be sent and has waited too long; return when to look again."""
        fallback = self._way.policy.fallback
        if fallback is None:
            return again
        at, furthest = self._overdue_at, now + max(fallback.after, _OVERDUE_PAUSE)
        if at is not None and now < at <= furthest:  # one further ahead is of a clock that was wrong
            return _earlier(again, at)
        overdue = Overdue(self._way.name, fallback.channel, now - fallback.after, now)
        try:
            fell, since = await self._lanes.overdue.ask(overdue)
        except StoreUnavailable:
            return now + STORE_PAUSE
        if fell == overdue.most:
            return now
        # What is owed from now on cannot be overdue before that either.  Each look reads all that waits.
        self._overdue_at = max((since or now) + fallback.after, now + _OVERDUE_PAUSE)
        return _earlier(again, self._overdue_at)

    def _unsent(self) -> int:
        """Return how many are claimed that no thread has sent yet."""
        with self._lock:
            waiting = sum(attempt.phase is _Phase.WAITING for attempt in self._open)
            return waiting + self._claiming

    def _give_back_if_stopping(self) -> None:
        """Give back what no thread has taken up yet."""
        while self._stopping:
            try:
                attempt = self._claimed.get_nowait()
            except Empty:
                break
            if attempt is not None:
                self._give_back(attempt)
        while self._stopping and self._ready:
            with contextlib.suppress(IndexError):  # a thread was faster, and gives it back
                self._give_back(self._ready.popleft()[0])

    # --- in the channel's threads --------------------------------------------------------------------------

    def _add_thread(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name=f"send-{self._way.name}", daemon=True).start()

    def _work(self) -> None:
        while (ready := self._next()) is not None:
            attempt, message = ready
            is_late = self._clock.now() >= attempt.until
            if self._stopping or is_late or not self._may_send(attempt):
                self._give_back(attempt)
                continue
            self._settle(attempt, self._send(attempt.claimed, message))

    def _next(self) -> tuple[_Attempt, Message] | None:
        """Return an attempt that is kept, or None at the end.  Who finds none begins some, for all threads."""
        with self._beginning:
            while True:
                with contextlib.suppress(IndexError):
                    return self._ready.popleft()
                attempts = self._take()
                if not attempts:
                    return None
                self._ready.extend(self._begin(attempts))

    def _take(self) -> list[_Attempt]:
        """Wait for a claimed delivery and take what came with it, a few for each thread; nothing at the end."""
        taken: list[_Attempt] = []
        attempt = self._claimed.get()
        while attempt is not None:
            taken.append(attempt)
            if len(taken) >= self._most_begun:
                return taken
            try:
                attempt = self._claimed.get_nowait()
            except Empty:
                return taken
        if taken:
            self._claimed.put(None)
        return taken

    def _begin(self, attempts: list[_Attempt]) -> list[tuple[_Attempt, Message]]:
        """Render and keep the attempts; return those whose lease is still ours."""
        written: list[tuple[_Attempt, Begun]] = []
        for attempt in attempts:
            if self._stopping or (self.gate.pause is not None and not attempt.is_probe):
                self._give_back(attempt)
                continue
            try:
                begun = self._write(attempt.claimed)
                if isinstance(begun, Withheld):
                    self._withhold(attempt, begun)
                else:
                    written.append((attempt, begun))
            except StoreUnavailable:  # what it names cannot be read now
                self._give_back(attempt, STORE_PAUSE)
            except Exception as error:  # a bug of ours: trying again would not help
                self._fail(attempt, place_of(error))
        ready: list[tuple[_Attempt, Message]] = []
        answers = self._lanes.begins.ask_and_wait([begun for _, begun in written])
        for (attempt, begun), answer in zip(written, answers, strict=True):
            if answer is True:
                ready.append((attempt, begun.message))
            elif answer is False:
                self._give_back(attempt)
            elif isinstance(answer, StoreUnavailable):
                self._give_back(attempt, STORE_PAUSE)
            else:
                self._fail(attempt, place_of(answer))
        return ready

    def _write(self, claimed: Claimed) -> Begun | Withheld:
        form = self._way.channel.form
        if claimed.message is None:
            message = self._render(claimed, form, self._way.channel.room)
            if isinstance(message, Withheld):
                return message
        else:
            message = Message(title=claimed.title or "", body=claimed.message, form=form)
        return Begun(
            delivery=claimed.id,
            lease=claimed.lease,
            number=claimed.attempts + 1,
            started=self._clock.now(),
            message=message,
            channel=self._way.name,
            spent=self.gate.spent(self._clock.now(), self._unsent()) if self.gate.has_rates else None,
        )

    def _may_send(self, attempt: _Attempt) -> bool:
        with self._lock:
            if attempt.phase is not _Phase.WAITING:
                return False
            if not self.gate.may_pass(self._clock.now(), is_probe=attempt.is_probe):
                return False
            attempt.phase = _Phase.SENDING
            attempt.deadline = time.monotonic() + self._patience
        if self._overdue is None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._look_for_overdue)
        return True

    def _send(self, claimed: Claimed, message: Message) -> Result:
        try:
            channel = self._way.channel
            if self._way.towards is not None:
                channel = self._way.towards(claimed.recipient)
            if claimed.standing.is_unsure:
                message = repeated(message)
            return channel.send(message, _label(claimed))
        except ChannelProblem as error:  # of this recipient
            return Result(outcome=Outcome.PERMANENT, detail=str(error))
        except Exception as error:  # a bug of ours, or of the provider's plugin, harms this delivery only
            logger.error("delivery=%s failed: %s", claimed.id, place_of(error))  # noqa: TRY400 - no values in the log
            return Result(outcome=Outcome.UNKNOWN, detail=place_of(error))

    def _heed(self, result: Result, *, is_probe: bool, is_by_hand: bool = False) -> None:
        """Leave a channel alone that may not send, or only fails: its tries would cost the others their time."""
        was_paused = self.gate.pause is not None
        self.gate.heed(result, self._clock.now(), is_probe=is_probe, is_by_hand=is_by_hand)
        if was_paused and self._loop is not None:
            self._loop.call_soon_threadsafe(self._has_room)

    def send_by_hand(self, message: Message, label: Label, recipient: str) -> Result:
        """Send one message that is no delivery, now; it counts, and tells whether a paused channel works again."""
        now = self._clock.now()
        free = self.gate.pass_by_hand(now, self._unsent())
        if free is not None:
            wait = max((free - now).total_seconds(), 1)
            detail = f"not sent: the rate of this channel is used up for another {wait:.0f} s"
            return Result(outcome=Outcome.TEMPORARY, detail=detail)
        channel = self._way.channel if self._way.towards is None else self._way.towards(recipient)
        result = channel.send(message, label)
        self._heed(result, is_probe=True, is_by_hand=True)
        return result

    # --- the ends of an attempt (any thread) ---------------------------------------------------------------

    def _settle(self, attempt: _Attempt, result: Result) -> None:
        """Keep the outcome, unless the attempt was given up meanwhile."""
        if self._end(attempt):
            self._heed(result, is_probe=attempt.is_probe)
            now, pause = self._clock.now(), self.gate.pause
            made = verdict(
                self._way.policy,
                attempt.claimed.standing,
                result,
                now,
                self._jitter(),
                is_probe=attempt.is_probe,
                paused_until=None if pause is None else pause.until,
            )
            self._keep(attempt, now, result, made)

    def _fail(self, attempt: _Attempt, detail: str) -> None:
        logger.error("delivery=%s could not be begun: %s", attempt.claimed.id, detail)
        if self._end(attempt):
            now, standing = self._clock.now(), attempt.claimed.standing
            falls_back = self._way.policy.fallback is not None and standing.may_fall_back
            reason = f"failed: {detail}"
            dead = Verdict(DeliveryState.DEAD, reason, now, standing.tries, standing.is_unsure, falls_back)
            self._keep(attempt, now, Result(outcome=Outcome.PERMANENT, detail=detail), dead)

    def _withhold(self, attempt: _Attempt, withheld: Withheld) -> None:
        """End a delivery that is not wanted any more."""
        if self._end(attempt):
            now, standing = self._clock.now(), attempt.claimed.standing
            over = Verdict(DeliveryState.CANCELLED, withheld.reason, now, standing.tries, standing.is_unsure)
            if withheld.is_gathered:
                settled = self._settled(attempt.claimed, now, _NOT_SENT, over, is_attempt=False)
                self._lanes.lates.put(Late(attempt.claimed, settled, now))
                self._close(attempt)
            else:
                self._keep(attempt, now, _NOT_SENT, over, is_attempt=False)

    def _give_back(self, attempt: _Attempt, pause: timedelta = timedelta(0)) -> None:
        """Make a delivery pending again of which nothing has left the house."""
        if self._end(attempt):
            now = self._clock.now()
            standing = attempt.claimed.standing
            due = now + pause if pause else standing.due
            # Who wants it sent by hand still does: it is not too late then.
            reason = BY_HAND if attempt.claimed.is_by_hand else ""
            waits = Verdict(DeliveryState.PENDING, reason, due, standing.tries, standing.is_unsure)
            self._keep(attempt, now, _NOT_SENT, waits, is_attempt=False)

    def _give_up(self, attempt: _Attempt, why: str) -> None:
        if attempt.phase is _Phase.SENDING:
            self._settle(attempt, Result(outcome=Outcome.UNKNOWN, detail=why))
        else:
            self._give_back(attempt)

    def _end(self, attempt: _Attempt) -> bool:
        """End an attempt; return False where another thread has done so.  `_keep` must follow."""
        with self._lock:
            if attempt.phase is _Phase.OVER:
                return False
            attempt.phase = _Phase.OVER
            return True

    def _keep(
        self, attempt: _Attempt, now: datetime, result: Result, made: Verdict, *, is_attempt: bool = True
    ) -> None:
        """Hand the outcome to the writer; only then is the attempt no longer open."""
        settled = self._settled(attempt.claimed, now, result, made, is_attempt=is_attempt)
        self._lanes.settles.put(Settling(attempt.claimed, settled, is_attempt))
        self._close(attempt)

    def _settled(
        self, claimed: Claimed, now: datetime, result: Result, made: Verdict, *, is_attempt: bool
    ) -> Settled:
        return Settled(
            delivery=claimed.id,
            lease=claimed.lease,
            number=claimed.attempts + 1,
            finished=now,
            outcome=result.outcome,
            detail=result.detail,
            verdict=made,
            fallback=self._way.fallback if made.falls_back else "",
            # What never left is written anew: names may arrive meanwhile, and it may become too old.
            is_unwritten=not is_attempt and claimed.message is None,
        )

    def _close(self, attempt: _Attempt) -> None:
        with self._lock:
            self._open.discard(attempt)
            left = len(self._open)
        is_held = self.gate.has_rates or self.gate.pause is not None
        if self._loop is not None and (left == self._refill or self._stopping or is_held):
            self._loop.call_soon_threadsafe(self._has_room)

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


def _label(claimed: Claimed) -> Label:
    event, is_repeat = claimed.event, claimed.standing.is_unsure
    if event is None:
        return Label(claimed.id, claimed.rule, is_repeat=is_repeat)
    return Label(claimed.id, claimed.rule, event.id, event.type, is_repeat)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)
