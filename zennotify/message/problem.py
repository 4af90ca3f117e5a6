"""What is wrong with a template or an expression, said to its owner."""

from __future__ import annotations

import re
from typing import Final

from zennotify.message.limits import Refused

TOO_DEEP: Final = "is nested too deeply"
_COMPARED = re.compile(
    r"'(?P<op>[<>]=?)' not supported between instances of '(?P<left>\w+)' and '(?P<right>\w+)'"
)
_KINDS = {
    "NoneType": "null",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "list": "a list",
    "dict": "a group of fields",
    "datetime": "a time",
}


class TemplateProblem(Exception):  # noqa: N818 - named like errors.Problem, which it becomes
    """A template or an expression cannot be used; `line` counts from 1, 0 where it is not known."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def in_words(error: Exception) -> str:
    """Return why an evaluation failed.  Of an unforeseen error only the type: its text may hold an event's value."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, ZeroDivisionError):
        return "divides by zero"
    if isinstance(error, RecursionError):
        return TOO_DEEP
    if isinstance(error, OverflowError):
        return "a number is too large"
    if isinstance(error, TypeError) and (compared := _COMPARED.match(str(error))):
        left, right = (_KINDS.get(compared[side], "text") for side in ("left", "right"))
        hint = "; for a number in a text use `| number`" if {left, right} == {"text", "a number"} else ""
        return f"cannot compare {left} with {right} by `{compared['op']}`{hint}"
    return f"cannot be evaluated ({type(error).__name__})"
