"""Compile one rule of a file, or say everything that is wrong with it.  Called by compile.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from zennotify.core.match import Clause
from zennotify.core.model import Predicate
from zennotify.core.once import Once
from zennotify.core.path import Path, PathError
from zennotify.core.rule import Hold, Rule
from zennotify.errors import Problem
from zennotify.message import MessageTemplate, TemplateProblem, Want
from zennotify.rulefile.clauses import read_clause, read_path
from zennotify.rulefile.entry import NOT_YET, PLACEHOLDERS, RuleEntry
from zennotify.rulefile.examine import Asked
from zennotify.rulefile.meant import nearest_type
from zennotify.rulefile.roles import silent_at, unknown_regions
from zennotify.rulefile.shared import Shared
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import Document, Step, kind
from zennotify.zenoti.names import Names


class RuleCompiler:
    """Compiles one rule and says what is wrong with it."""

    def __init__(self, document: Document, index: int, shared: Shared) -> None:
        self._document = document
        self._at: tuple[Step, ...] = ("rules", index)
        self._raw: Any = document.value["rules"][index]
        self._shared = shared
        #: Keys that are missing or wrong: nothing more is said of them.
        self._wrong: set[str] = set()
        self._failed = False
        self._asked = Asked()
        id_ = self._raw.get("id") if isinstance(self._raw, dict) else None
        self._label = id_[:100] if isinstance(id_, str) and id_.strip() else f"rules[{index}]"

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
        self._check_centers(entry.notify, clauses)
        when = self._when(entry.when)
        once = self._once(entry)
        message = self._message(entry)
        self._examine(entry)
        if entry.tests is not None:
            self._add(
                ("tests",), "tests are not run yet by this version of zennotify", key=True, warning=True
            )
        if self._failed or message is None:
            return None
        rule = Rule(
            id=entry.id,
            description=entry.description,
            enabled=entry.enabled,
            events=self._shared.listens_to(entry.event),
            match=clauses,
            when=when,
            once=once,
            notify=entry.notify,
            hold=_hold(entry.wait_for_names, message.wants),
            stale=entry.stale_after,
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
            known = tuple(RuleEntry.model_fields) if len(path) == 1 else ("per", "for")
            hint = did_you_mean(name, known + NOT_YET) or f"; known are: {' '.join(known)}"
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
        line, column = self._document.where((*self._at, "id"))
        here = f"{self._document.name}:{line}:{column}"
        first = self._shared.ids.setdefault(id_, here)
        if first != here:
            self._add(("id",), f"this id is given twice: already at {first}")

    def _check_events(self, events: tuple[str, ...]) -> None:
        for event in events:
            if "event" in self._wrong or self._shared.knows(event.casefold()):
                continue
            what = "fits no event type" if "*" in event else "is not an event type"
            hint = nearest_type(event, self._shared.event_types)
            # Zenoti may send a type that is new; one with a blank is rather two that were written as one.
            harmless = " " not in event or self._shared.told is None
            self._add(("event",), f"`{event}` {what} that zennotify knows{hint}", warning=harmless)

    def _check_channels(self, names: tuple[str, ...]) -> None:
        known = self._shared.told
        if "notify" in self._wrong or known is None:
            return
        for name in (name for name in names if name not in known):
            path = self._part("notify", name)
            if "://" in name:
                self._add(path, "`notify` takes names from `channels` in the configuration, not URLs")
            else:
                hint = did_you_mean(name, known)
                self._add(path, f"there is no {self._shared.kind_told} `{name[:60]}`{hint}")

    def _check_centers(self, names: tuple[str, ...], match: Sequence[Clause]) -> None:
        """Warn of roles that lead nowhere at a centre that the rule may meet, and of regions that there are not."""
        centers, known = self._shared.centers, self._shared.told
        if "notify" in self._wrong or known is None:
            return
        for name in (name for name in names if name in known):
            silent = silent_at(name, match, centers)
            if silent:
                more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
                sentence = f"`{name}` means no channel at {silent[0]}{more}, nor in its region"
                self._add(self._part("notify", name), sentence, warning=True)
        for text, sentence in unknown_regions(match, centers):
            self._add(("match", text), sentence, warning=True)

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
                self._asked.clauses.append((("match", text), path, wanted))
                yield clause
            else:
                for below, sentence in clause:
                    self._add(("match", text, *below), sentence)

    def _when(self, expression: str) -> Predicate | None:
        if not expression:
            return None
        try:
            predicate = self._shared.predicate(expression)
        except TemplateProblem as problem:
            self._add(("when",), f"{problem.message}{self._comment(('when',))}")
            return None
        self._asked.when = expression
        return predicate

    def _once(self, entry: RuleEntry) -> Once | None:
        if entry.once is None:
            return None
        paths: list[Path] = []
        for text in entry.once.per:
            place = self._part("once", "per", text)
            try:
                paths.append(read_path(text))
            except PathError as error:
                self._add(place, str(error))
            else:
                self._asked.keys.append((place, paths[-1]))
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
            message = self._shared.templates.inline(entry.message, entry.description or entry.id)
        except TemplateProblem as problem:
            self._add_inline(problem.message, problem.line)
            return None
        self._asked.message = entry.message
        return message

    def _from_file(self, name: str) -> MessageTemplate | None:
        shared = self._shared
        if name not in shared.template_names:
            hint = did_you_mean(name, shared.template_names)
            self._add(("template",), f"there is no template `{name[:60]}` in {shared.templates_at}{hint}")
            return None
        if f"{shared.templates_at}/{name}" in shared.broken:
            return None
        self._asked.template = name
        return shared.message(name)

    def _examine(self, entry: RuleEntry) -> None:
        """Say what the rule asks for that its events do not carry."""
        examiner = self._shared.examiner
        if examiner is None or "event" in self._wrong:
            return
        self._asked.events, self._asked.heard = entry.event, self._shared.listens_to(entry.event)
        if "notify" not in self._wrong:
            self._asked.recipients = [
                (self._part("notify", name), channel, to)
                for name in entry.notify
                for channel, to in self._shared.recipients(name)
            ]
        for (sentence, warning, line, _), place, key, template in examiner.examine(self._asked):
            if template:
                file = f"{self._shared.templates_at}/{template}"
                self._note(Problem(file, line, min(line, 1), f"{self._label}: {sentence}", warning))
            elif place in {("message",), ("when",)}:
                self._add_inline(sentence, line, warning=warning, key=str(place[0]))
            else:
                self._add(place, sentence, key=key, warning=warning)

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

    def _add_inline(self, sentence: str, line: int, *, warning: bool = False, key: str = "message") -> None:
        where = self._document.where_in((*self._at, key), line)
        self._note(Problem(self._document.name, *where, f"{self._label}.{key}: {sentence}", warning))

    def _note(self, problem: Problem) -> None:
        self._failed = self._failed or not problem.warning
        self._shared.problems.append(problem)


def _hold(period: timedelta | None, wants: Collection[Want]) -> Hold | None:
    if period is None:
        return None
    return Hold(period, lambda names: names.awaited(wants) if isinstance(names, Names) else ())
