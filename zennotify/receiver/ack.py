"""Who takes it?  The page behind the link in a message: a GET shows how things stand, the button's POST acknowledges.

So that what follows links by itself, such as a chat's preview, acknowledges nothing.  The link is the only proof: it
is short-lived, and good for its one message.  The page holds nothing of the event, and loads nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import traceback
from base64 import b64encode
from collections.abc import Coroutine, Iterator
from html import escape
from importlib import resources
from string import Template
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from aiohttp.http import RawRequestMessage

from zennotify.acknowledgement import MOST_NAME, Acknowledger, Standing
from zennotify.config import ServerConfig
from zennotify.errors import LinkError, LinkExpired, StoreUnavailable
from zennotify.receiver import answers
from zennotify.receiver.answers import Answer
from zennotify.receiver.proof import IPAddress, Strangers
from zennotify.receiver.request import Request, media_of, path_of, unreadable

_log = logging.getLogger(__name__)

_PATH: Final = "/ack/"
_FORM: Final = "application/x-www-form-urlencoded"
#: Bytes of a form: a name of 80 characters takes up to 960.
_MOST_BODY: Final = 4096
#: How long a request is held while the store does not answer; seconds, as for events.
_LONGEST_HOLD: Final = 8.0
_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}

_PAGE: Final = (resources.files("zennotify.receiver") / "ack.html").read_text(encoding="utf-8")
_STYLE: Final = _PAGE.partition("<style>")[2].partition("</style>")[0]
_STYLE_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = (
    f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    # Nobody else learns the link; with `no-referrer` browsers would hide from us where the form comes from, too.
    "Referrer-Policy: same-origin",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
    "X-Robots-Tag: noindex",
)


def _page(status: int, code: str, heading: str, content: str, *headers: str) -> Answer:
    """Make a page; `heading` is text, `content` HTML."""
    html = Template(_PAGE).substitute(title=escape(heading), heading=escape(heading), content=content)
    return answers.page(status, code, html, *_HEADERS, *headers)


def _said(status: int, code: str, heading: str, sentence: str, *headers: str) -> Answer:
    return _page(status, code, heading, f"<p>{escape(sentence)}</p>", *headers)


_NO_LINK: Final = _said(
    404, "not_found", "There is nothing here", "Was the link copied whole? Open it from the message itself."
)
_OVER: Final = _said(
    410,
    "link_expired",
    "This link is over",
    "It was good for a week, or what it was about is not kept any more.",
)
_FOREIGN: Final = _said(
    403,
    "foreign_form",
    "This did not come from our page",
    "Open the link in the message, and press the button there.",
)
_NO_STORE: Final = _said(
    503,
    "store_unavailable",
    "It is not taken yet",
    "Something is wrong here. Try again in a minute.",
    "Retry-After: 60",
)


class AckPage:
    """What becomes of requests for `/ack/<token>`, below the path of `public_url` or without it."""

    def __init__(self, config: ServerConfig, acknowledger: Acknowledger) -> None:
        url = urlsplit(config.public_url or "")
        self._origin = f"{url.scheme}://{url.netloc}".lower().removesuffix(_DEFAULT_PORTS.get(url.scheme, ""))
        # A proxy may or may not take the prefix off.
        self._paths = tuple(dict.fromkeys((_PATH, url.path.rstrip("/") + _PATH)))
        self._acknowledger = acknowledger
        self._strangers = Strangers(config.trusted_proxies)

    def is_for(self, message: RawRequestMessage) -> bool:
        """Return whether a request is for this page."""
        return path_of(message).startswith(self._paths)

    def most(self, _message: RawRequestMessage) -> int:
        """Return the size of the largest form that is read, in bytes."""
        return _MOST_BODY

    def look(self, message: RawRequestMessage) -> Answer | None:
        """Return the refusal of what the headers already show to be wrong."""
        if message.method not in answers.PAGE_VERBS:
            return answers.NOT_A_PAGE_VERB
        is_other_media = message.method == "POST" and media_of(message) != _FORM
        return unreadable(message, _MOST_BODY, is_other_media=is_other_media)

    def answer(self, request: Request) -> Answer | Coroutine[Any, Any, Answer]:
        """Return the answer to a whole request; one that has a link of ours may ask the store."""
        message = request.message
        try:
            delivery = self._acknowledger.delivery_of(path_of(message).rpartition(_PATH)[2])
        except LinkExpired:
            return _OVER
        except LinkError:
            return self._strangers.refuse(_NO_LINK, message, request.peer, time.perf_counter())
        if message.method != "POST":
            return self._guarded(self._show(delivery))
        if not self._is_ours(message):
            return _FOREIGN
        return self._guarded(self._take(delivery, request.body))

    def refused(self, message: RawRequestMessage, peer: IPAddress | None, answer: Answer) -> None:
        """Take note of a request that was refused before it was whole."""
        self._strangers.log(answer, message, peer, time.perf_counter())

    def _is_ours(self, message: RawRequestMessage) -> bool:
        """Say whether a form was sent by our own page, as far as the browser tells."""
        origins = message.headers.getall("Origin", ())
        if not origins:
            return True
        scheme, _, host = origins[0].strip().lower().partition("://")
        if len(origins) > 1 or scheme not in _DEFAULT_PORTS:
            return False
        return f"{scheme}://{host}" == self._origin or host == message.headers.get("Host", "").strip().lower()

    async def _guarded(self, answer: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            async with asyncio.timeout(_LONGEST_HOLD):
                return await answer
        except (StoreUnavailable, TimeoutError):
            return _NO_STORE
        except Exception as error:  # a mistake of ours; its text may hold what somebody typed
            _log.error("%s while a page was answered", type(error).__name__)
            _log.debug("%s", "".join(traceback.format_tb(error.__traceback__)))
            return _NO_STORE

    async def _show(self, delivery: str) -> Answer:
        standing = await self._acknowledger.look(delivery)
        return _OVER if standing is None else _shown(200, standing)

    async def _take(self, delivery: str, body: bytes) -> Answer:
        try:
            standing = await self._acknowledger.take(delivery, _name_in(body))
        except ValueError:
            standing = await self._acknowledger.look(delivery)
            return _OVER if standing is None else _shown(400, standing, is_wrong=True)
        return _OVER if standing is None else _shown(200, standing, is_asked=True)


def _name_in(body: bytes) -> str:
    """Return the name in a form; raises ValueError where there is none."""
    fields = parse_qs(body.decode("ascii"), errors="strict", max_num_fields=8)
    return fields.get("by", [""])[0]


def _shown(status: int, standing: Standing, *, is_asked: bool = False, is_wrong: bool = False) -> Answer:
    """Return the page of a message; `is_asked`: somebody has just tried to take it, `is_wrong`: but has no name."""
    lines = _lines(standing, is_asked=is_asked, is_wrong=is_wrong)
    return _page(status, "bad_name" if is_wrong else "shown", standing.rule, "\n".join(lines))


def _lines(standing: Standing, *, is_asked: bool, is_wrong: bool) -> Iterator[str]:
    yield f'<p class="sent">Sent {escape(standing.sent)}</p>'
    if standing.by:
        yield f'<p class="state" role="status">Taken by {escape(standing.by)}, {escape(standing.at)}.</p>'
        if standing.is_new:
            yield "<p>Those who were told before learn that you have it. Nobody else is told.</p>"
        elif is_asked:
            yield "<p>Somebody was faster: nothing has changed.</p>"
        return
    yield '<p class="state">Nobody has taken it yet.</p>'
    yield '<form method="post">'
    invalid = ""
    if is_wrong:
        yield '<p class="wrong" id="wrong" role="alert">Write your name, so that the others know who has it.</p>'
        invalid = ' aria-invalid="true" aria-describedby="wrong"'
    yield '<label for="by">Your name</label>'
    yield f'<input id="by" name="by" required maxlength="{MOST_NAME}" autocomplete="name"{invalid}>'
    yield '<button type="submit">I take it</button>'
    yield "</form>"
