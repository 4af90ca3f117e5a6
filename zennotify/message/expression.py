"""Tell whether an event meets a rule's `when`; rulefile.py puts the answer into the rule."""

from __future__ import annotations

from typing import Final

from jinja2 import nodes

from zennotify.core.model import Names, Predicate
from zennotify.errors import ExpressionError
from zennotify.message.check import Known, parse_expression, troubles, unknown_names
from zennotify.message.compiled import compile_tree, context_of
from zennotify.message.limits import Run, Running
from zennotify.message.problem import TemplateProblem, in_words
from zennotify.message.sandbox import Sandbox

_LONGEST: Final = 2_000
_SANDBOX: Final = Sandbox()
#: A `when` prints nothing, so the language of its texts does not matter.
_LOCALE: Final = "en-US"


def compile_expression(source: str, known: Known | None = None) -> Predicate:
    """Compile a `when`; TemplateProblem where it cannot be.

    `known` are the names that there are (None: any) with their fields.
    """
    if len(source) > _LONGEST:
        raise TemplateProblem(f"a `when` has at most {_LONGEST:,} characters, this has {len(source):,}")
    for braces in ("{{", "{%"):
        if braces in source:
            raise TemplateProblem("no braces in `when`: write the expression alone, e.g. data.total > 100")
    if not source.strip():
        raise TemplateProblem("`when` is empty")
    expression = parse_expression(_SANDBOX, source)
    result = nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)
    tree = nodes.Template([result], lineno=1)
    for trouble in [*troubles(tree), *(unknown_names(tree, known) if known else ())]:
        raise TemplateProblem(trouble.message, trouble.line)
    template = compile_tree(_SANDBOX, tree, "when")

    def is_met(names: Names) -> bool:
        try:
            with Running(Run(names, None, _LOCALE)):
                context = context_of(template, names)
                for _ in template.root_render_func(context):
                    pass
                return bool(context.vars["result"])
        except Exception as error:
            # Not chained: the original may hold values of the event.
            raise ExpressionError(in_words(error)) from None

    return is_met
