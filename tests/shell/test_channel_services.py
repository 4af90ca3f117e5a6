"""Apprise's own services, their requests led to a server on loopback: the transport is ours, the service theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.elsewhere import Elsewhere, everywhere
from tests.services import CHATS, PHONE, PHONES, SLACK, YES, received
from tests.sinks import Answer, Received
from zennotify.channel import Channel, open_channel
from zennotify.core.model import Form, Label, Message, Outcome

SLACK_BOT = "slack://xoxb-1234-1234-abcdefghij/#desk"
TWILIO = PHONES["twilio"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    with everywhere(monkeypatch) as sink:
        yield sink


def channel(url: str, to: str | None = None) -> Channel:
    return open_channel("out", url=url, to=to, form=None, timeout=timedelta(seconds=5), echo=print)


def chat(body: str, title: str = "No-show fee") -> Message:
    return Message(title=title, body=body, form=Form.CHAT)


def sms(body: str) -> Message:
    return Message(title="", body=body, form=Form.SMS)


def attachment(got: Received) -> dict[str, Any]:
    (only,) = got.json["attachments"]
    return dict(only)


def test_a_chat_message_reaches_slack_as_slack_writes_it(world: Elsewhere) -> None:
    body = "**Abc Test** missed *Yoga*\n\n- [Invoice](https://example.com/1)\n- R\\&D \\<!channel\\> a\\_b\\_c 25\\.00"
    assert channel(SLACK).send(chat(body, "Fee <due> & open"), Label("d1")).outcome is Outcome.SENT
    (got,) = world.received
    assert world.meant == ["https://hooks.slack.com"]
    assert got.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert attachment(got)["title"] == "Fee &lt;due&gt; &amp; open"
    assert attachment(got)["text"] == (
        "*Abc Test* missed _Yoga_\n\n- <https://example.com/1|Invoice>\n- R&amp;D &lt;!channel&gt; a_b_c 25.00"
    )


def test_no_picture_or_footer_tells_of_apprise(world: Elsewhere) -> None:
    channel(SLACK).send(chat("text"), Label("d1"))
    assert set(world.received[0].json) == {"mrkdwn", "attachments"}
    assert set(attachment(world.received[0])) == {"title", "text", "color"}
    channel(f"{SLACK}?footer=yes").send(chat("text"), Label("d1"))
    assert attachment(world.received[1])["footer"] == "zennotify"


SLACK_ANSWERS = [
    (SLACK, Answer(400, b"invalid_payload"), Outcome.PERMANENT, "HTTP 400: invalid_payload"),
    (SLACK, Answer(403, b"action_prohibited"), Outcome.BLOCKED, "HTTP 403: action_prohibited"),
    (SLACK, Answer(404, b"no_service"), Outcome.PERMANENT, "HTTP 404: no_service"),
    (SLACK, Answer(410, b"channel_is_archived"), Outcome.PERMANENT, "HTTP 410: channel_is_archived"),
    (SLACK, Answer(429, b"", {"Retry-After": "30"}), Outcome.TEMPORARY, "HTTP 429"),
    (SLACK, Answer(500, b"rollup_error"), Outcome.TEMPORARY, "HTTP 500: rollup_error"),
    (SLACK, Answer(200, b"no_text"), Outcome.PERMANENT, "HTTP 200, but not sent: no_text"),
    (
        SLACK,
        Answer(200, b"<html><title>Hotel</title>Please log in</html>"),
        Outcome.TEMPORARY,
        "HTTP 200, but a web page answered instead of the service (a proxy or a login page?): Hotel Please log in",
    ),
    (
        SLACK_BOT,
        Answer(200, b'{"ok": false, "error": "channel_not_found"}'),
        Outcome.PERMANENT,
        'HTTP 200, but not sent: {"ok": false, "error": "channel_not_found"}',
    ),
    (
        SLACK_BOT,
        Answer(200, b'{"ok": false, "error": "invalid_auth"}'),
        Outcome.BLOCKED,
        'HTTP 200, but not sent: {"ok": false, "error": "invalid_auth"}',
    ),
    (
        SLACK_BOT,
        Answer(200, b'{"ok": false, "error": "ratelimited"}'),
        Outcome.TEMPORARY,
        'HTTP 200, but not sent: {"ok": false, "error": "ratelimited"}',
    ),
    (SLACK_BOT, Answer(200, b'{"ok": true, "channel": "C1"}'), Outcome.SENT, "HTTP 200"),
]


@pytest.mark.parametrize(("url", "answer", "outcome", "detail"), SLACK_ANSWERS)
def test_what_slack_says_is_understood(
    world: Elsewhere, url: str, answer: Answer, outcome: Outcome, detail: str
) -> None:
    world.answer(answer)
    result = channel(url).send(chat("text"), Label("d1"))
    assert (result.outcome, result.detail) == (outcome, detail)
    assert result.retry_after == (timedelta(seconds=30) if answer.headers else None)


def test_many_messages_to_slack_do_not_wait_for_each_other(world: Elsewhere) -> None:
    desk = channel(SLACK)
    outcomes = {desk.send(chat(str(n)), Label("d1")).outcome for n in range(20)}
    assert outcomes == {Outcome.SENT}
    assert world.received[-1].at - world.received[0].at < 10  # at Apprise's own pace it would be 23 s
    assert world.connections == 1


def test_an_sms_reaches_twilio_as_it_is(world: Elsewhere) -> None:
    world.answer(Answer(201, b'{"sid": "SM1", "status": "queued", "error_code": null}'))
    text = "No-show fee: Abc Test, 10:00 AM, *25.00* USD & <more>"
    assert channel(TWILIO, PHONE).send(sms(text), Label("d1")).outcome is Outcome.SENT
    assert world.meant == ["https://api.twilio.com"]
    assert world.received[0].form == {"Body": text, "From": "+12065550111", "To": PHONE}


def test_a_chat_message_reaches_a_telephone_without_mark_up(world: Elsewhere) -> None:
    channel(TWILIO, PHONE).send(chat("**Abc** missed [Yoga](https://example.com)", ""), Label("d1"))
    assert world.received[0].form["Body"] == "Abc missed Yoga (https://example.com)"


def test_what_twilio_refuses_is_told_without_number_and_account(world: Elsewhere) -> None:
    world.answer(Answer(400, f'{{"code": 21211, "message": "The number {PHONE} of AC{"a" * 32}"}}'.encode()))
    result = channel(TWILIO, PHONE).send(sms("text"), Label("d1"))
    assert result.outcome is Outcome.PERMANENT
    assert result.detail == 'HTTP 400: {"code": 21211, "message": "The number *** of ***"}'


@pytest.mark.parametrize(
    ("url", "answer", "outcome"),
    [
        ("vonage://AC123456:secretsecret@12065550111", {"messages": [{"status": "0"}]}, Outcome.SENT),
        ("vonage://AC123456:secretsecret@12065550111", {"messages": [{"status": "4"}]}, Outcome.BLOCKED),
        ("vonage://AC123456:secretsecret@12065550111", {"messages": [{"status": "1"}]}, Outcome.TEMPORARY),
        ("clicksend://user:key@", {"data": {"messages": [{"status": "SUCCESS"}]}}, Outcome.SENT),
        (
            "clicksend://user:key@",
            {"data": {"messages": [{"status": "INVALID_RECIPIENT"}]}},
            Outcome.PERMANENT,
        ),
    ],
)
def test_a_200_of_an_sms_service_is_read(
    world: Elsewhere, url: str, answer: object, outcome: Outcome
) -> None:
    world.answer(Answer(200, json.dumps(answer).encode()))
    assert channel(url, PHONE).send(sms("text"), Label("d1")).outcome is outcome
    assert "12065550100" in world.received[0].body.decode()


def test_discord_s_own_second_try_after_a_429_does_not_happen(world: Elsewhere) -> None:
    world.answer(
        Answer(
            429, b'{"retry_after": 2.5}', {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}
        )
    )
    hook = channel("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    results = [hook.send(chat("text"), Label("d1")) for _ in range(2)]
    assert [result.outcome for result in results] == [Outcome.TEMPORARY] * 2
    assert results[0].retry_after == timedelta(seconds=2.5)
    assert len(world.received) == 2


def test_a_service_without_markdown_gets_words(world: Elsewhere) -> None:
    world.answer(Answer(200, b"{}"))
    outcome = channel("ntfy://localhost/topic").send(chat("**Abc** R\\&D"), Label("d1")).outcome
    assert outcome is Outcome.SENT
    assert world.received[0].json["message"] == "Abc R&D"


def test_opsgenie_opens_an_alert(world: Elsewhere) -> None:
    world.answer(Answer(202, b'{"result": "Request will be processed", "requestId": "r"}'))
    assert channel(CHATS["opsgenie"]).send(chat("**Abc** missed Yoga"), Label("d1")).outcome is Outcome.SENT
    (got,) = world.received
    assert got.path == "/v2/alerts"
    assert (got.json["message"], got.json["description"]) == ("No-show fee", "Abc missed Yoga")


@pytest.mark.parametrize("name", ["discord", "rockets"])
def test_no_picture_of_apprise_stands_beside_a_message(world: Elsewhere, name: str) -> None:
    world.answer(YES)
    channel(CHATS[name]).send(chat("text"), Label("d1"))
    assert b"avatar" not in world.received[0].body
    assert b"apprise" not in world.received[0].body


#: What each chat gets of one message: the title where it is in the body, mark-up as it knows it, values as they are.
MESSAGE = chat(
    "**Abc \\*Test\\*** of R\\&D owes [25.00](https://example.com/1)\n\n- \\<one\\>\n- *two*\n\nRef 1",
    "Fee *due*",
)
WRITTEN = {
    "gchat": "*Fee ∗due∗*\n\n*Abc ∗Test∗* of R&D owes <https://example.com/1|25.00>\n\n- <\u200bone>\n- _two_\n\nRef 1",
    "discord": "**Fee \\*due\\***\n\n**Abc \\*Test\\*** of R\\&D owes [25.00](https://example.com/1)\n\n"
    "- \\<one\\>\n- *two*\n\nRef 1",
    "tgram": "<b>Fee *due*</b>\r\n\u200b\r\n<b>Abc *Test*</b> of R&amp;D owes "
    '<a href="https://example.com/1">25.00</a>\r\n\u200b\r\n- &lt;one&gt;\r\n- <i>two</i>\r\n\u200b\r\nRef 1',
    "mmosts": "**Fee \\*due\\***\n\n**Abc \\*Test\\*** of R&D owes [25.00](https://example.com/1)\n\n"
    "- <one\\>\n- *two*\n\nRef 1",
    "rockets": "**Fee ∗due∗**\n\n**Abc ∗Test∗** of R&D owes [25.00](https://example.com/1)\n\n"
    "- <\u200bone>\n- *two*\n\nRef 1",
    "zulip": "**Abc ∗Test∗** of R&D owes [25.00](https://example.com/1)\n\n- <\u200bone>\n- *two*\n\nRef 1",
    "pover": '<b>Abc *Test*</b> of R&amp;D owes <a href="https://example.com/1">25.00</a><br>\u200b<br>'
    "- &lt;one&gt;<br>- <i>two</i><br>\u200b<br>Ref 1",
    "matrixs": "<strong>Fee *due*</strong><br>\u200b<br><strong>Abc *Test*</strong> of R&amp;D owes "
    '<a href="https://example.com/1">25.00</a><br>\u200b<br>- &lt;one&gt;<br>- <em>two</em><br>\u200b<br>Ref 1',
    "ntfy": "Abc *Test* of R&D owes 25.00 (https://example.com/1)\n\n- <one>\n- two\n\nRef 1",
    "pagerduty": "Fee *due*\r\nAbc *Test* of R&D owes 25.00 (https://example.com/1)\n\n- <one>\n- two\n\nRef 1",
}


@pytest.mark.parametrize(("name", "text"), WRITTEN.items(), ids=WRITTEN)
def test_a_chat_message_is_written_as_each_service_reads_it(world: Elsewhere, name: str, text: str) -> None:
    world.answer(YES)
    assert channel(CHATS[name]).send(MESSAGE, Label("d1")).outcome is Outcome.SENT
    assert text in [said for got in world.received for said in received(got)]


@pytest.mark.parametrize("form", [Form.SMS, Form.JSON, Form.EMAIL])
def test_a_message_of_another_form_means_nothing_in_a_chat(world: Elsewhere, form: Form) -> None:
    world.answer(YES)
    body = "<p>@everyone &lt;@1&gt; *x*</p>" if form is Form.EMAIL else "@everyone <@1> *x*"
    channel(CHATS["discord"]).send(Message(title="@here", body=body, form=form), Label("d1"))
    assert world.received[0].json["content"] == "**@\u200bhere**\n\n@\u200beveryone \\<@\u200b1\\> \\*x\\*"


def test_a_mention_that_a_template_writes_calls_whom_it_names(world: Elsewhere) -> None:
    world.answer(YES)
    channel(CHATS["discord"]).send(chat("@here: no-show", "@everyone"), Label("d1"))
    assert world.received[0].json["content"] == "**@everyone**\n\n@here: no-show"


#: A text, and how BulkSMS, Vonage and MessageBird call what it is written in.
ALPHABETS = {
    "GSM-7": ("Anna missed Yoga [25 €]", ("TEXT", "text", "plain")),
    "two parts": ("Anna missed " + "Yoga " * 40, ("TEXT", "text", "plain")),
    "other letters": ("李小龍 missed Yoga", ("UNICODE", "unicode", "unicode")),
    "one other letter": ("Anna missed Yoga – 25", ("UNICODE", "unicode", "unicode")),
}


@pytest.mark.parametrize(("text", "names"), ALPHABETS.values(), ids=ALPHABETS)
def test_an_sms_service_is_told_which_alphabet_it_needs(
    world: Elsewhere, text: str, names: tuple[str, str, str]
) -> None:
    world.answer(YES)
    bulk, vonage, bird = (channel(PHONES[name], PHONE) for name in ("bulksms", "vonage", "msgbird"))
    for phone in (bulk, vonage, bird, bulk):
        assert phone.send(sms(text), Label("d1")).outcome is Outcome.SENT
        assert phone.send(sms("next"), Label("d2")).outcome is Outcome.SENT
    got = world.received
    assert [one.json["encoding"] for one in got[:2]] == [names[0], "TEXT"]
    assert [one.form["type"] for one in got[2:4]] == [names[1], "text"]
    assert [one.form["datacoding"] for one in got[4:6]] == [names[2], "plain"]
    assert got[6].json["encoding"] == names[0]
    assert {one.json["body"] for one in got[:1]} | {got[2].form["text"], got[4].form["body"]} == {
        text.rstrip()
    }


def test_an_sms_goes_to_the_provider_as_it_expects_it(world: Elsewhere) -> None:
    world.answer(YES)
    for name in ("vonage", "msgbird"):
        assert channel(PHONES[name], PHONE).send(sms("Hi"), Label("d1")).outcome is Outcome.SENT
    vonage, bird = world.received
    assert world.meant == ["https://rest.nexmo.com", "https://rest.messagebird.com"]
    assert (vonage.path, bird.path) == ("/sms/json", "/messages")
    assert vonage.form == {
        "api_key": "AC123456",
        "api_secret": "secretsecret",
        "ttl": "900000",
        "from": "12065550111",
        "to": PHONE[1:],
        "type": "text",
        "text": "Hi",
    }
    assert bird.form == {
        "originator": "+12065550111",
        "recipients": PHONE,
        "datacoding": "plain",
        "body": "Hi",
    }
    assert bird.headers["Authorization"] == f"AccessKey {'a' * 25}"
