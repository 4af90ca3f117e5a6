"""The one thread that writes, and its group commit.

Everything that waits at the same moment goes into one transaction: new events first, then decisions, then what
the outbox has to say.  Who asks gets an answer after the commit.  A statement that fails on its own account spoils
only itself: the transaction is rolled back and its parts are done again one by one, so a lane's `handle` may run
twice for the same item.

    running --StoreUnavailable: who asked is told, a pause--> away --the next transaction--> running
    running --stop: what waits is done--> ended           away --stop: what waits is given up--> ended
    running --an error that nothing survives: everybody is told, then on_death--> ended
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from zennotify.errors import StoreError, StoreUnavailable
from zennotify.store.engine import empty_log, translated_errors
from zennotify.store.transaction import Transaction

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Arguments = ParamSpec("Arguments")

#: No further lane is asked once a transaction has worked this long (seconds), so that an answer is not kept waiting.
_LONGEST_WORK = 0.05
#: How long patient work waits for other work to share a commit with; seconds.
_COMPANY = 0.005
#: Seconds until the next try while the store is unavailable.
_PAUSE = 0.25


class Rank(IntEnum):
    """The order of the lanes in a transaction."""

    EVENTS = 0
    DECISIONS = 1
    SETTLES = 2
    CLAIMS = 3
    REST = 4


class _Waiting(Generic[Item]):
    """An item, and who wants to know what became of it."""

    __slots__ = ("future", "item", "loop")

    def __init__(self, item: Item, future: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        self.item = item
        self.future = future
        self.loop = loop


class Lane(Generic[Item, Answer]):
    """One kind of work for the writer.  `handle` runs in the writer's thread, inside a transaction."""

    def __init__(
        self,
        writer: Writer,
        handle: Callable[[Transaction, list[Item]], Sequence[Answer]],
        *,
        rank: Rank,
        most: int,
        patient: bool = False,
        committed: Callable[[list[Item], Sequence[Answer]], None] | None = None,
        failed: Callable[[list[Item], Exception], None] | None = None,
    ) -> None:
        self._writer = writer
        self.rank = rank
        #: Whether its items wait a moment for company: a commit of its own costs more than the work.
        self.is_patient = patient
        self._waiting: deque[_Waiting[Item]] = deque()
        self.handle = handle
        #: The most items of one transaction.
        self.most = most
        #: Called in the writer's thread after the commit.
        self.committed = committed
        #: Called in the writer's thread when the items were given up.
        self.failed = failed

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Item) -> None:
        """Add an item that nobody waits for; from any thread."""
        self._writer.add(self, [_Waiting(item, None, None)])

    def ask(self, item: Item) -> asyncio.Future[Answer]:
        """Add an item; its answer comes after its commit, or StoreUnavailable, or what `handle` raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._writer.add(self, [_Waiting(item, future, loop)])
        return future

    def ask_and_wait(self, items: Sequence[Item]) -> list[Answer | BaseException]:
        """Add items and wait for their answers, or what `ask` would raise; from a thread other than the loop's."""
        futures: list[Future[Answer]] = [Future() for _ in items]
        self._writer.add(self, [_Waiting(*pair, None) for pair in zip(items, futures, strict=True)])
        return [future.exception() or future.result() for future in futures]

    def extend(self, waiting: Sequence[_Waiting[Item]]) -> None:
        """Put items into the queue; for the writer."""
        self._waiting.extend(waiting)

    def take(self) -> list[_Waiting[Item]]:
        """Return the oldest items, without those whose asker has left or was sent away."""
        taken: list[_Waiting[Item]] = []
        while self._waiting and len(taken) < self.most:
            waiting = self._waiting.popleft()
            if waiting.future is None or not waiting.future.done():
                taken.append(waiting)
        return taken


_Work = tuple[Lane[Any, Any], list[_Waiting[Any]]]


