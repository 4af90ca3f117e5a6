"""How many parts an SMS is sent in, and how it is kept to few: each part is paid for.

A text of the GSM-7 alphabet has 160 characters in one part, or 153 in each of several; any other character makes all
of it UCS-2, with 70 and 67.  Pure; called by forms.py and by whoever shows an SMS.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zennotify.message.cut import kept


class Encoding(StrEnum):
    """How an SMS is sent."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class Segments:
    """What an SMS takes."""

    encoding: Encoding
    #: Units of the encoding: a character is one or two.
    units: int
    #: Parts that it is sent in; 1 for no text at all.
    segments: int
    #: Units in one of these parts.
    size: int
    #: Units that are free in the last part.
    left: int


_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: These are an escape and a character.
_EXTENDED: Final = "\f^{}\\[~]|€"
_NOT_GSM = re.compile(f"[^{re.escape(_BASIC + _EXTENDED)}]")
#: Characters of two units, which no part ends within.
_DOUBLE: Final = {
    Encoding.GSM7: re.compile(f"[{re.escape(_EXTENDED)}]"),
    Encoding.UCS2: re.compile("[\U00010000-\U0010ffff]"),
}
#: Units in a part: of a text that has only one, and of one that has several.
_SIZES: Final = {Encoding.GSM7: (160, 153), Encoding.UCS2: (70, 67)}
_ELLIPSIS: Final = {Encoding.GSM7: "...", Encoding.UCS2: "…"}
#: A note may take this part of the room.
_MOST_FOR_NOTE: Final = 0.25

_SMART: Final = str.maketrans(
    dict.fromkeys("‘’‚‛′`´ʼ", "'")
    | dict.fromkeys("“”„‟″«»", '"')
    | {"‹": "<", "›": ">"}
    | dict.fromkeys("‐‑‒–—―−﹣－", "-")
    | dict.fromkeys("•‣◦∙·●▪■", "-")
    | dict.fromkeys("\t\xa0\u1680\u202f\u205f\u3000", " ")
    | dict.fromkeys(map(chr, range(0x2000, 0x200B)), " ")
    | dict.fromkeys("\xad\u200b\u2060\ufeff", "")
    | {"…": "...", "→": "->", "←": "<-", "↔": "<->", "⇒": "=>", "×": "x", "≤": "<=", "≥": ">=", "⁄": "/"}
    | {"™": "(TM)", "®": "(R)", "©": "(C)", "№": "No."}
)


def measure(text: str) -> Segments:
    """Return what an SMS takes."""
    encoding = Encoding.UCS2 if _NOT_GSM.search(text) else Encoding.GSM7
    single, part = _SIZES[encoding]
    doubles = [found.start() for found in _DOUBLE[encoding].finditer(text)]
    units = len(text) + len(doubles)
    if units <= single:
        return Segments(encoding, units, 1, single, single - units)
    lost = 0  # units at the ends of parts, where a character of two did not fit
    for number, place in enumerate(doubles):
        lost += (place + number + lost) % part == part - 1
    parts = -(-(units + lost) // part)
    return Segments(encoding, units, parts, part, parts * part - units - lost)


def parts(text: str) -> list[str]:
    """Return a text as the parts that it is sent in."""
    taken = measure(text)
    if taken.segments == 1:
        return [text]
    cut: list[str] = []
    while text:
        count = _fitting(text, taken.encoding, taken.size, taken.size)
        cut.append(text[:count])
        text = text[count:]
    return cut


def plain(text: str) -> str:
    """Return a text without typographic characters, where that saves a part; else the text as it is."""
    before = measure(text)
    if before.encoding is Encoding.GSM7 or before.segments == 1:
        return text
    plainer = _plainer(text)
    return plainer if measure(plainer).segments < before.segments else text


def fit(text: str, segments: int, end: str = "") -> str:
    """Return a text that needs at most so many parts: as it is, made plain, or cut and with a note that says so.

    It ends with `end`, which is plain and never cut.
    """
    if measure(text + end).segments <= segments:
        return text + end
    plainer = _plainer(text)
    if measure(plainer + end).segments <= segments:
        return plainer + end
    # What makes a text UCS-2 may be behind the cut: then twice as much of it can stay.
    other = _NOT_GSM.search(plainer)
    cuts = [_cut(plainer, Encoding.UCS2, len(plainer), segments, end)]
    cuts.append(_cut(plainer, Encoding.GSM7, other.start() if other else len(plainer), segments, end))
    return max(cuts, key=len)


def _plainer(text: str) -> str:
    return unicodedata.normalize("NFC", text).translate(_SMART)


def _cut(text: str, encoding: Encoding, most: int, segments: int, end: str) -> str:
    """Return a text cut to so many parts, and before the character `most`."""
    single, part = _SIZES[encoding]
    room = (single if segments == 1 else part * segments) - measure(end).units
    note = f" ({len(text)} more characters)"
    note = note if len(note) <= room * _MOST_FOR_NOTE else ""
    room -= len(_ELLIPSIS[encoding]) + len(note)
    begin = kept(text, _fitting(text[:most], encoding, room, part if segments > 1 else single))
    if note:
        note = f" ({len(text) - len(begin)} more characters)"
    return f"{begin}{_ELLIPSIS[encoding]}{note}{end}"


def _fitting(text: str, encoding: Encoding, room: int, part: int) -> int:
    """Return how many characters of a text fit into so many units."""
    used = 0
    for number, char in enumerate(text):
        if _DOUBLE[encoding].match(char):
            used += 2 + (used % part == part - 1)
        else:
            used += 1
        if used > room:
            return number
    return len(text)
