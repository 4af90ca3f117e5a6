"""Finish a rendered text for its form: HTML for email, Markdown for chat, plain text for sms and json.

A template writes Markdown; the values in it are not Markdown.  When a value is printed, each character that means
something anywhere is *shielded*: replaced by a letter of Unicode's private plane that means nothing to any parser.
When the text is finished, the last step turns each shielded character into what its form needs: an entity in HTML,
a backslash escape in chat, the bare character in plain text.  So a value is inert wherever a template puts it (in
emphasis, in a link, in code), it is escaped once, and it keeps its length until then.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from markdown_it import MarkdownIt
from markdown_it.token import Token

from zennotify.core.model import Form, Message, Room

_MEANINGFUL: Final = "\\`*_[]()<>#+-.!~&=@\"'"
_PLANE: Final = 0xF0000
_SHIELD = {ord(char): chr(_PLANE + ord(char)) for char in _MEANINGFUL}
_NEEDS_SHIELD = re.compile(r"""[\\`*_\[\]()<>#+\-.!~&=@"'\n\r\v\f\x85\u2028\u2029]""")
#: A line break in a value, with the blanks and the empty lines around it: they would end a paragraph.
_BREAK = re.compile(r"[ \t]*[\n\r\v\f\x85\u2028\u2029]\s*")

_TO_PLAIN = {_PLANE + ord(char): char for char in _MEANINGFUL}
_TO_HTML = {code: html.escape(char) for code, char in _TO_PLAIN.items()}
#: Apprise's converter for Slack unescapes these eight only and keeps every other backslash; Slack itself knows none.
_TO_CHAT = _TO_PLAIN | {_PLANE + ord(char): f"\\{char}" for char in "<>()[]!#"}
_TO_CHAT |= {_PLANE + ord("\\"): "/", _PLANE + ord("`"): "'", _PLANE + ord("@"): "@\u200b"}
#: An `@` in a value that belongs to an e-mail address, and not to `@everyone`.
_ADDRESS_AT = re.compile(
    rf"(?<=[\w{''.join(chr(_PLANE + ord(char)) for char in '.+-_')}]){chr(_PLANE + ord('@'))}"
    r"(?=\w)(?!(?:everyone|here|channel|all)\b)",
    re.IGNORECASE,
)

_BACKSLASH_BEFORE_VALUE = re.compile("\\\\(?=[\U000f0000-\U000f007f])")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: Controls, marks of text direction that turn a text round, invisible fillers, halves of surrogate pairs.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_MARKS_POSSIBLE = re.compile("[^\x00-\u02ff\U000f0000-\U000f007f]{3}")
_MOST_MARKS = 2
_ANY_ROOM: Final = Room()


#: What may be more than the text of a paragraph, or of a list whose items are lines that begin with a letter.
_MARKUP = re.compile(
    r"[\\`*_\[\]<>#&~]|[^\S \n]|^ *(?:[+=]|\d+[.)])|^-(?! [^\W\d_])|^ +-|^ {4}", re.MULTILINE
)
_EMPTY_LINES = re.compile(r"\n(?: *\n)+")


class _Markdown(MarkdownIt):
    """CommonMark without raw HTML; a link's address is looked at without its shields."""

    def __init__(self) -> None:
        # Line breaks are kept, so that a message reads the same in mail as it does in chat.
        super().__init__("commonmark", {"html": False, "linkify": False, "breaks": True})

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the library's name
        return super().normalizeLink(url.translate(_TO_PLAIN))


_MARKDOWN = _Markdown()


def shield(text: str) -> str:
    """Return a value so that it means nothing to Markdown; a second time changes nothing."""
    if _NEEDS_SHIELD.search(text) is None:
        return text
    return _BREAK.sub("\n", text).translate(_SHIELD)


def message(
    form: Form,
    title: str,
    body: str,
    short_id: str,
    room: Room = _ANY_ROOM,
    *,
    prefix: str = "",
    plain: bool = False,
) -> Message:
    """Finish a message whose values are shielded; `plain`: the body is text, not Markdown.

    A `prefix` ("[TEST]") stands before the title or, where there is none, before the body.
    """
    if prefix:
        title, body = (f"{prefix} {title}", body) if title else (title, f"{shield(prefix)} {body}")
    body = _clean(body).strip()
    ending = f"\n\nRef {short_id}"
    match form:
        case Form.EMAIL:
            text, ending = _to_html(body), f"<p>Ref {html.escape(short_id)}</p>\n"
        case Form.CHAT:
            text = _to_chat(body)
        case Form.SMS:
            text, ending = body.translate(_TO_PLAIN) if plain else _to_text(body), ""
        case Form.JSON:
            text = _to_text(body)
        case _:
            assert_never(form)
    return Message(title=_one_line(title, form, room.title), body=text + ending if text else "", form=form)


def _one_line(title: str, form: Form, longest: int) -> str:
    """Return a title: plain text, one line, not too long."""
    title = " ".join(_clean(_CONTROLS.sub(" ", title)).split())
    title = (_guard_mentions(title) if form is Form.CHAT else title).translate(_TO_PLAIN)
    return title if len(title) <= longest else title[: longest - 1].rstrip() + "…"


def _clean(text: str) -> str:
    """Drop what cannot be printed, and all but two of the marks that are heaped on one letter."""
    text = _UNPRINTABLE.sub("", text)
    if _MARKS_POSSIBLE.search(text) is None:
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if marks <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def _guard_mentions(text: str) -> str:
    """Put an invisible blank after each `@` of a value that could call somebody."""
    at = chr(_PLANE + ord("@"))
    return _ADDRESS_AT.sub("@", text).replace(at, f"{at}\u200b") if at in text else text


def _to_chat(markdown: str) -> str:
    # A template's own backslash before a value would undo the one that the value gets.
    markdown = _BACKSLASH_BEFORE_VALUE.sub("/", markdown)
    return _ADDRESS_AT.sub("@", markdown).translate(_TO_CHAT)


def _to_html(markdown: str) -> str:
    rendered: str = _MARKDOWN.render(markdown)
    return rendered.translate(_TO_HTML)


def _to_text(markdown: str) -> str:
    """Return Markdown as a person would type it; most messages are so already, and cost no parsing."""
    simple = _simple(markdown)
    if simple is not None:
        return simple.translate(_TO_PLAIN)
    return "".join(_blocks(_MARKDOWN.parse(markdown))).strip().translate(_TO_PLAIN)


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


def _blocks(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the text of each block with the breaks between them; lists keep their marks."""
    marker = ""
    depth = 0
    for token in tokens:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                depth += 1
            case "bullet_list_close" | "ordered_list_close":
                depth -= 1
                yield "" if depth else "\n"
            case "list_item_open":
                marker = f"{token.info}. " if token.info else "- "
            case "inline" | "fence" | "code_block":
                text = _inline(token.children) if token.children is not None else token.content.rstrip("\n")
                yield "  " * max(depth - 1, 0) + marker + text + ("\n" if depth else "\n\n")
                marker = ""
            case _:
                pass


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
                if "".join(parts[start:]).translate(_TO_PLAIN) not in {
                    address,
                    address.removeprefix("mailto:"),
                }:
                    parts.append(f" ({address})")
            case "image":
                parts.append(f"{token.content} ({token.attrGet('src')})")
            case _:
                parts.append(token.content)
    return "".join(parts)


def repeated(message: Message) -> Message:
    """Return a finished message with a note that it is sent again, where the form has room for one."""
    return message
