"""A rule, and a set of rules compiled so that an event meets only those that can concern it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Generic, NamedTuple, Protocol, TypeVar

from zennotify.core.absent import Absent
from zennotify.core.digest import Digest
from zennotify.core.during import Hours
from zennotify.core.escalation import Step
from zennotify.core.match import Clause, Key, keys_of
from zennotify.core.model import Names, Predicate
from zennotify.core.notify import Directory
from zennotify.core.once import Once
from zennotify.core.path import Path
from zennotify.core.stale import Stale
from zennotify.core.suppression import Mark, SuppressedBy
from zennotify.core.threshold import Threshold
from zennotify.core.wait import Opposite, Wait
from zennotify.core.window import Stage

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
    #: Event types, in lower case; `*` is a glob.  With `absent`, what is awaited.
    events: tuple[str, ...]
    #: All must hold.
    match: tuple[Clause, ...] = ()
    when: Predicate | None = None
    threshold: Threshold | None = None
    stale: Stale | None = None
    suppressed: SuppressedBy | None = None
    hours: Hours | None = None
    wait: Wait | None = None
    once: Once | None = None
    digest: Digest | None = None
    absent: Absent | None = None
    escalate: tuple[Step, ...] = ()
    #: Roles or channels, each once, in the file's order.
    notify: tuple[str, ...]
    hold: Hold | None = None
    #: The id that it had before: its windows are carried over.
    renamed_from: str = ""

    @property
    def told(self) -> tuple[str, ...]:
        """All names that the rule may tell, now or later, each once."""
        elsewhere = self.hours.notify if self.hours is not None else ()
        steps = (name for step in self.escalate for name in step.notify)
        return tuple(dict.fromkeys((*self.notify, *elsewhere, *steps)))

    def listens_to(self, event_type: str) -> bool:
        """Return whether the rule listens to a type, given in lower case."""
        return any(fnmatchcase(event_type, pattern) for pattern in self.events)


class Memory(NamedTuple):
    """A window that a rule asks or changes, before its key is known."""

    #: What the rule calls it: its stage; `SUPPRESSED` for the other rule's window that mutes it.
    name: str
    #: Whose it is.
    rule: str
    stage: str
    per: tuple[Path, ...]


#: The window of another rule, by which a rule is suppressed.
SUPPRESSED = "suppressed"


class Opposing(NamedTuple):
    """An opposite, and the rule whose message it withdraws."""

    rule: Rule
    opposite: Opposite

    @property
    def match(self) -> tuple[Clause, ...]:
        """All must hold."""
        return self.opposite.match

    def listens_to(self, event_type: str) -> bool:
        """Return whether it may be an event of a type, given in lower case."""
        return self.opposite.listens_to(event_type)


class _Listener(Protocol):
    @property
    def match(self) -> tuple[Clause, ...]: ...

    def listens_to(self, event_type: str) -> bool: ...


Listener = TypeVar("Listener", bound=_Listener)


class _Candidate(NamedTuple, Generic[Listener]):
    """Who listens to an event type."""

    #: Among all.
    place: int
    listener: Listener
    #: The clauses that have still to be asked.
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class _Bucket(Generic[Listener]):
    """Those that listen to one event type, found by what one of their clauses must equal."""

    #: For each path: the path, and those that ask for a key there.
    index: tuple[tuple[Path, dict[Key, list[_Candidate[Listener]]]], ...]
    #: Those without an equality clause.
    others: tuple[_Candidate[Listener], ...]

    def candidates(self, names: Names) -> list[_Candidate[Listener]]:
        found = list(self.others)
        for path, rules in self.index:
            for value in path.values(names):
                for key in keys_of(value):
                    found += rules.get(key, ())
        # With `[*]` one may be found more than once.
        return sorted({candidate.place: candidate for candidate in found}.values(), key=_place)


def _place(candidate: _Candidate[Listener]) -> int:
    return candidate.place


class _Index(Generic[Listener]):
    """Finds those whose event and `match` an event meets."""

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(listeners)
        self._buckets: dict[str, _Bucket[Listener]] = {}

    def __len__(self) -> int:
        return len(self._listeners)

    def matching(self, kind: str, names: Names) -> list[Listener]:
        """Return those that an event meets, given its type in lower case, in order."""
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = _make_bucket(self._listeners, kind)
            if len(self._buckets) < _MOST_TYPES:
                self._buckets[kind] = bucket
        return [
            listener
            for _, listener, clauses in bucket.candidates(names)
            if all(clause.holds(names) for clause in clauses)
        ]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of one load, in the order of the files."""

    #: Names this set of files; kept with each decision.
    hash: str
    rules: tuple[Rule, ...]
    directory: Directory = field(default_factory=Directory, compare=False)
    by_id: Mapping[str, Rule] = field(init=False, compare=False, repr=False)
    #: For each rule, what is remembered when it fires, for those that it mutes: one for each `same`.
    marks: Mapping[str, Sequence[Mark]] = field(init=False, compare=False, repr=False)
    #: For each rule, the windows that it asks or changes.
    memories: Mapping[str, Sequence[Memory]] = field(init=False, compare=False, repr=False)
    _index: _Index[Rule] = field(init=False, compare=False, repr=False)
    _opposites: _Index[Opposing] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        marks = _marks(self.rules)
        opposites = [Opposing(rule, one) for rule in self.rules if rule.wait for one in rule.wait.unless]
        memories = {rule.id: tuple(_memories(rule, marks.get(rule.id, ()))) for rule in self.rules}
        object.__setattr__(self, "by_id", {rule.id: rule for rule in self.rules})
        object.__setattr__(self, "marks", marks)
        object.__setattr__(self, "memories", memories)
        object.__setattr__(self, "_index", _Index(self.rules))
        object.__setattr__(self, "_opposites", _Index(opposites))

    @property
    def renamed(self) -> dict[str, str]:
        """The rules that had another id before, by that id."""
        return {
            rule.renamed_from: rule.id
            for rule in self.rules
            if rule.renamed_from and rule.renamed_from not in self.by_id
        }

    def matching(self, event_type: str, names: Names) -> list[Rule]:
        """Return the rules whose event and `match` these are, in order; whether they are enabled is not asked."""
        return self._index.matching(event_type.casefold(), names)

    def opposing(self, event_type: str, names: Names) -> list[Rule]:
        """Return the rules whose waiting messages this event may withdraw, each once."""
        if not len(self._opposites):
            return []
        found = self._opposites.matching(event_type.casefold(), names)
        return list({one.rule.id: one.rule for one in found}.values())


