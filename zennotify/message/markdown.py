"""Read the Markdown of a message: as HTML of few tags, or as text that a person would type.  The door to markdown-it.

The values in it may be shielded (shield.py); they stay so.  Pure; called by forms.py, mail.py and shorten.py.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from zennotify.message.shield import to_plain

#: What may be more than the text of a paragraph, or of a list whose items are lines that begin with a letter.
_MARKUP = re.compile(
    r"[\\`*_\[\]<>#&~]|[^\S \n]|^ *(?:[+=]|\d+[.)])|^-(?! [^\W\d_])|^ +-|^ {4}", re.MULTILINE
)
#: Words that are bold, and nothing more: no reader of Markdown would read them otherwise.
_BOLD = re.compile(
    "(?<!\\S)\\*\\*(?=[\\w\U000f0000-\U000f007f])([^*\n]*)(?<=[\\w\U000f0000-\U000f007f])\\*\\*(?!\\w)"
)
_EMPTY_LINES = re.compile(r"\n(?: *\n)+")


class _Markdown(MarkdownIt):
    """CommonMark without raw HTML; a link's address is looked at without its shields."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "linkify": False})

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the library's name
        return super().normalizeLink(to_plain(url))


_MARKDOWN = _Markdown()


def is_closed(markdown: str) -> bool:
    """Return whether a paragraph that follows is one of its own: no block is left open."""
    *_, inline, last = _MARKDOWN.parse(f"{markdown}\n\nx")
    return (inline.content, last.type, last.level) == ("x", "paragraph_close", 0)


# --- text


def to_text(markdown: str) -> str:
    """Return Markdown as a person would type it; most messages are so already, and cost no parsing."""
    simple = _simple(_BOLD.sub(r"\1", markdown) if "**" in markdown else markdown)
    return "".join(_blocks(_MARKDOWN.parse(markdown), _words)).strip() if simple is None else simple


def _simple(markdown: str) -> str | None:
    """Return the plain text of Markdown that is only paragraphs and simple lists; None for any other."""
    if _MARKUP.search(markdown) is not None:
        return None
    blocks: list[str] = []
    was_list = False
    for block in _EMPTY_LINES.split(markdown.strip("\n")):
        lines = block.split("\n")
        is_list = lines[0].startswith("- ")
        if any(line.startswith("- ") is not is_list for line in lines):
            return None
        if was_list and (is_list or lines[0].startswith(" ")):  # it may belong to the list
            return None
        blocks.append("\n".join(line.strip(" ") for line in lines))
        was_list = is_list
    return "\n\n".join(blocks)


def _blocks(tokens: Sequence[Token], write: Callable[[Token], str]) -> Iterator[str]:
    """Yield each block as `write` has it, with the breaks between them; lists keep their marks."""
    marker = ""
    #: The number of the next item of each list that is open; None where it has none.
    lists: list[int | None] = []
    for token in tokens:
        match token.type:
            case "bullet_list_open":
                lists.append(None)
            case "ordered_list_open":
                lists.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                lists.pop()
                yield "" if lists else "\n"
            case "list_item_open":
                number = lists[-1]
                marker = "- " if number is None else f"{number}. "
                lists[-1] = None if number is None else number + 1
            case "list_item_close":
                marker = ""
            case "inline" | "fence" | "code_block":
                yield "  " * (len(lists) - 1) + marker + write(token) + ("\n" if lists else "\n\n")
                marker = ""
            case _:
                pass


def _words(token: Token) -> str:
    return token.content.rstrip("\n") if token.children is None else _inline(token.children)


def _inline(tokens: Sequence[Token]) -> str:
    """Return the text of a paragraph; a link as `text (address)`."""
    parts: list[str] = []
    links: list[tuple[int, str]] = []
    for token in tokens:
        match token.type:
            case "softbreak" | "hardbreak":
                parts.append("\n")
            case "link_open":
                links.append((len(parts), str(token.attrGet("href"))))
            case "link_close":
                start, address = links.pop()
                parts.append(_beside("".join(parts[start:]), address))
            case "image":
                parts.append(token.content + _beside(token.content, str(token.attrGet("src"))))
            case _:
                parts.append(token.content)
    return "".join(parts)


