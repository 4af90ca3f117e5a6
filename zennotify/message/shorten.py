"""Cut the Markdown of a message to what a channel takes: after a word, with a note, and never into its mark-up.

Pure; called by forms.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from zennotify.message.cut import kept
from zennotify.message.markdown import is_closed, to_text
from zennotify.message.shield import shield

#: No service makes more of a character: `"` becomes `&quot;`, a line break `<br />` and itself.
_MOST_GROWTH: Final = 8
#: What may end mark-up that the cut left open.
_CLOSERS: Final = ("", "**", "*", "`", "__", "_", "***")


def within(markdown: str, most: int | None, finish: Callable[[str], str], weigh: Callable[[str], int]) -> str:
    """Return what `finish` makes of Markdown, or of as much of it that `weigh` is not over `most`."""
    finished = finish(markdown)
    if most is None or len(finished) * _MOST_GROWTH <= most or (size := weigh(finished)) <= most:
        return finished
    fixed = weigh(finish(""))
    room = most - fixed
    length = len(markdown)
    while length > 1 and room > 0:
        length = min(length - 1, length * room // (size - fixed))
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
    whole = to_text(markdown)
    for start in _starts(kept(markdown, most)):
        for closer in _CLOSERS:
            begin = f"{start}{closer}"
            # What is left open would show its marks, and stands in no text that was not cut.
            if whole.startswith(to_text(begin)) and is_closed(begin):
                return f"{begin}{note(len(markdown) - len(start))}"
    start = kept(whole, most)
    return f"{shield(start)}{note(len(whole) - len(start))}"


def _starts(start: str) -> Iterator[str]:
    """Yield where the cut may fall: here, before a link, before this line."""
    yield start
    for mark in ("[", "<", "\n"):
        before = start.rpartition(mark)[0].rstrip()
        if len(before) > len(start) // 2:
            yield before
