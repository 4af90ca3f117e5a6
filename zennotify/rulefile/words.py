"""What can never equal: a word that a code does not have, a number where Zenoti sends "Yes" or "No".

Called by findings.py, for `match` (where a code equals its number and its word) and for expressions (where it is a
number, until `| word` turns it into a text).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from zennotify.core.match import key_of, read_number
from zennotify.message import Comparison
from zennotify.rulefile.meant import Steps
from zennotify.rulefile.scope import LISTS, Scope
from zennotify.spelling import did_you_mean, nearest
from zennotify.yamlfile import Step
from zennotify.zenoti.facts import CODES
from zennotify.zenoti.fields import Kind, spell_path

_TEXT_OPERATORS: Final = ("contains", "starts_with", "ends_with", "regex")
_ORDERS: Final = ("gt", "gte", "lt", "lte")
#: What no order compares, and no text operator looks at.
_WITHOUT_ORDER: Final = frozenset((Kind.LIST, Kind.OBJECT, Kind.FLAG, Kind.YES_NO))
_NO_TEXT: Final = frozenset((Kind.LIST, Kind.OBJECT, Kind.FLAG, Kind.NUMBER))
#: What is never true or false, though something may stand there.
_NO_TRUTH: Final = frozenset((Kind.LIST, Kind.OBJECT, Kind.NUMBER, Kind.TEXT, Kind.CODE))
_NUMBERS: Final = frozenset((("session", "capacity"), ("invoice", "total")))
#: A text of the centre's language that is compared letter by letter, and how to write one that can be.
_PATTERNS: Final = {"time": "%H:%M", "date": "%Y-%m-%d"}


class Meaning(NamedTuple):
    """What stands at a path, in every event that has it."""

    path: str
    kind: Kind
    #: Of a code: each number and its word; there may be several tables.
    codes: tuple[tuple[int, str], ...] = ()
    #: Of a list of groups: one of their fields, as an example.
    below: str = ""

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
        return _meaning_of_thing(path, steps)
    fields = scope.carried(steps)
    kinds = {kind for field in fields or () for kind in field.kinds}
    if not fields or len(kinds) != 1:
        return None
    codes = dict.fromkeys(code for field in fields for code in (field.words or {}).items())
    names = [name for field in fields if field.element for name in field.element.fields]
    below = next((name for name in names if name.endswith("name")), names[0] if names else "")
    return Meaning(path, kinds.pop(), tuple(codes), below)


def _meaning_of_thing(path: str, steps: Steps) -> Meaning | None:
    if len(steps) != 2:
        return None
    words = CODES.get((str(steps[0]), str(steps[1])))
    if words is not None:
        return Meaning(path, Kind.CODE, tuple(words.items()))
    if path in LISTS:
        return Meaning(path, Kind.LIST)
    return Meaning(path, Kind.NUMBER) if steps in _NUMBERS else None


def wrong_values(meaning: Meaning, wanted: Any) -> Iterator[tuple[tuple[Step, ...], Wrong]]:
    """Yield the values of a clause of `match` that can never be met, and where they stand in it."""
    if isinstance(wanted, Mapping):
        for name, literal in wanted.items():
            if name == "not":
                yield from (((name, *place), wrong) for place, wrong in wrong_values(meaning, literal))
            elif (wrong := _wrong_operator(meaning, name)) is not None:
                yield (name,), wrong
    elif isinstance(wanted, list):
        for place, literal in enumerate(wanted):
            yield from (((place, *below), wrong) for below, wrong in wrong_values(meaning, literal))
    elif wanted is not None and (wrong := _wrong_literal(meaning, wanted)) is not None:
        yield (), wrong


def _wrong_operator(meaning: Meaning, name: str) -> Wrong | None:
    if name in _TEXT_OPERATORS and meaning.kind is Kind.CODE:
        return Wrong(f"`{name}` looks at texts, and this is a code; write {_shown(meaning)}")
    if name == "contains" and meaning.kind is Kind.LIST:
        if not meaning.below:
            return None
        inner = f"{meaning.path}[*].{meaning.below}"
        text = f"`contains` finds no part of a group of fields; name one of them, e.g. `{inner}`"
        return Wrong(text, warning=True)
    if name in _TEXT_OPERATORS and meaning.kind in _NO_TEXT:
        return Wrong(f"`{name}` looks at texts, and this is {meaning.kind}{_instead(meaning)}", warning=True)
    if name in _ORDERS and meaning.kind in _WITHOUT_ORDER:
        text = f"`{name}` compares numbers and times, and this is {meaning.kind}{_instead(meaning)}"
        return Wrong(text, warning=True)
    return None


def _instead(meaning: Meaning) -> str:
    match meaning.kind:
        case Kind.LIST:
            return f"; `{meaning.path} | length` in `when` is how many there are"
        case Kind.OBJECT:
            return "; name one of them"
        case Kind.FLAG | Kind.YES_NO:
            return "; write yes or no"
        case _:
            return ""


def _wrong_literal(meaning: Meaning, literal: Any) -> Wrong | None:
    kind, value = key_of(literal)
    if value == "":
        return None  # where nothing was filled in
    match meaning.kind:
        case Kind.CODE:
            return _wrong_code(meaning, literal)
        case Kind.YES_NO if kind != "truth":
            return Wrong('Zenoti sends "Yes" or "No" here; write yes or no')
        case Kind.FLAG if kind != "truth":
            return Wrong("Zenoti sends true or false here; write yes or no", warning=True)
        case Kind.OBJECT:
            return Wrong("this is a group of fields, which equals nothing; name one of them", warning=True)
        case Kind.LIST:
            text = f"this is a list, which equals nothing; write `{meaning.path}[*]` for its elements"
            return Wrong(text if meaning.below else f"{text}, or {{contains: ...}}", warning=True)
        case Kind.NUMBER if kind == "truth":
            return Wrong("this is a number, never yes or no; write the number", warning=True)
        case Kind.NUMBER if kind != "number":
            return Wrong("this is a number, which never equals a text", warning=True)
        case _:
            return None


def _wrong_code(meaning: Meaning, literal: Any) -> Wrong | None:
    kind, value = key_of(literal)
    if kind == "number":
        return None if value in meaning.numbers else _no_word(meaning, value)
    if kind == "truth":
        return Wrong(f"this is a code, never yes or no; write {_shown(meaning)}")
    return None if value in map(str.casefold, meaning.words) else Wrong(_unknown_word(meaning, literal))


def wrong_text_order(comparison: Comparison) -> Wrong | None:
    """Return that times or dates are compared as the texts that people read, or None."""
    pattern = _PATTERNS.get(comparison.by)
    if pattern is None or comparison.operator not in {"gt", "gteq", "lt", "lteq"}:
        return None
    text, value = comparison.text, comparison.values[0]
    hour = f"compare `({text.removesuffix(' | time')}).hour`, or " if comparison.by == "time" else ""
    return Wrong(
        f"`{text}` is a text for people, and compared with {str(value)[:20]!r} letter by letter; "
        f"{hour}write `{comparison.by}('{pattern}')`",
        warning=True,
    )


def wrong_comparison(meaning: Meaning, comparison: Comparison) -> Wrong | None:
    """Return what is wrong with comparing a path in an expression, or None."""
    for value in comparison.values:
        wrong = _wrong_operand(meaning, comparison, value)
        if wrong is not None:
            return wrong
    return None


def _wrong_operand(meaning: Meaning, comparison: Comparison, value: Any) -> Wrong | None:
    path, equality = meaning.path, comparison.operator in {"eq", "ne", "in", "notin"}
    if comparison.operator == "is" and meaning.kind in _NO_TRUTH:
        return Wrong(f"`{path}` is {meaning.kind}, never true or false itself", warning=True)
    match meaning.kind, value:
        case Kind.CODE, _:
            return _wrong_code_operand(meaning, comparison, value)
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
        case Kind.NUMBER, str():
            never = (
                "never equals a text" if equality else "cannot be compared with a text; leave the quotes out"
            )
            return Wrong(f"`{path}` is a number, which {never}", warning=True)
        case Kind.LIST, str() | int() if comparison.operator in {"eq", "in"}:
            return Wrong(f"`{path}` is a list, which equals nothing; write `... in {path}`", warning=True)
        case _:
            return None


def _wrong_code_operand(meaning: Meaning, comparison: Comparison, value: Any) -> Wrong | None:
    if comparison.by == "word":
        return _wrong_word(meaning, value)
    if isinstance(value, str):
        return Wrong(_as_number(meaning, value) if comparison.named else _as_word(meaning, value))
    known = isinstance(value, bool) or not isinstance(value, int) or value in meaning.numbers
    equality = comparison.operator in {"eq", "ne", "in", "notin"}
    return None if known or not equality else _no_word(meaning, value)


def _wrong_word(meaning: Meaning, value: Any) -> Wrong | None:
    if not isinstance(value, str):
        return Wrong(
            f"`{meaning.path} | word` is a text, never {value!r:.40}; leave `| word` out to compare the code"
        )
    return None if value in meaning.words else Wrong(_unknown_word(meaning, value))


def _as_number(meaning: Meaning, value: str) -> str:
    said = f"`{meaning.path}` is a number, which never equals a text"
    word = nearest(value, meaning.words)
    if word is None:
        return f"{said}; {_unknown_word(meaning, value)}"
    number = next(number for number, known in meaning.codes if known == word)
    return f"{said}; here write its number: {number} ({word})"


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