def _beside(text: str, address: str) -> str:
    """Return what stands beside a link's text: its address, where the text does not say it."""
    return "" if to_plain(text) in {address, address.removeprefix("mailto:")} else f" ({address})"


# --- HTML


def to_html(markdown: str, styles: Mapping[str, str]) -> str:
    """Return Markdown as HTML of these tags, each with its style.

    Whatever the Markdown holds, there is no other tag in it, and no attribute but `href`, `start` and `style`.
    """
    return "".join(_Writer(styles).blocks(_MARKDOWN.parse(markdown)))


def to_lines(markdown: str) -> str:
    """Return Markdown as the little HTML that chats know: bold, italics, code, links and line breaks."""
    tokens = _MARKDOWN.parse(markdown)
    for before, token in pairwise(tokens):
        if before.type == "heading_open" and token.children is not None:
            token.children = [_BOLD_BEGINS, *token.children, _BOLD_ENDS]
    writer = _Writer(dict.fromkeys(("strong", "em", "code", "a"), ""))

    def write(token: Token) -> str:
        if token.children is None:
            return writer.code(token)
        return "".join(writer.inlines(token.children)).replace("<br>\n", "\n")

    text = "".join(_blocks(tokens, write)).strip()
    return _INDENT.sub(lambda found: "\xa0" * len(found[0]), text).replace("\n", "<br>")


_BOLD_BEGINS: Final = Token("strong_open", "strong", 1)
_BOLD_ENDS: Final = Token("strong_close", "strong", -1)
_INDENT = re.compile("^ +", re.MULTILINE)


class _Writer:
    """Writes tokens of markdown-it as HTML."""

    def __init__(self, styles: Mapping[str, str]) -> None:
        self._styles = styles

    def blocks(self, tokens: Sequence[Token]) -> Iterator[str]:
        for token in tokens:
            if token.type == "inline":
                yield from self.inlines(token.children or ())
            elif token.type in {"fence", "code_block"}:
                yield f"{self._open('pre')}{_escape(token.content)}</pre>\n"
            elif token.type == "hr":
                yield f"{self._open('hr')}\n"
            elif token.tag in self._styles and not token.hidden:
                yield self._block(token)
            elif token.hidden and token.nesting < 0:  # a paragraph in a list of lines
                yield "\n"

    def _block(self, token: Token) -> str:
        if token.nesting < 0:
            return f"</{token.tag}>\n"
        start = token.attrGet("start")
        return self._open(token.tag, "" if start is None else f' start="{int(start)}"')

    def inlines(self, tokens: Sequence[Token]) -> Iterator[str]:
        for token in tokens:
            write = _INLINES.get(token.type)
            if write is not None:
                yield write(self, token)
            elif token.tag in self._styles and token.nesting:
                yield self._open(token.tag) if token.nesting > 0 else f"</{token.tag}>"

    def _open(self, tag: str, attributes: str = "") -> str:
        style = self._styles[tag]
        return f'<{tag}{attributes} style="{style}">' if style else f"<{tag}{attributes}>"

    def link(self, token: Token, address: str = "href") -> str:
        return self._open("a", f' href="{html.escape(str(token.attrGet(address)))}"')

    def code(self, token: Token) -> str:
        return f"{self._open('code')}{_escape(token.content)}</code>"

    def image(self, token: Token) -> str:
        """Return a link to a picture: a mail that loads one tells its owner who reads it."""
        return f"{self.link(token, 'src')}{_escape(token.content)}</a>"


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


_INLINES: Final[Mapping[str, Callable[[_Writer, Token], str]]] = {
    "text": lambda _, token: _escape(token.content),
    "softbreak": lambda *_: "<br>\n",
    "hardbreak": lambda *_: "<br>\n",
    "code_inline": _Writer.code,
    "link_open": _Writer.link,
    "link_close": lambda *_: "</a>",
    "image": _Writer.image,
}
