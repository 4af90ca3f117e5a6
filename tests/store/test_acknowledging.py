"""Who took what, on every engine: kept once, with all that follows, and forgotten with what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.fakes import START, make_rule
from tests.store.test_conformance import NOW, begin, claim, delivery, id_of, keep, settle
from tests.store.test_erasing import decided, ids
from tests.turning import Decided
from zennotify.core.digest import gather_late, late_key
from zennotify.core.escalation import TAKEN, Step
from zennotify.core.model import DeliveryState, Outcome
from zennotify.core.scene import escalation_key
from zennotify.core.verdict import Verdict
from zennotify.core.window import Gathered, Window, Windows
from zennotify.store import Store
from zennotify.store.acknowledging import Acknowledgement, Matter
from zennotify.store.rows import Claimed, NewDelivery, Settled
from zennotify.store.transaction import Transaction

HOUR = timedelta(hours=1)
ANN = Acknowledgement("Ann", NOW)
PURGED = NOW + timedelta(days=100)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def step(number: int, *, channel: str, due: timedelta = HOUR) -> NewDelivery:
    return delivery(1, channel=channel, due=NOW + due)._replace(step=number)


def owe(store: Store, *new: NewDelivery) -> None:
    keep(store, 1)
    store.write(Transaction.add_deliveries, list(new))
    decided(store, 1)
    key = escalation_key("r", place=1, number=None)
    store.write(Transaction.save_windows, {key: Window(until=NOW, due=NOW + HOUR, event=1)})


def matter(store: Store, number: int = 1) -> Matter:
    found = store.reader.matter(id_of(number))
    assert found is not None
    return found


def acknowledge(store: Store, number: int = 1, *rules: str) -> int:
    return store.write(Transaction.acknowledge, matter(store, number), rules or ("r",), ANN)


def states(store: Store) -> dict[str, str]:
    return {one.channel: f"{one.state} {one.reason}".strip() for one in store.reader.deliveries()}


def send(store: Store, channel: str, state: DeliveryState = DeliveryState.DELIVERED) -> None:
    [claimed] = claim(store, channel=channel)
    assert begin(store, claimed)
    settle(store, claimed, state)


def test_it_ends_the_escalation_and_cancels_the_steps_that_wait(store: Store) -> None:
    owe(store, delivery(1), step(1, channel="lead"), step(2, channel="owner"))
    assert acknowledge(store) == 2
    assert states(store) == {
        "desk": "pending",
        "lead": "cancelled acknowledged",
        "owner": "cancelled acknowledged",
    }
    assert store.write(Transaction.next_timer) is None


def test_it_holds_for_every_delivery_of_the_same_event_and_rule(store: Store) -> None:
    keep(store, 2)
    owe(store, delivery(1), step(1, channel="lead"), delivery(1)._replace(rule="other"), delivery(2))
    acknowledge(store, 2)
    taken = [store.reader.acknowledgement_of(matter(store, number)) for number in (1, 2, 3, 4)]
    assert taken == [ANN, ANN, None, None]
    assert store.write(Transaction.acknowledged, matter(store), ("r",)) == ANN
    assert store.write(Transaction.acknowledged, matter(store), ("another",)) is None


def test_a_rule_that_was_renamed_is_the_same_rule(store: Store) -> None:
    owe(store, delivery(1), step(1, channel="lead")._replace(rule="new"))
    store.write(Transaction.carry_over, {"r": "new"})
    assert acknowledge(store, 1, "r", "new") == 1
    assert store.write(Transaction.next_timer) is None
    assert store.reader.acknowledgement_of(matter(store, 2), ("r", "new")) == ANN


def test_those_who_were_told_are_known_and_guests_are_none_of_them(store: Store) -> None:
    owe(
        store,
        delivery(1, channel="told"),
        delivery(1, channel="being-told"),
        delivery(1, channel="waits", due=NOW + HOUR),
        delivery(1, channel="refused"),
        delivery(1, channel="guest")._replace(recipient="guest@example.com"),
        delivery(1, channel="told-by-another-rule")._replace(rule="other"),
        step(1, channel="lead", due=timedelta()),
    )
    for channel in ("told", "guest", "told-by-another-rule", "lead"):
        send(store, channel)
    claim(store, channel="being-told")
    send(store, "refused", DeliveryState.DEAD)
    told = store.write(Transaction.channels_told, matter(store), ("r",))
    assert list(told) == ["told", "being-told", "lead"]
    assert set(told.values()) <= {one.id for one in store.reader.deliveries() if one.channel in told}


def test_who_may_have_been_told_is_told_too(store: Store) -> None:
    owe(store, delivery(1))
    [claimed] = claim(store)
    begin(store, claimed)
    end(store, claimed, Verdict(DeliveryState.DEAD, "maybe_sent", NOW, 1, is_unsure=True))
    assert list(store.write(Transaction.channels_told, matter(store), ("r",))) == ["desk"]


def end(store: Store, claimed: Claimed, made: Verdict, fallback: str = "") -> set[str]:
    settled = Settled(
        delivery=claimed.id,
        lease=claimed.lease,
        number=1,
        finished=NOW,
        outcome=Outcome.TEMPORARY,
        detail="",
        verdict=made,
        fallback=fallback,
    )
    return store.write(Transaction.settle, [settled])


AGAIN = Verdict(DeliveryState.PENDING, "", NOW + HOUR, 1, is_unsure=False)
INSTEAD = AGAIN._replace(
    state=DeliveryState.CANCELLED, reason="fallback", falls_back=True, otherwise_due=NOW + HOUR
)


@pytest.mark.parametrize("made", [AGAIN, INSTEAD], ids=["tried again", "told by its fallback"])
def test_a_step_that_was_being_sent_and_failed_is_not_sent_again(store: Store, made: Verdict) -> None:
    owe(store, delivery(1), step(1, channel="lead", due=timedelta()))
    [claimed] = claim(store, channel="lead")
    begin(store, claimed)
    assert acknowledge(store) == 0
    assert end(store, claimed, made, "mail") == set()
    assert states(store) == {"desk": "pending", "lead": "cancelled acknowledged"}


def test_without_an_acknowledgement_it_is_tried_again_and_so_is_the_message_itself(store: Store) -> None:
    owe(store, delivery(1), step(1, channel="lead", due=timedelta()), delivery(1, channel="slow"))
    [first] = claim(store)
    [lead] = claim(store, channel="lead")
    end(store, lead, AGAIN)
    acknowledge(store)
    end(store, first, AGAIN)
    assert states(store) == {"desk": "pending", "lead": "cancelled acknowledged", "slow": "pending"}


def test_what_says_who_took_it_never_falls_back(store: Store) -> None:
    owe(store, step(TAKEN, channel="lead", due=timedelta())._replace(title="t", message="Taken by Ann"))
    [claimed] = claim(store, channel="lead")
    assert not claimed.standing.may_fall_back
    assert store.write(Transaction.fall_back_overdue, "lead", "mail", NOW, NOW, 10)[0] == 0
    begin(store, claimed)
    assert end(store, claimed, INSTEAD, "mail") == set()


def test_what_says_who_took_it_keeps_its_text_when_a_guest_is_forgotten(store: Store) -> None:
    told = step(TAKEN, channel="lead", due=timedelta())._replace(title="t", message="Taken by Ann")
    owe(store, delivery(1)._replace(message="Nora"), told)
    assert store.write(Transaction.erase_texts, ids(1), alone=False) == {"texts": 1, "left": 0}
    assert {one.channel: one.message for one in store.reader.deliveries()} == {
        "desk": None,
        "lead": "Taken by Ann",
    }


def test_what_is_no_message_of_a_rule_cannot_be_taken(store: Store) -> None:
    keep(store, 1)
    store.write(Transaction.add_deliveries, [delivery(1)._replace(event=None)])
    assert store.reader.matter(id_of(1)) is None
    assert store.reader.matter(id_of(2)) is None
    assert store.reader.matter("what") is None


def test_it_was_sent_when_its_first_try_began(store: Store) -> None:
    owe(store, delivery(1, due=NOW - HOUR))
    assert matter(store).sent == NOW - HOUR
    send(store, "desk")
    assert matter(store).sent == NOW


# --- gathered events ----------------------------------------------------------------------------------------


def digest(number: int, channel: str = "desk", created_late: timedelta = timedelta()) -> NewDelivery:
    about = delivery(1, channel=channel)._replace(event=None, gathered=number, window=f"r {number}")
    return about._replace(created=NOW + created_late)


def gather(store: Store) -> None:
    keep(store, 1, 2)
    decided(store, 1, 2)
    store.write(Transaction.gather, [Gathered(7, 1), Gathered(7, 2), Gathered(8, 2)])
    store.write(Transaction.add_deliveries, [digest(7), digest(7, "lead")._replace(step=1, due=NOW + HOUR)])
    key = escalation_key("r", place=None, number=7)
    store.write(Transaction.save_windows, {key: Window(until=NOW, due=NOW + HOUR, event=2, number=7)})


def rows(store: Store, table: str) -> int:
    def count(transaction: Transaction) -> int:
        return int(transaction._connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    return store.write(count)


def test_a_digest_is_acknowledged_as_a_whole(store: Store) -> None:
    gather(store)
    send(store, "desk")
    assert list(store.write(Transaction.channels_told, matter(store), ("r",))) == ["desk"]
    assert acknowledge(store) == 1
    assert store.reader.acknowledgement_of(matter(store, 2)) == ANN
    assert store.write(Transaction.next_timer) is None


def test_a_digests_events_and_who_took_it_are_forgotten_with_its_last_message(store: Store) -> None:
    gather(store)
    store.write(Transaction.add_deliveries, [digest(8, "young", timedelta(days=80))])
    send(store, "desk")
    acknowledge(store)
    assert (rows(store, "gathered"), rows(store, "acknowledgements")) == (3, 1)
    purge(store, NOW - HOUR)
    assert (rows(store, "gathered"), rows(store, "acknowledgements")) == (3, 1)
    purge(store, NOW + HOUR)
    # What a message tells of that is kept, is kept.
    assert rows(store, "acknowledgements") == 0
    assert (rows(store, "gathered"), rows(store, "events")) == (1, 1)
    assert [one.channel for one in store.reader.deliveries()] == ["young"]


def purge(store: Store, before: object) -> None:
    while store.write(Transaction.purge_events, PURGED, before, before, 10):  # type: ignore[arg-type]
        pass


def test_who_took_it_is_forgotten_with_the_event(store: Store) -> None:
    owe(store, delivery(1))
    send(store, "desk")
    acknowledge(store)
    purge(store, NOW + HOUR)
    assert (rows(store, "events"), rows(store, "acknowledgements")) == (0, 0)


def test_an_event_that_is_erased_takes_who_took_it_along(store: Store) -> None:
    owe(store, delivery(1))
    send(store, "desk")
    acknowledge(store)
    store.write(Transaction.erase_events, ids(1), alone=False)
    assert rows(store, "acknowledgements") == 0


def test_a_key_is_made_once(store: Store) -> None:
    assert store.write(Transaction.signing_key, "ack", b"\x01" * 32) == b"\x01" * 32
    assert store.write(Transaction.signing_key, "ack", b"\x02" * 32) == b"\x01" * 32
    assert store.write(Transaction.signing_key, "other", b"\x02" * 32) == b"\x02" * 32


def test_who_takes_what_was_too_late_ends_the_escalations_of_its_events(store: Store) -> None:
    steps = (Step(timedelta(minutes=30), ("boss",)), Step(timedelta(hours=2), ("chief",)))
    desk = Decided(store, make_rule(escalate=steps))
    desk.come("Class.Booking.NoShow")
    key = late_key("r", "desk", "")

    def be_late(transaction: Transaction) -> None:
        found = Windows(transaction.windows([key]), transaction.next_gathering)
        gather_late(found, key, 1, 0, START, "rules")
        transaction.save_windows(found.changed)
        transaction.gather(found.gathered)

    store.write(be_late)
    desk.fire(timedelta(hours=1))  # the first step waits to be sent
    [late] = [one for one in store.reader.deliveries() if one.gathered is not None]
    matter = store.reader.matter(late.id)
    assert matter is not None
    assert store.write(Transaction.acknowledge, matter, {"r"}, Acknowledgement("Ann", START)) == 1
    desk.fire(timedelta(hours=3))
    steps_of = {one.channel: one.state for one in store.reader.deliveries() if one.step}
    assert steps_of == {"boss": "cancelled"}
