"""Opens the store: the file, its lock, its engines.  Errors of an engine never hold a statement's values.

SQLite: one process at a time (a lock file held by flock), one writing connection, any number of readers, which
cannot write: some versions corrupt a WAL store that two connections write to at the same moment (sqlite.org/wal.html,
"the WAL-reset bug").  The lock file also tells whether the last owner closed the store: it holds the owner's process
id while it is open.  PostgreSQL: an advisory lock does the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from zennotify.errors import StoreError, StoreLocked, StoreUnavailable

#: How long who writes waits for others; milliseconds.
_PATIENCE = 5000
_LOG_PATIENCE = 100
_WRITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # NORMAL may lose the last commits when the power fails
    f"PRAGMA busy_timeout={_PATIENCE}",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA secure_delete=ON",  # what is deleted is overwritten, and not only marked as free
)


def sqlite_path(url: str) -> Path | None:
    """Return the file of a sqlite URL, or None for another engine."""
    # Not SQLAlchemy's reading of it, which takes a % in a folder's name for an escape.
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def write_engine(url: str) -> Engine:
    """Return the engine of the one writing connection."""
    path = sqlite_path(url)
    if path is None:
        return create_engine(
            _psycopg(url), pool_size=2, max_overflow=0, pool_pre_ping=True, hide_parameters=True
        )
    _create_private(path)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool, hide_parameters=True)
    _begin_with(engine, "BEGIN IMMEDIATE", _WRITE_PRAGMAS)
    return engine


def read_engine(url: str) -> Engine:
    """Return an engine that cannot write and never blocks the writer."""
    path = sqlite_path(url)
    if path is None:
        return create_engine(
            _psycopg(url),
            pool_size=2,
            max_overflow=4,
            execution_options={"postgresql_readonly": True},
            hide_parameters=True,
        )
    if not path.exists():
        raise StoreError(f"there is no store at {path} yet; start the daemon once: zennotify run")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False)

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, hide_parameters=True
    )
    # Each reader keeps pages of its own (KiB); they look at a few rows, or at all of them once.
    _begin_with(engine, "BEGIN", (f"PRAGMA busy_timeout={_PATIENCE}", "PRAGMA cache_size=-512"))
    return engine


def _psycopg(url: str) -> str:
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _create_private(path: Path) -> None:
    """Create the file so that only its owner reads it; SQLite gives its -wal and -shm the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"cannot open the store {path}: {error.strerror}") from error
    os.fchmod(descriptor, 0o600)
    os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)  # the file's name must survive a power cut, too
    os.close(folder)


def _begin_with(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)


def empty_log(connection: Connection) -> bool:
    """Bring SQLite's log into its file and empty it, on the writing connection outside of a transaction.

    What was deleted is still in the log until then.  Returns False where it could not be done now.
    """
    if connection.dialect.name != "sqlite":
        return True
    driver: Any = connection.connection.dbapi_connection
    driver.execute(f"PRAGMA busy_timeout={_LOG_PATIENCE}")  # new events must not wait for a slow reader
    try:
        [is_busy, *_] = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:  # a disk that is full: the next commit tells
        return False
    finally:
        driver.execute(f"PRAGMA busy_timeout={_PATIENCE}")
    return not is_busy


def rewrite_file(connection: Connection) -> None:
    """Write SQLite's file anew, on the writing connection outside of a transaction; raise StoreUnavailable.

    What is deleted is overwritten, but not the copies that moving rows between pages has left in unused parts of these.
    """
    if connection.dialect.name != "sqlite":
        return
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA temp_store=FILE")  # the file may be larger than the memory
    try:
        driver.execute("VACUUM")
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"the store cannot be rewritten now ({error.sqlite_errorname})") from error


#: Of the advisory lock; an arbitrary number of ours.
_LOCK_NUMBER = 0x7A656E6E


class Lock:
    """Holds the right to write to a SQLite store, from `take` until `release` or the process's end."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(store.name + ".lock")
        self._descriptor: int | None = None
        #: Whether the last owner died without closing the store.
        self.was_unclean = False

    def take(self) -> None:
        """Take the lock; raise StoreLocked with the owner's process id when it is held."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot open the lock file {self.path}: {error.strerror}") from error
        owner = os.read(descriptor, 32).decode(errors="replace").strip()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StoreLocked(
                f"zennotify is already running on this store (process {owner or 'unknown'}); stop it first"
            ) from error
        self.was_unclean = bool(owner)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back after the store was closed in order."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


class AdvisoryLock:
    """Holds the right to work on a PostgreSQL database, for as long as its connection lives."""

    was_unclean = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def take(self) -> None:
        """Take the lock; raise StoreLocked when another daemon has it."""
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if not self._connection.execute(select(func.pg_try_advisory_lock(_LOCK_NUMBER))).scalar():
            self.release()
            raise StoreLocked("zennotify is already running on this database; stop it first")

    def release(self) -> None:
        """Give the lock back."""
        if self._connection is not None:
            self._connection.invalidate()  # the server's session, and with it the lock, ends
            self._connection.close()
            self._connection = None


#: SQLite errors after which nothing can be trusted: what was synced is unknown, or the file is broken.
_FATAL = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"}
#: PostgreSQL's states, or their classes: connection, read-only, rolled back, resources, lock, shutting down, disk.
_PASSING_STATES = ("08", "25006", "40", "53", "55P03", "57", "58")


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into StoreUnavailable (may pass) or StoreError (will not)."""
    try:
        yield
    except DBAPIError as error:
        name = getattr(error.orig, "sqlite_errorname", "") or getattr(error.orig, "sqlstate", "") or ""
        if name in _FATAL:
            raise StoreError(
                f"the store is damaged or its disk fails ({name}); see `zennotify check`"
            ) from error
        if is_passing(error):
            raise StoreUnavailable(
                f"the store cannot be used now ({name or type(error.orig).__name__})"
            ) from error
        raise


def is_passing(error: DBAPIError) -> bool:
    """Return whether the same statements may succeed later: disk full, locked, server away."""
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    if name:
        return name.startswith(
            (
                "SQLITE_FULL",
                "SQLITE_BUSY",
                "SQLITE_LOCKED",
                "SQLITE_IOERR",
                "SQLITE_READONLY",
                "SQLITE_CANTOPEN",
                "SQLITE_NOMEM",
            )
        )
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    # Without a state no server spoke: it could not be reached.
    return isinstance(error, OperationalError) if state is None else state.startswith(_PASSING_STATES)
