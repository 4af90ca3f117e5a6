"""What is answered?  One fixed text per code; nothing of the request, no version and no traceback is ever in it.

Only a page for people (ack.py) says more, to who has its link.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import NamedTuple

#: The verbs that Zenoti can be set to.
VERBS = ("POST", "PUT", "PATCH")
#: The verbs of a page with a form.
PAGE_VERBS = ("GET", "HEAD", "POST")


class Answer(NamedTuple):
    """A status and a JSON text or a page, ready to be sent."""

    status: int
    #: For the log: the word in the body, or for the page.
    code: str
    body: bytes
    #: Status line and headers, without those that change from one answer to the next.
    head: bytes

    def raw(self, date: bytes, *, close: bool, bodiless: bool = False) -> bytes:
        """Return the bytes for the wire; an answer to HEAD has no body."""
        end = b"\r\nConnection: close\r\n\r\n" if close else b"\r\n\r\n"
        return b"".join((self.head, date, end, b"" if bodiless else self.body))


def good(status: str, **more: str) -> Answer:
    """Make a 200."""
    return _good(status, json.dumps({"status": status, **more}).encode())


def kept(status: str, event: str) -> Answer:
    """Make a 200 about an event; what `good` does, without the price of an encoder: both are words of ours."""
    return _good(status, f'{{"status": "{status}", "event": "{event}"}}'.encode())


def _good(status: str, body: bytes) -> Answer:
    return Answer(200, status, body, b"%b%d\r\nDate: " % (_GOOD, len(body)))


def _error(status: int, code: str, *headers: str) -> Answer:
    body = json.dumps({"error": code}).encode()
    lines = (*_lines(status), *headers, f"Content-Length: {len(body)}", "Date: ")
    return Answer(status, code, body, "\r\n".join(lines).encode())


def page(status: int, code: str, html: str, *headers: str) -> Answer:
    """Make a page for people."""
    body = html.encode()
    lines = (*_lines(status, "text/html"), *headers, f"Content-Length: {len(body)}", "Date: ")
    return Answer(status, code, body, "\r\n".join(lines).encode())


def _lines(status: int, media: str = "application/json") -> tuple[str, str]:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {media}; charset=utf-8"


_GOOD = "\r\n".join((*_lines(200), "Content-Length: ")).encode()


PING = good("ping")
BAD_REQUEST = _error(400, "bad_request")
BAD_TOKEN = _error(401, "bad_token", "WWW-Authenticate: Bearer")
BAD_SIGNATURE = _error(401, "bad_signature")
ADDRESS_NOT_ALLOWED = _error(403, "address_not_allowed")
NOT_FOUND = _error(404, "not_found")
METHOD_NOT_ALLOWED = _error(405, "method_not_allowed", f"Allow: {', '.join(VERBS)}")
NOT_A_PAGE_VERB = _error(405, "method_not_allowed", f"Allow: {', '.join(PAGE_VERBS)}")
TOO_SLOW = _error(408, "too_slow")
TOO_LARGE = _error(413, "too_large")
UNSUPPORTED_ENCODING = _error(415, "unsupported_encoding")
UNSUPPORTED_MEDIA_TYPE = _error(415, "unsupported_media_type")
BAD_EXPECTATION = _error(417, "bad_expectation")
RATE_LIMITED = _error(429, "rate_limited", "Retry-After: 10")
INTERNAL_ERROR = _error(503, "internal_error", "Retry-After: 60")
OVERLOADED = _error(503, "overloaded", "Retry-After: 60")
STORE_UNAVAILABLE = _error(503, "store_unavailable", "Retry-After: 60")

#: An announced body is welcome.
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
