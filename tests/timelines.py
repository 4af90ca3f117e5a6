"""A decider with its timers and its intake on a real store, and a clock that the test moves: what happens when."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import text

from tests.fakes import START, FakeClock, let_loop_work, make_rule
from zennotify.core.absent import Absent
from zennotify.core.digest import Digest
from zennotify.core.during import During
from zennotify.core.escalation import Step
from zennotify.core.hours import OpeningHours, read_ranges
from zennotify.core.model import Event, Form, Names, Room, Zone
from zennotify.core.notify import Directory
from zennotify.core.path import Path as FieldPath
from zennotify.core.path import parse_path
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.wait import Opposite, Wait
from zennotify.decider import Decider
from zennotify.errors import StoreUnavailable
from zennotify.intake import Intake, Receipt
from zennotify.metrics import Metrics
from zennotify.ops import OPS, Ops
from zennotify.store import Store
from zennotify.store.schema import from_micros
from zennotify.store.transaction import Transaction
from zennotify.timers import Timers
from zennotify.zenoti.envelope import Envelope, read_envelope
from zennotify.zenoti.event import Reading

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_rule(name: str, *events: str, **stages: Any) -> Rule:
    """Return a rule for these types of events, with any stages."""
    return replace(make_rule(name, *(event.casefold() for event in events)), **stages)


def per(*paths: str) -> tuple[FieldPath, ...]:
    return tuple(parse_path(path) for path in paths)


def a_wait(period: timedelta, *unless: str, by: str = "data.key", **more: Any) -> Wait:
    opposites = tuple(Opposite(events=(event.casefold(),)) for event in unless)
    return Wait(text=str(period), period=period, unless=opposites, per=per(by) if by else (), **more)


def an_absence(period: timedelta, **more: Any) -> Absent:
    return Absent(period=period, per=per("data.key"), **more)


class Owed(NamedTuple):
    """A delivery, as far as time is concerned; moments as they lie behind the start."""

    rule: str
    #: The `data.key` of its event, or of those that were gathered.
    about: str
    due: timedelta
    created: timedelta
    meant: timedelta | None
    counted: int = 0
    step: int = 0


class Process:
    """One life of the daemon, as far as it decides."""

    def __init__(self, world: Timeline) -> None:
        self.store = Store.open(world.url)
        #: Whether the next transaction that decides is the last one, and is not committed.
        self.crashes = False
        #: What the next transaction that decides raises before it is committed, once.
        self.raises: Exception | None = None
        #: How often timers were asked for.
        self.asked = 0
        self.has_died = asyncio.Event()
        loop = asyncio.get_running_loop()
        writer, clock, metrics = self.store.writer, world.clock, Metrics()

        def on_death(_error: Exception) -> None:
            loop.call_soon_threadsafe(self.has_died.set)

        writer.on_death = on_death
        ops = Ops(writer, clock, ["mail"], {"mail": (Form.EMAIL, Room())}, lambda _channels: None)
        reading = Reading(Zone.CENTER)

        def set_timer(due: datetime | None) -> None:
            self.timers.set(due)

        self.decider = Decider(
            writer,
            clock,
            metrics,
            reading=reading,
            wake=lambda _channels: None,
            ops=ops,
            past=world.sets.get,
            set_timer=set_timer,
        )
        self.timers = Timers(writer, clock, self._fire)
        self.intake = Intake(writer, clock, metrics, reading=reading, decider=self.decider, ops=ops)
        lane = self.decider._events
        handle = lane.handle

        def decide(transaction: Transaction, items: list[Any]) -> Sequence[Any]:
            answers = handle(transaction, items)
            if self.crashes:
                raise SystemError("the process ends here")
            error, self.raises = self.raises, None
            if error is not None:
                raise error
            return answers

        lane.handle = decide
        self._tasks: list[asyncio.Task[None]] = []

    async def _fire(self, now: datetime) -> Any:
        self.asked += 1
        return await self.decider.fire(now)

    def start(self, rules: RuleSet | None, *, recovers: bool = True) -> None:
        self.store.writer.start()
        if rules is not None:
            self.decider.use(rules)
        self._tasks = [asyncio.create_task(self._run_timers())]
        if recovers:
            self._tasks.append(asyncio.create_task(self.decider.recover()))

    async def _run_timers(self) -> None:
        await self.decider.has_rules()
        await self.timers.run()

    async def end(self) -> None:
        """End at once, as a kill does between two transactions: what waits is not done any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for lane in self.store.writer._lanes:
            lane._waiting.clear()
        await asyncio.to_thread(self.store.close)


