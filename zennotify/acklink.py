"""How does a link acknowledge a message?  By a short token: which delivery, until when, and our signature.

Pure.  It is short because it goes into SMS: the hour in which it ends, the delivery's number and 80 bits of an HMAC,
in 29 characters.  These are small letters and digits: chat services take the underscores of a link for mark-up.
Nobody guesses it: whoever tries is slowed by the receiver.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, b32encode
from datetime import UTC, datetime, timedelta
from typing import Final

from zennotify.errors import LinkError, LinkExpired

#: How long a link is good, from when its message is written.
LIFETIME: Final = timedelta(days=7)
#: A key has so many bytes.
KEY_BYTES: Final = 32
#: A token has so many characters, for a long time to come.
LENGTH: Final = 29
#: What is signed with the same key for another purpose is no link.
_PURPOSE: Final = b"ack\0"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_HOUR_BYTES: Final = 3
#: A number of up to 40 bits takes so many; a larger one takes more.
_NUMBER_BYTES: Final = 5
_MAC_BYTES: Final = 10
_TOKEN: Final = re.compile(r"[a-z2-7]{29,40}")
#: Characters that bytes are never written in, after whole groups of eight.
_NO_LENGTHS: Final = frozenset((1, 3, 6))


def make_token(key: bytes, number: int, now: datetime) -> str:
    """Return the token of the delivery with this number, for a message that is written now."""
    ends = -((_EPOCH - now - LIFETIME) // _HOUR)  # rounded up
    size = max(_NUMBER_BYTES, (number.bit_length() + 7) // 8)
    content = ends.to_bytes(_HOUR_BYTES) + number.to_bytes(size)
    return _written(content + _sign(key, content))


def read_token(key: bytes, token: str, now: datetime) -> int:
    """Return the number of the delivery that a token names; raises LinkError or LinkExpired."""
    if _TOKEN.fullmatch(token) is None or len(token) % 8 in _NO_LENGTHS:
        raise LinkError("this is no token")
    raw = b32decode(token.upper() + "=" * (-len(token) % 8))
    content, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not hmac.compare_digest(mac, _sign(key, content)):
        raise LinkError("the signature is wrong")
    # The last character may have bits that say nothing: each token is written in one way only.
    if _written(raw) != token:
        raise LinkError("this is no token")
    if now >= _EPOCH + int.from_bytes(content[:_HOUR_BYTES]) * _HOUR:
        raise LinkExpired("the link is over")
    return int.from_bytes(content[_HOUR_BYTES:])


def _written(raw: bytes) -> str:
    return b32encode(raw).rstrip(b"=").decode().lower()


def _sign(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + content, "sha256")[:_MAC_BYTES]
