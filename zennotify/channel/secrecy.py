"""What may an operator read of a provider's words?  Not the credentials, not the recipient, not the message.

Providers like to quote what was wrong: the token, the number, the text.  Called by apprise_channel.py on all that
a provider says, before outcome.py puts it into a sentence.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final
from urllib.parse import unquote

from zennotify.core.model import Message

#: So much of an answer is shown; a longer part of it is read.
_SHOWN: Final = 200
_READ: Final = 2000
_HIDDEN = "***"
#: Shorter parts of a URL are words of every sentence.
_SHORTEST_SECRET = 4
#: A run of the message at least this long is taken out; shorter ones are words that any provider uses.
_SHORTEST_QUOTE = 8
_TAG = re.compile(r"<[^>]*>")
_STYLE = re.compile(r"<(style|script)\b.*?(?:</\1>|$)", re.IGNORECASE | re.DOTALL)
_SEPARATORS = re.compile(r"[/:@?&=#+,;]+")
#: Settings of a URL that every mail server and service has; their values are no secret.
_OPEN_SETTINGS: Final = frozenset({"mode", "smtp", "verify", "format", "method", "blocks", "image", "footer"})


class Mask:
    """Takes out of a text what one channel has to keep to itself."""

    def __init__(self, url: str, to: str | None) -> None:
        hidden = sorted(_hidden(url, to), key=len, reverse=True)
        self._hidden = re.compile("|".join(map(re.escape, hidden)), re.IGNORECASE) if hidden else None

    def __repr__(self) -> str:
        return f"Mask({_HIDDEN})"

    def words(self, said: bytes, message: Message) -> str:
        """Return what a provider said on one line: without mark-up, secrets and the message's text."""
        if len(said) > _READ:
            said = said[:_READ].rpartition(b" ")[0]  # half a secret would not be recognised
        text = _plain(said.decode(errors="replace"))
        if self._hidden is not None:
            text = self._hidden.sub(_HIDDEN, text)
        text = _without_quotes(text, " ".join(f"{message.title}\n{message.body}".split()))
        return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _plain(text: str) -> str:
    text = _TAG.sub(" ", _STYLE.sub(" ", text))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _hidden(url: str, to: str | None) -> set[str]:
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
        parts.add(b64encode(unquote(login).encode()).decode())
    if to:
        parts.update({to, to.lstrip("+")})
    return {part for part in parts if len(part) >= _SHORTEST_SECRET}


def _is_server(host: str) -> bool:
    """Whether the place of the host names a server; with Slack and others it holds a token."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return "." in name or name.startswith("[") or name == "localhost"


def _without_quotes(said: str, text: str) -> str:
    """Return `said` without the runs of characters that it shares with the message."""
    kept: list[str] = []
    start = 0
    while start < len(said):
        end = start + _SHORTEST_QUOTE
        if end > len(said) or said[start:end] not in text:
            kept.append(said[start])
            start += 1
            continue
        while end < len(said) and said[start : end + 1] in text:
            end += 1
        kept.append("…")
        start = end
    return "".join(kept)
