"""What becomes of messages when a provider says no, is busy or hangs: a real daemon, and real servers that do so.

Of each failure the test asks what an operator would: in which state is the delivery, when is it tried again, and what
do `deliveries`, readyz, the metrics and the owners' channel say?
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.acceptance.daemon import Daemon, numbered
from tests.scripted_smtp import ScriptedSmtp
from tests.sinks import DROP, Answer, How, HttpSink, SmtpSink
from zennotify.cli import main
from zennotify.zenoti.sample import load_sample, stamp

RULES = """
rules:
  - {id: closed, event: Invoice.Closed, description: An invoice, notify: desk, message: "Number {{ data.number }}"}
"""
TOOK_IT = "127.0.0.1:port took the message and did not answer"
MAYBE = "the message may have arrived"
REDIRECT = Answer(302, b"", {"Location": "http://127.0.0.1:1/"})
ELSEWHERE = "the service redirects elsewhere, which is never followed: put the final address into `url`"


class World:
    """A daemon whose channel `desk` leads to a server that the test scripts."""

    def __init__(self, folder: Path, desk: HttpSink, mail: SmtpSink) -> None:
        self.folder, self.desk, self.mail = folder, desk, mail
        self.daemon: Daemon | None = None

    def start(self, rules: str = RULES, **desk: Any) -> Daemon:
        channels: dict[str, Any] = {
            "desk": {"url": self.desk.url(), "concurrency": 1, **desk},
            "mail": {"url": self.mail.url(), "to": "owner@example.com"},
        }
        self.daemon = Daemon(self.folder, channels=channels, rules=rules, ops=["mail"])
        self.daemon.start()
        return self.daemon

    def told(self, count: int = 1) -> list[str]:
        """What the owners got: subject and text of each mail, on one line."""
        mails = [mail.message for mail in self.mail.wait_for(count)]
        texts = [mail.get_body(("plain",)) for mail in mails]
        return [
            " ".join(f"{mail['Subject']}: {text.get_content() if text else ''}".split())
            for mail, text in zip(mails, texts, strict=True)
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with HttpSink() as desk, SmtpSink() as mail:
        world = World(tmp_path, desk, mail)
        yield world
        if world.daemon is not None:
            world.daemon.kill()


def listed(daemon: Daemon, channel: str) -> list[dict[str, Any]]:
    """List a channel's deliveries; in this process, because it is asked for often."""
    done = CliRunner().invoke(
        main, ["deliveries", "--channel", channel, "--json", "--config", str(daemon.config)]
    )
    assert done.exit_code == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def delivery(daemon: Daemon, channel: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the newest delivery of a channel that is so, as soon as there is one."""
    until = datetime.now(UTC) + timedelta(seconds=30)  # noqa: TID251 - patience, and nothing that is tested
    found: list[dict[str, Any]] = []
    while datetime.now(UTC) < until:  # noqa: TID251 - as above
        found = listed(daemon, channel)
        wanted = next(filter(holds, found), None)
        if wanted is not None:
            return wanted
    raise AssertionError(found)


def states(daemon: Daemon) -> list[str]:
    return sorted(one["state"] for one in listed(daemon, "desk"))


def is_tried(one: dict[str, Any]) -> bool:
    attempts = one["attempts"]
    return bool(attempts) and attempts[-1]["outcome"] is not None and one["state"] != "sending"


def outcome(one: dict[str, Any]) -> tuple[str, str, str, str]:
    """State, reason, outcome and detail; the port of the sink differs each time."""
    attempt = one["attempts"][-1]
    return one["state"], one["reason"], attempt["outcome"], re.sub(r":\d{4,5}\b", ":port", attempt["detail"])


@pytest.mark.parametrize(
    ("answer", "expected", "waits"),
    [
        (Answer(503, b"busy"), ("pending", "", "temporary", "HTTP 503: busy"), True),
        (Answer(500, b""), ("pending", "", "temporary", "HTTP 500"), True),
        (Answer(408, b""), ("pending", "", "temporary", "HTTP 408"), True),
        (Answer(how=How.CLOSE), ("pending", "", "unknown", f"{TOOK_IT}; {MAYBE}"), True),
        (Answer(how=How.HANG), ("pending", "", "unknown", f"{TOOK_IT} within 1 s; {MAYBE}"), True),
        (Answer(how=How.DRIP_BODY), ("pending", "", "unknown", f"{TOOK_IT} within 1 s; {MAYBE}"), True),
        (Answer(400, b"no such field"), ("dead", "refused", "permanent", "HTTP 400: no such field"), False),
        (Answer(404, b""), ("dead", "refused", "permanent", "HTTP 404"), False),
        (REDIRECT, ("dead", "refused", "permanent", f"HTTP 302: {ELSEWHERE}"), False),
    ],
    ids=["503", "500", "408", "closes", "hangs", "drips", "400", "404", "302"],
)  # fmt: skip
def test_what_an_operator_reads_of_a_failure(
    world: World, answer: Answer, expected: tuple[str, str, str, str], waits: bool
) -> None:
    world.desk.answer(answer)
    daemon = world.start(timeout="1s", retry=["0s", "1h"])
    daemon.post(numbered(1))
    one = delivery(daemon, "desk", is_tried)
    assert outcome(one) == expected
    line = daemon.cli("deliveries", "--channel", "desk").stdout
    assert ("next try" in line or "channel paused (failing)" in line) is waits
    assert "Number" not in daemon.log
    if not waits:
        assert "HTTP " in world.told()[0]
        assert f"deliveries retry {one['id'][:8]}" in world.told()[0]


@pytest.mark.parametrize(
    ("stage", "reply", "expected", "says"),
    [
        ("RCPT", "451 4.7.1 later", ("pending", "", "temporary", "SMTP 451: 4.7.1 later"), "next try"),
        ("RCPT", "550 5.1.1 no such user", ("dead", "refused", "permanent", "SMTP 550: 5.1.1 no such user"), "dead"),
        ("DATA", "554 5.6.0 not wanted", ("dead", "refused", "permanent", "SMTP 554: 5.6.0 not wanted"), "dead"),
        ("CONTENT", DROP, ("pending", "", "unknown", f"127.0.0.1 {TOOK_IT.partition(' ')[2]}; {MAYBE}"), "next try"),
        ("AUTH", "535 5.7.8 no", ("pending", "blocked", "blocked", "SMTP 535: 5.7.8 no"), "channel paused (blocked)"),
        ("GREETING", "421 4.3.2 later", ("pending", "", "temporary", "SMTP 421: 4.3.2 later"), "next try"),
    ],
)  # fmt: skip
def test_what_an_operator_reads_of_a_mail_servers_refusal(
    world: World, stage: str, reply: str, expected: tuple[str, str, str, str], says: str
) -> None:
    with ScriptedSmtp({stage: [reply]}, offers=["AUTH PLAIN"]) as server:
        url = server.url(login="desk:s3cr3t-pass")
        daemon = world.start(url=url, to="guest@example.com", concurrency=2, retry=["0s", "1h"])
        daemon.post(numbered(1))
        assert outcome(delivery(daemon, "desk", is_tried)) == expected
        shown = daemon.cli("deliveries", "--channel", "desk").stdout
        assert says in shown
        assert "s3cr3t" not in daemon.log + shown + daemon.cli("deliveries", "--json").stdout


def test_a_429_is_waited_for_and_the_message_arrives(world: World) -> None:
    world.desk.answer(Answer(429, b"", {"Retry-After": "2"}), Answer())
    daemon = world.start()
    daemon.post(numbered(1))
    daemon.post(numbered(2))
    first, second, third = world.desk.wait_for(3)
    assert second.at - first.at >= 2, "the channel was asked to wait, and all its messages do"
    assert third.at >= second.at
    delivery(daemon, "desk", lambda one: one["state"] == "delivered")
    assert world.mail.received == []


def test_a_wrong_token_pauses_the_channel_and_the_owners_hear_of_it(world: World) -> None:
    world.desk.answer(Answer(401, b"invalid_auth"))
    daemon = world.start()
    daemon.post(numbered(1))
    [told] = world.told()
    assert told.startswith(
        "zennotify: channel desk is paused: Channel desk cannot send: HTTP 401: invalid_auth"
    )
    assert "zennotify send desk test" in told

    one = delivery(daemon, "desk", is_tried)
    assert (one["state"], one["due"] <= one["paused_until"]) == ("pending", True)
    assert "channel paused (blocked) until" in daemon.cli("deliveries").stdout
    assert "desk is paused since" in daemon.cli("deliveries", "show", one["id"][:8]).stdout
    status, page = daemon.admin("/readyz")
    assert (status, '"desk": "blocked until' in page) == (200, True)
    assert 'zennotify_channel_paused{channel="desk"} 1.0' in daemon.admin("/metrics")[1]

    world.desk.answer(Answer())
    done = daemon.cli("send", "desk", "hello")
    assert (done.returncode, done.stdout.strip()) == (0, "desk: sent: HTTP 200")
    delivery(daemon, "desk", lambda one: one["state"] == "delivered")
    assert "works again" in world.told(2)[1]
    assert "desk" not in daemon.admin("/readyz")[1]


def test_what_is_refused_goes_to_the_fallback_and_says_so(world: World) -> None:
    world.desk.answer(Answer(400, b"no"))
    daemon = world.start(fallback="mail")
    daemon.post(numbered(1))
    instead = delivery(daemon, "mail", lambda one: one["rule"] == "closed" and one["state"] == "delivered")
    [refused] = daemon.json("deliveries", "--channel", "desk")
    assert (instead["instead_of"], refused["reason"]) == (refused["id"], "refused")
    assert (
        f"instead of delivery {refused['id'][:8]}" in daemon.cli("deliveries", "show", instead["id"]).stdout
    )
    told = daemon.cli("deliveries", "show", refused["id"]).stdout
    assert f"told instead by delivery {instead['id'][:8]} to mail: delivered\n" in told
    [message] = [text for text in world.told(2) if "Number 1" in text]
    assert "Sent here because it could not be sent to desk" in message
    [ops] = [text for text in world.told(2) if "could not deliver" in text]
    assert "mail is told instead" in ops


def test_what_may_have_arrived_is_held_for_a_decision(world: World) -> None:
    world.desk.answer(Answer(how=How.CLOSE), Answer())
    daemon = world.start(on_unknown="hold")
    daemon.post(numbered(1))
    one = delivery(daemon, "desk", is_tried)
    assert (one["state"], one["reason"]) == ("dead", "maybe_sent")
    assert "is held until you decide" in world.told()[0]
    assert daemon.cli("deliveries", "retry", one["id"][:8]).returncode == 0
    delivery(daemon, "desk", lambda one: one["state"] == "delivered")
    assert "Sent again: the first try may have arrived." in world.desk.wait_for(2)[1].json["message"]


def test_what_is_over_the_rate_waits(world: World) -> None:
    daemon = world.start(rate=["2/h"])
    for number in range(3):
        daemon.post(numbered(number))
    world.desk.wait_for(2)
    delivered = ["delivered", "delivered", "pending"]
    delivery(daemon, "desk", lambda _: states(daemon) == delivered)
    waiting = daemon.cli("deliveries", "--state", "pending").stdout
    assert waiting.endswith("  pending, waits for its turn (rate 2/h)\n")
    daemon.kill()
    daemon.start()  # what was sent is not forgotten
    assert states(daemon) == delivered
    refused = daemon.cli("send", "desk", "x")
    assert refused.returncode == 1
    assert "the rate of this channel is used up" in refused.stdout
    assert len(world.desk.received) == 2


@pytest.mark.parametrize("then", ["mark", "drop"])
def test_what_is_old_when_it_comes_is_marked_or_dropped(world: World, then: str) -> None:
    daemon = world.start(RULES.replace("notify", f"stale_after: {{age: 2h, then: {then}}}, notify"))
    body = {**numbered(1), "event_timestamp": "2024-07-25T10:00:00Z"}
    daemon.post(body)
    if then == "mark":
        assert world.desk.wait_for(1)[0].json["title"] == "(delayed) An invoice"
        return
    fresh = stamp(load_sample("Invoice.Closed"), datetime.now(UTC))  # noqa: TID251 - it has to be of now
    daemon.post({**fresh, "data": {**fresh["data"], "number": 2}})
    assert world.desk.wait_for(1)[0].json["message"].startswith("Number 2")
    [event] = daemon.json("events", "--reason", "stale")
    assert event["decisions"][0]["detail"] == "over 2h old"


def test_what_became_old_while_it_waited_is_not_sent(world: World) -> None:
    world.desk.answer(Answer(429, b"", {"Retry-After": "3"}), Answer())
    daemon = world.start(RULES.replace("notify", "stale_after: {age: 2s, then: drop}, notify"))
    for number in range(2):
        now = datetime.now(UTC)  # noqa: TID251 - it has to be of now
        daemon.post({**numbered(number), "event_timestamp": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"})
        world.desk.wait_for(1)
    second, _ = world.desk.wait_for(2)[1], None
    assert second.json["message"].startswith("Number 0"), "what was tried once is not asked again"
    one = delivery(daemon, "desk", lambda one: one["state"] == "cancelled")
    assert (one["reason"], one["attempts"]) == ("stale", [])
