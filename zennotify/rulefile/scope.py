"""Which events can a rule meet, and what do all that is known of them carry?  Called by findings.py.

Zenoti adds types and fields without telling: where a rule can meet a type of which nothing is known, what is missing
is only a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final, NamedTuple

from zennotify.core.path import EVERY, Step
from zennotify.spelling import did_you_mean, nearest
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS
from zennotify.zenoti.fields import Field, Fields, Kind, Lost, fields_of, spell_path
from zennotify.zenoti.things import FIELDS, USUAL

Steps = tuple[Step, ...]

_MOST_SHOWN: Final = 20
_MOST_TYPES_SHOWN: Final = 3
#: What people look for in `data` and is the envelope's.
_ENVELOPE: Final = {"event_type": "event.type", "event_timestamp": "event.at"}
#: Names that say nothing without the one before them.
_VAGUE: Final = frozenset(
    ("id", "name", "code", "type", "total", "date", "number", "status", "start", "end", "source")
)
#: So alike that it is a typing mistake; less alike may be another field altogether.
_TYPED_WRONG: Final = 0.8
_SIMILAR: Final = 0.6


class Absent(NamedTuple):
    """Why a path leads nowhere."""

    sentence: str
    #: Whether something that was probably meant is named.
    near: bool


class Scope:
    """The event types that a rule can meet."""

    def __init__(self, events: Sequence[str], heard: Sequence[str], known: Mapping[str, str]) -> None:
        """Take a rule's `event`, what it means in lower case, and the types that there are, by lower case."""
        found: dict[str, Fields | None] = {}
        for pattern in heard:
            matched = [name for name in known if fnmatchcase(name, pattern)]
            found |= {name: fields_of(name) for name in matched} or {pattern: None}
        self.types = tuple(fields for fields in found.values() if fields is not None)
        #: Whether all that it can meet is known, as far as anybody can say so.
        self.certain = None not in found.values()
        self.complete = all(fields.complete for fields in self.types)
        self._title = _some([known.get(event.casefold(), event) for event in events])
        self._several = len(events) > 1 or "*" in events[0]
        self._absent: dict[tuple[Steps, bool], Absent | None] = {}

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
            fixed = (*steps[:at], EVERY, *steps[at:])
            if not self._found(fixed):
                return self._look(fixed, in_template=in_template)
            first = spell_path((*steps[:at], 0, *steps[at:]))
            if in_template:
                return Absent(
                    f"`{path}` is a list: go through it with `for`, or write `{first}` for the first", True
                )
            each = spell_path(fixed)
            return Absent(
                f"`{path}` is a list: write `{each}` for any of them, or `{first}` for the first", True
            )
        if Kind.OBJECT in last.kinds and not isinstance(step, str):
            fixed = (*steps[:at], *steps[at + 1 :])
            hint = f": write `{spell_path(fixed)}`" if self._found(fixed) else ""
            return Absent(f"`{path}` is no list, but a group of fields{hint}", True)
        if last.kinds and not {Kind.OBJECT, Kind.LIST} & {*last.kinds}:
            return Absent(f"`{path}` is {last.kinds[0]}: nothing stands below it", True)
        return None

    def _unknown(self, steps: Steps, at: int, parents: Sequence[Field], *, in_template: bool) -> Absent:
        known = "" if self.certain else " that zennotify knows"
        said = f"no event of {self._title}{known} carries" if self._several else f"{self._title} carries no"
        said = f"{said} `{spell_path(steps)}`"
        names = list(dict.fromkeys(name for parent in parents for name in parent.fields))
        thing, near = self._thing(steps), self._meant(steps, at, names)
        if near is None and not thing and self.certain:
            near = self._perhaps(steps, at, names)
        if near is not None:
            # In a loop of a template nobody writes the whole path.
            in_loop = in_template and EVERY in near and near[:-1] == steps[:-1]
            also = f" `{thing}` is right whatever Zenoti calls it" if thing else ""
            return Absent(f"{said}; did you mean `{near[-1] if in_loop else spell_path(near)}`?{also}", True)
        if thing:
            return Absent(f"{said}; did you mean `{thing}`?", True)
        return Absent(f"{said}; `{spell_path(steps[:at])}` has: {_some(names, _MOST_SHOWN, ' ')}", False)

    def _found(self, steps: Steps) -> bool:
        return any(not isinstance(fields.find(steps), Lost) for fields in self.types)

    def _meant(self, steps: Steps, at: int, siblings: Sequence[str]) -> Steps | None:
        """Return the path that was almost surely meant."""
        same = self._by_key.get(_key(steps))
        return same or self._mended(steps, at, siblings, _TYPED_WRONG) or self._elsewhere(steps)

    def _perhaps(self, steps: Steps, at: int, siblings: Sequence[str]) -> Steps | None:
        """Return a path that may have been meant."""
        return self._longer(steps, at, siblings) or self._mended(steps, at, siblings, _SIMILAR)

    def _mended(self, steps: Steps, at: int, siblings: Sequence[str], alike: float) -> Steps | None:
        """Return the path with its first unknown name, and those behind it, spelled rightly."""
        near = nearest(str(steps[at]), siblings, alike)
        if near is None:
            return None
        mended = (*steps[:at], near, *steps[at + 1 :])
        lost = [way for fields in self.types if isinstance(way := fields.find(mended), Lost)]
        if len(lost) < len(self.types):
            return mended
        at = max(one.at for one in lost)
        names = [name for one in lost if one.at == at for name in one.last.fields]
        return self._mended(mended, at, names, alike) or mended[:at]

    def _elsewhere(self, steps: Steps) -> Steps | None:
        """Return the place where a field of this name does stand."""
        name = steps[-1]
        return None if name in _VAGUE or not isinstance(name, str) else self._by_name.get(_key((name,)))

    def _longer(self, steps: Steps, at: int, siblings: Sequence[str]) -> Steps | None:
        """Return the one field whose name has all words of this one, e.g. `invoice_number` for `number`."""
        words = {*str(steps[at]).casefold().split("_")}
        longer = [name for name in siblings if words < {*name.casefold().split("_")}]
        return (*steps[:at], longer[0]) if len(longer) == 1 and at == len(steps) - 1 else None

    def _thing(self, steps: Steps) -> str | None:
        """Return the name under which what was asked for is known of every event."""
        match steps[1:]:
            case [str() as name] if name.casefold() in _ENVELOPE:
                return _ENVELOPE[name.casefold()]
            case [str() as name]:
                called = _things_called(name.casefold())
            case [str() as kind, str() as field] if field in FIELDS.get(kind, ()):
                called = [f"{kind}.{field}"]
            case _:
                called = []
        reached = [name for name in called if self.leads_to(name.partition(".")[0])]
        return reached[0] if len(reached) == 1 else None

    @cached_property
    def _by_key(self) -> dict[str, Steps]:
        """Every path, by its names without case and joints."""
        return {_key(way): way for way in reversed(self._ways)}

    @cached_property
    def _by_name(self) -> dict[str, Steps]:
        """The shortest path to each name."""
        ways = sorted(self._ways, key=len, reverse=True)
        return {_key(way[-1:]): way for way in ways if isinstance(way[-1], str)}

    @cached_property
    def _ways(self) -> list[Steps]:
        return list(dict.fromkeys(way for fields in self.types for way in _ways(fields.data, ("data",))))

    # --- what some events do not carry ------------------------------------------------------------------

    def missing(self, steps: Steps) -> Iterator[tuple[Steps, str]]:
        """Yield why a field may not be there in an event of this rule, and what to ask for first."""
        without = []
        for fields in self.types:
            way = fields.find(steps)
            if isinstance(way, Lost):
                without.append(fields.event_type)
            else:
                yield from _gaps(fields.event_type, steps, way)
        if without and len(without) < len(self.types):
            yield steps, f"`{spell_path(steps)}` is not in every event of this rule: not in {_some(without)}"


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


