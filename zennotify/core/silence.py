"""Silences: an operator's mutes, asked after the rule and before its windows.

They are kept in the store; silences.py adds and ends them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from zennotify.core.match import Clause
from zennotify.core.model import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One mute."""

    id: str
    #: Empty: all rules.
    rule: str = ""
    #: All must hold.
    match: tuple[Clause, ...] = ()
    since: datetime
    #: From this moment on it holds no more.
    until: datetime
    why: str = ""
    by: str = ""

    def holds(self, rule: str, names: Names, now: datetime) -> bool:
        """Return whether it mutes a rule, for these names, at `now`."""
        return (
            self.since <= now < self.until
            and self.rule in {"", rule}
            and all(clause.holds(names) for clause in self.match)
        )

    def __str__(self) -> str:
        by = f" by {self.by}" if self.by else ""
        why = f": {self.why}" if self.why else ""
        return f"silence {self.id}{by} until {self.until.isoformat()}{why}"


def silence_of(silences: Iterable[Silence], rule: str, names: Names, now: datetime) -> Silence | None:
    """Return the silence that mutes a rule for these names at `now`, or None."""
    return next((silence for silence in silences if silence.holds(rule, names, now)), None)
