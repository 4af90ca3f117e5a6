"""Templates and expressions: what a rule asks of an event, and what a message says.

The only importer of Jinja, markdown-it and Babel.

::

    templates  expression            what is compiled; fallback, taken: what needs no template
      check                          what may stand in it        problem, spell: how that is said
      uses  known  ways  compared  wants    which paths it uses, for the checks of rulefile/ and for look-ups
      sandbox  generator  limits     how it runs, bounded        filters, moments, missing: on what
      clock                          which clock a centre goes by; also for rules that know time
      template  forms                a message, for chat, e-mail, SMS or JSON
      shield  markdown  mail         its values, its mark-up, its page
      sms  shorten  cut              what of it there is room for
"""

from zennotify.message.clock import center_clock, moment_at
from zennotify.message.expression import compile_expression, compile_recipient, expression_uses
from zennotify.message.fallback import fallback, notice
from zennotify.message.forms import repeated
from zennotify.message.problem import TemplateProblem
from zennotify.message.taken import moment_text, taken_notice, time_text
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
    "center_clock",
    "compile_expression",
    "compile_recipient",
    "expression_uses",
    "fallback",
    "moment_at",
    "moment_text",
    "notice",
    "repeated",
    "taken_notice",
    "time_text",
]
