"""Templates and expressions: what a rule asks of an event, and what a message says.

The only importer of Jinja, markdown-it and Babel.
"""

from zennotify.message.expression import compile_expression, compile_recipient
from zennotify.message.fallback import fallback, notice
from zennotify.message.problem import TemplateProblem
from zennotify.message.template import MessageTemplate
from zennotify.message.templates import Templates
from zennotify.message.wants import Want

__all__ = [
    "MessageTemplate",
    "TemplateProblem",
    "Templates",
    "Want",
    "compile_expression",
    "compile_recipient",
    "fallback",
    "notice",
]
