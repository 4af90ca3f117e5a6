"""How a message is written for each service: the last step before Apprise, in which nothing of a value means anything.

A chat message is Markdown whose values are escaped by backslashes.  Where a service knows no such escape, another
character stands for the one that would mean something, or an invisible blank takes its meaning.  Pure; called by
apprise_channel.py and console.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final, NamedTuple

from zennotify.channel.services import Reads, Service, Titled
from zennotify.core.model import Form, Message
from zennotify.message.mail import page
from zennotify.message.markdown import to_lines
from zennotify.message.shield import shield, shielded, to_chat


class Written(NamedTuple):
    """A message as Apprise gets it; without a format Apprise changes nothing."""

    title: str
    body: str
    format: str | None


#: A backslash with what it escapes, or a span of code, in which a backslash is only itself.
#: All spans are bounded: what looks like mark-up without an end must not cost its square.
_ESCAPE = re.compile(
    r"\\([!-/:-@\[-`{-~])|(?<!`)(?P<fence>`{1,3}+)(?!`)(?P<code>.{1,1000}?)(?<!`)(?P=fence)(?!`)", re.DOTALL
)
_LINK = re.compile(r"!?\[([^\]\n]{0,500})\]\(<?([^)\s>]{0,500})>?\)")
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.{1,500}?)(?<=\S)\1")
_EMPHASIS = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])(.{1,500}?)(?<=[^\s*_])\1(?![\w*])")
_HEADING = re.compile(r"^ {0,3}#{1,6} +(.*?)(?: +#+)?$", re.MULTILINE)
#: Escaped characters wait as these of the private use area while mark-up is changed.
_PARKED: Final = 0xE000
#: A value's own would come out as what waits there: as mark-up, a mention, or a control.
_NOT_OURS = re.compile(f"[{chr(_PARKED)}-{chr(_PARKED + 127)}]")
_BLANK: Final = "\u200b"


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What becomes of an escaped character."""

    #: Its backslash is understood.
    keeps: frozenset[str]
    #: It has another one in its place; what is neither here nor there stands without its backslash.
    twins: Mapping[str, str]


_TWINS: Final = {"\\": "/", "`": "'", "*": "∗", "~": "∼"}
#: What begins a mention, a link or a heading, and what ends a link's text.
_CUT: Final = {character: f"{character}{_BLANK}" for character in "<#]"}
_DIALECTS: Final[Mapping[Reads, _Dialect]] = {
    Reads.MATTERMOST: _Dialect(frozenset("\\`*_{}[]()#+-.!>~|"), {}),
    # What Apprise's own conversion understands as escaped.
    Reads.SLACK: _Dialect(frozenset("<>()[]!#"), _TWINS),
    Reads.UNESCAPED: _Dialect(frozenset(), _TWINS | _CUT),
}


@dataclass(frozen=True, slots=True)
class _Marks:
    """What becomes of the mark-up of a template."""

    link: Callable[[str, str], str]
    strong: str
    emphasis: str
    #: Around code, in the place of its own marks.
    code: Callable[[str], str]
    twins: Mapping[str, str]


_WORDS: Final = _Marks(
    link=lambda text, address: text if text == address else f"{text} ({address})".strip(),
    strong="",
    emphasis="",
    code=lambda _fence: "",
    twins={},
)
_GOOGLE: Final = _Marks(
    link=lambda text, address: f"<{address}|{text}>",
    strong="*",
    emphasis="_",
    code=lambda fence: fence,
    twins=_TWINS | _CUT,
)


def plain(markdown: str) -> str:
    """Return Markdown as a person would type it without mark-up."""
    return _changed(markdown, _WORDS)


def _changed(markdown: str, marks: _Marks) -> str:
    """Return Markdown with other mark-up."""

    def literal(match: re.Match[str]) -> str:
        if match["fence"]:
            return _parked(f"{marks.code(match['fence'])}{match['code']}{marks.code(match['fence'])}")
        return _parked(marks.twins.get(match[1], match[1]))

    strong, emphasis = _parked(marks.strong), _parked(marks.emphasis)
    text = _ESCAPE.sub(literal, _NOT_OURS.sub("", markdown))
    text = _LINK.sub(lambda link: marks.link(link[1], link[2]), text)
    text = _HEADING.sub(rf"{strong}\1{strong}", text)
    text = _STRONG.sub(rf"{strong}\2{strong}", text)
    text = _EMPHASIS.sub(rf"{emphasis}\2{emphasis}", text)
    return "".join(chr(ord(c) - _PARKED) if _PARKED <= ord(c) < _PARKED + 128 else c for c in text)


def _parked(literal: str) -> str:
    return "".join(chr(_PARKED + ord(c)) if c.isascii() else c for c in literal)


def _in(dialect: _Dialect, markdown: str) -> str:
    """Return Markdown whose escapes a service shows as the characters they stand for."""

    def unescape(match: re.Match[str]) -> str:
        character = match[1]
        if match["fence"] or character in dialect.keeps:
            return match[0]
        return dialect.twins.get(character, character)

    return _ESCAPE.sub(unescape, markdown)


