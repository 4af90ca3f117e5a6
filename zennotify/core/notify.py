"""Who is told?  The channels that the names in `notify` mean at the event's centre, and the guest's own address.

The last stage of a decision; called by decide.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zennotify.core.center import NOT_LISTED, Centers
from zennotify.core.model import Names, Reason
from zennotify.errors import ExpressionError


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestChannel:
    """A channel whose recipient comes from the event."""

    #: Returns the address, or None where there is none that can be used; may raise ExpressionError.
    recipient: Callable[[Names], str | None]
    #: As guests' wishes name it: email or sms.
    medium: str
    #: The channel's `to`, as it is written.
    to: str
    #: Whether a guest who has opted out of the medium is told all the same.
    without_consent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Where the names in `notify` lead to."""

    centers: Centers = NOT_LISTED
    #: The channels whose recipient comes from the event, by their names.
    guests: Mapping[str, GuestChannel] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether every name is a channel, wherever the event comes from."""
        return not self.guests and not self.centers.roles


class Address(NamedTuple):
    """A channel, and the recipient where the channel itself does not know it."""

    channel: str
    recipient: str = ""


class Refusal(NamedTuple):
    """Why a name in `notify` leads nowhere."""

    reason: Reason
    detail: str


def addresses(
    notify: Sequence[str], names: Names, directory: Directory
) -> tuple[list[Address], list[Refusal]]:
    """Return whom these names in `notify` tell of an event, each once, and which of them tell nobody, and why."""
    if directory.is_plain:
        return [Address(channel) for channel in notify], []
    found: dict[Address, None] = {}
    refusals: list[Refusal] = []
    center = names["center"]["id"]
    for role in notify:
        channels = directory.centers.channels_of(role, center)
        if not channels:
            refusals.append(Refusal(Reason.NO_RECIPIENT, f"{role}: no channel at this centre"))
        for channel in channels:
            address = _address(channel, names, directory.guests.get(channel))
            if isinstance(address, Refusal):
                refusals.append(address)
            else:
                found[address] = None
    return list(found), refusals


def _address(channel: str, names: Names, guest: GuestChannel | None) -> Address | Refusal:
    if guest is None:
        return Address(channel)
    wishes = names["guest"]["opted_out"] or ()
    if not guest.without_consent:
        unwanted = next((wish for wish in wishes if wish.rpartition(" ")[2] == guest.medium), None)
        if unwanted is not None:
            return Refusal(Reason.OPTED_OUT, f"{channel}: the guest has opted out of {unwanted}")
    try:
        recipient = guest.recipient(names)
    except ExpressionError as error:
        return Refusal(Reason.NO_RECIPIENT, f"{channel}: {error}")
    if recipient is None:
        return Refusal(Reason.NO_RECIPIENT, f"{channel}: `to` gives no address for this event")
    return Address(channel, recipient)
