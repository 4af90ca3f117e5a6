"""Channels against a real HTTP server: what arrives there, and what its answers come to."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from tests.certificates import self_signed
from tests.sinks import PATIENCE, Answer, How, HttpSink
from zennotify.channel import Channel, close_all, egress, http1, open_channel
from zennotify.core.model import Form, Label, Message, Outcome, Result

SOON = timedelta(seconds=0.3)
ENOUGH = timedelta(seconds=10)


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as made:
        yield made
    close_all()


def channel(url: str, timeout: timedelta = ENOUGH) -> Channel:
    return open_channel("hook", url=url, to=None, form=None, timeout=timeout, echo=print)


def message(text: str = "Abc Test missed Yoga") -> Message:
    return Message(title="No-show", body=text, form=Form.JSON)


def send(url: str, timeout: timedelta = ENOUGH) -> Result:
    return channel(url, timeout).send(message(), Label("d1"))


def test_a_message_arrives_as_json(sink: HttpSink) -> None:
    assert send(sink.url("/hook?-key=1")) == Result(outcome=Outcome.SENT, detail="HTTP 200")
    (got,) = sink.received
    assert (got.method, got.path) == ("POST", "/hook?key=1")
    assert got.json == {
        "version": "1.0",
        "title": "No-show",
        "message": "Abc Test missed Yoga",
        "attachments": [],
        "type": "info",
        "delivery": "d1",
        "rule": "",
        "event": None,
        "repeat": False,
    }


def test_text_goes_out_unchanged(sink: HttpSink) -> None:
    text = "**no** <markup>\n & _it_ \\* 10:00 –  «é» 😀"
    channel(sink.url()).send(message(text), Label("d1"))
    assert sink.received[0].json["message"] == text


def test_a_message_of_a_title_only_is_sent(sink: HttpSink) -> None:
    only = Message(title="No-show", body="", form=Form.JSON)
    assert channel(sink.url()).send(only, Label("d1")).outcome is Outcome.SENT
    assert sink.received[0].json["message"] == "No-show"


def test_an_empty_message_is_permanent_and_reaches_nobody(sink: HttpSink) -> None:
    nothing = Message(title="", body="", form=Form.JSON)
    assert channel(sink.url()).send(nothing, Label("d1")).outcome is Outcome.PERMANENT
    assert sink.received == []


@pytest.mark.parametrize("scheme", ["json", "form"])
def test_each_try_carries_the_delivery_s_id(sink: HttpSink, scheme: str) -> None:
    hook = channel(sink.url(scheme=scheme))
    sink.answer(Answer(503), Answer(200))
    assert [hook.send(message(), Label(i)).outcome for i in ("d1", "d1", "d2")] == [
        Outcome.TEMPORARY,
        Outcome.SENT,
        Outcome.SENT,
    ]
    assert [got.headers["X-Zennotify-Delivery"] for got in sink.received] == ["d1", "d1", "d2"]


def test_a_status_is_told_with_the_provider_s_words(sink: HttpSink) -> None:
    sink.answer(Answer(503, body=b"<h1>upstream</h1> is down"))
    assert send(sink.url()) == Result(outcome=Outcome.TEMPORARY, detail="HTTP 503: upstream is down")


def test_a_provider_that_quotes_us_tells_nothing(sink: HttpSink) -> None:
    sink.answer(Answer(400, body=b"no Abc Test missed Yoga for s3cr3t-user:hunter2 at /in/tokentoken"))
    url = f"json://s3cr3t-user:hunter2@127.0.0.1:{sink.port}/in/tokentoken"
    assert send(url).detail == "HTTP 400: no … for ***:*** at /in/***"


def test_a_429_says_how_long_to_wait(sink: HttpSink) -> None:
    sink.answer(Answer(429, headers={"Retry-After": "7"}))
    result = send(sink.url())
    assert (result.outcome, result.retry_after) == (Outcome.TEMPORARY, timedelta(seconds=7))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("query", ["", "?redirect=yes"])
def test_a_redirect_is_never_followed(sink: HttpSink, status: int, query: str) -> None:
    with HttpSink() as elsewhere:
        sink.answer(Answer(status, headers={"Location": f"http://127.0.0.1:{elsewhere.port}/"}))
        assert send(sink.url(f"/hook{query}")).outcome is Outcome.PERMANENT
        assert elsewhere.received == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(how=How.HANG),
        Answer(how=How.DRIP_HEADERS),
        Answer(how=How.DRIP_BODY),
        Answer(delay=0.6),
        Answer(103, body=b""),
    ],
)
def test_a_slow_peer_is_cut_at_the_deadline_and_may_have_the_message(sink: HttpSink, answer: Answer) -> None:
    sink.answer(answer)
    began = monotonic()
    result = send(sink.url(), SOON)
    assert result.outcome is Outcome.UNKNOWN
    assert monotonic() - began < 3
    assert len(sink.received) == 1


def test_silence_is_told_in_a_sentence(sink: HttpSink) -> None:
    sink.answer(Answer(how=How.HANG))
    assert send(sink.url(), SOON).detail == (
        f"127.0.0.1:{sink.port} took the message and did not answer within 0.3 s; the message may have arrived"
    )


def test_a_peer_without_an_end_is_cut_at_the_cap(sink: HttpSink) -> None:
    sink.answer(
        Answer(how=How.ENDLESS_BODY), Answer(how=How.ENDLESS_HEADERS), Answer(500, how=How.ENDLESS_BODY)
    )
    hook = channel(sink.url())
    outcomes = [hook.send(message(), Label("d1")).outcome for _ in range(3)]
    assert outcomes == [Outcome.SENT, Outcome.UNKNOWN, Outcome.TEMPORARY]
    assert hook.send(message(), Label("d1")).outcome is Outcome.TEMPORARY


def test_a_refusal_counts_even_when_its_body_drips(sink: HttpSink) -> None:
    sink.answer(Answer(404, how=How.DRIP_BODY))
    assert send(sink.url(), SOON).outcome is Outcome.PERMANENT


def test_a_peer_that_closes_instead_of_answering_may_have_the_message(sink: HttpSink) -> None:
    sink.answer(Answer(how=How.CLOSE))
    result = send(sink.url())
    assert result.outcome is Outcome.UNKNOWN
    assert result.detail == (
        f"127.0.0.1:{sink.port} took the message and did not answer; the message may have arrived"
    )


def test_nobody_there_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert send(f"json://127.0.0.1:{port}/") == Result(
        outcome=Outcome.TEMPORARY, detail=f"127.0.0.1:{port} could not be reached: Connection refused"
    )


def test_a_full_queue_of_connections_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        address = deaf.getsockname()
        fill = [socket.socket() for _ in range(4)]
        for sock in fill:
            sock.setblocking(False)
            sock.connect_ex(address)
        result = send(f"json://127.0.0.1:{address[1]}/", SOON)
        for sock in fill:
            sock.close()
    assert result.outcome is Outcome.TEMPORARY
    assert result.detail == f"127.0.0.1:{address[1]} could not be reached within 0.3 s"


def test_an_unknown_name_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    result = send("json://no-such-host.example/")
    assert result == Result(outcome=Outcome.TEMPORARY, detail="the name no-such-host.example is not known")


def test_a_name_service_that_does_not_answer_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()

    def silent(*_: object, flags: int, **__: object) -> list[object]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        stopping.wait(PATIENCE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = monotonic()
    result = send("json://slow.example/", SOON)
    stopping.set()
    assert result == Result(
        outcome=Outcome.TEMPORARY, detail="slow.example could not be reached within 0.3 s"
    )
    assert monotonic() - began < 3


def test_a_compressed_answer_is_cut_at_the_cap_too(sink: HttpSink) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    sink.answer(Answer(500, bomb, {"Content-Encoding": "gzip"}))
    assert send(sink.url()).outcome is Outcome.TEMPORARY


def test_a_name_that_leads_to_a_metadata_address_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    result = send("json://rebound.example/")
    assert result.outcome is Outcome.BLOCKED
    assert result.detail == "rebound.example leads to an address that zennotify never talks to"


def test_connections_are_kept_and_shared_by_threads(sink: HttpSink) -> None:
    hook = channel(sink.url())
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda n: hook.send(message(str(n)), Label(str(n))), range(200)))
    assert {result.outcome for result in results} == {Outcome.SENT}
    assert sorted(int(got.json["message"]) for got in sink.received) == list(range(200))
    assert all(got.json["message"] == got.headers["X-Zennotify-Delivery"] for got in sink.received)
    assert sink.connections <= 8


def test_a_connection_that_the_peer_closed_while_idle_loses_and_doubles_nothing(sink: HttpSink) -> None:
    hook = channel(sink.url())
    sink.answer(Answer(how=How.THEN_CLOSE))
    for _ in range(20):
        assert hook.send(message(), Label("d1")).outcome is Outcome.SENT
        sink.wait_until_closed()
    assert len(sink.received) == 20


def test_a_message_that_meets_the_closing_is_sent_or_unknown_and_never_repeated(sink: HttpSink) -> None:
    hook = channel(sink.url())
    sink.answer(Answer(how=How.THEN_CLOSE))
    outcomes = {str(n): hook.send(message(str(n)), Label("d1")).outcome for n in range(50)}
    arrived = [got.json["message"] for got in sink.received]
    assert set(outcomes.values()) <= {Outcome.SENT, Outcome.UNKNOWN}
    assert len(arrived) == len(set(arrived))
    assert {n for n, outcome in outcomes.items() if outcome is Outcome.SENT} <= set(arrived)


def test_a_connection_is_not_used_after_seconds_of_idleness(
    sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = channel(sink.url())
    hook.send(message(), Label("d1"))
    hook.send(message(), Label("d1"))
    assert sink.connections == 1
    monkeypatch.setattr(http1._KEPT, "longest_idle", 0.0)
    hook.send(message(), Label("d1"))
    assert [got.connection for got in sink.received] == [1, 1, 2]


def test_a_kept_connection_that_closes_on_our_request_is_unknown_and_not_repeated(sink: HttpSink) -> None:
    hook = channel(sink.url())
    sink.answer(Answer(), Answer(how=How.CLOSE))
    assert hook.send(message(), Label("d1")).outcome is Outcome.SENT
    assert hook.send(message(), Label("d1")).outcome is Outcome.UNKNOWN
    assert len(sink.received) == 2


def test_a_request_that_could_not_be_written_is_temporary() -> None:
    """The peer resets the connection before it has read a long message: it cannot have acted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_reset_first, args=(server,))
        thread.start()
        hook = channel(f"json://127.0.0.1:{server.getsockname()[1]}/")
        result = hook.send(message("x" * 50_000_000), Label("d1"))
        thread.join()
    assert result.outcome is Outcome.TEMPORARY
    assert "could not be reached" in result.detail or "before the message was sent" in result.detail


