"""What can never equal: a word that a code does not have, a number where Zenoti sends "Yes" or "No".

Called by findings.py, for `match` (where a code equals its number and its word) and for expressions (where it is a
number, until `| word` turns it into a text).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from zennotify.core.match import key_of, read_number
from zennotify.message import Comparison
from zennotify.rulefile.scope import Scope, Steps
from zennotify.spelling import did_you_mean, nearest
from zennotify.yamlfile import Step
from zennotify.zenoti.facts import CODES
from zennotify.zenoti.fields import Kind, spell_path

_TEXT_OPERATORS: Final = ("contains", "starts_with", "ends_with", "regex")


class Meaning(NamedTuple):
    """What stands at a path, in every event that has it."""

    path: str
    kind: Kind
    #: Of a code: each number and its word; there may be several tables.
    codes: tuple[tuple[int, str], ...] = ()

    @property
    def words(self) -> list[str]:
        """Return the words of a code."""
        return [word for _, word in self.codes]

    @property
    def numbers(self) -> list[int]:
        """Return the numbers of a code."""
        return [number for number, _ in self.codes]


class Wrong(NamedTuple):
    """A value that is never there."""

    sentence: str
    warning: bool = False


def meaning_of(scope: Scope, steps: Steps) -> Meaning | None:
    """Return what stands at a path; None where that is not known, or not the same everywhere."""
    path = spell_path(steps)
    if steps[0] != "data":
        words = CODES.get((str(steps[0]), str(steps[-1]))) if len(steps) == 2 else None
        return None if words is None else Meaning(path, Kind.CODE, tuple(words.items()))
    fields = scope.carried(steps)
    kinds = {kind for field in fields or () for kind in field.kinds}
    if not fields or len(kinds) != 1:
        return None
    codes = dict.fromkeys(code for field in fields for code in (field.words or {}).items())
    return Meaning(path, kinds.pop(), tuple(codes))


def wrong_values(meaning: Meaning, wanted: Any) -> Iterator[tuple[tuple[Step, ...], Wrong]]:
    """Yield the values of a clause of `match` that can never be met, and where they stand in it."""
    if isinstance(wanted, Mapping):
        for name, literal in wanted.items():
            if name == "not":
                yield from (((name, *place), wrong) for place, wrong in wrong_values(meaning, literal))
            elif name in _TEXT_OPERATORS and meaning.kind is Kind.CODE:
                yield (
                    (name,),
                    Wrong(f"`{name}` looks at texts, and this is a code; write {_shown(meaning)}"),
                )
    elif isinstance(wanted, list):
        for place, literal in enumerate(wanted):
            yield from (((place, *below), wrong) for below, wrong in wrong_values(meaning, literal))
    elif wanted is not None and (wrong := _wrong_literal(meaning, wanted)) is not None:
        yield (), wrong


def _wrong_literal(meaning: Meaning, literal: Any) -> Wrong | None:
    kind, value = key_of(literal)
    match meaning.kind:
        case Kind.CODE if kind == "number":
            return None if value in meaning.numbers else _no_word(meaning, value)
        case Kind.CODE if kind == "truth":
            return Wrong(f"this is a code, never yes or no; write {_shown(meaning)}")
        case Kind.CODE if value not in map(str.casefold, meaning.words):
            return Wrong(_unknown_word(meaning, literal))
        case Kind.YES_NO if kind != "truth":
            return Wrong('Zenoti sends "Yes" or "No" here; write yes or no')
        case Kind.FLAG if kind != "truth":
            return Wrong("Zenoti sends true or false here; write yes or no", warning=True)
        case Kind.OBJECT:
            return Wrong("this is a group of fields, which equals nothing; name one of them", warning=True)
        case Kind.LIST:
            text = f"this is a list, which equals nothing; write `{meaning.path}[*]` for its elements"
            return Wrong(text, warning=True)
        case _:
            return None


def wrong_comparison(meaning: Meaning, comparison: Comparison) -> Wrong | None:
    """Return what is wrong with comparing a path in an expression, or None."""
    for value in comparison.values:
        wrong = _wrong_operand(meaning, comparison, value)
        if wrong is not None:
            return wrong
    return None


def _wrong_operand(meaning: Meaning, comparison: Comparison, value: Any) -> Wrong | None:
    path, equality = meaning.path, comparison.operator in {"eq", "ne", "in", "notin"}
    match meaning.kind, value:
        case Kind.CODE, _ if comparison.by == "word":
            return _wrong_word(meaning, value)
        case Kind.CODE, str():
            return Wrong(_as_word(meaning, value))
        case Kind.CODE, int() if equality and not isinstance(value, bool) and value not in meaning.numbers:
            return _no_word(meaning, value)
        case Kind.YES_NO, bool() | int():
            return Wrong(
                f'`{path}` is "Yes" or "No", and true or false by itself; write `{path}` or `not {path}`'
            )
        case Kind.YES_NO, str() if equality and value not in {"Yes", "No"}:
            return Wrong(
                f'`{path}` is "Yes" or "No", never "{value[:40]}"{did_you_mean(value, ("Yes", "No"))}'
            )
        case Kind.FLAG, str() if equality:
            return Wrong(
                f"`{path}` is true or false, never a text; write `{path}` or `not {path}`", warning=True
            )
        case Kind.TEXT, int() | float():
            return Wrong(
                f"`{path}` is a text: to compare it with a number write `{path} | number`", warning=True
            )
        case Kind.NUMBER, str() if equality:
            return Wrong(f"`{path}` is a number, which never equals a text", warning=True)
        case _:
            return None


def _wrong_word(meaning: Meaning, value: Any) -> Wrong | None:
    if not isinstance(value, str):
        return Wrong(
            f"`{meaning.path} | word` is a text, never {value!r:.40}; leave `| word` out to compare the code"
        )
    return None if value in meaning.words else Wrong(_unknown_word(meaning, value))


def _as_word(meaning: Meaning, value: str) -> str:
    number = read_number(value.strip())
    if number is not None:
        return f"`{meaning.path}` is a number, which never equals a text; write {number} without quotes"
    word = nearest(value, meaning.words)
    if word is None:
        return f"`{meaning.path}` is a number, which never equals a text; {_unknown_word(meaning, value)}"
    return (
        f'`{meaning.path}` is a number, which never equals a text; write `{meaning.path} | word` and "{word}"'
    )


def _no_word(meaning: Meaning, number: Any) -> Wrong:
    return Wrong(
        f"{number} stands for nothing that zennotify knows in `{meaning.path}`; there are: {_listed(meaning)}",
        warning=True,
    )


def _unknown_word(meaning: Meaning, text: Any) -> str:
    hint = did_you_mean(str(text), meaning.words)
    then = f"{hint} It" if hint else "; it"
    return f'`{meaning.path}` has no word "{str(text)[:40]}"{then} has: {_listed(meaning)}'


def _listed(meaning: Meaning) -> str:
    return ", ".join(f"{word} ({number})" for number, word in meaning.codes)


def _shown(meaning: Meaning) -> str:
    """Return an example of a word."""
    return f"its word or its number, e.g. {meaning.words[0]}"
