"""The number of a delivery and its id: how one is made of the other.

The store counts deliveries, because rows that come one after the other are kept cheaply side by side.  People name
a delivery by the first characters of its id, which have to differ from those of its neighbours.  So an id is its
number, shuffled: eight hex digits that no other delivery has, and beyond 2**32 deliveries a few more.  Pure.
"""

from __future__ import annotations

import re

_MASK = 2**32 - 1
#: Odd, so that multiplying by it (modulo 2**32) is undone by multiplying by its inverse.
_FACTOR = 0x9E3779B1
_INVERSE = pow(_FACTOR, -1, 2**32)
_DIGITS = 8
#: No longer than a number of 63 bits, which is what the engines hold.
_ID = re.compile(r"[0-9a-fA-F]{8,15}")
_BEGINNING = re.compile(r"[0-9a-f]{1,15}")
#: Ids that are tried out for a beginning.
_MOST = 0x10000


def delivery_id(number: int) -> str:
    """Return the id of a delivery: hex digits, eight of them for the first 2**32."""
    high, low = divmod(number, 2**32)
    mixed = low * _FACTOR & _MASK
    mixed ^= mixed >> 16
    return f"{mixed:08x}{high:x}" if high else f"{mixed:08x}"


def delivery_number(delivery: str) -> int:
    """Return the number of the delivery with this id; raises ValueError for what is no id."""
    if _ID.fullmatch(delivery) is None:
        raise ValueError("an id of a delivery is 8 to 15 hex digits")
    mixed = int(delivery[:_DIGITS], 16)
    mixed ^= mixed >> 16
    high = int(delivery[_DIGITS:] or "0", 16)
    return high * 2**32 + (mixed * _INVERSE & _MASK)


def numbers_of(beginning: str, first: int, last: int) -> list[int]:
    """Return the numbers between first and last whose id may begin so.

    Of a beginning that many ids have to share only the newest are looked for: it names none of them.  Raises
    ValueError for what begins no id.
    """
    beginning = beginning.lower()
    if _BEGINNING.fullmatch(beginning) is None:
        raise ValueError("no id of a delivery begins so")
    start = int(beginning, 16)
    missing = _DIGITS - len(beginning)
    if missing <= 0:
        return [delivery_number(beginning)]
    if last - first < _MOST or 16**missing > _MOST:
        newest = range(max(first, last - _MOST), last + 1)
        return [number for number in newest if delivery_id(number).startswith(beginning)]
    return [delivery_number(f"{start * 16**missing + rest:08x}") for rest in range(16**missing)]
