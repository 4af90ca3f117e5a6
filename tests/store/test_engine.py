"""Opening the store: who may read the file, who may write to it, and what is left of a process that was killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.fakes import START
from zennotify.errors import StoreError, StoreLocked, StoreUnavailable
from zennotify.store import Store, open_reader
from zennotify.store.engine import read_engine, sqlite_path
from zennotify.store.rows import NewEvent
from zennotify.store.transaction import Transaction

SECRET = "Ann Lee has an allergy"


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def new_event(id_: str = "e1") -> NewEvent:
    return NewEvent(
        id=id_,
        event_id=id_,
        type="T",
        center=None,
        at=None,
        received_at=START,
        fingerprint=id_,
        body=SECRET.encode(),
    )


@contextmanager
def other_process(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has opened the store and waits until its input ends; then it closes the store."""
    script = (
        f"import sys; from zennotify.store import Store; s = Store.open({url!r}); print('open', flush=True); "
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script + "sys.stdin.read(); s.close()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.communicate()


# --- the lock ---------------------------------------------------------------------------------------------


def test_a_second_process_is_told_who_has_the_store(path: Path) -> None:
    with other_process(url_of(path)) as process:
        with pytest.raises(StoreLocked) as raised:
            Store.open(url_of(path))
        assert str(raised.value) == (
            f"zennotify is already running on this store (process {process.pid}); stop it first"
        )


def test_a_process_that_was_refused_leaves_the_owner_alone(path: Path) -> None:
    with other_process(url_of(path)) as process:
        for _ in range(2):
            with pytest.raises(StoreLocked, match=f"process {process.pid}"):
                Store.open(url_of(path))
        process.communicate("")
        assert process.returncode == 0
    with closing(Store.open(url_of(path))) as store:
        assert store.was_unclean is False


def test_after_a_kill_the_store_is_free_and_known_to_be_unclean(path: Path) -> None:
    with other_process(url_of(path)) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with closing(Store.open(url_of(path))) as store:
            assert store.was_unclean is True
    with closing(Store.open(url_of(path))) as store:
        assert store.was_unclean is False


def test_a_fresh_store_is_clean_and_one_that_was_closed_too(path: Path) -> None:
    for _ in range(2):
        with closing(Store.open(url_of(path))) as store:
            assert store.was_unclean is False


def test_a_store_that_could_not_be_opened_is_free_again(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('9')"
        )
    for _ in range(2):
        with pytest.raises(StoreError, match="newer zennotify"):
            Store.open(url_of(path))
    assert (path.parent / "store.db.lock").read_bytes() == b""


def test_a_second_daemon_is_refused_on_postgresql_too(postgres_url: str) -> None:
    with closing(Store.open(postgres_url)) as store:
        assert not store.was_unclean
        with pytest.raises(StoreLocked, match="already running on this database"):
            Store.open(postgres_url)
    Store.open(postgres_url).close()


# --- the file ---------------------------------------------------------------------------------------------


def test_only_the_owner_reads_any_file_of_the_store(path: Path) -> None:
    old = os.umask(0)
    try:
        with closing(Store.open(url_of(path))) as store:
            store.write(Transaction.add_events, [new_event()])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm", "store.db.lock"), 0o600)


def test_a_store_that_others_could_read_is_closed_to_them(path: Path) -> None:
    path.touch(0o644)
    path.chmod(0o644)
    Store.open(url_of(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_missing_folder_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    Store.open(url_of(tmp_path / "new" / "store.db")).close()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_what_is_no_file_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        Store.open(url_of(tmp_path))
    assert str(raised.value) == f"cannot open the store {tmp_path}: Is a directory"


def test_a_lock_file_that_cannot_be_opened_gets_one_sentence(path: Path) -> None:
    lock = path.with_name("store.db.lock")
    lock.mkdir()
    with pytest.raises(StoreError) as raised:
        Store.open(url_of(path))
    assert str(raised.value) == f"cannot open the lock file {lock}: Is a directory"


def test_what_is_no_database_gets_one_sentence(path: Path) -> None:
    path.write_bytes(b"this is a letter, and it is long enough to be taken for a page" * 100)
    with pytest.raises(StoreError, match=r"^the store is damaged or its disk fails \(SQLITE_NOTADB\)"):
        Store.open(url_of(path))


@pytest.mark.parametrize("folder", ["a b", "50%", "50%25", "a?b", "a#b", "straße", "a&b=c"])
def test_a_folder_may_have_any_name(tmp_path: Path, folder: str) -> None:
    url = url_of(tmp_path / folder / "store.db")
    with closing(Store.open(url)) as store:
        store.write(Transaction.add_events, [new_event()])
        assert [event.id for event in store.reader.events()] == ["e1"]
    assert [file.name for file in tmp_path.iterdir()] == [folder]


def test_a_commit_is_on_the_disk_before_it_is_answered(path: Path) -> None:
    with closing(Store.open(url_of(path))) as store, store._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:////var/lib/zennotify.db", Path("/var/lib/zennotify.db")),
        ("sqlite:///zennotify.db", Path("zennotify.db")),
        ("postgresql://user@host/db", None),
    ],
)
def test_the_file_of_a_url(url: str, file: Path | None) -> None:
    assert sqlite_path(url) == file


# --- readers ----------------------------------------------------------------------------------------------


def test_a_reader_sees_what_the_owner_committed(store_url: str) -> None:
    with closing(Store.open(store_url)) as store, closing(open_reader(store_url)) as reader:
        store.write(Transaction.add_events, [new_event("e1")])
        assert [event.id for event in reader.events()] == ["e1"]
        store.write(Transaction.add_events, [new_event("e2")])
        assert [event.id for event in reader.events()] == ["e2", "e1"]


def test_a_reader_needs_no_running_daemon(store_url: str) -> None:
    with closing(Store.open(store_url)) as store:
        store.write(Transaction.add_events, [new_event()])
    with closing(open_reader(store_url)) as reader:
        assert [event.id for event in reader.events()] == ["e1"]
    with closing(Store.open(store_url)) as store:
        assert store.was_unclean is False


def test_a_reader_cannot_write(store_url: str) -> None:
    Store.open(store_url).close()
    engine = read_engine(store_url)
    try:
        with pytest.raises(DBAPIError, match=r"(?i)read-?only"), engine.begin() as connection:
            connection.execute(text("DELETE FROM events"))
    finally:
        engine.dispose()


def test_a_reader_that_lingers_does_not_block_the_writer(store_url: str) -> None:
    with closing(Store.open(store_url)) as store:
        store.write(Transaction.add_events, [new_event("e1")])
        engine = read_engine(store_url)
        try:
            with engine.connect() as lingering:
                count = text("SELECT count(*) FROM events")
                assert lingering.execute(count).scalar() == 1
                store.write(Transaction.add_events, [new_event("e2")])
                assert len(store.reader.events()) == 2
        finally:
            engine.dispose()


def test_a_reader_of_a_store_that_is_not_there_says_how_to_make_one(path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        open_reader(url_of(path))
    assert str(raised.value) == f"there is no store at {path} yet; start the daemon once: zennotify run"
    assert not path.exists()


# --- what cannot be reached -------------------------------------------------------------------------------


def test_a_server_that_does_not_answer_may_do_so_later(tmp_path: Path) -> None:
    url = f"postgresql:///zennotify?host={tmp_path}&user=nobody"
    with pytest.raises(StoreUnavailable, match=r"^the store cannot be used now \(OperationalError\)$"):
        Store.open(url)
    with closing(open_reader(url)) as reader, pytest.raises(StoreUnavailable):
        reader.events()


def test_the_text_of_a_failed_statement_holds_nothing_of_a_guest(store_url: str) -> None:
    def twice(transaction: Transaction) -> None:
        for _ in range(2):
            transaction._connection.execute(
                text("INSERT INTO rule_sets (hash, sources, used_at) VALUES ('h', :sources, 0)"),
                {"sources": SECRET},
            )

    with closing(Store.open(store_url)) as store, pytest.raises(DBAPIError) as raised:
        store.write(twice)
    assert SECRET not in str(raised.value)