def _marks(rules: Sequence[Rule]) -> dict[str, list[Mark]]:
    """Return for each rule what is remembered when it fires, for as long as the longest of those that it mutes asks."""
    found: dict[str, dict[str, Mark]] = {}
    for rule in rules:
        wanted = rule.suppressed
        if wanted is not None:
            same = found.setdefault(wanted.rule, {})
            lasts = 2 * wanted.within + (rule.wait.longest if rule.wait else timedelta(0))
            known = same.get(wanted.stage)
            if known is None or known.lasts < lasts:
                same[wanted.stage] = Mark(wanted.stage, wanted.same, lasts)
    return {rule: list(same.values()) for rule, same in found.items()}


def _memories(rule: Rule, marks: Sequence[Mark]) -> Iterator[Memory]:
    stages: list[tuple[Stage, Threshold | Wait | Once | Digest | Absent | None]] = [
        (Stage.THRESHOLD, rule.threshold),
        (Stage.WAIT, rule.wait),
        (Stage.UNLESS, rule.wait),
        (Stage.ONCE, rule.once),
        (Stage.DIGEST, rule.digest),
        (Stage.ABSENT, rule.absent),
    ]
    for stage, one in stages:
        # Without `per` a rule's events are one to it; only what waits has to wait for itself, or it would be lost.
        if one is not None and (one.per or not isinstance(one, Wait)):
            yield Memory(stage, rule.id, stage, one.per)
    for mark in marks:
        yield Memory(mark.stage, rule.id, mark.stage, mark.same)
    if rule.suppressed is not None:
        yield Memory(SUPPRESSED, rule.suppressed.rule, rule.suppressed.stage, rule.suppressed.same)


def _make_bucket(listeners: Sequence[Listener], event_type: str) -> _Bucket[Listener]:
    listening = [(place, one) for place, one in enumerate(listeners) if one.listens_to(event_type)]
    variety: dict[str, set[Key]] = {}
    for _, one in listening:
        for clause in one.match:
            variety.setdefault(clause.path.text, set()).update(clause.equals)
    index: dict[str, tuple[Path, dict[Key, list[_Candidate[Listener]]]]] = {}
    others: list[_Candidate[Listener]] = []
    for place, one in listening:
        equalities = [clause for clause in one.match if clause.equals]
        if not equalities:
            others.append(_Candidate(place, one, one.match))
            continue
        # The path at which they differ most leaves the fewest candidates.
        chosen = max(equalities, key=lambda clause: len(variety[clause.path.text]))
        candidate = _Candidate(place, one, tuple(clause for clause in one.match if clause is not chosen))
        _, keys = index.setdefault(chosen.path.text, (chosen.path, {}))
        for key in chosen.equals:
            keys.setdefault(key, []).append(candidate)
    return _Bucket(tuple(index.values()), tuple(others))
