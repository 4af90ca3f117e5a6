"""A real daemon in a process of its own."""

from __future__ import annotations

import atexit
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import yaml

from benchmarks.events import SECRET
from benchmarks.process import ROOT, SERVER_CORE, cpu_seconds, pin

PATIENCE = 60.0


class Daemon:
    """One daemon with a folder and a store of its own; may be started again."""

    def __init__(self, folder: Path, module: str = "zennotify") -> None:
        folder.mkdir(parents=True)
        self._module = module
        self.folder = folder
        self.port, self._admin_port = _free_ports()
        self.pid = 0

    def configure(
        self,
        channels: Mapping[str, Mapping[str, Any]],
        rules: list[dict[str, Any]] | None = None,
        **settings: Any,
    ) -> Self:
        """Write config and rules; without rules, those of the project are taken."""
        places = {"rules": str(ROOT / "rules"), "templates": str(ROOT / "templates")}
        if rules is not None:
            (self.folder / "rules.yaml").write_text(yaml.safe_dump({"rules": rules}))
            places["rules"] = "rules.yaml"
        server = {"listen": f"127.0.0.1:{self.port}", "secrets": [SECRET], "verify": "enforce"}
        config = {
            "server": server,
            "admin": {"listen": f"127.0.0.1:{self._admin_port}"},
            "channels": dict(channels),
            **places,
            **settings,
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))
        return self

    def start(self) -> Self:
        """Start it and return when it says that it is ready."""
        heard = self.folder / "notify"
        heard.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears, (self.folder / "log").open("a") as log:
            ears.bind(str(heard))
            ears.settimeout(0.1)
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, "run", "--config", str(self.folder / "config.yaml")],
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "NOTIFY_SOCKET": str(heard)},
            )
            atexit.register(self._process.kill)  # where a benchmark fails
            self.pid = self._process.pid
            pin(self.pid, SERVER_CORE)
            self._wait_ready(ears)
        return self

    def kill(self) -> None:
        """Kill it; what it acknowledged has to be in its store all the same."""
        self._process.kill()
        self._process.wait()

    def undecided(self) -> int:
        """Return how many events wait for their decision."""
        return int(self.query("SELECT count(*) FROM undecided")[0][0])

    def wait_decided(self) -> float:
        """Wait until every event is decided; return the seconds that it took."""
        began = monotonic()
        while self.undecided():
            if monotonic() - began > PATIENCE:
                raise RuntimeError(f"{self.undecided()} events are still undecided after {PATIENCE:g} s")
            sleep(0.02)
        return monotonic() - began

    def wait_idle(self) -> None:
        """Wait until it has done what it had to do: until it uses no CPU to speak of."""
        before = cpu_seconds(self.pid)
        for _ in range(100):
            sleep(0.2)
            now = cpu_seconds(self.pid)
            if now - before < 0.02:
                return
            before = now
        raise RuntimeError("the daemon does not come to rest")

    def query(self, sql: str) -> list[Any]:
        """Look into the store beside the daemon."""
        connection = sqlite3.connect(f"file:{self.folder / 'zennotify.db'}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def _wait_ready(self, ears: socket.socket) -> None:
        until = monotonic() + PATIENCE
        while monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                if b"READY=1" in ears.recv(4096):
                    return
            except TimeoutError:
                continue
        self._process.kill()
        raise RuntimeError(f"the daemon did not start:\n{(self.folder / 'log').read_text()}")


def _free_ports() -> tuple[int, int]:
    """Return two different ports that nobody uses."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])
