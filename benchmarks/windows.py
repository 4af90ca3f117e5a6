"""What windows cost: each event's, 100,000 open ones at the start and in memory, and one timer among so many.

The load is that of accept.py, each event of another one of a million guests, so that the windows may lie anywhere.
What is compared are the same rules without what remembers, as far as that sends the same messages.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from benchmarks import accept
from benchmarks.client import FASTEST
from benchmarks.daemon import Daemon
from benchmarks.events import TYPE, body, event_id, guest_id
from benchmarks.figure import Figure, ratio
from benchmarks.process import CLIENT_CORE, SERVER_CORE, Child, pin, resident_mb
from zennotify.core.model import Zone
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.wait import Wait
from zennotify.core.window import Window, WindowKey
from zennotify.decider.batch import Batch
from zennotify.decider.turn import Turn
from zennotify.store import Store
from zennotify.store.rows import KeptEvent, NewEvent, Undecided
from zennotify.store.transaction import Transaction
from zennotify.zenoti.event import Reading, reopen

ROUNDS = 5
_GUESTS = 1_000_000
_OPEN = 100_000
_FEW = 100
_FIRING = 1_000
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: So far ahead that none fires while the benchmark runs, whatever the clock says.
_FAR = datetime(2100, 1, 1, tzinfo=UTC)
_SLACK = timedelta(days=1)
#: By what a kind of rule is told from the same without.
_KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "2 windows an event": (
        {"threshold": {"count": 1, "within": "30d", "per": "data.guest.id"}},
        {"once": {"per": "data.invoice_id", "for": "24h"}},
    ),
    "2 timers an event": (
        {"wait": {"for": "2h", "per": "data.guest.id"}},
        {"digest": {"every": "2h", "per": "data.guest.id"}},
    ),
}


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    with Child("client", core=CLIENT_CORE) as client, Child("sink", core=CLIENT_CORE) as sink:
        client.ask("prepare", count=int(FASTEST * accept.LOAD), guests=_GUESTS)
        yield from _touched(client, sink.hello, folder, rounds)
    yield from _started(folder, rounds)
    yield from _fired(folder, rounds)


# --- each event's ---------------------------------------------------------------------------------------------


def _touched(client: Child, sink: int, folder: Path, rounds: int) -> Iterator[Figure]:
    kinds: dict[str, tuple[dict[str, Any], ...]] = {"without": ({}, {}), **_KINDS}
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind, stages in kinds.items():
            daemon = Daemon(folder / f"{kind} {number}")
            answer = accept.load(daemon, client, sink, _rules(*stages))
            _check(daemon, answer["accepted"], with_windows=kind != "without")
            found[kind].append(answer)
            shutil.rmtree(daemon.folder)
    for kind in _KINDS:
        for rate, word in (("rate", "accepts"), ("decided", "decides")):
            yield ratio(
                f"windows: {word}, {kind}, of the same without",
                [one[rate] for one in found[kind]],
                [one[rate] for one in found["without"]],
                at_least=0.5,
                detail=f"{accept.told(found[kind])}; without: {accept.told(found['without'])}",
            )


def _rules(*stages: dict[str, Any]) -> list[dict[str, Any]]:
    """Return accept's rules; the two that match have these stages and nothing else that remembers."""
    matching, others = accept.rules()[:2], accept.rules()[2:]
    for rule, stage in zip(matching, stages, strict=True):
        rule.pop("once", None)
        rule.update(stage)
    return matching + others


def _check(daemon: Daemon, accepted: int, *, with_windows: bool) -> None:
    [(decisions,)] = daemon.query("SELECT count(*) FROM decisions")
    [(held,)] = daemon.query("SELECT count(*) FROM windows")
    if (decisions, held) != (2 * accepted, 2 * accepted * with_windows):
        raise RuntimeError(f"{accepted} events led to {decisions} decisions and {held} windows")


# --- at the start ---------------------------------------------------------------------------------------------


