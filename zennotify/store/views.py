"""What is read from the store, as values for who shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from zennotify.core.window import Window, WindowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try of a delivery."""

    started: datetime
    finished: datetime | None
    outcome: str | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A delivery with its tries."""

    id: str
    event: str | None
    window: str | None
    rule: str
    channel: str
    state: str
    reason: str
    created: datetime
    due: datetime
    #: When it was due first: from then on its fallback counts.
    since: datetime
    title: str | None
    message: str | None
    #: The delivery of another channel that it is the fallback of.
    instead_of: str | None = None
    #: Of an escalation; 0 is the message itself.
    step: int = 0
    #: Messages that `once` held back before this one.
    held_back: int = 0
    #: What a threshold or a digest has counted.
    counted: int = 0
    #: When it was meant to go out, where that is not when its event came.
    meant: datetime | None = None
    #: The number of the events that it is about, where it is not about one.
    gathered: int | None = None
    attempts: tuple[AttemptView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """What one rule made of an event, and the deliveries that came of it."""

    rule: str
    reason: str
    detail: str
    deliveries: tuple[DeliveryView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event with its decisions."""

    id: str
    event_id: str
    type: str
    at: datetime | None
    received: datetime
    center: str | None
    state: str
    rule_set: str | None
    body: bytes
    decisions: tuple[DecisionView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineView:
    """A body that could not become an event."""

    id: int
    received: datetime
    reason: str
    size: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits: undecided events, pending deliveries by channel, and when the oldest due one was due."""

    undecided: int = 0
    pending: dict[str, int] = field(default_factory=dict)
    oldest_due: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView:
    """A window whose timer has still to fire."""

    key: WindowKey
    window: Window
    #: When it fires.
    due: datetime
    #: The id of the event that it is about; of several, the last.
    event: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredView:
    """An event that a window has gathered."""

    id: str
    type: str
    #: When it happened.
    at: datetime
    received: datetime
    center: str | None
    #: Whether it belongs to a message that had been sent when it came.
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementView:
    """Who took care of what a rule told of."""

    rule: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """A delivery that tells of gathered events, for who asks about some of them."""

    number: int
    recipient: str
    is_open: bool
    #: Whether it has been written.
    has_text: bool
    #: The ids of its events, as far as they are still there; the last one is that whose guest it goes to.
    events: tuple[str, ...]


class MessageText(NamedTuple):
    """A message that has been written."""

    #: The id of its event; None where it is a digest's.
    event: str | None
    #: The number of its digest.
    digest: int | None
    text: str
