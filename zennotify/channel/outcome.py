"""What did one attempt come to?  A provider's answer, or its silence, as a `Result`.

Pure; called by apprise_channel.py after each try.  What a provider said is shown as secrecy.py left it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from zennotify.core.model import Outcome, Result
from zennotify.core.retry import http_date, retry_after


class Trouble(StrEnum):
    """Why there is no answer."""

    #: Nothing reached the provider, or not all of it: it cannot have acted.
    NOT_SENT = "not_sent"
    #: Whoever answers there could not prove who it is.
    UNTRUSTED = "untrusted"
    #: Zennotify, or the proxy on the way, does not talk to such an address.
    FORBIDDEN = "forbidden"
    #: Everything was sent, and no whole answer came: the provider may have acted.
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """A request that got no (whole) answer."""

    trouble: Trouble
    #: One sentence for the operator.
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came back over HTTP."""

    status: int
    body: bytes = b""
    #: What of the body an operator may read.
    words: str = ""
    #: The headers of these names, as sent.
    retry_after: str | None = None
    date: str | None = None


class Stage(StrEnum):
    """What a mail server's answer was about."""

    #: Greeting, TLS, login: it says something of us, not of this message.
    SESSION = "session"
    #: Sender, recipient, content.
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAnswer:
    """What a mail server said last."""

    code: int
    words: str = ""
    stage: Stage = Stage.MESSAGE


Exchange = HttpAnswer | MailAnswer | NoAnswer

_TEMPORARY: Final = frozenset({408, 425, 429})
#: 402 and 407 are the account's or the proxy's trouble, as 401 and 403: every message would meet them.
_BLOCKED: Final = frozenset({401, 402, 403, 407})
#: A server that cannot do what we ask today cannot do it tomorrow.
_NEVER: Final = frozenset({501, 505})
#: Mail: authentication required, too weak, refused.
_MAIL_BLOCKED: Final = frozenset({530, 534, 535, 538})

#: Words with which Slack, Vonage, ClickSend and Twilio say no; any other word means "this message, never".
_WORDS: Final[Mapping[str, Outcome]] = {
    word: outcome
    for outcome, words in {
        Outcome.TEMPORARY: (
            "ratelimited rate_limited throttled internal_error internal_failure service_unavailable "
            "fatal_error request_timeout team_added_to_org rollup_error vonage:1 vonage:5 vonage:10"
        ),
        Outcome.BLOCKED: (
            "invalid_auth not_authed account_inactive token_revoked token_expired invalid_token missing_scope "
            "not_in_channel no_permission restricted_action action_prohibited access_denied org_login_required "
            "ekm_access_denied not_allowed_token_type team_access_not_granted invalid_credentials "
            "missing_credentials insufficient_credit "
            "vonage:4 vonage:8 vonage:9 vonage:11 vonage:14 vonage:15 vonage:32"
        ),
    }.items()
    for word in words.split()
}
#: What turns away the whole channel, and not one message.
_TOO_MANY: Final = 429
_TOO_MANY_WORDS: Final = frozenset({"ratelimited", "rate_limited", "throttled", "vonage:1"})
_WEB_PAGE = re.compile(rb"\s*(?:<!doctype html|<html)", re.IGNORECASE)
_WORD = re.compile(r"[a-z_]{2,64}")


def judge(
    exchange: Exchange | None, *, scheme: str, accepted: bool, now: datetime, raised: str = ""
) -> Result:
    """Return what the last exchange of a try means.

    `accepted` is Apprise's own verdict, `raised` the kind of error that it raised instead of giving one.
    """
    match exchange:
        case HttpAnswer():
            return _http(exchange, scheme, accepted, now)
        case MailAnswer():
            return _mail(exchange)
        case NoAnswer():
            return _no_answer(exchange)
        case None:  # whatever Apprise says of it: all that leaves passes by us
            reason = f" ({raised})" if raised else ""
            detail = f"Apprise did not take the message{reason}; nothing was sent"
            return Result(outcome=Outcome.PERMANENT, detail=detail)


def _http(answer: HttpAnswer, scheme: str, accepted: bool, now: datetime) -> Result:
    status = answer.status
    if 200 <= status < 300:
        return _yes_or_no(answer, scheme, accepted)
    if 300 <= status < 400:
        redirect = (
            "the service redirects elsewhere, which is never followed: put the final address into `url`"
        )
        return Result(outcome=Outcome.PERMANENT, detail=f"HTTP {status}: {redirect}")
    outcome = _outcome_of(status)
    wait = _wait(answer, now) if outcome is Outcome.TEMPORARY else None
    return Result(
        outcome=outcome,
        detail=_line(f"HTTP {status}", answer.words),
        retry_after=wait,
        of_channel=status == _TOO_MANY,
    )


def _outcome_of(status: int) -> Outcome:
    if status < 200:
        return Outcome.UNKNOWN  # an interim answer, after which no final one came
    if status in _TEMPORARY or (500 <= status < 600 and status not in _NEVER):
        return Outcome.TEMPORARY
    return Outcome.BLOCKED if status in _BLOCKED else Outcome.PERMANENT


