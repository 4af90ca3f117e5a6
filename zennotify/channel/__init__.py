"""The ways out: a channel takes a rendered message and says what came of it.

The door to Apprise and `requests`, which are loaded by the first channel that needs them.  `zennotify check` asks
`check_url`; `app.build` opens channels for the outbox.

::

    __init__  ->  console                          console://, prints
              ->  address                          what `url` and `to` mean, and whether they may be used
                    ->  recipient                  whom one message reaches
                          ->  phone                what is a phone number?  The only door to phonenumbers
                    ->  services                   which of Apprise's there are
              ->  apprise_channel  ->  egress      HTTP below Apprise's services  ->  http1  its bytes
                                   ->  mail        SMTP below Apprise's e-mail    ->  smtp   its bytes
                                         kept, tls, dial   the connections of both
                                   ->  attempt     one try: its time, and what it met
                                   ->  outcome     what an answer means
                                   ->  secrecy     what of an answer may be read
                                   ->  hook        json:// and form:// with what stands on a message
                                   ->  sms         SMS services that are told the alphabet
                                   ->  text        how a message is written for each service
                                   ->  room        how much of it each service takes
                                   ->  letter      the bytes of a mail
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

from zennotify.channel.address import (
    CONSOLE,
    ChannelProblem,
    RecipientProblem,
    check_url,
    form_of,
    guest_address,
    medium_of,
    scheme_of,
)
from zennotify.channel.console import ConsoleChannel, shown, words
from zennotify.channel.recipient import is_for_guests
from zennotify.channel.services import WITHOUT_SEGMENTS
from zennotify.core.model import Form, Label, Message, Result, Room

__all__ = [
    "SEGMENTS",
    "Channel",
    "ChannelProblem",
    "RecipientProblem",
    "check_segments",
    "check_url",
    "close_all",
    "form_of",
    "guest_address",
    "is_for_guests",
    "medium_of",
    "open_channel",
    "shown",
    "words",
]

#: How many parts an SMS may have where `max_segments` does not say it.
SEGMENTS: Final = 3


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
    name: str,
    *,
    url: str,
    to: str | None,
    form: Form | None,
    timeout: timedelta,
    echo: Callable[[str], None],
    max_segments: int | None = None,
) -> Channel:
    """Return the channel that `url` and `to` describe; raise ChannelProblem if it cannot be used."""
    form = check_url(url, to, form)
    check_segments(max_segments, url, form)
    segments = max_segments or SEGMENTS
    if scheme_of(url) == CONSOLE:
        # What a guest would get is shown with the guest's address.
        called = name if to is None or is_for_guests(to) else f"{name} → {to}"
        return ConsoleChannel(called, form, echo, segments)
    # Only here: whoever prints, or sends nothing, does not wait for Apprise to load.
    from zennotify.channel.apprise_channel import AppriseChannel

    return AppriseChannel(name, url=url, to=to, form=form, timeout=timeout, segments=segments)


def check_segments(most: int | None, url: str, form: Form) -> None:
    """Raise ChannelProblem where `max_segments` is set and nothing is sent in parts."""
    if most is not None and (form is not Form.SMS or scheme_of(url) in WITHOUT_SEGMENTS):
        what = f"form {form.value}" if form is not Form.SMS else f"{scheme_of(url)}://"
        raise ChannelProblem(f"`max_segments` is for SMS, and {what} has no segments; remove it")


def close_all() -> None:
    """Close the connections that channels keep; a channel that sends later opens new ones."""
    for kind in ("http1", "smtp"):
        if module := sys.modules.get(f"zennotify.channel.{kind}"):
            module.close()
