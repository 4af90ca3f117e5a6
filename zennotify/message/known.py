"""What the names stand for that a template sets: paths, macros, imported templates, groups.  For uses.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from zennotify.core.path import EVERY, Step
from zennotify.message.ways import Way


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """The template that is being read."""

    name: str
    #: Names that are set more than once.
    changing: frozenset[str] = frozenset()
    #: Blocks that another one stands for.
    overridden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Macro:
    """A macro, and where it stands."""

    node: nodes.Macro
    file: File
    #: What is known where it stands.
    known: Known


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """An imported template."""

    known: Known


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One that `groupby` has made: what its elements have in common, and those."""

    grouper: Way | None
    list: Way | None


#: What the names that a template sets stand for; None: not to be known.
Known = dict[str, Way | Macro | Module | Group | None]


def macro_called(node: nodes.Node, known: Known) -> Macro | None:
    """Return the macro that is called: `who`, or `module.who`."""
    found: Any = None
    match node:
        case nodes.Name(name=name):
            found = known.get(name)
        case nodes.Getattr(node=nodes.Name(name=name), attr=attribute):
            module = known.get(name)
            found = module.known.get(attribute) if isinstance(module, Module) else None
        case _:
            pass
    return found if isinstance(found, Macro) else None


def plain(known: Known) -> frozenset[tuple[str, Way | None]]:
    """Return what can be told apart of the names that are known."""
    return frozenset((name, way) for name, way in known.items() if way is None or isinstance(way, Way))


def below(way: Way | None, step: Step) -> Way | None:
    """Return the path one step further down; None where it is not known."""
    return None if way is None else way.step(step)


def every(way: Way | None) -> Way | None:
    """Return the path of each element."""
    return below(way, EVERY)


def put(target: nodes.Node, way: Way | None, known: Known) -> None:
    """Note what a name stands for; of several at once it is not known."""
    if isinstance(target, nodes.Name):
        known[target.name] = way
    else:
        known.update({name.name: None for name in names_in(target)})


def names_in(target: nodes.Node) -> Iterator[nodes.Name]:
    """Yield the names that are set."""
    if isinstance(target, nodes.Name):
        yield target
    yield from target.find_all(nodes.Name)
