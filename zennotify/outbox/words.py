"""What operators read of a message that is dead, and of a channel that is paused.  Called by outbox.py for ops.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from zennotify.core.pause import Cause, Pause
from zennotify.outbox.way import Way
from zennotify.store.rows import Claimed, Settled

_WHY: Final = {
    Cause.BLOCKED: "It is refused for a reason that every message would meet.  Mostly a password, a token or an"
    " address in config.yaml is not valid any more, or the account is out of credit.",
    Cause.LIMITED: "The provider turns messages away because there are too many.  A lower `rate` for this channel"
    " in config.yaml avoids that.",
    Cause.FAILING: "The provider cannot be reached, or does not answer as it should.",
}


class Trouble(NamedTuple):
    """One trouble, as ops.py takes it."""

    #: Names it, so that it is not told again within the hour.
    kind: str
    title: str
    text: str


def of_death(claimed: Claimed, settled: Settled, fell_back: bool) -> Trouble:
    """Say that a message is dead, and whether the fallback tells it."""
    short = claimed.id[:8]
    reason = settled.verdict.reason
    title = f"channel {claimed.channel} could not deliver a message"
    if reason == "maybe_sent":
        title = f"a message of channel {claimed.channel} may have arrived, or not"
        became = "is held until you decide"
        again = f"To send it (again): zennotify deliveries retry {short}"
    else:
        became = f"is dead ({reason})"
        again = f"To try again: zennotify deliveries retry {short}"
    instead = f"  {settled.fallback} is told instead." if fell_back else ""
    return Trouble(
        f"dead {claimed.channel}",
        title,
        f"The message of rule {claimed.rule} {became}: {settled.detail}{instead}\n\n"
        f"See: zennotify deliveries show {short}.  {again}",
    )


def of_crash(channel: str, count: int) -> Trouble:
    """Say that messages were being sent when zennotify died, and are held."""
    return Trouble(
        f"dead {channel}",
        f"{count} message{'s' * (count > 1)} of channel {channel} may have arrived, or not",
        f"zennotify died while channel {channel} was sending; what it was sending is held until you decide.\n\n"
        f"See: zennotify deliveries --channel {channel} --reason maybe_sent.  "
        "To send one (again): zennotify deliveries retry ID",
    )


def of_pause(way: Way, pause: Pause, now: datetime) -> Trouble:
    """Say that a channel is paused."""
    channel, fallback = way.name, way.policy.fallback
    waits = "What is for it waits"
    if fallback is not None:
        waits += f", and goes to {fallback.channel} after {spoken(fallback.after)}"
    refused = ""
    if pause.has_refused:
        refused = f"What was refused is dead: zennotify deliveries --channel {channel} --state dead.  "
    by_hand = f"zennotify send {channel} test" + (" --to ADDRESS" if way.towards is not None else "")
    lasts = f" for {spoken(now - pause.since)}" if now - pause.since >= timedelta(seconds=1) else ""
    return Trouble(
        f"paused {channel}",
        f"channel {channel} is paused",
        f"Channel {channel} cannot send{lasts}: {pause.detail}\n\n{_WHY[pause.cause]}\n\n"
        f"{refused}{waits}; in {spoken(pause.until - now)} one message tries again.  To try at once: {by_hand}",
    )


def of_recovery(channel: str, pause: Pause, now: datetime) -> Trouble:
    """Say that a channel sends again."""
    return Trouble(
        f"works again {channel}",
        f"channel {channel} works again",
        f"Channel {channel} sends again; it was paused for {spoken(now - pause.since)}.  What waited goes out now.",
    )


def spoken(span: timedelta) -> str:
    """Return a span as people say it: `45 s`, `12 min`, `3 h`, `2 days`."""
    seconds = max(round(span.total_seconds()), 0)
    for length, name in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {name}"
    return f"{seconds} s"
