"""What learning and resolving cost: the load of accept.py on a store of 1,000,000 facts, with and without them.

What resolves is one of the rules: it asks for the guest's phone, which only the facts may know.

Once with accept.py's own events, which are of one guest; and once so that each event is of another one of the million
guests who are known: then it changes rows all over the store, and what it costs is mostly SQLite's pages.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import accept
from benchmarks.client import FASTEST
from benchmarks.daemon import Daemon
from benchmarks.events import CENTER, guest_id
from benchmarks.figure import Figure, ratio
from benchmarks.process import CLIENT_CORE, Child
from zennotify.store import Store
from zennotify.store.transaction import Transaction

ROUNDS = 5
_FACTS = 1_000_000
_AT_ONCE = 50_000


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    store = folder / "known.db"
    _fill(store)
    with Child("client", core=CLIENT_CORE) as client, Child("sink", core=CLIENT_CORE) as sink:
        yield from _figures(client, sink.hello, folder / "one", store, rounds, guests=0, at_least=0.8)
        yield from _figures(client, sink.hello, folder / "many", store, rounds, guests=_FACTS, at_least=None)


def _figures(
    client: Child, sink: int, folder: Path, store: Path, rounds: int, *, guests: int, at_least: float | None
) -> Iterator[Figure]:
    client.ask("prepare", count=int(FASTEST * accept.LOAD), guests=guests)
    found: dict[str, list[dict[str, Any]]] = {"zennotify": [], "benchmarks.forgetful": []}
    for number in range(rounds):
        for module, answers in found.items():
            daemon = Daemon(folder / f"{module}{number}", module)
            shutil.copy(store, daemon.folder / "zennotify.db")
            answers.append(
                accept.load(daemon, client, sink, _rules() if module == "zennotify" else accept.rules())
            )
            shutil.rmtree(daemon.folder)
    yield ratio(
        f"learn: accepts, of the same without learning, {guests or 1:,} guest{'s' * (guests > 1)}",
        [one["rate"] for one in found["zennotify"]],
        [one["rate"] for one in found["benchmarks.forgetful"]],
        at_least=at_least,
        detail=f"{_FACTS:,} facts stored; {accept.told(found['zennotify'])}; without: "
        f"{accept.told(found['benchmarks.forgetful'])}",
    )


def _rules() -> list[dict[str, Any]]:
    """Return accept's rules; one of those that ask the event, and do not match, asks the facts instead."""
    return [
        {**rule, "match": {"guest.phone": "nobody's"}} if "data.guest.id" in rule.get("match", {}) else rule
        for rule in accept.rules()
    ]


def _fill(path: Path) -> None:
    """Make a store that knows a million guests."""
    store = Store.open(f"sqlite:///{path}")
    for first in range(0, _FACTS, _AT_ONCE):
        known = {f"guest {guest_id(number)}": _lessons(number) for number in range(first, first + _AT_ONCE)}
        store.write(Transaction.save_facts, json.dumps(known), datetime(2026, 1, 1, tzinfo=UTC))
    store.close()


def _lessons(number: int) -> list[Any]:
    values = {
        "name": f"Guest {number}",
        "first_name": "Guest",
        "last_name": str(number),
        "email": f"guest{number}@example.com",
        "phone": f"+1 206{number:07}",
        "center": CENTER,
    }
    return [[1_700_000_000_000_000 + number, f"{number:032x}", values]]
