"""What is erased of windows and of what they gathered, on every engine: nothing goes on naming what is gone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.fakes import START
from tests.store.test_conformance import begin, claim, settle
from tests.turning import Decided
from zennotify.core.absent import Absent
from zennotify.core.digest import Digest
from zennotify.core.escalation import Step
from zennotify.core.model import DeliveryState
from zennotify.core.path import parse_path
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.wait import Wait
from zennotify.core.window import WindowKey
from zennotify.store import Store
from zennotify.store.erasing import Emptied
from zennotify.store.rows import KeptEvent, NewDelivery
from zennotify.store.schema import decisions, events, gathered, windows
from zennotify.store.transaction import Transaction

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
STEPS = (Step(HOUR, ("manager",)), Step(2 * HOUR, ("manager",)))
WAITS = Rule(id="waits", events=("t",), notify=("desk",), wait=Wait(text="10m", period=10 * MINUTE))
GATHERS = Rule(id="gathers", events=("t",), notify=("desk",), digest=Digest(every=HOUR), escalate=STEPS)
MISSES = Rule(
    id="misses", events=("t",), notify=("desk",), absent=Absent(period=2 * HOUR), escalate=STEPS[:1]
)
PLAIN = Rule(id="plain", events=("t",), notify=("desk",), escalate=STEPS)
DIGEST = WindowKey("gathers", "digest", "[]")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def come(decided: Decided, count: int) -> list[str]:
    return [decided.come("T", {"n": number}, after=number * MINUTE) for number in range(count)]


def erase(store: Store, *ids: str, alone: bool = False, empties: bool = True) -> dict[str, int]:
    return dict(+store.write(Transaction.erase_events, ids, alone=alone, empty=empty if empties else None))


def empty(kept: KeptEvent) -> Emptied:
    left = {"event_id": f"was {kept.id}", "event_type": "T", "data": {}}
    return Emptied(left["event_id"], json.dumps(left).encode())  # type: ignore[arg-type]


def told(store: Store, rule: str) -> list[tuple[str, str, int, str | None]]:
    """Return a rule's deliveries, the oldest first."""
    owed = [one for one in reversed(store.reader.deliveries()) if one.rule == rule]
    return [(one.channel, one.state, one.counted, one.message) for one in owed]


def open_windows(store: Store) -> list[WindowKey]:
    return [one.key for one in store.reader.timers()]


def addressed(number: int, recipient: str) -> NewDelivery:
    return NewDelivery(None, "gathers", "mail", "h", START, START, recipient=recipient, gathered=number)


# --- digests ----------------------------------------------------------------------------------------------------


def test_a_digest_of_others_loses_its_text_and_is_written_anew_about_those_that_are_left(
    store: Store,
) -> None:
    decided = Decided(store, GATHERS)
    first, second, third = come(decided, 3)
    decided.fire(HOUR)
    [digest] = claim(store, now=START + HOUR)
    begin(store, digest)
    assert erase(store, first, second) == {"left": 2}
    assert store.write(Transaction.erase_texts, [first], alone=False) == {"texts": 0, "left": 1}
    settle(store, digest, DeliveryState.PENDING)
    assert erase(store, first, third) == {"events": 2, "texts": 1}
    assert told(store, "gathers") == [("desk", "pending", 1, None)]
    [shown] = store.reader.delivery(digest.id)
    assert (shown.title, shown.attempts[0].detail) == (None, "")
    [again] = claim(store, now=START + HOUR)
    assert (again.counted, again.message) == (1, None)
    assert [one.id for one in store.reader.gathered(1)] == [second]
    assert erase(store, second, alone=True) == {"events": 1, "messages": 1, "cancelled": 1}
    assert (store.reader.deliveries(), open_windows(store)) == ([], [])


def test_what_a_digest_said_stays_said(store: Store) -> None:
    decided = Decided(store, GATHERS)
    first, _ = come(decided, 2)
    decided.fire(HOUR)
    [digest] = claim(store, now=START + HOUR)
    begin(store, digest)
    settle(store, digest, DeliveryState.DELIVERED)
    decided.fire(2 * HOUR)
    assert erase(store, first) == {"events": 1, "texts": 1}
    # The step that is still to go out counts what is left, and so does the one after it.
    assert told(store, "gathers") == [("desk", "delivered", 2, None), ("manager", "pending", 1, None)]
    decided.fire(3 * HOUR)
    assert told(store, "gathers")[2] == ("manager", "pending", 1, None)


def test_an_open_digest_counts_those_that_are_left(store: Store) -> None:
    decided = Decided(store, GATHERS)
    first, second, third = come(decided, 3)
    assert erase(store, first, third) == {"events": 2}
    [window] = store.reader.timers()
    assert (window.event, window.window.count, window.window.number) == (second, 1, 1)
    decided.fire(HOUR)
    assert told(store, "gathers") == [("desk", "pending", 1, None)]


