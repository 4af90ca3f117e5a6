"""Durable accepts with decisions, against aiohttp that stores nothing.

100 rules: 4 listen to the posted type, 2 of them match, 1 of those has a `when` (true), 1 has a `once` whose key is
the event's own for every second event and shared by the others.  Their channel leads to a sink that takes the
message and never answers, one at a time, so that sending takes no part: each event costs its row, two decisions,
one or two deliveries, and a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.client import FASTEST
from benchmarks.daemon import Daemon
from benchmarks.events import CENTER, TYPE, event_id
from benchmarks.figure import Figure, ratio
from benchmarks.process import CLIENT_CORE, SERVER_CORE, Child, cpu_of, cpu_seconds
from zennotify.zenoti.catalog import EVENT_TYPES

ROUNDS = 7
_WARMUP, _SECONDS = 1.0, 3.0
#: Seconds of one load.
LOAD = _WARMUP + _SECONDS
_CONNECTIONS = 64
_OTHER_TYPES = [name for name in EVENT_TYPES if name != TYPE]


def rules() -> list[dict[str, Any]]:
    """Return the 100 rules."""
    message = "Booked by {{ guest.name }}, invoice {{ data.invoice_number }}"
    listening = [
        {"match": {"data.center_id": CENTER}, "when": "data.invoice_number | number > 0"},
        {
            "match": {"data.center_id": CENTER},
            "once": {"per": "data.appointment_group_id", "for": "24h"},
        },
        {"match": {"data.center_id": "another centre"}},
        {"match": {"data.guest.id": "another guest"}},
    ]
    common = {"event": TYPE, "notify": "desk", "message": message}
    made = [{"id": f"rule-{n}", **common, **more} for n, more in enumerate(listening)]
    for number in range(len(made), 100):
        kind = _OTHER_TYPES[number % len(_OTHER_TYPES)]
        match = {"center.id": f"centre {number}"}
        made.append(
            {
                "id": f"rule-{number}",
                "event": kind,
                "match": match,
                "notify": "desk",
                "message": "It happened",
            }
        )
    return made


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "proof": [], "bare": []}
    with Child("client", core=CLIENT_CORE) as client, Child("sink", core=CLIENT_CORE) as sink:
        prepared = client.ask("prepare", count=int(FASTEST * LOAD))
        with Child("floors", "raw", core=SERVER_CORE) as raw:
            fastest = _load(client, raw.hello, raw.pid)["rate"]
        for number in range(rounds):
            found["ours"].append(_daemon(client, prepared, sink.hello, folder / str(number)))
            for kind in ("proof", "bare"):
                with Child("floors", kind, core=SERVER_CORE) as floor:
                    found[kind].append(_load(client, floor.hello, floor.pid))
    yield from _figures(found, fastest)


def _load(client: Child, port: int, process: int) -> dict[str, Any]:
    with cpu_of(process) as used:
        answer: dict[str, Any] = client.ask(
            "load", port=port, connections=_CONNECTIONS, warmup=_WARMUP, seconds=_SECONDS
        )
    if answer["accepted"] != answer["posted"]:
        raise RuntimeError(f"of {answer['posted']} requests only {answer['accepted']} were accepted")
    answer["cpu"] = used[0] / answer["accepted"]
    return answer


def _daemon(client: Child, prepared: int, sink: int, folder: Path) -> dict[str, Any]:
    daemon = Daemon(folder)
    answer = load(daemon, client, sink, rules())
    if answer["posted"] > prepared:
        raise RuntimeError("the daemon was faster than the requests that were made beforehand")
    _check(daemon, answer["accepted"])
    return answer


def load(daemon: Daemon, client: Child, sink: int, by: list[dict[str, Any]]) -> dict[str, Any]:
    """Start a daemon with these rules, post to it as fast as it answers, let it decide, and kill it."""
    daemon.configure(
        {"desk": {"url": f"json://127.0.0.1:{sink}/hang", "concurrency": 1, "timeout": "120s"}}, by
    )
    daemon.start()
    before = cpu_seconds(daemon.pid)
    answer = _load(client, daemon.port, daemon.pid)
    answer["behind"] = daemon.undecided()
    answer["drain"] = daemon.wait_decided()
    count = answer["accepted"]
    # With what it decided after the load: otherwise a daemon that decides later would look better.
    answer["cpu"] = (cpu_seconds(daemon.pid) - before) / count
    answer["decided"] = count / (LOAD + answer["drain"])
    daemon.kill()
    return answer


def _check(daemon: Daemon, accepted: int) -> None:
    """Find every event that was acknowledged in the store of the killed daemon, decided as the rules say."""
    query = "SELECT event_id FROM events WHERE seq NOT IN (SELECT event FROM undecided)"
    decided = {row[0] for row in daemon.query(query)}
    lost = {event_id(number) for number in range(accepted)} - decided
    if lost:
        raise RuntimeError(f"{len(lost)} acknowledged events are not in the store, or not decided")
    made = dict(daemon.query("SELECT reason, count(*) FROM decisions GROUP BY reason"))
    shared = (accepted + 1) // 2
    expected = {"notified": 2 * accepted - shared + 1, "held_back": shared - 1}
    if made != expected:
        raise RuntimeError(f"the decisions are {made}, expected {expected}")


def _figures(found: dict[str, list[dict[str, Any]]], fastest: float) -> Iterator[Figure]:
    rates = {kind: [one["rate"] for one in answers] for kind, answers in found.items()}
    yield ratio(
        "accept: of aiohttp with proof and parse",
        rates["ours"],
        rates["proof"],
        at_least=0.5,
        detail=f"{told(found['ours'])}; the floor: {told(found['proof'])}",
    )
    yield ratio(
        "accept: of a bare aiohttp JSON handler", rates["ours"], rates["bare"], detail=told(found["bare"])
    )
    yield ratio(
        "accept: decided, of accepted, until drained",
        [one["decided"] for one in found["ours"]],
        [one["accepted"] / LOAD for one in found["ours"]],
        detail=f"{median(one['behind'] for one in found['ours']):,.0f} undecided at the end of the load, "
        f"drained in {median(one['drain'] for one in found['ours']):.2f} s",
    )
    highest = max(rate for kind in rates for rate in rates[kind])
    yield Figure(
        name="accept: what the load generator could do",
        rounds=(fastest / highest,),
        at_least=1.5,
        detail=f"{fastest:,.0f}/s against a server without an HTTP library; below 1.5 the others are not to be trusted",
    )


def told(answers: list[dict[str, Any]]) -> str:
    """Say what loads came to, as medians."""
    rate = median(one["rate"] for one in answers)
    p50, p99 = (median(one[name] for one in answers) * 1000 for name in ("p50", "p99"))
    cpu = median(one["cpu"] for one in answers) * 1e6
    return f"{rate:,.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {cpu:.0f} us CPU"
