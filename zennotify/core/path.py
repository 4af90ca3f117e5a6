"""Paths into the names of an event: `data.guest.id`, `data.appointments[*].service_name`, `data["T&C"]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zennotify.core.model import Names


class _Every:
    def __repr__(self) -> str:
        return "[*]"


#: The step `[*]`: every element of a list.
EVERY: Final = _Every()
Step = str | int | _Every

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d][\w-]*) | \[(?P<index>[0-9]{1,9})\] | \[(?P<every>\*)\]
      | \["(?P<double>[^"]*)"\] | \['(?P<single>[^']*)'\]""",
    re.VERBOSE,
)
_ROOT = re.compile(r"[^\W\d]\w*")
_HIGHEST_INDEX = 9999


class PathError(ValueError):
    """A text is not a path; the message says where it goes wrong."""


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path; `steps[0]` is the root's name."""

    text: str
    steps: tuple[Step, ...]

    @property
    def root(self) -> str:
        """The name that the path starts at."""
        return str(self.steps[0])

    def values(self, names: Names) -> Sequence[Any]:
        """Return what stands at the path: nothing, one value, or with `[*]` any number of them."""
        value: Any = names
        for place, step in enumerate(self.steps):
            if not isinstance(value, dict) or not isinstance(step, str):
                return _values(value, self.steps[place:])
            try:
                value = value[step]
            except KeyError:
                return ()
        return (value,)


def _values(start: Any, steps: Sequence[Step]) -> list[Any]:
    found = [start]
    for step in steps:
        found = _step(found, step)
        if not found:
            break
    return found


def _step(values: list[Any], step: Step) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if isinstance(step, str):
            if isinstance(value, Mapping) and step in value:
                found.append(value[step])
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if isinstance(step, int):
                if step < len(value):
                    found.append(value[step])
            else:
                found.extend(value)
    return found


def parse_path(text: str) -> Path:
    """Read a path, or raise PathError."""
    text = text.strip()
    root = _ROOT.match(text)
    if root is None:
        raise PathError(f"{text[:80]!r} is not a path: it starts with a name, e.g. data.center_id")
    steps: list[Step] = [root.group()]
    position = root.end()
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise PathError(
                f"{text[:80]!r} is not a path: cannot read {text[position : position + 20]!r}; "
                'write data.name, data.list[0], data.list[*] or data["odd name"]'
            )
        steps.append(_read_step(match, text))
        position = match.end()
    return Path(text, tuple(steps))


def _read_step(match: re.Match[str], text: str) -> Step:
    if match["every"]:
        return EVERY
    if match["index"]:
        index = int(match["index"])
        if index > _HIGHEST_INDEX:
            raise PathError(f"{text[:80]!r} is not a path: the highest index is {_HIGHEST_INDEX}")
        return index
    return next(name for name in (match["name"], match["double"], match["single"]) if name is not None)
