"""`console://name`: the message on the terminal, so that rules can be tried before any service is there.

Whoever runs zennotify reads it: form chat and e-mail as a card, an SMS as a bubble on a telephone.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

from zennotify.channel.text import words_of
from zennotify.core.model import Form, Label, Message, Outcome, Result, Room

_WIDTH: Final = 72
_BUBBLE: Final = 40


class ConsoleChannel:
    """A channel that prints."""

    def __init__(self, name: str, form: Form, echo: Callable[[str], None], segments: int) -> None:
        self.name = name
        self.form = form
        self.room = Room(segments=segments if form is Form.SMS else None)
        self._echo = echo

    def send(self, message: Message, label: Label) -> Result:
        """Print the message; it always arrives."""
        self._echo(shown(self.name, message))
        return Result(outcome=Outcome.SENT, detail="printed")


def shown(name: str, message: Message) -> str:
    """Return a message as whoever gets it reads it, drawn for a terminal."""
    return _bubble(name, message) if message.form is Form.SMS else _card(name, message)


def words(message: Message) -> str:
    """Return what is read in a message's body, without mark-up and without what steers a terminal."""
    return _clean(words_of(message))


def _card(name: str, message: Message) -> str:
    head = f"╭─ {name} "
    rows = [head + "─" * max(_WIDTH - _width(head), 1)]
    if message.title:
        rows += [f"│ {line}" for line in _wrapped(_clean(message.title), _WIDTH - 2)] + ["│"]
    rows += [f"│ {line}".rstrip() for line in _wrapped(words(message), _WIDTH - 2)]
    return "\n".join([*rows, "╰" + "─" * (_WIDTH - 1)])


def _bubble(name: str, message: Message) -> str:
    lines = [*_wrapped(_clean(message.title), _BUBBLE), *_wrapped(words(message), _BUBBLE)]
    inside = max([_width(line) for line in lines] or [0])
    rows = [f"  ☎ {name}", f"  ╭{'─' * (inside + 2)}╮"]
    rows += [f"  │ {line}{' ' * (inside - _width(line))} │" for line in lines]
    return "\n".join([*rows, f"  ╰┬{'─' * (inside + 1)}╯", "   ╯"])


def _wrapped(text: str, width: int) -> Iterator[str]:
    for line in text.splitlines():
        yield from textwrap.wrap(line, width) or [""]


def _clean(text: str) -> str:
    """Return text that cannot steer the terminal: a guest's name may hold anything."""
    return "".join(c for c in text.strip() if c == "\n" or not unicodedata.category(c).startswith("C"))


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
