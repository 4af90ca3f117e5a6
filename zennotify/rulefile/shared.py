"""What all rules of a set share: what they may name, what was compiled already, what is wrong so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zennotify.core.model import Form, Predicate
from zennotify.errors import Problem
from zennotify.message import MessageTemplate, Templates, compile_expression
from zennotify.rulefile.examine import Examiner
from zennotify.rulefile.sources import Sources
from zennotify.zenoti.names import EVENT_NAMES, MESSAGE_NAMES


class Shared:
    """Made once per set, by compile.py, and given to every rule."""

    def __init__(
        self,
        sources: Sources,
        channels: Mapping[str, Form] | None,
        event_types: Sequence[str],
        time_zone: str,
        locale: str,
        *,
        examined: bool,
    ) -> None:
        self.channels = channels
        self._time_zone = time_zone
        self.event_types = {event_type.casefold(): event_type for event_type in event_types}
        self.templates = Templates(sources.templates, time_zone=time_zone, locale=locale, known=MESSAGE_NAMES)
        #: None for rules that were in force before.
        self.examiner = Examiner(self.templates, self.event_types) if examined else None
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
        self._messages: dict[str, MessageTemplate] = {}

    def predicate(self, expression: str) -> Predicate:
        """Compile an expression, once."""
        if expression not in self._predicates:
            self._predicates[expression] = compile_expression(expression, EVENT_NAMES, self._time_zone)
        return self._predicates[expression]

    def message(self, name: str) -> MessageTemplate:
        """Return the message of a template, the same one for all rules."""
        if name not in self._messages:
            self._messages[name] = self.templates.message(name)
        return self._messages[name]
