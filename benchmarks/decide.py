"""Deciding one event by 100, 1,000 and 10,000 structured rules.

The pure part, `examine` and `conclude`, in this process.  The rules listen to the five documented events in turn and
ask for equality: of a centre, a guest, a service, ...; every third one asks a second thing with an operator.  Their
values differ, so that two rules match each event however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.figure import Figure, ratio
from zennotify.core.decide import Passed, conclude, examine
from zennotify.core.model import Event, Form, Zone
from zennotify.core.path import parse_path
from zennotify.core.rule import RuleSet
from zennotify.rulefile import Sources, compile_rules
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.names import Names
from zennotify.zenoti.sample import load_sample

ROUNDS = 5
SIZES = (100, 1_000, 10_000)
_EVENTS_A_ROUND = 20_000
_NOW = datetime(2024, 7, 25, 15, 0, tzinfo=UTC)
#: The five documented events, and what rules ask of each.
_PATHS = {
    "AppointmentGroup.Created": ("data.center_id", "data.guest.id", "data.appointments[*].service_id"),
    "AppointmentGroup.Status": ("group.id", "data.invoice_id"),
    "Class.Schedule.Cancelled": ("center.id", "data.class_name"),
    "Class.Booking.Cancelled": ("data.center_id", "guest.id", "session.id"),
    "Class.Booking.NoShow": ("center.id", "data.guest_id"),
}


def run(rounds: int, folder: Path) -> Iterator[Figure]:
    del folder  # nothing is stored
    events = [_event(name) for name in _PATHS]
    compiled = {size: _compile(size, events) for size in SIZES}
    for rules, _ in compiled.values():
        _check(rules, events)
    took: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size in SIZES:
            took[size].append(_seconds_an_event(compiled[size][0], events))
    costs = [f"{size:,} rules {median(took[size]) * 1e6:.1f} us" for size in SIZES]
    yield ratio(
        "decide: cost with 10,000 rules, of that with 100",
        took[10_000],
        took[100],
        at_most=10,
        detail=f"an event: {', '.join(costs)}; compiling a rule: {compiled[10_000][1] * 1e6:.0f} us",
    )


def _event(name: str) -> Event:
    return reopen(json.dumps(load_sample(name)).encode(), _NOW, Reading(Zone.CENTER), name)


def _compile(size: int, events: list[Event]) -> tuple[RuleSet, float]:
    """Return the rules, and the seconds that compiling one took."""
    rules = [_rule(number, events[number % len(events)]) for number in range(size)]
    # JSON is YAML, and quicker to write; 1,000 rules a file, as a file may have 1 MiB.
    texts = {f"{n}.yaml": json.dumps({"rules": rules[n : n + 1000]}) for n in range(0, size, 1000)}
    began = perf_counter()
    compiled = compile_rules(
        Sources(rules=texts, templates={}),
        channels={"desk": Form.CHAT},
        time_zone="America/Los_Angeles",
        locale="en-US",
        event_types=EVENT_TYPES,
    )
    return compiled.rules, (perf_counter() - began) / size


def _rule(number: int, event: Event) -> dict[str, Any]:
    turn = number // len(_PATHS)
    paths = _PATHS[event.type]
    path = paths[turn % len(paths)]
    matches = turn < 2
    value = parse_path(path).values(Names(event))[0] if matches else f"value {number}"
    rule: dict[str, Any] = {"id": f"rule-{number}", "event": event.type, "match": {path: str(value)}}
    if number % 3 == 0:
        rule["match"]["event.type"] = {"starts_with": event.type[:5]}
    if turn == 1:
        rule["once"] = {"per": path, "for": "24h"}
    return rule | {"notify": "desk", "message": "something happened"}


def _check(rules: RuleSet, events: list[Event]) -> None:
    for event in events:
        passed = [item for item in examine(event, Names(event), rules) if isinstance(item, Passed)]
        if len(passed) != 2:
            raise RuntimeError(f"{len(passed)} rules match {event.type}, expected 2")


def _seconds_an_event(rules: RuleSet, events: list[Event]) -> float:
    began = perf_counter()
    for number in range(_EVENTS_A_ROUND):
        event = events[number % len(events)]
        names = Names(event)
        conclude(examine(event, names, rules), names, rules, {}, _NOW)
    return (perf_counter() - began) / _EVENTS_A_ROUND
