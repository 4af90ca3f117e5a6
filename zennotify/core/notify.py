"""Who is told?  The channels that the names in `notify` mean at the event's centre, and the guest's own address.

The last stage of a decision; called by decide.py.  Opt-outs and recipients come first, then the caps: what is not sent
is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from zennotify.core.cap import Cap, cap_windows, pass_caps
from zennotify.core.center import NOT_LISTED, Centers
from zennotify.core.hours import OpeningHours
from zennotify.core.model import Names, Reason
from zennotify.core.window import Window, WindowKey
from zennotify.errors import ExpressionError, RecipientError


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestChannel:
    """A channel whose recipient comes from the event."""

    #: Returns the address, or "" where the event gives none; may raise ExpressionError or RecipientError.
    recipient: Callable[[Names], str]
    #: As guests' wishes name it: email or sms.
    medium: str
    #: The channel's `to`, as it is written.
    to: str
    #: Whether a guest who has opted out of the medium is told all the same.
    without_consent: bool = False
    #: Of a channel that writes to phones.
    cap: Cap | None = None


def _in_utc(_names: Names | None, moment: datetime) -> datetime:
    return moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Where the names in `notify` lead to."""

    centers: Centers = NOT_LISTED
    #: The channels whose recipient comes from the event, by their names.
    guests: Mapping[str, GuestChannel] = field(default_factory=dict)
    #: Returns a moment by the clock of an event's centre, or by the usual clock where there are no names.
    local: Callable[[Names | None, datetime], datetime] = _in_utc

    @property
    def is_plain(self) -> bool:
        """Whether every name is a channel, wherever the event comes from."""
        return not self.guests and not self.centers.roles

    @property
    def has_caps(self) -> bool:
        """Whether any channel counts its messages."""
        return bool(self.guests) and any(guest.cap is not None for guest in self.guests.values())

    def hours_of(self, names: Names) -> OpeningHours | None:
        """Return the opening hours of an event's centre, or None where they are not known."""
        center = self.centers.get(names["center"]["id"]) if len(self.centers) else None
        return None if center is None else center.hours

    def cap_of(self, channel: str) -> Cap | None:
        """Return the caps of a channel that has some."""
        guest = self.guests.get(channel)
        return None if guest is None else guest.cap


class Address(NamedTuple):
    """A channel, and the recipient where the channel itself does not know it."""

    channel: str
    recipient: str = ""


class Refusal(NamedTuple):
    """Why a name in `notify` leads nowhere."""

    reason: Reason
    detail: str
    #: The channel whose `per_day` is used up; empty where the reason is another one.
    used_up: str = ""


class Told(NamedTuple):
    """Whom the names in `notify` tell of an event, and which of them tell nobody, and why."""

    addresses: Sequence[Address]
    refusals: Sequence[Refusal] = ()


def addresses(notify: Sequence[str], names: Names, directory: Directory) -> Told:
    """Return whom these names in `notify` tell of an event, each once."""
    if directory.is_plain:
        return Told([Address(channel) for channel in notify])
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
    return Told(list(found), refusals)


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
    except (ExpressionError, RecipientError) as error:
        return Refusal(Reason.NO_RECIPIENT, f"{channel}: {error}")
    if not recipient:
        return Refusal(Reason.NO_RECIPIENT, f"{channel}: `to` gives no address for this event")
    if guest.cap is not None and not guest.cap.allows(recipient):
        return Refusal(Reason.NO_RECIPIENT, f"{channel}: the number begins with none of `allowed_prefixes`")
    return Address(channel, recipient)


def capped(told: Told, directory: Directory) -> list[WindowKey]:
    """Return the windows of the caps that hold for these addresses."""
    return [
        window
        for channel, recipient in told.addresses
        if (cap := directory.cap_of(channel)) is not None
        for window in cap_windows(channel, cap, recipient)
    ]


def within_caps(
    told: Told, directory: Directory, look_up: Callable[[WindowKey], Window | None], now: datetime
) -> tuple[Told, dict[WindowKey, Window]]:
    """Return who is told within the caps, and the windows that changed.

    The others are told all the same.
    """
    found: list[Address] = []
    refusals = list(told.refusals)
    changed: dict[WindowKey, Window] = {}
    for address in told.addresses:
        channel = address.channel
        cap = directory.cap_of(channel)
        if cap is None:
            found.append(address)
            continue
        asked = cap_windows(channel, cap, address.recipient)
        passed = pass_caps(asked, lambda key: changed.get(key) or look_up(key), now)
        if isinstance(passed, dict):
            found.append(address)
            changed.update(passed)
        else:
            detail = f"{channel}: {passed.setting} until {passed.until.isoformat()}"
            refusals.append(Refusal(Reason.HELD_BACK, detail, channel if passed.is_of_all else ""))
    return Told(found, refusals), changed
