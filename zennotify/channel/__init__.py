"""The ways out: a channel takes a rendered message and says what came of it.

The door to Apprise and `requests`, which are loaded by the first channel that needs them.  `zennotify check` asks
`check_url`; `app.build` opens channels for the outbox.

::

    __init__  ->  console                          console://, prints
              ->  address                          what `url` and `to` mean, and whether they may be used
                    ->  services                   which of Apprise's there are
              ->  apprise_channel  ->  egress      HTTP below Apprise's services  ->  http1  its bytes
                                   ->  mail        SMTP below Apprise's e-mail    ->  smtp   its bytes
                                         kept, tls, dial   the connections of both
                                   ->  attempt     one try: its time, and what it met
                                   ->  outcome     what an answer means
                                   ->  secrecy     what of an answer may be read
                                   ->  text        chat texts for services that read no Markdown
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from zennotify.channel.address import (
    CONSOLE,
    ChannelProblem,
    check_url,
    guest_address,
    is_for_guests,
    medium_of,
    scheme_of,
)
from zennotify.channel.console import ConsoleChannel
from zennotify.core.model import Form, Label, Message, Result, Room

__all__ = [
    "Channel",
    "ChannelProblem",
    "check_url",
    "close_all",
    "guest_address",
    "is_for_guests",
    "medium_of",
    "open_channel",
]


class Channel(Protocol):
    """A way out."""

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def form(self) -> Form:
        """How its messages are written."""

    @property
    def room(self) -> Room:
        """How much of a message it takes."""

    def send(self, message: Message, label: Label) -> Result:
        """Send once, blocking, for about the channel's time-out at most; never raises; for any thread."""


def open_channel(
    name: str, *, url: str, to: str | None, form: Form | None, timeout: timedelta, echo: Callable[[str], None]
) -> Channel:
    """Return the channel that `url` and `to` describe; raise ChannelProblem if it cannot be used."""
    form = check_url(url, to, form)
    if scheme_of(url) == CONSOLE:
        # What a guest would get is shown with the guest's address.
        shown = name if to is None or is_for_guests(to) else f"{name} → {to}"
        return ConsoleChannel(shown, form, echo)
    # Only here: whoever prints, or sends nothing, does not wait for Apprise to load.
    from zennotify.channel.apprise_channel import AppriseChannel

    return AppriseChannel(name, url=url, to=to, form=form, timeout=timeout)


def close_all() -> None:
    """Close the connections that channels keep; a channel that sends later opens new ones."""
    for kind in ("http1", "smtp"):
        if module := sys.modules.get(f"zennotify.channel.{kind}"):
            module.close()
