"""Which names does a message want?  Found in its tree, so that what nobody knows can be waited for or looked up."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from jinja2 import nodes


class Want(NamedTuple):
    """A field of a thing that a message prints or asks for."""

    kind: str
    field: str


def wants(trees: Iterable[nodes.Template], kinds: Collection[str]) -> frozenset[Want]:
    """Return every field of a thing that these templates name, e.g. (guest, name)."""
    found: set[Want] = set()
    for tree in trees:
        for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
            match node:
                case nodes.Getattr(node=nodes.Name(name=kind), attr=field) if kind in kinds:
                    found.add(Want(kind, field))
                case nodes.Getitem(node=nodes.Name(name=kind), arg=nodes.Const(value=str(field))) if (
                    kind in kinds
                ):
                    found.add(Want(kind, field))
                case _:
                    pass
    return frozenset(found)
