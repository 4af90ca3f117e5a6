"""What goes into the store and comes out of it on the write path, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zennotify.core.model import DeliveryState, Message, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event about to be kept."""

    id: str
    event_id: str
    type: str
    center: str | None
    at: datetime | None
    received_at: datetime
    fingerprint: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvent:
    """An event as it was kept."""

    id: str
    type: str
    received_at: datetime
    body: bytes
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A body that could not become an event."""

    received_at: datetime
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """A decision about to be kept."""

    event: str
    rule: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery about to be kept; one with the same id is kept already and stays."""

    id: str
    #: Either an event or a window led to it.
    event: str | None
    window: str | None = None
    rule: str
    channel: str
    rule_set: str
    held_back: int = 0
    created: datetime
    due: datetime
    #: Its text where it is known already; otherwise it is rendered at the first try.
    title: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this process may try now, until its lease ends."""

    id: str
    #: None where a window led to it.
    event: KeptEvent | None
    rule: str
    channel: str
    rule_set: str
    held_back: int
    attempts: int
    lease: str
    #: The text of an earlier try, which is sent again as it was.
    title: str | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt that is about to start."""

    delivery: str
    lease: str
    number: int
    started: datetime
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What an attempt came to, and what becomes of its delivery."""

    delivery: str
    lease: str
    number: int
    finished: datetime
    outcome: Outcome
    detail: str
    state: DeliveryState
    reason: str
    due: datetime
