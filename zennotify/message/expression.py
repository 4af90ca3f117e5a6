"""Tell whether an event meets a rule's `when`, and whom a channel's `to` means; rulefile/ and app.py ask for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from jinja2 import nodes

from zennotify.core.model import Names, Predicate
from zennotify.errors import ExpressionError, StoreError
from zennotify.message.check import Known, parse_expression, troubles, unknown_names
from zennotify.message.compiled import compile_tree, context_of
from zennotify.message.limits import Run, Running
from zennotify.message.missing import Missing
from zennotify.message.problem import TemplateProblem, in_words
from zennotify.message.sandbox import Sandbox
from zennotify.message.uses import uses_of
from zennotify.message.ways import Uses

_LONGEST: Final = 2_000
_SANDBOX: Final = Sandbox()
#: A `when` prints nothing, so the language of its texts does not matter.
_LOCALE: Final = "en-US"
_BRACES: Final = re.compile(r"\s*\{\{(.*)\}\}\s*", re.DOTALL)


def compile_expression(source: str, known: Known | None = None, time_zone: str | None = None) -> Predicate:
    """Compile a `when`; TemplateProblem where it cannot be.

    `known` are the names that there are (None: any) with their fields; `time_zone` is that of a centre that does not
    say otherwise.
    """
    for braces in ("{{", "{%"):
        if braces in source:
            raise TemplateProblem("no braces in `when`: write the expression alone, e.g. data.total > 100")
    evaluate = _compile("when", source, known, time_zone)
    return lambda names: bool(evaluate(names))


def expression_uses(source: str) -> Uses:
    """Return what a `when` uses that can be compiled."""
    return uses_of(parse_expression(_SANDBOX, source))


def compile_recipient(source: str, known: Known | None = None) -> Callable[[Names], str]:
    """Compile the `to` of a channel whose recipient comes from the event, e.g. `{{ guest.email }}`.

    TemplateProblem where it cannot be.  What it returns may raise ExpressionError; nothing is "".
    """
    braces = _BRACES.fullmatch(source)
    if braces is None or "}}" in braces[1] or "{%" in source:
        raise TemplateProblem('one expression in braces is expected, e.g. "{{ guest.email }}"')
    evaluate = _compile("to", braces[1], known, None)

    def recipient(names: Names) -> str:
        value = evaluate(names)
        return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""

    return recipient


def _compile(key: str, source: str, known: Known | None, time_zone: str | None) -> Callable[[Names], Any]:
    if len(source) > _LONGEST:
        raise TemplateProblem(f"a `{key}` has at most {_LONGEST:,} characters, this has {len(source):,}")
    if not source.strip():
        raise TemplateProblem(f"`{key}` is empty")
    expression = parse_expression(_SANDBOX, source)
    result = nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)
    tree = nodes.Template([result], lineno=1)
    for trouble in [*troubles(tree), *(unknown_names(tree, known) if known else ())]:
        raise TemplateProblem(trouble.message, trouble.line)
    template = compile_tree(_SANDBOX, tree, key)

    def evaluate(names: Names) -> Any:
        try:
            with Running(Run(names, time_zone, _LOCALE)):
                context = context_of(template, names)
                for _ in template.root_render_func(context):
                    pass
                result = context.vars["result"]
                if isinstance(result, Missing):
                    result.fail()
                return result
        except StoreError:  # what is known of things cannot be read now: that is not the rule's fault
            raise
        except Exception as error:
            # Not chained: the original may hold values of the event.
            raise ExpressionError(in_words(error)) from None

    return evaluate
