"""What an API of Zenoti's that hangs does to the receiver: the time of an accept, with and without look-ups.

Every event's message wants a name that nobody knows, so that a look-up hangs, or is refused because one has hung; 300
events, one after the other, with a pause before each.  The same without the API is what it is measured against.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.daemon import Daemon
from benchmarks.deliver import sink_url
from benchmarks.events import TYPE
from benchmarks.figure import Figure, percentile, ratio
from benchmarks.process import CLIENT_CORE, Child

ROUNDS = 3
_EVENTS = 300
_GAP = 0.01
#: The event has the invoice's id only.
_RULE = {"id": "new-booking", "event": TYPE, "notify": "desk", "message": "Booked, {{ invoice.total }}"}


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    found: dict[str, list[list[float]]] = {"hanging": [], "without": []}
    with Child("client", core=CLIENT_CORE) as client, Child("sink", core=CLIENT_CORE) as sink:
        client.ask("prepare", count=_EVENTS * (rounds + 1))
        api = {"key": "key-of-the-benchmark", "base_url": f"http://127.0.0.1:{sink.hello}/hang"}
        settings: dict[str, dict[str, Any]] = {"hanging": {"zenoti_api": api}, "without": {}}
        daemons = {
            name: Daemon(folder / name)
            .configure({"desk": {"url": sink_url(sink, "ok")}}, [_RULE], **more)
            .start()
            for name, more in settings.items()
        }
        for number in range(rounds + 1):
            for name, daemon in daemons.items():
                posts = client.ask("pace", port=daemon.port, first=number * _EVENTS, count=_EVENTS, gap=_GAP)
                if number:  # the first round warms up
                    found[name].append([seconds for _, seconds in posts])
        for daemon in daemons.values():
            daemon.kill()
    for name, part, goal in (("p99", 0.99, 1.5), ("p50", 0.5, None)):
        times = {kind: [percentile(one, part) for one in answers] for kind, answers in found.items()}
        told = ", ".join(f"{kind} {median(values) * 1000:.2f} ms" for kind, values in times.items())
        yield ratio(
            f"enquiry: accept with an API that hangs, {name}, of the same without",
            times["hanging"],
            times["without"],
            at_most=goal,
            detail=told,
        )
