"""Look at every part of a template before anything is compiled or run.

What is not allowed by name is refused, so that a new feature of Jinja does not slip in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from zennotify.message.filters import FILTERS, TESTS
from zennotify.message.problem import TOO_DEEP, TemplateProblem
from zennotify.message.spell import spell
from zennotify.message.uses import Place
from zennotify.message.ways import Steps, is_element
from zennotify.spelling import did_you_mean
from zennotify.zenoti.codes import TABLES

#: The names that there are, and for each the fields it has; none: any field.
Known = Mapping[str, Collection[str]]
_GIVEN_BY_JINJA: Final = frozenset(("range", "loop", "caller", "varargs", "kwargs"))
#: The blocks of a message.
BLOCKS: Final = ("title", "body", "sms", "chat", "email")
_DEEPEST = 100
_MOST_PARTS = 5_000

_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Block, nodes.Extends, nodes.Include, nodes.Import,
    nodes.FromImport, nodes.For, nodes.If, nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.With,
    nodes.Assign, nodes.AssignBlock, nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair,
    nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice,
    nodes.Concat, nodes.Compare, nodes.Operand, nodes.BinExpr, nodes.UnaryExpr, nodes.Scope,
)  # fmt: skip
_FROM_FILES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
#: Filters that name another filter, a test, or a field as their first argument.
_NAMING_FILTER = frozenset({"map"})
_NAMING_TEST = frozenset({"select", "reject"})
_NAMING_FIELD = frozenset({"selectattr", "rejectattr"})
#: How many arguments come before the name of a field, which is to be written as `attribute=...`.
_BEFORE_FIELD = {"sort": 2, "unique": 1, "min": 1, "max": 1, "join": 1, "sum": 0}
_INSTEAD = {
    "int": "use `number`, which has no silent 0",
    "float": "use `number`, which has no silent 0",
    "format": "join texts with `~`, and use `number`, `money`, `date` or `time`",
}
_HINTS = (
    (re.compile(r"unexpected char '&'"), "; write `and`"),
    (re.compile(r"unexpected char '!'"), "; write `not`"),
    (re.compile(r"expected token 'name', got '\|'"), "; for `||` write `or`"),
    (re.compile(r"got '='"), "; to compare write `==`"),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong in a template."""

    line: int
    message: str


def parse_template(environment: Environment, source: str) -> nodes.Template:
    """Return the tree of a template; TemplateProblem where it cannot be read."""
    with _reading():
        tree = Parser(environment, source).parse()
    _measure(tree)
    return tree


def parse_expression(environment: Environment, source: str) -> nodes.Expr:
    """Return the tree of an expression; TemplateProblem where it cannot be read."""
    with _reading():
        parser = Parser(environment, source, state="variable")
        expression = parser.parse_expression()
        if not parser.stream.eos:
            token = parser.stream.current
            raise TemplateSyntaxError(f"the expression has ended, but got {token.value!r:.22}", token.lineno)
    _measure(expression)
    return expression


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except TemplateSyntaxError as error:
        raise said(error) from None
    except (RecursionError, MemoryError):
        raise TemplateProblem(TOO_DEEP) from None
    except (ValueError, OverflowError):
        raise TemplateProblem("a number or a text in it cannot be read") from None


def said(error: TemplateSyntaxError) -> TemplateProblem:
    """Return a syntax error of Jinja's with a hint at what was probably meant."""
    message = (error.message or "cannot be read").rstrip(".")
    hint = next((hint for pattern, hint in _HINTS if pattern.search(message)), "")
    return TemplateProblem(message + hint, error.lineno)


def troubles(tree: nodes.Template, files: Collection[str] = ()) -> list[Trouble]:
    """Return everything that a template may not say, in the order of its lines."""
    found = [Trouble(node.lineno, message) for node in _parts(tree) for message in _wrong(node, files)]
    return sorted([*found, *_stray(tree)], key=lambda trouble: trouble.line)


