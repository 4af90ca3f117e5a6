"""Find which paths an expression or a template uses, how carefully, and what it compares them with.

Found in its tree before anything runs; rulefile/ asks what the event types carry of them.  What cannot be followed (a
name that is set twice, a step worked out at run time) is left out: nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from jinja2 import nodes

from zennotify.core.path import EVERY, Step
from zennotify.message.filters import FORGIVING
from zennotify.message.generator import LOOP

Steps = tuple[Step, ...]
#: What was asked before, so that more is known of it: paths; None where the event's type was asked for.
Guards = frozenset[Steps] | None


class Use(NamedTuple):
    """A path that is printed or asked for."""

    steps: Steps
    line: int
    #: A missing field does no harm here: `default`, `is defined`.
    forgiven: bool
    #: It only decides what comes next: `{% if ... %}`.
    decides: bool
    #: What was asked before it comes to this.
    guards: Guards


class Comparison(NamedTuple):
    """A path that is compared with fixed values; "" is none, for it only asks whether there is something."""

    steps: Steps
    line: int
    #: By its word: `data.x | word == "..."`.
    by_word: bool
    #: As Jinja calls it: eq ne gt gteq lt lteq in notin.
    operator: str
    values: tuple[Any, ...]


class Uses(NamedTuple):
    """What one template, or one expression, uses."""

    paths: tuple[Use, ...]
    comparisons: tuple[Comparison, ...]


def uses_of(tree: nodes.Node) -> Uses:
    """Return what a tree uses."""
    reader = _Reader(tree)
    reader.read(tree, {}, frozenset())
    return Uses(tuple(reader.paths), tuple(reader.comparisons))


#: Filters that return an element of a list, or the same list in another way.
_ELEMENT: Final = frozenset(("first", "last", "min", "max"))
_SAME: Final = frozenset((LOOP, "list", "sort", "unique", "select", "reject", "selectattr", "rejectattr"))
#: Tests for what a missing field is, too.
_PRESENCE: Final = frozenset(("defined", "undefined"))
#: What the names that a template sets stand for; None: not to be known.
_Known = dict[str, Steps | None]
_TYPE: Final = ("event", "type")


class _Reader:
    """Walks through one tree."""

    def __init__(self, tree: nodes.Node) -> None:
        self.paths: list[Use] = []
        self.comparisons: list[Comparison] = []
        self._deciding = False
        set_here = [
            node.target.name for node in tree.find_all(nodes.Assign) if isinstance(node.target, nodes.Name)
        ]
        self._changing = {name for name in set_here if set_here.count(name) > 1}

    def read(self, node: nodes.Node, known: _Known, guards: Guards) -> None:
        """Note what a node and those below it use."""
        look = _LOOKS.get(type(node))
        if look is None:
            self._all(node.iter_child_nodes(), known, guards)
        else:
            look(self, node, known, guards)

    def _all(self, parts: Iterable[nodes.Node], known: _Known, guards: Guards) -> None:
        for part in parts:
            self.read(part, known, guards)

    def if_(self, node: nodes.If, known: _Known, guards: Guards) -> None:
        """Read `{% if %}`."""
        self._branches(node.test, (*node.body, *node.elif_, *node.else_), known, guards)

    def either(self, node: nodes.CondExpr, known: _Known, guards: Guards) -> None:
        """Read `a if b else c`."""
        parts = [part for part in (node.expr1, node.expr2) if part is not None]
        self._branches(node.test, parts, known, guards)

    def both(self, node: nodes.And | nodes.Or, known: _Known, guards: Guards) -> None:
        """Read `a and b`."""
        self._branches(node.left, [node.right], known, guards)

    def assign(self, node: nodes.Assign, known: _Known, guards: Guards) -> None:
        """Read `{% set x = y %}`."""
        self.read(node.node, known, guards)
        self._set(node.target, self._path(node.node, known), known)

    def block(self, node: nodes.AssignBlock, known: _Known, guards: Guards) -> None:
        """Read `{% set x %}...{% endset %}`."""
        self._all(node.body, known, guards)
        self._set(node.target, None, known)

    def macro(self, node: nodes.Macro | nodes.CallBlock, known: _Known, guards: Guards) -> None:
        """Read a macro: what it is given is not known."""
        inner: _Known = {**known, **dict.fromkeys(argument.name for argument in node.args)}
        self._all(node.iter_child_nodes(exclude=("args",)), inner, guards)

    def test(self, node: nodes.Test, known: _Known, guards: Guards) -> None:
        """Read `x is y`."""
        if node.name in _PRESENCE:
            self._name(node.node, known, guards, forgiven=True)
        else:
            self._all(node.iter_child_nodes(), known, guards)

    def call(self, node: nodes.Call, known: _Known, guards: Guards) -> None:
        """Read a call: the last name of `data.x.startswith("y")` is no field."""
        self.read(node.node.node if isinstance(node.node, nodes.Getattr) else node.node, known, guards)
        self._all((*node.args, *node.kwargs), known, guards)

    def path(self, node: nodes.Expr, known: _Known, guards: Guards) -> None:
        """Read `a.b[0]`."""
        self._name(node, known, guards, forgiven=False)

    def _branches(self, test: nodes.Node, parts: Iterable[nodes.Node], known: _Known, guards: Guards) -> None:
        """Read what depends on a test: it knows what the test has asked for."""
        deciding, self._deciding = self._deciding, True
        self.read(test, known, guards)
        self._deciding = deciding
        asked = frozenset(self._asked(test, known))
        self._all(parts, known, None if guards is None or _TYPE in asked else guards | asked)

    def _asked(self, node: nodes.Node, known: _Known) -> Iterator[Steps]:
        if path := self._path(node, known):
            yield path
        for part in node.iter_child_nodes():
            yield from self._asked(part, known)

    def loop(self, node: nodes.For, known: _Known, guards: Guards) -> None:
        """Read `{% for %}`: its name stands for each element."""
        self.read(node.iter, known, guards)
        inner = dict(known)
        _put(node.target, _every(self._path(node.iter, known)), inner)
        if node.test is None:
            self._all(node.body, inner, guards)
        else:
            self._branches(node.test, node.body, inner, guards)
        self._all(node.else_, known, guards)

    def with_(self, node: nodes.With, known: _Known, guards: Guards) -> None:
        """Read `{% with %}`."""
        inner = dict(known)
        for target, value in zip(node.targets, node.values, strict=True):
            self.read(value, known, guards)
            _put(target, self._path(value, known), inner)
        self._all(node.body, inner, guards)

    def _set(self, target: nodes.Node, path: Steps | None, known: _Known) -> None:
        _put(target, path, known)
        known.update(dict.fromkeys(self._changing & known.keys()))

    def filter(self, node: nodes.Filter, known: _Known, guards: Guards) -> None:
        """Read `x | y`; a part of a template as a whole has no x."""
        value = node.node
        if value is None:
            return
        if node.name in FORGIVING:
            self._name(value, known, guards, forgiven=True)
        else:
            self.read(value, known, guards)
        self._all((*node.args, *node.kwargs), known, guards)
        named = _field_named(node)
        path = _every(self._path(value, known))
        if named and path:
            # `map(attribute=..., default=...)` and the tests `defined` and `undefined` take what is missing.
            forgiven = any(option.key == "default" for option in node.kwargs) or any(
                isinstance(argument, nodes.Const) and argument.value in _PRESENCE
                for argument in node.args[1:]
            )
            self.paths.append(Use((*path, *named), node.lineno, forgiven, self._deciding, guards))

    def _name(self, node: nodes.Node, known: _Known, guards: Guards, *, forgiven: bool) -> None:
        """Note the path that a node is, or of what cannot be followed as much as can."""
        path = self._path(node, known)
        if path is not None and not isinstance(node, nodes.Filter):
            self.paths.append(Use(path, node.lineno, forgiven, self._deciding, guards))
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            self._name(node.node, known, guards, forgiven=forgiven)
            if isinstance(node, nodes.Getitem):
                self.read(node.arg, known, guards)
        elif not isinstance(node, nodes.Name):
            self.read(node, known, guards)

    def _path(self, node: nodes.Node, known: Mapping[str, Steps | None]) -> Steps | None:
        """Return the path that a node stands for, or None."""
        match node:
            case nodes.Name():
                return known.get(node.name, (node.name,))
            case nodes.Getattr():
                return _with_step(self._path(node.node, known), node.attr)
            case nodes.Getitem(arg=nodes.Const(value=str() | int() as step)) if not isinstance(step, bool):
                return _with_step(self._path(node.node, known), step)
            case nodes.Filter(node=nodes.Expr() as value):
                if node.name in _ELEMENT and not (node.args or node.kwargs):
                    return _every(self._path(value, known))
                return self._path(value, known) if node.name in _SAME or node.name in FORGIVING else None
            case _:
                return None

    def compare(self, node: nodes.Compare, known: _Known, guards: Guards) -> None:
        """Read `x == y`."""
        self._all(node.iter_child_nodes(), known, guards)
        if len(node.ops) != 1:
            return
        [operand] = node.ops
        for side, other, operator in (
            (node.expr, operand.expr, operand.op),
            (operand.expr, node.expr, _MIRRORED.get(operand.op)),
        ):
            compared, by_word, instead = _compared(side)
            path = self._path(compared, known)
            values = [value for value in _constants(other, operator) if value not in ("", *instead)]
            if path and operator and values:
                self.comparisons.append(Comparison(path, node.lineno, by_word, operator, tuple(values)))


_LOOKS: Final[Mapping[type[nodes.Node], Callable[[_Reader, Any, _Known, Guards], None]]] = {
    nodes.For: _Reader.loop,
    nodes.If: _Reader.if_,
    nodes.CondExpr: _Reader.either,
    nodes.And: _Reader.both,
    nodes.Or: _Reader.both,
    nodes.Assign: _Reader.assign,
    nodes.AssignBlock: _Reader.block,
    nodes.With: _Reader.with_,
    nodes.Macro: _Reader.macro,
    nodes.CallBlock: _Reader.macro,
    nodes.Test: _Reader.test,
    nodes.Filter: _Reader.filter,
    nodes.Call: _Reader.call,
    nodes.Compare: _Reader.compare,
    nodes.Name: _Reader.path,
    nodes.Getattr: _Reader.path,
    nodes.Getitem: _Reader.path,
}
_MIRRORED: Final = {"eq": "eq", "ne": "ne", "gt": "lt", "gteq": "lteq", "lt": "gt", "lteq": "gteq"}


def _compared(side: nodes.Expr) -> tuple[nodes.Expr, bool, list[Any]]:
    """Return what is compared, whether by its word, and what takes the place of a missing field."""
    match side:
        case nodes.Filter(name="word", node=nodes.Expr() as value):
            return value, True, []
        case nodes.Filter(node=nodes.Expr() as value) if side.name in FORGIVING:
            return value, False, [part.value for part in side.args if isinstance(part, nodes.Const)]
        case _:
            return side, False, []


def _constants(node: nodes.Node, operator: str | None) -> tuple[Any, ...]:
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


def _field_named(node: nodes.Filter) -> Steps:
    """Return the field of each element that a filter is told by its name."""
    named = [option.value for option in node.kwargs if option.key == "attribute"]
    if node.name in {"selectattr", "rejectattr"}:
        named += node.args[:1]
    match named:
        case [nodes.Const(value=str(text))]:
            return tuple(int(step) if step.isdecimal() else step for step in text.split("."))
        case _:
            return ()


def _with_step(path: Steps | None, step: Step) -> Steps | None:
    return None if path is None else (*path, step)


def _every(path: Steps | None) -> Steps | None:
    return _with_step(path, EVERY)


def _put(target: nodes.Node, path: Steps | None, known: _Known) -> None:
    if isinstance(target, nodes.Name):
        known[target.name] = path
    else:
        known.update({name.name: None for name in target.find_all(nodes.Name)})
