"""Which names does a message want?  So that what nobody knows can be waited for or looked up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from jinja2 import nodes

from zennotify.message.uses import uses_of


class Want(NamedTuple):
    """A field of a thing that a message prints or asks for."""

    kind: str
    field: str


def wants(trees: Iterable[nodes.Template], fields: Mapping[str, Collection[str]]) -> frozenset[Want]:
    """Return every field of a thing that these templates use, e.g. (guest, name); `fields` are all that there are."""
    return frozenset(
        Want(str(use.steps[0]), str(use.steps[1]))
        for tree in trees
        for use in uses_of(tree).paths
        if len(use.steps) > 1 and use.steps[1] in fields.get(str(use.steps[0]), ())
    )
