"""Caps where they are enforced: in the transaction that decides, on every engine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import START
from tests.stored import Told, add_events, body
from zennotify.config import load_config
from zennotify.configured import reading, surroundings
from zennotify.core.cap import recipient_key
from zennotify.core.model import Form
from zennotify.core.rule import RuleSet
from zennotify.core.window import Window, WindowKey
from zennotify.decider.batch import Batch
from zennotify.erasure import erase, find, last_parts, parts
from zennotify.store import Store
from zennotify.store.rows import Undecided
from zennotify.store.transaction import Transaction
from zennotify.zenoti.belongings import Belongings
from zennotify.zenoti.event import reopen

CONFIG = """
rules: rules.yaml
store: {url: "sqlite:///unused.db"}
channels:
  desk: {url: "console://desk"}
  guest-sms:
    url: "console://sms"
    form: sms
    to: "{{ guest.phone }}"
    allowed_prefixes: ["+1", "+44"]
    per_recipient: [2/h, 3/d]
    per_day: 5
"""
RULES = """
rules:
  - {id: status, event: AppointmentGroup.Status, notify: [guest-sms, desk], message: Hello}
  - {id: hello, event: Guest.Created, once: {per: guest.id, for: 1h}, notify: guest-sms, message: Hello}
"""
CENTERS = """
centers:
  us: {name: Bellevue, country: US}
  gb: {name: London, country: GB}
"""


class World:
    """A configuration with its rules, and a store in which events are decided, so many in one transaction."""

    def __init__(self, folder: Path, store: Store) -> None:
        for name, text in (("config.yaml", CONFIG), ("rules.yaml", RULES), ("centers.yaml", CENTERS)):
            (folder / name).write_text(text)
        config = load_config(folder / "config.yaml", environ={}).config
        _, compiled = surroundings(config, {"desk": Form.CHAT, "guest-sms": Form.SMS}).read()
        self.rules: RuleSet = compiled.rules
        self.reading = reading(config)
        self.store = store
        self._events = 0

    def decide(self, *told: Told, after: timedelta = timedelta()) -> list[tuple[str, str, str]]:
        """Return rule, reason and detail of each decision."""
        first = self._events + 1
        self._events += len(told)
        undecided = [
            Undecided(place, "hash", reopen(body(place, *one), START + after, self.reading, one[0]))
            for place, one in enumerate(told, first)
        ]

        def work(transaction: Transaction) -> Batch:
            batch = Batch(self.rules, self.reading.class_times)
            batch.decide(transaction, undecided)
            batch.keep(transaction)
            return batch

        batch = self.store.write(work)
        return [(one.rule, one.reason.value, one.detail) for made in batch.decided for one in made.decisions]

    def sent(self) -> list[str]:
        """Return to whom the messages go that were made since this was last asked."""
        lease = START + timedelta(days=9)
        claimed = self.store.write(
            Transaction.claim, "guest-sms", 100, "lease", START + timedelta(days=2), lease
        )
        return sorted(one.recipient for one in claimed)

    def windows(self) -> set[WindowKey]:
        return {key for page in self.store.reader.all_windows() for key in page}


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> Iterator[World]:
    store = Store.open(store_url)
    yield World(tmp_path, store)
    store.close()


def created(guest: str, number: str, center: str = "us") -> Told:
    return "Guest.Created", {
        "id": guest,
        "center_id": center,
        "personal_info": {"mobile_phone": {"number": number}},
    }


def status(group: str, guest: str | None = None, center: str = "us") -> Told:
    said: dict[str, Any] = {"appointment_group_id": group, "center_id": center}
    return "AppointmentGroup.Status", said if guest is None else {**said, "guest": {"id": guest}}


def test_events_of_one_guest_in_one_transaction_count_one_after_the_other(world: World) -> None:
    world.decide(created("ann", "206-555-0100"))
    made = world.decide(*[status("g", "ann") for _ in range(3)])
    until = (START + timedelta(hours=1)).isoformat()
    held = f"guest-sms: per_recipient 2/h until {until}"
    assert made == [("status", "notified", ""), *[("status", "notified", held)] * 2]
    assert world.sent() == ["+12065550100"] * 2
    later = world.decide(*[status("g", "ann") for _ in range(2)], after=timedelta(hours=1))
    day = (START + timedelta(days=1)).isoformat()
    assert [detail for _, _, detail in later] == ["", f"guest-sms: per_recipient 3/d until {day}"]
    assert world.sent() == ["+12065550100"]


def test_all_guests_share_the_day_and_it_is_said_which_channel_is_used_up(world: World) -> None:
    guests = [created(f"g{number}", f"20655501{number:02}") for number in range(7)]
    made = world.decide(*guests)
    assert [reason for _, reason, _ in made] == ["notified"] * 5 + ["held_back"] * 2
    assert {detail for _, _, detail in made[5:]} == {
        f"guest-sms: per_day 5 until {(START + timedelta(days=1)).isoformat()}"
    }
    assert len(world.sent()) == 5


def test_a_number_is_dialled_in_the_country_of_the_events_centre(world: World) -> None:
    numbers = ["(206) 555-0100", "+1 206 555 0101", "07911 123456", "+49 171 1234567", "555-0100;ext=1", "0"]
    centers = ["us", "elsewhere", "gb", "gb", "us", "us"]
    told = [
        created(f"g{n}", number, center)
        for n, (number, center) in enumerate(zip(numbers, centers, strict=True))
    ]
    told.append(created("g9", "206 555 0102", "elsewhere"))
    made = world.decide(*told)
    assert [(reason, detail) for _, reason, detail in made] == [
        *[("notified", "")] * 3,
        ("no_recipient", "guest-sms: the number begins with none of `allowed_prefixes`"),
        ("no_recipient", "guest-sms: one phone number is expected, without letters and without an extension"),
        ("no_recipient", "guest-sms: one phone number is expected, of the usual length"),
        (
            "no_recipient",
            "guest-sms: the phone number has no country code, and its centre no `country` in centers.yaml",
        ),
    ]
    assert world.sent() == ["+12065550100", "+12065550101", "+447911123456"]
    assert len([key for key in world.windows() if key.key and key.rule == "(caps)"]) == 2 * 3


def test_a_number_that_a_later_event_of_the_transaction_teaches_is_counted(world: World) -> None:
    world.decide(*[status("g", "ann")] * 3, created("ann", "206-555-0100"))
    assert world.sent() == ["+12065550100"] * 2


def test_the_windows_of_rules_and_caps_are_read_by_one_question(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[WindowKey]] = []
    ask = Transaction.windows

    def spy(transaction: Transaction, keys: Collection[WindowKey]) -> dict[WindowKey, Window]:
        asked.append(set(keys))
        return ask(transaction, keys)

    monkeypatch.setattr(Transaction, "windows", spy)
    world.decide(*[created(guest, "206-555-0100") for guest in ("ann", "bob")])
    assert [sorted({key.stage for key in keys}) for keys in asked] == [
        ["guest-sms per_day", "guest-sms per_recipient d", "guest-sms per_recipient h", "once"]
    ]
    assert len(asked[0]) == 2 + 3


def test_an_event_that_fails_counts_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was: the windows that it changed go with it."""
    from zennotify.core import outgoing

    made = outgoing.send
    failing = iter([True, False, False])

    def fail_once(*arguments: Any) -> Any:
        if next(failing):
            raise RuntimeError("a bug")
        return made(*arguments)

    monkeypatch.setattr(outgoing, "send", fail_once)
    decided = world.decide(*[created(guest, "206-555-0100") for guest in ("ann", "bob", "cal")])
    assert [reason for _, reason, _ in decided].count("failed") == 1
    assert world.sent() == ["+12065550100"] * 2


