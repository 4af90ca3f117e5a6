"""Which names does a message want?  So that what nobody knows can be waited for or looked up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from zennotify.message.ways import Uses


class Want(NamedTuple):
    """A field of a thing that a message prints or asks for."""

    kind: str
    field: str


def wants(found: Iterable[Uses], fields: Mapping[str, Collection[str]]) -> frozenset[Want]:
    """Return every field of a thing that a template uses, e.g. (guest, name); `fields` are all that there are."""
    return frozenset(
        Want(str(use.steps[0]), str(use.steps[1]))
        for uses in found
        for use in uses.paths
        if len(use.steps) > 1 and use.steps[1] in fields.get(str(use.steps[0]), ())
    )
