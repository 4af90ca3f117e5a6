"""Which events can a rule meet, and what do all that is known of them carry?  Called by findings.py.

Zenoti adds types and fields without telling: where a rule can meet a type of which nothing is known, what is missing
is only a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, NamedTuple

from zennotify.core.path import EVERY
from zennotify.rulefile.meant import Finder, Steps
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.fields import Field, Fields, Kind, Lost, fields_of, spell_path

#: The fields of things that are lists.
LISTS: Final = frozenset(("group.services", "guest.opted_out", "session.guests", "session.guest_names"))
_MOST_SHOWN: Final = 20
_MOST_TYPES_SHOWN: Final = 3
#: What is no field of a list, but can be asked for with a filter.
_OF_A_LIST: Final = {
    "length": "length",
    "count": "length",
    "size": "length",
    "first": "first",
    "last": "last",
}


class Absent(NamedTuple):
    """Why a path leads nowhere."""

    sentence: str
    #: Whether it is a mistake, whatever Zenoti may send: a misspelled name, a list without `[*]`.
    sure: bool = False
    #: Whether something that was probably meant is named.
    near: bool = True


@lru_cache(maxsize=4096)
def is_carried(steps: Steps) -> bool:
    """Return whether any event type at all carries a path, so that a template for several rules may ask for it."""
    every = (fields_of(name) for name in EVENT_TYPES)
    return any(fields is not None and not isinstance(fields.find(steps), Lost) for fields in every)


class Scope:
    """The event types that a rule can meet."""

    def __init__(self, types: tuple[Fields, ...], title: str, *, certain: bool, several: bool) -> None:
        self.types = types
        #: Whether all that it can meet is known, as far as anybody can say so.
        self.certain = certain
        self.complete = all(fields.complete for fields in types)
        #: Whether there is a sample of each.
        self.shown = all(fields.shown for fields in types)
        self._title = title
        self._several = several
        self._absent: dict[tuple[Steps, bool], Absent | None] = {}
        self._met: dict[frozenset[Steps], tuple[Fields, ...]] = {}
        self._narrowed: dict[tuple[str, ...], Scope] = {}
        self._finder = Finder(types, self.leads_to)

    @classmethod
    def of(cls, events: Sequence[str], heard: Sequence[str], known: Mapping[str, str]) -> Scope:
        """Take a rule's `event`, what it means in lower case, and the types that there are, by lower case."""
        found: dict[str, Fields | None] = {}
        for pattern in heard:
            matched = [name for name in known if fnmatchcase(name, pattern)]
            found |= {name: fields_of(name) for name in matched} or {pattern: None}
        return cls(
            tuple(fields for fields in found.values() if fields is not None),
            _some([known.get(event.casefold(), event) for event in events]),
            certain=None not in found.values(),
            several=len(events) > 1 or "*" in events[0],
        )

    def narrowed(self, demanded: Iterable[Steps]) -> Scope:
        """Return the same without the types that cannot have what a rule demands of its events."""
        kept = self._with(demanded) if len(self.types) > 1 else self.types
        if not kept or len(kept) == len(self.types):
            return self
        names = tuple(fields.event_type for fields in kept)
        if names not in self._narrowed:
            title, several = (_some(names), len(names) > 1) if self.certain else (self._title, self._several)
            self._narrowed[names] = Scope(kept, title, certain=self.certain, several=several)
        return self._narrowed[names]

    def _with(self, paths: Iterable[Steps]) -> tuple[Fields, ...]:
        """Return the types that can have all of these paths in `data`."""
        below = [steps for steps in paths if steps[0] == "data" and len(steps) > 1]
        return tuple(
            fields
            for fields in self.types
            if not any(isinstance(fields.find(steps), Lost) for steps in below)
        )

    def meets(self, asked: frozenset[Steps]) -> tuple[Fields, ...]:
        """Return the types whose events get past it when somebody has asked for these paths."""
        if asked not in self._met:
            self._met[asked] = self._with(asked)
        return self._met[asked]

    @property
    def title(self) -> str:
        """Return the events in words: `Invoice.Closed`, or `an event of Class.*, Guest.Created`."""
        return f"an event of {self._title}" if self._several else self._title

    def carried(self, steps: Steps) -> list[Field] | None:
        """Return what the types have at a path; None where one may have anything there."""
        found = []
        for fields in self.types:
            way = fields.find(steps)
            if isinstance(way, Lost):
                continue
            if len(way) < len(steps):
                return None
            found.append(way[-1])
        return found

    def leads_to(self, kind: str) -> bool:
        """Return whether an event can be known to be about such a thing, by itself or by way of earlier events."""
        return not self.types or not self.certain or any(kind in fields.things for fields in self.types)

    # --- what no event carries --------------------------------------------------------------------------

    def absent(self, steps: Steps, *, in_template: bool) -> Absent | None:
        """Say that no type carries a path, and what was probably meant; None where one does or may."""
        key = (steps, in_template)
        if key not in self._absent:
            self._absent[key] = self._look(steps, in_template=in_template)
        return self._absent[key]

    def _look(self, steps: Steps, *, in_template: bool) -> Absent | None:
        lost: list[Lost] = []
        for fields in self.types:
            way = fields.find(steps)
            if not isinstance(way, Lost) or (in_template and _loose(way, steps)):
                return None
            lost.append(way)
        if not lost:
            return None
        last, at = max(lost, key=lambda one: one.at)
        return self._misplaced(steps, last, at, in_template=in_template) or self._unknown(
            steps, at, [one.last for one in lost if one.at == at], in_template=in_template
        )

    def _misplaced(self, steps: Steps, last: Field, at: int, *, in_template: bool) -> Absent | None:
        """Say that there is a list where none was expected, or none, or no parts at all."""
        step, path = steps[at], spell_path(steps[:at])
        if Kind.LIST in last.kinds and isinstance(step, str):
            if step in _OF_A_LIST and at == len(steps) - 1:
                where = "write" if in_template else "in `when` write"
                return Absent(f"`{path}` is a list: {where} `{path} | {_OF_A_LIST[step]}`", sure=True)
            fixed = (*steps[:at], EVERY, *steps[at:])
            if not self._found(fixed):
                return self._look(fixed, in_template=in_template)
            first = spell_path((*steps[:at], 0, *steps[at:]))
            if in_template:
                how = f"go through it with `for`, or write `{first}` for the first"
            else:
                how = f"write `{spell_path(fixed)}` for any of them, or `{first}` for the first"
            return Absent(f"`{path}` is a list: {how}", sure=True)
        if Kind.OBJECT in last.kinds and not isinstance(step, str):
            fixed = (*steps[:at], *steps[at + 1 :])
            hint = f": write `{spell_path(fixed)}`" if self._found(fixed) else ""
            return Absent(f"`{path}` is no list, but a group of fields{hint}")
        if last.kinds and not {Kind.OBJECT, Kind.LIST} & {*last.kinds}:
            return Absent(f"`{path}` is {last.kinds[0]}: nothing stands below it")
        return None

    def _unknown(self, steps: Steps, at: int, parents: Sequence[Field], *, in_template: bool) -> Absent:
        known = "" if self.certain else " that zennotify knows"
        said = f"no event of {self._title}{known} carries" if self._several else f"{self._title} carries no"
        said = f"{said} `{spell_path(steps)}`"
        names = list(dict.fromkeys(name for parent in parents for name in parent.fields))
        path, thing, sure = self._finder.find(steps, at, names, certain=self.certain)
        if not in_template and thing in LISTS:
            thing = f"{thing}[*]"
        if path is not None:
            # In a loop of a template nobody writes the whole path.
            in_loop = in_template and EVERY in path and path[:-1] == steps[:-1]
            also = f" `{thing}` is right whatever Zenoti calls it" if thing else ""
            return Absent(f"{said}; did you mean `{path[-1] if in_loop else spell_path(path)}`?{also}", sure)
        if thing:
            return Absent(f"{said}; did you mean `{thing}`?")
        return Absent(f"{said}; `{spell_path(steps[:at])}` has: {_some(names, _MOST_SHOWN, ' ')}", near=False)

    def _found(self, steps: Steps) -> bool:
        return any(not isinstance(fields.find(steps), Lost) for fields in self.types)

    # --- what some events do not carry ------------------------------------------------------------------

    def missing(self, steps: Steps, asked: frozenset[Steps] = frozenset()) -> Iterator[tuple[Steps, str]]:
        """Yield why a field may not be there in an event of this rule, and what to ask for first.

        `asked` are the paths that were asked for before: types that cannot have them do not come so far.
        """
        types = self.meets(asked)
        without: dict[Steps, list[str]] = {}
        for fields in types:
            way = fields.find(steps)
            if isinstance(way, Lost):
                without.setdefault(steps[: way.at + 1], []).append(fields.event_type)
            else:
                yield from _gaps(fields.event_type, steps, way)
        if sum(map(len, without.values())) < len(types):
            for first, names in without.items():
                path = spell_path(first)
                yield first, f"`{path}` is not in every event of this rule: not in {_some(names)}"


def _gaps(event_type: str, steps: Steps, way: Sequence[Field]) -> Iterator[tuple[Steps, str]]:
    """Yield where on its way a path can end too early in an event of one type."""
    for place, field in enumerate(way):
        path = spell_path(steps[: place + 1])
        if field.optional and steps[place] is not EVERY:
            yield steps[: place + 1], f"`{path}` is not in every {event_type}"
        if field.nullable and steps[place + 1 : place + 2] not in {(), (EVERY,)}:
            yield steps[: place + 1], f"`{path}` can be null in {event_type}"


def _loose(lost: Lost, steps: Steps) -> bool:
    """Return whether a template may do this: go through a group's names, or take a character of a text."""
    if steps[lost.at] is EVERY:
        return Kind.LIST not in lost.last.kinds
    return isinstance(steps[lost.at], int) and Kind.OBJECT not in lost.last.kinds


def _some(names: Sequence[str], most: int = _MOST_TYPES_SHOWN, between: str = ", ") -> str:
    """Return names as a text; of very many the first."""
    shown = between.join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
