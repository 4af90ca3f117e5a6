"""What is to be muted?  The words of `silences add`, or everything that is wrong with them; used by silences.py.

The clauses are held against the rule, the catalog and centers.yaml: one that never holds mutes nothing, and would be
noticed by the very messages that it should have stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from zennotify.core.center import Centers
from zennotify.core.hours import next_time
from zennotify.core.match import Clause, key_of
from zennotify.core.model import read_time
from zennotify.core.path import Path
from zennotify.core.rule import Rule
from zennotify.errors import ConfigError
from zennotify.rulefile.clauses import read_path
from zennotify.rulefile.findings import demanded, of_clause
from zennotify.rulefile.scope import Scope
from zennotify.silences import Order, clauses_of
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import load, parse_duration
from zennotify.zenoti.catalog import EVENT_TYPES

#: A path, which may hold odd names in quotes, `=`, and the value.
_CLAUSE: Final = re.compile(r"""((?:\["[^"]*"\]|\['[^']*'\]|[^=\["']|\[(?!["']))*)=(.*)""", re.DOTALL)
_HOUR: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})")
#: A silence that ends later is a mistake, and moments behind the year 9999 cannot be kept.
_LONGEST: Final = timedelta(days=36500)
_EXAMPLE: Final = "e.g. center.name=Bellevue"
_EVENT_TYPES: Final = {name.casefold(): name for name in EVENT_TYPES}
#: How people write operators elsewhere.
_OPERATORS: Final = {"!": "not", ">": "gte", "<": "lte"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What was typed."""

    rule: str | None = None
    match: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    lasts: str | None = None
    why: str = ""
    by: str = ""


@dataclass(slots=True)
class OrderReader:
    """Reads what was typed, and collects what is wrong with it."""

    now: datetime
    time_zone: str
    #: The rules that there are; None where nobody knows them.
    rules: Mapping[str, Rule] | None
    centers: Centers
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def read(self, words: Words) -> Order | None:
        """Return what is to be muted, or None where there are problems."""
        rule = self._rule(words.rule)
        match = self._match(words.match)
        if words.rule is None and not words.match:
            self.problems.append(f"say what to mute: --rule RULE, --match PATH=VALUE ({_EXAMPLE}), or both")
        self._examine(rule, match)
        since = None if words.since is None else self._moment("--from", words.since)
        until, lasts = self._end(words, since or self.now)
        if self.problems:
            return None
        return Order(
            rule=words.rule or "",
            match=match,
            since=None if since is None else since.isoformat(),
            until=None if until is None else until.isoformat(),
            seconds=lasts.total_seconds(),
            why=_clean(words.why),
            by=_clean(words.by),
        )

    def _rule(self, id_: str | None) -> Rule | None:
        if id_ is None or self.rules is None:
            return None
        if id_ not in self.rules:
            hint = did_you_mean(id_, self.rules) or f"; there are: {', '.join(list(self.rules)[:20])}"
            self.problems.append(f"there is no rule `{id_}`{hint}")
        return self.rules.get(id_)

    # --- what must hold -----------------------------------------------------------------------------------

    def _match(self, texts: tuple[str, ...]) -> dict[str, Any]:
        match: dict[str, Any] = {}
        for text in texts:
            try:
                path, wanted = read_match(text)
            except ValueError as error:
                self.problems.append(f"--match {_clean(text)}: {error}")
                continue
            if path in match:
                several = f"several values are a list: {path}=[one, another]"
                self.problems.append(f"--match {_clean(text)}: `{path}` is given twice; {several}")
            match[path] = wanted
        for clause in clauses_of(match):
            if isinstance(clause, str):
                self.problems.append(f"--match: {clause}")
        return match

    def _examine(self, rule: Rule | None, match: Mapping[str, Any]) -> None:
        """Hold the clauses against what the events of the rule carry."""
        if self.problems:
            return
        events = ("*",) if rule is None or not rule.events else rule.events
        clauses = [(read_path(text), wanted) for text, wanted in match.items()]
        scope = Scope.of(events, events, _EVENT_TYPES).narrowed(demanded(clauses))
        for path, wanted in clauses:
            self._hold_against(scope, path, wanted)
        for clause in clauses_of(match):
            assert isinstance(clause, Clause), "the others are problems"  # noqa: S101
            self.warnings += (f"--match {sentence}" for sentence in _unknown_center(clause, self.centers))

    def _hold_against(self, scope: Scope, path: Path, wanted: Any) -> None:
        absent = scope.absent(path.steps, in_template=False) if path.root == "data" else None
        for finding in of_clause(scope, path, wanted):
            # What is said of a rule names ways out that only a rule has.
            sentence = finding.sentence if absent is None else absent.sentence
            (self.warnings if finding.warning else self.problems).append(f"--match {path.text}: {sentence}")

    # --- how long -----------------------------------------------------------------------------------------

    def _end(self, words: Words, since: datetime) -> tuple[datetime | None, timedelta]:
        """Return until when, or how long."""
        if (words.lasts is None) == (words.until is None):
            self.problems.append("say how long: --for 2h, or --until 18:00 (one of the two)")
            return None, timedelta()
        lasts, until = timedelta(), None
        if words.lasts is not None:
            lasts = self._duration(words.lasts)
        elif words.until is not None:
            until = self._moment("--until", words.until, since)
            if until is not None and until <= max(since, self.now):
                self.problems.append(f"--until {words.until}: it would be over before it begins")
        if max(since, until or self.now) - self.now > _LONGEST - lasts:
            self.problems.append(f"a silence ends within {_LONGEST.days}d")
        return until, lasts

    def _duration(self, text: str) -> timedelta:
        try:
            lasts = parse_duration(text)
        except ValueError as error:
            self.problems.append(f"--for {text}: {error}")
            return timedelta()
        if not lasts:
            self.problems.append(f"--for {text}: it would be over before it begins")
        return lasts

    def _moment(self, option: str, text: str, after: datetime | None = None) -> datetime | None:
        moment = read_moment(text, (after or self.now).astimezone(ZoneInfo(self.time_zone)))
        if moment is None:
            wanted = f"e.g. 18:00, or {self.now:%Y-%m-%d} 18:00, by the clock of {self.time_zone}"
            self.problems.append(f"{option} {text}: a time is expected, {wanted}")
        return moment


