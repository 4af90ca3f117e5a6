"""Where a text may be cut so that it reads well: after a word, and never inside of what is seen as one character.

Pure; called by sms.py and forms.py.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: A word that is longer than the part of a text that would be lost with it is cut in two.
_LEAST_KEPT: Final = 0.5
#: No sign that people use is made of more characters.
_LONGEST_SIGN: Final = 40
_BLANK = re.compile(r"\s")
_JOINER: Final = "\u200d"
_FLAG_LETTERS: Final = range(0x1F1E6, 0x1F200)
#: What changes the sign before it: colours of skin, tags of flags, joiners, vowels and ends of Korean syllables.
_FOLLOWERS: Final = (
    range(0x1F3FB, 0x1F400),
    range(0xE0020, 0xE0080),
    range(0x200C, 0x200E),
    range(0x1160, 0x1200),
)
#: What ends a word and looks odd before an ellipsis.
_LOOSE_ENDS: Final = " \t\n,;:-–—"


def kept(text: str, most: int) -> str:
    """Return the beginning of a text, of at most so many characters, that ends with a whole word where it can."""
    if len(text) <= most:
        return text
    end = sign_start(text, max(most, 0))
    if not _BLANK.match(text, end):
        blank = max(
            (found.start() for found in _BLANK.finditer(text, int(end * _LEAST_KEPT), end)), default=0
        )
        end = blank or end
    return text[:end].rstrip(_LOOSE_ENDS)


def sign_start(text: str, at: int) -> int:
    """Return where the sign begins that the character at this place is a part of."""
    for start in range(at, max(at - _LONGEST_SIGN, 0), -1):
        if not _belongs_to_the_one_before(text, start):
            return start
    return at if at > _LONGEST_SIGN else 0


def _belongs_to_the_one_before(text: str, at: int) -> bool:
    if at >= len(text):
        return False
    char, before = text[at], text[at - 1]
    if char.isascii():
        return char == "\n" and before == "\r"
    code = ord(char)
    if before == _JOINER or unicodedata.category(char) in {"Mn", "Mc", "Me"}:
        return True
    if any(code in span for span in _FOLLOWERS):
        return True
    return code in _FLAG_LETTERS and _flag_letters_before(text, at) % 2 == 1


def _flag_letters_before(text: str, at: int) -> int:
    """Return how many flag letters end just here: two are a flag."""
    start = at
    while start and ord(text[start - 1]) in _FLAG_LETTERS and at - start < _LONGEST_SIGN:
        start -= 1
    return at - start
