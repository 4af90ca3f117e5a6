"""The failure table over HTTP: real services of Apprise against a real server that fails in every way we know of.

For each: the class of the outcome, how long the provider asks us to wait, and what the operator reads.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.certificates import self_signed
from tests.elsewhere import Elsewhere, everywhere
from tests.sinks import PATIENCE, Answer, How, HttpSink, Received
from zennotify.channel import Channel, close_all, open_channel
from zennotify.core.model import Form, Label, Message, Outcome, Result

SENT, TEMPORARY, PERMANENT = Outcome.SENT, Outcome.TEMPORARY, Outcome.PERMANENT
BLOCKED, UNKNOWN = Outcome.BLOCKED, Outcome.UNKNOWN
SOON, ENOUGH = timedelta(seconds=0.3), timedelta(seconds=10)

PHONE = "+12065550100"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
TWILIO = f"twilio://AC{'a' * 32}:{'b' * 32}@+12065550111"
VONAGE = "vonage://AC123456:secretsecret@12065550111"
CLICKSEND = "clicksend://user:key-of-clicksend@"
GUEST = Message(title="No-show", body="Abc Test missed Yoga & Stretch at 10:00 AM", form=Form.CHAT)


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as made:
        yield made
    close_all()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    with everywhere(monkeypatch) as made:
        yield made


def channel(url: str, to: str | None = None, timeout: timedelta = ENOUGH) -> Channel:
    return open_channel("hook", url=url, to=to, form=None, timeout=timeout, echo=print)


def send(to: Channel, message: Message = GUEST) -> Result:
    return to.send(message, Label("d1"))


# --- the status


def of_status(status: int) -> Outcome:
    if status < 200:
        return UNKNOWN
    if status < 300:
        return SENT
    if status in {408, 425, 429} or (status >= 500 and status not in {501, 505}):
        return TEMPORARY
    return BLOCKED if status in {401, 402, 403, 407} else PERMANENT


def answer_of(status: int) -> Answer:
    # An interim answer is no answer: the connection ends without one.
    return Answer(status, b"ok", how=How.THEN_CLOSE if status < 200 else How.AT_ONCE)


def test_every_status_of_a_web_hook_has_its_class(sink: HttpSink) -> None:
    hook = channel(sink.url())
    sink.answer(*map(answer_of, range(100, 600)))
    for status in range(100, 600):
        result = send(hook)
        assert result.outcome is of_status(status), status
        assert result.retry_after is None
        assert result.detail.startswith(f"HTTP {status}") or status < 200
    assert len(sink.received) == 500


def test_every_status_of_slack_has_its_class(world: Elsewhere) -> None:
    desk = channel(SLACK)
    world.answer(*map(answer_of, range(100, 600)))
    for status in range(100, 600):
        # Apprise knows Slack to say 200: what another 2xx means, nobody knows.
        meant = UNKNOWN if 200 < status < 300 else of_status(status)
        assert send(desk).outcome is meant, status
    assert len(world.received) == 500


# --- the wait


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "-120"}, 1),
        ({"Retry-After": str(10 * 365 * 86400)}, 3600),
        ({"Retry-After": "9" * 400}, 3600),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "Thu, 26 Nov 2026 12:00:45 GMT", "Date": "Thu, 26 Nov 2026 12:00:00 GMT"}, 45),
        ({"Retry-After": "Thu, 26 Nov 2026 11:00:00 GMT", "Date": "Thu, 26 Nov 2026 12:00:00 GMT"}, 1),
        ({"Retry-After": "Thu, 26 Nov 2036 12:00:00 GMT", "Date": "Thu, 26 Nov 2026 12:00:00 GMT"}, 3600),
        ({"retry-after": "7"}, 7),
        ({}, None),
    ],
)
def test_a_wait_is_honoured_within_an_hour(
    sink: HttpSink, status: int, says: dict[str, str], seconds: float | None
) -> None:
    sink.answer(Answer(status, b"slow down", says))
    assert send(channel(sink.url())) == Result(
        outcome=TEMPORARY,
        detail=f"HTTP {status}: slow down",
        retry_after=None if seconds is None else timedelta(seconds=seconds),
        of_channel=status == 429,
    )


# --- the answer that is none


@dataclass(frozen=True)
class Broken:
    """A way to answer, what it comes to, and what the operator reads behind the host."""

    answer: Answer
    outcome: Outcome
    detail: str


NO_ANSWER = "{host} took the message and did not answer; the message may have arrived"
NO_ANSWER_IN_TIME = "{host} took the message and did not answer within 0.3 s; the message may have arrived"
UNREADABLE = "{host} took the message and gave an answer that cannot be read; the message may have arrived"


def raw(content: bytes) -> Answer:
    return Answer(body=content, how=How.RAW)


def good(body: bytes = b"ok", *headers: bytes) -> bytes:
    lines = [
        b"HTTP/1.1 200 OK",
        b"Connection: close",
        *(headers or (b"Content-Length: %d" % len(body),)),
        b"",
        body,
    ]
    return b"\r\n".join(lines)


BROKEN = {
    "closed": Broken(Answer(how=How.CLOSE), UNKNOWN, NO_ANSWER),
    "reset": Broken(Answer(how=How.RESET), UNKNOWN, NO_ANSWER),
    "silent": Broken(Answer(how=How.HANG), UNKNOWN, NO_ANSWER_IN_TIME),
    "late": Broken(Answer(delay=0.6), UNKNOWN, NO_ANSWER_IN_TIME),
    "dripping head": Broken(Answer(how=How.DRIP_HEADERS), UNKNOWN, NO_ANSWER_IN_TIME),
    "dripping body": Broken(Answer(how=How.DRIP_BODY), UNKNOWN, NO_ANSWER_IN_TIME),
    "endless refusal": Broken(Answer(500, how=How.ENDLESS_BODY), TEMPORARY, "HTTP 500"),
    "endless head": Broken(Answer(how=How.ENDLESS_HEADERS), UNKNOWN, UNREADABLE),
    "too long a head": Broken(
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"z" * 5000) * 20 + b"\r\n"), UNKNOWN, UNREADABLE
    ),
    "endless body": Broken(Answer(how=How.ENDLESS_BODY), SENT, "HTTP 200"),
    "half a status": Broken(raw(b"HTTP/1.1 2"), UNKNOWN, NO_ANSWER),
    "half a head": Broken(raw(b"HTTP/1.1 200 OK\r\nContent-Le"), UNKNOWN, NO_ANSWER),
    "half a body": Broken(raw(good(b"o", b"Content-Length: 2")), UNKNOWN, NO_ANSWER),
    "half a refusal": Broken(
        raw(b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\nno, and"), TEMPORARY, "HTTP 500: no, and"
    ),
    "half a chunk": Broken(raw(good(b"5\r\nab", b"Transfer-Encoding: chunked")), UNKNOWN, NO_ANSWER),
    "no last chunk": Broken(raw(good(b"2\r\nok\r\n", b"Transfer-Encoding: chunked")), UNKNOWN, NO_ANSWER),
    "a chunk without a size": Broken(raw(good(b"x\r\n", b"Transfer-Encoding: chunked")), UNKNOWN, UNREADABLE),
    "no length": Broken(raw(good(b"ok", b"Content-Length: many")), UNKNOWN, UNREADABLE),
    "less than no length": Broken(raw(good(b"ok", b"Content-Length: -1")), UNKNOWN, UNREADABLE),
    "another encoding": Broken(raw(good(b"ok", b"Transfer-Encoding: gzip")), UNKNOWN, UNREADABLE),
    "no header": Broken(raw(good(b"o", b"Odd", b"Content-Length: 2")), UNKNOWN, UNREADABLE),
    "no header, and a length": Broken(raw(good(b"ok", b"Content-Length: 2", b"Odd")), SENT, "HTTP 200"),
    "not compressed": Broken(
        raw(good(b"ok", b"Content-Encoding: gzip", b"Content-Length: 2")), UNKNOWN, UNREADABLE
    ),
    "no HTTP": Broken(raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), UNKNOWN, UNREADABLE),
    "HTTP of another kind": Broken(raw(b"HTTP/2 200\r\n\r\n"), UNKNOWN, UNREADABLE),
    "another protocol": Broken(raw(b"HTTP/1.1 101 Switching\r\n\r\n"), UNKNOWN, "HTTP 101"),
    "only an interim answer": Broken(raw(b"HTTP/1.1 103 Early\r\n\r\n"), UNKNOWN, NO_ANSWER),
    "interim answers": Broken(
        raw(b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 E\r\n\r\n" + good()), SENT, "HTTP 200"
    ),
    "the end is the length": Broken(raw(b"HTTP/1.0 200 OK\r\n\r\nok"), SENT, "HTTP 200"),
    "bare line feeds": Broken(
        raw(b"HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nok"), SENT, "HTTP 200"
    ),
    "chunks": Broken(
        raw(good(b"1;x=y\r\no\r\n1\r\nk\r\n0\r\nX: y\r\n\r\n", b"Transfer-Encoding: chunked")),
        SENT,
        "HTTP 200",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_answer_has_its_class(sink: HttpSink, kind: str) -> None:
    broken = BROKEN[kind]
    sink.answer(broken.answer, Answer())
    is_slow = broken.detail == NO_ANSWER_IN_TIME
    began = monotonic()
    result = send(channel(sink.url(), timeout=SOON if is_slow else ENOUGH))
    assert monotonic() - began < 5
    assert (result.outcome, result.detail) == (
        broken.outcome,
        broken.detail.format(host=f"127.0.0.1:{sink.port}"),
    )
    assert result.retry_after is None
    assert send(channel(sink.url())).outcome is SENT
    assert len(sink.received) == 2  # nothing was sent again


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"ok", {"Content-Length": "2"}),
        (b"2\r\nok\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}),
    ],
)
def test_what_follows_an_answer_is_not_taken_for_the_next_one(
    sink: HttpSink, body: bytes, says: dict[str, str]
) -> None:
    sink.answer(Answer(body=body + good(), headers=says), Answer(500, b"down"))
    hook = channel(sink.url())
    assert [send(hook).outcome for _ in range(2)] == [SENT, TEMPORARY]
    assert [got.connection for got in sink.received] == [1, 2]


@pytest.mark.parametrize("reads_first", [False, True])
def test_a_peer_that_closes_is_not_believed_to_have_nothing(reads_first: bool) -> None:
    """The message went to the network, and nobody says what became of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_accept_and_close, args=(server, reads_first))
        thread.start()
        result = send(channel(f"json://127.0.0.1:{server.getsockname()[1]}/"))
        thread.join()
    assert result.outcome is UNKNOWN