def _reset_first(server: socket.socket) -> None:
    server.settimeout(PATIENCE)
    peer, _ = server.accept()
    peer.recv(10)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    peer.close()


def test_a_certificate_that_nobody_vouches_for_blocks(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with HttpSink(tls) as sink:
        result = send(sink.url(scheme="jsons"))
        assert result.outcome is Outcome.BLOCKED
        assert result.detail.startswith(f"the certificate of 127.0.0.1:{sink.port} cannot be trusted: self")
        assert sink.received == []


def test_not_verifying_one_channel_weakens_no_other(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with HttpSink(tls) as sink:
        careless, careful = sink.url("/hook?verify=no", "jsons"), sink.url("/hook", "jsons")
        outcomes = [send(url).outcome for url in (careless, careful, careless, careful)]
    assert outcomes == [Outcome.SENT, Outcome.BLOCKED, Outcome.SENT, Outcome.BLOCKED]


def test_a_certificate_of_one_s_own_authority_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with HttpSink(tls) as sink:
        hook = channel(sink.url(scheme="jsons"))
        assert [hook.send(message(), Label("d1")).outcome for _ in range(3)] == [Outcome.SENT] * 3
        assert sink.connections == 1


def test_certificates_are_loaded_once_and_connections_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    loaded: list[object] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, cafile: str | None = None, *more: Any) -> None:
        loaded.append(cafile)
        load(self, cafile, *more)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    with HttpSink(tls) as sink:
        for _ in range(2):
            for url in (sink.url(scheme="jsons"), sink.url("/other", "jsons")):
                hook = channel(url)
                assert {hook.send(message(), Label("d1")).outcome for _ in range(10)} == {Outcome.SENT}
            sink.hang_up()
        assert (len(sink.received), sink.connections) == (40, 2)
    assert loaded == [str(certificate)]


def test_the_authorities_are_those_of_a_session_on_the_straight_way_too() -> None:
    place, target, name = egress._way_to("https://example.com/a/b?c=d", verify=True)
    assert place == http1.Place("example.com", 443, True, DEFAULT_CA_BUNDLE_PATH, True)
    assert (target, name) == ("/a/b?c=d", "example.com")


def test_a_header_is_sent_once_in_whatever_case(sink: HttpSink) -> None:
    assert send(sink.url("/hook?+content-type=application/x&+user-agent=us")).outcome is Outcome.SENT
    (got,) = sink.received
    said = [(name.lower(), value) for name, value in got.headers.items()]
    assert [value for name, value in said if name == "content-type"] == ["application/x"]
    assert [value for name, value in said if name == "user-agent"] == ["us"]


def test_plain_http_on_a_tls_channel_is_not_sent(sink: HttpSink) -> None:
    result = send(sink.url(scheme="jsons"), SOON)
    assert result.outcome is Outcome.TEMPORARY
    assert sink.received == []


def test_a_dripping_peer_holds_only_its_own_thread(sink: HttpSink) -> None:
    sink.answer(Answer(how=How.HANG))
    with HttpSink() as good, ThreadPoolExecutor(4) as threads:
        slow = [threads.submit(send, sink.url(), SOON) for _ in range(3)]
        assert send(good.url()).outcome is Outcome.SENT
        assert {future.result().outcome for future in slow} == {Outcome.UNKNOWN}


def test_what_a_service_raises_is_a_result(sink: HttpSink) -> None:
    result = send(sink.url("/hook?+X-Header=%E2%82%AC"))
    assert result.outcome is Outcome.PERMANENT
    assert result.detail == "Apprise did not take the message (UnicodeEncodeError); nothing was sent"


def test_requests_of_others_are_left_alone(sink: HttpSink) -> None:
    send(sink.url())
    with HttpSink() as elsewhere:
        sink.answer(Answer(302, headers={"Location": f"http://127.0.0.1:{elsewhere.port}/there"}))
        answer = requests.post(f"http://127.0.0.1:{sink.port}/", data=b"x", timeout=5)
        assert answer.status_code == 200
        assert [got.path for got in elsewhere.received] == ["/there"]


def test_the_seam_below_requests_is_still_there() -> None:
    """Apprise goes out through `requests`, and sessions ask `get_adapter(url=...)` for the way."""
    parameters = requests.Session.get_adapter.__code__.co_varnames
    assert "url" in parameters
    egress.install()
    egress.install()
    assert requests.Session.get_adapter.__module__ == "zennotify.channel.egress"


def test_nothing_is_logged_or_printed(
    sink: HttpSink, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    sink.answer(Answer(500), Answer(200), Answer(how=How.CLOSE))
    caplog.set_level(0)
    for _ in range(3):
        send(sink.url("/s3cr3t-token"))
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_a_channel_does_not_show_its_url(sink: HttpSink) -> None:
    assert repr(channel(sink.url("/s3cr3t"))) == "AppriseChannel('hook', json://***)"


async def test_a_channel_may_be_used_beside_an_event_loop(sink: HttpSink) -> None:
    hook = channel(sink.url())
    sent = [asyncio.to_thread(hook.send, message(), Label(str(n))) for n in range(5)]
    assert {result.outcome for result in await asyncio.gather(*sent)} == {Outcome.SENT}


def test_no_socket_is_left_open(sink: HttpSink) -> None:
    sink.answer(Answer(how=How.CLOSE), Answer(how=How.ENDLESS_BODY), Answer(404, how=How.DRIP_BODY), Answer())
    for _ in range(4):
        send(sink.url(), SOON)
    close_all()
    gc.collect()  # pytest turns a ResourceWarning into a failure