def _things_called(name: str) -> list[str]:
    """Return the fields of things that a name in `data` may mean, e.g. session.id for session_id."""
    usual = [f"{kind}.{field}" for known, kind, field in USUAL if known.casefold() == name]
    joined = [f"{kind}.{field}" for kind in FIELDS for field in FIELDS[kind] if name == f"{kind}_{field}"]
    alone = [f"{kind}.{field}" for kind in FIELDS for field in FIELDS[kind] if name == field != "name"]
    return usual[:1] or joined or alone


def _key(steps: Steps) -> str:
    return "".join(step for step in steps if isinstance(step, str)).replace("_", "").casefold()


def _ways(field: Field, way: Steps) -> Iterator[Steps]:
    below: list[tuple[Step, Field]] = [*field.fields.items()]
    below += [(EVERY, field.element)] if field.element else []
    for step, inner in below:
        yield (*way, step)
        yield from _ways(inner, (*way, step))


def nearest_type(event: str, known: Mapping[str, str]) -> str:
    """Return "; did you mean `x`?" for what is no event type, or nothing."""
    if "*" in event:
        parts = [name.split(".") for name in known.values()]
        families = {f"{'.'.join(one[:end])}.*" for one in parts for end in range(1, len(one))}
        near = nearest(event, sorted(families), _TYPED_WRONG)
        return f"; did you mean `{near}`?" if near else ""
    head, _, last = event.partition(".")
    word = nearest(last, APPOINTMENT_GROUP_STATUS.values(), _TYPED_WRONG)
    if word is not None and head.casefold() in {"appointment", "appointmentgroup"}:
        return f"; did you mean `AppointmentGroup.Status` with data.appointment_group_status: {word}?"
    return did_you_mean(event, known.values())


def _some(names: Sequence[str], most: int = _MOST_TYPES_SHOWN, between: str = ", ") -> str:
    """Return names as a text; of very many the first."""
    shown = between.join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
