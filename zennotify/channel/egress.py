"""HTTP as Apprise's services speak it, under our rules: shared connections, one deadline, a bounded answer.

Apprise's services call `requests.post`, which makes a new session, a new connection and (with TLS) a new context for
every message, follows redirects, waits for each byte anew, and tells nobody what came back.  `install` puts
one adapter below all sessions; it acts only within an attempt (attempt.py), to which it tells what it met.  A call
that needs nothing of what a session does goes straight to the same connections, for half the price.
"""

from __future__ import annotations

import io
import os
import re
import socket
from collections.abc import Callable
from functools import cache, lru_cache
from http.client import HTTPException, HTTPResponse
from time import monotonic
from types import NoneType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.utils import (
    check_header_validity,
    default_headers,
    get_encoding_from_headers,
    get_environ_proxies,
)
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from zennotify.channel.attempt import Attempt, DeadlineReader, current
from zennotify.channel.dial import dial
from zennotify.channel.outcome import HttpAnswer

if TYPE_CHECKING:
    from urllib3._base_connection import BaseHTTPConnection
    from urllib3.response import HTTPResponse as PooledResponse

#: No more of an answer is read.
LARGEST_ANSWER: Final = 64 * 1024
#: Servers close idle connections after 5 s and more.  Who reuses one just then cannot know whether the message
#: arrived, so we do not come near that moment.
_LONGEST_IDLE = 4.0
#: Hosts, and kept connections per host; more are opened when needed, and closed after use.
_HOSTS: Final = 512
_KEPT: Final = 64


class _Answer(HTTPResponse):
    """An answer that is read no longer than its attempt may take, headers included."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(DeadlineReader(self.fp, sock))


class _Bounded(HTTPConnection):
    """A connection that is made, used and kept as our attempts need it."""

    response_class = _Answer
    _used = 0.0
    _held: list[bytes] | None = None

    def _new_conn(self) -> socket.socket:
        made = current()
        return super()._new_conn() if made is None else dial(self.host, self.port, made.left, _OPTIONS)

    @property
    def is_connected(self) -> bool:
        """Whether the kept connection may be used again."""
        return monotonic() - self._used < _LONGEST_IDLE and super().is_connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        held = self._held = []
        try:
            super().request(*args, **kwargs)
        finally:
            self._held = None
        super().send(b"".join(held))
        # Only now can the provider have all of it.  Where writing failed, it cannot have acted.
        if made := current():
            made.sent = True

    def send(self, data: Any) -> None:
        """Hold back head and body, so that a message is one packet and not two."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(bytes(data))

    def getresponse(self) -> PooledResponse:  # type: ignore[override] # as urllib3 does itself
        response = super().getresponse()
        self._used = monotonic()
        return response


