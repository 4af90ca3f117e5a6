"""What is erased, on every engine: rows go with all that came of them, and nothing that is in somebody's hands."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.store.test_conformance import NOW, begin, claim, delivery, event, id_of, keep, owe, settle
from zennotify.core.model import DeliveryState
from zennotify.core.window import Window, WindowKey
from zennotify.store import Store
from zennotify.store.rows import NewDecision, Quarantined
from zennotify.store.transaction import Transaction


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def decided(store: Store, *numbers: int) -> None:
    store.write(
        Transaction.add_decisions,
        [NewDecision(event=number, place=0, rule="r", reason="notified", detail="") for number in numbers],
    )
    store.write(Transaction.finish_events, [(number, None) for number in numbers], None)


def ids(*numbers: int) -> list[str]:
    return [event(number).id for number in numbers]


def erase_events(store: Store, *numbers: int, alone: bool = False) -> dict[str, int]:
    return dict(+store.write(Transaction.erase_events, ids(*numbers), alone=alone))


def test_an_event_goes_with_all_that_came_of_it(store: Store) -> None:
    owe(store, delivery(1), delivery(2), delivery(3, due=NOW + timedelta(hours=1)))
    decided(store, 1, 2, 3)
    [first] = claim(store, most=1)
    begin(store, first)
    settle(store, first, DeliveryState.DELIVERED)
    assert erase_events(store, 1, 3) == {"events": 2, "messages": 2, "cancelled": 1}
    assert [one.id for one in store.reader.events()] == ids(2)
    assert [one.id for one in store.reader.deliveries()] == [id_of(2)]
    assert erase_events(store, 1, 3) == {}


def test_what_is_being_decided_or_sent_is_left_unless_nobody_else_is_there(store: Store) -> None:
    owe(store, delivery(1), delivery(2))
    decided(store, 1)
    keep(store, 3)
    claim(store, most=1)
    assert erase_events(store, 1, 2, 3) == {"left": 3}
    assert erase_events(store, 1, 2, 3, alone=True) == {"events": 3, "messages": 2, "cancelled": 2}
    assert store.reader.events() == []
    assert store.reader.backlog().undecided == 0


def test_a_place_that_was_freed_is_taken_by_a_whole_new_event(store: Store) -> None:
    owe(store, delivery(1))
    decided(store, 1)
    erase_events(store, 1)
    assert store.write(Transaction.add_events, [event(2)]) == range(1, 2)
    [new] = store.reader.events()
    assert (new.id, new.state, new.decisions) == (event(2).id, "undecided", ())


def test_texts_go_and_a_message_that_waits_is_written_anew(store: Store) -> None:
    owe(store, delivery(1), delivery(2), delivery(3))
    decided(store, 1, 2, 3)
    first, second, third = claim(store)
    for one in (first, second, third):
        begin(store, one)
    settle(store, first, DeliveryState.DELIVERED)
    settle(store, second, DeliveryState.PENDING)
    assert store.write(Transaction.erase_texts, ids(1, 2, 3), alone=False) == {"texts": 2, "left": 1}
    for one in (first, second):
        [shown] = store.reader.delivery(one.id)
        assert (shown.title, shown.message, shown.attempts[0].detail) == (None, None, "")
    assert store.reader.delivery(third.id)[0].message == "Body"
    [again] = claim(store)
    assert (again.id, again.message) == (second.id, None)
    assert store.write(Transaction.erase_texts, ids(1, 2, 3), alone=True) == {"texts": 1, "left": 0}


def test_what_is_addressed_to_somebody_goes_and_the_rest_stays(store: Store) -> None:
    owe(
        store,
        delivery(1)._replace(recipient="+12065550188"),
        delivery(2),
        delivery(3, due=NOW + timedelta(hours=1))._replace(recipient="+12065550199"),
    )
    decided(store, 1, 2, 3)
    first, _ = claim(store)
    begin(store, first)
    assert store.reader.count_waiting(ids(1, 2), addressed=True) == 1
    assert store.write(Transaction.erase_addressed, ids(1, 2), alone=False) == Counter()
    settle(store, first, DeliveryState.PENDING, NOW + timedelta(hours=1))
    assert store.write(Transaction.erase_addressed, ids(1, 2), alone=False) == {"messages": 1, "cancelled": 1}
    assert [one.id for one in store.reader.deliveries()] == [id_of(3), id_of(2)]


def test_windows_are_listed_in_pages_and_erased_by_name(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zennotify.store.walking._PAGE_OF_SMALL", 2)
    keys = [WindowKey(rule, "once", f'[["{key}"]]') for rule in ("r", "s") for key in ("nora", "NORA", "mia")]
    store.write(Transaction.save_windows, {key: Window(until=NOW) for key in keys})
    pages = list(store.reader.all_windows())
    assert [len(page) for page in pages] == [2, 2, 2]
    assert sorted(key for page in pages for key in page) == sorted(keys)
    assert store.write(Transaction.erase_windows, keys[:2]) == 2
    assert store.write(Transaction.erase_windows, keys[:2]) == 0
    assert sorted(store.write(Transaction.windows, set(keys))) == sorted(keys[2:])


def test_quarantined_bodies_are_erased_by_number(store: Store) -> None:
    bodies = [Quarantined(received_at=NOW, reason="bad_json", body=body) for body in (b"a", b"b", b"c")]
    store.write(Transaction.add_quarantine, bodies)
    numbers = [row.id for row in store.reader.quarantine() if row.body != b"b"]
    assert store.write(Transaction.erase_quarantine, numbers) == 2
    assert [row.body for row in store.reader.quarantine()] == [b"b"]


def test_facts_are_rewritten_and_stay_as_old_as_they_were(store: Store) -> None:
    old = NOW - timedelta(days=2)
    store.write(Transaction.save_facts, '{"guest a":[1],"session b":[2],"group c":[3]}', old)
    store.write(Transaction.rewrite_facts, {"guest a": None, "session b": "[4]", "group unknown": "[5]"})
    everything = [row for page in store.reader.all_facts() for row in page]
    assert everything == [("group c", "[3]"), ("session b", "[4]")]
    assert store.write(Transaction.purge_facts, NOW - timedelta(days=1), "", 10) is None
    assert [row for page in store.reader.all_facts() for row in page] == []


def test_all_events_come_page_by_page_in_their_order(store: Store) -> None:
    numbers = range(1, 452)
    store.write(
        Transaction.add_events, [event(number, NOW + timedelta(seconds=number)) for number in numbers]
    )
    pages = list(store.reader.all_events())
    assert len(pages) > 1
    assert [kept.place for page in pages for kept in page] == list(numbers)
    late = NOW + timedelta(seconds=450)
    assert [kept.place for page in store.reader.all_events(late) for kept in page] == [450, 451]


def test_lists_find_what_is_wanted_however_far_back_it_lies(store: Store) -> None:
    owe(store, *(delivery(number) for number in range(1, 452)))
    bodies = {event(number).body for number in range(1, 452)}
    assert len(bodies) == 1
    assert store.reader.events(wanted=lambda body: body not in bodies) == []
    assert len(store.reader.events(wanted=bodies.__contains__, most=450)) == 450
    assert len(store.reader.events(wanted=bodies.__contains__, most=3, type="Invoice.*")) == 0
    found = store.reader.deliveries(wanted=bodies.__contains__, most=3)
    assert [one.id for one in found] == [id_of(number) for number in (451, 450, 449)]


def test_messages_are_found_by_what_they_say(store: Store) -> None:
    owe(store, delivery(1), delivery(2))
    first, _ = claim(store)
    begin(store, first)
    assert store.reader.messages_with("BODY") == [(event(1).id, None, "Title\nBody")]
    assert store.reader.messages_with("itl") == [(event(1).id, None, "Title\nBody")]
    assert store.reader.messages_with("b_dy") == []
    assert store.reader.count_waiting(ids(1, 2)) == 2
    settle(store, first, DeliveryState.DELIVERED)
    assert store.reader.count_waiting(ids(1, 2)) == 1


def test_the_log_is_emptied_unless_somebody_reads(store: Store) -> None:
    keep(store, 1)
    assert store.empty_log()


def test_a_file_that_is_rewritten_keeps_no_copy_of_what_was_erased(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'facts.db'}")
    chance = random.Random(2)  # in this order, balancing leaves copies
    names = [f"{chance.getrandbits(32):08x}-f928-4c37" for _ in range(4_000)]
    for start in range(0, len(names), 40):
        lessons = {
            f"guest {name}": [[1, "e", {"name": name, "more": "x" * chance.randrange(200)}]]
            for name in names[start : start + 40]
        }
        store.write(Transaction.save_facts, json.dumps(lessons), NOW)
    gone = names[::10]
    store.write(Transaction.rewrite_facts, dict.fromkeys(f"guest {name}" for name in gone))

    def left() -> list[str]:
        assert store.empty_log()
        text = b"".join(path.read_bytes() for path in tmp_path.glob("facts.db*"))
        return [name for name in gone if name.encode() in text]

    copies = left()
    store.rewrite()
    assert (bool(copies), left()) == (True, [])
    assert sum(len(page) for page in store.reader.all_facts()) == 3_600
    store.close()


async def test_the_writer_empties_the_log_between_two_transactions(store: Store) -> None:
    store.writer.start()
    await store.writer.call(Transaction.add_events, [event(1)])
    assert await store.writer.empty_log()
    await store.writer.call(Transaction.add_events, [event(2)])
    assert len(store.reader.events()) == 2
