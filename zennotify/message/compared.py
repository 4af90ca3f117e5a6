"""What does an expression compare with fixed values?  Called by uses.py for `==`, `is ...` and `selectattr(...)`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from jinja2 import nodes

from zennotify.message.filters import FORGIVING


class Side(NamedTuple):
    """One side of a comparison, and the fixed values on the other."""

    node: nodes.Expr
    #: The filter that makes a text of it before it is compared: word date time; or "".
    by: str
    #: As Jinja calls it: eq ne gt gteq lt lteq in notin; `is` for true and false.
    operator: str
    values: tuple[Any, ...]


_MIRRORED: Final = {"eq": "eq", "ne": "ne", "gt": "lt", "gteq": "lteq", "lt": "gt", "lteq": "gteq"}
#: The tests that compare, by all their names.
_TESTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("eq", "equalto", "=="), "eq"),
    **dict.fromkeys(("ne", "!="), "ne"),
    **dict.fromkeys(("gt", "greaterthan", ">"), "gt"),
    **dict.fromkeys(("ge", ">="), "gteq"),
    **dict.fromkeys(("lt", "lessthan", "<"), "lt"),
    **dict.fromkeys(("le", "<="), "lteq"),
    "in": "in",
}
_TRUTH: Final = {"true": True, "false": False}
#: Filters that compare each element, and where among their arguments the test stands.
_CHOOSING: Final = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}


def sides_of(node: nodes.Compare) -> Iterator[Side]:
    """Yield what `x == y` compares with fixed values."""
    if len(node.ops) != 1:
        return
    [operand] = node.ops
    yield from _side(node.expr, operand.expr, operand.op)
    if operand.op in _MIRRORED:
        yield from _side(operand.expr, node.expr, _MIRRORED[operand.op])


def side_of_test(node: nodes.Test) -> Iterator[Side]:
    """Yield what `x is true` and `x is eq 5` compare."""
    if node.name in _TRUTH:
        yield from _fixed(node.node, "is", (_TRUTH[node.name],))
    elif node.name in _TESTS and len(node.args) == 1:
        yield from _side(node.node, node.args[0], _TESTS[node.name])


def chosen(node: nodes.Filter) -> tuple[str, tuple[Any, ...]] | None:
    """Return how `selectattr("x", "equalto", 5)` compares each element, and with what; None where it does not."""
    named = node.args[_CHOOSING[node.name] :] if node.name in _CHOOSING else []
    match named:
        case [nodes.Const(value=str(test)), nodes.Expr() as value] if test in _TESTS:
            values = _constants(value, _TESTS[test])
            return (_TESTS[test], values) if values else None
        case [nodes.Const(value=str(test))] if test in _TRUTH:
            return "is", (_TRUTH[test],)
        case _:
            return None


def _side(side: nodes.Expr, other: nodes.Expr, operator: str) -> Iterator[Side]:
    yield from _fixed(side, operator, _constants(other, operator))


def _fixed(side: nodes.Expr, operator: str, values: Sequence[Any]) -> Iterator[Side]:
    value, by, instead = _compared(side)
    # "" only asks whether there is something.
    left = tuple(value for value in values if value not in ("", *instead))
    if left:
        yield Side(value, by, operator, left)


def _compared(side: nodes.Expr) -> tuple[nodes.Expr, str, list[Any]]:
    """Return what is compared, by which text, and what takes the place of a missing field."""
    match side:
        case nodes.Filter(name="word" | "date" | "time", node=nodes.Expr() as value, args=[]):
            return value, side.name, []
        case nodes.Filter(node=nodes.Expr() as value) if side.name in FORGIVING:
            return value, "", [part.value for part in side.args if isinstance(part, nodes.Const)]
        case _:
            return side, "", []


def _constants(node: nodes.Node, operator: str) -> tuple[Any, ...]:
    """Return the fixed values that a side of a comparison is; none where it is not fixed."""
    items: Sequence[nodes.Node] = [node]
    if operator in {"in", "notin"}:
        items = node.items if isinstance(node, nodes.List | nodes.Tuple) else []
    values: list[Any] = []
    for item in items:
        match item:
            case nodes.Const():
                values.append(item.value)
            case nodes.Neg(node=nodes.Const(value=int() | float() as number)):
                values.append(-number)
            case _:
                return ()
    return tuple(values)
