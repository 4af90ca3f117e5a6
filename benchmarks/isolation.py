"""The rate of a good channel while one hangs for ever and one refuses, of its rate alone.

Each event owes all three channels a message; 2,000 wait for each when the daemon starts.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.deliver import rate, reopened, seed, sink_url
from benchmarks.events import TYPE
from benchmarks.figure import Figure, ratio
from benchmarks.process import CLIENT_CORE, Child

ROUNDS = 3


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    found: dict[str, list[float]] = {"alone": [], "beside": []}
    with (
        socket.socket() as closed,
        Child("client", core=CLIENT_CORE) as client,
        Child("sink", core=CLIENT_CORE) as sink,
    ):
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens: connections are refused
        good = {"good": {"url": sink_url(sink, "ok")}}
        bad = {
            "hanging": {"url": sink_url(sink, "hang")},
            "refusing": {"url": f"json://127.0.0.1:{closed.getsockname()[1]}/"},
        }
        cases = {"alone": good, "beside": good | bad}
        for case, channels in cases.items():
            seed(client, sink, folder / case, channels, _rules(channels))
        for number in range(rounds):
            for case, channels in cases.items():
                daemon = reopened(folder / case, folder / f"{case}-{number}")
                daemon.configure(channels, _rules(channels)).start()
                found[case].append(rate(sink, "/ok"))
                daemon.kill()
    yield ratio(
        "isolation: a channel beside bad ones, of alone",
        found["beside"],
        found["alone"],
        at_least=0.9,
        detail=f"{median(found['beside']):,.0f}/s beside them, {median(found['alone']):,.0f}/s alone",
    )


def _rules(channels: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": "new-booking", "event": TYPE, "notify": list(channels), "template": "new_booking.j2"}]
