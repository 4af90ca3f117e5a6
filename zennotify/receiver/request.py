"""What is a request, and what of it can be refused before its body is read?  Used by webhook.py and ack.py."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp.http import RawRequestMessage

from zennotify.receiver import answers
from zennotify.receiver.answers import Answer
from zennotify.receiver.proof import IPAddress


class Request(NamedTuple):
    """A whole request."""

    message: RawRequestMessage
    body: bytes
    #: None on a unix socket.
    peer: IPAddress | None
    #: `time.perf_counter()` at the first byte.
    started: float


def path_of(message: RawRequestMessage) -> str:
    """Return the path as sent: what is escaped stays so, and `..` is only a name."""
    if message.path.startswith("/"):
        return message.path.partition("?")[0].partition("#")[0]
    return message.url.raw_path


def media_of(message: RawRequestMessage) -> str:
    """Return the media type that a request names, in lower case; empty where it names none."""
    return message.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def unreadable(message: RawRequestMessage, most: int, *, is_other_media: bool) -> Answer | None:
    """Return the refusal of a body that is too large, or comes in a form that is not read."""
    headers = message.headers
    if int(headers.get("Content-Length", "0")) > most:
        return answers.TOO_LARGE
    if not _is_plain(headers.get("Content-Encoding", "")):
        return answers.UNSUPPORTED_ENCODING
    if headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        return answers.UNSUPPORTED_ENCODING
    if is_other_media:
        return answers.UNSUPPORTED_MEDIA_TYPE
    if headers.get("Expect", "100-continue").lower() != "100-continue":
        return answers.BAD_EXPECTATION
    return None


def _is_plain(coding: str) -> bool:
    return coding.strip().lower() in {"", "identity"}