class _BoundedTls(_Bounded, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bounded


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTls

    def _validate_conn(self, conn: BaseHTTPConnection) -> None:
        # urllib3's own does this and warns of `verify=no` on stderr, which whoever wrote it into the URL knows.
        if conn.is_closed:
            conn.connect()


class Egress(HTTPAdapter):
    """The one way out for HTTP.

    Certificates are checked by contexts of urllib3's own, one per connection and kept apart by `verify`, so that a
    channel with `verify=no` cannot weaken another one.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of our own connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pools of our own connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: requests.PreparedRequest, *_: Any, **kwargs: Any) -> requests.Response:
        """Send one request of the current attempt, and keep what came of it."""
        made = current()
        if made is None:
            return super().send(request, **kwargs)

        def send(left: float) -> requests.Response:
            return super(Egress, self).send(request, **(kwargs | {"stream": True, "timeout": (left, left)}))

        return _exchange(made, request.url or "", send)


def _exchange(made: Attempt, url: str, send: Callable[[float], requests.Response]) -> requests.Response:
    """Make one exchange of an attempt: `send` returns when the head of the answer is there."""
    if isinstance(made.last, HttpAnswer) and made.last.status == 429:
        # A few services try again at once; when is for the outbox to say.
        raise requests.ConnectionError
    made.sent = False
    try:
        response = send(made.left())
        body = _body(response)
    except (requests.RequestException, HTTPError, OSError, HTTPException) as error:
        made.failed(urlsplit(url).netloc.rpartition("@")[2], error)
        raise requests.ConnectionError from error
    made.last = HttpAnswer(
        status=response.status_code,
        body=body,
        retry_after=response.headers.get("Retry-After"),
        date=response.headers.get("Date"),
    )
    response.raw = io.BytesIO(body)
    # Without an address to go to, `requests` follows no redirect, whatever a service asks for.
    response.headers.pop("Location", None)
    return response


def _body(response: requests.Response) -> bytes:
    """Return the answer's body, cut to its cap; a refusal counts even when its body does not come."""
    raw: PooledResponse = response.raw
    body = bytearray()
    try:
        while len(body) < LARGEST_ANSWER and response.status_code >= 200:
            chunk = raw.read(8192, decode_content=True)
            if not chunk:
                return bytes(body)
            body += chunk
    except (HTTPError, OSError, HTTPException):
        if 200 <= response.status_code < 300:
            raise
    finally:
        if not raw.isclosed():
            raw.close()
            raw.release_conn()
    return bytes(body[:LARGEST_ANSWER])


# --- the straight way


def _straight(
    made: Attempt, method: str, url: str, data: bytes | str | None, headers: Any, verify: bool | str
) -> requests.Response:
    """Do what a session would do for a call without cookies, credentials, parameters, files and proxies."""
    pool, target = _way_to(url, _certificates() if verify is True else verify)
    named = {name.lower(): (name, value) for name, value in _SESSION_HEADERS.items()}
    for item in (headers or {}).items():
        check_header_validity(item)
        named[item[0].lower()] = item  # whatever the case, a header is sent once
    sent = dict(named.values())

    def send(left: float) -> requests.Response:
        raw: Any = pool.urlopen(
            method.upper(),
            target,
            body=data.encode() if isinstance(data, str) else data,
            headers=sent,
            timeout=Timeout(left, left),
            retries=_NO_RETRIES,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        response = requests.Response()
        response.status_code, response.reason = raw.status, raw.reason or ""
        response.headers.update(raw.headers.items())
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw, response.url = raw, url
        return response

    return _exchange(made, url, send)


def _is_plain(url: str, call: dict[str, Any]) -> bool:
    """Whether a call needs nothing that only a session does."""
    return (
        call.keys() <= _PLAIN_ARGUMENTS
        and isinstance(call.get("data"), (bytes, str, NoneType))
        and not (call.get("auth") or call.get("params"))
        and call.get("json") is None
        and None not in (call.get("headers") or {}).values()
        and _PLAIN_URL.fullmatch(url) is not None
        and not _proxies(urlsplit(url).netloc)
    )


@lru_cache(maxsize=_HOSTS // 2)
def _way_to(url: str, verify: bool | str) -> tuple[Any, str]:
    """Return the connections to a URL's host, and what to ask it for."""
    request = requests.Request("POST", url).prepare()
    pool = _EGRESS.get_connection_with_tls_context(request, verify)
    _EGRESS.cert_verify(pool, url, verify, None)  # type: ignore[no-untyped-call] # as a session does
    return pool, request.path_url


_PLAIN_ARGUMENTS: Final = {
    "data",
    "headers",
    "auth",
    "params",
    "json",
    "verify",
    "timeout",
    "allow_redirects",
}
#: Without credentials, and without anything that `requests` would write in another way.
_PLAIN_URL: Final = re.compile(r"https?://[a-z0-9.-]+(?::\d+)?/[A-Za-z0-9._~/-]*(?:\?[A-Za-z0-9._~/=&-]*)?")
_SESSION_HEADERS: Final = dict(default_headers())
_NO_RETRIES: Final = Retry(0, read=False)

_POOLS: Final = {"http": _Pool, "https": _TlsPool}
_OPTIONS: Final = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
_EGRESS: Final = Egress(pool_connections=_HOSTS, pool_maxsize=_KEPT)


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


@lru_cache(maxsize=_HOSTS)
def _proxies(place: str) -> dict[str, str]:
    """Return the proxies for a host; `requests` searches the environment for them with every message."""
    return dict(get_environ_proxies(f"http://{place}"))


def close() -> None:
    """Close the kept connections."""
    _way_to.cache_clear()
    _EGRESS.close()
