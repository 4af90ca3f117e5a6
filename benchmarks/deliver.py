"""Deliveries per second, against a bare loop of Apprise.notify() with the same texts on the same sink.

A delivery is claimed, rendered, kept with its attempt, sent through Apprise's json:// and settled; the store syncs
every commit.  The daemon starts with 2,000 pending deliveries; the sink's clock counts, from the first tenth on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.daemon import PATIENCE, Daemon
from benchmarks.events import TYPE
from benchmarks.figure import Figure, ratio
from benchmarks.process import CLIENT_CORE, SERVER_CORE, Child

ROUNDS = 5
PENDING = 2_000
#: `concurrency` of the channel; 4 is the default.
_CONCURRENCY = (4, 8)
_RULE = {"id": "new-booking", "event": TYPE, "notify": "desk", "template": "new_booking.j2"}


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    found: dict[int, list[float]] = {concurrency: [] for concurrency in _CONCURRENCY}
    bare: list[float] = []
    with Child("client", core=CLIENT_CORE) as client, Child("sink", core=CLIENT_CORE) as sink:
        seed(client, sink, folder / "seed", ["desk"], [_RULE])
        for number in range(rounds):
            for concurrency in _CONCURRENCY:
                channels = {"desk": {"url": sink_url(sink, "ok"), "concurrency": concurrency}}
                daemon = reopened(folder / "seed", folder / f"{number}-{concurrency}")
                daemon.configure(channels, [_RULE]).start()
                found[concurrency].append(rate(sink, "/ok"))
                text = _text(daemon)
                daemon.kill()
            bare.append(_bare(sink, text))
    told = f"; Apprise.notify() alone: {median(bare):,.0f}/s"
    for concurrency, rates in found.items():
        yield ratio(
            f"deliver: of Apprise.notify(), concurrency {concurrency}",
            rates,
            bare,
            at_least=1 if concurrency == _CONCURRENCY[0] else None,
            detail=f"{median(rates):,.0f}/s{told}",
        )


def sink_url(sink: Child, path: str) -> str:
    return f"json://127.0.0.1:{sink.hello}/{path}"


def seed(
    client: Child, sink: Child, folder: Path, channels: Iterable[str], rules: list[dict[str, Any]]
) -> None:
    """Make a store with PENDING events whose deliveries all wait: their channels hang, and the daemon is killed."""
    hanging = {"url": sink_url(sink, "hang"), "concurrency": 1, "timeout": "120s"}
    daemon = Daemon(folder).configure(dict.fromkeys(channels, hanging), rules)
    daemon.start()
    client.ask("prepare", count=PENDING)
    if client.ask("post", port=daemon.port, count=PENDING) != PENDING:
        raise RuntimeError("not every event was accepted")
    daemon.wait_decided()
    daemon.kill()


def reopened(seeded: Path, folder: Path) -> Daemon:
    """Return a daemon with a copy of a store."""
    daemon = Daemon(folder)
    for file in seeded.glob("zennotify.db*"):
        shutil.copy(file, folder)
    return daemon


def rate(sink: Child, path: str) -> float:
    """Wait for PENDING messages; return how many came in a second, once it was going."""
    arrivals = sink.ask("wait", path=path, count=PENDING, patience=PATIENCE)
    sink.ask("forget")
    if len(arrivals) < PENDING:
        raise RuntimeError(f"only {len(arrivals)} of {PENDING} messages came")
    start = PENDING // 10
    return (len(arrivals) - 1 - start) / (arrivals[-1] - arrivals[start])


def _text(daemon: Daemon) -> dict[str, str]:
    title, body = daemon.query("SELECT title, message FROM deliveries WHERE message IS NOT NULL LIMIT 1")[0]
    return {"title": title, "body": body}


def _bare(sink: Child, text: dict[str, str]) -> float:
    with Child("peers", core=SERVER_CORE) as peers:
        peers.ask("notify", url=sink_url(sink, "ok"), count=100, **text)
        took = peers.ask("notify", url=sink_url(sink, "ok"), count=PENDING, **text)
    sink.ask("forget")
    return len(took) / sum(took)
