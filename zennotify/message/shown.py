"""How a chat message looks to who reads it, about: as HTML without addresses.  For previews only."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token


def _link_open(_renderer: Any, tokens: Sequence[Token], at: int, *_: Any) -> str:
    return f'<span class="link" title="{html.escape(str(tokens[at].attrGet("href")))}">'


def _link_close(*_: Any) -> str:
    return "</span>"


def _image(_renderer: Any, tokens: Sequence[Token], at: int, *_: Any) -> str:
    address = html.escape(str(tokens[at].attrGet("src")))
    return f'<span class="link" title="{address}">{html.escape(tokens[at].content)}</span>'


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
    reader.add_render_rule("image", _image)
    reader.add_render_rule("link_open", _link_open)
    reader.add_render_rule("link_close", _link_close)
    return reader


_READER: Final = _reader()


def chat_html(markdown: str) -> str:
    """Return a finished chat message as HTML in which nothing can be followed, loaded or run."""
    return str(_READER.render(markdown))
