"""Compile Sources into rules and messages, or name every error of every file and template.

No file is opened here: the sources may come from the store, where the last good rules are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from pydantic import ValidationError

from zennotify import yamlfile
from zennotify.core.match import Clause
from zennotify.core.model import Form, Predicate
from zennotify.core.once import Once
from zennotify.core.path import Path, PathError
from zennotify.core.rule import Rule, RuleSet
from zennotify.errors import ConfigError, Problem
from zennotify.message import MessageTemplate, TemplateProblem, Templates, compile_expression
from zennotify.rulefile.clauses import read_clause, read_path
from zennotify.rulefile.entry import NOT_YET, PLACEHOLDERS, RuleEntry
from zennotify.rulefile.sources import Sources
from zennotify.yamlfile import Document, Step, did_you_mean, kind

MOST_RULES: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRules:
    """Rules that can be used at once."""

    rules: RuleSet
    #: The message of each rule, by the rule's id.
    messages: Mapping[str, MessageTemplate]
    warnings: tuple[Problem, ...]


def compile_rules(
    sources: Sources,
    *,
    channels: Mapping[str, Form],
    time_zone: str,
    locale: str,
    event_types: Sequence[str],
) -> CompiledRules:
    """Compile, or raise ConfigError with all problems, by file and line.

    `channels` are the names that `notify` may use, `event_types` what the catalog knows (another one is only a
    warning: Zenoti adds types).
    """
    shared = _Shared(sources, channels, event_types, time_zone, locale)
    compiled = [_RuleCompiler(place, shared).compile() for place in _places(sources, shared.problems)]
    if any(not problem.warning for problem in shared.problems):
        raise ConfigError(sorted(shared.problems))
    usable = [pair for pair in compiled if pair is not None]
    return CompiledRules(
        rules=RuleSet(sources.hash, tuple(rule for rule, _ in usable)),
        messages={rule.id: message for rule, message in usable},
        warnings=tuple(sorted(shared.problems)),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """One rule as it stands in its file."""

    document: Document
    index: int
    raw: Any


class _Shared:
    """What all rules of a set share: what they may name, what was compiled already, what is wrong."""

    def __init__(
        self,
        sources: Sources,
        channels: Mapping[str, Form],
        event_types: Sequence[str],
        time_zone: str,
        locale: str,
    ) -> None:
        self.channels = channels
        self.event_types = {event_type.casefold(): event_type for event_type in event_types}
        self.templates = Templates(sources.templates, time_zone=time_zone, locale=locale)
        self.template_names = frozenset(sources.templates)
        self.templates_at = sources.templates_at
        #: Where each id was first given.
        self.ids: dict[str, str] = {}
        self.problems = [
            Problem(f"{sources.templates_at}/{name}", line, min(line, 1), sentence)
            for name, line, sentence in self.templates.problems()
        ]
        self.broken = {problem.file for problem in self.problems}
        self._predicates: dict[str, Predicate] = {}

    def predicate(self, expression: str) -> Predicate:
        """Compile an expression, once."""
        if expression not in self._predicates:
            self._predicates[expression] = compile_expression(expression)
        return self._predicates[expression]


def _places(sources: Sources, problems: list[Problem]) -> Iterator[_Place]:
    count = 0
    for name, text in sorted(sources.rules.items()):
        try:
            document = yamlfile.load(text.encode(), f"{sources.rules_at}/{name}")
        except ConfigError as error:
            problems += error.problems
            continue
        for index, raw in enumerate(_rules_of(document, problems)):
            count += 1
            if count > MOST_RULES:
                problems.append(document.problem(("rules", index), f"there are more than {MOST_RULES} rules"))
                return
            yield _Place(document, index, raw)


def _rules_of(document: Document, problems: list[Problem]) -> list[Any]:
    """Return the rules of one file as they are written."""
    value = document.value
    if value is None:
        problems.append(
            Problem(document.name, 0, 0, "the file is empty; write rules below `rules:`, or delete it")
        )
        return []
    if not isinstance(value, dict):
        found = "the rules go below a line `rules:`" if isinstance(value, list) else f"not {kind(value)}"
        problems.append(document.problem((), f"`rules:` is expected: {found}"))
        return []
    for key in value:
        if key != "rules":
            hint = did_you_mean(key, ["rules"]) or "; a rule file has one, `rules`"
            problems.append(document.problem((key,), f"unknown key `{key[:60]}`{hint}", key=True))
    rules = value.get("rules")
    if isinstance(rules, list):
        return rules
    if "rules" in value:
        sentence = f"rules: a list of rules is expected (`- id: ...`), not {kind(rules)}"
        problems.append(document.problem(("rules",), sentence))
    return []


class _RuleCompiler:
    """Compiles one rule and says what is wrong with it."""

    def __init__(self, place: _Place, shared: _Shared) -> None:
        self._document = place.document
        self._at: tuple[Step, ...] = ("rules", place.index)
        self._raw = place.raw
        self._shared = shared
        #: Keys that are missing or wrong: nothing more is said of them.
        self._wrong: set[str] = set()
        self._failed = False
        id_ = place.raw.get("id") if isinstance(place.raw, dict) else None
        self._label = id_[:100] if isinstance(id_, str) and id_.strip() else f"rules[{place.index}]"

    def compile(self) -> tuple[Rule, MessageTemplate] | None:
        """Return the rule and its message, or None when something is wrong."""
        if not isinstance(self._raw, dict):
            self._add((), f"a rule is expected (`id: ...` and so on), not {kind(self._raw)}")
            return None
        entry = self._read_entry()
        self._check_id(entry.id)
        self._check_events(entry.event)
        self._check_channels(entry.notify)
        clauses = tuple(self._clauses(entry.match))
        when = self._when(entry.when)
        once = self._once(entry)
        message = self._message(entry)
        if self._failed or message is None:
            return None
        rule = Rule(
            id=entry.id,
            description=entry.description,
            enabled=entry.enabled,
            events=tuple(event.casefold() for event in entry.event),
            match=clauses,
            when=when,
            once=once,
            notify=entry.notify,
        )
        return rule, message

    def _read_entry(self) -> RuleEntry:
        """Read the keys; those that cannot be read are reported and left out."""
        raw: dict[str, Any] = self._raw
        try:
            return RuleEntry.model_validate(raw)
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            self._wrong.add(str(detail["loc"][0]))
            self._explain(detail["loc"], detail)
        kept = {key: value for key, value in raw.items() if key not in self._wrong}
        needed = {key: value for key, value in PLACEHOLDERS.items() if key in self._wrong}
        return RuleEntry.model_validate(kept | needed)

    def _explain(self, path: tuple[Step, ...], detail: Mapping[str, Any]) -> None:
        name = str(path[-1])
        if detail["type"] == "missing":
            self._add(path[:-1], f"`{name}` is missing")
        elif detail["type"] == "extra_forbidden" and len(path) == 1 and name in NOT_YET:
            self._add(path, f"`{name}` is not supported yet by this version of zennotify", key=True)
        elif detail["type"] == "extra_forbidden":
            known = RuleEntry.model_fields if len(path) == 1 else ("per", "for")
            hint = did_you_mean(name, known) or f"; known are: {' '.join(known)}"
            self._add(path, f"unknown key{hint}", key=True)
        elif self._document.is_blank((*self._at, *path)):
            self._add(path, f"`{name}` has no value{self._comment(path)}")
        elif detail["type"] == "value_error":
            self._add(path, str(detail["ctx"]["error"]))
        else:
            self._add(path, f"`key: value` lines are expected, not {kind(detail['input'])}")

    def _check_id(self, id_: str) -> None:
        if "id" in self._wrong:
            return
        line, _ = self._document.where((*self._at, "id"))
        here = f"{self._document.name}:{line}"
        first = self._shared.ids.setdefault(id_, here)
        if first != here:
            self._add(("id",), f"this id is given twice: already at {first}")

    def _check_events(self, events: tuple[str, ...]) -> None:
        known = self._shared.event_types
        for event in events:
            folded = event.casefold()
            if "event" in self._wrong or folded in known or any(fnmatchcase(it, folded) for it in known):
                continue
            what = "fits no event type" if "*" in event else "is not an event type"
            hint = did_you_mean(event, known.values())
            self._add(("event",), f"`{event}` {what} that zennotify knows{hint}", warning=True)

    def _check_channels(self, names: tuple[str, ...]) -> None:
        if "notify" in self._wrong:
            return
        for name in names:
            if name in self._shared.channels:
                continue
            path = self._part("notify", name)
            if "://" in name:
                self._add(path, "`notify` takes names from `channels` in the configuration, not URLs")
            else:
                hint = did_you_mean(name, self._shared.channels)
                self._add(path, f"there is no channel `{name[:60]}`{hint}")

    def _clauses(self, match: Mapping[str, Any]) -> Iterator[Clause]:
        for text, wanted in match.items():
            try:
                path = read_path(text)
            except PathError as error:
                self._add(("match", text), str(error), key=True)
                continue
            if wanted is None and self._document.is_blank((*self._at, "match", text)):
                hint = self._comment(("match", text)) or "; write `null`, or {exists: no}"
                self._add(("match", text), f"no value is given{hint}")
                continue
            clause = read_clause(path, wanted)
            if isinstance(clause, Clause):
                yield clause
            else:
                for below, sentence in clause:
                    self._add(("match", text, *below), sentence)

    def _when(self, expression: str) -> Predicate | None:
        if not expression:
            return None
        try:
            return self._shared.predicate(expression)
        except TemplateProblem as problem:
            self._add(("when",), f"{problem.message}{self._comment(('when',))}")
            return None

    def _once(self, entry: RuleEntry) -> Once | None:
        if entry.once is None:
            return None
        paths: list[Path] = []
        for text in entry.once.per:
            try:
                paths.append(read_path(text))
            except PathError as error:
                self._add(self._part("once", "per", text), str(error))
        return Once(per=tuple(paths), period=entry.once.period)

    def _message(self, entry: RuleEntry) -> MessageTemplate | None:
        if {"template", "message"} & self._wrong:
            return None
        if bool(entry.template) == bool(entry.message):
            both = (
                "`template` and `message` are both given; one of them says"
                if entry.template
                else ("`template` or `message` is missing: one of them says")
            )
            self._add(("message",) if entry.template else (), f"{both} what is sent")
            return None
        return self._inline(entry) if entry.message else self._from_file(entry.template)

    def _inline(self, entry: RuleEntry) -> MessageTemplate | None:
        try:
            return self._shared.templates.inline(entry.message, entry.description or entry.id)
        except TemplateProblem as problem:
            where = self._document.where_in((*self._at, "message"), problem.line)
            self._note(Problem(self._document.name, *where, f"{self._label}.message: {problem.message}"))
            return None

    def _from_file(self, name: str) -> MessageTemplate | None:
        shared = self._shared
        if name not in shared.template_names:
            hint = did_you_mean(name, shared.template_names)
            self._add(("template",), f"there is no template `{name[:60]}` in {shared.templates_at}{hint}")
            return None
        if f"{shared.templates_at}/{name}" in shared.broken:
            return None
        return shared.templates.message(name)

    def _part(self, *path: str) -> tuple[Step, ...]:
        """Return the path of one text in a list; `x` alone is the same as `[x]`."""
        value: Any = self._raw
        for step in path[:-1]:
            value = value[step]
        places = (
            [index for index, text in enumerate(value) if text.strip() == path[-1]]
            if isinstance(value, list)
            else []
        )
        return (*path[:-1], *places[:1])

    def _comment(self, path: tuple[Step, ...]) -> str:
        comment = self._document.comment_after((*self._at, *path))
        return "; ` #` starts a comment: put the text in quotes, or below `>-`" if comment else ""

    def _add(
        self, path: tuple[Step, ...], sentence: str, *, key: bool = False, warning: bool = False
    ) -> None:
        label = self._label + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        self._note(
            self._document.problem((*self._at, *path), f"{label}: {sentence}", key=key, warning=warning)
        )

    def _note(self, problem: Problem) -> None:
        self._failed = self._failed or not problem.warning
        self._shared.problems.append(problem)
