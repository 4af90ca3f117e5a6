"""What goes into the store and comes out of it on the write path, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from zennotify.core.model import Event, Message, Outcome
from zennotify.core.pause import Pause
from zennotify.core.verdict import Standing, Verdict
from zennotify.core.window import Window, WindowKey

#: The reason of a delivery that waits because somebody wants it to be sent.
BY_HAND: Final = "by_hand"


class NewEvent(NamedTuple):
    """An event about to be kept."""

    id: str
    event_id: str
    type: str
    center: str | None
    at: datetime | None
    received_at: datetime
    fingerprint: str
    body: bytes
    #: The rules in force.
    rule_set: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvent:
    """An event as it was kept."""

    #: Events are counted in the order of their arrival.
    place: int
    id: str
    type: str
    received_at: datetime
    rule_set: str | None
    body: bytes
    tries: int = 0


class Undecided(NamedTuple):
    """A kept event on its way to its decision."""

    place: int
    #: What is kept with it.
    rule_set: str | None
    event: Event


class Timer(NamedTuple):
    """A window whose time has come, and the event that it is about, as far as it has been read."""

    key: WindowKey
    window: Window
    event: KeptEvent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A body that could not become an event."""

    received_at: datetime
    reason: str
    body: bytes


class NewDecision(NamedTuple):
    """A decision about to be kept."""

    #: The place of its event.
    event: int
    #: Its own among the decisions of that event.
    place: int
    rule: str
    reason: str
    detail: str


class NewDelivery(NamedTuple):
    """A delivery about to be kept."""

    #: The place of its event; None where a window led to it.
    event: int | None
    rule: str
    channel: str
    rule_set: str
    created: datetime
    due: datetime
    held_back: int = 0
    #: Where the channel itself does not know whom to tell.
    recipient: str = ""
    window: str | None = None
    #: Its text where it is known already; otherwise it is rendered at the first try.
    title: str | None = None
    message: str | None = None
    #: Why it waits, where it is not to go out at once.
    reason: str = ""
    #: Of an escalation; 0 is the message itself.
    step: int = 0
    #: The number of the events that it is about, where it is not about one.
    gathered: int | None = None
    #: What a threshold or a digest has counted.
    counted: int = 0
    #: When it was meant to go out, where that is not when its event came.
    meant: datetime | None = None


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
    #: Where the channel itself does not know whom to tell.
    recipient: str
    standing: Standing
    #: The channel that this one is the fallback of; empty where it is none.
    instead_of: str
    #: Whether somebody wants it to be sent, however old it is.
    is_by_hand: bool
    #: Of an escalation; 0 is the message itself.
    step: int = 0
    #: The number of the events that it is about, where it is not about one.
    gathered: int | None = None
    #: What a threshold or a digest has counted.
    counted: int = 0
    #: When it was meant to go out, where that is not when its event came.
    meant: datetime | None = None
    lease: str
    #: The text of an earlier try, which is sent again as it was.
    title: str | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A delivery whose lease ended before its holder settled it."""

    id: str
    channel: str
    lease: str
    #: The number of its last attempt.
    attempts: int
    standing: Standing
    #: Whether that attempt was open: the message may have been sent.
    was_begun: bool


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a message is not sent, though it was due."""

    reason: str
    #: Whether it is gathered instead, with others that are as late.
    is_gathered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt that is about to start."""

    delivery: str
    lease: str
    number: int
    started: datetime
    message: Message
    channel: str
    #: What the channel has spent of its rates with this attempt (core/rate.py); None where it has none.
    spent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What an attempt came to, and what becomes of its delivery."""

    delivery: str
    lease: str
    number: int
    #: None where nobody knows.
    finished: datetime | None
    outcome: Outcome
    detail: str
    verdict: Verdict
    #: The channel that is told instead, where the verdict says so.
    fallback: str = ""
    #: Whether the text that was kept for it is forgotten.
    is_unwritten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """What is kept of a channel over a restart."""

    name: str
    pause: Pause | None = None
    #: What it has spent of its rates (core/rate.py); empty where nothing is known.
    spent: str = ""
