"""Silences in the store, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.store.test_conformance import NOW, keep
from zennotify.store import Store
from zennotify.store.rows import NewDecision
from zennotify.store.silencing import KeptSilence
from zennotify.store.transaction import Transaction

HOUR = timedelta(hours=1)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def silence(id_: str, begins: int = 0, ends: int = 1, rule: str = "r") -> KeptSilence:
    """A silence between two hours from NOW."""
    return KeptSilence(
        id=id_,
        rule=rule,
        match={"center.name": ["Bellevue", 'O"Hara ä'], "data.total": {"gt": 1.5, "not": None}},
        since=NOW + begins * HOUR,
        until=NOW + ends * HOUR,
        why="stock taking",
        by="Nora",
    )


def add(store: Store, *those: KeptSilence) -> None:
    for one in those:
        assert store.write(Transaction.add_silence, one)


def ids(those: list[KeptSilence]) -> list[str]:
    return [one.id for one in those]


def test_it_comes_back_as_it_was_kept(store: Store) -> None:
    add(store, silence("3f9a2c", rule=""))
    assert store.reader.silences() == [silence("3f9a2c", rule="")]
    assert store.write(Transaction.silences, NOW) == [silence("3f9a2c", rule="")]


def test_an_id_is_taken_once(store: Store) -> None:
    add(store, silence("3f9a2c"))
    assert not store.write(Transaction.add_silence, silence("3f9a2c", rule="other"))
    assert store.reader.silences() == [silence("3f9a2c")]


def test_those_are_read_that_hold_at_a_moment_or_later(store: Store) -> None:
    add(store, silence("a", 2, 3), silence("b", -2, 0), silence("c", -1, 1), silence("d", -1, 2))
    assert ids(store.write(Transaction.silences, NOW)) == ["c", "d", "a"]
    assert ids(store.write(Transaction.silences, NOW - timedelta(microseconds=1))) == ["b", "c", "d", "a"]


def test_one_is_found_by_a_beginning_of_its_id(store: Store) -> None:
    add(store, silence("3f9a2c"), silence("3f9b00"), silence("77aaff"))
    assert ids(store.reader.silence("7")) == ["77aaff"]
    assert ids(store.reader.silence(" 3F9A ")) == ["3f9a2c"]
    assert ids(store.reader.silence("3f")) == ["3f9a2c", "3f9b00"]
    assert store.reader.silence("9") == []


def test_it_is_ended_once_and_by_somebody(store: Store) -> None:
    add(store, silence("a"), silence("b", 2, 3), silence("c", -2, 0))
    assert [store.write(Transaction.end_silence, one, "Mia", NOW) for one in "abcx"] == [
        True,
        True,
        False,
        False,
    ]
    assert not store.write(Transaction.end_silence, "a", "Bob", NOW)
    kept = {one.id: one for one in store.reader.silences()}
    assert {id_: (one.until, one.ended_by) for id_, one in kept.items()} == {
        "a": (NOW, "Mia"),
        "b": (NOW, "Mia"),
        "c": (NOW, ""),
    }
    assert store.write(Transaction.silences, NOW) == []


def test_it_follows_its_rule_to_a_new_name(store: Store) -> None:
    add(store, silence("a", rule="old"), silence("b", rule="other"), silence("c", rule=""))
    store.write(Transaction.rename_silences, {"old": "new"})
    assert {one.id: one.rule for one in store.reader.silences()} == {"a": "new", "b": "other", "c": ""}


def test_those_that_have_been_over_for_long_are_forgotten(store: Store) -> None:
    add(store, silence("a", -3, -2), silence("b", -3, 0), silence("c"))
    assert store.write(Transaction.purge_silences, NOW - HOUR) == 1
    assert ids(store.reader.silences()) == ["b", "c"]


def test_those_of_a_guest_are_deleted(store: Store) -> None:
    add(store, silence("a"), silence("b"), silence("c"))
    assert store.write(Transaction.erase_silences, ["a", "c", "x"]) == 2
    assert ids(store.reader.silences()) == ["b"]


def test_the_decisions_that_name_it_are_counted(store: Store) -> None:
    keep(store, 1, 2, 3)
    named = ["silence 3f9a2c until x", "silence 3f9a2c by Nora until x", "silence 3f9a2c0 until x"]
    store.write(
        Transaction.add_decisions,
        [NewDecision(number, 0, "r", "silenced", detail) for number, detail in enumerate(named, 1)],
    )
    store.write(Transaction.add_decisions, [NewDecision(1, 1, "s", "notified", named[0])])
    assert store.reader.count_silenced("3f9a2c") == 2
    assert store.reader.count_silenced("3f9a") == 0