def test_nothing_of_a_number_is_left_in_the_keys_and_forget_finds_them(world: World) -> None:
    world.decide(created("ann", "206-555-0100"), created("bob", "206-555-0101"))
    add_events(world.store, [created("ann", "206-555-0100"), created("bob", "206-555-0101")])
    world.store.write(Transaction.finish_events, [(1, None), (2, None)], None)
    ann, bob = recipient_key("+12065550100"), recipient_key("+12065550101")
    assert "5550100" not in str(world.windows())
    assert {key.key for key in world.windows() if key.rule == "(caps)"} == {ann, bob, ""}

    found = find(world.store.reader, Belongings("ann"), world.reading, lambda _what, _rows: None)
    everything = [*parts(found), *last_parts(found)]
    erased = [world.store.write(erase, part, world.reading, alone=True) for part in everything]
    assert sum(one["windows"] for one in erased) == 3
    assert {key.key for key in world.windows() if key.rule == "(caps)"} == {bob, ""}
    assert [key.key for key in world.windows() if key.stage == "once"] == ['[["bob"]]']


def test_a_cap_that_is_over_is_purged_at_once(world: World) -> None:
    world.decide(created("ann", "206-555-0100"))
    stages = {key.stage for key in world.windows()}
    world.store.write(Transaction.purge_windows, START + timedelta(hours=1, seconds=1))
    assert stages - {key.stage for key in world.windows()} == {"guest-sms per_recipient h", "once"}
    world.store.write(Transaction.purge_windows, START + timedelta(days=1, seconds=1))
    assert world.windows() == set()