def _started(folder: Path, rounds: int) -> Iterator[Figure]:
    stores = {"none": folder / "none.db", "open": folder / "open.db"}
    for kind, path in stores.items():
        store = Store.open(f"sqlite:///{path}")
        if kind == "open":
            _open(store, _OPEN)
        store.close()
    seconds: dict[str, list[float]] = {kind: [] for kind in stores}
    memory: dict[str, list[float]] = {kind: [] for kind in stores}
    for number in range(rounds):
        for kind, path in stores.items():
            daemon = Daemon(folder / f"{kind} {number}")
            daemon.configure({"desk": {"url": "console://desk"}}, _rules(*_KINDS["2 timers an event"]))
            shutil.copy(path, daemon.folder / "zennotify.db")
            began = monotonic()
            daemon.start()
            seconds[kind].append(monotonic() - began)
            daemon.wait_idle()
            memory[kind].append(resident_mb(daemon.pid))
            daemon.kill()
            shutil.rmtree(daemon.folder)
    yield Figure(
        name=f"windows: start with {_OPEN:,} open",
        rounds=tuple(seconds["open"]),
        unit="s",
        at_most=2,
        detail=f"until it is ready; with none {median(seconds['none']):.2f} s",
    )
    yield ratio(
        f"windows: memory with {_OPEN:,} open, of none",
        memory["open"],
        memory["none"],
        at_most=1.1,
        detail=f"resident, idle after the start: {median(memory['open']):.1f} MB, {median(memory['none']):.1f} MB",
    )


def _open(store: Store, count: int) -> None:
    """Open windows that wait for their time, each of another guest, as the rule `rule-0` would."""
    [place] = store.write(Transaction.add_events, [_event(0)])
    store.write(Transaction.finish_events, [(place, None)], None)
    window = Window(
        until=_FAR, opened=_NOW, due=_FAR, event=place, times=(_NOW,), rule_set="of the benchmark"
    )
    store.write(
        Transaction.save_windows,
        {WindowKey("rule-0", "wait", f'[["{guest_id(number)}"]]'): window for number in range(count)},
    )


def _event(number: int) -> NewEvent:
    return NewEvent(
        id=f"{number:032x}",
        event_id=event_id(number),
        type=TYPE,
        center=None,
        at=_NOW,
        received_at=_NOW,
        fingerprint=f"{number:032x}",
        body=body(number, _GUESTS),
    )


# --- one timer ------------------------------------------------------------------------------------------------


def _fired(folder: Path, rounds: int) -> Iterator[Figure]:
    pin(0, SERVER_CORE)
    found: dict[int, list[float]] = {_FEW: [], _OPEN: []}
    stores: dict[int, Store] = {}
    for count in found:
        stores[count] = Store.open(f"sqlite:///{folder / f'{count}.db'}")
        _open(stores[count], count)
    for number in range(rounds):
        for count, store in stores.items():
            found[count].append(_fire(store, 1 + number * _FIRING))
    for store in stores.values():
        store.close()
    pin(0, CLIENT_CORE)
    each = {count: median(seconds) / _FIRING * 1e6 for count, seconds in found.items()}
    yield ratio(
        f"windows: a timer's cost among {_OPEN:,}, of {_FEW}",
        found[_OPEN],
        found[_FEW],
        at_most=1.5,
        detail=f"{_FIRING:,} that are due, of an event and with a message each: "
        f"{each[_OPEN]:.0f} us, {each[_FEW]:.0f} us",
    )


def _fire(store: Store, first: int) -> float:
    """Fire many timers, in transactions as the daemon's; return the seconds that it took."""
    rule = Rule(
        id="rule-0",
        events=(TYPE.casefold(),),
        notify=("desk",),
        wait=Wait(text="2h", period=timedelta(hours=2)),
    )
    rules, reading = RuleSet("of the benchmark", (rule,)), Reading(Zone.CENTER)
    places = store.write(Transaction.add_events, [_event(number) for number in range(first, first + _FIRING)])
    store.write(Transaction.finish_events, [(place, None) for place in places], None)
    windows = {
        WindowKey("rule-0", "wait", f"event {place}"): Window(
            until=_NOW, due=_NOW, event=place, times=(_NOW,)
        )
        for place in places
    }
    store.write(Transaction.save_windows, windows)

    def reopened(kept: KeptEvent) -> Undecided:
        return Undecided(kept.place, None, reopen(kept.body, kept.received_at, reading, kept.type))

    def fire(transaction: Transaction) -> None:
        turn = Turn(transaction, lambda: Batch(rules, Zone.CENTER), reopened, lambda *_: (rule, rules))
        turn.fire(_NOW + _SLACK)

    began = monotonic()
    while store.write(Transaction.next_timer) != _FAR:
        store.write(fire)
    return monotonic() - began
