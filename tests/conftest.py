"""What all tests share: the engines of the store, and the switch that turns a skip into a failure."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A slow machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

IS_CI = os.environ.get("CI") == "true"


def skip_or_fail(reason: str) -> None:
    """Skip on a user's machine; in CI everything that a test needs must be there."""
    if IS_CI:
        pytest.fail(f"CI must not skip: {reason}")
    pytest.skip(reason)


def _postgres_binaries() -> Path | None:
    for folder in (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/bin")):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL of the tests' own, from the machine's binaries; gives the part of a URL behind the database."""
    binaries = _postgres_binaries()
    if binaries is None:
        skip_or_fail("PostgreSQL is not installed")
    assert binaries is not None
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="zennotify-pg-", dir="/tmp"))
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    run: dict[str, Any] = {"cwd": folder, "user": user}
    subprocess.run(
        [binaries / "initdb", "-D", data, "-A", "trust", "-U", "tests", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        **run,
    )
    server: subprocess.Popen[bytes] = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **run,
    )
    try:
        assert server.stderr is not None
        for line in server.stderr:
            if b"ready to accept connections" in line:
                break
        else:
            pytest.fail("PostgreSQL did not start")
        # What it says is read on: a full pipe would stop it in the middle of a statement.
        reading = threading.Thread(target=deque, args=(server.stderr, 0), daemon=True)
        reading.start()
        yield f"host={folder}&user=tests"
    finally:
        server.terminate()
        server.wait()
        server.stderr.close()  # type: ignore[union-attr]
        shutil.rmtree(folder)


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else None


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database."""
    import psycopg

    name = f"t{os.urandom(6).hex()}"
    parameters: dict[str, Any] = dict(part.split("=") for part in postgres_server.split("&"))
    with psycopg.connect(dbname="postgres", autocommit=True, **parameters) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"postgresql:///{name}?{postgres_server}"
    with psycopg.connect(dbname="postgres", autocommit=True, **parameters) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store, once for each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def free_port() -> int:
    """A TCP port that nobody has at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
