"""Bound what one expression or one message may do.

Counted in steps and sizes, never in time: a thread cannot be stopped.  Every loop, call, filter and comparison
pays here before it works, so a template that would run for ever stops after the same number of steps everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jinja2.exceptions import TemplateRuntimeError

from zennotify.core.model import Names

#: Steps of one evaluation; a step is about sixteen nodes of a template, one element looked at, 64 characters made.
MAX_STEPS = 100_000
#: Macros and blocks within each other.
MAX_CALLS = 32
#: The longest text that may be made, and the longest message.
MAX_TEXT = 65_536
#: All characters that may be printed, in macros and `set` blocks too.
MAX_PRINTED = 4 * MAX_TEXT
#: The longest list that may be made, by `range`, `+` or `*`.
MAX_LIST = 10_000
#: The largest whole number that may be made, in bits.
MAX_BITS = 256

_ATOMS = frozenset({int, float, bool, type(None)})


class Refused(TemplateRuntimeError):  # noqa: N818 - what happened, like errors.StoreLocked
    """A template or an expression asks for what it may not have; the text never holds a value of the event."""


class Unfit(Refused):
    """A filter cannot use the value; the wrapper of the filters puts before it which filter and which value."""


class Run:
    """One evaluation: what it has left, and what its filters look up."""

    __slots__ = ("calls", "here", "locale", "names", "printed", "steps", "time_zone")

    def __init__(self, names: Names, time_zone: str | None, locale: str) -> None:
        self.names = names
        #: The names whose centre's clock and currency count: in a loop through events, those of its event.
        self.here = names
        self.time_zone = time_zone
        self.locale = locale
        self.steps = MAX_STEPS
        self.calls = 0
        self.printed = 0


_RUN: ContextVar[Run] = ContextVar("run")
#: The evaluation that goes on in this thread.
current = _RUN.get


class Running:
    """Makes a run the evaluation that pays for all steps inside."""

    __slots__ = ("_run", "_token")

    def __init__(self, run: Run) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._token = _RUN.set(self._run)

    def __exit__(self, *_: object) -> None:
        _RUN.reset(self._token)


def spend(steps: int) -> None:
    """Pay for work before it is done."""
    run = current()
    run.steps -= steps
    if run.steps < 0:
        raise Refused(f"takes more than {MAX_STEPS:,} steps")


def spend_on(value: Any) -> None:
    """Pay for looking at the whole of a value, however deep it is."""
    if type(value) in _ATOMS:
        return
    if isinstance(value, str):
        if len(value) >= 64:
            spend(len(value) >> 6)
        return
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        spend(1)
        if isinstance(inner, str):
            spend(len(inner) >> 6)
        elif type(inner) is dict:
            spend(len(inner))
            waiting.extend(inner.values())
        elif isinstance(inner, (list, tuple)):
            waiting.extend(inner)
        elif isinstance(inner, (Mapping, Sequence)):
            spend(len(inner))


def printed(text: str) -> str:
    """Return a printed text, unless there is too much of it."""
    run = current()
    run.printed += len(text)
    if run.printed > MAX_PRINTED:
        raise Refused(f"prints more than {MAX_PRINTED:,} characters")
    return text


def text_of(pieces: Sequence[str], separator: str = "") -> str:
    """Join pieces, unless the text would be too long."""
    size = sum(map(len, pieces)) + len(separator) * len(pieces)
    check_text(size)
    return separator.join(pieces)


def check_text(size: int) -> None:
    """Pay for a text of this size, or refuse it."""
    if size > MAX_TEXT:
        raise Refused(f"makes a text of more than {MAX_TEXT:,} characters")
    spend(size >> 6)


def check_list(size: int) -> None:
    """Pay for a list of this size, or refuse it."""
    if size > MAX_LIST:
        raise Refused(f"makes a list of more than {MAX_LIST:,} elements")
    spend(size)


def kind(value: Any) -> str:
    """Return what a value is, in an owner's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (datetime, date)):
        return "a time"
    if isinstance(value, Mapping):
        return "a group of fields"
    if isinstance(value, Sequence):
        return "a list"
    return "something else"
