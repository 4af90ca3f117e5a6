"""One clause of a rule's `match`: a path and what must stand there.  Called by rule.py; evaluation never raises.

Equality (design: "Equality in `match`") is equality of keys: `key_of` gives the one key of a literal in a rule,
`keys_of` those of a value in an event; a clause holds when they meet.  That makes it indexable by hash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from zennotify.core.model import Code, Names, TimeText, Zone, as_utc, read_time
from zennotify.core.path import Path

Key = tuple[str, Any]
Test = Callable[[Any], bool]
#: Compiles a regular expression into a search; raises ValueError with a sentence.  Given by rulefile.py.
CompileRegex = Callable[[str], Callable[[str], bool]]

OPERATORS: Final = (
    "not",
    "gt",
    "gte",
    "lt",
    "lte",
    "contains",
    "starts_with",
    "ends_with",
    "regex",
    "exists",
    "empty",
)
#: Longer values are cut before a text operator looks at them.
LONGEST_VALUE: Final = 4096

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?")
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}


class ClauseError(ValueError):
    """A clause cannot be used; the message is a sentence for the rule's author."""


def key_of(literal: Any) -> Key:
    """Return the key of a literal: text without case and outer blanks, numbers by value, yes and no as truth."""
    if literal is None:
        return ("null", None)
    if isinstance(literal, bool):
        return ("truth", literal)
    if isinstance(literal, (int, float)):
        return ("number", literal)
    text = literal.strip().casefold()
    if text in _TRUTH:
        return ("truth", _TRUTH[text])
    number = read_number(text)
    return ("text", text) if number is None else ("number", number)


def keys_of(value: Any) -> tuple[Key, ...]:
    """Return every key that a value of an event answers to; lists and mappings answer to none."""
    if isinstance(value, Code):
        return (("number", int(value)), ("text", value.word.casefold()))
    if value is None or isinstance(value, (str, bool, int, float)):
        return (key_of(value),)
    return ()


def read_number(text: str) -> int | float | None:
    """Return the number that a text is, written plainly ("12", "-3.50"), or None."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return float(text) if match[1] else int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A path and what must hold there.  With `[*]` in the path, one element must meet it."""

    path: Path
    #: The literals that equality accepts; empty when the clause uses operators.
    equals: frozenset[Key] = frozenset()
    #: All of these must hold for one and the same value.
    tests: tuple[Test, ...] = ()
    #: None of these may hold (the operator `not`); they hold for a missing field.
    never: tuple[Clause, ...] = ()
    exists: bool | None = None
    #: As the rule says it, for explanations.
    text: str = ""

    def holds(self, names: Names) -> bool:
        """Return whether the clause holds for these names."""
        values = self.path.values(names)
        if self.equals and not any(not self.equals.isdisjoint(keys_of(value)) for value in values):
            return False
        if self.exists is not None and self.exists is not any(value is not None for value in values):
            return False
        if self.tests and not any(all(test(value) for test in self.tests) for value in values):
            return False
        return not any(clause.holds(names) for clause in self.never)


def make_clause(path: Path, wanted: Any, compile_regex: CompileRegex) -> Clause:
    """Build the clause for `path: wanted`, where wanted is a value, a list (any of) or a mapping of operators.

    Raises ClauseError.
    """
    text = f"{path.text}: {wanted}"
    if isinstance(wanted, Mapping):
        return _make_operators(path, wanted, compile_regex, text)
    literals = wanted if isinstance(wanted, list) else [wanted]
    if not literals:
        raise ClauseError(
            "an empty list can never match; name the values, or use `empty: true` for an empty list"
        )
    for literal in literals:
        if isinstance(literal, (Mapping, list)):
            raise ClauseError("a list of values has plain values in it: text, numbers, yes, no or null")
    return Clause(path=path, equals=frozenset(key_of(literal) for literal in literals), text=text)