def markdown_of(message: Message) -> str:
    """Return a message of any form as the Markdown of a chat."""
    match message.form:
        case Form.CHAT:
            return message.body
        case Form.EMAIL:
            return _as_value(from_html(message.body))
        case Form.SMS | Form.JSON:
            return _as_value(message.body)


def _as_value(text: str) -> str:
    """Return words that mean nothing to Markdown."""
    return to_chat("\n".join(map(shield, text.split("\n"))))


def _heading(message: Message) -> str:
    """Return a title as Markdown.  That of a chat message may call somebody, if its template wants that."""
    if message.form is not Form.CHAT:
        return _as_value(message.title)
    return to_chat(shield(message.title).replace(shielded("@"), "@"))


def for_chat(service: Service, message: Message) -> Written:
    """Return a message as this chat service shall get it."""
    title, body = message.title, markdown_of(message)
    if service.titled is Titled.IN_BODY:
        title, body = "", f"**{_heading(message)}**\n\n{body}" if title else body
    if service.titled is Titled.LIKE_BODY:
        title = _heading(message)
    match service.reads:
        case Reads.MARKDOWN:
            return Written(title, body, "markdown")
        case Reads.SLACK | Reads.MATTERMOST | Reads.UNESCAPED as reads:
            return Written(title, _in(_DIALECTS[reads], body), "markdown")
        case Reads.GOOGLE:
            return Written(title, _changed(body, _GOOGLE), None)
        case Reads.HTML:
            # Apprise takes empty lines out for Telegram; a line of an invisible blank stays.
            return Written(title, to_lines(body).replace("<br><br>", f"<br>{_BLANK}<br>"), "html")
        case Reads.TEXT:
            return Written(title, plain(body), "text")


def for_mail(message: Message) -> Written:
    """Return a message of any form as a mail."""
    if message.form is Form.EMAIL:
        return Written(message.title, message.body, "html")
    return Written(message.title, page(message.title, markdown_of(message), ""), "html")


def words_of(message: Message) -> str:
    """Return the words of a message of any form."""
    match message.form:
        case Form.CHAT:
            return plain(message.body)
        case Form.EMAIL:
            return from_html(message.body)
        case Form.SMS | Form.JSON:
            return message.body


class _Words(HTMLParser):
    """Collects the readable words of a mail, as markdown.to_text writes those of a message."""

    _PARAGRAPHS: Final = frozenset(
        {"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table"}
    )
    _LINES: Final = frozenset({"tr", "li"})
    _LISTS: Final = frozenset({"ul", "ol"})
    _SILENT: Final = frozenset({"style", "script", "head", "title"})
    _BLANKS = re.compile(r"[ \t\r\n\f]+")

    def __init__(self) -> None:
        super().__init__()
        self.out: list[str] = []
        #: Line breaks before the next word.
        self._breaks = 0
        self._marker = ""
        #: The number of the next item of each list that is open; None where it has none.
        self._lists: list[int | None] = []
        self._links: list[tuple[int, str]] = []
        self._silent = 0
        self._literal = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in self._SILENT
        self._literal += tag == "pre"
        if tag == "br":
            self.out.append("\n")
        elif tag in self._LISTS:
            self._break()
            start = dict(attrs).get("start") or "1"
            self._lists.append(None if tag == "ul" else int(start) if start.isdecimal() else 1)
        elif tag == "li" and self._lists:
            number = self._lists[-1]
            self._marker = "- " if number is None else f"{number}. "
            self._lists[-1] = None if number is None else number + 1
            self._break(1)
        elif tag == "a":
            self._begin()
            self._links.append((len(self.out), dict(attrs).get("href") or ""))
        else:
            self._block(tag)

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self._SILENT and self._silent > 0
        self._literal -= tag == "pre" and self._literal > 0
        if tag == "a" and self._links:
            start, address = self._links.pop()
            if "".join(self.out[start:]).strip() not in {address, address.removeprefix("mailto:")}:
                self.out.append(f" ({address})")
        elif tag in {"td", "th"}:
            self.out.append(" ")
        elif tag == "li":
            self._marker = ""
        elif tag in self._LISTS and self._lists:
            self._lists.pop()
            self._break()
        else:
            self._block(tag)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._literal:
            data = data.strip("\n")
        else:
            data = self._BLANKS.sub(" ", data)
            if self._breaks or self._marker or (self.out and self.out[-1].endswith("\n")):
                data = data.lstrip(" ")
        if data:
            self._begin()
            self.out.append(data)

    def _begin(self) -> None:
        """Put what stands before the first word of a block."""
        indent = "  " * max(len(self._lists) - 1, 0) if self._breaks or self._marker else ""
        if self.out:
            self.out.append("\n" * self._breaks)
        self.out.append(indent + self._marker)
        self._breaks, self._marker = 0, ""

    def _block(self, tag: str) -> None:
        if tag in self._PARAGRAPHS:
            self._break()
        elif tag in self._LINES:
            self._break(1)

    def _break(self, lines: int = 2) -> None:
        self._breaks = max(self._breaks, 1 if self._lists else lines)


def from_html(html: str) -> str:
    """Return the words of a mail as a person would type them."""
    words = _Words()
    words.feed(html)
    words.close()
    return "\n".join(line.rstrip() for line in "".join(words.out).split("\n")).strip()
