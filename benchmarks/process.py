"""The processes of a benchmark: what is measured runs on one core, what measures it on another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
_CORES = sorted(os.sched_getaffinity(0))
#: The core of the server, and that of clients and sinks; one and the same where there is only one.
SERVER_CORE, CLIENT_CORE = _CORES[0], _CORES[-1]
HAS_TWO_CORES = len(_CORES) > 1


def pin(process: int, core: int) -> None:
    """Keep a process, and all threads that it will start, on one core."""
    os.sched_setaffinity(process, {core})


def cpu_seconds(process: int) -> float:
    """Return the CPU time that a process has used, in its own code and in the kernel for it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process: int) -> float:
    """Return how much memory a process holds, in MB (10^6 bytes)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the kernel does not tell the memory of a process")


class Child:
    """A process that does what it is asked: one line of JSON in, one line of JSON out."""

    def __init__(self, module: str, *arguments: str, core: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        pin(self.pid, core)
        #: What the child says of itself when it is ready, e.g. its port.
        self.hello = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def ask(self, order: str, **arguments: Any) -> Any:
        """Give an order and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the benchmark ended: {self._process.args}")
        return json.loads(line)


def obey(hello: Any, orders: dict[str, Callable[..., Any]]) -> None:
    """Be a Child: say hello, then carry out orders until there are no more."""
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(orders[order.pop("order")](**order)), flush=True)


@contextmanager
def cpu_of(process: int) -> Iterator[list[float]]:
    """Measure the CPU seconds that another process uses meanwhile."""
    used: list[float] = []
    began = cpu_seconds(process)
    yield used
    used.append(cpu_seconds(process) - began)
