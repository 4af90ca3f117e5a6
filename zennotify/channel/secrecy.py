"""What may an operator read of a provider's words?  Not the credentials, not the recipient, not the message.

Providers like to quote what was wrong: the token, the number, the text.  Called by apprise_channel.py on all that
a provider says, before outcome.py puts it into a sentence.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from html import unescape
from typing import Final
from urllib.parse import unquote

from zennotify.core.model import Message

#: So much of an answer is shown; a longer part of it is read.
_SHOWN: Final = 200
_READ: Final = 2000
_HIDDEN = "***"
#: Shorter parts of a URL are words of every sentence.
_SHORTEST_SECRET = 4
#: Who knows so many of a number's last digits knows whose it is.
_TELLING_DIGITS = 7
_BETWEEN: Final = r"[ ()./-]{0,3}"
#: A run of so many letters and digits of the message is taken out; shorter ones are words that any provider uses.
_SHORTEST_QUOTE = 7
#: As JSON has them; others are left.
_JSON_ESCAPES = re.compile(r'(?:\\u[0-9a-fA-F]{4}|\\[nrt"/\\])+')
_TAG = re.compile(r"<[^>]*>")
_STYLE = re.compile(r"<(style|script)\b.*?(?:</\1>|$)", re.IGNORECASE | re.DOTALL)
_SEPARATORS = re.compile(r"[/:@?&=#+,;]+")
#: Settings of a URL that every mail server and service has; their values are no secret.
_OPEN_SETTINGS: Final = frozenset({"mode", "smtp", "verify", "format", "method", "blocks", "image", "footer"})


class Mask:
    """Takes out of a text what one channel has to keep to itself."""

    def __init__(self, url: str, to: str | None) -> None:
        hidden = map(re.escape, sorted(_hidden(url), key=len, reverse=True))
        patterns = [*_recipient(to), *hidden]
        self._hidden = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def __repr__(self) -> str:
        return f"Mask({_HIDDEN})"

    def words(self, said: bytes, message: Message) -> str:
        """Return what a provider said on one line: without mark-up, secrets and the message's text."""
        if len(said) > _READ:
            said = said[:_READ].rpartition(b" ")[0]  # half a secret would not be recognised
        text = _plain(said.decode(errors="replace"))
        if self._hidden is not None:
            text = self._hidden.sub(_HIDDEN, text)
        text = _without_quotes(text, f"{message.title} {message.body}")
        return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _plain(text: str) -> str:
    text = _decoded(_TAG.sub(" ", _STYLE.sub(" ", text)))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _recipient(to: str | None) -> list[str]:
    """Return patterns of the ways in which a provider may name the one whom a message is for."""
    if not to:
        return []
    name, at, domain = to.rpartition("@")
    if not at:
        return [re.escape(to), _number(re.sub(r"\D", "", to))]
    names = sorted({name, name.partition("+")[0]}, key=len, reverse=True)
    alone = [rf"(?<!\w){re.escape(each)}(?!\w)" for each in names if len(each) >= _SHORTEST_SECRET]
    return [f"{re.escape(name)}[@=]{re.escape(domain)}", *alone]


def _number(digits: str) -> str:
    """Return a pattern of a number as people write it, with a prefix or without: the last digits are whose it is."""
    whose = _BETWEEN.join(digits[-_TELLING_DIGITS:])
    most = max(len(digits) - _TELLING_DIGITS, 0) + 2  # 00 before the country, or 0 behind it
    before = rf"(?<!\d)[+(]*(?:\d{_BETWEEN}){{0,{most}}}|\d{{0,20}}"
    return rf"(?:{before}){whose}(?!\d)"


def _hidden(url: str) -> set[str]:
    """Return every part of a channel's address that must not be shown, raw and decoded."""
    _, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    login, at, server = place.rpartition("@")
    host, slash, path = server.partition("/")
    parts = set(_SEPARATORS.split(f"{login}{at}{slash}{path}"))
    if not _is_server(host):
        parts.update(_SEPARATORS.split(host))
    for setting in query.split("&"):
        key, _, value = setting.partition("=")
        if key.casefold() not in _OPEN_SETTINGS:
            parts.add(value)
            parts.update(_SEPARATORS.split(value))
    parts.update([unquote(part) for part in parts])
    if login:
        parts.update(_as_sent(unquote(login), host.partition(":")[0]))
    return {part for part in parts if len(part) >= _SHORTEST_SECRET}


def _as_sent(login: str, host: str) -> set[str]:
    """Return a login as HTTP and mail servers get it, and may quote it."""
    user, _, password = login.partition(":")
    plain = [f"\0{name}\0{password}" for name in (user, f"{user}@{host}")]
    return {b64encode(said.encode()).decode() for said in (login, user, password, *plain)}


def _is_server(host: str) -> bool:
    """Whether the place of the host names a server; with Slack and others it holds a token."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return "." in name or name.startswith("[") or name == "localhost"


def _without_quotes(said: str, text: str) -> str:
    """Return `said` without the runs that it shares with the message, whatever stands between their letters.

    Providers quote as they got it: with + for blanks, or with other quotes and line breaks.
    """
    places = [place for place, character in enumerate(said) if character.isalnum()]
    letters = "".join(said[place] for place in places)
    searched = "".join(filter(str.isalnum, text))
    kept: list[str] = []
    shown = start = 0
    while (end := start + _SHORTEST_QUOTE) <= len(letters):
        if letters[start:end] not in searched:
            start += 1
            continue
        while end < len(letters) and letters[start : end + 1] in searched:
            end += 1
        kept += [said[shown : places[start]], "…"]
        shown, start = places[end - 1] + 1, end
    return "".join([*kept, said[shown:]])


def _decoded(text: str) -> str:
    """Return a text without the escapes of forms, JSON and HTML: what is hidden in them is found as well."""
    text = _JSON_ESCAPES.sub(lambda escapes: str(json.loads(f'"{escapes[0]}"')), unquote(text))
    return unescape(text)
