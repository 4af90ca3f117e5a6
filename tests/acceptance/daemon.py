"""A real daemon in a process of its own, started, stopped and killed by the tests.

Readiness is heard on a notify socket like systemd's, so that no test polls or sleeps.
"""

from __future__ import annotations

import json
import os
import signal as signals
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from zennotify.zenoti.signature import sign

SECRET = "test-secret-0123456789abcdef0123456789abcdef"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def numbered(number: int) -> dict[str, Any]:
    """Return one of many events that are all different."""
    return {
        "id": f"call-{number}",
        "event_id": f"event-{number}",
        "event_type": "Invoice.Closed",
        "event_timestamp": "2026-03-01T12:00:00Z",
        "data": {"number": number},
    }


class Daemon:
    """One daemon with a folder, a store and ports of its own; may be started many times."""

    def __init__(
        self,
        folder: Path,
        *,
        channels: Mapping[str, Mapping[str, Any]],
        rules: str | Path = ROOT / "rules",
        templates: Path = ROOT / "templates",
        command: Sequence[str] = ("-m", "zennotify"),
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        self.config = folder / "config.yaml"
        self._command = command
        if isinstance(rules, str):
            (folder / "rules.yaml").write_text(rules)
            rules = folder / "rules.yaml"
        server = {
            "listen": f"127.0.0.1:{self.port}",
            "secrets": [SECRET],
            "verify": "enforce",
            **settings.pop("server", {}),
        }
        config = {
            "server": server,
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "rules": str(rules),
            "templates": str(templates),
            "channels": dict(channels),
            **settings,
        }
        self.config.write_text(yaml.safe_dump(config))
        self.process: subprocess.Popen[str] | None = None
        self.log_path = folder / "log"
        self.out_path = folder / "out"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/zenoti"

    def start(self, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        """Start it and return when it says READY; raise when it ends before."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        notify.bind(str(path))
        notify.settimeout(PATIENCE)
        with self.log_path.open("a") as log, self.out_path.open("a") as out:
            self.process = subprocess.Popen(
                [sys.executable, *self._command, "run", "--config", str(self.config), *arguments],
                stderr=log,
                stdout=out,
                text=True,
                cwd=ROOT,
                env={**os.environ, "NOTIFY_SOCKET": str(path), **(environ or {})},
            )
        # Where it dies before it is ready, this wakes us: nobody else would write into the socket.
        watcher = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import os,select,socket,sys\n"
                "select.select([os.pidfd_open(int(sys.argv[1]))], [], [])\n"
                "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'ENDED', sys.argv[2])",
                str(self.process.pid),
                str(path),
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            while True:
                said = notify.recv(4096)
                if b"READY=1" in said:
                    return
                if said == b"ENDED":
                    raise RuntimeError(
                        f"the daemon ended with {self.process.wait()}:\n{self.log_path.read_text()}"
                    )
        finally:
            watcher.kill()
            watcher.wait()
            notify.close()

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        return self._end(signals.SIGTERM)

    def kill(self) -> int:
        """Kill it without warning."""
        return self._end(signals.SIGKILL)

    def signal(self, number: signals.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def _end(self, number: signals.Signals) -> int:
        if self.process is None or self.process.poll() is not None:
            return -1 if self.process is None else int(self.process.returncode)
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def post(
        self, body: Mapping[str, Any] | bytes, *, event_type: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Post a body, signed like Zenoti's; to a URL that names its type, where one is given."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = self.url if event_type is None else f"{self.url}?event_type={event_type}"
        request = urllib.request.Request(url, raw, method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("zenoti-webhook-signature", sign(SECRET.encode(), raw))
        for name, value in headers.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command with this daemon's configuration."""
        return subprocess.run(
            [sys.executable, "-m", "zennotify", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=PATIENCE,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and return what it printed."""
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def admin(self, path: str) -> tuple[int, str]:
        """Get a page of the admin address."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.admin_port}{path}", timeout=PATIENCE
            ) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def printed(self) -> str:
        return self.out_path.read_text()
