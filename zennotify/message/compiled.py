"""Turn a checked tree into something that runs; an error at run time gets the line it happened in."""

from __future__ import annotations

from typing import Any, cast

from jinja2 import Environment, Template, TemplateSyntaxError, nodes
from jinja2.runtime import Context

from zennotify.core.model import Names
from zennotify.message.check import said
from zennotify.message.problem import TOO_DEEP, TemplateProblem


def compile_tree(environment: Environment, tree: nodes.Template, name: str) -> Template:
    """Compile a checked tree; TemplateProblem where even so it cannot be."""
    tree.set_environment(environment)
    try:
        code = environment.compile(tree, name, name)
    except TemplateSyntaxError as error:
        raise said(error) from None
    except (SyntaxError, RecursionError, MemoryError):  # Python's own limits: 20 loops, 200 brackets
        raise TemplateProblem(TOO_DEEP) from None
    return environment.template_class.from_code(environment, code, environment.globals)


def context_of(template: Template, names: Names) -> Context:
    """Return what a template runs in; the names are looked up where they are, and never copied."""
    return template.new_context(cast("dict[str, Any]", names), shared=True)


def place(error: BaseException) -> tuple[str, int]:
    """Return the template and the line where an error came from; the innermost where they include each other."""
    found = ("", 0)
    trace = error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, Template):
            found = (template.name or "", template.get_corresponding_lineno(trace.tb_lineno))
        trace = trace.tb_next
    return found
