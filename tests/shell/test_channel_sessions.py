"""Sessions with mail servers are kept, shared and replaced, and no mail is lost, doubled or mixed up by that."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.certificates import self_signed
from tests.scripted_smtp import ScriptedSmtp
from tests.sinks import DROP, HANG, SmtpSink
from zennotify.channel import Channel, close_all, open_channel, smtp
from zennotify.channel.tls import context
from zennotify.core.model import Form, Label, Message, Outcome, Result

SOON = timedelta(seconds=0.6)
ENOUGH = timedelta(seconds=10)
MANAGER = "manager@example.com"
ONE_MAIL = ["MAIL", "RCPT", "DATA"]
ONCE = ["EHLO", *ONE_MAIL]
#: With and without PIPELINING.
OFFERS = [("PIPELINING", "SIZE 1000000"), ()]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    close_all()


def channel(url: str, to: str = MANAGER, timeout: timedelta = ENOUGH) -> Channel:
    return open_channel("mail", url=url, to=to, form=None, timeout=timeout, echo=print)


def send(to: Channel, delivery: str = "d1") -> Result:
    message = Message(title="No-show", body=f"<p>{delivery}</p>", form=Form.EMAIL)
    return to.send(message, Label(delivery))


def outcomes(to: Channel, count: int) -> list[Outcome]:
    return [send(to, f"d{number}").outcome for number in range(count)]


@pytest.mark.parametrize("offers", OFFERS)
def test_mails_share_a_session(offers: tuple[str, ...]) -> None:
    with ScriptedSmtp(offers=offers) as server:
        assert outcomes(channel(server.url()), 3) == [Outcome.SENT] * 3
    assert server.sessions == 1
    assert server.verbs() == [*ONCE, *ONE_MAIL, *ONE_MAIL]
    for number, (session, recipients, text) in enumerate(server.mails):
        assert (session, recipients) == (1, [MANAGER])
        assert f"Message-ID: <d{number}.zennotify@example.com>".encode() in text


def test_sender_recipient_and_data_go_out_together_where_the_server_likes_that() -> None:
    with ScriptedSmtp() as likes, ScriptedSmtp(offers=()) as dislikes:
        for server in (likes, dislikes):
            outcomes(channel(server.url()), 2)
    for server, packets in ((likes, 1), (dislikes, 3)):
        announced = [heard for heard in server.heard if heard.verb in ONE_MAIL]
        assert len({heard.packet for heard in announced}) == 2 * packets


def test_channels_of_one_server_and_login_share_its_session() -> None:
    with SmtpSink(users={"desk": "secret-1", "manager": "secret-2"}) as sink:
        one = channel(sink.url(login="desk:secret-1"))
        same = channel(sink.url(login="desk:secret-1", query="&name=Desk"), "owner@example.com")
        other = channel(sink.url(login="manager:secret-2"))
        wrong = channel(sink.url(login="desk:secret-2"))
        none = channel(sink.url())
        found = [send(each).outcome for each in (one, same, one)]
        assert (found, sink.sessions) == ([Outcome.SENT] * 3, 1)
        assert [send(each).outcome for each in (other, other)] == [Outcome.SENT] * 2
        assert sink.sessions == 2
        # Whoever has no login, or a wrong one, does not get a session of somebody who has.
        assert [send(each).outcome for each in (wrong, none)] == [Outcome.BLOCKED] * 2
        assert sink.sessions == 4
    assert [got.recipients for got in sink.received][:2] == [(MANAGER,), ("owner@example.com",)]


def test_a_session_that_nobody_verified_is_not_taken_for_one_that_is(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with SmtpSink(tls=tls) as sink:
        careless = channel(sink.url(scheme="mailtos", query="&verify=no"))
        careful = channel(sink.url(scheme="mailtos"))
        open_to_all = channel(sink.url())
        found = [send(each).outcome for each in (careless, careful, careless, open_to_all)]
    assert found == [Outcome.SENT, Outcome.BLOCKED, Outcome.SENT, Outcome.SENT]
    assert sink.sessions == 3


@pytest.mark.parametrize("mode", ["starttls", "ssl"])
def test_tls_and_login_are_once_for_many_mails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    tls, certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    loaded: list[object] = []
    load = ssl.SSLContext.load_default_certs

    def counted(self: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        loaded.append(self)
        load(self, purpose)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", counted)
    context.cache_clear()
    with ScriptedSmtp(offers=("AUTH PLAIN", "PIPELINING"), tls=tls, tls_first=mode == "ssl") as server:
        url = server.url(scheme="mailtos", login="desk:secret", query=f"&mode={mode}")
        assert outcomes(channel(url), 5) == [Outcome.SENT] * 5
        server.hang_up()
        assert outcomes(channel(url), 5) == [Outcome.SENT] * 5
    context.cache_clear()
    assert (server.sessions, len(server.mails), len(loaded)) == (2, 10, 1)
    assert server.verbs().count("AUTH") == 2


def test_a_session_has_one_mail_at_a_time() -> None:
    with SmtpSink() as sink:
        desk = channel(sink.url())
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda n: send(desk, f"d{n}").outcome, range(80)))
    assert set(found) == {Outcome.SENT}
    assert sink.sessions <= 4
    assert sorted(got.part("plain") for got in sink.received) == sorted(f"d{n}" for n in range(80))
    for got in sink.received:
        assert got.message["Message-ID"] == f"<{got.part('plain')}.zennotify@example.com>"


# --- sessions that the server ends


def test_a_session_that_the_server_closed_while_idle_is_replaced() -> None:
    with ScriptedSmtp() as server:
        desk = channel(server.url())
        for number in range(10):
            assert send(desk, f"d{number}").outcome is Outcome.SENT
            server.hang_up()
    assert (server.sessions, len(server.mails)) == (10, 10)


ENDS = [(stage, way) for stage in ONE_MAIL for way in (DROP, "421 4.4.2 idle for too long", "99 what?")]


@pytest.mark.parametrize("offers", OFFERS)
@pytest.mark.parametrize(("stage", "way"), [*ENDS, ("MAIL", HANG)])
def test_a_kept_session_that_ends_before_the_text_is_replaced(
    offers: tuple[str, ...], stage: str, way: str
) -> None:
    usual = "354 go on" if stage == "DATA" else "250 ok"
    with ScriptedSmtp({stage: [usual, way, usual]}, offers=offers) as server:
        # Who hangs is given a third of the time.
        desk = channel(server.url(), timeout=timedelta(seconds=2) if way == HANG else ENOUGH)
        assert outcomes(desk, 3) == [Outcome.SENT] * 3
    assert server.sessions == 2
    ids = [b"Message-ID: <d%d." % number for number in range(3)]
    assert [text.partition(b"zennotify")[0] for _, _, text in server.mails] == ids


def test_a_server_that_takes_one_mail_in_a_session_gets_one_in_each() -> None:
    sessions = ["250 ok", "421 4.7.0 one mail each"]
    with ScriptedSmtp({"MAIL": sessions * 5}) as server:
        assert outcomes(channel(server.url()), 5) == [Outcome.SENT] * 5
    assert (server.sessions, len(server.mails)) == (5, 5)


def test_a_server_that_forgot_our_login_gets_it_again() -> None:
    script = {"MAIL": ["250 ok", "530 5.7.0 log in first", "250 ok"]}
    with ScriptedSmtp(script, offers=("AUTH PLAIN",)) as server:
        assert outcomes(channel(server.url(login="desk:secret")), 3) == [Outcome.SENT] * 3
    assert server.verbs().count("AUTH") == 2


@pytest.mark.parametrize("way", [DROP, HANG])
def test_a_kept_session_that_ends_after_the_text_is_not_replaced(way: str) -> None:
    with ScriptedSmtp({"CONTENT": ["250 ok", way, "250 ok"]}) as server:
        desk, hasty = channel(server.url()), channel(server.url(), timeout=SOON)
        found = [send(each).outcome for each in (desk, hasty if way == HANG else desk, desk)]
        assert found == [Outcome.SENT, Outcome.UNKNOWN, Outcome.SENT]
    assert len(server.mails) == 3
    assert server.sessions == 2


def test_a_session_is_replaced_once() -> None:
    with ScriptedSmtp({"MAIL": ["250 ok", DROP]}) as server:
        desk = channel(server.url())
        assert outcomes(desk, 2) == [Outcome.SENT, Outcome.TEMPORARY]
    assert server.sessions == 2
    assert len(server.mails) == 1


# --- what is left of a mail


@pytest.mark.parametrize("offers", OFFERS)
@pytest.mark.parametrize("stage", [*ONE_MAIL, "CONTENT"])
@pytest.mark.parametrize("code", [450, 550])
def test_nothing_of_a_refused_mail_is_left(offers: tuple[str, ...], stage: str, code: int) -> None:
    usual = "354 go on" if stage == "DATA" else "250 ok"
    script = {stage: [f"{code} no", usual]}
    if offers and stage in {"MAIL", "RCPT"}:  # what a server says to the rest that came along
        script |= {"DATA": ["503 no recipient", "354 go on"]}
    if offers and stage == "MAIL":
        script |= {"RCPT": ["503 no sender", "250 ok"]}
    with ScriptedSmtp(script, offers=offers) as server:
        first, second = channel(server.url()), channel(server.url(), "owner@example.com")
        assert send(first).outcome is (Outcome.TEMPORARY if code < 500 else Outcome.PERMANENT)
        assert send(second, "d2").outcome is Outcome.SENT
    assert server.sessions == 1
    assert server.verbs()[-4:] == ["RSET", *ONE_MAIL]
    session, recipients, text = server.mails[-1]
    assert (session, recipients) == (1, ["owner@example.com"])
    assert b"<p>d2</p>" in text
    assert b"<p>d1</p>" not in text


def test_a_server_that_goes_on_without_a_recipient_gets_no_text() -> None:
    with ScriptedSmtp({"RCPT": ["550 unknown", "250 ok"]}) as server:
        desk = channel(server.url())
        assert outcomes(desk, 2) == [Outcome.PERMANENT, Outcome.SENT]
    assert server.sessions == 2
    assert [session for session, _, _ in server.mails] == [2]


def test_a_session_that_says_something_odd_is_not_used_again() -> None:
    with ScriptedSmtp({"RSET": ["500 what?"], "RCPT": ["550 unknown", "250 ok"]}, offers=()) as server:
        desk = channel(server.url())
        assert outcomes(desk, 2) == [Outcome.PERMANENT, Outcome.SENT]
    assert server.sessions == 2


SURPRISE = "\r\n250 surprise"


@pytest.mark.parametrize("offers", OFFERS)
@pytest.mark.parametrize(
    ("stage", "reply"),
    [("GREETING", "220 hi"), ("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go on")],
)
def test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next_one(
    offers: tuple[str, ...], stage: str, reply: str
) -> None:
    replies = {stage: [reply + SURPRISE], "CONTENT": ["554 refused"]}
    with ScriptedSmtp(replies, offers=offers) as server:
        result = send(channel(server.url()))
    assert result.outcome is Outcome.TEMPORARY
    assert "an answer that cannot be read, before the message was sent" in result.detail
    assert server.mails == []


def test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next_one_over_tls(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with ScriptedSmtp({"DATA": ["354 go on" + SURPRISE], "CONTENT": ["554 refused"]}, tls=tls) as server:
        result = send(channel(server.url(scheme="mailtos", query="&verify=no")))
    assert (result.outcome, server.mails) == (Outcome.TEMPORARY, [])


@pytest.mark.parametrize(
    "replies",
    [
        {"CONTENT": ["250 taken" + SURPRISE, "250 taken"]},
        {"RCPT": ["550 unknown", "250 ok"], "RSET": ["250 ok" + SURPRISE]},
    ],
)
@pytest.mark.parametrize("offers", OFFERS)
def test_a_session_with_a_reply_that_nobody_asked_for_is_not_used_again(
    replies: dict[str, list[str]], offers: tuple[str, ...]
) -> None:
    with ScriptedSmtp(replies, offers=offers) as server:
        desk = channel(server.url())
        first = Outcome.PERMANENT if "RCPT" in replies else Outcome.SENT
        assert outcomes(desk, 2) == [first, Outcome.SENT]
    assert server.sessions == 2
    assert server.mails[-1][0] == 2


@pytest.mark.parametrize("offers", OFFERS)
def test_who_ends_a_session_before_the_text_did_not_get_it(offers: tuple[str, ...]) -> None:
    with ScriptedSmtp({"DATA": ["354 go on\r\n421 closing"]}, offers=offers) as server:
        assert send(channel(server.url())).outcome is Outcome.TEMPORARY
    assert server.mails == []


# --- how long, and how many


def test_a_session_ends_after_many_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_MOST_MAILS", 3)
    with ScriptedSmtp() as server:
        assert outcomes(channel(server.url()), 7) == [Outcome.SENT] * 7
        server.wait_until(lambda: server.verbs().count("QUIT") == 2)
    assert [session for session, _, _ in server.mails] == [1, 1, 1, 2, 2, 2, 3]


def test_a_session_that_nobody_needs_takes_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp._KEPT, "longest_idle", 0.05)
    with ScriptedSmtp() as server:
        send(channel(server.url()))
        server.wait_until(lambda: server.verbs()[-1] == "QUIT")
        assert outcomes(channel(server.url()), 1) == [Outcome.SENT]
    assert server.sessions == 2


def test_sessions_take_leave_when_zennotify_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context.cache_clear()
    with ScriptedSmtp() as plain, ScriptedSmtp(tls=tls) as secret:
        for url in (plain.url(), secret.url(scheme="mailtos")):
            assert send(channel(url)).outcome is Outcome.SENT
        close_all()
        plain.wait_until(lambda: plain.verbs()[-1] == "QUIT")
        secret.wait_until(lambda: secret.verbs()[-1] == "QUIT")
    context.cache_clear()


def test_a_server_that_does_not_say_goodbye_holds_up_nothing() -> None:
    with ScriptedSmtp({"QUIT": [HANG]}) as server:
        send(channel(server.url()))
        began = monotonic()
        close_all()
        assert monotonic() - began < 3


@pytest.mark.parametrize("most", [1, 2])
def test_a_server_that_gives_few_sessions_gets_its_mails_one_after_the_other(most: int) -> None:
    with ScriptedSmtp(most_sessions=most) as server:
        desk = channel(server.url())
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda n: send(desk, f"d{n}"), range(60)))
    assert [result.outcome for result in found] == [Outcome.SENT] * 60
    assert len(server.mails) == 60
    assert server.turned_away <= 4  # each thread learns it once at most


def test_a_server_that_gives_no_session_is_temporary() -> None:
    with ScriptedSmtp(most_sessions=0) as server:
        desk = channel(server.url())
        assert send(desk) == Result(
            outcome=Outcome.TEMPORARY, detail="SMTP 421: 4.7.0 too many connections from you"
        )
        assert server.sessions == 1


def test_who_waits_for_a_session_waits_no_longer_than_it_may() -> None:
    with ScriptedSmtp({"CONTENT": [HANG]}, most_sessions=1) as server, ThreadPoolExecutor(1) as threads:
        slow = threads.submit(send, channel(server.url()))
        server.wait_until(lambda: len(server.mails) == 1)
        began = monotonic()
        result = send(channel(server.url(), timeout=SOON))
        assert monotonic() - began < 3
        assert result.outcome is Outcome.TEMPORARY
        assert result.detail == "SMTP 421: 4.7.0 too many connections from you"
        server.hang_up()
        assert slow.result().outcome is Outcome.UNKNOWN
