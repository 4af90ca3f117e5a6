"""HTTP as Apprise's services speak it, under our rules: kept connections, one deadline, a bounded answer.

Apprise's services call `requests.post`, which makes a new session, a new connection and (with TLS) a new context for
every message, follows redirects, waits for each byte anew, and tells nobody what came back.  `install` puts
one adapter below all sessions; it acts only within an attempt (attempt.py), to which it tells what it met.  A call
that needs nothing of what a session does goes the same way without one, for half the price.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from types import NoneType
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import (
    default_headers,
    get_encoding_from_headers,
    get_environ_proxies,
    select_proxy,
)

from zennotify.channel import http1
from zennotify.channel.attempt import Attempt, UnreadableError, current
from zennotify.channel.http1 import Place
from zennotify.channel.outcome import HttpAnswer

#: URLs of which we remember where they lead.
_URLS: Final = 256


class Egress(BaseAdapter):
    """What a session sends through."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,
        verify: bool | str = True,
        cert: object = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request of the current attempt, and keep what came of it."""
        made = current()
        if made is None:
            msg = "a message is sent within an attempt"
            raise RuntimeError(msg)
        url = request.url or ""
        proxy = select_proxy(url, dict(proxies or {})) or ""
        headers = {name.lower(): (name, value) for name, value in request.headers.items()}
        if proxy and urlsplit(url).scheme == "http":
            headers |= {name.lower(): (name, value) for name, value in http1.proxy_headers(proxy).items()}
        response = _exchange(
            made, request.method or "GET", _way_to(url, verify, proxy), headers, request.body
        )
        response.url, response.request = url, request
        return response

    def close(self) -> None:
        """Do nothing: the connections are everybody's."""


def _exchange(
    made: Attempt, method: str, way: tuple[Place, str, str], headers: dict[str, tuple[str, Any]], body: Any
) -> requests.Response:
    """Make one exchange of an attempt."""
    if isinstance(made.last, HttpAnswer) and made.last.status == 429:
        # A few services try again at once; when is for the outbox to say.
        raise requests.ConnectionError
    place, target, host = way
    request = _request(method, target, {"host": ("Host", host)} | headers, _bytes(body))
    made.sent = False
    try:
        answer = http1.ask(made, place, request, has_body=method != "HEAD")
    except (OSError, UnreadableError) as error:
        made.failed(host, error)
        raise requests.ConnectionError from error
    made.last = HttpAnswer(
        status=answer.status,
        body=answer.body,
        retry_after=answer.headers.get("retry-after"),
        date=answer.headers.get("date"),
    )
    # Without an address to go to, `requests` follows no redirect, whatever a service asks for.
    answer.headers.pop("location", None)
    response = requests.Response()
    response.status_code, response.reason = answer.status, answer.reason
    response.headers = CaseInsensitiveDict(answer.headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = io.BytesIO(answer.body)
    return response


def _request(method: str, target: str, headers: dict[str, tuple[str, Any]], body: bytes | None) -> bytes:
    """Return a whole request; its headers stand under their names in lower case, so that each is sent once."""
    headers["accept-encoding"] = ("Accept-Encoding", "identity")
    headers.pop("transfer-encoding", None)
    if body is not None or method in {"POST", "PUT", "PATCH"}:
        headers["content-length"] = ("Content-Length", str(len(body or b"")))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {_text(value)}" for name, value in headers.values())]
    head = "\r\n".join([*lines, "\r\n"])
    if not head.count("\r") == head.count("\n") == len(lines) + 1:
        raise requests.exceptions.InvalidHeader("a header with a line break")
    return head.encode("latin-1") + (body or b"")


def _bytes(body: Any) -> bytes | None:
    if isinstance(body, str):
        return body.encode()
    if body is None or isinstance(body, bytes):
        return body
    msg = "a message is sent as a whole"  # a file, or what makes a body piece by piece
    raise requests.RequestException(msg)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


@lru_cache(maxsize=_URLS)
def _way_to(url: str, verify: bool | str, proxy: str = "") -> tuple[Place, str, str]:
    """Return where a URL leads, what to ask for there, and what to call it."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    usual = 443 if is_tls else 80
    host, port = parts.hostname or "", parts.port or usual
    name = f"[{host}]" if ":" in host else host
    name = name if port == usual else f"{name}:{port}"
    authorities = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
    place = Place(host, port, is_tls, authorities, bool(verify), proxy)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if proxy and not is_tls:  # who passes it on wants to know where to
        target = f"http://{name}{target}"
    return place, target, name


# --- the straight way


def _straight(
    made: Attempt, method: str, url: str, data: bytes | str | None, headers: Any, verify: bool | str
) -> requests.Response:
    """Do what a session would do for a call without cookies, credentials, parameters, files and proxies."""
    named = dict(_SESSION_HEADERS)
    named.update((item[0].lower(), item) for item in (headers or {}).items())
    verify = _certificates() if verify is True else verify
    response = _exchange(made, method.upper(), _way_to(url, verify), named, data)
    response.url = url
    return response


def _is_plain(url: str, call: dict[str, Any]) -> bool:
    """Whether a call needs nothing that only a session does."""
    given = {name for name, value in call.items() if value is not None}
    return (
        given <= _PLAIN_ARGUMENTS
        and isinstance(call.get("data"), (bytes, str, NoneType))
        and not call.get("params")
        and None not in (call.get("headers") or {}).values()
        and _PLAIN_URL.fullmatch(url) is not None
        and not _proxies(urlsplit(url).netloc)
    )


_PLAIN_ARGUMENTS: Final = {"data", "headers", "params", "verify", "timeout", "allow_redirects"}
#: Without credentials, and without anything that `requests` would write in another way.
_PLAIN_URL: Final = re.compile(r"https?://[a-z0-9.-]+(?::\d+)?/[A-Za-z0-9._~/-]*(?:\?[A-Za-z0-9._~/=&-]*)?")
_SESSION_HEADERS: Final = {name.lower(): (name, value) for name, value in default_headers().items()}
_EGRESS: Final = Egress()


@cache
def install() -> None:
    """Put the shared adapter below every session; called when the first channel is opened."""
    stock_request = requests.api.request
    stock_adapter, stock_settings = requests.Session.get_adapter, requests.Session.merge_environment_settings

    def get_adapter(self: requests.Session, url: str) -> BaseAdapter:  # sessions call it by keyword
        return stock_adapter(self, url) if current() is None else _EGRESS

    def settings(
        self: requests.Session, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> dict[str, Any]:
        if current() is None:
            return dict(stock_settings(self, url, proxies, stream, verify, cert))
        verify = _certificates() if verify is True else verify
        return {
            "verify": verify,
            "proxies": dict(_proxies(urlsplit(url).netloc)),
            "stream": stream,
            "cert": cert,
        }

    def request(method: str, url: str, **call: Any) -> requests.Response:
        made = current()
        if made is None or not _is_plain(url, call):
            return stock_request(method, url, **call)
        return _straight(made, method, url, call.get("data"), call.get("headers"), call.get("verify", True))

    requests.request = requests.api.request = request  # type: ignore[assignment] # as below
    requests.Session.get_adapter = get_adapter  # type: ignore[method-assign] # see the module's docstring
    requests.Session.merge_environment_settings = settings  # type: ignore[method-assign,assignment]


def _certificates() -> str | bool:
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


@lru_cache(maxsize=_URLS)
def _proxies(place: str) -> dict[str, str]:
    """Return the proxies for a host; `requests` searches the environment for them with every message."""
    return dict(get_environ_proxies(f"http://{place}"))