def _accept_and_close(server: socket.socket, reads_first: bool) -> None:
    server.settimeout(PATIENCE)
    peer, _ = server.accept()
    if reads_first:
        peer.recv(65536)
    peer.close()


# --- a 2xx that says no


PORTAL = b"<!DOCTYPE html><html><title>Hotel</title>Please log in</html>"
PORTAL_DETAIL = (
    "HTTP 200, but a web page answered instead of the service (a proxy or a login page?): Hotel Please log in"
)
YES = {
    SLACK: Answer(200, b"ok"),
    TWILIO: Answer(201, b'{"sid": "SM1", "status": "queued", "error_code": null}'),
    VONAGE: Answer(200, b'{"messages": [{"status": "0"}]}'),
    CLICKSEND: Answer(200, b'{"data": {"messages": [{"status": "SUCCESS"}]}}'),
}
NO = [
    (SLACK, b"invalid_payload", PERMANENT),
    (SLACK, b'{"ok": false, "error": "invalid_auth"}', BLOCKED),
    (SLACK, b'{"ok": false, "error": "ratelimited"}', TEMPORARY),
    (TWILIO, b'{"status": "failed", "error_code": 30007}', PERMANENT),
    (TWILIO, b'{"status": "undelivered", "error_code": null}', PERMANENT),
    (VONAGE, b'{"messages": [{"status": "4", "error-text": "Bad credentials"}]}', BLOCKED),
    (VONAGE, b'{"messages": [{"status": "1", "error-text": "Throttled"}]}', TEMPORARY),
    (VONAGE, b'{"messages": [{"status": "3", "error-text": "Invalid number"}]}', PERMANENT),
    (CLICKSEND, b'{"data": {"messages": [{"status": "INVALID_RECIPIENT"}]}}', PERMANENT),
    (CLICKSEND, b'{"data": {"messages": [{"status": "INSUFFICIENT_CREDIT"}]}}', BLOCKED),
]


