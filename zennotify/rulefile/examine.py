"""Go through what one rule asks of its events, and hold each part against the catalog.  Called by onerule.py.

Rules that were in force before are not examined: the catalog may have learned since, and they have to go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zennotify.core.path import Path
from zennotify.message import INLINE, Guards, Templates, Uses, expression_uses
from zennotify.rulefile.findings import (
    Finding,
    demanded,
    guards_of,
    of_clause,
    of_key,
    of_moment,
    of_recipient,
    of_uses,
)
from zennotify.rulefile.remarks import Place
from zennotify.rulefile.scope import Scope

#: A path of `per`: where it stands, and what follows where it is never known.
Key = tuple[Place, Path, str]


@dataclass(slots=True)
class Asked:
    """What a rule asks of its events: the parts that can be read."""

    #: As they are written, and as the catalog calls them, in lower case.
    events: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    #: Where each path of `match` stands, and what must hold there.
    clauses: list[tuple[Place, Path, Any]] = field(default_factory=list)
    #: The paths of `per`, and those of moments.
    keys: list[Key] = field(default_factory=list)
    moments: list[tuple[Place, Path]] = field(default_factory=list)
    when: str = ""
    #: One of these, or neither.
    message: str = ""
    template: str = ""
    #: Of the channels told whose recipient comes from the event: where it is named, its name and its `to`.
    recipients: list[tuple[Place, str, str]] = field(default_factory=list)
    #: What it asks of other events: those that withdraw its message.
    others: list[Asked] = field(default_factory=list)


class Found(NamedTuple):
    """A finding and where it belongs."""

    finding: Finding
    #: Within the rule, and whether the key there is meant, not its value.
    place: Place
    key: bool = False
    #: The template that it is in, if it is in one.
    template: str = ""


class Examiner:
    """Examines the rules of one set; what rules have in common is looked at once."""

    def __init__(self, templates: Templates, event_types: Mapping[str, str]) -> None:
        """Take the templates, and the types that there are, by their names in lower case."""
        self._templates = templates
        self._event_types = event_types
        self._scopes: dict[tuple[str, ...], Scope] = {}
        self._whens: dict[str, Uses] = {}
        self._messages: dict[tuple[str, str], tuple[tuple[str, Uses], ...]] = {}
        self._recipients: dict[str, tuple[Uses, ...]] = {}
        self._seen: set[tuple[str, Scope, Guards]] = set()

    def examine(self, asked: Asked) -> Iterator[Found]:
        """Yield what is wrong with a rule, or looks wrong."""
        scope = self._scope(asked)
        yield from self._examine_match(asked, scope)
        for place, path in asked.moments:
            yield from (Found(finding, place) for finding in of_moment(scope, path))
        for other in asked.others:
            yield from self._examine_match(other, self._scope(other))
        clauses = [(path, wanted) for _, path, wanted in asked.clauses]
        when = self._uses_of_when(asked.when)
        if when is not None:
            yield from (Found(finding, ("when",)) for finding in of_uses(scope, when, guards_of(clauses)))
        guards = guards_of(clauses, when)
        yield from self._message(asked, scope, guards)
        for place, channel, to in asked.recipients:
            for uses in self._uses_of_recipient(to):
                for sentence in of_recipient(scope, uses, guards):
                    yield Found(Finding(f"`to` of `{channel}`: {sentence}", warning=True), place)

    def examine_keys(self, asked: Asked, keys: Sequence[Key]) -> Iterator[Found]:
        """Yield what is wrong with paths of `per` for the events of some rule."""
        scope = self._scope(asked)
        for place, path, so in keys:
            yield from (Found(finding, place) for finding in of_key(scope, path, so))

    def _scope(self, asked: Asked) -> Scope:
        scope = self._scopes.get(asked.events)
        if scope is None:
            scope = self._scopes[asked.events] = Scope.of(asked.events, asked.heard, self._event_types)
        return scope.narrowed(demanded([(path, wanted) for _, path, wanted in asked.clauses]))

    def _examine_match(self, asked: Asked, scope: Scope) -> Iterator[Found]:
        """Yield what is wrong with the clauses and the paths of `per`."""
        for place, path, wanted in asked.clauses:
            for finding in of_clause(scope, path, wanted):
                within = finding.place
                yield Found(finding, (*place, *(within or ())), key=within is None)
        for place, path, so in asked.keys:
            yield from (Found(finding, place) for finding in of_key(scope, path, so))

    def _message(self, asked: Asked, scope: Scope, guards: Guards) -> Iterator[Found]:
        if asked.template:
            # Many rules may use one template, and what is wrong for all of them is said for the first.
            key = asked.template, scope, guards
            if key in self._seen:
                return
            self._seen.add(key)
        for name, uses in self._uses_of_message(asked):
            place, template = (("message",), "") if name == INLINE else (("template",), name)
            yield from (Found(finding, place, template=template) for finding in of_uses(scope, uses, guards))

    def _uses_of_when(self, expression: str) -> Uses | None:
        if not expression:
            return None
        if expression not in self._whens:
            self._whens[expression] = expression_uses(expression)
        return self._whens[expression]

    def _uses_of_recipient(self, to: str) -> tuple[Uses, ...]:
        if to not in self._recipients:
            self._recipients[to] = tuple(uses for _, uses in self._templates.inline_uses(to))
        return self._recipients[to]

    def _uses_of_message(self, asked: Asked) -> Sequence[tuple[str, Uses]]:
        key = asked.message, asked.template
        if key not in self._messages:
            uses: Iterable[tuple[str, Uses]] = ()
            if asked.message:
                uses = self._templates.inline_uses(asked.message)
            elif asked.template:
                uses = self._templates.uses(asked.template)
            self._messages[key] = tuple(uses)
        return self._messages[key]
