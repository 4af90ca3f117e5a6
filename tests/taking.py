"""A message that has been sent, in a real store, and the acknowledger that takes what comes by its link."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.carrying import keep, nothing
from tests.fakes import FakeClock, make_rule
from zennotify.acknowledgement import Acknowledger, Acknowledging
from zennotify.core.model import Form, Room
from zennotify.core.rule import Rule, RuleSet
from zennotify.store import Store
from zennotify.store.views import DeliveryView

CHANNELS = {"desk": (Form.CHAT, Room()), "mail": (Form.EMAIL, Room())}


@dataclass
class Desk:
    """A store in which the rule `r` has told `desk` of an event."""

    store: Store
    clock: FakeClock
    acknowledger: Acknowledger
    woken: list[set[str]] = field(default_factory=list)

    @property
    def delivery(self) -> DeliveryView:
        return self.store.reader.deliveries()[-1]

    @property
    def path(self) -> str:
        """The link's path, without its site."""
        return "/ack/" + self.acknowledger.url(self.delivery.id).rpartition("/")[2]

    def taken_by(self) -> str | None:
        found = self.store.reader.acknowledgement(self.delivery.id)
        return None if found is None else found.by


@asynccontextmanager
async def taking(
    folder: Path, *, public_url: str | None = "https://alerts.example.com", rule: Rule | None = None
) -> AsyncIterator[Desk]:
    """Open the store, and close it in the end."""
    store, clock = Store.open(f"sqlite:///{folder / 'store.db'}"), FakeClock()
    store.writer.start()
    await store.writer.call(keep, (1,), "desk")
    rules = RuleSet("", (rule or make_rule(),))
    acknowledging = Acknowledging(
        store.reader, CHANNELS, lambda: rules, lambda _: None, time_zone="Europe/Berlin", locale="en-US"
    )
    woken: list[set[str]] = []
    acknowledger = Acknowledger(acknowledging, store.writer, clock, public_url, woken.append)
    await acknowledger.start()
    await store.writer.call(nothing)
    try:
        yield Desk(store, clock, acknowledger, woken)
    finally:
        store.close()
