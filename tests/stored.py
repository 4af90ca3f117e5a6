"""A store with events in it, for tests of what reads or changes a whole store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.fakes import START
from zennotify.store import Store
from zennotify.store.rows import NewEvent
from zennotify.store.transaction import Transaction

#: A type and its `data`.
Told = tuple[str, dict[str, Any]]


def add_events(store: Store, told: Sequence[Told]) -> None:
    """Keep events as e-1, e-2, ..., still undecided; their places count from 1."""
    store.write(Transaction.add_events, [_event(number, *one) for number, one in enumerate(told, 1)])


def _event(number: int, event_type: str, data: dict[str, Any]) -> NewEvent:
    return NewEvent(
        id=f"{number:032x}",
        event_id=f"e-{number}",
        type=event_type,
        center=None,
        at=None,
        received_at=START,
        fingerprint=f"{number:032x}",
        body=body(number, event_type, data),
    )


def body(number: int, event_type: str, data: dict[str, Any]) -> bytes:
    """Return an event as Zenoti would have sent it."""
    return json.dumps({"event_id": f"e-{number}", "event_type": event_type, "data": data}).encode()