def test_a_digest_of_which_nothing_is_left_ends_silently_unless_something_comes(store: Store) -> None:
    decided = Decided(store, GATHERS)
    assert erase(store, *come(decided, 2)) == {"events": 2}
    [window] = store.reader.timers()
    assert (window.event, window.window.count, window.window.number) == (None, 0, None)
    assert store.write(Transaction.next_gathering) == 1
    decided.fire(HOUR)
    assert (store.reader.deliveries(), open_windows(store)) == ([], [])
    erase(store, *(decided.come("T", after=2 * HOUR) for _ in range(2)))
    last = decided.come("T", after=2 * HOUR)
    decided.fire(3 * HOUR)
    [digest] = store.reader.deliveries()
    assert (digest.counted, [one.id for one in store.reader.gathered(1)]) == (1, [last])


def test_a_number_is_not_given_again_while_a_delivery_names_it(store: Store) -> None:
    store.write(Transaction.add_deliveries, [addressed(7, ""), addressed(3, "")])
    assert store.write(Transaction.next_gathering) == 8
    decided = Decided(store, GATHERS)
    come(decided, 1)
    assert store.reader.gathered(8) != []


def test_a_digest_goes_to_the_guest_of_its_last_event(store: Store) -> None:
    decided = Decided(store, GATHERS)
    first, second = come(decided, 2)
    owed = [addressed(1, "second@example.com"), addressed(1, "")._replace(channel="hall")]
    store.write(Transaction.add_deliveries, owed)
    assert store.write(Transaction.erase_addressed, [first], alone=False) == Counter()
    assert store.write(Transaction.erase_addressed, [second], alone=False) == {"messages": 1, "cancelled": 1}
    assert [one.channel for one in store.reader.deliveries()] == ["hall"]
    store.write(Transaction.add_deliveries, owed[:1])
    assert erase(store, first) == {"events": 1}
    assert erase(store, second) == {"events": 1, "messages": 2, "cancelled": 2}
    assert store.reader.deliveries() == []


def test_a_digest_that_goes_to_a_guest_goes_with_the_guests_event_and_others_keep_theirs(
    store: Store,
) -> None:
    decided = Decided(store, GATHERS)
    first, second, third = come(decided, 3)
    store.write(Transaction.add_deliveries, [addressed(1, "third@example.com"), addressed(1, "")])
    assert erase(store, second, third) == {"events": 2, "messages": 1, "cancelled": 1}
    [kept] = store.reader.deliveries()
    assert [one.id for one in store.reader.gathered(1)] == [first]
    assert store.reader.digests([first])[0].number == kept.gathered


def test_digests_are_found_by_their_events_and_by_what_they_say(store: Store) -> None:
    decided = Decided(store, GATHERS, PLAIN)
    first, second = come(decided, 2)
    decided.fire(HOUR)
    for one in claim(store, now=START + HOUR, most=3):
        begin(store, one)
    [digest] = store.reader.digests([second, "nope"])
    assert (digest.number, digest.recipient, digest.is_open, digest.has_text) == (1, "", True, True)
    assert digest.events == (first, second)
    assert store.reader.digests(["nope"]) == []
    everything = {(first, None), (second, None), (None, 1)}
    assert {(one.event, one.digest) for one in store.reader.messages_with("body")} == everything
    assert [(one.event, one.digest) for one in store.reader.messages_of([first])] == [
        (first, None),
        (None, 1),
    ]
    settled = claim(store, now=START + 2 * HOUR)
    assert settled == []
    assert store.write(Transaction.erase_texts, [], [1], alone=True) == {"texts": 1, "left": 0}
    assert {(one.event, one.digest) for one in store.reader.messages_with("body")} == everything - {(None, 1)}


# --- what is about one event ------------------------------------------------------------------------------------


def test_a_wait_and_an_escalation_go_with_their_event_and_leave_its_place_to_another(store: Store) -> None:
    decided = Decided(store, WAITS, PLAIN)
    kept, gone = come(decided, 2)
    assert erase(store, gone) == {"events": 1, "messages": 1, "cancelled": 1}
    assert {one.event for one in store.reader.timers()} == {kept}
    both, decided.rules = decided.rules, RuleSet("others", ())
    new = decided.come("T", after=5 * MINUTE)
    decided.rules = both
    decided.fire(10 * HOUR)
    assert {one.event for one in store.reader.deliveries()} == {kept}
    assert store.reader.event(new)[0].decisions == ()