def to_phone(url: str) -> str | None:
    return None if url == SLACK else PHONE


@pytest.mark.parametrize("url", YES)
def test_each_service_has_its_yes(world: Elsewhere, url: str) -> None:
    world.answer(YES[url])
    assert send(channel(url, to_phone(url))).outcome is SENT


@pytest.mark.parametrize(("url", "body", "outcome"), NO)
def test_a_success_that_says_no_is_none(world: Elsewhere, url: str, body: bytes, outcome: Outcome) -> None:
    world.answer(Answer(YES[url].status, body))
    result = send(channel(url, to_phone(url)))
    assert result.outcome is outcome
    assert result.detail == f"HTTP {YES[url].status}, but not sent: {body.decode()}"


@pytest.mark.parametrize("url", YES)
def test_a_captive_portal_is_no_service(world: Elsewhere, url: str) -> None:
    world.answer(Answer(200, PORTAL))
    assert send(channel(url, to_phone(url))) == Result(outcome=TEMPORARY, detail=PORTAL_DETAIL)


# --- TLS


def test_certificates_that_do_not_fit_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"good": {}, "expired": {"days": -1}, "another's": {"name": "DNS:example.com"}}
    found: dict[str, str] = {}
    for kind, more in made.items():
        (tmp_path / kind).mkdir()
        tls, certificate = self_signed(tmp_path / kind, **more)  # type: ignore[arg-type] # of two kinds
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with HttpSink(tls) as sink:
            result = send(channel(sink.url(scheme="jsons")))
            found[kind] = result.detail.replace(f"127.0.0.1:{sink.port}", "HOST")
            assert result.outcome is (SENT if kind == "good" else BLOCKED)
            assert len(sink.received) == (kind == "good")
    close_all()
    assert found == {
        "good": "HTTP 200",
        "expired": "the certificate of HOST cannot be trusted: certificate has expired",
        "another's": "the certificate of HOST cannot be trusted: "
        "IP address mismatch, certificate is not valid for '127.0.0.1'.",
    }


