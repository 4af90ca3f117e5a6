"""The writer: one commit for all that waits, answers only after it, and nobody spoils another's work."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from tests.fakes import START
from zennotify.errors import StoreError, StoreUnavailable
from zennotify.store import Lane, Rank, Store, Writer
from zennotify.store import writer as writer_module
from zennotify.store.engine import translated_errors
from zennotify.store.rows import NewEvent
from zennotify.store.transaction import Transaction

#: Longer than anything here takes; a test that waits this long has failed.
PATIENCE = 20.0


def new_event(id_: str, body: bytes = b"{}") -> NewEvent:
    return NewEvent(
        id=id_, event_id=id_, type="T", center=None, at=None, received_at=START, fingerprint=id_, body=body
    )


def keep(transaction: Transaction, ids: list[str]) -> list[str]:
    """Keep an event for each id; an id that begins with "bad" raises after it was written."""
    transaction.add_events([new_event(id_) for id_ in ids])
    for id_ in ids:
        if id_.startswith("bad"):
            raise ValueError(id_)
    return [f"kept {id_}" for id_ in ids]


class Commits:
    """Counts the transactions that an engine commits, and can hold them up."""

    def __init__(self, store: Store) -> None:
        self.number = 0
        self.reached = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        event.listen(store._engine, "commit", self._on_commit)

    def _on_commit(self, _connection: object) -> None:
        self.number += 1
        self.reached.set()
        assert self.may_go_on.wait(PATIENCE)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with closing(Store.open(store_url)) as store:
        yield store


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def sqlite_store(sqlite_file: Path) -> Iterator[Store]:
    with closing(Store.open(f"sqlite:///{sqlite_file}")) as store:
        yield store


@pytest.fixture
def commits(store: Store) -> Commits:
    return Commits(store)


def events_lane(writer: Writer, *, most: int = 256, **hooks: Any) -> Lane[str, str]:
    return writer.lane(keep, rank=Rank.EVENTS, most=most, **hooks)


def kept(store: Store) -> set[str]:
    return {one.id for one in store.reader.events(most=1000)}


async def started(*asks: Awaitable[Any]) -> list[asyncio.Task[Any]]:
    """Tasks that have come as far as their ask."""
    tasks = [asyncio.ensure_future(ask) for ask in asks]
    await asyncio.wait(tasks, timeout=0)
    return tasks


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.to_thread(function, *args)


async def answers(tasks: Sequence[asyncio.Task[Any]]) -> list[Any]:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.gather(*tasks, return_exceptions=True)


# --- group commit -----------------------------------------------------------------------------------------


async def test_all_that_waits_becomes_one_transaction(store: Store, commits: Commits) -> None:
    lane = events_lane(store.writer)
    tasks = await started(*(lane.ask(f"e{number}") for number in range(200)))
    store.writer.start()
    assert await answers(tasks) == [f"kept e{number}" for number in range(200)]
    assert commits.number == 1
    assert len(kept(store)) == 200


async def test_a_transaction_takes_the_oldest_and_no_more_than_the_most(
    store: Store, commits: Commits
) -> None:
    taken: list[list[str]] = []

    def note(_transaction: Transaction, items: list[str]) -> list[None]:
        taken.append(items)
        return [None] * len(items)

    lane = store.writer.lane(note, rank=Rank.EVENTS, most=2)
    tasks = await started(*(lane.ask(item) for item in "abcde"))
    store.writer.start()
    await answers(tasks)
    assert taken == [["a", "b"], ["c", "d"], ["e"]]
    assert commits.number == 3


async def test_what_comes_during_a_commit_shares_the_next_one(store: Store, commits: Commits) -> None:
    lane = events_lane(store.writer)
    commits.may_go_on.clear()
    store.writer.start()
    [first] = await started(lane.ask("first"))
    assert await in_thread(commits.reached.wait, PATIENCE)
    others = await started(*(lane.ask(f"e{number}") for number in range(50)))
    commits.may_go_on.set()
    await answers([first, *others])
    assert commits.number == 2


async def test_an_answer_comes_after_the_commit(store: Store, commits: Commits) -> None:
    committed: list[list[str]] = []
    lane = events_lane(store.writer, committed=lambda items, _answers: committed.append(items))
    commits.may_go_on.clear()
    store.writer.start()
    [task] = await started(lane.ask("e"))
    assert await in_thread(commits.reached.wait, PATIENCE)
    assert (kept(store), committed, task.done()) == (set(), [], False)
    commits.may_go_on.set()
    assert await answers([task]) == ["kept e"]
    assert (kept(store), committed) == ({"e"}, [["e"]])


async def test_lanes_take_their_turn_by_rank_in_one_transaction(store: Store, commits: Commits) -> None:
    order: list[Rank] = []

    def handler(rank: Rank) -> Callable[[Transaction, list[int]], list[None]]:
        def handle(_transaction: Transaction, items: list[int]) -> list[None]:
            order.append(rank)
            return [None] * len(items)

        return handle

    lanes = [store.writer.lane(handler(rank), rank=rank, most=5) for rank in reversed(Rank)]
    tasks = await started(*(lane.ask(number) for lane in lanes for number in range(3)))
    store.writer.start()
    await answers(tasks)
    assert order == list(Rank)
    assert commits.number == 1


async def test_after_long_work_the_lower_ranks_wait_for_the_next_transaction(
    store: Store, commits: Commits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_LONGEST_WORK", -1.0)
    order: list[str] = []

    def note(_transaction: Transaction, items: list[str]) -> list[None]:
        order.extend(items)
        return [None] * len(items)

    lanes = [store.writer.lane(note, rank=rank, most=5) for rank in (Rank.CLAIMS, Rank.EVENTS)]
    tasks = await started(lanes[0].ask("claim"), lanes[1].ask("event"))
    store.writer.start()
    await answers(tasks)
    assert (order, commits.number) == (["event", "claim"], 2)


async def test_statements_of_the_rarer_kind_run_with_their_arguments(store: Store) -> None:
    def add(_transaction: Transaction, one: int, *, other: int) -> int:
        return one + other

    store.writer.start()
    async with asyncio.timeout(PATIENCE):
        assert await store.writer.call(add, 1, other=2) == 3
        await store.writer.call(Transaction.add_events, [new_event("e")])
    assert kept(store) == {"e"}


async def test_a_thread_may_ask_and_wait(store: Store) -> None:
    lane = events_lane(store.writer)
    store.writer.start()
    assert await in_thread(lane.ask_and_wait, ["e", "f"]) == ["kept e", "kept f"]
    good, bad = await in_thread(lane.ask_and_wait, ["g", "bad"])
    assert (good, type(bad), str(bad)) == ("kept g", ValueError, "bad")


async def test_what_a_thread_asks_at_once_is_one_transaction(store: Store, commits: Commits) -> None:
    lane = events_lane(store.writer)
    store.writer.start()
    await in_thread(lane.ask_and_wait, [f"e{number}" for number in range(50)])
    assert commits.number == 1


async def test_patient_work_shares_the_commit_of_what_comes_next(
    store: Store, commits: Commits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_COMPANY", PATIENCE)
    patient = store.writer.lane(keep, rank=Rank.SETTLES, most=256, patient=True)
    lane = events_lane(store.writer)
    store.writer.start()
    for number in range(10):
        patient.put(f"p{number}")
    await answers([asyncio.ensure_future(lane.ask("e"))])
    assert len(kept(store)) == 11
    assert commits.number <= 2  # the first may have found the writer on its way


async def test_patient_work_is_done_when_nothing_else_comes(store: Store) -> None:
    patient = store.writer.lane(keep, rank=Rank.SETTLES, most=256, patient=True)
    store.writer.start()
    assert await in_thread(patient.ask_and_wait, ["p"]) == ["kept p"]


async def test_a_stop_does_not_wait_for_company(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_COMPANY", 10 * PATIENCE)
    patient = store.writer.lane(keep, rank=Rank.SETTLES, most=256, patient=True)
    store.writer.start()
    patient.put("p")
    await in_thread(store.writer.stop)
    assert kept(store) == {"p"}


async def test_what_nobody_waits_for_is_kept_too(store: Store) -> None:
    lane = events_lane(store.writer)
    lane.put("e1")
    assert len(lane) == 1
    store.writer.start()
    lane.put("e2")
    await in_thread(store.writer.stop)
    assert kept(store) == {"e1", "e2"}


async def test_who_has_left_is_not_served(store: Store) -> None:
    lane = events_lane(store.writer)
    tasks = await started(lane.ask("a"), lane.ask("b"), lane.ask("c"))
    tasks[1].cancel()
    await answers(tasks[1:2])
    store.writer.start()
    assert await answers([tasks[0], tasks[2]]) == ["kept a", "kept c"]
    assert kept(store) == {"a", "c"}


async def test_who_leaves_during_the_commit_disturbs_nobody(store: Store, commits: Commits) -> None:
    lane = events_lane(store.writer)
    commits.may_go_on.clear()
    tasks = await started(lane.ask("a"), lane.ask("b"))
    store.writer.start()
    assert await in_thread(commits.reached.wait, PATIENCE)
    tasks[0].cancel()
    await answers(tasks[:1])
    commits.may_go_on.set()
    assert await answers(tasks[1:]) == ["kept b"]
    assert kept(store) == {"a", "b"}


# --- failures ---------------------------------------------------------------------------------------------


async def test_an_item_that_fails_fails_alone(store: Store) -> None:
    committed: list[list[str]] = []
    failed: list[tuple[list[str], str]] = []
    lane = events_lane(
        store.writer,
        committed=lambda items, _answers: committed.append(items),
        failed=lambda items, error: failed.append((items, str(error))),
    )
    other = store.writer.lane(_echo, rank=Rank.CLAIMS, most=5)
    tasks = await started(lane.ask("a"), lane.ask("bad"), lane.ask("c"), other.ask("claim"))
    store.writer.start()
    first, error, last, claim = await answers(tasks)
    assert (first, last, claim) == ("kept a", "kept c", "claim")
    assert isinstance(error, ValueError)
    assert kept(store) == {"a", "c"}
    assert committed == [["a"], ["c"]]
    assert failed == [(["bad"], "bad")]


def _alone(_transaction: Transaction, items: list[Exception | str]) -> list[Exception | str]:
    """Fail together, so that the items are done one by one; then fail for what is an error itself."""
    if len(items) > 1:
        raise ValueError("one of you")
    if isinstance(items[0], Exception):
        raise items[0]
    return items


async def test_a_store_that_goes_away_between_single_items_fails_only_those(store: Store) -> None:
    lane = store.writer.lane(_alone, rank=Rank.EVENTS, most=5)
    away = StoreUnavailable("disk full")
    tasks = await started(lane.ask("a"), lane.ask(away), lane.ask("c"))
    store.writer.start()
    assert await answers(tasks) == ["a", away, "c"]


async def test_damage_that_a_single_item_finds_ends_the_writer(store: Store) -> None:
    died = _death_of(store.writer)
    lane = store.writer.lane(_alone, rank=Rank.EVENTS, most=5)
    damage = StoreError("damaged")
    tasks = await started(lane.ask("a"), lane.ask(damage), lane.ask("c"))
    store.writer.start()
    first, *others = await answers(tasks)
    assert first == "a"
    assert [type(error) for error in others] == [StoreUnavailable, StoreUnavailable]
    async with asyncio.timeout(PATIENCE):
        assert await died is damage


async def test_a_call_that_fails_tells_its_caller_and_the_writer_goes_on(store: Store) -> None:
    store.writer.start()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(DBAPIError):
            await store.writer.call(
                lambda transaction: transaction._connection.execute(text("SELECT nonsense"))
            )
        await store.writer.call(Transaction.add_events, [new_event("e")])
    assert kept(store) == {"e"}


async def test_a_store_that_another_process_writes_to_makes_them_wait(
    sqlite_store: Store, sqlite_file: Path
) -> None:
    lane = events_lane(sqlite_store.writer)
    refused = _notice_errors(sqlite_store)
    with _held(sqlite_store, sqlite_file):
        sqlite_store.writer.start()
        [task] = await started(lane.ask("e"))
        assert await in_thread(refused.wait, PATIENCE)
        assert not task.done()
    assert await answers([task]) == ["kept e"]


async def test_a_full_disk_is_told_and_passes(sqlite_store: Store) -> None:
    failed: list[list[str]] = []
    lane = events_lane(sqlite_store.writer, failed=lambda items, _error: failed.append(items))
    big = sqlite_store.writer.lane(_keep_big, rank=Rank.REST, most=5)
    sqlite_store.writer.start()
    _pragma(sqlite_store, "max_page_count = 1")  # no more than there is now
    error, *_ = await answers(await started(big.ask("big"), lane.ask("small")))
    assert isinstance(error, StoreUnavailable)
    assert str(error) == "the store cannot be used now (SQLITE_FULL)"
    _pragma(sqlite_store, "max_page_count = 1000000")
    assert await answers(await started(big.ask("big"))) == ["big"]
    assert "big" in kept(sqlite_store)


async def test_who_shares_a_transaction_with_a_full_disk_is_told_as_well(sqlite_store: Store) -> None:
    failed: list[list[str]] = []
    lane = events_lane(sqlite_store.writer, failed=lambda items, _error: failed.append(items))
    big = sqlite_store.writer.lane(_keep_big, rank=Rank.REST, most=5)
    _pragma(sqlite_store, "max_page_count = 1")
    tasks = await started(lane.ask("small"), big.ask("big"))
    sqlite_store.writer.start()
    assert [type(error) for error in await answers(tasks)] == [StoreUnavailable, StoreUnavailable]
    assert failed == [["small"]]
    assert kept(sqlite_store) == set()


async def test_a_lost_connection_is_made_anew(postgres_url: str) -> None:
    def cut(transaction: Transaction) -> None:
        transaction._connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with closing(Store.open(postgres_url)) as store:
        store.writer.start()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(StoreUnavailable, match=r"\(57P01\)$"):
                await store.writer.call(cut)
            await store.writer.call(Transaction.add_events, [new_event("e")])
        assert kept(store) == {"e"}


async def test_a_connection_that_was_lost_between_two_transactions_is_not_noticed(postgres_url: str) -> None:
    with closing(Store.open(postgres_url)) as store:
        store.writer.start()
        async with asyncio.timeout(PATIENCE):
            pid = await store.writer.call(
                lambda transaction: transaction._connection.execute(text("SELECT pg_backend_pid()")).scalar()
            )
            with store.reader._engine.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            await store.writer.call(Transaction.add_events, [new_event("e")])
        assert kept(store) == {"e"}


# --- the end ----------------------------------------------------------------------------------------------


async def test_stop_does_what_waits_and_may_be_asked_twice(store: Store) -> None:
    lane = events_lane(store.writer, most=3)
    tasks = await started(*(lane.ask(f"e{number}") for number in range(10)))
    store.writer.start()
    await in_thread(store.writer.stop)
    await in_thread(store.writer.stop)
    assert len(kept(store)) == 10
    assert await answers(tasks) == [f"kept e{number}" for number in range(10)]


async def test_who_asks_after_the_end_is_told_at_once(store: Store) -> None:
    lane = events_lane(store.writer)
    store.writer.start()
    await in_thread(store.writer.stop)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StoreUnavailable, match=r"^the store is closed$"):
            await lane.ask("late")
        with pytest.raises(StoreUnavailable, match=r"^the store is closed$"):
            await store.writer.call(Transaction.add_events, [])
    [refused] = await in_thread(lane.ask_and_wait, ["late"])
    assert type(refused) is StoreUnavailable
    lane.put("late")
    assert len(lane) == 0


async def test_stop_does_not_wait_for_a_store_that_is_away(sqlite_store: Store, sqlite_file: Path) -> None:
    lane = events_lane(sqlite_store.writer, most=2)
    deaths: list[Exception] = []
    sqlite_store.writer.on_death = deaths.append
    refused = _notice_errors(sqlite_store)
    with _held(sqlite_store, sqlite_file):
        sqlite_store.writer.start()
        tasks = await started(*(lane.ask(f"e{number}") for number in range(5)))
        assert await in_thread(refused.wait, PATIENCE)
        await in_thread(sqlite_store.writer.stop)
    assert {type(error) for error in await answers(tasks)} == {StoreUnavailable}
    assert deaths == []


def _raise_store_error(_transaction: Transaction, _items: list[str]) -> list[None]:
    raise StoreError("the store is damaged")


async def test_a_damaged_store_ends_the_writer_and_everybody_is_told(store: Store) -> None:
    died = _death_of(store.writer)
    events = events_lane(store.writer)
    broken = store.writer.lane(_raise_store_error, rank=Rank.SETTLES, most=1)
    rest = store.writer.lane(_echo, rank=Rank.REST, most=1)
    tasks = await started(
        events.ask("e"), *(broken.ask("x") for _ in range(3)), *(rest.ask("x") for _ in range(3))
    )
    store.writer.start()
    thread = asyncio.ensure_future(in_thread(rest.ask_and_wait, ["x"]))
    *told, [last] = await answers([*tasks, thread])
    told.append(last)
    assert [type(error) for error in told] == [StoreUnavailable] * 8
    async with asyncio.timeout(PATIENCE):
        error = await died
    assert (type(error), str(error)) == (StoreError, "the store is damaged")
    assert kept(store) == set()


async def test_a_hook_that_raises_ends_the_writer(store: Store) -> None:
    def give_up(_items: list[str], error: Exception) -> None:
        raise error

    died = _death_of(store.writer)
    lane = events_lane(store.writer, failed=give_up)
    lane.put("bad")
    store.writer.start()
    async with asyncio.timeout(PATIENCE):
        assert isinstance(await died, ValueError)


async def test_a_transaction_that_can_never_begin_ends_the_writer(store: Store) -> None:
    def on_begin(_connection: object) -> None:
        raise RuntimeError("a bug")

    died = _death_of(store.writer)
    lane = events_lane(store.writer)
    event.listen(store._engine, "begin", on_begin)
    [task] = await started(lane.ask("e"))
    store.writer.start()
    assert [type(error) for error in await answers([task])] == [StoreUnavailable]
    async with asyncio.timeout(PATIENCE):
        assert isinstance(await died, RuntimeError)


async def test_closing_the_store_does_what_waits(store_url: str) -> None:
    store = Store.open(store_url)
    lane = events_lane(store.writer)
    [task] = await started(lane.ask("e"))
    store.writer.start()
    await in_thread(store.close)
    assert await answers([task]) == ["kept e"]
    with closing(Store.open(store_url)) as again:
        assert kept(again) == {"e"}


# --- what the engines' errors mean ------------------------------------------------------------------------


def _sqlite_error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("text")
    error.sqlite_errorname = name
    return error


PASSING = [
    *(
        _sqlite_error(f"SQLITE_{name}")
        for name in ("FULL", "BUSY", "BUSY_SNAPSHOT", "IOERR_WRITE", "READONLY")
    ),
    psycopg.errors.DiskFull("text"),
    psycopg.errors.TooManyConnections("text"),
    psycopg.errors.AdminShutdown("text"),
    psycopg.errors.CannotConnectNow("text"),
    psycopg.errors.ConnectionTimeout("text"),
    psycopg.errors.SerializationFailure("text"),
    psycopg.errors.DeadlockDetected("text"),
    psycopg.errors.LockNotAvailable("text"),
    psycopg.errors.ReadOnlySqlTransaction("text"),
    psycopg.errors.IoError("text"),
    psycopg.OperationalError("connection refused"),
]
FATAL = [_sqlite_error(f"SQLITE_{name}") for name in ("CORRUPT", "NOTADB", "IOERR_FSYNC")]
OURS = [
    _sqlite_error("SQLITE_ERROR"),
    _sqlite_error("SQLITE_CONSTRAINT_NOTNULL"),
    psycopg.errors.UndefinedColumn("text"),
    psycopg.errors.ProgramLimitExceeded("text"),
    psycopg.errors.UniqueViolation("text"),
]


def _wrapped(error: Exception) -> DBAPIError:
    kind = (
        OperationalError
        if isinstance(error, (sqlite3.OperationalError, psycopg.OperationalError))
        else ProgrammingError
    )
    return kind("statement", {}, error)


def _translated(error: DBAPIError) -> Exception:
    with pytest.raises(Exception) as raised, translated_errors():  # noqa: PT011 - which one is the question
        raise error
    return raised.value


@pytest.mark.parametrize(
    "error", PASSING, ids=lambda error: getattr(error, "sqlite_errorname", type(error).__name__)
)
def test_what_may_pass_is_unavailable(error: Exception) -> None:
    assert type(_translated(_wrapped(error))) is StoreUnavailable


@pytest.mark.parametrize("error", FATAL, ids=lambda error: error.sqlite_errorname)
def test_what_cannot_be_trusted_any_more_is_fatal(error: Exception) -> None:
    assert type(_translated(_wrapped(error))) is StoreError


@pytest.mark.parametrize(
    "error", OURS, ids=lambda error: getattr(error, "sqlite_errorname", type(error).__name__)
)
def test_what_is_our_own_fault_is_not_taken_for_the_stores(error: Exception) -> None:
    wrapped = _wrapped(error)
    assert _translated(wrapped) is wrapped


def test_a_connection_that_broke_may_be_made_anew() -> None:
    broken = InterfaceError("statement", {}, psycopg.InterfaceError("closed"), connection_invalidated=True)
    assert type(_translated(broken)) is StoreUnavailable


# --- means ------------------------------------------------------------------------------------------------


def _echo(_transaction: Transaction, items: list[str]) -> list[str]:
    return items


def _death_of(writer: Writer) -> asyncio.Future[Exception]:
    """What the writer will say it died of."""
    loop = asyncio.get_running_loop()
    died: asyncio.Future[Exception] = loop.create_future()

    def on_death(error: Exception) -> None:
        loop.call_soon_threadsafe(died.set_result, error)

    writer.on_death = on_death
    return died


def _keep_big(transaction: Transaction, ids: list[str]) -> list[str]:
    transaction.add_events([new_event(id_, b"x" * 100_000) for id_ in ids])
    return ids


def _pragma(store: Store, pragma: str) -> None:
    """Change the writing connection, which the writer's thread does not use now."""
    with closing(store._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"PRAGMA {pragma}")


@contextlib.contextmanager
def _held(store: Store, path: Path) -> Iterator[None]:
    """Another process holds the store's write lock, and the writer does not wait long for it."""
    _pragma(store, "busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def _notice_errors(store: Store) -> threading.Event:
    """Set when a statement of the store's engine has failed."""
    noticed = threading.Event()
    event.listen(store._engine, "handle_error", lambda _context: noticed.set())
    return noticed
