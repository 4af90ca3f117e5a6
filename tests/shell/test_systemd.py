"""What systemd and the daemon tell each other: a real notify socket, and real inherited sockets."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from zennotify import systemd
from zennotify.systemd import UnixListener, listen_fds, notify, watchdog_interval


class Manager:
    """The service manager's end of the notify socket."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(5)
        self.environ = {"NOTIFY_SOCKET": name}

    def heard(self) -> str:
        return self.socket.recv(4096).decode()


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = f"@zennotify-{os.urandom(8).hex()}" if request.param == "abstract" else str(tmp_path / "notify")
    manager = Manager(name)
    yield manager
    manager.socket.close()


def test_states_are_told_in_systemds_words(manager: Manager) -> None:
    environ = manager.environ
    assert systemd.ready("4 rules,\n 3 channels é", environ=environ)
    assert manager.heard() == "READY=1\nSTATUS=4 rules, 3 channels é"
    assert systemd.tell("draining", environ=environ)
    assert manager.heard() == "STATUS=draining"
    assert systemd.alive(environ=environ)
    assert manager.heard() == "WATCHDOG=1"
    assert systemd.stopping("bye", environ=environ)
    assert manager.heard() == "STOPPING=1\nSTATUS=bye"
    assert systemd.extend(timedelta(seconds=2.5), environ=environ)
    assert manager.heard() == "EXTEND_TIMEOUT_USEC=2500000"


def test_reload_carries_the_monotonic_time(manager: Manager) -> None:
    before = time.monotonic_ns() // 1000
    assert systemd.reloading(environ=manager.environ)
    first, second = manager.heard().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_nothing_is_told_where_nobody_listens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not notify("READY=1", environ={})
    assert not caplog.records
    assert not notify("READY=1", environ={"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert "systemd could not be told READY=1" in caplog.text


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_is_fed_twice_as_often_as_it_bites(environ: dict[str, str], seconds: float | None) -> None:
    interval = watchdog_interval(environ)
    assert interval == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"},
        {"LISTEN_FDS": "1"},
    ],
)
def test_sockets_for_others_are_left_alone(environ: dict[str, str]) -> None:
    assert listen_fds(environ) == []
    assert environ == {}


CHILD = """
import os
from zennotify.systemd import listen_fds
for name, sock in listen_fds():
    print(name, sock.family.name, sock.type.name, os.get_inheritable(sock.fileno()), sock.getsockname(), flush=True)
print([name for name in os.environ if name.startswith("LISTEN_")], listen_fds(), flush=True)
"""
#: Stands for systemd: puts the sockets where they belong, and becomes the child without a change of its pid.
STARTER = """
import os, sys
first, second, names = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.dup2(first, 903), os.dup2(second, 904), os.dup2(903, 3), os.dup2(904, 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES=names)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[4]])
"""


@pytest.mark.parametrize(("names", "second"), [("webhook:proxy", "proxy"), ("webhook", "")])
def test_inherited_sockets_come_with_their_names(tmp_path: Path, names: str, second: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "web.sock"))
        unix.listen()
        files = (tcp.fileno(), unix.fileno())
        ran = subprocess.run(
            [sys.executable, "-c", STARTER, *map(str, files), names, CHILD],
            pass_fds=files,
            capture_output=True,
            text=True,
            check=True,
        )
        port = tcp.getsockname()[1]
    assert ran.stdout.splitlines() == [
        f"webhook AF_INET SOCK_STREAM False ('127.0.0.1', {port})",
        f"{second} AF_UNIX SOCK_STREAM False {tmp_path / 'web.sock'}",
        "[] []",
    ]


def test_systemds_own_starter_is_understood(tmp_path: Path) -> None:
    program = shutil.which("systemd-socket-activate")
    if program is None:
        skip_or_fail("systemd-socket-activate is not installed")
    path = tmp_path / "web.sock"
    command = [str(program), "-l", str(path), "--fdname=webhook", "-E", f"PYTHONPATH={Path.cwd()}"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stderr is not None
        assert "Listening on" in started.stderr.readline()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            stdout, _ = started.communicate(timeout=20)
    assert stdout.splitlines()[0] == f"webhook AF_UNIX SOCK_STREAM False {path}"


# --- unix sockets of our own


def test_own_socket_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    for umask in (0, 0o077):
        before = os.umask(umask)
        try:
            listener = UnixListener(tmp_path / "x.sock", mode=0o660)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "x.sock").stat().st_mode) == 0o660
        listener.remove()
        listener.socket.close()
        assert not (tmp_path / "x.sock").exists()


def test_file_that_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.sock").write_text("precious", encoding="utf-8")
    with pytest.raises(FileExistsError, match="not a socket"):
        UnixListener(tmp_path / "x.sock", mode=0o600)
    assert (tmp_path / "x.sock").read_text(encoding="utf-8") == "precious"


def test_folder_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        UnixListener(tmp_path / "missing" / "x.sock", mode=0o600)


def test_socket_that_another_server_has_by_now_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    first = UnixListener(path, mode=0o600)
    second = UnixListener(path, mode=0o600)  # nobody listens on the first
    first.remove()
    assert path.exists()
    second.remove()
    assert not path.exists()
    first.socket.close()
    second.socket.close()