def read_match(text: str) -> tuple[str, Any]:
    """Read `PATH=VALUE`, the value as in a rule file; ValueError has a sentence."""
    parts = _CLAUSE.fullmatch(text)
    if parts is None:
        raise ValueError(f"PATH=VALUE is expected, {_EXAMPLE}")
    path, value = parts[1].strip(), parts[2].strip()
    operator = _OPERATORS.get(path[-1:])
    if operator is not None:
        right = f"{path[:-1].strip()}={{{operator}: {value or 'VALUE'}}}"
        raise ValueError(f"PATH=VALUE is expected; write it as: '{right}'")
    if value.startswith("="):
        raise ValueError(f"one `=` is enough: {path}={value[1:].strip()}")
    if not value:
        raise ValueError("a value is missing behind the `=`; what has no value is null")
    return path, _value(value)


def _value(text: str) -> Any:
    """Read a value as in a rule file; a text needs no quotes, whatever is in it."""
    try:
        read = load(text.encode(errors="replace"), "").value
    except ConfigError as error:
        if text[0] in "{['\"":
            raise ValueError(error.problems[0].message) from None
        return _clean(text)
    if text[0] in "{['\"":
        return read
    is_text = isinstance(read, str | dict | list) or (read is None and text not in {"null", "~"})
    return _clean(text) if is_text else read


def read_moment(text: str, local: datetime) -> datetime | None:
    """Read `2026-11-27 18:00`, or `18:00` for the next time, by the clock of an aware moment, as a moment in UTC.

    None for all else.
    """
    hour = _HOUR.fullmatch(text.strip())
    if hour is not None:
        minute = int(hour[1]) * 60 + int(hour[2])
        return None if minute >= 24 * 60 or int(hour[2]) >= 60 else next_time(local, minute).astimezone(UTC)
    moment = read_time(text)
    if moment is None or ":" not in text:
        return None
    try:
        return (moment.replace(tzinfo=local.tzinfo) if moment.tzinfo is None else moment).astimezone(UTC)
    except OverflowError:  # the last hours of the year 9999
        return None


def _unknown_center(clause: Clause, centers: Centers) -> Iterator[str]:
    """Yield the names that no centre of centers.yaml has."""
    names = {key_of(center.name): center.name for center in centers if center.name is not None}
    if clause.path.text != "center.name" or not names:
        return
    for key in sorted(clause.equals - names.keys(), key=str):
        hint = did_you_mean(str(key[1]), names.values())
        yield f"center.name: no centre in centers.yaml is called `{key[1]}`{hint}"


def _clean(text: str) -> str:
    """Return a text without what is no character: bytes of another encoding."""
    return text.encode(errors="replace").decode().strip()
