"""What the store promises, on every engine: the same tests run on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from zennotify.core.model import DeliveryState, Form, Message, Outcome
from zennotify.core.pause import Cause, Pause
from zennotify.core.verdict import Standing, Verdict
from zennotify.core.window import Window, WindowKey
from zennotify.store import Store
from zennotify.store.number import delivery_id
from zennotify.store.rows import (
    Begun,
    ChannelState,
    Claimed,
    NewDecision,
    NewDelivery,
    NewEvent,
    Quarantined,
    Settled,
)
from zennotify.store.transaction import MOST_QUARANTINED, Transaction

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MESSAGE = Message(title="Title", body="Body", form=Form.CHAT)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def event(number: int, received_at: datetime = NOW) -> NewEvent:
    return NewEvent(
        id=f"{number:032x}",
        event_id=f"zenoti-{number}",
        type="Class.Booking.NoShow",
        center="C1",
        at=None,
        received_at=received_at,
        fingerprint=f"{number:032x}",
        body=b'{"x": "\\u0000 \xc3\xa4"}',
    )


#: The number of the first delivery of a store whose clock says NOW.
FIRST = int(NOW.timestamp())


def id_of(number: int) -> str:
    """The id of the delivery that was kept as the first, the second, ..."""
    return delivery_id(FIRST + number - 1)


def delivery(number: int, *, channel: str = "desk", due: datetime = NOW) -> NewDelivery:
    return NewDelivery(
        event=number,
        rule="r",
        channel=channel,
        rule_set="hash",
        held_back=0,
        created=NOW,
        due=due,
    )


def claim(store: Store, *, channel: str = "desk", most: int = 10, now: datetime = NOW) -> list[Claimed]:
    return store.write(Transaction.claim, channel, most, f"lease at {now}", now, now + timedelta(minutes=1))


def begin(store: Store, claimed: Claimed) -> bool:
    begun = Begun(
        delivery=claimed.id,
        lease=claimed.lease,
        number=claimed.attempts + 1,
        started=NOW,
        message=MESSAGE,
        channel="desk",
    )
    return store.write(Transaction.begin, [begun])[0]


def settle(store: Store, claimed: Claimed, state: DeliveryState, due: datetime = NOW) -> None:
    settled = Settled(
        delivery=claimed.id,
        lease=claimed.lease,
        number=claimed.attempts + 1,
        finished=NOW,
        outcome=Outcome.SENT if state is DeliveryState.DELIVERED else Outcome.TEMPORARY,
        detail="said the provider",
        verdict=Verdict(state, "", due, claimed.standing.tries + 1, is_unsure=False),
    )
    store.write(Transaction.settle, [settled])


def give_back(transaction: Transaction, now: datetime) -> None:
    """Do with lost deliveries what the outbox does: pending again, and an open attempt is unknown."""
    transaction.settle(
        [
            Settled(
                delivery=one.id,
                lease=one.lease,
                number=one.attempts if one.was_begun else one.attempts + 1,
                finished=None,
                outcome=Outcome.UNKNOWN,
                detail="died",
                verdict=Verdict(DeliveryState.PENDING, "", one.standing.due, 0, one.was_begun),
            )
            for one in transaction.lost(now)
        ]
    )


def keep(store: Store, *numbers: int) -> None:
    store.write(Transaction.add_events, [event(number) for number in numbers])


def owe(store: Store, *deliveries: NewDelivery) -> None:
    keep(store, *(one.event or 0 for one in deliveries))
    store.write(Transaction.add_deliveries, list(deliveries))


def test_a_kept_event_is_undecided_and_its_body_is_kept_to_the_byte(store: Store) -> None:
    keep(store, 1)
    [kept] = store.write(Transaction.undecided, 10)
    assert (kept.id, kept.body, kept.received_at, kept.tries) == (event(1).id, event(1).body, NOW, 0)


def test_undecided_events_come_back_in_the_order_of_their_arrival(store: Store) -> None:
    keep(store, 3, 1, 2)
    found = store.write(Transaction.undecided, 2)
    assert [kept.id for kept in found] == [event(3).id, event(1).id]
    [last] = store.write(Transaction.undecided, 2, found[-1].place)
    assert last.id == event(2).id


def test_events_are_counted_in_the_order_of_their_arrival(store: Store) -> None:
    assert store.write(Transaction.add_events, [event(7), event(3)]) == range(1, 3)
    assert store.write(Transaction.add_events, [event(5)]) == range(3, 4)
    assert [kept.place for kept in store.write(Transaction.undecided, 10)] == [1, 2, 3]


def test_an_event_is_kept_once(store: Store) -> None:
    keep(store, 1)
    with pytest.raises(IntegrityError):
        keep(store, 1)
    assert len(store.write(Transaction.undecided, 10)) == 1


def test_known_finds_ids_for_ever_and_content_only_since(store: Store) -> None:
    store.write(Transaction.add_events, [event(1, NOW - timedelta(days=2)), event(2)])
    ids, fingerprints = [event(1).id, event(2).id, "no"], [event(1).fingerprint, event(2).fingerprint, "no"]
    by_id, recent = store.write(Transaction.known, ids, fingerprints, NOW - timedelta(days=1))
    assert by_id == {event(1).id: event(1).fingerprint, event(2).id: event(2).fingerprint}
    assert recent == {event(2).fingerprint: event(2).id}


def test_a_try_is_counted_and_a_decided_event_is_not_undecided(store: Store) -> None:
    keep(store, 1)
    store.write(Transaction.count_try, 1)
    store.write(Transaction.count_try, 1)
    [kept] = store.write(Transaction.undecided, 1)
    assert kept.tries == 2
    assert store.write(Transaction.last_undecided) == kept.place
    assert store.reader.events()[0].state == "undecided"
    store.write(Transaction.finish_events, [(kept.place, kept.rule_set)], "hash")
    assert store.write(Transaction.undecided, 1) == []
    [decided] = store.reader.events()
    assert (decided.state, decided.rule_set) == ("decided", "hash")
    assert store.write(Transaction.last_undecided) == 0


def test_quarantine_keeps_raw_bytes_and_lets_the_oldest_go(store: Store) -> None:
    bodies = [
        Quarantined(received_at=NOW, reason="bad_json", body=bytes([number % 256]))
        for number in range(MOST_QUARANTINED + 3)
    ]
    store.write(Transaction.add_quarantine, bodies)
    kept = store.reader.quarantine(most=MOST_QUARANTINED * 2)
    assert len(kept) == MOST_QUARANTINED
    assert [row.body for row in reversed(kept)] == [body.body for body in bodies[3:]]


def test_windows_are_kept_changed_and_forgotten(store: Store) -> None:
    first, second = WindowKey("r", "once", '[["a"]]'), WindowKey("r", "once", '[["b"]]')
    store.write(Transaction.save_windows, {first: Window(until=NOW), second: Window(until=NOW)})
    store.write(Transaction.save_windows, {first: Window(until=NOW + timedelta(hours=1), held=2)})
    assert store.write(Transaction.windows, {first, WindowKey("r", "once", "unknown")}) == {
        first: Window(until=NOW + timedelta(hours=1), held=2)
    }
    assert store.write(Transaction.purge_windows, NOW + timedelta(minutes=1)) == 1
    assert store.write(Transaction.windows, {first, second}).keys() == {first}


def test_facts_are_kept_changed_and_forgotten(store: Store) -> None:
    old, late = NOW - timedelta(days=2), NOW
    store.write(Transaction.save_facts, '{"guest a":[1],"guest b":[2],"guest c":[3]}', old)
    store.write(Transaction.save_facts, '{"guest b":[[5,"e",{"name":"Zo\\u00eb"}]]}', late)
    wanted = ["guest a", "guest b", "center x"]
    assert store.write(Transaction.facts, wanted) == store.reader.facts(wanted)
    assert json.loads(store.reader.facts(["guest b"])["guest b"]) == [[5, "e", {"name": "Zoë"}]]
    assert store.write(Transaction.facts, []) == {}
    after: str | None = ""
    while after is not None:
        after = store.write(Transaction.purge_facts, NOW - timedelta(days=1), after, 2)
    assert store.reader.facts(["guest a", "guest b", "guest c"]).keys() == {"guest b"}


def test_due_deliveries_are_claimed_oldest_first_and_only_once(store: Store) -> None:
    owe(
        store,
        delivery(1, due=NOW),
        delivery(2, due=NOW - timedelta(seconds=5)),
        delivery(3, due=NOW + timedelta(hours=1)),
        delivery(4, channel="other"),
    )
    assert [one.id for one in claim(store, most=1)] == [id_of(2)]
    assert [one.id for one in claim(store)] == [id_of(1)]
    assert claim(store) == []
    assert store.write(Transaction.next_due, "desk") == NOW + timedelta(hours=1)


def test_a_duty_is_kept_once(store: Store) -> None:
    owe(store, delivery(1))
    with pytest.raises(IntegrityError):
        store.write(Transaction.add_deliveries, [delivery(1)])
    assert len(claim(store)) == 1


def test_a_delivery_is_found_by_a_beginning_of_its_id(store: Store) -> None:
    owe(store, delivery(1), delivery(2))
    first, second = (one.id for one in claim(store))
    assert first[0] != second[0]
    for length in range(1, len(first) + 1):
        assert [one.id for one in store.reader.delivery(first[:length])] == [first]
    assert [one.event for one in store.reader.delivery(second.upper())] == [event(2).id]
    assert store.reader.delivery("00000000") == []
    for odd in ("no id", "", "0x12ab34", "1_2", "+1", " 1", "f" * 15, "f" * 32):
        assert store.reader.delivery(odd) == []
        assert not store.write(Transaction.cancel, odd)


def test_an_attempt_and_its_text_are_kept_before_it_is_settled(store: Store) -> None:
    owe(store, delivery(1))
    [claimed] = claim(store)
    assert begin(store, claimed)
    [shown] = store.reader.delivery(id_of(1))
    assert (shown.state, shown.title, shown.message) == ("sending", "Title", "Body")
    [attempt] = shown.attempts
    assert (attempt.started, attempt.outcome) == (NOW, None)


def test_a_settled_delivery_is_due_again_with_the_same_text(store: Store) -> None:
    owe(store, delivery(1))
    [claimed] = claim(store)
    begin(store, claimed)
    settle(store, claimed, DeliveryState.PENDING, NOW + timedelta(seconds=5))
    assert claim(store) == []
    [again] = claim(store, now=NOW + timedelta(seconds=5))
    assert (again.attempts, again.title, again.message) == (1, "Title", "Body")
    [attempt] = store.reader.delivery(id_of(1))[0].attempts
    assert (attempt.outcome, attempt.detail) == ("temporary", "said the provider")


def test_who_lost_the_lease_can_neither_begin_nor_settle(store: Store) -> None:
    owe(store, delivery(1))
    [late] = claim(store)
    later = NOW + timedelta(minutes=2)
    store.write(give_back, later)
    [holder] = claim(store, now=later)
    assert not begin(store, late)
    assert begin(store, holder)
    settle(store, late, DeliveryState.DEAD)
    assert store.reader.delivery(id_of(1))[0].state == "sending"


def test_a_delivery_whose_lease_expired_is_lost_and_whether_it_was_begun_is_known(store: Store) -> None:
    owe(store, delivery(1), delivery(2))
    first, second = claim(store)
    begin(store, first)
    assert store.write(Transaction.lost, NOW) == []
    assert store.write(Transaction.next_lease_end) == NOW + timedelta(minutes=1)
    later = NOW + timedelta(minutes=2)
    begun, waiting = store.write(Transaction.lost, later)
    assert (begun.id, begun.attempts, begun.was_begun) == (first.id, 1, True)
    assert (waiting.id, waiting.attempts, waiting.was_begun) == (second.id, 0, False)
    store.write(give_back, later)
    assert store.write(Transaction.lost, None) == []
    assert store.write(Transaction.next_lease_end) is None
    [attempt] = store.reader.delivery(first.id)[0].attempts
    assert (attempt.outcome, attempt.finished) == ("unknown", None)
    assert store.reader.delivery(second.id)[0].attempts == ()
    assert len(claim(store)) == 2


def fall_back(store: Store, claimed: Claimed, to: str, *, lease: str | None = None) -> None:
    store.write(
        Transaction.settle,
        [
            Settled(
                delivery=claimed.id,
                lease=lease or claimed.lease,
                number=claimed.attempts + 1,
                finished=NOW,
                outcome=Outcome.PERMANENT,
                detail="no",
                verdict=Verdict(DeliveryState.DEAD, "refused", NOW, 1, is_unsure=True, falls_back=True),
                fallback=to,
            )
        ],
    )


def test_what_falls_back_is_owed_to_the_other_channel_once(store: Store) -> None:
    owe(store, delivery(1), delivery(2))
    store.write(Transaction.add_deliveries, [delivery(2, channel="mail")])
    for claimed in claim(store):
        begin(store, claimed)
        fall_back(store, claimed, "mail", lease="another's")  # whose lease is not ours any more
        fall_back(store, claimed, "mail")
    told = store.reader.deliveries(channel="mail")
    assert [(one.event, one.instead_of) for one in told] == [
        (event(1).id, id_of(1)),
        (event(2).id, None),  # the rule tells it anyway
    ]
    again = claim(store, channel="mail", now=NOW)
    assert {one.instead_of for one in again} == {"desk", ""}
    assert all(one.standing == Standing(0, NOW, NOW) for one in again)


def test_what_waited_too_long_falls_back(store: Store) -> None:
    hour = timedelta(hours=1)
    owe(store, *(delivery(number, due=NOW + number * hour) for number in range(1, 6)))

    def late(before: int, now: int, most: int) -> tuple[int, datetime | None]:
        overdue = Transaction.fall_back_overdue
        return store.write(overdue, "desk", "mail", NOW + before * hour, NOW + now * hour, most)

    assert late(0, 9, 10) == (0, NOW + hour)
    assert late(3, 9, 2) == (2, None), "there may be more"
    assert late(3, 9, 2) == (1, NOW + 4 * hour)
    assert late(9, 4, 9) == (1, NOW + 5 * hour), "what is not due yet is not late"
    assert len(store.reader.deliveries(channel="desk", reason="fallback", state="cancelled")) == 4
    assert len(store.reader.deliveries(channel="mail", state="pending")) == 4


def test_what_a_channel_is_remembered_by(store: Store) -> None:
    owe(store, delivery(1))
    [claimed] = claim(store)
    pause = Pause(
        cause=Cause.BLOCKED, since=NOW, until=NOW + timedelta(minutes=5), probes=2, detail="HTTP 401"
    )
    begun = Begun(
        delivery=claimed.id,
        lease=claimed.lease,
        number=1,
        started=NOW,
        message=MESSAGE,
        channel="desk",
        spent="{}",
    )
    store.write(Transaction.save_pause, "desk", None)
    store.write(Transaction.save_pause, "desk", pause)
    store.write(Transaction.begin, [begun])
    store.write(Transaction.save_pause, "gone", pause)
    assert store.reader.pauses() == {"desk": pause, "gone": pause}
    kept = ChannelState(name="desk", pause=pause, spent="{}")
    assert store.write(Transaction.channel_states, ["desk", "new"]) == [kept]
    store.write(Transaction.save_pause, "desk", None)
    assert store.reader.pauses() == {}
    assert store.write(Transaction.channel_states, ["desk"]) == [ChannelState(name="desk", spent="{}")]


def test_deliveries_of_removed_channels_are_buried(store: Store) -> None:
    owe(store, delivery(1), delivery(2, channel="gone"))
    assert store.write(Transaction.bury_orphans, ["desk"]) == 1
    [dead] = store.reader.deliveries(state="dead")
    assert (dead.id, dead.reason) == (id_of(2), "channel_removed")


def test_a_dead_delivery_is_revived_and_a_waiting_one_cancelled(store: Store) -> None:
    owe(store, delivery(1), delivery(2))
    first, _ = claim(store)
    begin(store, first)
    settle(store, first, DeliveryState.DEAD)
    assert store.write(Transaction.revive, first.id, NOW)
    assert store.write(Transaction.cancel, first.id)
    assert not store.write(Transaction.cancel, first.id)
    assert not store.write(Transaction.revive, id_of(2), NOW)  # being sent


def test_old_events_go_with_all_that_came_of_them_but_not_while_something_is_owed(store: Store) -> None:
    owe(store, delivery(1), delivery(2), delivery(3))
    store.write(
        Transaction.add_decisions,
        [NewDecision(event=1, place=0, rule="r", reason="notified", detail="")],
    )
    store.write(Transaction.finish_events, [(1, None), (2, None)], None)
    [first] = claim(store, most=1)
    begin(store, first)
    settle(store, first, DeliveryState.DELIVERED)
    later = NOW + timedelta(days=91)
    assert store.write(Transaction.purge_events, later, later, later, 10) == 1
    assert store.reader.event(event(1).id) == []
    assert store.reader.delivery(id_of(1)) == []
    assert {one.id for one in store.reader.events()} == {event(2).id, event(3).id}


def test_an_event_of_a_wrong_clock_does_not_keep_those_behind_it(store: Store) -> None:
    future = event(1, NOW + timedelta(days=3650))
    store.write(Transaction.add_events, [future, *(event(number) for number in range(2, 6))])
    store.write(Transaction.finish_events, [(place, None) for place in range(1, 6)], None)
    now = NOW + timedelta(days=91)
    assert store.write(Transaction.purge_events, now, NOW + timedelta(days=1), now, 10) == 4
    assert [one.id for one in store.reader.events()] == [future.id]


def test_the_ids_of_deliveries_are_not_repeated_after_a_long_silence(store: Store) -> None:
    owe(store, delivery(1))
    later = NOW + timedelta(days=400)
    assert store.write(Transaction.next_number, later) == int(later.timestamp())
    assert store.write(Transaction.next_number, NOW) == FIRST + 1


def test_rule_sets_are_kept_and_the_last_used_one_is_known(store: Store) -> None:
    store.write(Transaction.save_rule_set, "first", "a", NOW)
    store.write(Transaction.save_rule_set, "second", "b", NOW + timedelta(seconds=1))
    assert store.reader.last_rule_set() == ("second", "b")
    store.write(Transaction.save_rule_set, "first", "a", NOW + timedelta(seconds=2))
    assert store.reader.last_rule_set() == ("first", "a")
    assert store.reader.rule_set("second") == "b"
    assert store.reader.rule_set("third") is None


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def half(transaction: Transaction) -> None:
        transaction.add_events([event(1)])
        raise IntegrityError("", None, Exception())

    with pytest.raises(IntegrityError):
        store.write(half)
    assert store.write(Transaction.undecided, 10) == []


def test_events_are_listed_by_type_centre_time_and_reason(store: Store) -> None:
    store.write(Transaction.add_events, [event(1, NOW - timedelta(days=1)), event(2)])
    store.write(
        Transaction.add_decisions, [NewDecision(event=2, place=0, rule="r", reason="error", detail="x")]
    )

    def ids(**wanted: object) -> list[str]:
        return [one.id for one in store.reader.events(**wanted)]  # type: ignore[arg-type]

    assert ids() == [event(2).id, event(1).id]
    assert ids(type="class.booking.noshow", most=1) == [event(2).id]
    assert ids(type="Class.*") == [event(2).id, event(1).id]
    assert ids(type="Invoice.*") == []
    assert ids(center="c1", since=NOW) == [event(2).id]
    assert ids(reason="error") == [event(2).id]
    assert ids(reason="notified") == []


def test_decisions_are_counted_by_rule_and_reason(store: Store) -> None:
    store.write(Transaction.add_events, [event(1, NOW - timedelta(days=1)), event(2)])
    made = [(1, 0, "r", "error"), (1, 1, "s", "notified"), (2, 0, "r", "error")]
    store.write(
        Transaction.add_decisions,
        [NewDecision(event, place, rule, reason, "") for event, place, rule, reason in made],
    )
    assert store.reader.count_decisions() == {("r", "error"): 2, ("s", "notified"): 1}
    assert store.reader.count_decisions(NOW) == {("r", "error"): 1}


def test_the_backlog_counts_what_waits(store: Store) -> None:
    owe(store, delivery(1), delivery(2, channel="other", due=NOW - timedelta(hours=1)))
    backlog = store.reader.backlog()
    assert backlog.undecided == 2
    assert backlog.pending == {"desk": 1, "other": 1}
    assert backlog.oldest_due == NOW - timedelta(hours=1)
