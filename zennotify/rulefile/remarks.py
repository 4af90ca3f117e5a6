"""Say what is wrong with one rule, and where in its file.  Made by onerule.py for each rule."""

from __future__ import annotations

from typing import Any

from zennotify.errors import Problem
from zennotify.yamlfile import Document, Step

Place = tuple[Step, ...]


class Remarks:
    """What is said of one rule; places are paths within it."""

    def __init__(self, document: Document, index: int, problems: list[Problem]) -> None:
        """Take where the rule stands, and what all that is said is added to."""
        self.document = document
        self.at: Place = ("rules", index)
        self.raw: Any = document.value["rules"][index]
        #: Keys that are missing or wrong: nothing more is said of them.
        self.wrong: set[str] = set()
        #: Whether the rule cannot be used.
        self.failed = False
        self._problems = problems
        id_ = self.raw.get("id") if isinstance(self.raw, dict) else None
        self.label = id_[:100] if isinstance(id_, str) and id_.strip() else f"rules[{index}]"

    def add(self, path: Place, sentence: str, *, key: bool = False, warning: bool = False) -> None:
        """Say something of the value at a place, or of its key."""
        label = self.label + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        self.note(self.document.problem((*self.at, *path), f"{label}: {sentence}", key=key, warning=warning))

    def add_inline(self, sentence: str, line: int, *, warning: bool = False, key: str = "message") -> None:
        """Say something of a line of a text."""
        where = self.document.where_in((*self.at, key), line)
        self.note(Problem(self.document.name, *where, f"{self.label}.{key}: {sentence}", warning))

    def note(self, problem: Problem) -> None:
        """Add what was said elsewhere, e.g. of a template of the rule."""
        self.failed = self.failed or not problem.warning
        self._problems.append(problem)

    def where(self, path: Place) -> str:
        """Return file, line and column of the value at a place."""
        line, column = self.document.where((*self.at, *path))
        return f"{self.document.name}:{line}:{column}"

    def is_blank(self, path: Place) -> bool:
        """Say whether nothing at all stands at a place."""
        return self.document.is_blank((*self.at, *path))

    def comment(self, path: Place) -> str:
        """Return a hint where a comment stands behind a value that may have been meant to go on."""
        comment = self.document.comment_after((*self.at, *path))
        return "; ` #` starts a comment: put the text in quotes, or below `>-`" if comment else ""

    def place(self, path: Place) -> Place:
        """Return the place of what was read as if it were in a list: `x` alone is the same as `[x]`."""
        found: list[Step] = []
        value: Any = self.raw
        for step in path:
            is_listed = isinstance(value, list) and isinstance(step, int)
            if is_listed or (isinstance(value, dict) and step in value):
                value = _below(value, step)
                found.append(step)
        return tuple(found)

    def part(self, *path: Step) -> Place:
        """Return the place of one text, named last, in a list of texts."""
        place = self.place(path[:-1])
        value: Any = self.raw
        for step in place:
            value = _below(value, step)
        places = (
            [index for index, text in enumerate(value) if isinstance(text, str) and text.strip() == path[-1]]
            if isinstance(value, list)
            else []
        )
        return (*place, *places[:1])


def _below(value: Any, step: Step) -> Any:
    return value[step]