class Timeline:
    """A store, a clock, and the processes that come and go over them."""

    def __init__(
        self, folder: Path, *rules: Rule, start: datetime = START, directory: Directory | None = None
    ) -> None:
        self.url = f"sqlite:///{folder / 'store.db'}"
        self.start = start
        self.clock = FakeClock(start)
        #: All rule sets there have been, as the store keeps them.
        self.sets: dict[str, RuleSet] = {}
        self._directory = directory or Directory()
        self._posted = 0
        self.rules = self.made(*rules) if rules else None
        self.process = Process(self)
        self.process.start(self.rules)

    def made(self, *rules: Rule) -> RuleSet:
        """Make a rule set, as it is kept in the store."""
        made = RuleSet(f"set {len(self.sets) + 1}", rules, self._directory)
        self.sets[made.hash] = made
        return made

    # --- what happens -------------------------------------------------------------------------------------

    def reload(self, *rules: Rule) -> None:
        """Bring other rules into force."""
        self.rules = self.made(*rules)
        self.process.decider.use(self.rules)

    async def restart(self, *, recovers: bool = True) -> None:
        """Kill the process between two transactions, and start another."""
        await self.process.end()
        self.process = Process(self)
        self.process.start(self.rules, recovers=recovers)

    async def has_died(self) -> None:
        """Wait until the process has died in a transaction."""
        async with asyncio.timeout(10):
            await self.process.has_died.wait()

    async def crash(self, meanwhile: Callable[[], Any]) -> None:
        """Kill the process in the transaction that decides what comes now, and start another."""
        self.process.crashes = True
        await meanwhile()
        await self.has_died()
        await self.restart()

    def skip(self, by: timedelta) -> None:
        """Let time pass without anybody waking: a jump of the clock, or a while in which nothing runs."""
        self.clock._now += by

    async def post(self, event_type: str, key: str = "k", **more: Any) -> str:
        """Post an event and let it be decided; return its id."""
        receipt = await self.accept(event_type, key, **more)
        assert receipt.event is not None
        await self.settle()
        return receipt.event

    async def accept(
        self,
        event_type: str,
        key: str = "k",
        *,
        at: datetime | None = None,
        stamped: datetime | None = None,
        is_bare: bool = False,
        name: str = "",
    ) -> Receipt:
        """Post an event that happens now, or at `at`, and return when it has been kept.

        `stamped`: when it arrived; `is_bare`: it has no envelope; `name`: its id, otherwise it is a new one.
        """
        self._posted += 1
        now = stamped or self.clock.now()
        data = {"key": key, "number": self._posted}
        whole = {
            "event_id": name or f"event {self._posted}",
            "event_type": event_type,
            "event_timestamp": (at or now).isoformat(),
            "data": data,
        }
        body = json.dumps(data if is_bare else whole).encode()
        envelope = read_envelope(body, event_type if is_bare else None)
        assert isinstance(envelope, Envelope)
        return await self.process.intake.accept(envelope, body, now)

    async def accept_at_once(self, *arrivals: tuple[str, str, datetime]) -> None:
        """Post events of these types, keys and arrivals, and let one transaction keep them, and one decide them."""
        await self.settle()
        gate = threading.Event()
        held = asyncio.ensure_future(self.process.store.writer.call(lambda _: gate.wait(10)))
        posts = [
            asyncio.ensure_future(self.accept(event_type, key, stamped=stamped))
            for event_type, key, stamped in arrivals
        ]
        await let_loop_work()
        gate.set()
        assert await held
        await asyncio.gather(*posts)

    async def repeat(self, event_type: str, key: str, *, at: datetime, name: str) -> Receipt:
        """Post the last event once more."""
        self._posted -= 1
        return await self.accept(event_type, key, at=at, name=name)

    async def flush(self) -> None:
        """Let the writer do what waits, and the loop hear of it."""
        with suppress(StoreUnavailable):
            await self.process.store.writer.call(_nothing)
        await let_loop_work()

    async def settle(self) -> None:
        """Let the threads and the loop work until nothing is left to do now."""
        calm = 0
        async with asyncio.timeout(20):
            while calm < 2:
                await self.flush()
                calm = calm + 1 if await self._is_calm() else 0

    async def _is_calm(self) -> bool:
        process = self.process
        if process.has_died.is_set():
            return True
        if process.timers._wake.is_set() or len(process.decider._events):
            return False
        if process.decider.rule_set is None:
            return True
        try:
            undecided = await process.store.writer.call(Transaction.last_undecided)
        except StoreUnavailable:
            return False
        return bool(self.clock.alarms) and not undecided

    async def until(self, moment: datetime) -> None:
        """Let time pass, and at each timer's moment wait for what it leads to."""
        await self.settle()
        while (due := self.process.timers._next) is not None and self.clock.now() < due <= moment:
            await self._go_to(due)
        await self._go_to(moment)

    async def _go_to(self, moment: datetime) -> None:
        # Of a long time most is left out: to look at the clock every 30 seconds takes the test's time.
        self.skip(max(moment - self.clock.now() - MINUTE, timedelta()))
        await self.clock.advance(moment - self.clock.now())
        await self.settle()

    async def pass_time(self, by: timedelta) -> None:
        await self.until(self.clock.now() + by)

    async def close(self) -> None:
        await self.process.end()

    # --- what has come of it ------------------------------------------------------------------------------

    @property
    def now(self) -> timedelta:
        return self.clock.now() - self.start

    def rows(self, query: str, **parameters: Any) -> Sequence[Any]:
        with self.process.store.reader._engine.connect() as connection:
            return connection.execute(text(query), parameters).all()

    def reopened(self, place: int) -> Event:
        """Return an event as it is read back from the store."""
        kept = self.process.store.write(Transaction.events_at, [place])
        return self.process.decider._reopen(kept[place]).event

    def owed(self) -> list[Owed]:
        """Return the deliveries that rules led to, in the order in which they were made."""
        rows = self.rows(f"SELECT * FROM deliveries WHERE rule != '{OPS}' ORDER BY seq")
        return [
            Owed(
                row.rule,
                self._about(row),
                from_micros(row.due) - self.start,
                from_micros(row.created) - self.start,
                None if row.meant is None else from_micros(row.meant) - self.start,
                row.counted,
                row.step,
            )
            for row in rows
        ]

    def _about(self, row: Any) -> str:
        if row.event is not None:
            places = [row.event]
        else:
            found = self.rows("SELECT event FROM gathered WHERE number = :n ORDER BY event", n=row.gathered)
            places = [one.event for one in found]
            assert row.window == f"{row.rule} {row.gathered}"
        return " ".join(self._key(place) for place in places)

    def _key(self, place: int) -> str:
        [(body,)] = self.rows("SELECT body FROM events WHERE seq = :place", place=place)
        return str(json.loads(body)["data"]["key"])

    def decisions(self) -> list[tuple[str, str]]:
        """Return rule and reason of each decision, in the order of the events."""
        return [(row.rule, row.reason) for row in self.rows("SELECT * FROM decisions ORDER BY event, place")]

    def details(self) -> list[str]:
        return [row.detail for row in self.rows("SELECT detail FROM decisions ORDER BY event, place")]

    def troubles(self) -> list[str]:
        """Return what the owners were told."""
        rows = self.rows(f"SELECT message FROM deliveries WHERE rule = '{OPS}' ORDER BY seq")
        return [row.message for row in rows]

    def timers(self) -> list[tuple[str, str, timedelta]]:
        """Return rule, stage and due moment of each window with a timer."""
        rows = self.rows("SELECT * FROM windows WHERE due IS NOT NULL ORDER BY due, rule, stage, key")
        return [(row.rule, row.stage, from_micros(row.due) - self.start) for row in rows]


def _nothing(_transaction: Transaction) -> None:
    """Wait for the writer's next commit."""


# --- rules and what they lead to ------------------------------------------------------------------------------

Make = Callable[..., Timeline]


def during(ranges: str) -> During:
    return During(text=ranges, hours=OpeningHours(week=(read_ranges(ranges),) * 7))


def in_zone(name: str) -> Directory:
    zone = ZoneInfo(name)

    def local(_names: Names | None, moment: datetime) -> datetime:
        return moment.astimezone(zone)

    return Directory(local=local)


def fired(name: str, moment: timedelta, about: str = "k", **more: Any) -> Owed:
    """What a timer led to that was due at a moment after the start."""
    return Owed(name, about, moment, moment, moment, **more)


FROZEN = a_rule("frozen", "Frozen", wait=a_wait(10 * MINUTE, "Unfrozen"))
SUMMARY = a_rule("summary", "Cancelled", digest=Digest(every=15 * MINUTE))
CLOSED = a_rule("closed", "Closed", absent=an_absence(2 * HOUR))
LOW = a_rule("low", "Low", escalate=(Step(30 * MINUTE, ("boss",)), Step(HOUR, ("owner", "boss"))))
