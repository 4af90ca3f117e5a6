"""Deliveries per second, against a bare loop of Apprise.notify() with the same texts on the same sink.

A delivery is claimed, rendered, kept with its attempt, sent through Apprise's json://, jsons:// or mailtos:// (TLS
from the first byte, with a login) and settled; the store syncs every commit.  The daemon starts with 2,000 pending
deliveries; the sink's clock counts, from the first tenth on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.certificate import trusted
from benchmarks.daemon import PATIENCE, Daemon
from benchmarks.events import TYPE
from benchmarks.figure import Figure, ratio
from benchmarks.process import CLIENT_CORE, SERVER_CORE, Child

ROUNDS = 5
PENDING = 2_000
_RULE = {"id": "new-booking", "event": TYPE, "notify": "desk", "template": "new_booking.j2"}
_MAILS = "mailtos://desk:secret@127.0.0.1:{port}?mode=ssl&smtp=127.0.0.1&from=zennotify@example.com"
_MANAGER = "manager@example.com"


@dataclass(frozen=True, slots=True)
class _Way:
    """One transport, and how often Apprise alone sends through it in a round."""

    name: str
    sink: Child
    url: str
    path: str
    bare: int
    goal: float
    to: str | None = None
    #: By the channel's `concurrency`; 4 is the default.
    found: dict[int, list[float]] = field(default_factory=lambda: {4: []})
    alone: list[float] = field(default_factory=list)


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    with ExitStack() as stack:
        client = stack.enter_context(Child("client", core=CLIENT_CORE))
        certificate = stack.enter_context(trusted(folder))
        http, https, smtps = (
            stack.enter_context(Child("sink", kind, *files, core=CLIENT_CORE))
            for kind, files in (("http", ()), ("https", certificate), ("smtps", certificate))
        )
        ways = (
            _Way("HTTP", http, sink_url(http, "ok"), "/ok", PENDING, 1.3, found={4: [], 8: []}),
            _Way("HTTPS", https, f"jsons://127.0.0.1:{https.hello}/ok", "/ok", 100, 10),
            _Way("SMTP/TLS", smtps, _MAILS.format(port=smtps.hello), "/mail", 100, 10, _MANAGER),
        )
        seed(client, http, folder / "seed", ["desk"], [_RULE])
        for number in range(rounds):
            for way in ways:
                _measure(way, folder, number)
    for way in ways:
        yield from _figures(way)


def _measure(way: _Way, folder: Path, number: int) -> None:
    text: dict[str, str] = {}
    for concurrency, rates in way.found.items():
        channel = {"url": way.url, "concurrency": concurrency} | ({"to": way.to} if way.to else {})
        daemon = reopened(folder / "seed", folder / f"{number}-{way.path[1:]}-{way.sink.hello}-{concurrency}")
        daemon.configure({"desk": channel}, [_RULE]).start()
        rates.append(rate(way.sink, way.path))
        text = _text(daemon)
        daemon.kill()
    url = f"{way.url}&to={way.to}" if way.to else way.url
    with Child("peers", core=SERVER_CORE) as peers:
        peers.ask("notify", url=url, count=way.bare // 20, **text)
        took = peers.ask("notify", url=url, count=way.bare, **text)
    way.sink.ask("forget")
    way.alone.append(len(took) / sum(took))


def _figures(way: _Way) -> Iterator[Figure]:
    told = f"; Apprise.notify() alone: {median(way.alone):,.0f}/s"
    for concurrency, rates in way.found.items():
        yield ratio(
            f"deliver: {way.name} of notify(), concurrency {concurrency}",
            rates,
            way.alone,
            at_least=way.goal if concurrency == 4 else None,
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
    """Return one of the texts that were sent, the same for all; the first were begun when the store was made."""
    said = "SELECT title, message FROM deliveries WHERE message IS NOT NULL ORDER BY rowid DESC LIMIT 1"
    title, body = daemon.query(said)[0]
    return {"title": title, "body": body}
