"""Compile one rule of a file, or say everything that is wrong with it.  Called by compile.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from zennotify.core.match import Clause
from zennotify.core.model import Predicate
from zennotify.core.once import Once
from zennotify.core.rule import Hold, Rule
from zennotify.errors import Problem
from zennotify.message import MessageTemplate, TemplateProblem, Want
from zennotify.rulefile.between import Known
from zennotify.rulefile.clauses import read_clauses
from zennotify.rulefile.entry import PLACEHOLDERS, RuleEntry, unknown_key
from zennotify.rulefile.examine import Asked
from zennotify.rulefile.remarks import Place, Remarks
from zennotify.rulefile.roles import check_told, unknown_regions
from zennotify.rulefile.shared import Shared
from zennotify.rulefile.timed import TimeKeys, check_events, read_keys
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import Document, kind
from zennotify.zenoti.names import Names

#: What has no place beside `absent`, and why.
_NOT_WITH_ABSENT = {
    "event": "a rule with `absent` has no `event`; what is awaited stands in `absent`",
    "wait": "a rule with `absent` has no `wait`; how long is waited says `for` in `absent`",
    "threshold": "a rule with `absent` has no `threshold`: what does not come cannot be counted",
}


class RuleCompiler:
    """Compiles one rule and says what is wrong with it."""

    def __init__(self, document: Document, index: int, shared: Shared) -> None:
        self._remarks = Remarks(document, index, shared.problems)
        self._raw: Any = self._remarks.raw
        self._shared = shared
        self._wrong = self._remarks.wrong
        self._asked = Asked()

    def compile(self) -> tuple[Rule, MessageTemplate] | None:
        """Return the rule and its message, or None when something is wrong."""
        if not isinstance(self._raw, dict):
            self._remarks.add((), f"a rule is expected (`id: ...` and so on), not {kind(self._raw)}")
            return None
        entry = self._read_entry()
        events = self._events(entry)
        self._check_id(entry.id)
        clauses = tuple(read_clauses(self._remarks, ("match",), entry.match, self._asked.clauses))
        self._check_told(entry, clauses)
        when = self._when(entry.when)
        once = self._once(entry)
        timed = TimeKeys(self._remarks, self._shared, self._asked, clauses, enabled=entry.enabled)
        message = self._message(entry)
        rule = Rule(
            id=entry.id,
            renamed_from=entry.renamed_from,
            description=entry.description,
            enabled=entry.enabled,
            events=self._shared.listens_to(events),
            match=clauses,
            when=when,
            threshold=timed.threshold(entry.threshold),
            stale=entry.stale_after,
            suppressed=timed.suppressed_by(entry.suppressed_by),
            hours=timed.hours(entry.hours),
            wait=timed.wait(entry.wait),
            once=once,
            digest=timed.digest(entry.digest),
            absent=timed.absent(entry.absent),
            escalate=timed.escalate(entry.escalate),
            notify=entry.notify,
            hold=None if message is None else _hold(entry.wait_for_names, message.wants),
        )
        self._examine(entry, events)
        self._check_others(entry)
        self._shared.between.add(self._known(rule))
        return None if self._remarks.failed or message is None else (rule, message)

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

    def _explain(self, path: Place, detail: Mapping[str, Any]) -> None:
        remarks, place = self._remarks, self._remarks.place(path)
        if detail["type"] == "missing":
            remarks.add(place, f"`{path[-1]}` is missing")
        elif detail["type"] == "extra_forbidden":
            remarks.add(place, unknown_key(path), key=True)
        elif remarks.is_blank(place):
            remarks.add(place, f"`{path[-1]}` has no value{remarks.comment(place)}")
        elif detail["type"] == "value_error":
            remarks.add(place, str(detail["ctx"]["error"]))
        else:
            remarks.add(place, f"`key: value` lines are expected, not {kind(detail['input'])}")

    def _events(self, entry: RuleEntry) -> tuple[str, ...]:
        """Return the types that the rule listens to, and say what is wrong with them."""
        if "absent" in self._raw:
            for key in _NOT_WITH_ABSENT.keys() & self._raw.keys():
                self._remarks.add((key,), _NOT_WITH_ABSENT[key], key=True)
            events = entry.absent.event if entry.absent else ()
            place: Place = ("absent", "event")
        else:
            events, place = entry.event, ("event",)
            if not events:
                self._remarks.add((), "`event` is missing")
        if not events:
            self._wrong.add("event")
        if "event" not in self._wrong:
            check_events(self._remarks, self._shared, place, events)
        return events

    def _check_id(self, id_: str) -> None:
        if "id" in self._wrong:
            return
        here = self._remarks.where(("id",))
        first = self._shared.ids.setdefault(id_, here)
        if first != here:
            self._remarks.add(("id",), f"this id is given twice: already at {first}")

    def _check_told(self, entry: RuleEntry, match: Sequence[Clause]) -> None:
        """Warn of roles that lead nowhere at a centre that the rule may meet, and of regions that there are not."""
        if self._shared.told is None:
            return
        if "notify" not in self._wrong:
            check_told(self._remarks, self._shared, ("notify",), entry.notify, match)
        for text, sentence in unknown_regions(match, self._shared.centers):
            self._remarks.add(("match", text), sentence, warning=True)

    def _check_others(self, entry: RuleEntry) -> None:
        """Warn of keys that have no effect."""
        if entry.digest is not None and entry.wait_for_names is not None and not entry.digest.immediate:
            sentence = "it has no effect with `digest`: names have time to arrive until that goes out"
            self._remarks.add(("wait_for_names",), sentence, key=True, warning=True)
        if entry.tests is not None:
            self._remarks.add(
                ("tests",), "tests are not run yet by this version of zennotify", key=True, warning=True
            )

    def _known(self, rule: Rule) -> Known:
        """Return what other rules may ask of this one."""
        same = [(where, path) for where, path, _ in self._asked.keys if where[0] == "suppressed_by"]
        return Known(
            id=rule.id,
            remarks=self._remarks,
            asked=self._asked,
            enabled=rule.enabled,
            is_absent="absent" in self._raw,
            suppressed_by=rule.suppressed.rule if rule.suppressed else "",
            same=tuple(same),
            renamed_from=rule.renamed_from,
        )

    def _when(self, expression: str) -> Predicate | None:
        if not expression:
            return None
        try:
            predicate = self._shared.predicate(expression)
        except TemplateProblem as problem:
            self._remarks.add(("when",), f"{problem.message}{self._remarks.comment(('when',))}")
            return None
        self._asked.when = expression
        return predicate

    def _once(self, entry: RuleEntry) -> Once | None:
        if entry.once is None:
            return None
        per = read_keys(self._remarks, self._asked, ("once", "per"), entry.once.per, "it limits nothing")
        return Once(per=per, period=entry.once.period)

    def _message(self, entry: RuleEntry) -> MessageTemplate | None:
        if {"template", "message"} & self._wrong:
            return None
        if bool(entry.template) == bool(entry.message):
            both = (
                "`template` and `message` are both given; one of them says"
                if entry.template
                else ("`template` or `message` is missing: one of them says")
            )
            self._remarks.add(("message",) if entry.template else (), f"{both} what is sent")
            return None
        return self._inline(entry) if entry.message else self._from_file(entry.template)

    def _inline(self, entry: RuleEntry) -> MessageTemplate | None:
        try:
            message = self._shared.templates.inline(entry.message, entry.description or entry.id)
        except TemplateProblem as problem:
            self._remarks.add_inline(problem.message, problem.line)
            return None
        self._asked.message = entry.message
        return message

    def _from_file(self, name: str) -> MessageTemplate | None:
        shared = self._shared
        if name not in shared.template_names:
            hint = did_you_mean(name, shared.template_names)
            self._remarks.add(
                ("template",), f"there is no template `{name[:60]}` in {shared.templates_at}{hint}"
            )
            return None
        if f"{shared.templates_at}/{name}" in shared.broken:
            return None
        self._asked.template = name
        return shared.message(name)

    def _examine(self, entry: RuleEntry, events: tuple[str, ...]) -> None:
        """Say what the rule asks for that its events do not carry."""
        examiner = self._shared.examiner
        if examiner is None or "event" in self._wrong:
            return
        self._asked.events, self._asked.heard = events, self._shared.listens_to(events)
        self._asked.recipients = [
            (self._remarks.part(*place, name), channel, to)
            for place, names in self._told(entry)
            for name in names
            for channel, to in self._shared.recipients(name)
        ]
        for (sentence, warning, line, _), place, key, template in examiner.examine(self._asked):
            if template:
                file = f"{self._shared.templates_at}/{template}"
                self._remarks.note(
                    Problem(file, line, min(line, 1), f"{self._remarks.label}: {sentence}", warning)
                )
            elif place in {("message",), ("when",)}:
                self._remarks.add_inline(sentence, line, warning=warning, key=str(place[0]))
            else:
                self._remarks.add(place, sentence, key=key, warning=warning)

    def _told(self, entry: RuleEntry) -> Iterator[tuple[Place, Sequence[str]]]:
        """Yield all names of who may be told, by their places."""
        if "notify" not in self._wrong:
            yield ("notify",), entry.notify
        if entry.hours is not None:
            yield ("hours", "otherwise"), entry.hours.otherwise
        for index, step in enumerate(entry.escalate):
            yield ("escalate", index, "notify"), step.notify


def _hold(period: timedelta | None, wants: Collection[Want]) -> Hold | None:
    if period is None:
        return None
    return Hold(period, lambda names: names.awaited(wants) if isinstance(names, Names) else ())
