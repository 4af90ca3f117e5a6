"""The stage `escalate`: who is told next while nobody acknowledges.

Its window: `until` is when the message itself went out, from which all steps count; `count` is the number of steps that
have been taken, `due` when the next one is, `held` what the message had counted.  It holds the `event` or the gathered
events' `number` that the message was about.  Whoever acknowledges ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from zennotify.core.window import Window

#: The step of the message that says who took it; an escalation has fewer.
TAKEN: Final = 100


class Step(NamedTuple):
    """One of `escalate: [{after, notify}]`."""

    #: After the message itself.
    after: timedelta
    notify: tuple[str, ...]


def begin(
    steps: Sequence[Step],
    sent: datetime,
    *,
    opened: datetime | None,
    event: int | None,
    number: int | None,
    counted: int,
) -> Window:
    """Return the window of a message that goes out at `sent`; `opened` where that counts from now."""
    due = sent + steps[0].after
    return Window(until=sent, opened=opened, due=due, event=event, number=number, held=counted)


def climb(steps: Sequence[Step], window: Window) -> Window | None:
    """Return the window after its next step; None where that was the last."""
    taken = window.count + 1
    if taken >= len(steps):
        return None
    return replace(window, count=taken, due=window.until + steps[taken].after)
