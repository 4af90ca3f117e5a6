"""The stage `stale_after`: what becomes of a message whose event was too long ago.

Asked when the event is decided, and again before the message's first attempt: it may have waited meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from zennotify.core.model import Names

#: Stands before a message that goes out late.
MARK: Final = "(delayed)"


class Then(StrEnum):
    """What a stale message becomes."""

    #: It goes out, and says that it is late.
    MARK = "mark"
    DROP = "drop"
    #: It goes into a digest.
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Stale:
    """`stale_after: {age, then}` of a rule."""

    age: timedelta
    #: The age as it is written: `2h`.
    text: str
    then: Then = Then.MARK

    def is_over(self, names: Names, now: datetime, meant: datetime | None = None) -> bool:
        """Return whether an event is too old now: by its own time or, where it has none, by its arrival.

        What was meant to go out later, because it waited or was held, counts from that moment.
        """
        event = names["event"]
        at: datetime = meant or event["at"] or event["received_at"]
        return now - at >= self.age
