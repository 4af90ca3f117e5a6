"""What can go wrong, as one tree.

::

    ZennotifyError
    ├── ConfigError          files the user wrote cannot be used; holds every problem found
    ├── ExpressionError      a `when` could not be evaluated for this event
    ├── RecipientError       an event gives no recipient that can be written to
    ├── MessageError         a template could not be rendered for this event
    ├── ControlError         the running daemon could not be asked, or said no
    ├── LinkError            a link is not one of ours
    │   └── LinkExpired      it was, and is over
    └── StoreError           the store cannot be used at all
        ├── StoreLocked      another daemon holds it
        └── StoreUnavailable it cannot take this now; the same call may succeed later
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a file the user wrote.

    `line` and `column` count from 1; 0 means that the whole file is meant.
    """

    file: str
    line: int
    column: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {'warning: ' if self.warning else ''}{self.message}"


class ZennotifyError(Exception):
    """The root of all errors that zennotify raises on purpose."""


class ConfigError(ZennotifyError):
    """Files cannot be used; `problems` has every error (and warning) found, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class ExpressionError(ZennotifyError):
    """A `when` expression failed for this event; the text says why, without the event's values."""


class RecipientError(ZennotifyError):
    """The recipient that an event gives cannot be written to; the text says why, without the recipient."""


class MessageError(ZennotifyError):
    """A template failed for this event; the text names template and line."""


class ControlError(ZennotifyError):
    """The running daemon could not be asked, or refused; the text is fit for the terminal."""


class LinkError(ZennotifyError):
    """A link that was not made here, or has been changed."""


class LinkExpired(LinkError):  # noqa: N818 - a state, and named so in the documentation
    """A link of ours whose time is over."""


class StoreError(ZennotifyError):
    """The store cannot be used."""


class StoreLocked(StoreError):  # noqa: N818 - a state, and named so in the documentation
    """Another process holds the store."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, and named so in the documentation
    """The store cannot take this now (disk full, locked, connection lost); it may later."""


def place_of(error: BaseException) -> str:
    """Name an unexpected error by its type and place; its text stays out, it may hold a guest's data."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    return f"{type(error).__name__} in {Path(frames[-1].filename).name}:{frames[-1].lineno}"
