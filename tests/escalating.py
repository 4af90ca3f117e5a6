"""A rule that escalates, decided and sent on a real store with a clock that the test moves, and who takes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.carrying import ScriptedChannel, World
from tests.fakes import make_rule
from tests.stored import body
from zennotify.acknowledgement import Acknowledger, Acknowledging
from zennotify.core.escalation import Step
from zennotify.core.model import Zone
from zennotify.core.rule import Rule, RuleSet
from zennotify.decider import Decider
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.store.rows import NewEvent
from zennotify.store.transaction import Transaction
from zennotify.store.views import DeliveryView
from zennotify.zenoti.event import Reading

MINUTE = timedelta(minutes=1)
STEPS = (Step(10 * MINUTE, ("lead",)), Step(30 * MINUTE, ("lead", "owner")))
EVENT_TYPE = "Class.Booking.NoShow"
PUBLIC_URL = "https://alerts.example.com"


def escalating(id_: str = "r", steps: tuple[Step, ...] = STEPS, **changes: Any) -> Rule:
    """The rule `r`: tells the desk, then the lead, then the owner, too."""
    return replace(
        make_rule(id_, EVENT_TYPE.casefold()), description="A guest did not come", escalate=steps, **changes
    )


class Escalation(World):
    """A daemon's decider and outbox."""

    def __init__(
        self, folder: Path, *rules: Rule, channels: Iterable[str] = ("desk", "lead", "owner")
    ) -> None:
        super().__init__(folder)
        self.channels = {name: ScriptedChannel(self.clock) for name in channels}
        self._ways = [self.way(name, channel) for name, channel in self.channels.items()]
        self.start(*self._ways, ops="desk" if "desk" in self.channels else "")
        self._events = 0
        self.rules = RuleSet("first", rules or (escalating(),))
        self._past: dict[str, RuleSet] = {}
        self._make_decider()

    def _make_decider(self) -> None:
        """Make what decides and acknowledges, as a new process would."""
        shapes = {way.name: (way.channel.form, way.channel.room) for way in self._ways}
        self.decider = Decider(
            self.store.writer,
            self.clock,
            Metrics(),
            reading=Reading(Zone.CENTER, {}),
            wake=self._wake,
            ops=Ops(self.store.writer, self.clock, ["desk"], shapes, self._wake),
            past=self._past.get,
        )
        self.decider.use(self.rules)
        acknowledging = Acknowledging(
            self.store.reader,
            shapes,
            lambda: self.rules,
            self._past.get,
            time_zone="Europe/Berlin",
            locale="en-US",
        )
        self.acknowledger = Acknowledger(acknowledging, self.store.writer, self.clock, PUBLIC_URL, self._wake)

    def _wake(self, channels: set[str]) -> None:
        assert self.outbox is not None
        self.outbox.wake(channels)

    async def begin(self) -> None:
        await self.acknowledger.start()
        await self.decider.recover()

    async def start_anew(self) -> None:
        """Die and come back."""
        await self.restart(*self._ways, ops="desk")
        self._make_decider()
        await self.begin()

    def use(self, *rules: Rule) -> None:
        """Bring other rules into force."""
        self._past[self.rules.hash] = self.rules
        self.rules = RuleSet(f"after {self.rules.hash}", rules)
        self.decider.use(self.rules)

    async def happens(self) -> None:
        """Let an event come."""
        self._events += 1
        number, now = self._events, self.clock.now()
        event = NewEvent(
            id=f"{number:032x}",
            event_id=f"e-{number}",
            type=EVENT_TYPE,
            center=None,
            at=None,
            received_at=now,
            fingerprint=f"{number:032x}",
            body=body(number, EVENT_TYPE, {}),
        )

        def read_back(_transaction: Transaction) -> None:
            self.decider.fall_behind()

        await self.store.writer.call(Transaction.add_events, [event])
        await self.store.writer.call(read_back)
        await self.fire()

    async def fire(self) -> None:
        """Let what is due fire, and be sent."""
        await self.decider.fire(self.clock.now())
        await self.until(self._is_sent)

    async def later(self, by: timedelta) -> None:
        await self.clock.advance(by)
        await self.fire()

    async def until_sent(self) -> None:
        await self.until(self._is_sent)

    def _is_sent(self) -> bool:
        now = self.clock.now()
        return not any(
            one.state == "sending" or (one.state == "pending" and one.due <= now)
            for one in self.store.reader.deliveries()
        )

    def told(self) -> dict[str, int]:
        """How many messages each channel got."""
        return {name: len(channel.sent) for name, channel in self.channels.items()}

    def to(self, channel: str) -> DeliveryView:
        """The last delivery to a channel."""
        return self.store.reader.deliveries(channel=channel)[0]
