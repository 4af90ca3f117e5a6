"""Makes the Event of an envelope: the same one at its arrival and whenever its kept body is opened again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from zennotify.core.model import Event, Zone, as_utc, read_time
from zennotify.zenoti.aliases import ALIASES, Aliases, kind_of
from zennotify.zenoti.catalog import give_meaning
from zennotify.zenoti.envelope import Envelope, Unusable, Wrapped, digest_of, unwrap


class Reading(NamedTuple):
    """How Zenoti's events are meant here, by the configuration."""

    class_times: Zone
    aliases: Aliases = ALIASES


def event_key(event_id: str) -> str:
    """Return our id of an event: 32 hex digits, a hash of Zenoti's own key for it."""
    return hashlib.blake2b(event_id.encode(), digest_size=16).hexdigest()


def make_event(envelope: Envelope | Wrapped, received_at: datetime, reading: Reading) -> Event:
    """Return the event; the envelope's data becomes its own, with values that carry their meaning."""
    event_id = envelope.event_id or _bare_id(envelope, received_at)
    kind = kind_of(envelope.type, reading.aliases)
    give_meaning(kind, envelope.data, reading.class_times)
    return Event(
        id=event_key(event_id),
        event_id=event_id,
        type=envelope.type,
        kind=kind,
        at=envelope.at or _moment_of_wish(kind, envelope.data, received_at),
        received_at=received_at,
        data=envelope.data,
    )


def _moment_of_wish(kind: str, data: Mapping[str, Any], received_at: datetime) -> datetime | None:
    """Return when a guest said what the guest wants: the last word must count, also where the event has no time.

    The body of Guest.OptedIn and .OptedOut has a time of its own.
    """
    if kind not in _WISHES:
        return None
    said = data.get("timestamp")
    moment = read_time(said) if isinstance(said, str) else None
    return received_at if moment is None else as_utc(moment)


_WISHES: Final = frozenset(("guest.optedin", "guest.optedout"))


def _bare_id(envelope: Envelope | Wrapped, received_at: datetime) -> str:
    """Return a key for an event that came without an envelope, and so without ids and a time of its own.

    Its content alone would not do: a guest may freeze a membership twice in the same way.  That a repeated request
    is not a second event is told by its fingerprint, for a day.
    """
    return f"{digest_of(envelope.type, None, envelope.data)} {as_utc(received_at).isoformat()}"


def reopen(body: bytes, received_at: datetime, reading: Reading, kept_as: str) -> Event:
    """Return the event of a body that was kept as one; a body that does not say its type is of that it was kept as."""
    wrapped = unwrap(body)
    if isinstance(wrapped, Unusable):
        raise ValueError(f"this body is no event: {wrapped.reason}")  # noqa: TRY004 - it is a matter of the text
    if not wrapped.type:
        wrapped = wrapped._replace(type=kept_as)
    return make_event(wrapped, received_at, reading)
