"""What all rules of a set share: what they may name, what was compiled already, what is wrong so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from zennotify.centerfile import CenterFile
from zennotify.core.model import Form, Names, Predicate
from zennotify.core.notify import GuestChannel
from zennotify.core.path import Path
from zennotify.errors import Problem
from zennotify.message import MessageTemplate, Templates, compile_expression, moment_at
from zennotify.rulefile.between import Between
from zennotify.rulefile.examine import Examiner
from zennotify.rulefile.sources import Sources
from zennotify.zenoti.aliases import Aliases
from zennotify.zenoti.names import EVENT_NAMES, MESSAGE_NAMES


class Shared:
    """Made once per set, by compile.py, and given to every rule."""

    def __init__(
        self,
        sources: Sources,
        channels: Mapping[str, Form] | None,
        center_file: CenterFile,
        event_types: Sequence[str],
        aliases: Aliases,
        time_zone: str,
        locale: str,
        *,
        examined: bool,
    ) -> None:
        roles = center_file.roles
        #: What `notify` may name; None where that is not known, and anything goes.
        self.told = None if channels is None or roles is None else {*channels, *roles}
        self.centers = center_file.centers
        #: How a name that is none of them is called.
        self.kind_told = "channel or role" if roles else "channel"
        #: The channels whose recipient comes from the event, where there are some.
        self.guests: Mapping[str, GuestChannel] = {}
        self._recipients: dict[str, tuple[tuple[str, str], ...]] = {}
        self._time_zone = time_zone
        self.event_types = {event_type.casefold(): event_type for event_type in event_types}
        self._aliases = aliases
        self._names = self.event_types.keys() | aliases.keys()
        self.templates = Templates(sources.templates, time_zone=time_zone, locale=locale, known=MESSAGE_NAMES)
        #: None for rules that were in force before.
        self.examiner = Examiner(self.templates, self.event_types) if examined else None
        #: Whether nobody can acknowledge; what was in force before goes on all the same.
        self.lacks_public_url = False
        self.template_names = frozenset(sources.templates)
        self.templates_at = sources.templates_at
        #: Where each id was first given.
        self.ids: dict[str, str] = {}
        self.problems = [
            Problem(f"{sources.templates_at}/{name}", line, min(line, 1), sentence)
            for name, line, sentence in self.templates.problems()
        ]
        self.between = Between(self.examiner)
        self.broken = {problem.file for problem in self.problems}
        self._predicates: dict[str, Predicate] = {}
        self._messages: dict[str, MessageTemplate] = {}

    def listens_to(self, events: Sequence[str]) -> tuple[str, ...]:
        """Return what a rule listens to, in lower case: types by the catalog's names, and globs.

        Events are known by those names: a glob that fits an alias stands for the type behind it, too.
        """
        heard: list[str] = []
        for event in events:
            pattern = event.casefold()
            heard.append(self._aliases.get(pattern, pattern))
            if "*" in pattern:
                heard += (
                    kind
                    for alias, kind in self._aliases.items()
                    if fnmatchcase(alias, pattern) and not fnmatchcase(kind, pattern)
                )
        return tuple(dict.fromkeys(heard))

    def knows(self, event: str) -> bool:
        """Say whether a type, in lower case, is one that the catalog knows, or a glob for one."""
        return event in self._names or any(fnmatchcase(name, event) for name in self._names)

    def recipients(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return the channels whose recipient comes from the event and which a name may mean, and their `to`."""
        if not self.guests:
            return ()
        if name not in self._recipients:
            places = (None, *(center.id for center in self.centers))
            channels = dict.fromkeys(
                channel for place in places for channel in self.centers.channels_of(name, place)
            )
            self._recipients[name] = tuple(
                (channel, self.guests[channel].to) for channel in channels if channel in self.guests
            )
        return self._recipients[name]

    def predicate(self, expression: str) -> Predicate:
        """Compile an expression, once."""
        if expression not in self._predicates:
            self._predicates[expression] = compile_expression(expression, EVENT_NAMES, self._time_zone)
        return self._predicates[expression]

    def moment(self, path: Path) -> Callable[[Names], datetime | None]:
        """Return what reads the moment at a path."""
        return moment_at(path, self._time_zone)

    def message(self, name: str) -> MessageTemplate:
        """Return the message of a template, the same one for all rules."""
        if name not in self._messages:
            self._messages[name] = self.templates.message(name)
        return self._messages[name]
