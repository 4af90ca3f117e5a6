"""What do rules say of each other?  `suppressed_by` and `renamed_from`, asked by compile.py once all have been read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from zennotify.core.path import Path
from zennotify.rulefile.examine import Asked, Examiner
from zennotify.rulefile.remarks import Place, Remarks
from zennotify.spelling import did_you_mean

#: Looking for the nearest of very many ids takes a while.
_MOST_HINTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What other rules may ask of a rule."""

    id: str
    remarks: Remarks
    asked: Asked
    enabled: bool
    is_absent: bool
    #: The rule that suppresses this one, and the paths of `same`, with their places.
    suppressed_by: str = ""
    same: tuple[tuple[Place, Path], ...] = ()
    renamed_from: str = ""


class Between:
    """Holds the rules of one set against each other."""

    def __init__(self, examiner: Examiner | None) -> None:
        self._examiner = examiner
        self._rules: dict[str, Known] = {}
        #: As they are written; some are no ids.
        self._written: set[str] = set()
        #: Whether a file could not be read, so that there may be rules which nobody knows.
        self.is_incomplete = False

    def add(self, rule: Known) -> None:
        """Take one rule, whether or not it can be used."""
        self._written.add(rule.remarks.label)
        if "id" not in rule.remarks.wrong:
            self._rules.setdefault(rule.id, rule)

    def check(self) -> None:
        """Say what is wrong, once all rules are known."""
        hints = 0
        for rule in self._rules.values():
            if rule.suppressed_by:
                hints += self._check_suppressor(rule, with_hint=hints < _MOST_HINTS)
        for circle in self._circles():
            first = self._rules[circle[0]]
            trail = " -> ".join((*circle, circle[0]))
            sentence = (
                f"rules suppress each other in a circle: {trail}; of an event that meets all nobody is told"
            )
            first.remarks.add(("suppressed_by", "rule"), sentence, warning=True)
        self._check_names()

    def _check_suppressor(self, rule: Known, *, with_hint: bool) -> bool:
        """Say what is wrong with the rule that suppresses another; return whether there is none of that id."""
        name, place = rule.suppressed_by, ("suppressed_by", "rule")
        other = self._rules.get(name)
        if name == rule.id:
            sentence = "a rule does not suppress itself; `once` says how often it may speak"
            rule.remarks.add(place, sentence)
        elif other is None:
            if name in self._written or self.is_incomplete:
                return False
            ids = [known for known in self._rules if known != rule.id] if with_hint else ()
            rule.remarks.add(place, f"there is no rule `{name[:60]}`{did_you_mean(name, ids)}")
            return True
        elif other.is_absent:
            sentence = f"`{name}` tells what is absent; only a rule with an `event` suppresses another"
            rule.remarks.add(place, sentence)
        elif not other.enabled:
            rule.remarks.add(place, f"`{name}` is not enabled, and suppresses nothing", warning=True)
        elif self._examiner is not None and "event" not in other.remarks.wrong:
            keys = [(where, path, f"`{name}` suppresses nothing") for where, path in rule.same]
            for finding, where, key, _ in self._examiner.examine_keys(other.asked, keys):
                rule.remarks.add(where, finding.sentence, key=key, warning=True)
        return False

    def _circles(self) -> Iterator[list[str]]:
        done: set[str] = set()
        for start in self._rules:
            trail: list[str] = []
            name = start
            while name in self._rules and name not in done and name not in trail:
                trail.append(name)
                name = self._rules[name].suppressed_by
            if name in trail and len(trail) - trail.index(name) > 1:
                yield trail[trail.index(name) :]
            done.update(trail)

    def _check_names(self) -> None:
        heirs: dict[str, str] = {}
        for rule in self._rules.values():
            old, place = rule.renamed_from, ("renamed_from",)
            if not old:
                continue
            here = rule.remarks.where(place)
            first = heirs.setdefault(old, here)
            if old == rule.id:
                rule.remarks.add(place, "this is the id that the rule has; its old one is expected")
            elif first != here:
                rule.remarks.add(place, f"only one rule can have been `{old}`: already at {first}")
            elif old in self._rules:
                sentence = f"there still is a rule `{old}`, which keeps what it remembers; this has no effect"
                rule.remarks.add(place, sentence, warning=True)
