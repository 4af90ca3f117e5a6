"""What the stored events say about the rules: the findings of `zennotify doctor`.

A Survey reads events one after the other and keeps only numbers, so that it may read as many as there are.  Pure; the
events, the facts and the decisions are handed in.  Findings hold names of fields and numbers, and no values of events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from zennotify.core.model import Event, Reason
from zennotify.core.path import EVERY, Path, Step
from zennotify.core.rule import Rule, RuleSet
from zennotify.rulefile.used import UsedField
from zennotify.spelling import did_you_mean
from zennotify.zenoti import offset
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.facts import Key, keys_of
from zennotify.zenoti.fields import Field, fields_of, spell_path
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import Names
from zennotify.zenoti.things import Things

#: Bounds of what is kept: types come from outside, and so do fields and centres.
_MOST_TYPES: Final = 1_000
_MOST_NEW_FIELDS: Final = 500
_MOST_CENTERS: Final = 10_000
_NOTHING: Final[Collection[Any]] = (None, "", [])
#: What a key of a rule does with an event that does not say for whom.
_WITHOUT_KEY: Final = {
    "threshold": "counts none of them",
    "suppressed_by": "suppresses none of them",
    "once": "limits none of them",
    "digest": "tells all of them together",
    "absent": "misses none of them",
}
#: Of these decisions messages come; one whose digest was in vain has another reason by then.
_SENT: Final = (Reason.NOTIFIED.value, Reason.DIGESTED.value)


class Kind(StrEnum):
    """What a finding is about."""

    #: A field that a rule uses was in none of the events.
    NEVER_SEEN = "never_seen"
    #: A field that a rule uses was null, empty or missing in some.
    NULL_RATE = "null_rate"
    #: Events came, and the rule sent nothing.
    NEVER_FIRED = "never_fired"
    #: No event came that the rule listens to.
    NEVER_CAME = "never_came"
    #: Zenoti sends what the catalog does not know.
    NEW_FIELD = "new_field"
    NEW_TYPE = "new_type"
    #: Events came from a centre that centers.yaml does not list.
    UNKNOWN_CENTER = "unknown_center"
    #: Events are kept that are none to this version.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the events say; `count` of `of` events show it."""

    kind: Kind
    rule: str | None = None
    event_type: str | None = None
    path: str | None = None
    count: int = 0
    of: int = 0
    says: str


@dataclass(slots=True)
class Center:
    """A centre that events came from."""

    #: As Zenoti sent it.
    id: str
    events: int = 0
    name: str | None = None
    #: How far its clocks were from UTC, and on which day.
    offset: timedelta | None = None
    offset_on: date | None = None


@dataclass(slots=True)
class _Seen:
    """What stood at one path."""

    path: Path
    absent: int = 0
    empty: int = 0


@dataclass(slots=True)
class _Type:
    """The events of one type."""

    #: In the catalog's spelling or, of a type that it does not know, as the first of them spelled it.
    name: str
    fields: Field | None
    paths: dict[str, _Seen]
    count: int = 0
    new: Counter[tuple[Step, ...]] = field(default_factory=Counter)
    #: The fields of `data`, so that the nearest right name can be said.
    names: set[str] = field(default_factory=set)