def unknown_names(tree: nodes.Template, known: Known, own: Collection[str] = ()) -> list[Trouble]:
    """Return each use of a name that nothing has, and of a field that its thing does not have.

    `own` are names that the template gets from where it is used.
    """
    given = (
        {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"} | _parameters(tree) | set(own)
    )
    found = []
    for node in _parts(tree):
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in given:
            if node.name not in known and node.name not in _GIVEN_BY_JINJA:
                found.append(
                    Trouble(node.lineno, f"unknown name `{node.name}`{did_you_mean(node.name, known)}")
                )
        elif (field := _field(node, known, given)) is not None:
            found.append(Trouble(node.lineno, field))
    return found


def unknown_elements(places: Iterable[Place], known: Known) -> Iterator[Trouble]:
    """Yield each use of `events` as if it were an event, and of what its elements do not have.

    `known` are their names, with their fields.
    """
    for steps, line in places:
        wrong = _of_element(steps, known) if is_element(steps) else _of_events(steps)
        if wrong:
            yield Trouble(line, wrong)


def _of_events(steps: Steps) -> str:
    match steps:
        case (_, "length" | "count" | "size", *_):
            return "`events` is a list: write `events | length`, or `count` for all"
        case (_, str() as name, *_):
            return (
                "`events` is a list: go through it with `for`, "
                f"or write `events[0].{name}` for the oldest and `{name}` for the last"
            )
        case _:
            return ""


def _of_element(steps: Steps, known: Known) -> str:
    match steps[2:]:
        case (str() as name, *_) if name not in known:
            return _has_no("an event of `events`", name, known)
        case (str() as name, str() as field, *_) if known[name] and field not in known[name]:
            return _has_no(f"`{name}`", field, known[name])
        case _:
            return ""


def _has_no(what: str, field: str, fields: Collection[str]) -> str:
    return f"{what} has no `{field}`{did_you_mean(field, fields) or '; it has: ' + ' '.join(fields)}"


def _parameters(tree: nodes.Template) -> set[str]:
    """Return the names of macros, imported ones too."""
    names = {macro.name for macro in tree.find_all(nodes.Macro)}
    names |= {module.target for module in tree.find_all(nodes.Import)}
    for imported in tree.find_all(nodes.FromImport):
        names |= {name if isinstance(name, str) else name[1] for name in imported.names}
    return names


def _field(node: nodes.Node, known: Known, given: Collection[str]) -> str | None:
    """Say that a thing does not have the field that is asked for."""
    match node:
        case nodes.Getattr(node=nodes.Name(name=thing), attr=field):
            pass
        case nodes.Getitem(node=nodes.Name(name=thing), arg=nodes.Const(value=str(field))):
            pass
        case _:
            return None
    fields = known.get(thing, ())
    if not fields or field in fields or thing in given:
        return None
    return _has_no(f"`{thing}`", field, fields)


def _parts(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    yield from tree.find_all(nodes.Node)


def _measure(tree: nodes.Node) -> None:
    """Refuse a tree that is too large or too deep, before anything walks it by recursion."""
    waiting = [(tree, 0)]
    parts = 0
    while waiting:
        node, depth = waiting.pop()
        parts += 1
        if depth > _DEEPEST:
            raise TemplateProblem(TOO_DEEP, node.lineno)
        if parts > _MOST_PARTS:
            raise TemplateProblem(f"has more than {_MOST_PARTS:,} parts")
        waiting.extend((child, depth + 1) for child in node.iter_child_nodes())


def _wrong(node: nodes.Node, files: Collection[str]) -> Iterator[str]:
    if not isinstance(node, _ALLOWED):
        yield _not_allowed(node)
    if isinstance(node, _FROM_FILES):
        yield from _wrong_file(node, files)
    if isinstance(node, (nodes.Call, nodes.Filter, nodes.Test)) and (node.dyn_args or node.dyn_kwargs):
        yield "`*` and `**` cannot be used in arguments"
    if look := _LOOKS.get(type(node)):
        yield from look(node)


def _not_allowed(node: nodes.Node) -> str:
    if isinstance(node, nodes.ScopedEvalContextModifier):
        return "`autoescape` cannot be used: values are always escaped for where they go; `| safe` is the way out"
    if isinstance(node, nodes.NSRef):
        return f"cannot set `{node.name}.{node.attr}`: only whole names can be set"
    return f"`{type(node).__name__.lower()}` cannot be used here"


def _wrong_file(node: Any, files: Collection[str]) -> Iterator[str]:
    tag = {"fromimport": "from"}.get(type(node).__name__.lower(), type(node).__name__.lower())
    name = node.template.value if isinstance(node.template, nodes.Const) else None
    if not isinstance(name, str):
        yield f'`{tag}` needs the name of one template in quotes, e.g. {{% {tag} "header.j2" %}}'
    elif name not in files:
        yield f"no template `{name[:80]}`{did_you_mean(name, files)}"


def _wrong_filter(node: nodes.Filter) -> Iterator[str]:
    if node.name not in FILTERS:
        instead = _INSTEAD.get(node.name)
        yield f"unknown filter `{node.name}`" + (
            f"; {instead}" if instead else did_you_mean(node.name, FILTERS)
        )
        return
    if node.name in _NAMING_FILTER and node.args:
        yield from _wrong_name(node, FILTERS, "filter")
    if node.name in _NAMING_TEST and node.args:
        yield from _wrong_name(node, TESTS, "test")
    named = any(option.key == "attribute" for option in node.kwargs)
    if node.name in _NAMING_FIELD or (node.name == "groupby" and not named):
        if not (node.args and _is_text(node.args[0])):
            yield f"`{node.name}` needs the name of a field in quotes"
        if node.name in _NAMING_FIELD and len(node.args) > 1:
            yield from _wrong_name(node, TESTS, "test", 1)
    if node.name == "word" and node.args:
        yield from _wrong_name(node, TABLES, "table of codes")
    if len(node.args) > _BEFORE_FIELD.get(node.name, len(node.args)):
        yield f"`{node.name}` takes the name of a field as `attribute=...`"


def _wrong_name(node: nodes.Filter, known: Collection[str], what: str, position: int = 0) -> Iterator[str]:
    argument = node.args[position]
    if not _is_text(argument):
        yield f"`{node.name}` needs the name of a {what} in quotes"
    elif argument.value not in known:  # type: ignore[attr-defined]
        name = argument.value  # type: ignore[attr-defined]
        yield f"unknown {what} `{name[:80]}`{did_you_mean(name, known)}"


def _is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


def _wrong_test(node: nodes.Test) -> Iterator[str]:
    if node.name not in TESTS:
        yield f"unknown test `{node.name}`{did_you_mean(node.name, TESTS)}"


def _wrong_attribute(node: nodes.Getattr) -> Iterator[str]:
    if node.attr.startswith("_"):
        yield f"`{spell(node)}` cannot be used: names that begin with `_` are private"


def _wrong_keyword(node: nodes.Keyword) -> Iterator[str]:
    if node.key.startswith("_"):
        yield f"`{node.key}=` cannot be used: names that begin with `_` are private"
    if node.key == "attribute" and not isinstance(node.value, nodes.Const):
        yield "`attribute=` needs the name of a field in quotes"


def _wrong_key(node: nodes.Pair) -> Iterator[str]:
    if not isinstance(node.key, nodes.Const):
        yield "the names in {...} are to be written in quotes"


def _wrong_constant(node: nodes.Const) -> Iterator[str]:
    if isinstance(node.value, float) and not math.isfinite(node.value):
        yield "a number is too large"


def _wrong_loop(node: nodes.For) -> Iterator[str]:
    if node.recursive:
        yield "`recursive` loops cannot be used"


def _wrong_block(node: nodes.Block) -> Iterator[str]:
    if node.name not in BLOCKS:
        near = did_you_mean(node.name, BLOCKS)
        yield f"unknown block `{node.name}`{near or ', expected ' + ', '.join(BLOCKS)}"


_LOOKS: Final[dict[type[nodes.Node], Callable[[Any], Iterator[str]]]] = {
    nodes.Filter: _wrong_filter,
    nodes.Test: _wrong_test,
    nodes.Getattr: _wrong_attribute,
    nodes.Keyword: _wrong_keyword,
    nodes.Pair: _wrong_key,
    nodes.Const: _wrong_constant,
    nodes.For: _wrong_loop,
    nodes.Block: _wrong_block,
}


def _stray(tree: nodes.Template) -> Iterator[Trouble]:
    """Yield what stands where it does nothing: text beside the blocks, a block inside something."""
    blocks = [*tree.find_all(nodes.Block)]
    for block in blocks:
        if not any(block is top for top in tree.body):
            yield Trouble(
                block.lineno, f"block `{block.name}` stands inside something else; move it to the top level"
            )
    if not blocks and tree.find(nodes.Extends) is None:
        return
    for output in (node for node in tree.body if isinstance(node, nodes.Output)):
        for part in output.nodes:
            text = part.data if isinstance(part, nodes.TemplateData) else "..."
            if text.strip():
                line = part.lineno + text[: -len(text.lstrip())].count("\n")
                yield Trouble(line, "this stands outside of the blocks and goes nowhere; put it into `body`")
                return
