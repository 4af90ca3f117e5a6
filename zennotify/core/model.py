"""The words of zennotify as values: event, decision, delivery, attempt, message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

#: What a rule or a template can name: `event`, `data`, `guest`, `center`, ...  Things may be made on demand.
Names = Mapping[str, Any]

#: A compiled `when`: True or False for these names; raises `errors.ExpressionError`, never "did not match".
Predicate = Callable[[Names], bool]


class Reason(StrEnum):
    """What became of one rule and one event.  `not_matched` and `when_false` are never stored."""

    NOT_MATCHED = "not_matched"
    WHEN_FALSE = "when_false"
    NOTIFIED = "notified"
    ERROR = "error"
    BELOW_THRESHOLD = "below_threshold"
    STALE = "stale"
    SILENCED = "silenced"
    SUPPRESSED = "suppressed"
    OUTSIDE_HOURS = "outside_hours"
    WAITING = "waiting"
    WITHDRAWN = "withdrawn"
    NO_MOMENT = "no_moment"
    HELD_BACK = "held_back"
    DIGESTED = "digested"
    NO_RECIPIENT = "no_recipient"
    OPTED_OUT = "opted_out"
    DISABLED = "disabled"
    FAILED = "failed"


#: Such decisions would be most of all, and say nothing that the event and the rule do not.
NEVER_STORED = frozenset({Reason.NOT_MATCHED, Reason.WHEN_FALSE})


class Form(StrEnum):
    """How a message is written."""

    CHAT = "chat"
    EMAIL = "email"
    SMS = "sms"
    JSON = "json"


class Outcome(StrEnum):
    """What one attempt came to."""

    SENT = "sent"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class DeliveryState(StrEnum):
    """Where a delivery stands.  A retry or a delay is only a later `due`, not a state."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that Zenoti told us."""

    #: Our id: 32 hex digits, a hash of Zenoti's own key for the event.
    id: str
    #: `event_id` of the envelope (or `id`, where it has none), as sent; made up where there is no envelope.
    event_id: str
    #: `event_type` of the envelope, as sent; where it does not say it, as its shape or the listener's URL does.
    type: str
    #: The same in lower case, by the catalog's name where it came under another: what rules listen to.
    kind: str
    #: `event_timestamp` in UTC; None where it cannot be read, or there is no envelope.
    at: datetime | None
    received_at: datetime
    #: `data` of the envelope; fields that the catalog knows carry their meaning (see below).
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A rendered message, ready for one form.

    `body` is plain text for sms and json, Markdown for chat, HTML for email.
    """

    title: str
    body: str
    form: Form


def _as_written(_title: str, body: str) -> int:
    return len(body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much of a message a channel takes; what is longer is cut at a word, and says so."""

    #: Characters of the finished title.
    title: int = 250
    #: Characters of the finished body; None: as many as there are.
    body: int | None = None
    #: What a title and a body take of these: a service may escape, convert, or show the title in the body.
    weigh: Callable[[str, str], int] = _as_written
    #: Parts that an SMS may be split into, each paid for; None where it is no SMS.
    segments: int | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on a message, for whoever receives it."""

    #: The delivery's id: the same for each try, so that a repeat can be recognised.
    delivery: str
    rule: str = ""
    #: Of the event that led to it: our id and its type; empty where there is none.
    event: str = ""
    event_type: str = ""
    #: Whether an earlier try may have arrived.
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a channel says of one attempt."""

    outcome: Outcome
    #: For the operator: status and the provider's words, never a secret, at most 300 characters.
    detail: str = ""
    #: How long the provider asks us to wait before the next try.
    retry_after: timedelta | None = None
    #: Whether the provider turns away the whole channel for now (429), and not this message.
    of_channel: bool = False


class Code(int):
    """A number of Zenoti's that stands for a word, e.g. -2 for NoShow."""

    words: Mapping[int, str]

    def __new__(cls, value: int, words: Mapping[int, str]) -> Code:
        """Make a code of a number and its table."""
        code = super().__new__(cls, value)
        code.words = words
        return code

    @property
    def word(self) -> str:
        """The word, or the number as text where the table has none: a code is never guessed."""
        return self.words.get(int(self), str(int(self)))


class YesNo(str):
    """A "Yes" or "No" of Zenoti's: prints as sent, and is true or false."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return self.strip().casefold() in {"yes", "true"}


class Placeholder(str):
    """What a message says for a name that nobody knows ("a guest"): prints, but is not true."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


class Zone(StrEnum):
    """How a time of Zenoti's is meant."""

    UTC = "utc"
    CENTER = "center"


class TimeText(str):
    """A time of Zenoti's: prints as sent, and knows which zone it is meant in."""

    __slots__ = ()
    zone: ClassVar[Zone]


class UtcTime(TimeText):
    """A time in UTC, whether or not it says so."""

    __slots__ = ()
    zone = Zone.UTC


class CenterTime(TimeText):
    """A time on the clocks of the centre."""

    __slots__ = ()
    zone = Zone.CENTER


#: What Zenoti writes for "no date" (samples, e.g. Guest.Created).
NO_DATE = "0001-01-01T00:00:00"


def moment_of(event: Event) -> datetime:
    """Return when an event happened: it cannot be later than its arrival, whatever the sender's clock says."""
    return event.received_at if event.at is None else min(event.at, event.received_at)


def read_time(text: str) -> datetime | None:
    """Return the moment that an ISO text names, or None where it names none.

    Takes 0 to 7 fractional digits, `T` or a blank, `Z` or an offset.  A text without an offset gives a naive
    datetime: what zone it is meant in is for the caller to know.  `as_utc` can take every moment given here.
    """
    text = text.strip()
    if len(text) < 10 or text.startswith("0001-01-01"):
        return None
    if text[4] != "-" or text[7] != "-" or text[10:11] not in {"", "T", " "}:
        return None  # Python reads more as a time than anybody means: 2024072512345 is 23:45 on a day in July
    head, dot, tail = text.partition(".")
    if dot:  # Zenoti sends 7 fractional digits; Python reads at most 6
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        text = f"{head}.{digits[:6]}{tail[len(digits) :]}" if digits else head + tail
    try:
        moment = datetime.fromisoformat(text)
        as_utc(moment)  # the last hours of the year 9999, west of Greenwich, are not in UTC's years
    except (ValueError, OverflowError):
        return None
    return moment


def as_utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC; a naive one is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
