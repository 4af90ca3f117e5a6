"""What is erased of events that rules remember or have gathered, on every engine: nothing of them comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.fakes import START, make_rule
from tests.store.test_conformance import begin, claim, settle
from tests.turning import Decided
from zennotify.core.digest import Digest
from zennotify.core.escalation import Step
from zennotify.core.model import DeliveryState
from zennotify.store import Store, schema
from zennotify.store.acknowledging import Acknowledgement
from zennotify.store.transaction import Transaction

MINUTE = timedelta(minutes=1)
KIND = "Class.Booking.NoShow"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def erase(store: Store, *ids: str, alone: bool = True) -> dict[str, int]:
    return dict(+store.write(Transaction.erase_events, ids, alone=alone))


def send_all(store: Store, now: timedelta) -> None:
    for one in claim(store, now=START + now):
        begin(store, one)
        settle(store, one, DeliveryState.DELIVERED)


def test_the_next_digest_is_another_one_though_all_events_of_the_last_were_erased(store: Store) -> None:
    desk = Decided(store, make_rule(digest=Digest(every=15 * MINUTE)))
    first = desk.come(KIND)
    desk.fire(20 * MINUTE)
    assert erase(store, first) == {"events": 1, "messages": 1, "cancelled": 1}
    second = desk.come(KIND, after=30 * MINUTE)
    desk.fire(60 * MINUTE)
    [told] = store.reader.deliveries()
    assert told.gathered is not None
    assert [one.id for one in store.reader.gathered(told.gathered)] == [second]


def test_a_number_that_a_delivery_still_has_is_not_given_again(store: Store) -> None:
    desk = Decided(store, make_rule(digest=Digest(every=15 * MINUTE)))
    desk.come(KIND)
    desk.fire(20 * MINUTE)
    [told] = store.reader.deliveries()
    send_all(store, 20 * MINUTE)
    # Old events go a while before the digest that told of them.
    later = START + timedelta(days=1)
    store.write(Transaction.purge_events, later, START + MINUTE, START + MINUTE, 100)
    assert store.reader.events() == []
    assert store.write(Transaction.next_gathering) == (told.gathered or 0) + 1


def test_a_digest_tells_of_the_others_and_its_text_is_erased(store: Store) -> None:
    desk = Decided(store, make_rule(digest=Digest(every=15 * MINUTE)))
    first, second = desk.come(KIND), desk.come(KIND, after=MINUTE)
    desk.fire(20 * MINUTE)
    [one] = claim(store, now=START + 20 * MINUTE)
    begin(store, one)
    assert [(found.event, found.digest) for found in store.reader.messages_with("body")] == [(None, 1)]
    assert erase(store, second, alone=False) == {"left": 1}
    settle(store, one, DeliveryState.DELIVERED)
    assert erase(store, second, alone=False) == {"events": 1, "texts": 1}
    [told] = store.reader.deliveries()
    assert (told.title, told.message, told.attempts[0].detail) == (None, None, "")
    assert [one.id for one in store.reader.gathered(told.gathered or 0)] == [first]


def test_texts_of_digests_are_erased_with_those_of_their_events(store: Store) -> None:
    desk = Decided(store, make_rule(digest=Digest(every=15 * MINUTE)))
    first = desk.come(KIND)
    desk.fire(20 * MINUTE)
    send_all(store, 20 * MINUTE)
    assert store.write(Transaction.erase_texts, [first], alone=False) == {"texts": 1, "left": 0}
    assert store.reader.deliveries()[0].message is None


def test_a_digest_that_waits_goes_on_with_the_others_or_not_at_all(store: Store) -> None:
    desk = Decided(store, make_rule(digest=Digest(every=15 * MINUTE)))
    first, second = desk.come(KIND), desk.come(KIND, after=MINUTE)
    erase(store, second)
    [window] = store.reader.timers()
    assert (window.event, window.window.count) == (first, 1)
    desk.fire(20 * MINUTE)
    [told] = store.reader.deliveries()
    assert [one.id for one in store.reader.gathered(told.gathered or 0)] == [first]
    third = desk.come(KIND, after=30 * MINUTE)
    erase(store, third)
    desk.fire(60 * MINUTE)
    assert [one.id for one in store.reader.deliveries()] == [told.id]


def test_an_escalation_ends_with_its_event_and_is_not_about_the_next_one(store: Store) -> None:
    desk = Decided(store, make_rule(escalate=(Step(15 * MINUTE, ("boss",)),)))
    first = desk.come(KIND)
    erase(store, first)
    desk.come("Guest.Created", after=MINUTE)  # it gets the place that was freed
    desk.fire(60 * MINUTE)
    assert store.reader.deliveries() == []


def test_who_took_a_digest_is_not_said_of_the_next_one(store: Store) -> None:
    desk = Decided(store, make_rule(digest=Digest(every=15 * MINUTE)))
    first = desk.come(KIND)
    desk.fire(20 * MINUTE)
    [told] = store.reader.deliveries()
    matter = store.reader.matter(told.id)
    assert matter is not None
    store.write(Transaction.acknowledge, matter, {"r"}, Acknowledgement("Ann", START))
    erase(store, first)
    desk.come(KIND, after=30 * MINUTE)
    desk.fire(60 * MINUTE)
    [told] = store.reader.deliveries()
    assert store.reader.acknowledgement(told.id) is None


def test_an_address_goes_with_the_last_event_of_a_digest(store: Store) -> None:
    desk = Decided(store, make_rule(digest=Digest(every=15 * MINUTE)))
    first, second = desk.come(KIND), desk.come(KIND, after=MINUTE)
    desk.fire(20 * MINUTE)
    [told] = store.reader.deliveries()
    owed = store.reader.matter(told.id)
    assert owed is not None
    store.write(_address, owed.number)
    assert store.write(Transaction.erase_addressed, [first], alone=True) == Counter()
    assert [one.recipient for one in store.reader.digests([second])] == ["ann@example.com"]
    assert dict(+store.write(Transaction.erase_addressed, [second], alone=True)) == {
        "messages": 1,
        "cancelled": 1,
    }
    assert store.reader.deliveries() == []


def _address(transaction: Transaction, number: int) -> None:
    deliveries = schema.deliveries
    addressed = update(deliveries).where(deliveries.c.seq == number).values(recipient="ann@example.com")
    transaction._connection.execute(addressed)
