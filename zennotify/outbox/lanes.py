"""What carriers ask of the writer, as values.  outbox.py gives them to the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zennotify.store import Lane
from zennotify.store.rows import Begun, Claimed, Settled

#: Deliveries that fall back in one transaction.
_MOST_FALLING = 200


@dataclass(frozen=True, slots=True)
class Claim:
    """A carrier asks for what is due."""

    channel: str
    most: int
    now: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Overdue:
    """A carrier that may not send asks that what has waited too long falls back."""

    channel: str
    #: The fallback.
    to: str
    #: What has been due since then, or longer, falls back.
    before: datetime
    now: datetime
    most: int = _MOST_FALLING


@dataclass(frozen=True, slots=True)
class Settling:
    """An outcome on its way into the store."""

    claimed: Claimed
    settled: Settled
    #: False for a delivery that is given back without a try.
    is_attempt: bool = True


@dataclass(frozen=True, slots=True)
class Late:
    """A delivery that is too late to be sent alone, on its way into a digest of its channel."""

    claimed: Claimed
    #: It is cancelled.
    settled: Settled
    now: datetime


@dataclass(frozen=True, slots=True)
class Lanes:
    """What carriers ask of the writer."""

    claims: Lane[Claim, tuple[list[Claimed], datetime | None]]
    overdue: Lane[Overdue, tuple[int, datetime | None]]
    begins: Lane[Begun, bool]
    settles: Lane[Settling, bool]
    #: Answers when the next timer is due.
    lates: Lane[Late, datetime | None]
