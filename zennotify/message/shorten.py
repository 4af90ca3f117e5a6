"""Cut the Markdown of a message to what a channel takes: after a word, with a note, and never into its mark-up.

Pure; called by forms.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from zennotify.message.cut import kept
from zennotify.message.markdown import is_closed, to_text
from zennotify.message.shield import shield

#: No service makes more of a character: `"` becomes `&quot;`, a line break `<br />` and itself, an emoji six halves of
#: two bytes.  What is more than that is for the title, where it counts, too.
_MOST_GROWTH: Final = 10
#: This part more than the estimate is cut each time, so that a few tries are enough.
_MORE: Final = 200
#: Where a block begins that no mark-up reaches into.
_BLOCK = re.compile(r"\n(?=[^\S\n]*\n|[-*] |#|\d+\. )")
#: What may end mark-up that the cut left open.
_CLOSERS: Final = ("", "**", "*", "`", "__", "_", "***")


def within(markdown: str, most: int | None, finish: Callable[[str], str], weigh: Callable[[str], int]) -> str:
    """Return what `finish` makes of Markdown, or of as much of it that `weigh` is not over `most`."""
    finished = finish(markdown)
    if most is None or len(finished) * _MOST_GROWTH <= most or (size := weigh(finished)) <= most:
        return finished
    fixed = weigh(finish(note(len(markdown))))
    length = len(markdown)
    while fixed < most and length > 1:
        length = min(length, length * (most - fixed) // (size - fixed))
        length -= 1 + length // _MORE
        finished = finish(_cut(markdown, length))
        size = weigh(finished)
        if size <= most:
            return finished
    return finish("…")


def note(left_out: int) -> str:
    """Return what stands at the end of what is kept."""
    return f"… ({left_out} more characters)"


def _cut(markdown: str, most: int) -> str:
    """Return the beginning of Markdown, whole again, and the note."""
    for start in _starts(kept(markdown, most)):
        begin = _completed(start, markdown)
        if begin is not None and is_closed(begin):
            return f"{begin}{note(len(markdown) - len(start))}"
    whole = to_text(markdown)
    start = kept(whole, most)
    return f"{shield(start)}{note(len(whole) - len(start))}"


def _starts(start: str) -> Iterator[str]:
    """Yield where the cut may fall: here, before a link, before this line."""
    yield start
    for mark in ("[", "<", "\n"):
        before = start.rpartition(mark)[0].rstrip()
        if len(before) > len(start) // 2:
            yield before


def _completed(start: str, markdown: str) -> str | None:
    """Return a beginning with what ends its mark-up; None where it ends within something else, as a link."""
    block = max((found.end() for found in _BLOCK.finditer(start)), default=0)
    after = _BLOCK.search(markdown, len(start))
    whole = to_text(markdown[block : after.start() if after else len(markdown)])
    for closer in _CLOSERS:
        text = to_text(f"{start[block:]}{closer}…")
        # What is left open would show its marks, and so it stands in no text that was not cut.
        if text.endswith("…") and whole.startswith(text[:-1]):
            return f"{start}{closer}"
    return None
