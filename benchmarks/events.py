"""The requests of the benchmarks: the documented AppointmentGroup.Created, 1.5 KB, signed, each its own event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from zennotify.zenoti.sample import load_sample
from zennotify.zenoti.signature import sign

SECRET = "benchmark-secret-0123456789abcdef0123456789"
HEADER = "zenoti-webhook-signature"
PATH = "/webhooks/zenoti"
TYPE = "AppointmentGroup.Created"
CENTER = "1aab4fd2-2ff3-4ede-bca2-74aa2ccb54b6"

_SAMPLE = load_sample(TYPE)
_TEXT = json.dumps(_SAMPLE)
#: From one event's guest to the next one's; a prime, so that all of them come.
_STRIDE = 7_919


def event_id(number: int) -> str:
    """Return the id that Zenoti would have given to this event."""
    return f"66a26696{number:016x}"


def guest_id(number: int) -> str:
    """Return the id of a guest; like Zenoti's, it may lie anywhere among the others."""
    digits = blake2b(number.to_bytes(8), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def body(number: int, guests: int = 0) -> bytes:
    """Return an event; every second one is of an appointment group of its own, the others share one.

    They are all of one guest, or of one of so many `guests`.

    A tenth of a second lies between them by Zenoti's clock, as in a chain of some hundred salons.
    """
    group = f"{number if number % 2 else 0:012x}"
    text = _TEXT.replace(_SAMPLE["event_id"], event_id(number))
    moment = datetime(2026, 1, 1, tzinfo=UTC) + number * timedelta(milliseconds=100)
    text = text.replace(_SAMPLE["event_timestamp"], moment.isoformat())
    if guests:
        text = text.replace(_SAMPLE["data"]["guest"]["id"], guest_id(number * _STRIDE % guests))
    text = text.replace(_SAMPLE["data"]["appointment_group_id"], f"883ce749-12a8-497b-bc50-{group}")
    return text.replace(_SAMPLE["data"]["invoice_id"], f"e8cedcb5-58b7-42bf-8024-{number:012x}").encode()


def request(number: int, guests: int = 0) -> bytes:
    """Return the whole request, as it goes over the wire."""
    content = body(number, guests)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"{HEADER}: {sign(SECRET.encode(), content)}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
