"""What those get who read no Markdown, or read it in their own way.

A chat message is Markdown.  Apprise turns it into what each service wants, with two gaps: it has no Markdown to
plain text, and its Slack and Google Chat texts keep the backslash of most escapes.  Pure; called by
apprise_channel.py and console.py.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from zennotify.channel.services import Reads

#: A backslash with what it escapes, or a span of code, in which a backslash is only itself.
#: All spans are bounded: what looks like mark-up without an end must not cost its square.
_ESCAPE = re.compile(
    r"\\([!-/:-@\[-`{-~])|(?<!`)(?P<fence>`{1,3}+)(?!`)(?P<code>.{1,1000}?)(?<!`)(?P=fence)(?!`)", re.DOTALL
)
_LINK = re.compile(r"!?\[([^\]\n]{0,500})\]\(<?([^)\s>]{0,500})>?\)")
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.{1,500}?)(?<=\S)\1")
_EMPHASIS = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])(.{1,500}?)(?<=[^\s*_])\1(?![\w*])")
_HEADING = re.compile(r"^ {0,3}#{1,6} +", re.MULTILINE)
#: Escaped characters wait here, out of the private use area, while mark-up is taken away.
_PARKED = 0xE000
#: What Apprise's Slack and Google Chat texts understand as escaped.
_UNDERSTOOD: Final = frozenset("<>()[]!#")
#: Slack has no escapes: where a character would start mark-up, its twin stands for it.
_TWINS: Final = {"\\": "/", "`": "'", "*": "∗", "~": "∼"}


def plain(markdown: str) -> str:
    """Return Markdown as a person would type it without mark-up."""
    text = _ESCAPE.sub(lambda match: _parked(match["code"] or match[1]), markdown)
    text = _LINK.sub(lambda link: link[1] if link[1] == link[2] else f"{link[1]} ({link[2]})".strip(), text)
    text = _HEADING.sub("", text)
    text = _EMPHASIS.sub(r"\2", _STRONG.sub(r"\2", text))
    return "".join(chr(ord(c) - _PARKED) if _PARKED <= ord(c) < _PARKED + 128 else c for c in text)


def _parked(literal: str) -> str:
    return "".join(chr(_PARKED + ord(c)) if c.isascii() else c for c in literal)


def for_slack(markdown: str) -> str:
    """Return Markdown whose escapes Apprise's Slack text shows as the characters they stand for."""

    def unescape(match: re.Match[str]) -> str:
        character = match[1]
        if match["fence"] or character in _UNDERSTOOD:
            return match[0]
        return _TWINS.get(character, character)

    return _ESCAPE.sub(unescape, markdown)


def for_service(reads: Reads, markdown: str) -> tuple[str, str]:
    """Return a chat message as Apprise shall get it for this service, and the name of its format."""
    match reads:
        case Reads.MARKDOWN:
            return markdown, "markdown"
        case Reads.SLACK:
            return for_slack(markdown), "markdown"
        case Reads.TEXT:
            return plain(markdown), "text"


class _Words(HTMLParser):
    """Collects the readable words of a mail."""

    _BREAKS: Final = frozenset(
        {"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol", "hr"}
    )
    _SILENT: Final = frozenset({"style", "script", "head", "title"})

    def __init__(self) -> None:
        super().__init__()
        self.out: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in self._SILENT
        self._break(tag)
        if tag == "li":
            self.out.append("- ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self._SILENT and self._silent > 0
        if tag in {"td", "th"}:
            self.out.append(" ")
        if tag != "br":
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.out.append(re.sub(r"\s+", " ", data))

    def _break(self, tag: str) -> None:
        if tag in self._BREAKS and not self._silent:
            self.out.append("\n")


def from_html(html: str) -> str:
    """Return the words of a mail, a line for each paragraph or row."""
    words = _Words()
    words.feed(html)
    words.close()
    lines = (line.strip() for line in "".join(words.out).splitlines())
    return "\n".join(line for line in lines if line not in {"", "-"})
