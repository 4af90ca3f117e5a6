"""Templates and expressions: what a rule asks of an event, and what a message says.

The only importer of Jinja, markdown-it and Babel.
"""

from zennotify.message.expression import compile_expression, compile_recipient, expression_uses
from zennotify.message.fallback import fallback, notice
from zennotify.message.problem import TemplateProblem
from zennotify.message.template import MessageTemplate
from zennotify.message.templates import INLINE, Templates
from zennotify.message.wants import Want
from zennotify.message.ways import Call, Comparison, Guards, Use, Uses

__all__ = [
    "INLINE",
    "Call",
    "Comparison",
    "Guards",
    "MessageTemplate",
    "TemplateProblem",
    "Templates",
    "Use",
    "Uses",
    "Want",
    "compile_expression",
    "compile_recipient",
    "expression_uses",
    "fallback",
    "notice",
]