def _make_operators(path: Path, wanted: Mapping[str, Any], compile_regex: CompileRegex, text: str) -> Clause:
    if not wanted:
        raise ClauseError("no operator is given; write a value, a list of values, or e.g. {gt: 5}")
    tests: list[Test] = []
    never: list[Clause] = []
    exists: bool | None = None
    for name, literal in wanted.items():
        if name == "not":
            never.append(make_clause(path, literal, compile_regex))
        elif name == "exists":
            exists = _flag(name, literal)
        else:
            tests.append(_make_test(name, literal, compile_regex))
    return Clause(path=path, tests=tuple(tests), never=tuple(never), exists=exists, text=text)


def _make_test(name: str, literal: Any, compile_regex: CompileRegex) -> Test:
    if name == "empty":
        return _empty(_flag(name, literal))
    if name in _ORDERS:
        return _order(name, literal)
    if name in _TEXTS:
        if not isinstance(literal, str) or not literal:
            raise ClauseError(f"`{name}` expects a text, found {_shown(literal)}")
        return _text_test(name, literal, compile_regex)
    raise ClauseError(f"unknown operator `{name}`; the operators are: {' '.join(OPERATORS)}")


def _flag(name: str, literal: Any) -> bool:
    key = key_of(literal) if isinstance(literal, (str, bool)) else ("", None)
    if key[0] != "truth":
        raise ClauseError(f"`{name}` expects yes or no, found {_shown(literal)}")
    return bool(key[1])


def _empty(wanted: bool) -> Test:
    def test(value: Any) -> bool:
        is_empty = isinstance(value, (str, list)) and len(value) == 0
        return is_empty if wanted else value is not None and not is_empty

    return test


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda a, b: bool(a > b),
    "gte": lambda a, b: bool(a >= b),
    "lt": lambda a, b: bool(a < b),
    "lte": lambda a, b: bool(a <= b),
}
_TEXTS = ("contains", "starts_with", "ends_with", "regex")


def _order(name: str, literal: Any) -> Test:
    compare = _ORDERS[name]
    number = _as_number(literal)
    if number is not None:

        def by_number(value: Any) -> bool:
            other = _as_number(value)
            return other is not None and compare(other, number)

        return by_number
    moment = read_time(literal) if isinstance(literal, str) else None
    if moment is None:
        raise ClauseError(f"`{name}` expects a number or a time, found {_shown(literal)}")

    def by_time(value: Any) -> bool:
        pair = _comparable(value, moment)
        return pair is not None and compare(*pair)

    return by_time


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    return read_number(value.strip()) if isinstance(value, str) else None


def _comparable(value: Any, wanted: datetime) -> tuple[datetime, datetime] | None:
    """Return both moments in one zone, or None where that cannot be known."""
    moment = read_time(value) if isinstance(value, str) else value if isinstance(value, datetime) else None
    if moment is None:
        return None
    if moment.tzinfo is None and wanted.tzinfo is None:  # both as written
        return moment, wanted
    if isinstance(value, TimeText) and value.zone is Zone.CENTER and moment.tzinfo is None:
        return None
    return as_utc(moment), as_utc(wanted)


def _text_test(name: str, literal: str, compile_regex: CompileRegex) -> Test:
    if name == "regex":
        try:
            search = compile_regex(literal)
        except ValueError as error:
            raise ClauseError(str(error)) from error
        return lambda value: isinstance(value, str) and search(value[:LONGEST_VALUE])
    part = literal.casefold()
    if name == "contains":
        key = key_of(literal)
        return lambda value: _contains(value, part, key)
    if name == "starts_with":
        return lambda value: isinstance(value, str) and _folded(value).startswith(part)
    return lambda value: isinstance(value, str) and _folded(value).endswith(part)


def _contains(value: Any, part: str, key: Key) -> bool:
    if isinstance(value, str):
        return part in _folded(value)
    if isinstance(value, Sequence):
        return any(key in keys_of(element) for element in value)
    return False


def _folded(value: str) -> str:
    return value[:LONGEST_VALUE].strip().casefold()


def _shown(literal: Any) -> str:
    return "nothing" if literal is None else f"{str(literal)[:60]!r}"
