"""Find which paths an expression or a template uses, how carefully, and what it compares them with.

Found in its tree before anything runs; rulefile/ asks what the event types carry of them.  A template is read with
those that it includes, imports and extends, as far as they run: no block that it overrides, no macro that it does not
call.  What cannot be followed (a name that is set twice, a step worked out at run time) is left out: nothing is said
of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from jinja2 import nodes

from zennotify.message.compared import Side, chosen, side_of_test, sides_of
from zennotify.message.filters import FORGIVING
from zennotify.message.generator import LOOP
from zennotify.message.known import (
    File,
    Group,
    Known,
    Macro,
    Module,
    below,
    every,
    macro_called,
    names_in,
    plain,
    put,
)
from zennotify.message.spell import spell
from zennotify.message.ways import (
    PRESENCE,
    Call,
    Comparison,
    Guards,
    Steps,
    Use,
    Uses,
    Way,
    asks_absence,
    asks_presence,
    calls_super,
    fields_named,
    has_fields,
    is_element,
    of_event,
)


def uses_of(tree: nodes.Node) -> Uses:
    """Return what a tree uses, also in macros that it does not call, and in nothing but itself."""
    reader = _Reader({})
    reader.file("", tree, {}, frozenset())
    reader.rest()
    return reader.found().get("", Uses())


def uses_together(name: str, tree: nodes.Template, others: Mapping[str, nodes.Template]) -> dict[str, Uses]:
    """Return what runs of a template and of the others that it uses, by their names."""
    reader = _Reader(others)
    reader.file(name, tree, {}, frozenset())
    return {name: Uses(), **reader.found()}


def events_of(
    name: str, tree: nodes.Template, others: Mapping[str, nodes.Template]
) -> dict[str, list[Place]]:
    """Return where a template and the others that it uses ask something of `events`, and what, as it is written."""
    reader = _Reader(others)
    reader.file(name, tree, {}, frozenset())
    return reader.of_events


class Place(NamedTuple):
    """A path, and the line that it stands on."""

    steps: Steps
    line: int


#: Filters that return an element of a list, or the same list in another way.
_ELEMENT: Final = frozenset(("first", "last", "min", "max"))
_SAME: Final = frozenset((LOOP, "list", "sort", "unique", "select", "reject", "selectattr", "rejectattr"))
#: What tells one event from another, or one rule.
_TELLING: Final = frozenset((("event", "type"), ("rule", "id")))
#: The methods that texts do have.
_METHODS: Final = frozenset(("startswith", "endswith"))
#: A part that many places use is read so often, each time with what was asked there.
_MOST_READINGS: Final = 8


class _Reader:
    """Walks through trees."""

    def __init__(self, trees: Mapping[str, nodes.Template]) -> None:
        self._trees = trees
        self._paths: dict[str, dict[Use, None]] = {}
        self._comparisons: dict[str, dict[Comparison, None]] = {}
        self._calls: dict[str, dict[Call, None]] = {}
        self.of_events: dict[str, list[Place]] = {}
        self._deciding = False
        self._file = File("")
        self._macros: list[Macro] = []
        self._modules: dict[Any, Known] = {}
        self._seen: set[Any] = set()
        self._readings: Counter[Any] = Counter()

    def found(self) -> dict[str, Uses]:
        """Return what was found in each file."""
        return {
            name: Uses(
                tuple(self._paths.get(name, ())),
                tuple(self._comparisons.get(name, ())),
                tuple(self._calls.get(name, ())),
            )
            for name in {**self._paths, **self._comparisons, **self._calls}
        }

    # --- files, blocks and macros -----------------------------------------------------------------------

    def file(
        self,
        name: str,
        tree: nodes.Node,
        known: Known,
        guards: Guards,
        overridden: frozenset[str] = frozenset(),
    ) -> None:
        """Read a template, or an expression: its blocks after all the rest, which sets names for them."""
        targets = [node.target for node in tree.find_all(nodes.Assign)]
        times = Counter(target.name for target in targets if isinstance(target, nodes.Name))
        changing = frozenset(name for name, count in times.items() if count > 1)
        before, self._file = self._file, File(name, changing, overridden)
        parts = tree.body if isinstance(tree, nodes.Template) else [tree]
        last = (nodes.Block, nodes.Extends)
        self._all((part for part in parts if not isinstance(part, last)), known, guards)
        self._all((part for part in parts if isinstance(part, nodes.Block)), known, guards)
        blocks = overridden | {block.name for block in tree.find_all(nodes.Block) if not calls_super(block)}
        for extends in tree.find_all(nodes.Extends):
            self._other(extends.template, known, guards, blocks)
        self._file = before

    def rest(self) -> None:
        """Read the macros that nothing has called."""
        for macro in self._macros:
            if not self._readings[id(macro.node)]:
                self._run(macro, frozenset())

    def _other(
        self, template: nodes.Expr, known: Known, guards: Guards, overridden: frozenset[str] = frozenset()
    ) -> None:
        """Read another template from here; it has the names that are known here."""
        name = template.value if isinstance(template, nodes.Const) else None
        tree = self._trees.get(name) if isinstance(name, str) else None
        if tree is not None and self._may_read(name, (guards, overridden, plain(known))):
            self.file(tree=tree, name=str(name), known=known, guards=guards, overridden=overridden)

    def _may_read(self, part: Any, way: Any) -> bool:
        """Say whether a part was not yet read in this way, and not too often."""
        if (part, way) in self._seen or self._readings[part] >= _MOST_READINGS:
            return False
        self._seen.add((part, way))
        self._readings[part] += 1
        return True

    def include(self, node: nodes.Include, known: Known, guards: Guards) -> None:
        """Read `{% include %}`: what the other one sets is not known here."""
        self._other(node.template, dict(known), guards)

    def import_(self, node: nodes.Import | nodes.FromImport, known: Known, guards: Guards) -> None:
        """Read `{% import %}` and `{% from ... import %}`."""
        key = spell(node.template), guards, plain(known)
        if key not in self._modules:
            self._modules[key] = dict(known)
            self._other(node.template, self._modules[key], guards)
        module = self._modules[key]
        if isinstance(node, nodes.Import):
            known[node.target] = Module(module)
            return
        for name in node.names:
            source, target = (name, name) if isinstance(name, str) else name
            known[target] = (
                None if source in known and module[source] is known[source] else module.get(source)
            )

    def block(self, node: nodes.Block, known: Known, guards: Guards) -> None:
        """Read a block that no other one stands for."""
        if node.name not in self._file.overridden:
            self._all(node.body, dict(known), guards)

    def macro(self, node: nodes.Macro, known: Known, guards: Guards) -> None:
        """Note a macro; it is read where it is called."""
        macro = Macro(node, self._file, known)
        known[node.name] = macro
        self._macros.append(macro)

    def call_block(self, node: nodes.CallBlock, known: Known, guards: Guards) -> None:
        """Read `{% call %}`: what its body is given is not known."""
        self.read(node.call, known, guards)
        self._all(node.defaults, known, guards)
        self._all(node.body, {**known, **dict.fromkeys(argument.name for argument in node.args)}, guards)

    def _run(self, macro: Macro, guards: Guards, values: Sequence[Way | None] = ()) -> None:
        """Read what a macro does: what it is given is not known, but for one of `events`."""
        arguments = [argument.name for argument in macro.node.args]
        elements = [way if way and is_element(way.steps) else None for way in values]
        if self._may_read(id(macro.node), (guards, *elements)):
            given = {**dict.fromkeys(arguments), **dict(zip(arguments, elements, strict=False))}
            before = self._file, self._deciding
            self._file, self._deciding = macro.file, False
            self._all((*macro.node.defaults, *macro.node.body), {**macro.known, **given}, guards)
            self._file, self._deciding = before

    def call(self, node: nodes.Call, known: Known, guards: Guards) -> None:
        """Read a call: the last name of `data.x.startswith("y")` is no field."""
        called = node.node
        if macro := macro_called(called, known):
            self._run(macro, guards, [self._path(value, known) for value in node.args])
        elif isinstance(called, nodes.Getattr):
            self.read(called.node, known, guards)
            way = self._path(called.node, known)
            steps = of_event(way.steps) if way else ()
            if steps[:1] == ("data",) and called.attr not in _METHODS:
                found = Call(steps, called.attr, node.lineno, guards)
                self._calls.setdefault(self._file.name, {})[found] = None
        else:
            self.read(called, known, guards)
        self._all((*node.args, *node.kwargs), known, guards)

    # --- what depends on what ---------------------------------------------------------------------------

    def read(self, node: nodes.Node, known: Known, guards: Guards) -> None:
        """Note what a node and those below it use."""
        look = _LOOKS.get(type(node))
        if look is None:
            self._all(node.iter_child_nodes(), known, guards)
        else:
            look(self, node, known, guards)

    def _all(self, parts: Iterable[nodes.Node], known: Known, guards: Guards) -> None:
        for part in parts:
            self.read(part, known, guards)

    def if_(self, node: nodes.If, known: Known, guards: Guards) -> None:
        """Read `{% if %}`."""
        for branch in (node, *node.elif_):
            inside, guards = self._branches(branch.test, known, guards)
            self._all(branch.body, known, inside)
        self._all(node.else_, known, guards)

    def either(self, node: nodes.CondExpr, known: Known, guards: Guards) -> None:
        """Read `a if b else c`."""
        inside, otherwise = self._branches(node.test, known, guards)
        self.read(node.expr1, known, inside)
        if node.expr2 is not None:
            self.read(node.expr2, known, otherwise)

    def both(self, node: nodes.And | nodes.Or, known: Known, guards: Guards) -> None:
        """Read `a and b`, `a or b`."""
        inside, otherwise = self._branches(node.left, known, guards)
        self.read(node.right, known, inside if isinstance(node, nodes.And) else otherwise)

    def _branches(self, test: nodes.Node, known: Known, guards: Guards) -> tuple[Guards, Guards]:
        """Read a test, and return what is known where it holds, and where it does not."""
        deciding, self._deciding = self._deciding, True
        self.read(test, known, guards)
        self._deciding = deciding
        asked = frozenset(self._asked(test, known))
        if guards is None or asked & _TELLING:
            return None, None
        if not asks_presence(test):
            return guards | asked, guards | asked
        return (None if asks_absence(test) else guards | asked), None

    def _asked(self, node: nodes.Node, known: Known) -> Iterator[Steps]:
        if (way := self._path(node, known)) and (steps := of_event(way.steps)):
            yield steps
        for part in node.iter_child_nodes():
            yield from self._asked(part, known)

    def loop(self, node: nodes.For, known: Known, guards: Guards) -> None:
        """Read `{% for %}`: its name stands for each element."""
        self.read(node.iter, known, guards)
        inner = dict(known)
        group = self._group(node.iter, known)
        if group is None:
            put(node.target, every(self._path(node.iter, known)), inner)
        elif isinstance(node.target, nodes.Tuple) and len(node.target.items) == 2:
            put(node.target.items[0], group.grouper, inner)
            put(node.target.items[1], group.list, inner)
        else:
            inner |= {name.name: group for name in names_in(node.target)}
        inside = guards if node.test is None else self._branches(node.test, inner, guards)[0]
        self._all(node.body, inner, inside)
        self._all(node.else_, known, None if asks_presence(node.iter) else guards)

    def _group(self, node: nodes.Node, known: Known) -> Group | None:
        """Return what stands for each of the groups that a loop goes through; None where it goes through others."""
        while isinstance(node, nodes.Filter) and node.node is not None and node.name in _SAME:
            node = node.node
        if not isinstance(node, nodes.Filter) or node.name != "groupby" or node.node is None:
            return None
        way, fields = self._path(node.node, known), fields_named(node)
        element = every(way)
        grouper = Way((*element.steps, *fields[0]), element.asked) if element and fields else None
        return Group(grouper, way)

    # --- names ------------------------------------------------------------------------------------------

    def assign(self, node: nodes.Assign, known: Known, guards: Guards) -> None:
        """Read `{% set x = y %}`."""
        self.read(node.node, known, guards)
        self._set(node.target, self._path(node.node, known), known)

    def assign_block(self, node: nodes.AssignBlock, known: Known, guards: Guards) -> None:
        """Read `{% set x %}...{% endset %}`."""
        self._all(node.body, known, guards)
        self._set(node.target, None, known)

    def with_(self, node: nodes.With, known: Known, guards: Guards) -> None:
        """Read `{% with %}`."""
        inner = dict(known)
        for target, value in zip(node.targets, node.values, strict=True):
            self.read(value, known, guards)
            put(target, self._path(value, known), inner)
        self._all(node.body, inner, guards)

    def _set(self, target: nodes.Node, way: Way | None, known: Known) -> None:
        put(target, way, known)
        known.update(dict.fromkeys(self._file.changing & known.keys()))

    # --- paths ------------------------------------------------------------------------------------------

    def path(self, node: nodes.Expr, known: Known, guards: Guards) -> None:
        """Read `a.b[0]`."""
        self._name(node, known, guards, forgiven=False)

    def test(self, node: nodes.Test, known: Known, guards: Guards) -> None:
        """Read `x is y`."""
        if node.name in PRESENCE:
            self._name(node.node, known, guards, forgiven=True)
        else:
            self._all(node.iter_child_nodes(), known, guards)
            self._compare(side_of_test(node), node.lineno, known, guards)

    def compare(self, node: nodes.Compare, known: Known, guards: Guards) -> None:
        """Read `x == y`."""
        self._all(node.iter_child_nodes(), known, guards)
        self._compare(sides_of(node), node.lineno, known, guards)

    def _compare(self, sides: Iterable[Side], line: int, known: Known, guards: Guards) -> None:
        for node, by, operator, values in sides:
            way = self._path(node, known)
            if way or by:
                text = f"{spell(node)} | {by}" if by else spell(node)
                steps = of_event(way.steps) if way else ()
                self._noted(Comparison(steps, text, line, by, operator, values, named=False, guards=guards))

    def _noted(self, comparison: Comparison) -> None:
        self._comparisons.setdefault(self._file.name, {})[comparison] = None

    def filter(self, node: nodes.Filter, known: Known, guards: Guards) -> None:
        """Read `x | y`; a part of a template as a whole has no x."""
        value = node.node
        if value is None:
            return
        if node.name in FORGIVING:
            self._name(value, known, guards, forgiven=True)
            self._all((*node.args, *node.kwargs), known, None)
            return
        self.read(value, known, guards)
        self._all((*node.args, *node.kwargs), known, guards)
        element = every(self._path(value, known))
        if element is None:
            return
        fields = fields_named(node)
        # `map(attribute=..., default=...)` and the tests `defined` and `undefined` take what is missing.
        forgiven = any(option.key == "default" for option in node.kwargs) or any(
            isinstance(argument, nodes.Const) and argument.value in PRESENCE for argument in node.args[1:]
        )
        for steps in fields:
            self._use(Way((*element.steps, *steps), element.asked), node.lineno, guards, forgiven=forgiven)
        if found := chosen(node):
            steps = of_event((*element.steps, *(fields[0] if fields else ())))
            self._noted(Comparison(steps, "", node.lineno, "", *found, named=True, guards=guards))

    def _use(self, way: Way, line: int, guards: Guards, *, forgiven: bool) -> None:
        if way.steps[0] == "events":
            self.of_events.setdefault(self._file.name, []).append(Place(way.steps, line))
        asked = None if guards is None else guards | set(map(of_event, way.asked))
        if steps := of_event(way.steps):
            use = Use(steps, line, forgiven, self._deciding, asked)
            self._paths.setdefault(self._file.name, {})[use] = None

    def _name(self, node: nodes.Node, known: Known, guards: Guards, *, forgiven: bool) -> None:
        """Note the path that a node is, or of what cannot be followed as much as can."""
        way = self._path(node, known)
        if way is not None and not isinstance(node, nodes.Filter):
            self._use(way, node.lineno, guards, forgiven=forgiven)
            if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
                self.read(node.arg, known, guards)
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            self._name(node.node, known, guards, forgiven=forgiven)
            if isinstance(node, nodes.Getitem):
                self.read(node.arg, known, guards)
        elif not isinstance(node, nodes.Name):
            self.read(node, known, guards)

    def _path(self, node: nodes.Node, known: Mapping[str, Any]) -> Way | None:
        """Return the path that a node stands for, or None."""
        match node:
            case nodes.Name():
                way = known.get(node.name, Way((node.name,)))
                return way if isinstance(way, Way) else None
            case nodes.Getattr(node=nodes.Name(name=name), attr="grouper" | "list" as attribute) if (
                isinstance(group := known.get(name), Group)
            ):
                way = getattr(group, attribute)
                return way if isinstance(way, Way) else None
            case nodes.Getattr():
                return below(self._path(node.node, known), node.attr)
            case nodes.Getitem(node=nodes.Expr() as value, arg=nodes.Slice()):
                return self._path(value, known)
            case nodes.Getitem(arg=nodes.Const(value=str() | int() as step)) if not isinstance(step, bool):
                return below(self._path(node.node, known), step)
            case nodes.Filter(node=nodes.Expr() as value):
                way = self._path(value, known)
                if node.name in _ELEMENT and not (node.args or node.kwargs):
                    return every(way)
                if node.name in FORGIVING:
                    return None if way is None or has_fields(node.args) else way.forgiven()
                return way if node.name in _SAME else None
            case _:
                return None


_LOOKS: Final[Mapping[type[nodes.Node], Callable[[_Reader, Any, Known, Guards], None]]] = {
    nodes.For: _Reader.loop,
    nodes.If: _Reader.if_,
    nodes.CondExpr: _Reader.either,
    nodes.And: _Reader.both,
    nodes.Or: _Reader.both,
    nodes.Assign: _Reader.assign,
    nodes.AssignBlock: _Reader.assign_block,
    nodes.With: _Reader.with_,
    nodes.Macro: _Reader.macro,
    nodes.CallBlock: _Reader.call_block,
    nodes.Block: _Reader.block,
    nodes.Include: _Reader.include,
    nodes.Import: _Reader.import_,
    nodes.FromImport: _Reader.import_,
    nodes.Test: _Reader.test,
    nodes.Filter: _Reader.filter,
    nodes.Call: _Reader.call,
    nodes.Compare: _Reader.compare,
    nodes.Name: _Reader.path,
    nodes.Getattr: _Reader.path,
    nodes.Getitem: _Reader.path,
}
