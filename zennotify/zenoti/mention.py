"""Whether a body names an id.

For lists of one guest's events, and for erasure.py.  Ids are compared in lower case: Zenoti writes some in upper.
Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set
from typing import Any

_PLAIN = re.compile(r"[0-9a-z_-]+")
#: Turns every character that plain ids are not made of into a blank.
_BLANKED = bytes(byte if _PLAIN.fullmatch(chr(byte).lower()) else 32 for byte in range(256)).lower()
#: Behind an escape of JSON's (a line's end) another word begins.
_ESCAPE = re.compile(rb"\\[bfnrt]")


class Wanted:
    """Ids, in lower case, that many texts are searched for."""

    def __init__(self, ids: Set[str]) -> None:
        self._words = {id_.encode() for id_ in ids if _PLAIN.fullmatch(id_)}
        #: An id of other characters can be written in several ways: every text may name it.
        self._is_odd = len(self._words) < len(ids)

    def may_be_in(self, text: bytes) -> bool:
        """Return whether one of them may be named: cheap, and never wrongly False for one that is."""
        if self._is_odd:
            return True
        if b"\\" in text:
            text = _ESCAPE.sub(b" ", text)
        return not self._words.isdisjoint(text.translate(_BLANKED).split())


class Mention:
    """One id, wherever it is named as a word of its own."""

    def __init__(self, id_: str) -> None:
        self.id = id_.strip().lower()
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
                elif isinstance(item, str | int) and not isinstance(item, bool) and self.in_text(str(item)):
                    return True
            level = inner
        return False

    def in_text(self, text: str) -> bool:
        """Return whether a text names it."""
        return self._word.search(text.lower()) is not None
