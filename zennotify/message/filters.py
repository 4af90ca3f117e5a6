"""The filters and tests that a template has: what is not listed here does not exist.

Each one pays for its arguments before it works, and refuses a missing field (`default` and `is defined` excepted).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import update_wrapper
from typing import Any, Final, NamedTuple

from babel.numbers import format_currency
from jinja2 import Undefined
from jinja2.filters import FILTERS as STOCK_FILTERS
from jinja2.filters import make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.tests import TESTS as STOCK_TESTS
from jinja2.utils import pass_eval_context
from markupsafe import Markup

from zennotify.core.model import Code, as_utc
from zennotify.message import limits, moments
from zennotify.message.limits import Refused, Unfit, kind
from zennotify.message.missing import Missing
from zennotify.message.shield import shield
from zennotify.zenoti.codes import TABLES

Filter = Callable[..., Any]

_WHOLE = re.compile(r"[+-]?\d{1,30}")
_DECIMAL = re.compile(r"[+-]?(\d{1,30}\.\d{0,30}|\.\d{1,30}|\d{1,30})([eE][+-]?\d{1,2})?")
_MOST_PLACES = 12
#: What writing an amount costs, in steps.
_MONEY_COST = 20


def show(value: Any) -> str:
    """Return a value as it prints in a message, before it is shielded."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    if isinstance(value, date):
        return moments.show(value)
    if isinstance(value, Undefined):
        return str(value)
    limits.spend_on(value)
    if isinstance(value, Mapping):
        return limits.text_of([f"{show(name)}: {show(inner)}" for name, inner in value.items()], ", ")
    if isinstance(value, Sequence):
        return limits.text_of([show(inner) for inner in value], ", ")
    raise Refused(f"cannot print {kind(value)}; a macro is called with ()")


def default(value: Any, instead: Any = "", boolean: bool = False) -> Any:
    """Return the value, or the other one where the field is missing or null."""
    return instead if isinstance(value, Undefined) or value is None or (boolean and not value) else value


def number(value: Any) -> int | float:
    """Return a number from a number or a numeric text; never a silent 0."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value) if isinstance(value, int) else value
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
    raise Unfit(f"not a number, but {kind(value)}")


def money(value: Any, currency: str | None = None) -> str | None:
    """Return an amount as the locale writes it, in the centre's currency."""
    if value is None:
        return None
    limits.spend(_MONEY_COST)
    amount = Decimal(str(number(value)))
    code = currency or moments.of_center("currency") or "USD"
    written = moments.style(limits.current().locale).locale
    return format_currency(amount, code, locale=written).replace("\u202f", " ").replace("\xa0", " ")


def word(value: Any, table: str | None = None) -> str | None:
    """Return the word that a code of Zenoti's stands for: by its field, or by a table that is named."""
    if value is None:
        return None
    if table is not None:
        code = number(value)
        return Code(int(code), TABLES[table]).word if code == int(code) else str(code)
    if isinstance(value, Code):
        return value.word
    raise Unfit(f"not a code of Zenoti's catalog, but {kind(value)}")


def _join(context: EvalContext, values: Any, separator: Any = "", attribute: str | None = None) -> str:
    if attribute is not None:
        values = map(make_attrgetter(context.environment, attribute), values)
    return glue([*values], separator)


def glue(values: Sequence[Any], separator: Any = "") -> str:
    """Join values to one text; it is Markdown where one of them is."""
    pieces = [value if isinstance(value, str) else show(value) for value in values]
    if any(isinstance(piece, Markup) for piece in (*pieces, separator)):
        return Markup(limits.text_of([_inert(piece) for piece in pieces], _inert(separator)))  # noqa: S704 - shielded
    return limits.text_of(pieces, str(separator))


def _inert(text: str) -> str:
    return str(text) if isinstance(text, Markup) else shield(str(text))


def _like(text: str, changed: str) -> str:
    """Return a changed text as Markdown where it was Markdown before."""
    return Markup(changed) if isinstance(text, Markup) else changed  # noqa: S704 - what came in was shielded


def _replace(text: str, old: str, new: str, count: int | None = None) -> str:
    old, new = (_inert(part) if isinstance(text, Markup) else str(part) for part in (old, new))
    found = min(text.count(old), text.count(old) if count is None else count)
    limits.check_text(len(text) + max(found, 0) * max(len(new) - len(old), 0))
    return _like(text, str(text).replace(old, new, -1 if count is None else count))


def _truncate(text: str, length: int = 255, killwords: bool = False, end: str = "…") -> str:
    if len(text) <= length:
        return text
    cut = str(text)[: max(length - len(end), 0)]
    if not killwords:
        cut = cut.rsplit(" ", 1)[0]
    return _like(text, cut + (_inert(end) if isinstance(text, Markup) else end))


def _round(value: Any, precision: int = 0, method: str = "common") -> int | float:
    """Round a number; without a precision the result is a whole number and prints as one."""
    ways: Mapping[str, Callable[[float], float]] = {"common": round, "ceil": math.ceil, "floor": math.floor}
    if not isinstance(value, (int, float)) or method not in ways or not 0 <= precision <= _MOST_PLACES:
        raise Unfit("it takes a number, 0 to 12 places, and 'common', 'ceil' or 'floor'")
    if method == "common":
        return round(value, precision) if precision else round(value)
    rounded = ways[method](value * 10**precision)
    return rounded / 10**precision if precision else rounded


