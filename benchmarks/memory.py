"""What an idle daemon holds in memory: after its start with the example rules, and after 10,000 events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.daemon import Daemon
from benchmarks.deliver import sink_url
from benchmarks.figure import Figure
from benchmarks.process import CLIENT_CORE, Child, resident_mb

ROUNDS = 1
_EVENTS = 10_000


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    started: list[float] = []
    worked: list[float] = []
    with Child("client", core=CLIENT_CORE) as client, Child("sink", core=CLIENT_CORE) as sink:
        client.ask("prepare", count=_EVENTS)
        # Not console:// as in the example: who sends something has Apprise in memory.
        url = sink_url(sink, "ok")
        channels = {
            "front-desk": {"url": url},
            "manager-mail": {"url": url},
            "manager-sms": {"url": url, "form": "sms"},
        }
        for number in range(rounds):
            daemon = Daemon(folder / str(number)).configure(channels).start()
            daemon.wait_idle()
            started.append(resident_mb(daemon.pid))
            client.ask("post", port=daemon.port, count=_EVENTS)
            daemon.wait_idle()
            worked.append(resident_mb(daemon.pid))
            daemon.kill()
    for name, values in (("after its start", started), (f"after {_EVENTS:,} events", worked)):
        yield Figure(
            name=f"memory: idle, {name}", rounds=tuple(values), unit="MB", at_most=100, detail="resident"
        )
