"""From POST to sink on an idle daemon, against the sum of what cannot be left out.

300 events, one after the other, with a pause before each.  The sum is that of the 99th percentiles of a POST to a
bare aiohttp handler, an fdatasync of 1.5 KB and an Apprise.notify() to the same sink, at the same pace.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.daemon import PATIENCE, Daemon
from benchmarks.deliver import sink_url
from benchmarks.events import TYPE
from benchmarks.figure import Figure, percentile, ratio
from benchmarks.process import CLIENT_CORE, SERVER_CORE, Child

ROUNDS = 3
_EVENTS = 300
_GAP = 0.01
_RULE = {"id": "new-booking", "event": TYPE, "notify": "desk", "template": "new_booking.j2"}


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    found: dict[str, list[list[float]]] = {"ours": [], "post": [], "sync": [], "notify": []}
    with (
        Child("client", core=CLIENT_CORE) as client,
        Child("sink", core=CLIENT_CORE) as sink,
        Child("floors", "bare", core=SERVER_CORE) as floor,
        Child("peers", core=SERVER_CORE) as peers,
    ):
        client.ask("prepare", count=_EVENTS * (rounds + 1))
        daemon = Daemon(folder / "daemon").configure({"desk": {"url": sink_url(sink, "ok")}}, [_RULE]).start()
        for number in range(rounds + 1):
            text = {"title": "New booking in Bellevue", "body": "Booked by **Abc test**\n\nRef 0123abcd"}
            answers = client.ask("pace", port=floor.hello, first=0, count=_EVENTS, gap=_GAP)
            one = {
                "ours": _post_to_sink(client, sink, daemon, number),
                "post": [seconds for _, seconds in answers],
                "sync": peers.ask("sync", folder=str(folder), size=1_500, count=_EVENTS, gap=_GAP),
                "notify": peers.ask("notify", url=sink_url(sink, "bare"), count=_EVENTS, gap=_GAP, **text),
            }
            for name, values in one.items():
                if number:  # the first round warms up
                    found[name].append(values)
        daemon.kill()
    yield from _figures(found)


def _post_to_sink(client: Child, sink: Child, daemon: Daemon, number: int) -> list[float]:
    """Return, for each event, the seconds from its first byte on the way to us to its message's last at the sink."""
    daemon.wait_idle()
    sink.ask("forget")
    posts = client.ask("pace", port=daemon.port, first=number * _EVENTS, count=_EVENTS, gap=_GAP)
    arrivals = sink.ask("wait", path="/ok", count=_EVENTS, patience=PATIENCE)
    if len(arrivals) != _EVENTS:
        raise RuntimeError(f"{len(arrivals)} messages of {_EVENTS} events came")
    return [arrived - began for (began, _), arrived in zip(posts, arrivals, strict=True)]


def _figures(found: dict[str, list[list[float]]]) -> Iterator[Figure]:
    high = {name: [percentile(one, 0.99) for one in rounds] for name, rounds in found.items()}
    middle = {name: [percentile(one, 0.5) for one in rounds] for name, rounds in found.items()}
    told = ", ".join(
        f"{name} {median(middle[name]) * 1000:.2f} / {median(high[name]) * 1000:.2f}" for name in found
    )
    for name, part, goal in (("p99", high, 3), ("p50", middle, None)):
        parts = [sum(values) for values in zip(part["post"], part["sync"], part["notify"], strict=True)]
        yield ratio(
            f"latency: POST to sink, {name}, of its parts",
            part["ours"],
            parts,
            at_most=goal,
            detail=f"p50 / p99 in ms: {told}",
        )
