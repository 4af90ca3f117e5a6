"""The durable store: events, decisions, deliveries, attempts, windows, rule sets.

One set of statements for SQLite and PostgreSQL.  Everything that writes goes through the one writer (writer.py)
with the statements of transaction.py; reading.py reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Engine

from zennotify.store.engine import (
    AdvisoryLock,
    Lock,
    empty_log,
    read_engine,
    rewrite_file,
    sqlite_path,
    translated_errors,
    write_engine,
)
from zennotify.store.migrate import migrate
from zennotify.store.reading import Reader
from zennotify.store.transaction import Transaction
from zennotify.store.writer import Lane, Rank, Writer

Answer = TypeVar("Answer")
Arguments = ParamSpec("Arguments")

__all__ = ["Lane", "Rank", "Reader", "Store", "Writer", "open_reader"]


def open_reader(url: str) -> Reader:
    """Open the store for reading only, beside a running daemon or without one; raises StoreError."""
    return Reader(read_engine(url))


class Store:
    """An open store: the writer and the reader."""

    def __init__(self, engine: Engine, reader: Reader, lock: Lock | AdvisoryLock) -> None:
        self._engine = engine
        self._lock = lock
        self.reader = reader
        self.writer = Writer(engine)

    @classmethod
    def open(cls, url: str) -> Store:
        """Lock and open the store, and bring its tables up to date.

        Raises StoreLocked when another process has it, StoreError when it cannot be used.
        """
        path = sqlite_path(url)
        engine = write_engine(url)
        lock = Lock(path) if path else AdvisoryLock(engine)
        try:
            with translated_errors():
                lock.take()
        except BaseException:
            engine.dispose()
            raise
        try:
            with translated_errors():
                migrate(engine)
            return cls(engine, Reader(read_engine(url)), lock)
        except BaseException:
            lock.release()
            engine.dispose()
            raise

    @property
    def was_unclean(self) -> bool:
        """Whether the last process died without closing the store."""
        return self._lock.was_unclean

    def write(
        self,
        statements: Callable[Concatenate[Transaction, Arguments], Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Answer:
        """Run statements in a transaction of their own; for a command that works without the daemon."""
        with translated_errors(), self._engine.begin() as connection:
            return statements(Transaction(connection), *args, **kwargs)

    def empty_log(self) -> bool:
        """Empty SQLite's log; for a command that works without the daemon.  False where a reader was in the way."""
        with translated_errors(), self._engine.connect() as connection:
            return empty_log(connection)

    def rewrite(self) -> None:
        """Write SQLite's file anew, so that it holds nothing but its rows; for a command that works without the daemon.

        It needs free space of about twice the file's size; raises StoreUnavailable.
        """
        with translated_errors(), self._engine.connect() as connection:
            rewrite_file(connection)

    def close(self) -> None:
        """Finish what waits, close, and give the lock back."""
        self.writer.stop()
        self.reader.close()
        self._engine.dispose()
        self._lock.release()
