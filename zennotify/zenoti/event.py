"""Makes the Event of an envelope: the same one at its arrival and whenever its kept body is opened again."""

from __future__ import annotations

import hashlib
from datetime import datetime

from zennotify.core.model import Event, Zone
from zennotify.zenoti.catalog import give_meaning
from zennotify.zenoti.envelope import Envelope, Unusable, Wrapped, unwrap


def event_key(event_id: str) -> str:
    """Return our id of an event: 32 hex digits, a hash of Zenoti's own key for it."""
    return hashlib.blake2b(event_id.encode(), digest_size=16).hexdigest()


def make_event(envelope: Envelope | Wrapped, received_at: datetime, class_times: Zone) -> Event:
    """Return the event; the envelope's data becomes its own, with values that carry their meaning."""
    give_meaning(envelope.type, envelope.data, class_times)
    return Event(
        id=event_key(envelope.event_id),
        event_id=envelope.event_id,
        type=envelope.type,
        at=envelope.at,
        received_at=received_at,
        data=envelope.data,
    )


def reopen(body: bytes, received_at: datetime, class_times: Zone) -> Event:
    """Return the event of a body that was kept as one."""
    wrapped = unwrap(body)
    if isinstance(wrapped, Unusable):
        raise ValueError(f"this body is no event: {wrapped.reason}")  # noqa: TRY004 - it is a matter of the text
    return make_event(wrapped, received_at, class_times)
