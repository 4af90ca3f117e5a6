"""The page of an e-mail: one column, readable on a telephone and in a mail program of any age.

Mail programs know tables and `style=`, and little else; some have their own colours at night.  So a mail is a table,
it names no colour that a reader's own would not go with, and it loads nothing.  Pure; called by forms.py, and by
channel/ for messages of another form that go out by mail.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Final

from zennotify.message import markdown, shield

#: All tags that a mail has beside its frame.
_STYLES: Final[Mapping[str, str]] = {
    "p": "margin:0 0 16px",
    "ul": "margin:0 0 16px;padding-left:24px",
    "ol": "margin:0 0 16px;padding-left:28px",
    "li": "margin:0 0 4px",
    "h1": "margin:0 0 12px;font-size:22px;line-height:1.3",
    "h2": "margin:0 0 12px;font-size:20px;line-height:1.3",
    "h3": "margin:0 0 8px;font-size:18px;line-height:1.3",
    "h4": "margin:0 0 8px;font-size:16px",
    "h5": "margin:0 0 8px;font-size:16px",
    "h6": "margin:0 0 8px;font-size:16px",
    "blockquote": "margin:0 0 16px;padding-left:12px;border-left:3px solid #8c959f",
    "pre": "margin:0 0 16px;font:16px/1.5 monospace;white-space:pre-wrap",
    "code": "font-family:monospace;font-size:16px",
    "hr": "margin:0 0 16px;border:0;border-top:1px solid #8c959f",
    "strong": "",
    "em": "",
    "a": "",
}
_TABLE: Final = 'role="presentation" cellpadding="0" cellspacing="0" border="0"'
_HEAD: Final = (
    '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><title>'
)
_FRAME: Final = (
    '</title></head>\n<body style="margin:0;padding:0">'
    f'<table {_TABLE} width="100%"><tr><td align="center" style="padding:16px">'
    # Outlook reads the width, all others the style.
    f'<table {_TABLE} width="600" style="width:100%;max-width:600px;table-layout:fixed"><tr>'
)
_CELL: Final = (
    '<td align="left" style="font:16px/1.5 -apple-system,\'Segoe UI\',Roboto,Helvetica,Arial,sans-serif;'
    'overflow-wrap:anywhere;word-break:break-word">\n'
)
_END: Final = "</td></tr></table></td></tr></table></body></html>\n"
_SMALL: Final = '<p style="margin:24px 0 0;padding-top:8px;border-top:1px solid #8c959f;font-size:13px">'


def page(title: str, body: str, small: str) -> str:
    """Return the mail of a body in Markdown, whose values are shielded; `small` is its small print."""
    content = shield.to_html(markdown.to_html(body, _STYLES))
    small = f"{_SMALL}{html.escape(small)}</p>\n" if small else ""
    return f"{_HEAD}{html.escape(title)}{_FRAME}{_CELL}{content}{small}{_END}"


def with_note(mail: str, note: str) -> str:
    """Return a mail with a paragraph before all others."""
    paragraph = f'<p style="{_STYLES["p"]}">{html.escape(note)}</p>\n'
    head, cell, rest = mail.partition(_CELL)
    return f"{head}{cell}{paragraph}{rest}" if cell else f"{paragraph}{mail}"
