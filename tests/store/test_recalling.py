"""What is read of windows and of what they gathered, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import insert

from tests.fakes import START
from tests.turning import Decided
from zennotify.core.absent import Absent
from zennotify.core.digest import Digest
from zennotify.core.escalation import Step
from zennotify.core.rule import Rule
from zennotify.core.wait import Wait
from zennotify.core.window import WindowKey
from zennotify.store import Store
from zennotify.store.number import delivery_number
from zennotify.store.schema import acknowledgements, to_micros
from zennotify.store.transaction import Transaction
from zennotify.store.views import AcknowledgementView

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WAITS = Rule(id="waits", events=("t",), notify=("mail",), wait=Wait(text="10m", period=10 * MINUTE))
GATHERS = Rule(
    id="gathers",
    events=("t",),
    notify=("mail",),
    digest=Digest(every=HOUR),
    escalate=(Step(HOUR, ("desk",)),),
)
MISSES = Rule(id="misses", events=("t",), notify=("mail",), absent=Absent(period=2 * HOUR))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def test_an_event_knows_the_windows_that_it_is_in(store: Store) -> None:
    decided = Decided(store, WAITS, GATHERS, MISSES)
    first, second = decided.come("T"), decided.come("T", after=MINUTE)

    def stages(event: str) -> list[str]:
        return [view.key.stage for view in store.reader.timers_of(event)]

    assert stages(first) == ["wait", "digest"]
    assert stages(second) == ["wait", "digest", "absent"]
    assert store.reader.timers_of("nope") == []
    assert [view.event for view in store.reader.timers()] == [first, second, second, second]
    assert [view.due - START for view in store.reader.timers(most=2)] == [10 * MINUTE, 11 * MINUTE]
    assert store.reader.count_timers() == {"waits": 2, "gathers": 1, "misses": 1}
    decided.fire(HOUR)
    assert stages(first) == ["escalate"]
    assert stages(second) == ["escalate", "absent"]
    [escalation] = store.reader.timers_about(1)
    assert escalation.key == WindowKey("gathers", "escalate", "digest 1")
    assert store.reader.timer(escalation.key) == escalation
    assert store.reader.timer(escalation.key._replace(key="digest 2")) is None


def test_what_is_gathered_comes_in_the_order_of_its_time(store: Store) -> None:
    decided = Decided(store, GATHERS)
    first = decided.come("T", center="c1")
    # Later by its sender's clock than it arrived.
    second = decided.come("T", after=MINUTE, at=START + HOUR)
    old = decided.come("T", after=2 * MINUTE, at=START - HOUR)
    gathered = store.reader.gathered(1)
    assert [(one.id, one.at - START) for one in gathered] == [
        (old, -HOUR),
        (first, 0 * HOUR),
        (second, MINUTE),
    ]
    assert [(one.type, one.center, one.is_late) for one in gathered[:2]] == [
        ("T", None, False),
        ("T", "c1", False),
    ]
    decided.fire(HOUR)
    late = decided.come("T", after=90 * MINUTE, at=START)
    assert [(one.id, one.is_late) for one in store.reader.gathered(2)] == [(late, True)]
    assert store.reader.gathered(3) == []


def test_an_event_has_the_deliveries_of_its_digest(store: Store) -> None:
    decided = Decided(store, GATHERS)
    events = [decided.come("T", {"n": number}, center=f"C{number}") for number in range(2)]
    decided.come("Other")
    decided.fire(HOUR)
    [digest] = store.reader.deliveries_about(1)
    assert (digest.event, digest.gathered, digest.counted, digest.meant) == (None, 1, 2, START + HOUR)
    for event in events:
        [view] = store.reader.event(event)
        assert [[one.id for one in decision.deliveries] for decision in view.decisions] == [[digest.id]]
    assert store.reader.deliveries(type="T*", center="c1") == [digest]
    assert store.reader.deliveries(type="other") == []
    assert store.reader.deliveries(wanted=lambda body: b'"n": 1' in body) == [digest]
    assert store.reader.deliveries(wanted=lambda body: b'"n": 2' in body) == []


def test_who_took_a_digest_is_known_of_its_events_and_of_every_step(store: Store) -> None:
    decided = Decided(store, GATHERS)
    event = decided.come("T")
    decided.fire(HOUR)
    [digest] = store.reader.deliveries()
    decided.fire(2 * HOUR)
    [step, _] = store.reader.deliveries()
    assert (step.step, store.reader.acknowledgement(step.id), store.reader.acknowledgements_of(event)) == (
        1,
        None,
        [],
    )
    row = {
        "delivery": delivery_number(digest.id),
        "event": None,
        "gathered": 1,
        "rule": "gathers",
        "by": "Ann",
    }
    taken = insert(acknowledgements).values(**row, at=to_micros(START + 3 * HOUR))

    def take(transaction: Transaction) -> None:
        transaction._connection.execute(taken)

    store.write(take)
    known = AcknowledgementView(rule="gathers", at=START + 3 * HOUR, by="Ann")
    assert store.reader.acknowledgement(step.id) == store.reader.acknowledgement(digest.id) == known
    assert store.reader.acknowledgements_of(event) == [known]
