"""Whether a body names an id.

For lists of one guest's events, and for erasure.py.  Ids are compared in lower case: Zenoti writes some in upper.  A
GUID is found within longer texts, too; any other id may be a word or a number that means something else there, and
is found only where it is a whole value.  Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set
from typing import Any

_PLAIN = re.compile(r"[0-9a-z_-]+")
#: Turns every character that plain ids are not made of into a blank.
_BLANKED = bytes(byte if _PLAIN.fullmatch(chr(byte).lower()) else 32 for byte in range(256)).lower()
#: What is no word and no number: a GUID, or most of one.
_TELLING = re.compile(r"(?=[0-9-]*[a-f])[0-9a-f][0-9a-f-]{18,}[0-9a-f]")
#: Behind an escape of JSON's (a line's end) another word begins.
_ESCAPE = re.compile(rb"\\[bfnrt]")
#: Characters of ids may be written as their numbers.
_NUMBERED = re.compile(rb"\\u(?:00[0-7]|212[aA])")
#: The one character that is no plain one, and is in lower case: the sign of kelvin.
_KELVIN = "\u212a".encode()


class Wanted:
    """Ids, in lower case, that many texts are searched for."""

    def __init__(self, ids: Set[str]) -> None:
        self._words = {id_.encode() for id_ in ids if _PLAIN.fullmatch(id_)}
        #: An id of other characters can be written in several ways: every text may name it.
        self._is_odd = len(self._words) < len(ids)

    def may_be_in(self, text: bytes) -> bool:
        """Return whether one of them may be named: cheap, and never wrongly False for one that is."""
        if self._is_odd or _KELVIN in text:
            return True
        if b"\\" in text:
            if _NUMBERED.search(text):
                return True
            text = _ESCAPE.sub(b" ", text)
        return not self._words.isdisjoint(text.translate(_BLANKED).split())


class Mention:
    """One id, wherever it is named."""

    def __init__(self, id_: str) -> None:
        self.id = id_.strip().lower()
        #: Whether nothing else is written like this, so that it may be looked for within texts.
        self.is_telling = _TELLING.fullmatch(self.id) is not None
        self._wanted = Wanted({self.id})
        self._word = re.compile(rf"(?<![\w-]){re.escape(self.id)}(?![\w-])")

    def in_body(self, body: bytes) -> bool:
        """Return whether a body names it; one that is no JSON is searched as text."""
        if not self._wanted.may_be_in(body):
            return False
        try:
            return self.in_value(json.loads(body))
        except (ValueError, RecursionError):
            return self.in_text(body.decode(errors="replace"))

    def in_value(self, value: Any) -> bool:
        """Return whether a text, a number or a name of a field anywhere in a JSON value names it."""
        level = [value]
        while level:
            inner: list[Any] = []
            for item in level:
                if isinstance(item, dict):
                    inner += [*item, *item.values()]
                elif isinstance(item, list):
                    inner += item
                elif isinstance(item, str | int) and not isinstance(item, bool) and self._is_in(str(item)):
                    return True
            level = inner
        return False

    def in_text(self, text: str) -> bool:
        """Return whether a text names it; of an id that is no GUID, as a whole or between quotation marks."""
        return self._is_in(text) or (not self.is_telling and any(map(self._is_in, text.split('"'))))

    def _is_in(self, value: str) -> bool:
        if self.is_telling:
            return self._word.search(value.lower()) is not None
        return value.strip().lower() == self.id
