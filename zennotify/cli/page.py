"""The page of `preview --html`: static, for reading only, and safe to open whatever the event holds.

Every value is escaped where it is put in; the page's policy and the mail's sandbox keep anything else from being
loaded or run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from importlib import resources
from math import ceil
from string import Template
from typing import Final

from zennotify.channel import words
from zennotify.cli.drafts import NOT_USED, cuts, heading, json_of, limits
from zennotify.cli.tried import Tried, headline, notes, verdict
from zennotify.core.model import Form
from zennotify.message.markdown import to_lines
from zennotify.message.sms import parts
from zennotify.trial import Draft, Stage

_NAMES: Final = {Form.CHAT: "Chat", Form.EMAIL: "E-mail", Form.SMS: "SMS", Form.JSON: "JSON"}
_MARKS: Final = {True: ("yes", "✓"), False: ("no", "✗"), None: ("open", "·")}
#: The mail's frame cannot ask its content for its height: it is guessed, for a narrow and for a wide window, from so
#: many characters in a line.
_NARROW: Final = 36
_WIDE: Final = 58
_LINE_HEIGHT: Final = 24
_PARAGRAPH: Final = 16
_MARGINS: Final = 72
_MOST_HEIGHT: Final = 720
#: Where a link leads is shown; nobody goes there from a preview, and no browser gets ready to.
_LINK: Final = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
_DEAD_LINKS: Final = "<style>a{pointer-events:none}</style></head>"


def page(tried: Tried) -> str:
    """Return the page."""
    told = [draft for draft in tried.trial.drafts if draft.told is not None]
    others = [draft for draft in tried.trial.drafts if draft.told is None]
    template = (resources.files("zennotify.cli") / "preview.html").read_text(encoding="utf-8")
    lines = headline(tried)
    return Template(template).substitute(
        title=escape(tried.trial.rule.id),
        description=escape(tried.trial.rule.description),
        event=escape(lines["event"]),
        centre=escape(lines["centre"]),
        verdict_kind="good" if tried.trial.goes_out else "bad",
        verdict=escape(verdict(tried)),
        stages="\n".join(map(_stage, tried.trial.stages)),
        notes="\n".join(f"<p>{escape(note)}</p>" for note in notes(tried)),
        told="\n".join(map(_section, told)) or '<p class="none">No channel is told.</p>',
        others="\n".join(map(_section, others)) or '<p class="none">The rule uses them all.</p>',
    )


def _stage(stage: Stage) -> str:
    kind, mark = _MARKS[stage.holds]
    return f'<li class="{kind}"><b>{mark} {escape(stage.name)}</b> <span>{escape(stage.says)}</span></li>'


def _section(draft: Draft) -> str:
    form = draft.outlet.form
    name = heading(draft)
    head = f"<h3>{escape(name)}</h3>" if name != NOT_USED else ""
    return (
        f'<section class="draft" data-form="{form.value}">'
        f'<header><span class="tag">{_NAMES[form]}</span>{head}</header>'
        f"{''.join(_said(draft))}{_SHOWN[form](draft)}{''.join(_rest(draft))}</section>"
    )


def _said(draft: Draft) -> Iterator[str]:
    if draft.written.problem:
        problem = f"The template failed at {draft.written.problem}: this plain form goes out instead."
        yield f'<p class="problem">{escape(problem)}</p>'
    yield from (f'<p class="limit">{escape(sentence)}</p>' for sentence in limits(draft))


def _rest(draft: Draft) -> Iterator[str]:
    for cut in cuts(draft):
        yield f"<details><summary>What is cut off the {cut.field}</summary><pre>{escape(cut.rest)}</pre></details>"


def _chat(draft: Draft) -> str:
    message = draft.written.message
    title = f'<p class="chat-title">{escape(message.title)}</p>' if message.title else ""
    return (
        '<div class="chat"><span class="avatar" aria-hidden="true">z</span><div>'
        '<p class="sender"><b>zennotify</b> <i>APP</i></p>'
        f'<div class="attachment">{title}{_LINK.sub(_as_span, to_lines(message.body))}</div></div></div>'
    )


def _as_span(link: re.Match[str]) -> str:
    return f'<span class="link" title="{link[1]}">{link[2]}</span>'


def _mail(draft: Draft) -> str:
    message = draft.written.message
    content = message.body.replace("</head>", _DEAD_LINKS, 1)
    text = words(message)
    sizes = f"--narrow:{_height(text, _NARROW)}px;--wide:{_height(text, _WIDE)}px"
    return (
        f'<div class="mail"><p class="subject">{escape(message.title)}</p>'
        f'<iframe sandbox title="The mail" style="{sizes}" srcdoc="{escape(content)}"></iframe>'
        f"<details><summary>As plain text</summary><pre>{escape(text)}</pre></details></div>"
    )


def _height(text: str, width: int) -> int:
    rows = sum(ceil(len(line) / width) * _LINE_HEIGHT or _PARAGRAPH for line in text.splitlines())
    return min(rows + _MARGINS, _MOST_HEIGHT)


def _sms(draft: Draft) -> str:
    cut = parts(draft.written.message.body)
    bubbles = [
        f'<span class="part">{escape(part)}'
        + (
            f'<span class="part-end" title="here a segment ends">{number}/{len(cut)}</span>'
            if len(cut) > 1
            else ""
        )
        + "</span>"
        for number, part in enumerate(cut, 1)
    ]
    return f'<div class="phone"><div class="bubble">{"".join(bubbles)}</div></div>'


def _json(draft: Draft) -> str:
    return f'<pre class="json">{escape(json.dumps(json_of(draft), indent=2, ensure_ascii=False))}</pre>'


_SHOWN: Final = {Form.CHAT: _chat, Form.EMAIL: _mail, Form.SMS: _sms, Form.JSON: _json}
