"""What does the query of a listener's URL say?  A token, and the type of events that come without saying theirs.

Called by proof.py and webhook.py.  Names are compared as sent; values are percent-decoded, and otherwise as sent.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from aiohttp.http import RawRequestMessage

from zennotify.zenoti.envelope import MAX_TEXT


def values(message: RawRequestMessage, name: str) -> list[bytes]:
    """Return the values of a parameter, in order."""
    pairs = (pair.partition("=") for pair in message.url.raw_query_string.split("&"))
    # Not parse_qs, which would read the `+` of a token as a blank.
    return [unquote_to_bytes(value) for key, _, value in pairs if key == name]


def event_type(message: RawRequestMessage) -> str | None:
    """Return the event type that the URL names; empty for one that cannot be used, None where it names none."""
    if "event_type" not in message.path:  # nearly always, and far cheaper than to take the URL apart
        return None
    named = values(message, "event_type")
    return _usable(named[0]) if named else None


def _usable(value: bytes) -> str:
    try:
        text = value.decode().strip()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() and len(text) <= MAX_TEXT else ""
