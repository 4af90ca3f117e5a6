"""The rules that the daemon goes by, as the store has them; used by records.py."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Final

from zennotify.centerfile import read_centers
from zennotify.cli.project import Project
from zennotify.configured import surroundings
from zennotify.core.center import NOT_LISTED, Centers
from zennotify.core.rule import Rule, RuleSet
from zennotify.errors import ConfigError
from zennotify.rulebook import kept_sources
from zennotify.rulefile import Sources
from zennotify.store import Reader
from zennotify.store.views import WindowView

_MOST_SETS: Final = 8


class InForce:
    """Compiles rule sets when they are asked for: thousands of rules take seconds."""

    def __init__(self, project: Project, reader: Reader) -> None:
        self._project = project
        self._reader = reader
        self._set_of = lru_cache(_MOST_SETS)(self._compile)

    def rule_of(self, window: WindowView) -> Rule | None:
        """Return the rule of a window: as it is now or, of one that was removed, as it was; None: nobody knows."""
        last = self._last
        for rules in (None if last is None else self._set_of(last[0]), self._set_of(window.window.rule_set)):
            if rules is not None and window.key.rule in rules.by_id:
                return rules.by_id[window.key.rule]
        return None

    @property
    def last(self) -> RuleSet | None:
        """The set in force; None where there is none that can be used."""
        return None if self._last is None else self._set_of(self._last[0])

    def past(self, rules_hash: str) -> RuleSet | None:
        """Return a set that was in force before; None where it is not kept, or cannot be used any more."""
        return self._set_of(rules_hash)

    @cached_property
    def centers(self) -> Centers:
        """The centres, for their names."""
        if self._last is None:
            return NOT_LISTED
        return read_centers(self._last[1].centers, "centers.yaml", None).centers

    @cached_property
    def _last(self) -> tuple[str, Sources] | None:
        """The hash and the sources of the set in force."""
        last = self._reader.last_rule_set()
        return None if last is None else (last[0], kept_sources(last[1]))

    def _compile(self, rules_hash: str) -> RuleSet | None:
        kept = self._reader.rule_set(rules_hash)
        if kept is None:
            return None
        try:
            known = surroundings(self._project.config, self._project.forms)
            return known.compile(kept_sources(kept), past=True).rules
        except ConfigError:
            return None