class Writer:
    """Runs the lanes, in the order of their rank."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._lanes: list[Lane[Any, Any]] = []
        self._wake = threading.Condition()
        #: Whether the thread waits for anything, and not only for company.
        self._is_idle = False
        self._stopping = False
        self._ended = False
        #: Whether the last transaction found the store unavailable.
        self._is_away = False
        #: Lanes up to this place have a turn in the next transaction, however long it takes: they had none in
        #: the last one.
        self._owed = 0
        #: What the transaction under way has taken from the lanes.
        self._works: list[_Work] = []
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._calls = self.lane(_call, rank=Rank.REST, most=1)
        self._emptied = self.lane(_make_answers, rank=Rank.REST, most=1, committed=self._empty_log)
        #: Called in the writer's thread when it cannot go on; the process must end.
        self.on_death: Callable[[Exception], None] = lambda error: None

    def lane(
        self,
        handle: Callable[[Transaction, list[Item]], Sequence[Answer]],
        *,
        rank: Rank,
        most: int,
        patient: bool = False,
        committed: Callable[[list[Item], Sequence[Answer]], None] | None = None,
        failed: Callable[[list[Item], Exception], None] | None = None,
    ) -> Lane[Item, Answer]:
        """Add a kind of work; before `start`."""
        lane = Lane(self, handle, rank=rank, most=most, patient=patient, committed=committed, failed=failed)
        self._lanes = sorted([*self._lanes, lane], key=lambda other: other.rank)
        return lane

    async def call(
        self,
        statements: Callable[Concatenate[Transaction, Arguments], Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Answer:
        """Run statements of the rarer kind in the next transaction; raises what they raise, or StoreUnavailable."""
        answer: Answer = await self._calls.ask((statements, args, kwargs))
        return answer

    async def empty_log(self) -> bool:
        """Empty SQLite's log between two transactions; False where a reader was in the way."""
        answer: list[bool] = await self._emptied.ask(None)
        return answer == [True]

    def _empty_log(self, _items: list[None], answers: Sequence[list[bool]]) -> None:
        # A server's connection has gone back to the pool: it has no such log.
        is_empty = self._connection is None or empty_log(self._connection)
        for answer in answers:
            answer.append(is_empty)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Do what waits, then end the thread; while the store is unavailable, give up what waits."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def add(self, lane: Lane[Any, Any], waiting: list[_Waiting[Any]]) -> None:
        """Put work into a lane and wake the thread."""
        with self._wake:
            if not self._ended:
                lane.extend(waiting)
                if self._is_idle or not lane.is_patient:
                    self._wake.notify()
                return
        self._refuse(waiting)

    def _run(self) -> None:
        try:
            while self._wait():
                self._transact()
        except Exception as error:  # the last resort: the process must not live on without its writer
            self._end()
            self.on_death(error)
        else:
            self._end()

    def _wait(self) -> bool:
        """Wait for work; return whether to go on."""
        with self._wake:
            while not any(self._lanes):
                if self._stopping:
                    return False
                self._is_idle = True
                self._wake.wait()
                self._is_idle = False
            if not self._stopping and all(lane.is_patient for lane in self._lanes if lane):
                self._wake.wait(_COMPANY)
            return not (self._stopping and self._is_away)

    def _transact(self) -> None:
        works = self._works = []
        self._is_away = False
        try:
            answers = self._commit(works)
        except StoreUnavailable as error:
            self._is_away = True
            self._fail(works, error)
            self._pause()
        except StoreError:
            raise
        except Exception:
            if not works:  # the transaction could not even begin: trying again at once would not end
                raise
            self._one_by_one(works)
        else:
            self._succeed(works, answers)
        self._works = []

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        """Begin a transaction and commit it.

        A file's connection is kept for as long as all goes well.  A server's goes back to the pool, which looks
        whether it still lives before it gives it out again.
        """
        keeps = False
        try:
            with translated_errors():
                if self._connection is None:
                    self._connection = self._engine.connect()
                with self._connection.begin():
                    yield Transaction(self._connection)
                keeps = self._engine.dialect.name == "sqlite"
        finally:
            if not keeps:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()

    def _commit(self, works: list[_Work]) -> list[Sequence[Any]]:
        answers: list[Sequence[Any]] = []
        began = time.monotonic()
        with self._transaction() as transaction:
            for place, lane in enumerate(self._lanes):
                batch = lane.take()
                if not batch:
                    continue
                works.append((lane, batch))
                answers.append(lane.handle(transaction, [waiting.item for waiting in batch]))
                if place >= self._owed and time.monotonic() - began > _LONGEST_WORK:
                    self._owed = place + 1
                    break
            else:
                self._owed = 0
        return answers

    def _one_by_one(self, works: list[_Work]) -> None:
        for lane, batch in works:
            for waiting in batch:
                work = [(lane, [waiting])]
                try:
                    with self._transaction() as transaction:
                        answer = lane.handle(transaction, [waiting.item])
                except StoreUnavailable as error:
                    self._fail(work, error)
                except StoreError:
                    raise
                except Exception as error:  # the culprit; the others go on
                    self._fail(work, error)
                else:
                    self._succeed(work, [answer])

    def _succeed(self, works: list[_Work], answers: list[Sequence[Any]]) -> None:
        done: list[tuple[_Waiting[Any], Any]] = []
        for (lane, batch), answer in zip(works, answers, strict=True):
            if lane.committed is not None:
                lane.committed([waiting.item for waiting in batch], answer)
            done.extend((waiting, one) for waiting, one in zip(batch, answer, strict=True) if waiting.future)
        _tell(done, _set_result)

    def _fail(self, works: list[_Work], error: Exception) -> None:
        failed: list[tuple[_Waiting[Any], Any]] = []
        for lane, batch in works:
            if lane.failed is not None:
                lane.failed([waiting.item for waiting in batch], error)
            failed.extend((waiting, error) for waiting in batch if waiting.future)
        _tell(failed, _set_exception)

    def _pause(self) -> None:
        with self._wake:
            if not self._stopping:
                self._wake.wait_for(lambda: self._stopping, timeout=_PAUSE)

    def _end(self) -> None:
        """Tell everybody who still waits that nothing more is kept; who asks from now on is told at once."""
        self._disconnect()
        with self._wake:
            self._ended = True
        left = [waiting for _, batch in self._works for waiting in batch]
        for lane in self._lanes:
            while batch := lane.take():
                left += batch
        self._refuse(left)

    def _refuse(self, left: list[_Waiting[Any]]) -> None:
        error = StoreUnavailable("the store is closed")
        _tell([(waiting, error) for waiting in left if waiting.future], _set_exception)


def _call(
    transaction: Transaction, calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]
) -> list[Any]:
    return [statements(transaction, *args, **kwargs) for statements, args, kwargs in calls]


def _make_answers(_transaction: Transaction, items: list[None]) -> list[list[bool]]:
    """Return answers that are written after the commit."""
    return [[] for _ in items]


def _tell(results: list[tuple[_Waiting[Any], Any]], give: Callable[[Any, Any], None]) -> None:
    """Give results to who waits; those on the event loop in one call, as waking it costs more than the rest."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Any, Any]]] = {}
    for waiting, result in results:
        if waiting.loop is None:
            _give_all([(waiting.future, result)], give)
        else:
            by_loop.setdefault(waiting.loop, []).append((waiting.future, result))
    for loop, pairs in by_loop.items():
        loop.call_soon_threadsafe(_give_all, pairs, give)


def _give_all(pairs: list[tuple[Any, Any]], give: Callable[[Any, Any], None]) -> None:
    for future, result in pairs:
        if not future.done():
            give(future, result)


def _set_result(future: Any, result: Any) -> None:
    future.set_result(result)


def _set_exception(future: Any, error: Exception) -> None:
    future.set_exception(error)
