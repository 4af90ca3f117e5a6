"""What does systemd hand us, and what do we tell it?  Readiness, watchdog, sockets; standard library only.

app.py calls this.  Every function does nothing, and says so, where systemd did not start us.  A unix socket that
systemd does not open for us is opened here too, so that both look the same to who listens on them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import time
from collections.abc import MutableMapping
from datetime import timedelta
from pathlib import Path

_log = logging.getLogger(__name__)

#: The first file descriptor that systemd passes.
_FIRST = 3
_Environ = MutableMapping[str, str]


def notify(*lines: str, environ: _Environ = os.environ) -> bool:
    """Send lines like `READY=1` to the service manager; return False where there is none, or it does not listen."""
    path = environ.get("NOTIFY_SOCKET", "")
    if not path:
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(1)  # the manager's queue may be full; that must not stop the daemon
            sock.connect(address)
            sock.sendall("\n".join(lines).encode())
    except OSError as error:
        _log.warning("systemd could not be told %s: %s", lines[0], error)
        return False
    return True


def ready(status: str, *, environ: _Environ = os.environ) -> bool:
    """Say that requests are answered; also after a reload."""
    return notify("READY=1", _status(status), environ=environ)


def reloading(*, environ: _Environ = os.environ) -> bool:
    """Say that a reload has begun; `ready` ends it."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", environ=environ)


def stopping(status: str, *, environ: _Environ = os.environ) -> bool:
    """Say that the daemon is about to end."""
    return notify("STOPPING=1", _status(status), environ=environ)


def tell(status: str, *, environ: _Environ = os.environ) -> bool:
    """Set the line that `systemctl status` shows."""
    return notify(_status(status), environ=environ)


def alive(*, environ: _Environ = os.environ) -> bool:
    """Feed the watchdog."""
    return notify("WATCHDOG=1", environ=environ)


def extend(more: timedelta, *, environ: _Environ = os.environ) -> bool:
    """Ask for more time to start or to stop, counted from now."""
    return notify(f"EXTEND_TIMEOUT_USEC={int(more / timedelta(microseconds=1))}", environ=environ)


def watchdog_interval(environ: _Environ = os.environ) -> timedelta | None:
    """Return how often `alive` is to be called (half of WatchdogSec), or None where nobody watches."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        usec = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return timedelta(microseconds=usec) / 2 if usec > 0 else None


def listen_fds(environ: _Environ = os.environ) -> list[tuple[str, socket.socket]]:
    """Return the sockets that systemd opened for us, with their names (FileDescriptorName=).

    The variables are removed, so that no child takes the sockets for its own; a second call returns none.
    """
    pid = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    sockets = []
    for index in range(int(count)):
        os.set_inheritable(_FIRST + index, False)
        sock = socket.socket(fileno=_FIRST + index)
        sock.setblocking(False)
        sockets.append((names[index] if index < len(names) else "", sock))
    return sockets


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())  # one line


class UnixListener:
    """A listening unix socket that we opened ourselves."""

    def __init__(self, path: Path, *, mode: int) -> None:
        """Bind the path; raises OSError where a living server has it.

        What a killed server left behind is replaced.  The mode is on the socket before it has a name, so that
        there is no moment at which others could connect.
        """
        _remove_stale(path)
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self.socket.setblocking(False)
            os.fchmod(self.socket.fileno(), mode)
            self.socket.bind(str(path))
            path.chmod(mode)  # the umask took bits away
        except OSError:
            self.socket.close()
            raise
        self._inode = path.stat().st_ino

    def remove(self) -> None:
        """Remove the socket's file, unless another server has it by now."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise FileExistsError(f"{path} exists and is not a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(f"{path} is in use by another process")
