"""An outbox on a real store and a clock that the test moves, with channels that say what they are told to."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tests.fakes import START, FakeClock
from zennotify.core.model import Form, Label, Message, Outcome, Result, Room
from zennotify.core.rate import Rate
from zennotify.core.verdict import Fallback, OnUnknown, Policy
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.outbox import Outbox, Way
from zennotify.store import Store
from zennotify.store.number import delivery_id
from zennotify.store.rows import Begun, Claimed, NewDelivery, NewEvent
from zennotify.store.transaction import Transaction
from zennotify.store.views import DeliveryView

RETRY = tuple(timedelta(seconds=seconds) for seconds in (0, 5, 30, 300, 1800, 7200, 18000, 36000))
SENT = Result(outcome=Outcome.SENT)
BUSY = Result(outcome=Outcome.TEMPORARY, detail="HTTP 503")


class ScriptedChannel:
    """A channel that says what it is told to, and knows when it was asked."""

    form = Form.CHAT
    room = Room()

    def __init__(self, clock: FakeClock, *results: Result) -> None:
        self._clock = clock
        self._results = list(results) or [SENT]
        self._lock = threading.Lock()
        self.sent: list[tuple[datetime, str]] = []
        self.labels: list[Label] = []
        self.at_once = 0
        self.most_at_once = 0
        #: Sends wait here; set for all but the tests of slowness.
        self.open = threading.Event()
        self.open.set()

    def answer(self, result: Result) -> None:
        self._results = [result]

    def send(self, message: Message, label: Label) -> Result:
        with self._lock:
            self.sent.append((self._clock.now(), message.body))
            self.labels.append(label)
            result = self._results.pop(0) if len(self._results) > 1 else self._results[0]
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.open.wait(10)
        with self._lock:
            self.at_once -= 1
        return result


class World:
    """An outbox on a real store."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = Store.open(f"sqlite:///{folder / 'store.db'}")
        self.store.writer.start()
        self.outbox: Outbox | None = None
        #: When the next timer is due, each time that the outbox said so.
        self.timers: list[datetime | None] = []
        self._task: asyncio.Task[None] | None = None

    def way(
        self,
        name: str,
        channel: ScriptedChannel,
        *,
        concurrency: int = 4,
        timeout: float = 10,
        rates: Sequence[Rate] = (),
        on_unknown: OnUnknown = OnUnknown.RESEND,
        fallback: Fallback | None = None,
    ) -> Way:
        return Way(
            name=name,
            channel=channel,
            concurrency=concurrency,
            timeout=timedelta(seconds=timeout),
            policy=Policy(retry=RETRY, on_unknown=on_unknown, fallback=fallback),
            rates=rates,
        )

    def start(self, *ways: Way, ops: str = "") -> Outbox:
        """Start an outbox; `ops`: the channel that hears of troubles."""
        outbox = self._make(*ways, ops=ops)
        self._task = asyncio.create_task(outbox.run())
        return outbox

    def _make(self, *ways: Way, ops: str) -> Outbox:

        def wake(channels: set[str]) -> None:
            outbox.wake(channels)

        def reaching(channel: str, but_not_by: str) -> str | None:
            return outbox.reaching(channel, but_not_by)

        shapes = {way.name: (way.channel.form, way.channel.room) for way in ways}
        told = [ops] if ops else []
        tell = Ops(self.store.writer, self.clock, told, shapes, wake, reaching)
        self.metrics = Metrics()
        outbox = self.outbox = Outbox(
            self.store.writer,
            self.clock,
            self.metrics,
            self.render,
            ways,
            tell,
            jitter=lambda: 1.0,
            set_timer=self.timers.append,
        )
        return outbox

    async def restart(self, *ways: Way, ops: str = "") -> Outbox:
        """Start another outbox on the same store, as a new process would."""
        await self.stop()
        for _ in range(2):  # a process that ends lets the writer do what waits
            await self.store.writer.call(nothing)
        outbox = self._make(*ways, ops=ops)
        await outbox.take_over()
        self._task = asyncio.create_task(outbox.run())
        return outbox

    async def pass_time(self, by: timedelta, asleep: timedelta) -> None:
        """Move on; `asleep`: when, from then on, somebody sleeps until before anything more happens."""
        await self.clock.advance(by)
        await self.until_asleep(self.clock.now() + asleep)

    def render(self, claimed: Claimed, form: Form, room: Room) -> Message:
        return Message(title="Title", body=f"text of {claimed.id}", form=form)

    async def owe(self, *numbers: int, channel: str = "desk") -> None:
        await self.store.writer.call(keep, numbers, channel)
        assert self.outbox is not None
        self.outbox.wake({channel})

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the threads and the loop work until something holds."""
        async with asyncio.timeout(10):
            while not holds():
                await self.store.writer.call(nothing)

    async def until_asleep(self, when: datetime) -> None:
        """Let them work until somebody sleeps until this moment."""
        await self.until(lambda: when in self.clock.alarms)

    def delivery(self, number: int) -> DeliveryView:
        [found] = self.store.reader.delivery(delivery_id(FIRST + number - 1))
        return found

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def close(self) -> None:
        await self.stop()
        await asyncio.to_thread(self.store.close)


#: The number of the first delivery of a store whose clock says START.
FIRST = int(START.timestamp())


def keep(transaction: Transaction, numbers: tuple[int, ...], channel: str) -> None:
    for number in numbers:
        event = NewEvent(
            id=f"e{number}",
            event_id=str(number),
            type="T",
            center=None,
            at=None,
            received_at=START,
            fingerprint=str(number),
            body=b"{}",
        )
        [place] = transaction.add_events([event])
        transaction.add_deliveries([NewDelivery(place, "r", channel, "", START, START)])


def nothing(_transaction: Transaction) -> None:
    """Wait for the writer's next commit."""


SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WRONG_TOKEN = Result(outcome=Outcome.BLOCKED, detail="HTTP 401: invalid_auth")
REFUSED = Result(outcome=Outcome.PERMANENT, detail="HTTP 400")
UNKNOWN = Result(outcome=Outcome.UNKNOWN, detail="no answer; the message may have arrived")
TOO_MANY = Result(outcome=Outcome.TEMPORARY, detail="HTTP 429", retry_after=10 * MINUTE, of_channel=True)
MAIL = Fallback("mail", 15 * MINUTE)


def states(world: World, channel: str = "desk") -> Counter[str]:
    found = world.store.reader.deliveries(channel=channel, most=10_000)
    return Counter(f"{one.state} {one.reason}".strip() for one in found)


def is_quiet(world: World, outbox: Outbox) -> bool:
    """Whether all is sent, or waits for the channel's next probe."""
    found = states(world)
    waits = found["pending"] + found["pending blocked"] + found["sending"] + found["sending blocked"]
    pause = outbox.pauses().get("desk")
    return waits == 0 or (pause is not None and pause.until in world.clock.alarms)


def texts(channel: ScriptedChannel) -> list[str]:
    return [text for _, text in channel.sent]


def moments(channel: ScriptedChannel) -> list[timedelta]:
    return [moment - START for moment, _ in channel.sent]


async def die_while_sending(world: World, *numbers: int) -> None:
    """Leave deliveries as a process does that dies in the middle of their sends."""
    await world.store.writer.call(keep, numbers, "desk")

    def begin(transaction: Transaction) -> None:
        claimed = transaction.claim("desk", len(numbers), "dead", START, START + HOUR)
        message = Message(title="Title", body="kept text", form=Form.CHAT)
        transaction.begin(
            [
                Begun(delivery=one.id, lease="dead", number=1, started=START, message=message, channel="desk")
                for one in claimed
            ]
        )

    await world.store.writer.call(begin)


def keep_of(transaction: Transaction, place: int) -> None:
    transaction.add_deliveries([NewDelivery(place, "r", "mail", "", START, START)])
