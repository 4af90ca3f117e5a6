"""Did Zenoti send this body?  The signature of a webhook, made and checked.

Zenoti does not document its signature.  One integrator observed `sha256 =18-2E-…`: HMAC-SHA256 over the raw
body, in .NET's spelling.  Plain hex and base64 are read too, with or without the label.  Called by the
receiver (to check) and by `zennotify simulate` (to sign).  Pure.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Sequence

_LABEL = re.compile(r"\s*sha256\s*=\s*", re.IGNORECASE)
_DASHED = re.compile(r"(?:[0-9A-F]{2}-){31}[0-9A-F]{2}", re.IGNORECASE)


def sign(secret: bytes, body: bytes) -> str:
    """Return the header's value, as Zenoti writes it."""
    return "sha256 =" + hmac.digest(secret, body, "sha256").hex("-").upper()


def is_signed(values: Sequence[str], body: bytes, secrets: Sequence[bytes]) -> bool:
    """Say whether the one header among `values` signs this body with one of the secrets.

    Two headers are as wrong as none: nobody could say which of them a proxy in front of us looked at.
    """
    if len(values) != 1:
        return False
    given = _digest(values[0])
    if given is None:
        return False
    good = False
    for secret in secrets:  # all of them, always: the time tells nothing about which one it was
        good |= hmac.compare_digest(given, hmac.digest(secret, body, "sha256"))
    return good


def _digest(value: str) -> bytes | None:
    """Return the 32 bytes that a header's value spells, or None where it spells none."""
    if len(value) > 200 or not value.isascii():
        return None
    label = _LABEL.match(value)
    text = value[label.end() :] if label else value
    text = text.strip()
    try:
        if len(text) == 95 and _DASHED.fullmatch(text):
            return bytes.fromhex(text.replace("-", ""))
        if len(text) == 64:
            return binascii.unhexlify(text)
        if len(text) in {43, 44}:
            raw = base64.b64decode(text if len(text) == 44 else text + "=", validate=True)
            return raw if len(raw) == 32 else None
    except ValueError:  # binascii.Error is one
        return None
    return None