class Survey:
    """Counts what the events show."""

    def __init__(
        self, rules: RuleSet, uses: Mapping[str, Sequence[UsedField]], *, is_part: bool = False
    ) -> None:
        """Take the rules, and for each the fields that it uses; `is_part`: older events are not handed in."""
        self._is_part = is_part
        self._rules = [rule for rule in rules.rules if rule.enabled]
        self._listed = rules.directory.centers
        self._uses = uses
        self._types: dict[str, _Type] = {}
        #: By their ids in lower case.
        self._centers: dict[Key, Center] = {}
        self.events = 0
        #: Kept events that could not be handed in.
        self.unreadable = 0

    def read(self, events: Sequence[Event], memory: Memory) -> None:
        """Count what these events show; `memory` knows what earlier events taught."""
        said = [(event, memory.things_of(event)) for event in events]
        keyed = [(event, things, keys_of(things)) for event, things in said]
        memory.prepare(key for _, _, keys in keyed for key in keys.values())
        for event, things, keys in keyed:
            self.events += 1
            kind = self._type(event)
            if kind is not None:
                self._count(kind, event, Names(event, memory.recall, things, self._listed))
            if "center" in keys:
                self._see_center(keys["center"], things)

    def _type(self, event: Event) -> _Type | None:
        kind = self._types.get(event.kind)
        if kind is None and len(self._types) < _MOST_TYPES:
            used = {
                use.path.text: _Seen(use.path)
                for rule in self._rules
                if rule.listens_to(event.kind)
                for use in self._uses.get(rule.id, ())
            }
            known = fields_of(event.kind)
            fields = known.data if known is not None and known.complete else None
            kind = self._types[event.kind] = _Type(_KNOWN_TYPES.get(event.kind, event.type), fields, used)
        return kind

    def _count(self, kind: _Type, event: Event, names: Names) -> None:
        kind.count += 1
        for seen in kind.paths.values():
            values = seen.path.values(names)
            if not values:
                seen.absent += 1
            elif all(value in _NOTHING for value in values):
                seen.empty += 1
        if len(kind.names) < _MOST_NEW_FIELDS:
            kind.names.update(event.data)
        if kind.fields is not None:
            kind.new.update(set(_new_fields(event.data, kind.fields, ("data",), kind.new)))

    def _see_center(self, key: Key, things: Things) -> None:
        said = things["center"]
        center = self._centers.get(key)
        if center is None:
            if len(self._centers) >= _MOST_CENTERS:
                return
            center = self._centers[key] = Center(id=str(said["id"]).strip())
        center.events += 1
        name = said.get("name")
        if isinstance(name, str):
            center.name = name
        for day, minutes in things.get(offset.KIND, {}).items():
            if day != "id" and (center.offset_on is None or int(day) >= center.offset_on.toordinal()):
                center.offset_on, center.offset = date.fromordinal(int(day)), timedelta(minutes=minutes)

    def unlisted_centers(self) -> list[Center]:
        """Return the centres that events came from and centers.yaml does not list, the busiest first."""
        unlisted = [center for center in self._centers.values() if self._listed.get(center.id) is None]
        return sorted(unlisted, key=lambda center: (-center.events, center.id))

    def findings(self, decisions: Mapping[tuple[str, str], int]) -> list[Finding]:
        """Return what the events say; `decisions` are counted by rule and reason."""
        found: list[Finding] = []
        for rule in self._rules:
            found += self._of_rule(rule, decisions)
        for folded, kind in self._types.items():
            found += _new_in(folded, kind)
        if self.unreadable:
            found.append(self._unreadable())
        if len(self._listed):
            found += _unknown(self.unlisted_centers(), self.events)
        return found

    def _unreadable(self) -> Finding:
        kept = f"{self.unreadable:,} kept event{'' if self.unreadable == 1 else 's'}"
        return Finding(
            kind=Kind.UNREADABLE,
            count=self.unreadable,
            of=self.events + self.unreadable,
            says=f"{kept} cannot be read any more",
        )

    def _of_rule(self, rule: Rule, decisions: Mapping[tuple[str, str], int]) -> Iterator[Finding]:
        heard = [kind for folded, kind in self._types.items() if rule.listens_to(folded)]
        came = sum(kind.count for kind in heard)
        if not came:
            wanted = ", ".join(_KNOWN_TYPES.get(pattern, pattern) for pattern in rule.events)
            near = self._nearest(rule.events)
            ever = "came in the time looked at" if self._is_part else "ever came"
            yield Finding(
                kind=Kind.NEVER_CAME,
                rule=rule.id,
                event_type=wanted,
                of=self.events,
                says=f"none of the events that it listens to ({wanted}) {ever}{near}",
            )
        elif rule.absent is None and not any(decisions.get((rule.id, reason)) for reason in _SENT):
            never = "it sent nothing in the time looked at" if self._is_part else "it never sent anything"
            yield Finding(
                kind=Kind.NEVER_FIRED,
                rule=rule.id,
                event_type=", ".join(kind.name for kind in heard),
                of=came,
                says=f"{never}, though {_events(came)} came that it listens to{_why(rule, decisions)}",
            )
        for kind in heard:
            found = [
                finding for use in self._uses.get(rule.id, ()) for finding in _of_use(rule, kind, use, heard)
            ]
            yield from sorted(found, key=lambda one: (-one.count, str(one.path)))

    def _nearest(self, patterns: Sequence[str]) -> str:
        """Return the type that came and is written nearly like one of a rule's; a known type is spelled right."""
        came = [_plain(kind.name) for kind in self._types.values()]
        unknown = [pattern for pattern in patterns if pattern not in _KNOWN_TYPES and "*" not in pattern]
        return next(filter(None, (did_you_mean(pattern, came) for pattern in unknown)), "")


def _why(rule: Rule, decisions: Mapping[tuple[str, str], int]) -> str:
    others = {reason: count for (of, reason), count in decisions.items() if of == rule.id}
    if not others:
        return ": none of them met it, or they came before the rule"
    return ": " + ", ".join(f"{count} {reason}" for reason, count in sorted(others.items()))


