"""A way out: a channel, how its messages are rendered, and how hard it may be used.  Made by app.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from zennotify.core.model import Form, Label, Message, Result, Room
from zennotify.core.rate import Rate
from zennotify.core.verdict import Policy
from zennotify.store.rows import Claimed, Withheld


class Channel(Protocol):
    """A way out; see channel/."""

    @property
    def form(self) -> Form:
        """How messages for it are written."""
        ...

    @property
    def room(self) -> Room:
        """How much of a message it takes."""
        ...

    def send(self, message: Message, label: Label) -> Result:
        """Send one message; blocks, never raises."""
        ...


#: Renders a delivery's message, or says why it is not sent; called in the channel's threads.
Render = Callable[[Claimed, Form, Room], Message | Withheld]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A channel and how it may be used."""

    name: str
    channel: Channel
    concurrency: int
    timeout: timedelta
    policy: Policy
    rates: Sequence[Rate] = ()
    #: Opens the channel to a recipient, where the recipient comes from the event.
    towards: Callable[[str], Channel] | None = None

    @property
    def fallback(self) -> str:
        """The channel that is told instead; empty where there is none."""
        return "" if self.policy.fallback is None else self.policy.fallback.channel
