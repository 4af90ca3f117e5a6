"""E-mail against a real SMTP server: what arrives there, and what its answers come to."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.certificates import self_signed
from tests.sinks import DROP, HANG, PATIENCE, SmtpSink
from zennotify.channel import Channel, close_all, open_channel
from zennotify.channel.tls import context
from zennotify.core.model import Form, Label, Message, Outcome, Result

SOON = timedelta(seconds=0.3)
ENOUGH = timedelta(seconds=10)
MANAGER = "manager@example.com"


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as made:
        yield made
    close_all()


def channel(url: str, timeout: timedelta = ENOUGH, to: str = MANAGER) -> Channel:
    return open_channel("mail", url=url, to=to, form=None, timeout=timeout, echo=print)


def message(body: str = "<h1>Abc Test</h1><p>missed <b>Yoga</b></p>", title: str = "No-show") -> Message:
    return Message(title=title, body=body, form=Form.EMAIL)


def send(url: str, timeout: timedelta = ENOUGH) -> Result:
    return channel(url, timeout).send(message(), Label("d1"))


def test_a_mail_arrives_as_html_with_a_text_part(sink: SmtpSink) -> None:
    assert send(sink.url()) == Result(outcome=Outcome.SENT, detail="SMTP 250: OK")
    (got,) = sink.received
    assert (got.sender, got.recipients) == ("zennotify@example.com", (MANAGER,))
    assert got.message["Subject"] == "No-show"
    assert got.message["To"] == MANAGER
    assert got.message["From"] == "zennotify@example.com"
    assert got.message.get_content_type() == "multipart/alternative"
    assert got.part("html") == "<h1>Abc Test</h1><p>missed <b>Yoga</b></p>"
    assert got.part("plain") == "Abc Test\n\nmissed Yoga"


def test_each_try_has_the_same_message_id_and_each_delivery_its_own(sink: SmtpSink) -> None:
    manager = channel(sink.url())
    sink.reply("DATA", "451 try again", "250 OK")
    for delivery in ("d1", "d1", "d2"):
        manager.send(message(), Label(delivery))
    found = [got.message.get_all("Message-ID") for got in sink.received]
    assert found == [
        ["<d1.zennotify@example.com>"],
        ["<d1.zennotify@example.com>"],
        ["<d2.zennotify@example.com>"],
    ]


def test_a_markdown_message_becomes_html(sink: SmtpSink) -> None:
    markdown = Message(title="No-show", body="**Abc** missed *Yoga*", form=Form.CHAT)
    channel(sink.url()).send(markdown, Label("d1"))
    assert "<strong>Abc</strong> missed <em>Yoga</em>" in sink.received[0].part("html")


def test_a_title_cannot_add_a_header(sink: SmtpSink) -> None:
    title = "No-show\r\nBcc: evil@example.com\x85X-Evil: 1\u2028Y: 2"
    assert channel(sink.url()).send(message(title=title), Label("d1")).outcome is Outcome.SENT
    (got,) = sink.received
    assert got.recipients == (MANAGER,)
    assert got.message["Subject"] == "No-show Bcc: evil@example.com X-Evil: 1 Y: 2"
    assert got.message["Bcc"] is None
    assert got.message["X-Evil"] is None


def test_words_of_any_language_arrive(sink: SmtpSink) -> None:
    body = "<p>Zoë – «été» 東京 😀</p>\n.\n<p>after a dot</p>" + "x" * 3000
    channel(sink.url()).send(message(body, "Zoë 😀"), Label("d1"))
    (got,) = sink.received
    assert got.message["Subject"] == "Zoë 😀"
    assert got.part("html") == body
    assert max(map(len, got.raw.splitlines())) <= 998


def test_a_recipient_may_stand_in_the_url(sink: SmtpSink) -> None:
    one = open_channel(
        "mail", url=sink.url(query=f"&to={MANAGER}"), to=None, form=None, timeout=ENOUGH, echo=print
    )
    assert one.send(message(), Label("d1")).outcome is Outcome.SENT
    assert sink.received[0].recipients == (MANAGER,)


CODES = [
    ("MAIL", "451 4.3.0 busy", Outcome.TEMPORARY, "SMTP 451: 4.3.0 busy"),
    ("MAIL", "550 5.7.1 who are you", Outcome.PERMANENT, "SMTP 550: 5.7.1 who are you"),
    ("MAIL", "530 5.7.0 log in first", Outcome.BLOCKED, "SMTP 530: 5.7.0 log in first"),
    ("RCPT", "450 4.7.1 greylisted, come back", Outcome.TEMPORARY, "SMTP 450: 4.7.1 greylisted, come back"),
    ("RCPT", f"550 5.1.1 <{MANAGER}> unknown", Outcome.PERMANENT, "SMTP 550: 5.1.1 unknown"),
    ("DATA", "452 4.2.2 mailbox full", Outcome.TEMPORARY, "SMTP 452: 4.2.2 mailbox full"),
    ("DATA", "554 5.7.1 spam", Outcome.PERMANENT, "SMTP 554: 5.7.1 spam"),
    ("DATA", "421 4.3.2 shutting down", Outcome.TEMPORARY, "SMTP 421: 4.3.2 shutting down"),
]


@pytest.mark.parametrize(("verb", "reply", "outcome", "detail"), CODES)
def test_a_code_of_the_server_decides(
    sink: SmtpSink, verb: str, reply: str, outcome: Outcome, detail: str
) -> None:
    sink.reply(verb, reply)
    assert send(sink.url()) == Result(outcome=outcome, detail=detail)


def test_a_greylisted_mail_goes_out_on_the_second_try(sink: SmtpSink) -> None:
    sink.reply("RCPT", "450 later", "250 OK")
    manager = channel(sink.url())
    outcomes = [manager.send(message(), Label("d1")).outcome for _ in range(2)]
    assert outcomes == [Outcome.TEMPORARY, Outcome.SENT]
    assert len(sink.received) == 1


@pytest.mark.parametrize(("verb", "outcome"), [("RCPT", Outcome.TEMPORARY), ("DATA", Outcome.UNKNOWN)])
@pytest.mark.parametrize("way", [DROP, HANG])
def test_a_server_that_goes_silent_may_have_only_what_it_was_given(
    sink: SmtpSink, verb: str, way: str, outcome: Outcome
) -> None:
    sink.reply(verb, way)
    began = monotonic()
    result = send(sink.url(), SOON)
    assert result.outcome is outcome
    assert monotonic() - began < 3
    assert ("the message may have arrived" in result.detail) is (outcome is Outcome.UNKNOWN)


def test_nobody_there_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = send(f"mailto://127.0.0.1:{port}?from=zennotify@example.com")
    assert result == Result(
        outcome=Outcome.TEMPORARY, detail="127.0.0.1 could not be reached: Connection refused"
    )


def test_a_server_whose_name_is_none_is_temporary() -> None:
    result = send("mailto://user:pass@example.com?smtp=a..b")
    assert result == Result(outcome=Outcome.TEMPORARY, detail="the name a..b is not known")


@pytest.mark.parametrize(
    ("greeting", "outcome"),
    [
        (b"554 5.7.1 not from your network\r\n", Outcome.BLOCKED),
        (b"421 4.3.2 too many\r\n", Outcome.TEMPORARY),
        (b"", Outcome.TEMPORARY),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Outcome.BLOCKED),
    ],
)
def test_a_greeting_may_refuse_us(greeting: bytes, outcome: Outcome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_greet, args=(server, greeting))
        thread.start()
        result = send(f"mailto://127.0.0.1:{server.getsockname()[1]}?from=zennotify@example.com", SOON)
        thread.join()
    assert result.outcome is outcome


def _greet(server: socket.socket, greeting: bytes) -> None:
    server.settimeout(PATIENCE)
    peer, _ = server.accept()
    with peer:
        peer.sendall(greeting)


def test_a_dripping_greeting_is_cut_at_the_deadline() -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_drip, args=(server, done))
        thread.start()
        began = monotonic()
        result = send(f"mailto://127.0.0.1:{server.getsockname()[1]}?from=zennotify@example.com", SOON)
        took = monotonic() - began
        done.set()
        thread.join()
    assert result.outcome is Outcome.TEMPORARY
    assert result.detail == "127.0.0.1 could not be reached within 0.3 s"
    assert took < 3


def _drip(server: socket.socket, done: threading.Event) -> None:
    server.settimeout(PATIENCE)
    peer, _ = server.accept()
    with peer:
        while not done.wait(0.05):
            peer.sendall(b"2")


def test_a_good_login_sends_and_a_bad_one_blocks() -> None:
    with SmtpSink(users={"desk": "p@ss/w%rd"}) as sink:
        good = send(sink.url(login="desk:p%40ss%2Fw%25rd"))
        bad = send(sink.url(login="desk:wrong-password"))
        none = send(sink.url())
    assert good.outcome is Outcome.SENT
    assert bad.outcome is Outcome.BLOCKED
    assert bad.detail.startswith("SMTP 535")
    assert none.outcome is Outcome.BLOCKED
    assert none.detail.startswith("SMTP 530")


def test_a_certificate_that_nobody_vouches_for_blocks(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with SmtpSink(tls=tls) as starttls, SmtpSink(tls=tls, tls_first=True) as tls_first:
        results = [
            send(starttls.url(scheme="mailtos")),
            send(tls_first.url(scheme="mailtos", query="&mode=ssl")),
        ]
        assert not starttls.received + tls_first.received
    for result in results:
        assert result.outcome is Outcome.BLOCKED
        assert result.detail.startswith("the certificate of 127.0.0.1 cannot be trusted: self")


@pytest.mark.parametrize("mode", ["starttls", "ssl"])
def test_mail_goes_out_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    tls, certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with SmtpSink(tls=tls, tls_first=mode == "ssl") as sink:
        manager = channel(sink.url(scheme="mailtos", query=f"&mode={mode}"))
        context.cache_clear()
        outcomes = [manager.send(message(), Label("d1")).outcome for _ in range(2)]
        context.cache_clear()
        assert len(sink.received) == 2
    assert outcomes == [Outcome.SENT] * 2


def test_not_verifying_one_channel_weakens_no_other(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with SmtpSink(tls=tls) as sink:
        careless = sink.url(scheme="mailtos", query="&verify=no")
        outcomes = [send(url).outcome for url in (careless, sink.url(scheme="mailtos"), careless)]
    assert outcomes == [Outcome.SENT, Outcome.BLOCKED, Outcome.SENT]


def test_a_server_without_tls_is_not_used_in_the_clear(sink: SmtpSink) -> None:
    result = send(sink.url(scheme="mailtos"))
    assert result.outcome is Outcome.BLOCKED
    assert "STARTTLS" in result.detail
    assert sink.received == []


def test_threads_send_side_by_side(sink: SmtpSink) -> None:
    manager = channel(sink.url())
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda n: manager.send(message(f"<p>{n}</p>"), Label(f"d{n}")), range(40)))
    assert {result.outcome for result in results} == {Outcome.SENT}
    for got in sink.received:
        assert got.message["Message-ID"] == f"<d{got.part('plain')}.zennotify@example.com>"


def test_no_socket_is_left_open(sink: SmtpSink) -> None:
    sink.reply("DATA", "550 no", DROP, "250 OK")
    for _ in range(3):
        send(sink.url(), SOON)
    close_all()
    gc.collect()  # pytest turns a ResourceWarning into a failure
