"""What is read of gathered events for their message, on every engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from zennotify.core.window import Gathered
from zennotify.store import Store
from zennotify.store.rows import NewDelivery, NewEvent
from zennotify.store.transaction import Transaction

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def event(number: int, minute: int | None) -> NewEvent:
    """An event of a minute; None: it has no time of its own, and came at noon."""
    return NewEvent(
        id=f"{number:032x}",
        event_id=f"zenoti-{number}",
        type="Class.Booking.NoShow",
        center=None,
        at=None if minute is None else NOW + minute * MINUTE,
        received_at=NOW,
        fingerprint=f"{number:032x}",
        body=json.dumps({"n": number}).encode(),
    )


def gather(store: Store, *minutes: int | None, late: int = 0) -> None:
    """Gather events of these minutes under 1, the first `late` of them late, and another under 2."""
    events = [event(number, minute) for number, minute in enumerate(minutes, 1)]
    places = store.write(Transaction.add_events, [*events, event(99, 0)])
    those = [Gathered(1, place, number < late) for number, place in enumerate(places[:-1])]
    store.write(Transaction.gather, [*those, Gathered(2, places[-1])])


def test_the_oldest_come_by_their_time_and_the_last_by_its_arrival(store: Store) -> None:
    gather(store, 5, -5, None, 5, 3, late=2)
    found = store.reader.gathering(1, 200)
    assert [one.place for one in found.oldest] == [2, 3, 5, 1, 4]
    assert found.last is not None
    assert (found.last.place, found.last.body, found.count, found.late) == (5, b'{"n": 5}', 5, 2)


def test_the_last_is_read_though_it_is_not_among_the_oldest(store: Store) -> None:
    gather(store, 1, 2, 9)
    found = store.reader.gathering(1, 2)
    assert ([one.place for one in found.oldest], found.count) == ([1, 2], 3)
    assert found.last is not None
    assert found.last.place == 3


def test_what_was_erased_is_not_there_any_more(store: Store) -> None:
    gather(store, 1, 2)
    store.write(Transaction.erase_events, [f"{2:032x}"], alone=True)
    found = store.reader.gathering(1, 200)
    assert ([one.place for one in found.oldest], found.last and found.last.place, found.count) == ([1], 1, 1)
    store.write(Transaction.erase_events, [f"{1:032x}"], alone=True)
    found = store.reader.gathering(1, 200)
    assert (found.oldest, found.last, found.count, found.late) == ((), None, 0, 0)


def test_a_digest_falls_back_and_what_the_owners_are_told_does_not(store: Store) -> None:
    owed = [
        NewDelivery(None, "r", "desk", "", NOW, NOW, gathered=1),
        NewDelivery(None, "zennotify", "desk", "", NOW, NOW, message="text"),
    ]
    store.write(Transaction.add_deliveries, owed)
    claimed = store.write(Transaction.claim, "desk", 2, "lease", NOW, NOW + MINUTE)
    assert [one.standing.may_fall_back for one in claimed] == [True, False]
