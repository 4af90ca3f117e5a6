"""How a value keeps out of the Markdown that it is printed into.

When a value is printed, each of its characters that means something anywhere is *shielded*: replaced by a letter of
Unicode's private plane that means nothing to any parser.  When the text is finished, the last step turns each
shielded character into what its form needs.  So a value is inert wherever a template puts it (in emphasis, in a
link, in code), it is escaped once, and it keeps its length until then.
"""

from __future__ import annotations

import html
import re
from typing import Final

_MEANINGFUL: Final = "\\`*_[]()<>#+-.!~&=@\"'"
_PLANE: Final = 0xF0000
_SHIELD = {ord(char): chr(_PLANE + ord(char)) for char in _MEANINGFUL}
_NEEDS_SHIELD = re.compile(r"""[\\`*_\[\]()<>#+\-.!~&=@"'\n\r\v\f\x85\u2028\u2029]""")
#: A line break in a value, with the blanks and the empty lines around it: they would end a paragraph.  It is looked for
#: at the first of some blanks only: at each, a long run of them would cost its square.
_BREAK = re.compile(r"(?<![ \t])[ \t]*+[\n\r\v\f\x85\u2028\u2029]\s*")

_TO_PLAIN: Final = {chr(_PLANE + ord(char)): char for char in _MEANINGFUL}
_TO_HTML: Final = {shielded: html.escape(char) for shielded, char in _TO_PLAIN.items()}
#: In code nothing can be escaped, and a backtick would end it: so these two have others in their place.
_TO_CHAT: Final = _TO_PLAIN | {
    shielded: {"\\": "/", "`": "'", "@": "@\u200b"}.get(char, f"\\{char}")
    for shielded, char in _TO_PLAIN.items()
    if char in "\\`@*_[]()<>#~&"
}
_SHIELDED = re.compile(f"[{chr(_PLANE)}-{chr(_PLANE + 0x7F)}]")


def shielded(chars: str) -> str:
    """Return characters as they stand in a shielded value."""
    return chars.translate(_SHIELD)


_AT: Final = shielded("@")
#: An `@` in a value that belongs to an e-mail address, and not to `@everyone`; Discord sees that, and `@here`, at the
#: beginning of a longer word, too.
_ADDRESS_AT = re.compile(
    rf"(?<=[\w{shielded('.+-_')}]){_AT}(?=\w)(?!everyone|here|(?:channel|all)\b)", re.IGNORECASE
)
_BACKSLASH_BEFORE_VALUE = re.compile(f"\\\\(?={_SHIELDED.pattern})")
#: What makes a list, or a heading of the line above, where a value begins a line.
_STARTER = re.compile(f"[{shielded('+-.=')}]")
_LINE_START = re.compile(rf"^([ \t]*\d{{0,9}})(?={_STARTER.pattern})", re.MULTILINE)
#: An address that people shall be able to open: a chat that finds it in the text would take a backslash for a part.
_ADDRESS = re.compile(r"https?://[^\s<>`]+")
_IN_ADDRESS = re.compile(f"[{shielded('_*~#&')}]")


def shield(text: str) -> str:
    """Return a value so that it means nothing to Markdown; a second time changes nothing."""
    if _NEEDS_SHIELD.search(text) is None:
        return text
    return _BREAK.sub("\n", text).translate(_SHIELD)


def to_plain(text: str) -> str:
    """Return text with the values as they are."""
    return _SHIELDED.sub(_plain, text)


def _plain(found: re.Match[str]) -> str:
    return _TO_PLAIN.get(found[0], found[0])


def to_html(page: str) -> str:
    """Return HTML with the values as entities."""
    return _SHIELDED.sub(lambda found: _TO_HTML.get(found[0], found[0]), page)


def to_chat(markdown: str) -> str:
    """Return Markdown with the values escaped by backslashes, and without their mentions."""
    if _SHIELDED.search(markdown) is None:
        return markdown
    # A template's own backslash before a value would undo the one that the value gets.
    markdown = _BACKSLASH_BEFORE_VALUE.sub("/", markdown)
    if "://" in markdown:
        markdown = _ADDRESS.sub(lambda found: _IN_ADDRESS.sub(_plain, found[0]), markdown)
    if _STARTER.search(markdown):
        markdown = _LINE_START.sub(r"\1\\", markdown)
    return _SHIELDED.sub(lambda found: _TO_CHAT.get(found[0], found[0]), _without_addresses(markdown))


def without_mentions(text: str) -> str:
    """Put an invisible blank after each `@` of a value that could call somebody."""
    return _without_addresses(text).replace(_AT, f"{_AT}\u200b")


def _without_addresses(text: str) -> str:
    """Take the shield from each `@` that calls nobody."""
    return _ADDRESS_AT.sub("@", text) if _AT in text else text