def _of_use(rule: Rule, kind: _Type, use: UsedField, heard: Sequence[_Type]) -> Iterator[Finding]:
    """Yield what one type's events show of a field; `heard` are all types that the rule listens to."""
    seen = kind.paths[use.path.text]
    missing = seen.absent + seen.empty
    if not missing:
        return
    named = f"`{use.path.text}` (in {' and '.join(f'`{key}`' for key in use.keys)})"
    is_never = seen.absent == kind.count
    if use.is_optional and any(other.paths[use.path.text].absent < other.count for other in heard):
        return
    if is_never:
        step = str(use.path.steps[1])
        near = (
            did_you_mean(step, map(_plain, kind.names))
            if use.path.root == "data" and step not in kind.names
            else ""
        )
        says = f"{named} was {'not in' if kind.count == 1 else 'in none of'} {_these(kind)}{near}"
    else:
        says = f"{named} is null, empty or missing in {_share(missing, kind)}"
        says += "".join(f": `{key}` {_WITHOUT_KEY[key]}" for key in use.keys if key in _WITHOUT_KEY)
        for channel in use.recipients:
            says += f": what would go to {channel} has no recipient"
    yield Finding(
        kind=Kind.NEVER_SEEN if is_never else Kind.NULL_RATE,
        rule=rule.id,
        event_type=kind.name,
        path=use.path.text,
        count=missing,
        of=kind.count,
        says=says,
    )


def _new_in(folded: str, kind: _Type) -> Iterator[Finding]:
    if folded not in _KNOWN_TYPES:
        yield Finding(
            kind=Kind.NEW_TYPE,
            event_type=kind.name,
            count=kind.count,
            of=kind.count,
            says=f"zennotify does not know the type of {_these(kind)}{did_you_mean(kind.name, EVENT_TYPES)}",
        )
    for way, count in sorted(kind.new.items(), key=lambda pair: (-pair[1], str(pair[0]))):
        path = _plain(spell_path(way))
        yield Finding(
            kind=Kind.NEW_FIELD,
            event_type=kind.name,
            path=path,
            count=count,
            of=kind.count,
            says=f"`{path}` is in {_share(count, kind)}, and zennotify does not know it",
        )


_KNOWN_TYPES: Final = {name.casefold(): name for name in EVENT_TYPES}


def _unknown(centers: Sequence[Center], of: int) -> Iterator[Finding]:
    for center in centers:
        named = f"{_plain(center.id)} ({_plain(center.name)})" if center.name else _plain(center.id)
        yield Finding(
            kind=Kind.UNKNOWN_CENTER,
            path=center.id,
            count=center.events,
            of=of,
            says=f"{_events(center.events)} came from the centre {named}, which centers.yaml does not list;"
            " see: zennotify doctor --centers",
        )


def _new_fields(
    value: Any, known: Field, way: tuple[Step, ...], counted: Collection[tuple[Step, ...]]
) -> Iterator[tuple[Step, ...]]:
    """Yield the way to each field that is not known; what stands below it is not looked at."""
    if isinstance(value, dict):
        for name, inner in value.items():
            below = known.fields.get(name)
            if below is not None:
                if isinstance(inner, dict | list):
                    yield from _new_fields(inner, below, (*way, name), counted)
            elif not known.open and (len(counted) < _MOST_NEW_FIELDS or (*way, name) in counted):
                yield (*way, name)
    elif isinstance(value, list) and known.element is not None:
        for element in value:
            yield from _new_fields(element, known.element, (*way, EVERY), counted)


def _these(kind: _Type) -> str:
    name = _plain(kind.name)
    return f"the only {name} event" if kind.count == 1 else f"the {kind.count:,} {name} events"


def _share(count: int, kind: _Type) -> str:
    if kind.count == 1:
        return _these(kind)
    return f"{'all' if count == kind.count else _percent(count, kind.count)} of {_these(kind)}"


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _percent(count: int, of: int) -> str:
    """Return a share in per cent that is not rounded to nothing or all."""
    share = 100 * count / of
    if 0 < share < 0.1:
        return "under 0.1 %"
    if 99.9 < share < 100:
        return "over 99.9 %"
    return f"{share:.1f} %" if share < 1 or 99 < share < 100 else f"{share:.0f} %"


def _plain(text: str) -> str:
    """Return text that came from outside without what a terminal would obey, and not too long."""
    return "".join(char if char.isprintable() else "?" for char in text[:200])
