"""What an answer means: the table of classes, as Alertmanager's RetryTests have one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from zennotify.channel.outcome import (
    Exchange,
    HttpAnswer,
    MailAnswer,
    NoAnswer,
    Stage,
    Trouble,
    judge,
)
from zennotify.core.model import Outcome, Result
from zennotify.core.retry import retry_after

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SENT, TEMPORARY, PERMANENT = Outcome.SENT, Outcome.TEMPORARY, Outcome.PERMANENT
BLOCKED, UNKNOWN = Outcome.BLOCKED, Outcome.UNKNOWN


def judged(exchange: Exchange | None, scheme: str = "json", *, accepted: bool = False) -> Result:
    return judge(exchange, scheme=scheme, accepted=accepted, now=NOW)


def of_status(status: int) -> Outcome:
    if 200 <= status < 300:
        return SENT
    if status < 200:
        return UNKNOWN
    if status in {408, 425, 429} or (status >= 500 and status not in {501, 505}):
        return TEMPORARY
    return BLOCKED if status in {401, 402, 403, 407} else PERMANENT


def test_every_status_has_its_class() -> None:
    for status in range(100, 600):
        result = judged(HttpAnswer(status=status), accepted=200 <= status < 300)
        assert result.outcome is of_status(status), status
        assert result.detail.startswith(f"HTTP {status}")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 529])
def test_what_may_work_later_is_temporary(status: int) -> None:
    assert judged(HttpAnswer(status=status)).outcome is TEMPORARY


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 413, 415, 422, 451])
def test_what_never_works_is_permanent(status: int) -> None:
    assert judged(HttpAnswer(status=status)).outcome is PERMANENT


def test_a_redirect_says_what_to_do() -> None:
    result = judged(HttpAnswer(status=302))
    assert result.outcome is PERMANENT
    assert result.detail == (
        "HTTP 302: the service redirects elsewhere, which is never followed: put the final address into `url`"
    )


def test_a_failure_shows_the_provider_s_words() -> None:
    assert judged(HttpAnswer(status=503, words="upstream is down")).detail == "HTTP 503: upstream is down"


SAYS_NO = [
    ("slack", {"ok": False, "error": "ratelimited"}, TEMPORARY),
    ("slack", {"ok": False, "error": "internal_error"}, TEMPORARY),
    ("slack", {"ok": False, "error": "channel_not_found"}, PERMANENT),
    ("slack", {"ok": False, "error": "is_archived"}, PERMANENT),
    ("slack", {"ok": False, "error": "invalid_auth"}, BLOCKED),
    ("slack", {"ok": False, "error": "not_in_channel"}, BLOCKED),
    ("slack", {"ok": False}, PERMANENT),
    (
        "vonage",
        {"message-count": "1", "messages": [{"status": "4", "error-text": "Bad credentials"}]},
        BLOCKED,
    ),
    ("vonage", {"messages": [{"status": "1"}]}, TEMPORARY),
    ("nexmo", {"messages": [{"status": "0"}, {"status": "7"}]}, PERMANENT),
    ("clicksend", {"data": {"messages": [{"status": "INVALID_RECIPIENT"}]}}, PERMANENT),
    ("clicksend", {"data": {"messages": [{"status": "INSUFFICIENT_CREDIT"}]}}, BLOCKED),
    ("twilio", {"sid": "SM1", "status": "failed", "error_code": 30007}, PERMANENT),
    ("sparkpost", {"results": {"total_rejected_recipients": 1, "total_accepted_recipients": 0}}, PERMANENT),
    ("tgram", {"ok": False, "description": "Bad Request: chat not found"}, PERMANENT),
    ("rocket", {"success": False}, PERMANENT),
]


@pytest.mark.parametrize(("scheme", "body", "outcome"), SAYS_NO)
@pytest.mark.parametrize("accepted", [True, False])
def test_a_200_that_says_no_is_not_sent(
    scheme: str, body: object, outcome: Outcome, *, accepted: bool
) -> None:
    result = judged(HttpAnswer(status=200, body=json.dumps(body).encode()), scheme, accepted=accepted)
    assert result.outcome is outcome
    assert result.detail.startswith("HTTP 200, but not sent")


@pytest.mark.parametrize(
    ("scheme", "body"),
    [
        ("slack", b"ok"),
        ("slack", b'{"ok": true}'),
        ("vonage", b'{"messages": [{"status": "0"}]}'),
        ("clicksend", b'{"data": {"messages": [{"status": "SUCCESS"}]}}'),
        ("twilio", b'{"sid": "SM1", "status": "queued", "error_code": null}'),
        ("sparkpost", b'{"results": {"total_accepted_recipients": 1}}'),
        ("json", b'{"ok": false}'),  # somebody's own hook may say what it likes
        ("json", b"<html>thank you</html>"),
        ("discord", b""),
        ("gchat", b'["a list"]'),
        ("vonage", b'{"messages": "odd"}'),
        ("clicksend", b'{"data": [1]}'),
        ("sparkpost", b"[" * 3000),
    ],
)
def test_a_200_that_says_yes_is_sent(scheme: str, body: bytes) -> None:
    assert judged(HttpAnswer(status=200, body=body), scheme, accepted=True).outcome is SENT


def test_a_word_of_slack_s_web_hook_says_no() -> None:
    assert judged(HttpAnswer(status=200, body=b"invalid_payload"), "slack").outcome is PERMANENT
    assert judged(HttpAnswer(status=200, body=b"rate_limited"), "slack").outcome is TEMPORARY


def test_a_login_page_is_no_service() -> None:
    page = HttpAnswer(status=200, body=b"<!DOCTYPE html><html><body>Welcome to HotelNet</body></html>")
    for accepted in (True, False):
        result = judged(page, "slack", accepted=accepted)
        assert result.outcome is TEMPORARY
        assert "a web page answered instead of the service" in result.detail


def test_a_200_that_apprise_could_not_read_is_unknown() -> None:
    assert judged(HttpAnswer(status=202, body=b"{}"), "telnyx", accepted=False).outcome is UNKNOWN


MAIL = [
    (250, Stage.MESSAGE, SENT),
    (421, Stage.SESSION, TEMPORARY),
    (454, Stage.SESSION, TEMPORARY),
    (450, Stage.MESSAGE, TEMPORARY),
    (452, Stage.MESSAGE, TEMPORARY),
    (550, Stage.MESSAGE, PERMANENT),
    (554, Stage.MESSAGE, PERMANENT),
    (530, Stage.MESSAGE, BLOCKED),
    (535, Stage.SESSION, BLOCKED),
    (554, Stage.SESSION, BLOCKED),
    (-1, Stage.SESSION, BLOCKED),
    (-1, Stage.MESSAGE, UNKNOWN),
]


@pytest.mark.parametrize(("code", "stage", "outcome"), MAIL)
def test_a_mail_server_s_code_has_its_class(code: int, stage: Stage, outcome: Outcome) -> None:
    assert judged(MailAnswer(code=code, stage=stage)).outcome is outcome


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (Trouble.NOT_SENT, TEMPORARY),
        (Trouble.UNTRUSTED, BLOCKED),
        (Trouble.FORBIDDEN, BLOCKED),
        (Trouble.NO_ANSWER, UNKNOWN),
    ],
)
def test_silence_has_its_class(trouble: Trouble, outcome: Outcome) -> None:
    assert judged(NoAnswer(trouble=trouble, reason="why")).outcome is outcome


def test_a_message_that_apprise_did_not_send_is_permanent() -> None:
    result = judge(None, scheme="json", accepted=False, now=NOW, raised="TypeError")
    assert result.outcome is PERMANENT
    assert result.detail == "Apprise did not take the message (TypeError); nothing was sent"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("0", 1),
        ("-5", 1),
        ("0.65", 1),
        ("1.5", 1.5),
        ("3600", 3600),
        ("315360000", 3600),
        ("9" * 5000, 3600),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 1),
        ("Fri, 21 Nov 2036 12:00:00 GMT", 3600),
        ("Saturday, 21-Nov-26 12:00:30 GMT", 30),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("1e3", None),
        ("Sat, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_and_kept_within_an_hour(value: str, seconds: float | None) -> None:
    assert retry_after(value, now=NOW) == (None if seconds is None else timedelta(seconds=seconds))


def test_a_date_counts_from_the_provider_s_own_clock() -> None:
    answer = HttpAnswer(
        status=429, retry_after="Sat, 21 Nov 2026 15:00:30 GMT", date="Sat, 21 Nov 2026 15:00:00 GMT"
    )
    assert judged(answer).retry_after == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"ok": false, "error_code": 429, "parameters": {"retry_after": 35}}', 35),
        (b'{"message": "You are being rate limited.", "retry_after": 2.5}', 2.5),
        (b'{"retry_after": null}', None),
        (b"[1]", None),
        (b"slow down", None),
    ],
)
def test_telegram_and_discord_say_in_the_body_how_long_to_wait(body: bytes, seconds: float | None) -> None:
    wait = judged(HttpAnswer(status=429, body=body)).retry_after
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def test_only_what_is_tried_again_has_a_wait() -> None:
    assert judged(HttpAnswer(status=404, retry_after="7")).retry_after is None