# --- what the operator reads


URLS = {
    "json": ("json://me:hunter22@hooks.example.com/in/s3cr3tpath?+X-Key=abcdefgh&-token=tok3ntok3n", None),
    "form": ("form://me:hunter22@hooks.example.com/in/s3cr3tpath", None),
    "slack": (SLACK, None),
    "twilio": (TWILIO, PHONE),
    "vonage": (VONAGE, PHONE),
    "clicksend": (CLICKSEND, PHONE),
}
SECRETS = re.findall(
    r"\S+",
    "hunter22 s3cr3tpath abcdefgh tok3ntok3n T1JJ3T3L2 A1BRTD4JD TIiajkdnlazkcOXrIdevi7FQ aaaaaaaa bbbbbbbb "
    "12065550111 AC123456 secretsecret key-of-clicksend 2065550100 Test missed Stretch",
)


@pytest.mark.parametrize("status", [200, 400, 401, 503])
@pytest.mark.parametrize("kind", URLS)
def test_a_provider_that_quotes_everything_tells_nothing(
    world: Elsewhere, monkeypatch: pytest.MonkeyPatch, kind: str, status: int
) -> None:
    def quote(received: Received) -> Answer:
        heads = " ".join(f"{name}: {value}" for name, value in received.headers.items())
        said = f"no: {received.path} {received.body.decode()} {heads}"
        return Answer(
            status, json.dumps({"ok": False, "error": said}).encode() if status == 200 else said.encode()
        )

    monkeypatch.setattr(world, "next_answer", quote)
    url, to = URLS[kind]
    detail = send(channel(url, to)).detail
    assert detail.startswith(f"HTTP {status}")
    assert [secret for secret in SECRETS if secret.casefold() in detail.casefold()] == []
