"""What rules remember, on every engine: windows, what they gather, decisions that change, and what is kept for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests.store.test_conformance import NOW, begin, claim, event, settle
from zennotify.core.model import DeliveryState, Reason
from zennotify.core.scene import Revision
from zennotify.core.window import Gathered, Window, WindowKey
from zennotify.errors import StoreUnavailable
from zennotify.store import Store
from zennotify.store.engine import write_engine
from zennotify.store.migrate import migrate
from zennotify.store.rows import NewDecision, NewDelivery
from zennotify.store.schema import to_micros
from zennotify.store.transaction import Transaction

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONG_AGO = NOW - 100 * DAY
NEVER = datetime(2024, 1, 1, tzinfo=UTC)
KEY = WindowKey("r", "wait", '[["k"]]')


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store.open(store_url)
    yield store
    store.close()


def keep(store: Store, number: int, received_at: datetime = NOW) -> None:
    store.write(Transaction.add_events, [event(number, received_at)])


def save(store: Store, *windows: tuple[WindowKey, Window | None]) -> None:
    store.write(Transaction.save_windows, dict(windows))


def window(store: Store, key: WindowKey = KEY) -> Window | None:
    return store.write(Transaction.windows, [key]).get(key)


def test_what_fails_apart_is_undone_alone_and_what_the_store_cannot_take_now_is_not_hidden(
    store: Store,
) -> None:
    other = WindowKey("r", "wait", "other")

    def fail(transaction: Transaction) -> None:
        with transaction.apart():
            transaction.save_windows({other: Window(until=NOW)})
            transaction._connection.exec_driver_sql("SELECT nothing FROM nowhere")

    def work(transaction: Transaction) -> str:
        transaction.save_windows({KEY: Window(until=NOW)})
        with pytest.raises(DBAPIError):
            fail(transaction)
        with transaction.apart():
            transaction.save_windows({KEY._replace(rule="s"): Window(until=NOW)})
        return "done"

    def stop(transaction: Transaction) -> None:
        transaction.save_windows({other: Window(until=NOW)})
        with transaction.apart():
            raise StoreUnavailable("the disk is full")

    assert store.write(work) == "done"
    with pytest.raises(StoreUnavailable):
        store.write(stop)
    assert (window(store), window(store, other)) == (Window(until=NOW), None)
    assert count(store, "windows") == 2


def count(store: Store, table: str) -> int:
    with store.reader._engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def decided(store: Store, *made: tuple[int, str, str]) -> None:
    """Keep decisions: event, rule, reason; each the only one of its event."""
    store.write(
        Transaction.add_decisions, [NewDecision(place, 0, rule, reason, "") for place, rule, reason in made]
    )
    store.write(Transaction.finish_events, [(place, None) for place, _, _ in made], None)


def decisions(store: Store) -> list[tuple[int, int, str, str, str]]:
    query = "SELECT event, place, rule, reason, detail FROM decisions ORDER BY event, place"
    with store.reader._engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def gather(store: Store, number: int, *places: int, late: bool = False) -> None:
    store.write(Transaction.gather, [Gathered(number, place, late) for place in places])


# --- windows --------------------------------------------------------------------------------------------------

FULL = Window(
    until=NOW + MINUTE,
    held=3,
    count=5,
    opened=NOW - HOUR,
    due=NOW + HOUR,
    event=7,
    number=11,
    times=(NOW - DAY, NOW, NOW + timedelta(microseconds=1)),
    lasts=NOW + DAY,
    rule_set="hash",
)


@pytest.mark.parametrize("kept", [FULL, Window(until=NOW)], ids=["with all", "with nothing"])
def test_a_window_comes_back_as_it_was_kept(store: Store, kept: Window) -> None:
    save(store, (KEY, kept))
    assert window(store) == kept


def test_a_window_is_changed_as_a_whole_and_ended(store: Store) -> None:
    save(store, (KEY, FULL))
    save(store, (KEY, Window(until=NOW, due=NOW)))
    assert window(store) == Window(until=NOW, due=NOW)
    save(store, (KEY, None), (KEY._replace(rule="never was"), None))
    assert window(store) is None
    assert count(store, "windows") == 0


ODD = [
    "",
    "plain",
    "it's; DROP TABLE windows; --",
    'quotes " and \\ and %s and ? and :x',
    "line\nand\ttab",
    "\\u0000",
    "ünï ☃ \U0001f600",
    "[]",
    "null",
    "x" * 300,
]


def test_windows_are_found_by_keys_of_any_kind(store: Store) -> None:
    keys = [WindowKey(f"rule {odd}", f"stage {odd}", odd) for odd in ODD]
    kept = {key: Window(until=NOW, count=number) for number, key in enumerate(keys)}
    save(store, *kept.items())
    assert store.write(Transaction.windows, keys) == kept
    for key in keys:
        assert store.write(Transaction.windows, [key]) == {key: kept[key]}
    assert store.write(Transaction.windows, []) == {}


def test_many_windows_are_found_at_once_and_only_those_that_are_asked_for(store: Store) -> None:
    keys = [WindowKey(f"r{number % 7}", "once", f"{number}") for number in range(3_000)]
    save(store, *((key, Window(until=NOW)) for key in keys[:2_000]))
    assert store.write(Transaction.windows, keys[1_000:]).keys() == set(keys[1_000:2_000])


def test_the_same_key_asked_for_twice_is_one_window(store: Store) -> None:
    save(store, (KEY, FULL))
    assert store.write(Transaction.windows, [KEY, KEY]) == {KEY: FULL}


# --- timers ---------------------------------------------------------------------------------------------------


def test_windows_whose_time_has_come_are_given_in_the_order_of_their_time(store: Store) -> None:
    assert store.write(Transaction.next_timer) is None
    moments = {"c": 2, "a": 5, "b": 2, "late": 9, "none": None}
    for name, minutes in moments.items():
        due = None if minutes is None else NOW + minutes * MINUTE
        save(store, (WindowKey(name, "wait", "k"), Window(until=NOW, due=due)))
    assert store.write(Transaction.next_timer) == NOW + 2 * MINUTE

    def due_at(minutes: float, most: int = 100) -> list[str]:
        found = store.write(Transaction.due_windows, NOW + minutes * MINUTE, most)
        return [timer.key.rule for timer in found]

    assert due_at(1.99) == []
    assert due_at(2) == ["b", "c"]
    assert due_at(5) == ["b", "c", "a"]
    assert due_at(60, most=2) == ["b", "c"]


def test_a_timer_comes_with_its_event_as_far_as_it_is_still_there(store: Store) -> None:
    keep(store, 1)
    for name, place in (("a", 1), ("b", 99), ("c", None)):
        save(store, (WindowKey(name, "wait", "k"), Window(until=NOW, due=NOW, event=place)))
    found = store.write(Transaction.due_windows, NOW, 10)
    assert [timer.event and timer.event.id for timer in found] == [event(1).id, None, None]
    [kept] = store.write(Transaction.events_at, [1, 2]).values()
    assert (kept.place, kept.body) == (1, event(1).body)


def test_the_first_undecided_event_is_the_oldest_by_its_place(store: Store) -> None:
    assert store.write(Transaction.first_undecided) is None
    for number in (1, 2, 3):
        keep(store, number, NOW + number * MINUTE)
    store.write(Transaction.finish_events, [(1, None)], None)
    assert store.write(Transaction.first_undecided) == NOW + 2 * MINUTE


def test_what_a_clock_opened_that_was_ahead_counts_from_now_on(store: Store) -> None:
    ahead = NOW + 2 * HOUR

    def opened(name: str, moment: datetime | None, **more: datetime) -> tuple[WindowKey, Window]:
        fields = {"until": ahead + MINUTE, "due": ahead + MINUTE, **more}
        return WindowKey(name, "wait", "k"), Window(opened=moment, **fields)  # type: ignore[arg-type]

    kept = [
        opened("ahead", ahead),
        opened("escalated", ahead, until=ahead, lasts=ahead + DAY),
        opened("after another", ahead, until=NOW + HOUR),
        opened("after an old one", ahead, until=NOW - HOUR),
        opened("slightly", NOW + MINUTE),
        opened("before", NOW - MINUTE),
        opened("by the wall", None),
        opened("in 1970", datetime(1970, 1, 1, tzinfo=UTC), until=datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
        opened("unset", NEVER),
    ]
    save(store, *kept)
    save(store, (WindowKey("sent", "digest", "k"), Window(until=ahead, opened=ahead)))
    store.write(Transaction.reanchor, NOW, NEVER)

    def now(name: str) -> Window | None:
        return window(store, WindowKey(name, "wait", "k"))

    anew = Window(until=NOW + MINUTE, opened=NOW, due=NOW + MINUTE)
    assert now("ahead") == anew
    assert now("escalated") == Window(until=NOW, opened=NOW, due=NOW + MINUTE, lasts=NOW + DAY)
    assert now("after another") == Window(until=NOW, opened=NOW, due=NOW + MINUTE)
    assert now("after an old one") == Window(until=NOW - HOUR, opened=NOW, due=NOW + MINUTE)
    [found] = [one for one in (now("in 1970"),) if one]
    assert (found.opened, found.until) == (NOW, NOW + MINUTE)
    unchanged = dict(kept)
    for name in ("slightly", "before", "by the wall", "unset"):
        assert now(name) == unchanged[WindowKey(name, "wait", "k")]
    assert window(store, WindowKey("sent", "digest", "k")) == Window(until=ahead, opened=ahead)


# --- what is gathered -----------------------------------------------------------------------------------------


def test_what_a_window_gathered_is_known_by_its_number(store: Store) -> None:
    for number in (1, 2, 3):
        keep(store, number)
    assert store.write(Transaction.next_gathering) == 1
    gather(store, 1, 1, 3)
    gather(store, 2, 2, late=True)
    assert store.write(Transaction.next_gathering) == 3
    last = store.write(Transaction.last_gathered, 1)
    assert last is not None
    assert last.place == 3
    assert store.write(Transaction.last_gathered, 9) is None
    with store.reader._engine.connect() as connection:
        rows = connection.execute(text("SELECT number, event, late FROM gathered ORDER BY number, event"))
        assert [tuple(row) for row in rows] == [(1, 1, 0), (1, 3, 0), (2, 2, 1)]


def test_a_number_is_not_given_again_while_a_delivery_has_it(store: Store) -> None:
    keep(store, 1)
    gather(store, 4, 1)
    store.write(Transaction.add_deliveries, [digest_of(4)])
    store.write(_drop_gathered)
    assert count(store, "gathered") == 0
    assert store.write(Transaction.next_gathering) == 5


def _drop_gathered(transaction: Transaction) -> None:
    transaction._connection.exec_driver_sql("DELETE FROM gathered")


def test_a_window_that_lost_all_that_it_gathered_is_empty_and_another_goes_on(store: Store) -> None:
    for number in (1, 2, 3):
        keep(store, number)
    gather(store, 1, 1)
    gather(store, 2, 2, 3)
    keys = [WindowKey("r", "digest", f"{number}") for number in (1, 2)]
    save(
        store,
        *(
            (key, Window(until=NOW, due=NOW, event=1, number=number, count=2))
            for number, key in enumerate(keys, 1)
        ),
    )
    store.write(Transaction.erase_events, [event(1).id, event(3).id], alone=True)
    left = store.write(Transaction.windows, keys)
    assert [(left[key].number, left[key].count, left[key].event) for key in keys] == [
        (None, 0, None),
        (2, 1, 2),
    ]
    last = store.write(Transaction.last_gathered, 2)
    assert last is not None
    assert last.place == 2


def digest_of(number: int, created: datetime = NOW) -> NewDelivery:
    return NewDelivery(None, "r", "desk", "hash", created, created, gathered=number, window=f"r {number}")


# --- decisions that change ------------------------------------------------------------------------------------


def test_what_has_become_of_a_decision_is_kept_of_its_event_and_rule_alone(store: Store) -> None:
    for number in (1, 2):
        keep(store, number)
    store.write(
        Transaction.add_decisions,
        [
            NewDecision(place, n, rule, "waiting", "")
            for place in (1, 2)
            for n, rule in enumerate(("r", "other"))
        ],
    )
    store.write(
        Transaction.revise,
        [Revision(1, "r", Reason.NOTIFIED, "at last"), Revision(9, "r", Reason.FAILED, "")],
    )
    assert decisions(store) == [
        (1, 0, "r", "notified", "at last"),
        (1, 1, "other", "waiting", ""),
        (2, 0, "r", "waiting", ""),
        (2, 1, "other", "waiting", ""),
    ]


def test_what_has_become_of_gathered_events_is_kept_of_each_of_them(store: Store) -> None:
    for number in (1, 2, 3):
        keep(store, number)
    decided(store, (1, "r", "digested"), (2, "r", "digested"), (3, "r", "digested"))
    gather(store, 5, 1, 3)
    store.write(Transaction.revise, [Revision(5, "r", Reason.NO_RECIPIENT, "nobody", is_of_gathered=True)])
    assert [(row[0], *row[3:]) for row in decisions(store)] == [
        (1, "no_recipient", "nobody"),
        (2, "digested", ""),
        (3, "no_recipient", "nobody"),
    ]


def test_a_later_decision_stands_behind_those_that_its_event_has(store: Store) -> None:
    for number in (1, 2):
        keep(store, number)
    decided(store, (1, "r", "notified"))
    later = [NewDecision(1, 0, "late", "notified", "a"), NewDecision(2, 0, "late", "silenced", "b")]
    store.write(Transaction.add_later_decisions, later)
    store.write(Transaction.add_later_decisions, [NewDecision(1, 0, "later", "notified", "c")])
    assert decisions(store) == [
        (1, 0, "r", "notified", ""),
        (1, 1, "late", "notified", "a"),
        (1, 2, "later", "notified", "c"),
        (2, 0, "late", "silenced", "b"),
    ]


# --- rules that are renamed -----------------------------------------------------------------------------------


def test_the_windows_of_a_renamed_rule_are_carried_over_with_the_decisions_of_what_waits(
    store: Store,
) -> None:
    for number in (1, 2, 3, 4):
        keep(store, number)
    decided(
        store, (1, "old", "waiting"), (2, "old", "digested"), (3, "old", "notified"), (4, "else", "waiting")
    )
    gather(store, 5, 2)
    kept = {
        WindowKey("old", "wait", "1"): Window(until=NOW, due=NOW, event=1),
        WindowKey("old", "digest", ""): Window(until=NOW, due=NOW, event=2, number=5),
        WindowKey("old", "once", "k"): Window(until=NOW, held=2),
        WindowKey("else", "wait", "4"): Window(until=NOW, due=NOW, event=4),
    }
    save(store, *kept.items())
    assert store.write(Transaction.carry_over, {"old": "new", "never was": "nothing"}) == 3
    wanted = {key._replace(rule="new" if key.rule == "old" else key.rule): one for key, one in kept.items()}
    assert store.write(Transaction.windows, [*kept, *wanted]) == wanted
    assert [row[2] for row in decisions(store)] == ["new", "new", "old", "else"]
    assert store.write(Transaction.carry_over, {"old": "new"}) == 0


def test_a_window_that_the_new_rule_has_itself_is_kept_and_what_waits_under_the_old_name_goes_on(
    store: Store,
) -> None:
    mine = Window(until=NOW, due=NOW, count=1)
    waiting = Window(until=NOW, due=NOW, count=2)
    save(
        store,
        (KEY._replace(rule="new"), mine),
        (KEY._replace(rule="old"), waiting),
        (WindowKey("new", "once", "k"), Window(until=NOW, held=1)),
        (WindowKey("old", "once", "k"), Window(until=NOW, held=2)),
    )
    assert store.write(Transaction.carry_over, {"old": "new"}) == 0
    assert window(store, KEY._replace(rule="new")) == mine
    assert window(store, KEY._replace(rule="old")) == waiting
    assert window(store, WindowKey("new", "once", "k")) == Window(until=NOW, held=1)
    assert window(store, WindowKey("old", "once", "k")) is None


# --- retention ------------------------------------------------------------------------------------------------


def test_a_window_with_a_timer_is_never_purged(store: Store) -> None:
    over, open_, lasting = (WindowKey("r", stage, "k") for stage in ("once", "wait", "digest"))
    save(
        store,
        (over, Window(until=LONG_AGO)),
        (open_, Window(until=LONG_AGO, due=LONG_AGO)),
        (lasting, Window(until=LONG_AGO, lasts=NOW)),
    )
    assert store.write(Transaction.purge_windows, NOW) == 1
    assert store.write(Transaction.windows, [over, open_, lasting]).keys() == {open_, lasting}
    assert store.write(Transaction.purge_windows, datetime(1970, 1, 1, tzinfo=UTC)) == 0


def purge(store: Store) -> int:
    return store.write(Transaction.purge_events, NOW, NOW - 90 * DAY, NOW - 90 * DAY, 100)


def test_an_event_is_kept_as_long_as_a_window_is_about_it(store: Store) -> None:
    for number in (1, 2, 3):
        keep(store, number, LONG_AGO)
    decided(store, *((number, "r", "waiting") for number in (1, 2, 3)))
    save(store, (KEY, Window(until=NOW, due=NOW + DAY, event=2)))
    # What has been told is not about it any more.
    save(store, (WindowKey("r", "absent", "k"), Window(until=NOW, event=3, lasts=NOW + DAY)))
    assert purge(store) == 2
    assert [one.id for one in store.reader.events()] == [event(2).id]
    save(store, (KEY, None))
    assert purge(store) == 1


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.DEAD])
def test_gathered_events_are_kept_while_a_window_or_an_open_delivery_tells_of_them(
    store: Store, state: DeliveryState
) -> None:
    for number in (1, 2):
        keep(store, number, LONG_AGO)
    decided(store, (1, "r", "digested"), (2, "r", "digested"))
    gather(store, 1, 1, 2)
    key = WindowKey("r", "digest", "")
    save(store, (key, Window(until=NOW, due=NOW, event=2, number=1)))
    assert purge(store) == 0
    store.write(Transaction.add_deliveries, [digest_of(1)])
    save(store, (key, Window(until=NOW, lasts=NOW + DAY)))
    claimed = [] if state is DeliveryState.PENDING else claim(store)
    for one in claimed if state is DeliveryState.DEAD else ():
        begin(store, one)
        settle(store, one, DeliveryState.DEAD)
    assert purge(store) == 0
    if state is DeliveryState.DEAD:
        return
    for one in claimed or claim(store):
        begin(store, one)
        settle(store, one, DeliveryState.DELIVERED)
    assert purge(store) == 2
    assert (count(store, "events"), count(store, "gathered")) == (0, 0)


def test_a_dead_delivery_of_gathered_events_is_kept_as_long_as_the_dead_are(store: Store) -> None:
    created = NOW - 100 * DAY
    store.write(Transaction.add_deliveries, [digest_of(1, created), digest_of(2, created)])
    first, second = claim(store)
    for claimed, state in ((first, DeliveryState.DEAD), (second, DeliveryState.DELIVERED)):
        begin(store, claimed)
        settle(store, claimed, state)
    store.write(Transaction.purge_events, NOW, NOW - 90 * DAY, NOW - 365 * DAY, 100)
    assert count(store, "deliveries") == 1
    store.write(Transaction.purge_events, NOW, NOW - 90 * DAY, NOW - 90 * DAY, 100)
    assert count(store, "deliveries") == 0


# --- an older store -------------------------------------------------------------------------------------------


def test_what_an_older_store_has_is_still_there_when_its_tables_are_brought_up_to_date(
    store_url: str,
) -> None:
    engine = write_engine(store_url)
    upgrade_to(engine, "0002")
    at, due = to_micros(NOW), to_micros(NOW + HOUR)
    body = b"{}"
    with engine.begin() as connection:
        for table, row in {
            "events": {
                "seq": 1, "id": "e1", "event_id": "z1", "type": "T", "received_at": at, "fingerprint": "f",
                "body": body,
            },
            "windows": {"rule": "r", "stage": "once", "key": "k", "until": due, "held": 2, "expires": due + 5},
            "deliveries": {
                "seq": 7, "event": 1, "rule": "r", "channel": "desk", "recipient": "", "step": 0, "rule_set": "h",
                "held_back": 2, "state": "pending", "reason": "", "created": at, "due": at, "attempts": 0, "since": at,
                "tries": 0, "unsure": 0,
            },
        }.items():  # fmt: skip
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    migrate(engine)
    engine.dispose()
    store = Store.open(store_url)
    try:
        key = WindowKey("r", "once", "k")
        lasts = NOW + HOUR + timedelta(microseconds=5)
        assert window(store, key) == Window(until=NOW + HOUR, held=2, lasts=lasts)
        [claimed] = claim(store)
        assert (claimed.event and claimed.event.id, claimed.counted, claimed.gathered) == ("e1", 0, None)
        assert claimed.meant is None
    finally:
        store.close()


def upgrade_to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "zennotify.store:migrations")
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