def test_an_absence_is_noticed_though_its_last_event_was_erased(store: Store) -> None:
    decided = Decided(store, MISSES, PLAIN, GATHERS)
    [last] = come(decided, 1)
    assert erase(store, last) == {"events": 1, "messages": 1, "cancelled": 1}
    [event] = store.reader.events()
    assert (event.id, event.event_id, json.loads(event.body)["data"]) == (last, f"was {last}", {})
    assert event.decisions == ()
    assert store.reader.gathered(1) == []
    assert [one.rule for one in open_windows(store)] == ["gathers", "misses"]
    decided.fire(2 * HOUR)
    assert told(store, "misses") == [("desk", "pending", 0, None)]


@pytest.mark.parametrize("is_sent", [False, True])
def test_an_alarm_that_waits_or_escalates_goes_on(store: Store, is_sent: bool) -> None:
    decided = Decided(store, MISSES, PLAIN)
    [last] = come(decided, 1)
    decided.fire(2 * HOUR)
    alarm = claim(store, now=START + 2 * HOUR)[-1]
    assert alarm.rule == "misses"
    begin(store, alarm)
    settle(store, alarm, DeliveryState.DELIVERED if is_sent else DeliveryState.PENDING)
    guests = addressed(1, "guest@example.com")
    place = alarm.event.place if alarm.event else None
    store.write(Transaction.add_deliveries, [guests._replace(event=place, rule="misses", gathered=None)])
    erased = erase(store, last, alone=True)
    assert (erased["events"], erased["texts"]) == (1, 1)
    state = "delivered" if is_sent else "pending"
    assert told(store, "misses") == [("desk", state, 0, None)]
    assert [one.rule for one in store.reader.event(last)[0].decisions] == ["misses"]
    decided.fire(4 * HOUR)
    assert [one[:2] for one in told(store, "misses")] == [("desk", state), ("manager", "pending")]
    assert told(store, "plain") == []


def test_an_absence_that_was_told_keeps_nothing_of_its_last_event(store: Store) -> None:
    decided = Decided(store, replace(MISSES, escalate=()))
    [last] = come(decided, 1)
    decided.fire(2 * HOUR)
    [alarm] = claim(store, now=START + 2 * HOUR)
    begin(store, alarm)
    settle(store, alarm, DeliveryState.DELIVERED)
    assert erase(store, last) == {"events": 1, "messages": 1}
    assert store.reader.events() == []
    [window] = store.write(Transaction.windows, [WindowKey("misses", "absent", "[]")]).values()
    assert window.event is None
    decided.come("T", after=3 * HOUR)
    decided.fire(5 * HOUR)
    assert len(told(store, "misses")) == 1


def test_where_nothing_may_be_left_of_an_event_the_alarm_goes_with_it(store: Store) -> None:
    decided = Decided(store, MISSES)
    [last] = come(decided, 1)
    assert erase(store, last, empties=False) == {"events": 1}
    decided.fire(2 * HOUR)
    assert (store.reader.deliveries(), open_windows(store)) == ([], [])


# --- windows that name a guest ----------------------------------------------------------------------------------


def test_what_waited_in_a_window_that_goes_says_so(store: Store) -> None:
    per = (parse_path("data.guest"),)
    waits = replace(WAITS, wait=Wait(text="10m", period=10 * MINUTE, per=per))
    gathers = replace(GATHERS, digest=Digest(every=HOUR, per=per))
    decided = Decided(store, waits, gathers, PLAIN)
    hers, other = decided.come("T", {"guest": "nora"}), decided.come("T", {"guest": "mia"})
    keys = [WindowKey("waits", "wait", '[["nora"]]'), WindowKey("gathers", "digest", '[["nora"]]')]
    assert store.write(Transaction.erase_windows, [*keys, keys[0]]) == 2
    [shown] = store.reader.event(hers)
    assert [(one.rule, one.reason, one.detail) for one in shown.decisions] == [
        ("waits", "withdrawn", "the guest was forgotten"),
        ("gathers", "withdrawn", "the guest was forgotten"),
        ("plain", "notified", ""),
    ]
    assert [one.reason for one in store.reader.event(other)[0].decisions] == [
        "waiting",
        "digested",
        "notified",
    ]
    decided.fire(HOUR)
    assert [one.id for one in store.reader.gathered(2)] == [other]
    assert store.reader.gathered(1) == []


def test_no_row_names_what_is_gone(store: Store) -> None:
    decided = Decided(store, WAITS, GATHERS, MISSES, PLAIN)
    come(decided, 3)
    decided.fire(HOUR)
    later = [decided.come("T", after=HOUR + number * MINUTE) for number in range(3)]
    erase(store, *[one.id for one in store.reader.events()], alone=True)
    [left] = store.reader.events()
    assert left.id == later[-1]

    def places(column: object) -> set[int | None]:
        return store.write(lambda transaction: set(transaction._connection.execute(select(column)).scalars()))  # type: ignore[call-overload]

    [place] = places(events.c.seq)
    assert places(windows.c.event) <= {place, None}
    assert places(windows.c.number) == {None}
    assert places(gathered.c.event) == places(decisions.c.event) == set()
