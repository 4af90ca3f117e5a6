"""What a template can touch: fields, elements, and the few things named here.

`Sandbox` is the one Jinja environment.  Nothing calls Python's `getattr` with a name that a template wrote, except
for the attributes listed below.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import BuiltinMethodType, MethodType
from typing import Any, Final

from jinja2 import Template
from jinja2.environment import TemplateModule
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from markupsafe import Markup

from zennotify.message import limits
from zennotify.message.filters import FILTERS, TESTS, Group, glue, show
from zennotify.message.generator import LOOP, Generator
from zennotify.message.limits import Refused, kind
from zennotify.message.missing import Missing
from zennotify.message.shield import shield
from zennotify.zenoti.names import EventNames

_LOOP = frozenset(
    {
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "previtem",
        "nextitem",
        "cycle",
        "changed",
    }
)
_TEXT = frozenset({"startswith", "endswith"})
_TIME = frozenset({"year", "month", "day", "hour", "minute"})
_GROUP = frozenset({"grouper", "list"})
#: What calling a macro costs, in steps, beside what its body pays.
_CALL_COST = 2
#: What has attributes: their names, by type.
_ATTRIBUTES: Final = ((LoopContext, _LOOP), (str, _TEXT), (datetime, _TIME), (Group, _GROUP))


def _range(*bounds: Any) -> range:
    """Return numbers in a row, not too many."""
    if not all(isinstance(bound, int) for bound in bounds):
        raise Refused("`range` takes whole numbers")
    numbers = range(*bounds)
    # Not len(): it fails for the largest ones.
    limits.check_list(abs(numbers.stop - numbers.start) // abs(numbers.step))
    return numbers


class _Context(Context):
    """Looks names up where they are: the mapping may make them on demand, and is never copied."""

    def get_all(self) -> Any:
        return ChainMap(self.vars, self.parent) if self.vars else self.parent

    def resolve_or_missing(self, key: str) -> Any:
        if key in self.vars:
            return self.vars[key]
        try:
            return self.parent[key]
        except KeyError:
            return self.environment.globals.get(key, missing)


class _Template(Template):
    """Hands its names to the templates that it includes, made or not."""

    def new_context(
        self,
        vars: Any = None,  # noqa: A002 - Jinja's
        shared: bool = False,
        locals: Mapping[str, Any] | None = None,  # noqa: A002 - Jinja's
    ) -> Context:
        set_here = {name: value for name, value in (locals or {}).items() if value is not missing}
        return super().new_context(ChainMap(set_here, vars) if set_here else vars, shared)  # type: ignore[arg-type]


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates and expressions."""

    code_generator_class = Generator
    context_class = _Context
    template_class = _Template
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)
    intercepted_unops = frozenset(ImmutableSandboxedEnvironment.default_unop_table)

    def __init__(self) -> None:
        # Autoescape is Jinja's book-keeping of what is Markdown already; the escaping is ours (`put`).
        super().__init__(
            undefined=Missing,
            autoescape=True,
            optimized=False,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=0,
        )
        self.filters = {**FILTERS, LOOP: self.loop_over}
        self.tests = dict(TESTS)
        self.globals = {"range": _range}
        #: What `include`, `import` and `extends` find.
        self.templates: dict[str, Template] = {}

    def get_template(self, name: Any, parent: Any = None, globals: Any = None) -> Template:  # noqa: A002 - Jinja's
        """Return another template of the same set."""
        try:
            return self.templates[name]
        except KeyError:
            raise Refused(f"template `{name}` is broken") from None

    spend = staticmethod(limits.spend)
    glue = staticmethod(glue)

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Join what a body printed."""
        return limits.text_of([*pieces])

    @staticmethod
    def put(value: Any) -> str:
        """Return a value as it is printed: shielded, unless it is Markdown already."""
        text = limits.printed(show(value))
        return str(text) if isinstance(value, Markup) else shield(text)

    @staticmethod
    def key(value: Any) -> Any:
        """Return what stands in `[...]`, if it can be a field's name or an element's number."""
        if isinstance(value, Missing):
            value.fail()
        if not isinstance(value, (str, int)):
            raise Refused(f"[...] needs a name or a number, not {kind(value)}")
        return value

    @staticmethod
    def operand(value: Any) -> Any:
        """Return one side of a comparison."""
        if isinstance(value, Missing):
            value.fail()
        limits.spend_on(value)
        return value

    @staticmethod
    def loop_over(value: Any) -> Any:
        """Return what a `for` goes through; null is an empty list."""
        if isinstance(value, Missing):
            value.fail()
        if value is None:
            return ()
        if not isinstance(value, (Sequence, Mapping)):
            raise Refused(f"cannot loop over {kind(value)}")
        limits.spend(len(value))  # for the `if` of the loop, which no body pays for
        return value

    @staticmethod
    def here() -> Any:
        """Return the names whose centre counts."""
        return limits.current().here

    @staticmethod
    def turn_to(names: Any) -> None:
        """Let the centre of an event count whose names these are, for times and amounts."""
        if isinstance(names, EventNames):
            limits.current().here = names

    @staticmethod
    def turn_back(names: Any) -> None:
        """Let the centre count again that did before."""
        limits.current().here = names

    def pick(self, value: Any, steps: tuple[Any, ...], texts: tuple[str, ...]) -> Any:
        """Follow a path from a value; `texts` has the path as written, up to each step."""
        for position, step in enumerate(steps):
            if isinstance(value, Missing):
                return value
            try:
                value = value[step] if type(value) is dict else _step(value, step)
            except (LookupError, TypeError):
                return Missing(f"no field `{texts[position + 1]}`{_found(value, step, texts[position])}")
        return value

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a field (Jinja's filters ask so)."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return a field or an element (Jinja's filters ask so)."""
        try:
            return _step(obj, argument)
        except (LookupError, TypeError):
            return Missing(f"no field `{argument}` in an element of the list")

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja's names
        """Call a macro, a block, or one of the few functions; not too deep."""
        if isinstance(__obj, Missing):
            __obj.fail()
        if __obj is _range or _is_own_method(__obj):
            for argument in args:
                __self.operand(argument)
            return __context.call(__obj, *args, **kwargs)
        if not isinstance(__obj, (Macro, BlockReference)):
            raise Refused(f"cannot call {kind(__obj)}; only macros, blocks and `range` are called with ()")
        limits.spend(_CALL_COST)
        run = limits.current()
        if run.calls >= limits.MAX_CALLS:
            raise Refused(f"calls macros or blocks more than {limits.MAX_CALLS} deep")
        run.calls += 1
        try:
            return __context.call(__obj, *args, **kwargs)
        finally:
            run.calls -= 1

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Work out `+ - * / // % **` within bounds."""
        for side in (left, right):
            if isinstance(side, Missing):
                side.fail()
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            return self._bounded(operator, left, right)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return glue((left, right))
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            limits.check_list(len(left) + len(right))
            return left + right
        if operator == "*" and isinstance(left, (str, list)) and isinstance(right, int):
            (limits.check_text if isinstance(left, str) else limits.check_list)(len(left) * right)
            return left * right
        hint = "; texts are joined by `~`" if operator == "+" else ""
        raise Refused(f"cannot use `{operator}` with {kind(left)} and {kind(right)}{hint}")

    def _bounded(self, operator: str, left: float, right: float) -> Any:
        if isinstance(left, int) and isinstance(right, int):
            bits = (
                left.bit_length() * abs(right) if operator == "**" else left.bit_length() + right.bit_length()
            )
            if bits > limits.MAX_BITS and operator in {"*", "**"}:
                raise Refused("a number is too large")
        result = self.binop_table[operator](left, right)
        if isinstance(result, complex):
            raise Refused(f"cannot use `{operator}` with these numbers")
        return result

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """Work out `+` and `-` before a number."""
        if isinstance(arg, Missing):
            arg.fail()
        if not isinstance(arg, (int, float)):
            raise Refused(f"cannot use `{operator}` with {kind(arg)}")
        return self.unop_table[operator](arg)


def _step(value: Any, step: Any) -> Any:
    """Return one field, element or allowed attribute; LookupError or TypeError where there is none."""
    if isinstance(value, Mapping) and isinstance(step, (str, int)):
        return value[step]
    if isinstance(value, Sequence) and isinstance(step, int):
        return value[step]
    for owner, names in _ATTRIBUTES:
        if isinstance(value, owner) and step in names:
            return getattr(value, step)
    if isinstance(value, TemplateModule) and isinstance(step, str) and not step.startswith("_"):
        return vars(value)[step]
    if isinstance(value, TemplateReference):
        return value[step]
    raise LookupError


def _found(value: Any, step: Any, text: str) -> str:
    """Return what stands where a group of fields was expected."""
    if isinstance(value, Mapping):
        return ""
    return f" (`{text}` is {kind(value)})" + (f"; a filter is written `| {step}`" if step in FILTERS else "")


def _is_own_method(function: Any) -> bool:
    if isinstance(function, BuiltinMethodType):
        return isinstance(function.__self__, str) and function.__name__ in _TEXT
    return isinstance(function, MethodType) and isinstance(function.__self__, LoopContext)
