"""The failure table over SMTP: a mail server that refuses, drops, hangs or babbles at each stage.

For each: the class of the outcome and what the operator reads, with a new session and with one that was kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.certificates import self_signed
from tests.scripted_smtp import DRIP, ENDLESS, ScriptedSmtp
from tests.sinks import DROP, HANG
from zennotify.channel import Channel, close_all, open_channel
from zennotify.channel.tls import context
from zennotify.core.model import Form, Label, Message, Outcome, Result

SENT, TEMPORARY, PERMANENT = Outcome.SENT, Outcome.TEMPORARY, Outcome.PERMANENT
BLOCKED, UNKNOWN = Outcome.BLOCKED, Outcome.UNKNOWN
SOON, ENOUGH = timedelta(seconds=0.4), timedelta(seconds=10)
LOGIN, GUEST = "desk:s3cr3t-pass", "abc.test@example.org"
#: With and without PIPELINING.
OFFERS = [("PIPELINING", "AUTH PLAIN"), ("AUTH PLAIN",)]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    close_all()
    context.cache_clear()


def channel(url: str, timeout: timedelta = ENOUGH) -> Channel:
    return open_channel("mail", url=url, to=GUEST, form=None, timeout=timeout, echo=print)


def send(to: Channel) -> Result:
    return to.send(Message(title="No-show", body="<p>Abc Test missed Yoga</p>", form=Form.EMAIL), Label("d1"))


HOST = "127.0.0.1"
ENDED = f"the conversation with {HOST} ended before the message was sent (SMTPServerDisconnected)"
ODD = f"{HOST} gave an answer that cannot be read, before the message was sent"
NOT_MAIL = "this is not how a mail server answers"
LATE = f"{HOST} could not be reached within 0.4 s"
NO_ANSWER = f"{HOST} took the message and did not answer; the message may have arrived"
NO_ANSWER_IN_TIME = f"{HOST} took the message and did not answer within 0.4 s; the message may have arrived"
UNREADABLE = f"{HOST} took the message and gave an answer that cannot be read; the message may have arrived"

#: Before the first mail: it is about us, so that a refusal blocks.
OF_THE_SESSION = [
    ("GREETING", "421 4.3.2 come back later", TEMPORARY, "SMTP 421: 4.3.2 come back later"),
    ("GREETING", "554 5.7.1 not from your network", BLOCKED, "SMTP 554: 5.7.1 not from your network"),
    ("GREETING", DROP, TEMPORARY, ENDED),
    ("GREETING", HANG, TEMPORARY, LATE),
    ("GREETING", DRIP, TEMPORARY, LATE),
    ("GREETING", ENDLESS, BLOCKED, f"{NOT_MAIL}: a reply without an end"),
    ("GREETING", "HTTP/1.1 400 Bad Request", BLOCKED, f"{NOT_MAIL}: HTTP/1.1 400 Bad Request"),
    ("EHLO", "421 4.3.2 shutting down", TEMPORARY, "SMTP 421: 4.3.2 shutting down"),
    ("EHLO", "502 what?", BLOCKED, "SMTP 502: SMTP AUTH extension not supported by server."),
    ("EHLO", DROP, TEMPORARY, ENDED),
    ("EHLO", HANG, TEMPORARY, LATE),
    ("AUTH", "535 5.7.8 wrong password", BLOCKED, "SMTP 535: 5.7.8 wrong password"),
    ("AUTH", "534 5.7.9 too weak", BLOCKED, "SMTP 534: 5.7.9 too weak"),
    ("AUTH", "454 4.7.0 try later", TEMPORARY, "SMTP 454: 4.7.0 try later"),
    ("AUTH", DROP, TEMPORARY, ENDED),
    ("AUTH", HANG, TEMPORARY, LATE),
]


def patience(reply: str) -> timedelta:
    return SOON if reply in {HANG, DRIP} else ENOUGH


@pytest.mark.parametrize(("stage", "reply", "outcome", "detail"), OF_THE_SESSION)
def test_what_goes_wrong_before_the_mail(stage: str, reply: str, outcome: Outcome, detail: str) -> None:
    with ScriptedSmtp({stage: [reply]}, offers=["AUTH PLAIN"]) as server:
        began = monotonic()
        result = send(channel(server.url(login=LOGIN), patience(reply)))
        assert monotonic() - began < 5
    assert result == Result(outcome=outcome, detail=detail)
    assert server.mails == []


#: Sender, recipient, and whether it wants the text.
OF_THE_ENVELOPE = [
    ("MAIL", "451 4.3.0 busy", TEMPORARY, "SMTP 451: 4.3.0 busy"),
    ("MAIL", "550 5.7.1 who are you", PERMANENT, "SMTP 550: 5.7.1 who are you"),
    ("MAIL", "530 5.7.0 log in first", BLOCKED, "SMTP 530: 5.7.0 log in first"),
    ("MAIL", "421 4.3.2 shutting down", TEMPORARY, "SMTP 421: 4.3.2 shutting down"),
    ("RCPT", "450 4.7.1 greylisted", TEMPORARY, "SMTP 450: 4.7.1 greylisted"),
    ("RCPT", "452 4.2.2 mailbox full", TEMPORARY, "SMTP 452: 4.2.2 mailbox full"),
    ("RCPT", "550 5.1.1 unknown", PERMANENT, "SMTP 550: 5.1.1 unknown"),
    ("DATA", "451 4.3.0 no room", TEMPORARY, "SMTP 451: 4.3.0 no room"),
    ("DATA", "554 5.7.1 no", PERMANENT, "SMTP 554: 5.7.1 no"),
    ("DATA", "250 thanks", TEMPORARY, ODD),
    *((stage, DROP, TEMPORARY, ENDED) for stage in ("MAIL", "RCPT", "DATA")),
    *((stage, HANG, TEMPORARY, LATE) for stage in ("MAIL", "RCPT", "DATA")),
    *((stage, ENDLESS, TEMPORARY, ODD) for stage in ("MAIL", "RCPT", "DATA")),
    *((stage, "what?", TEMPORARY, ODD) for stage in ("MAIL", "RCPT", "DATA")),
    *((stage, "999 what?", TEMPORARY, ODD) for stage in ("MAIL", "RCPT", "DATA")),
]
#: When it has all of the mail.
OF_THE_TEXT = [
    ("451 4.3.0 try again", TEMPORARY, "SMTP 451: 4.3.0 try again"),
    ("421 4.3.2 shutting down", TEMPORARY, "SMTP 421: 4.3.2 shutting down"),
    ("552 5.3.4 too big", PERMANENT, "SMTP 552: 5.3.4 too big"),
    ("554 5.7.1 spam", PERMANENT, "SMTP 554: 5.7.1 spam"),
    ("250-taken\r\n250 as 4F2A", SENT, "SMTP 250: taken as 4F2A"),
    ("354 go on", UNKNOWN, UNREADABLE),
    ("what?", UNKNOWN, UNREADABLE),
    ("999 what?", UNKNOWN, UNREADABLE),
    (ENDLESS, UNKNOWN, UNREADABLE),
    (DROP, UNKNOWN, NO_ANSWER),
    (HANG, UNKNOWN, NO_ANSWER_IN_TIME),
    (DRIP, UNKNOWN, NO_ANSWER_IN_TIME),
]
ALL = [*OF_THE_ENVELOPE, *(("CONTENT", *row) for row in OF_THE_TEXT)]


@pytest.mark.parametrize("offers", OFFERS)
@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize(("stage", "reply", "outcome", "detail"), ALL)
def test_what_goes_wrong_with_a_mail(
    stage: str, reply: str, outcome: Outcome, detail: str, is_kept: bool, offers: tuple[str, ...]
) -> None:
    usual = {"DATA": "354 go on"}.get(stage, "250 ok")
    with ScriptedSmtp({stage: [usual, reply] if is_kept else [reply]}, offers=offers) as server:
        if is_kept:
            assert send(channel(server.url(login=LOGIN))).outcome is SENT
        before = len(server.mails)
        began = monotonic()
        result = send(channel(server.url(login=LOGIN), patience(reply)))
        assert monotonic() - began < 5
    assert result == Result(outcome=outcome, detail=detail)
    # Not handed over, or once; what the server keeps of it is its affair.
    assert len(server.mails) - before == (stage == "CONTENT")


@pytest.mark.parametrize(
    ("reply", "outcome", "detail"),
    [
        ("454 4.7.0 no TLS now", TEMPORARY, "SMTP 454: 4.7.0 no TLS now"),
        ("502 5.5.1 what?", BLOCKED, "SMTP 502: 5.5.1 what?"),
        (DROP, TEMPORARY, ENDED),
        (HANG, TEMPORARY, LATE),
    ],
)
def test_mail_does_not_go_out_in_the_clear_where_tls_is_refused(
    tmp_path: Path, reply: str, outcome: Outcome, detail: str
) -> None:
    tls, _ = self_signed(tmp_path)
    with ScriptedSmtp({"STARTTLS": [reply]}, tls=tls) as server:
        url = server.url(scheme="mailtos", login=LOGIN, query="&mode=starttls&verify=no")
        assert send(channel(url, patience(reply))) == Result(outcome=outcome, detail=detail)
    assert not {"AUTH", "MAIL"} & set(server.verbs())


@pytest.mark.parametrize("mode", ["starttls", "ssl"])
def test_a_server_that_breaks_off_the_handshake_is_temporary(mode: str) -> None:
    with ScriptedSmtp(offers=["STARTTLS"]) as server:  # it speaks no TLS at all
        url = server.url(scheme="mailtos", query=f"&mode={mode}")
        result = send(channel(url))
    assert result.outcome is TEMPORARY
    assert server.mails == []


def test_what_was_said_before_tls_is_forgotten(tmp_path: Path) -> None:
    """Somebody between us and the server may add to what it says in the clear."""
    tls, _ = self_signed(tmp_path)
    script = {"STARTTLS": ["220 go ahead\r\n250-scripted\r\n250 AUTH PLAIN"]}
    with ScriptedSmtp(script, tls=tls, offers=["PIPELINING"]) as server:
        url = server.url(scheme="mailtos", login=LOGIN, query="&mode=starttls&verify=no")
        result = send(channel(url))
    assert result.outcome is not SENT
    assert "AUTH" not in server.verbs()


@pytest.mark.parametrize("mode", ["starttls", "ssl"])
def test_certificates_that_do_not_fit_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    made = {"good": (2, "IP:127.0.0.1"), "expired": (-1, "IP:127.0.0.1"), "another's": (2, "DNS:example.com")}
    found: dict[str, str] = {}
    for kind, (days, name) in made.items():
        (tmp_path / kind).mkdir()
        tls, certificate = self_signed(tmp_path / kind, name=name, days=days)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        context.cache_clear()
        with ScriptedSmtp(tls=tls, tls_first=mode == "ssl", offers=["AUTH PLAIN"]) as server:
            result = send(channel(server.url(scheme="mailtos", login=LOGIN, query=f"&mode={mode}")))
        assert result.outcome is (SENT if kind == "good" else BLOCKED)
        assert ("AUTH" in server.verbs()) is (kind == "good")
        found[kind] = result.detail
    assert found == {
        "good": "SMTP 250: taken",
        "expired": f"the certificate of {HOST} cannot be trusted: certificate has expired",
        "another's": f"the certificate of {HOST} cannot be trusted: "
        "IP address mismatch, certificate is not valid for '127.0.0.1'.",
    }


def test_a_server_that_has_no_login_for_us_blocks() -> None:
    with ScriptedSmtp(offers=["AUTH GSSAPI"]) as strange, ScriptedSmtp(offers=[]) as without:
        for server in (strange, without):
            result = send(channel(server.url(login=LOGIN)))
            assert result.outcome is BLOCKED
            assert result.detail.startswith("SMTP 502: ")
            assert "MAIL" not in server.verbs()


@pytest.mark.parametrize("stage", ["GREETING", "AUTH", "MAIL", "RCPT", "DATA", "CONTENT"])
@pytest.mark.parametrize("code", [450, 550])
def test_a_server_that_quotes_everything_tells_nothing(stage: str, code: int) -> None:
    quoted = f"{code} no: s3cr3t-pass AGRlc2sAczNjcjN0LXBhc3M= ZGVzazpzM2NyM3QtcGFzcw== <{GUEST}> Abc Test missed Yoga"
    with ScriptedSmtp({stage: [quoted]}, offers=["AUTH PLAIN"]) as server:
        detail = send(channel(server.url(login=LOGIN))).detail
    assert detail.startswith(f"SMTP {code}: no: ***")
    for secret in (
        "s3cr3t",
        "AGRlc2sAczNjcjN0LXBhc3M=",
        "ZGVzazpzM2NyM3QtcGFzcw==",
        "abc.test",
        "Test",
        "Yoga",
    ):
        assert secret not in detail