def _absolute(value: Any) -> Any:
    if not isinstance(value, (int, float)):
        raise Unfit(f"not a number, but {kind(value)}")
    return abs(value)


def _sum(context: EvalContext, values: Any, attribute: str | None = None, start: float = 0) -> Any:
    if attribute is not None:
        values = map(make_attrgetter(context.environment, attribute), values)
    values = [start, *values]
    for value in values:
        if isinstance(value, Missing):
            value.fail()
    if not all(isinstance(value, (int, float)) for value in values):
        raise Unfit('it adds numbers; for numbers in texts write `| map("number") | sum`')
    return sum(values)


class Group(NamedTuple):
    """Elements of a list that have something in common."""

    grouper: Any
    list: Sequence[Any]


def _groupby(context: EvalContext, values: Any, attribute: str, default: Any = None) -> list[Group]:
    """Return the elements that have the same at a path as groups, in the order of what that is."""
    groups: dict[Any, Group] = {}
    value_of = make_attrgetter(context.environment, attribute, default=default)
    for element in values:
        value = value_of(element)
        if isinstance(value, Missing):
            value.fail()
        groups.setdefault(_rank(value), Group(value, [])).list.append(element)  # type: ignore[attr-defined]
    return [groups[rank] for rank in sorted(groups)]


def _rank(value: Any) -> tuple[int, Any]:
    """Return what values are told apart by, and ordered: text without case, and nothing before all else."""
    if value is None:
        return 0, 0
    if isinstance(value, (int, float)):
        return 1, value
    if isinstance(value, datetime):
        return 2, (as_utc(value), 1)
    if isinstance(value, date):
        return 2, (datetime.combine(value, time(), UTC), 0)
    if isinstance(value, str):
        return 3, value.casefold()
    raise Unfit(f"it groups by texts, numbers and times, not by {kind(value)}")


def _as_text(name: str, value: Any) -> str:
    return value if isinstance(value, str) else show(value)


def _as_list(name: str, value: Any) -> Any:
    if value is None:
        return []
    if isinstance(value, (str, Sequence, Mapping)):
        return value
    raise Unfit(f"not a list, but {kind(value)}")


def _as_is(name: str, value: Any) -> Any:
    return value


def _careful(name: str, work: Filter, prepare: Callable[[str, Any], Any] = _as_is) -> Filter:
    """Wrap a filter or a test: it pays, it takes no missing field, and its errors say what it was given (`_of`)."""
    passes = hasattr(work, "jinja_pass_arg")  # then the first argument is Jinja's

    def careful(*given: Any, _of: str = "…", **options: Any) -> Any:
        head, (value, *rest) = given[:passes], given[passes:]
        for argument in (value, *rest, *options.values()):
            if isinstance(argument, Missing):
                argument.fail()
            limits.spend_on(argument)
        try:
            result = work(*head, prepare(name, value), *rest, **options)
            return [*result] if isinstance(result, Iterator) else result
        except TypeError as error:
            raise Refused(f"`{_of} | {name}` cannot work with {kind(value)} and these arguments") from error
        except (ValueError, ArithmeticError, Unfit) as error:
            raise Refused(
                f"`{_of} | {name}`: {error if isinstance(error, Unfit) else 'cannot be done'}"
            ) from error

    return update_wrapper(careful, work)


def _stock(*names: str) -> dict[str, Filter]:
    return {name: STOCK_FILTERS[name] for name in names}


_TEXT: Mapping[str, Filter] = {
    **_stock("upper", "lower", "title", "capitalize", "trim"),
    "replace": _replace,
    "truncate": _truncate,
    "string": lambda text: text,
    "safe": Markup,
}
_LIST: Mapping[str, Filter] = {
    **_stock(
        "first", "last", "sort", "unique", "map", "select", "reject", "selectattr", "rejectattr", "min", "max"
    ),
    "length": len,
    "count": len,
    "list": list,
    "join": pass_eval_context(_join),
    "sum": pass_eval_context(_sum),
    "groupby": pass_eval_context(_groupby),
}
_VALUE: Mapping[str, Filter] = {
    "local": moments.local,
    "date": moments.date_of,
    "time": moments.time_of,
    "money": money,
    "number": number,
    "word": word,
    "round": _round,
    "abs": _absolute,
}

#: These take a missing field.
FORGIVING: Final[Mapping[str, Filter]] = {"default": default, "d": default}
FILTERS: Final[Mapping[str, Filter]] = {
    **FORGIVING,
    **{name: _careful(name, work, _as_text) for name, work in _TEXT.items()},
    **{name: _careful(name, work, _as_list) for name, work in _LIST.items()},
    **{name: _careful(name, work) for name, work in _VALUE.items()},
}

#: The rest of Jinja's tests ask what only a programmer would.
_NO_TESTS = frozenset({"callable", "escaped", "filter", "test", "sameas", "defined", "undefined"})
_TESTS: Mapping[str, Any] = STOCK_TESTS
TESTS: Final[Mapping[str, Filter]] = {
    **{name: _TESTS[name] for name in ("defined", "undefined")},
    **{name: _careful(name, work) for name, work in _TESTS.items() if name not in _NO_TESTS},
}