def _yes_or_no(answer: HttpAnswer, scheme: str, accepted: bool) -> Result:
    """Return what a 2xx means: some providers say no in its body, and a web page is no provider at all."""
    status = f"HTTP {answer.status}"
    refusal = _refusal(scheme, answer.body)
    if refusal is not None:
        outcome = _WORDS.get(refusal.casefold(), Outcome.PERMANENT)
        too_many = refusal.casefold() in _TOO_MANY_WORDS
        return Result(
            outcome=outcome, detail=_line(f"{status}, but not sent", answer.words), of_channel=too_many
        )
    if _WEB_PAGE.match(answer.body) and not _is_own_hook(scheme):
        page = "a web page answered instead of the service (a proxy or a login page?)"
        return Result(outcome=Outcome.TEMPORARY, detail=_line(f"{status}, but {page}", answer.words))
    if accepted:
        return Result(outcome=Outcome.SENT, detail=status)
    doubt = "but not the answer of a message that was sent"
    return Result(outcome=Outcome.UNKNOWN, detail=_line(f"{status}, {doubt}", answer.words))


def _is_own_hook(scheme: str) -> bool:
    """Whether the peer is somebody's own web hook, which may say what it likes."""
    return scheme.rstrip("s") in {"json", "form"}


def _refusal(scheme: str, body: bytes) -> str | None:
    """Return the word with which a 2xx says no, or None."""
    if _is_own_hook(scheme):
        return None
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode(errors="replace").strip()
        said_no = scheme == "slack" and text.casefold() != "ok" and _WORD.fullmatch(text)
        return text if said_no else None
    return next(_refusals(scheme, data), None) if isinstance(data, dict) else None


def _refusals(scheme: str, data: Mapping[str, Any]) -> Iterator[str]:
    reader = _READERS.get(scheme)
    if reader is not None:
        yield from reader(data)
    if data.get("ok") is False or data.get("success") is False:
        yield str(data.get("error"))


def _of_vonage(data: Mapping[str, Any]) -> list[str]:
    states = [str(message.get("status")) for message in _messages(data.get("messages"))]
    return [f"vonage:{state}" for state in states if state != "0"]


def _of_clicksend(data: Mapping[str, Any]) -> list[str]:
    states = [str(message.get("status")) for message in _messages(_mapping(data.get("data")).get("messages"))]
    return [state for state in states if state != "SUCCESS"]


def _of_twilio(data: Mapping[str, Any]) -> list[str]:
    code, status = data.get("error_code"), data.get("status")
    return [] if code is None and status not in {"failed", "undelivered"} else [str(code)]


def _of_sparkpost(data: Mapping[str, Any]) -> list[str]:
    return ["rejected"] if _mapping(data.get("results")).get("total_accepted_recipients") == 0 else []


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "vonage": _of_vonage,
    "nexmo": _of_vonage,
    "clicksend": _of_clicksend,
    "twilio": _of_twilio,
    "sparkpost": _of_sparkpost,
}


def _messages(value: object) -> list[Mapping[str, Any]]:
    return [_mapping(entry) for entry in value] if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mail(answer: MailAnswer) -> Result:
    if not (200 <= answer.code < 300 or 400 <= answer.code < 600):  # smtp.py's -1, or an invented one
        outcome = Outcome.BLOCKED if answer.stage is Stage.SESSION else Outcome.UNKNOWN
        return Result(outcome=outcome, detail=_line("this is not how a mail server answers", answer.words))
    said = _line(f"SMTP {answer.code}", answer.words)
    if answer.code < 400:
        return Result(outcome=Outcome.SENT, detail=said)
    if answer.code < 500:
        return Result(outcome=Outcome.TEMPORARY, detail=said)
    blocked = answer.stage is Stage.SESSION or answer.code in _MAIL_BLOCKED
    return Result(outcome=Outcome.BLOCKED if blocked else Outcome.PERMANENT, detail=said)


def _no_answer(failure: NoAnswer) -> Result:
    match failure.trouble:
        case Trouble.NOT_SENT:
            return Result(outcome=Outcome.TEMPORARY, detail=failure.reason)
        case Trouble.UNTRUSTED | Trouble.FORBIDDEN:
            return Result(outcome=Outcome.BLOCKED, detail=failure.reason)
        case Trouble.NO_ANSWER:
            return Result(outcome=Outcome.UNKNOWN, detail=f"{failure.reason}; the message may have arrived")


def _wait(answer: HttpAnswer, now: datetime) -> timedelta | None:
    """Return how long the provider asks us to wait: by header, or as Telegram and Discord say it."""
    if answer.retry_after is not None:
        return retry_after(answer.retry_after, now=http_date(answer.date) or now)
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    said = _mapping(data)
    seconds = _mapping(said.get("parameters")).get("retry_after", said.get("retry_after"))
    return None if seconds is None else retry_after(str(seconds), now=now)


def _line(status: str, words: str) -> str:
    return f"{status}: {words}" if words else status
