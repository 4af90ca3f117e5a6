"""A rule, and a set of rules compiled so that an event meets only those that can concern it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

from zennotify.core.match import Clause, Key, keys_of
from zennotify.core.model import Names, Predicate
from zennotify.core.notify import Directory
from zennotify.core.once import Once
from zennotify.core.path import Path
from zennotify.core.stale import Stale

#: Event types come from outside, so the memory of which rules listen to them is bounded.
_MOST_TYPES = 1000


class Hold(NamedTuple):
    """`wait_for_names`: a message waits a while for a name that it lacks."""

    period: timedelta
    #: Returns the things that may still teach such a name, by their keys; none where nothing is lacking.
    awaited: Callable[[Names], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, checked and compiled."""

    id: str
    description: str = ""
    enabled: bool = True
    #: Event types, in lower case; `*` is a glob.
    events: tuple[str, ...]
    #: All must hold.
    match: tuple[Clause, ...] = ()
    when: Predicate | None = None
    once: Once | None = None
    #: Roles or channels, each once, in the file's order.
    notify: tuple[str, ...]
    hold: Hold | None = None
    stale: Stale | None = None

    def listens_to(self, event_type: str) -> bool:
        """Return whether the rule listens to a type, given in lower case."""
        return any(fnmatchcase(event_type, pattern) for pattern in self.events)


class _Candidate(NamedTuple):
    """A rule that listens to an event type."""

    #: In the rule set.
    place: int
    rule: Rule
    #: The clauses that have still to be asked.
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class _Bucket:
    """The rules that listen to one event type, found by what one of their clauses must equal."""

    #: For each path: the path, and the rules that ask for a key there.
    index: tuple[tuple[Path, dict[Key, list[_Candidate]]], ...]
    #: The rules without an equality clause.
    others: tuple[_Candidate, ...]

    def candidates(self, names: Names) -> list[_Candidate]:
        found = list(self.others)
        for path, rules in self.index:
            for value in path.values(names):
                for key in keys_of(value):
                    found += rules.get(key, ())
        # With `[*]` a rule may be found more than once.
        return sorted({candidate.place: candidate for candidate in found}.values(), key=_place)


def _place(candidate: _Candidate) -> int:
    return candidate.place


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of one load, in the order of the files."""

    #: Names this set of files; kept with each decision.
    hash: str
    rules: tuple[Rule, ...]
    directory: Directory = field(default_factory=Directory, compare=False)
    by_id: Mapping[str, Rule] = field(init=False, compare=False, repr=False)
    _buckets: dict[str, _Bucket] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {rule.id: rule for rule in self.rules})

    def matching(self, event_type: str, names: Names) -> list[Rule]:
        """Return the rules whose event and `match` these are, in order; whether they are enabled is not asked."""
        kind = event_type.casefold()
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = _make_bucket(self.rules, kind)
            if len(self._buckets) < _MOST_TYPES:
                self._buckets[kind] = bucket
        return [
            rule
            for _, rule, clauses in bucket.candidates(names)
            if all(clause.holds(names) for clause in clauses)
        ]


def _make_bucket(rules: Sequence[Rule], event_type: str) -> _Bucket:
    listening = [(place, rule) for place, rule in enumerate(rules) if rule.listens_to(event_type)]
    variety: dict[str, set[Key]] = {}
    for _, rule in listening:
        for clause in rule.match:
            variety.setdefault(clause.path.text, set()).update(clause.equals)
    index: dict[str, tuple[Path, dict[Key, list[_Candidate]]]] = {}
    others: list[_Candidate] = []
    for place, rule in listening:
        equalities = [clause for clause in rule.match if clause.equals]
        if not equalities:
            others.append(_Candidate(place, rule, rule.match))
            continue
        # The path at which the rules differ most leaves the fewest candidates.
        chosen = max(equalities, key=lambda clause: len(variety[clause.path.text]))
        candidate = _Candidate(place, rule, tuple(clause for clause in rule.match if clause is not chosen))
        _, keys = index.setdefault(chosen.path.text, (chosen.path, {}))
        for key in chosen.equals:
            keys.setdefault(key, []).append(candidate)
    return _Bucket(tuple(index.values()), tuple(others))
