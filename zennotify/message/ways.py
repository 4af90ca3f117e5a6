"""What is found in a template: paths, comparisons, calls; and what a single part of it says of them.  For uses.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from jinja2 import nodes

from zennotify.core.path import EVERY, Step
from zennotify.message.filters import FORGIVING

Steps = tuple[Step, ...]
#: Tests for what a missing field is, too.
PRESENCE: Final = frozenset(("defined", "undefined"))


#: What was asked before, so that more is known of it: paths; None where the event's type or the rule was asked for,
#: or where another field has to be missing.
Guards = frozenset[Steps] | None


class Use(NamedTuple):
    """A path that is printed or asked for."""

    steps: Steps
    line: int
    #: A missing field does no harm here: `default`, `is defined`.
    forgiven: bool
    #: It only decides what comes next: `{% if ... %}`.
    decides: bool
    #: What was asked before it comes to this.
    guards: Guards


class Comparison(NamedTuple):
    """A path that is compared with fixed values; "" is none, for it only asks whether there is something."""

    #: None where it is more than a path.
    steps: Steps
    #: What is compared, as written.
    text: str
    line: int
    #: The filter that makes a text of it before: word date time; or "".
    by: str
    #: As Jinja calls it: eq ne gt gteq lt lteq in notin; `is` for true and false.
    operator: str
    values: tuple[Any, ...]
    #: By the name of a field, in `selectattr`, where no filter can be written.
    named: bool
    guards: Guards


class Call(NamedTuple):
    """A method that a field does not have: `data.guest.items()`."""

    steps: Steps
    method: str
    line: int
    guards: Guards


class Uses(NamedTuple):
    """What one template, or one expression, uses."""

    paths: tuple[Use, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    calls: tuple[Call, ...] = ()


class Way(NamedTuple):
    """The path that an expression stands for."""

    steps: Steps
    #: Where on it something else takes the place of a missing field, and does no harm up to here.
    asked: frozenset[Steps] = frozenset()

    def step(self, step: Step) -> Way:
        """Return the path one step further down: what takes a list's place has no elements, but no fields either."""
        asked = self.asked if step is EVERY else self.asked - {self.steps}
        return Way((*self.steps, step), asked)

    def forgiven(self) -> Way:
        """Return the path where `default` has been."""
        return Way(self.steps, self.asked | {self.steps})


def of_event(steps: Steps) -> Steps:
    """Return a path from one of a message's `events` as a path from an event; nothing for the event itself.

    An element has the names of an event: `events[0].guest.name` is the `guest.name` of another one.
    """
    return steps[2:] if is_element(steps) else steps


def is_element(steps: Steps) -> bool:
    """Return whether a path goes to or through one of a message's `events`."""
    return len(steps) > 1 and steps[0] == "events" and not isinstance(steps[1], str)


def calls_super(block: nodes.Block) -> bool:
    """Return whether a block that stands for another one shows that one, too."""
    return any(name.name == "super" for name in block.find_all(nodes.Name))


def asks_presence(test: nodes.Node) -> bool:
    """Return whether a missing field is an answer."""
    parts: Any = (nodes.Test, nodes.Filter)
    return any(part.name in PRESENCE or part.name in FORGIVING for part in _parts(test, parts))


def asks_absence(test: nodes.Node) -> bool:
    """Return whether a missing field may be the right answer."""
    tests: Any = nodes.Test
    negations: Any = nodes.Not
    return any(part.name == "undefined" for part in _parts(test, tests)) or any(
        asks_presence(part) for part in _parts(test, negations)
    )


def _parts(node: nodes.Node, kinds: Any) -> Iterator[Any]:
    if isinstance(node, kinds):
        yield node
    yield from node.find_all(kinds)


def fields_named(node: nodes.Filter) -> list[Steps]:
    """Return the fields of each element that a filter is told by their names."""
    named = [option.value for option in node.kwargs if option.key == "attribute"]
    if node.name in {"selectattr", "rejectattr", "groupby"}:
        named += node.args[:1]
    match named:
        case [nodes.Const(value=str(text))]:
            return [
                tuple(int(step) if step.isdecimal() else step for step in one.strip().split("."))
                for one in (text.split(",") if node.name == "sort" else [text])
            ]
        case _:
            return []


def has_fields(instead: list[nodes.Expr]) -> bool:
    """Return whether what takes the place of a missing field has fields of its own."""
    if not instead or isinstance(instead[0], nodes.Const):
        return False
    return isinstance(instead[0], nodes.Name) or any(True for _ in instead[0].iter_child_nodes())
