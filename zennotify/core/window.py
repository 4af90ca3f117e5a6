"""Windows: what rules remember, one for each stage and key.

A stage is a pure function that takes its window and gives back what it has become.  Which of a window's fields a stage
uses, and for what, stands in the stage's own file.  Windows are kept by store/ in one transaction with the event.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from zennotify.core.match import keys_of
from zennotify.core.model import Names
from zennotify.core.path import Path

#: A longer key (characters) is kept as its hash: PostgreSQL's indexes refuse one of 2,704 bytes.
_LONGEST_KEY = 300
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Stage(StrEnum):
    """The stages of a rule that remember something."""

    THRESHOLD = "threshold"
    #: When the rule has fired, for those that it suppresses; followed by a blank and the paths of `same`.
    FIRED = "fired"
    WAIT = "wait"
    #: An opposite that came, perhaps before what it withdraws.
    UNLESS = "unless"
    ONCE = "once"
    DIGEST = "digest"
    #: The digest of what is told elsewhere: see `hours`.
    ELSEWHERE = "elsewhere"
    #: What was too old to be sent alone; of a rule without a digest of its own.
    LATE = "late"
    ABSENT = "absent"
    ESCALATE = "escalate"


class WindowKey(NamedTuple):
    """Names one window: a rule's memory for one key."""

    rule: str
    stage: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a stage remembers for one key."""

    #: The moment that the stage looks at, e.g. the end of a period.
    until: datetime
    #: Messages that were held back.
    held: int = 0
    #: What the stage counts.
    count: int = 0
    #: When it was opened, by the clock of that moment, where its timer counts from then; None where its moment is
    #: fixed, e.g. by the clock on the wall.
    opened: datetime | None = None
    #: When its timer fires; None: it has none.
    due: datetime | None = None
    #: The place of the event that it is about; of several, the last.
    event: int | None = None
    #: Names the events that it has gathered.
    number: int | None = None
    #: The times of events, the oldest first.
    times: tuple[datetime, ...] = ()
    #: When nothing needs it any more; None: after `until`.
    lasts: datetime | None = None
    #: The rules that opened it, where it has a timer: they go on when the rule is removed.
    rule_set: str = ""

    @property
    def expires(self) -> datetime:
        """When nothing needs this window any more."""
        return self.lasts or self.until


class Gathered(NamedTuple):
    """An event that a window has gathered."""

    #: Of the window.
    number: int
    #: Of the event.
    place: int
    #: Whether it belongs to a message that had been sent when it came.
    is_late: bool = False


class Windows:
    """The windows of one transaction: as they were, and what they have become."""

    __slots__ = ("_kept", "changed", "gathered", "new_number")

    def __init__(
        self,
        kept: Callable[[WindowKey], Window | None] | Mapping[WindowKey, Window],
        new_number: Callable[[], int],
    ) -> None:
        """Take the way to what was before, and what names a window that gathers events."""
        self._kept = kept.get if isinstance(kept, Mapping) else kept
        self.new_number = new_number
        #: None is one that is over.
        self.changed: dict[WindowKey, Window | None] = {}
        self.gathered: list[Gathered] = []

    def get(self, key: WindowKey) -> Window | None:
        """Return a window as it is now."""
        return self.changed[key] if key in self.changed else self._kept(key)

    def put(self, key: WindowKey, window: Window | None) -> None:
        """Remember a window as it is now; None ends it."""
        self.changed[key] = window

    def gather(self, one: Gathered) -> None:
        """Remember that a window has gathered an event."""
        self.gathered.append(one)

    def draft(self) -> Windows:
        """Return the same for one event, which leaves no trace here unless it is added."""
        return Windows(self.get, self.new_number)

    def add(self, draft: Windows) -> None:
        """Take over what a draft has changed."""
        self.changed |= draft.changed
        self.gathered += draft.gathered


def key_text(per: Sequence[Path], names: Names) -> str | None:
    """Return the text of a window's key, the values at these paths; None where one of them is not known.

    What is missing, null or blank is no key: all unknown guests are not one guest.
    """
    parts: list[list[str]] = []
    for path in per:
        keys = [
            text for value in path.values(names) if (keys := keys_of(value)) and (text := _text(keys[-1][1]))
        ]
        if not keys:
            return None
        parts.append(keys)
    key = _written(parts)
    if len(key) > _LONGEST_KEY:
        key = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return key


def _written(parts: list[list[str]]) -> str:
    """Return the parts as JSON; of a single plain text, as most keys are, without the price of an encoder."""
    if len(parts) == 1 and len(parts[0]) == 1:
        text = parts[0][0]
        if text.isprintable() and '"' not in text and "\\" not in text:
            return f'[["{text}"]]'
    return _encode(parts)


def _text(key: Any) -> str:
    """Return equal texts for equal keys: 5.0 is 5.  What is null or blank has none."""
    if key is None:
        return ""
    return str(int(key) if isinstance(key, float) and key.is_integer() else key)
