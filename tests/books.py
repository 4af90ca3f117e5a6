"""A rulebook on a real store, and events for it to write messages of."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.carrying import FIRST
from tests.fakes import START, FakeClock
from zennotify.core.model import Form, Message, Room, Zone
from zennotify.core.verdict import Standing
from zennotify.core.window import Gathered
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.rulebook import Rulebook, Surroundings
from zennotify.store import Reader, Store
from zennotify.store.number import delivery_id
from zennotify.store.rows import Claimed, KeptEvent, NewEvent, Withheld
from zennotify.store.transaction import Transaction
from zennotify.zenoti.event import Reading

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CHANNELS = {"desk": Form.CHAT, "sms": Form.SMS}
CENTERS = """
centers:
  c1: {name: Bellevue, time_zone: America/Los_Angeles, currency: USD}
  c2: {name: Paris, time_zone: Europe/Paris, currency: EUR}
"""
LIST = "{{ count }} are new:{% for e in events %} {{ e.guest.name }}{% endfor %}. Last: {{ guest.name }}."


@dataclass
class Book:
    """A rulebook on a store, and what it reads."""

    store: Store
    rulebook: Rulebook
    clock: FakeClock
    #: The things that were read of the store, one list for each time.
    read: list[Collection[str]]

    def keep(self, *events: NewEvent) -> range:
        """Keep events that have been decided."""
        places = self.store.write(Transaction.add_events, events)
        self.store.write(Transaction.finish_events, [(place, None) for place in places], None)
        return places

    def gather(self, *events: NewEvent, late: Collection[int] = (), number: int = 1) -> None:
        places = self.keep(*events)
        those = [Gathered(number, place, place in late) for place in places]
        self.store.write(Transaction.gather, those)

    def render(
        self, claimed: Claimed, form: Form = Form.CHAT, room: Room | None = None
    ) -> Message | Withheld:
        assert self.rulebook.rules is not None
        found = replace(claimed, rule_set=self.rulebook.rules.hash)
        return self.rulebook.render(found, form, room or Room())

    def body(self, claimed: Claimed, form: Form = Form.CHAT, room: Room | None = None) -> str:
        message = self.render(claimed, form, room)
        assert isinstance(message, Message)
        return message.body.removesuffix(f"\n\nRef {claimed.id[:8]}")

    def kept(self, place: int) -> KeptEvent:
        [found] = self.store.write(lambda transaction: list(transaction.events_at([place]).values()))
        return found


class Books:
    """Makes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = Store.open(f"sqlite:///{folder / 'store.db'}")
        self._store.writer.start()

    def make(self, rule: str = "", message: str = LIST, template: str = "") -> Book:
        """Make one of a single rule."""
        rules, templates = self._folder / "rules", self._folder / "templates"
        for folder in (rules, templates):
            folder.mkdir(exist_ok=True)
        says = f"message: {json.dumps(message)}"
        if template:
            (templates / "t.j2").write_text(template)
            says = "template: t.j2"
        event = "" if "absent:" in rule else "event: Guest.Created\n    "
        (rules / "r.yaml").write_text(
            f"rules:\n  - id: r\n    description: New guests\n    {event}notify: [desk]\n    {says}\n    {rule}\n"
        )
        (self._folder / "centers.yaml").write_text(CENTERS)
        store, clock = self._store, FakeClock()
        around = Surroundings(
            rules=rules,
            templates=templates,
            centers=self._folder / "centers.yaml",
            channels=CHANNELS,
            time_zone="UTC",
            locale="en-US",
            reading=Reading(Zone.CENTER),
            public_url="https://a.example",
        )
        read: list[Collection[str]] = []
        facts = Reader.facts

        def counted(things: Collection[str]) -> dict[str, str]:
            read.append(things)
            return facts(store.reader, things)

        store.reader.facts = counted  # type: ignore[method-assign]
        ops = Ops(store.writer, clock, [], {}, lambda _: None, lambda name, _: name)
        rulebook = Rulebook(
            around,
            store.writer,
            store.reader,
            clock,
            Metrics(),
            ops,
            ack_url=lambda delivery: f"https://a.example/ack/{delivery[:4]}",
        )
        return Book(store, rulebook, clock, read)

    def close(self) -> None:
        self._store.close()


async def opened(books: Books, rule: str = "", message: str = LIST, template: str = "") -> Book:
    book = books.make(rule, message, template)
    await book.rulebook.load()
    return book


def new(
    number: int,
    event_type: str = "Guest.Created",
    *,
    at: datetime | None = START,
    received: datetime = START,
    center: str = "c1",
    data: Mapping[str, Any] | None = None,
) -> NewEvent:
    if data is None:
        data = {"id": f"g{number}", "center_id": center, "personal_info": {"first_name": f"G{number}"}}
    body: dict[str, Any] = {"event_id": f"e-{number}", "event_type": event_type, "data": data}
    if at is not None:
        body["event_timestamp"] = at.isoformat()
    return NewEvent(
        id=f"{number:032x}",
        event_id=f"e-{number}",
        type=event_type,
        center=center,
        at=at,
        received_at=received,
        fingerprint=f"{number:032x}",
        body=json.dumps(body).encode(),
    )


def claimed(event: KeptEvent | None = None, **other: Any) -> Claimed:
    values: dict[str, Any] = {
        "id": delivery_id(FIRST),
        "event": event,
        "rule": "r",
        "channel": "desk",
        "rule_set": "",
        "held_back": 0,
        "attempts": 0,
        "recipient": "",
        "standing": Standing(0, START, START),
        "instead_of": "",
        "is_by_hand": False,
        "gathered": None if event is not None else 1,
        "lease": "l",
        "title": None,
        "message": None,
    }
    return Claimed(**{**values, **other})


ACK = f"https://a.example/ack/{delivery_id(FIRST)[:4]}"
