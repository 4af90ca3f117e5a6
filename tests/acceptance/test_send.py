"""`zennotify send`: real messages marked [TEST] through a daemon's channels and without one, and none to a guest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.acceptance.daemon import Daemon
from tests.sinks import Answer, HttpSink, SmtpSink
from zennotify.cli import main

GUEST = "nora.field@example.com"
RULES = """
rules:
  - id: booked
    description: A booking came in
    event: AppointmentGroup.Created
    match: {data.utm_source: paper}
    once: {per: data.appointment_group_id, for: 24h}
    notify: [desk, manager, guest]
    message: "{{ guest.name }} has booked."
  - {id: off, enabled: no, event: AppointmentGroup.Created, notify: [desk, regional], message: "{{ guest.name }}"}
  - {id: nowhere, event: AppointmentGroup.Created, notify: regional, message: text}
  - {id: broken, event: AppointmentGroup.Created, notify: desk, message: "{{ data.nope.more }}"}
  - {id: two, event: AppointmentGroup.Created, notify: [far, desk], message: text}
"""
CENTERS = "centers:\n  elsewhere: {name: Elsewhere, channels: {regional: desk}}\n"


def booking(number: int = 1, **data: Any) -> dict[str, Any]:
    guest = {"id": "g1", "first_name": "Nora", "last_name": "Field", "email": GUEST}
    return {
        "id": f"call-{number}",
        "event_id": f"event-{number}",
        "event_type": "AppointmentGroup.Created",
        "event_timestamp": "2026-03-01T12:00:00Z",
        "data": {"appointment_group_id": f"b{number}", "utm_source": "paper", "guest": guest, **data},
    }


@dataclass
class World:
    """A daemon that need not run, and what its channels lead to."""

    daemon: Daemon
    desk: HttpSink
    mail: SmtpSink

    def send(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["send", *arguments, "--config", str(self.daemon.config)])

    def file(self, **data: Any) -> str:
        path = self.daemon.folder / "event.json"
        path.write_text(json.dumps(booking(**data)))
        return str(path)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with HttpSink() as desk, SmtpSink() as mail:
        channels = {
            "desk": {"url": desk.url("/desk")},
            "manager": {"url": mail.url(), "to": "manager@example.com"},
            "guest": {"url": mail.url(), "to": "{{ guest.email }}"},
            "far": {"url": f"json://127.0.0.1:{desk.port}/${{env:FAR_TOKEN}}"},
        }
        (tmp_path / "centers.yaml").write_text(CENTERS)
        daemon = Daemon(tmp_path, channels=channels, rules=RULES)
        yield World(daemon, desk, mail)
        daemon.kill()


@pytest.fixture(params=[False, True], ids=["alone", "daemon"])
def either(request: pytest.FixtureRequest, world: World) -> World:
    """The same without a daemon and with one."""
    if request.param:
        world.daemon.start(environ={"FAR_TOKEN": "secret"})
    return world


def test_a_rules_message_goes_to_all_that_it_tells_but_to_no_guest(either: World) -> None:
    done = either.send("--rule", "booked", either.file())
    assert done.exit_code == 1  # the guest's was not sent
    assert "\nThe message goes out.\n" in done.stdout
    lines = done.stdout.splitlines()[-3:]
    assert lines == [
        "desk: sent: HTTP 200",
        "manager: sent: SMTP 250: OK",
        (
            "guest (n…@example.com): not sent: it would go to the event's guest; --really sends it,"
            " --to ADDRESS sends it to you"
        ),
    ]
    assert GUEST not in done.stdout + done.stderr
    [got] = either.desk.received
    assert (got.json["title"], got.json["message"]) == (
        "[TEST] A booking came in",
        "Nora Field has booked.\n\nRef test",
    )
    [mail] = either.mail.received
    assert (mail.recipients, mail.message["Subject"]) == (
        ("manager@example.com",),
        "[TEST] A booking came in",
    )
    assert not (either.daemon.log_path.exists() and GUEST in either.daemon.log)


def test_a_web_hook_gets_what_the_preview_shows(either: World) -> None:
    file = either.file()
    assert either.send("--rule", "broken", file).exit_code == 0
    [got] = either.desk.received
    shown = either.daemon.json("preview", "broken", file)[0]["messages"][0]["json"]
    assert got.json["delivery"].startswith("test-")
    differ = {"title": f"[TEST] {shown['title']}", "delivery": got.json["delivery"]}
    assert got.json == shown | differ


def test_a_guest_is_told_only_when_that_is_really_meant(either: World) -> None:
    done = either.send("--rule", "booked", either.file(), "--really")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "guest (n…@example.com): sent: SMTP 250: OK"
    assert [mail.recipients[0] for mail in either.mail.received] == ["manager@example.com", GUEST]
    # Two tests are two mails, also for a mail program that drops what it has seen.
    assert len({mail.message["Message-ID"] for mail in either.mail.received}) == 2


def test_a_guests_message_can_go_to_somebody_else(either: World) -> None:
    # The event has no address at all.
    done = either.send("--rule", "booked", either.file(guest={"id": "g1"}), "--to", "me@example.com")
    assert done.exit_code == 0
    assert [mail.recipients[0] for mail in either.mail.received] == ["manager@example.com", "me@example.com"]
    assert "a guest has booked." in either.mail.received[1].part("html")
    bad = either.send("--rule", "booked", either.file(), "--to", "me")
    assert bad.exit_code == 1
    assert "guest (me…me): not sent: channel guest cannot send there: `to` must be" in bad.stdout
    assert [mail.recipients[0] for mail in either.mail.received][2:] == ["manager@example.com"]


def test_plain_words_reach_a_guests_channel_only_with_an_address(either: World) -> None:
    done = either.send("guest", "hello")
    assert done.exit_code == 1
    assert done.stderr == (
        "zennotify: the recipient of channel guest comes from an event; there is none here: say --to ADDRESS\n"
    )
    assert either.send("guest", "hello", "--to", "me@example.com").stdout == "guest: sent: SMTP 250: OK\n"
    assert [mail.recipients for mail in either.mail.received] == [("me@example.com",)]
    fixed = either.send("desk", "hello", "--to", "me@example.com")
    assert (fixed.exit_code, fixed.stderr) == (1, "zennotify: channel desk has a recipient of its own\n")


def test_a_refusal_is_shown_and_the_others_still_go(either: World) -> None:
    either.desk.answer(Answer(404))
    done = either.send("--rule", "booked", either.file(), "--really")
    assert done.exit_code == 1
    assert [line.split(":")[0:2] for line in done.stdout.splitlines()[-3:]] == [
        ["desk", " permanent"],
        ["manager", " sent"],
        ["guest (n…@example.com)", " sent"],
    ]


def test_what_the_rule_would_not_send_is_sent_all_the_same(either: World) -> None:
    done = either.send("--rule", "booked", either.file(utm_source="web"), "--to", "me@example.com")
    assert done.exit_code == 0
    assert "The message does NOT go out: match: does not hold: data.utm_source: paper.\n" in done.stdout
    off = either.send("--rule", "off", either.file())
    assert off.exit_code == 0
    assert "The message does NOT go out: enabled: the rule is switched off.\n" in off.stdout
    assert off.stdout.splitlines()[-2:] == [
        "desk: sent: HTTP 200",
        "regional: nobody is told: regional: no channel at this centre",
    ]


def test_another_address_for_a_rule_that_tells_no_guest_has_no_effect(either: World) -> None:
    done = either.send("--rule", "off", either.file(), "--to", "me@example.com")
    assert done.exit_code == 0
    assert done.stderr.endswith("zennotify: --to had no effect: here the rule tells no channel for guests\n")
    assert either.mail.received == []
    assert "no effect" not in either.send("--rule", "booked", either.file(), "--to", "me").stderr


def test_a_rule_that_tells_nobody_here_fails(either: World) -> None:
    done = either.send("--rule", "nowhere", either.file())
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "regional: nobody is told: regional: no channel at this centre"


def test_a_template_that_fails_sends_the_plain_form_and_says_so(either: World) -> None:
    done = either.send("--rule", "broken", either.file())
    assert done.exit_code == 0
    assert "desk: sent: HTTP 200; the plain form, because the template failed at " in done.stdout
    assert either.desk.received[0].json["title"].startswith("[TEST] ")


def test_a_missing_secret_ends_with_78_and_the_others_still_go(world: World) -> None:
    done = world.send("--rule", "two", world.file())
    assert done.exit_code == 78
    [far, desk] = done.stdout.splitlines()[-2:]
    assert far.startswith("far: not sent: ")
    assert far.endswith("channels.far.url: the environment variable FAR_TOKEN is not set")
    assert desk == "desk: sent: HTTP 200"
    assert world.send("far", "hello").exit_code == 78
    assert [got.path for got in world.desk.received] == ["/desk"]


def test_a_daemon_has_the_secrets_that_the_command_lacks(world: World) -> None:
    world.daemon.start(environ={"FAR_TOKEN": "secret"})
    done = world.send("--rule", "two", world.file())
    assert done.exit_code == 0
    assert [got.path for got in world.desk.received] == ["/secret", "/desk"]


def test_a_daemon_sends_only_through_channels_that_it_has_as_it_has_them(world: World) -> None:
    world.daemon.start(environ={"FAR_TOKEN": "secret"})
    config = world.daemon.config.read_text()
    world.daemon.config.write_text(config.replace("  far:", "  new: {url: 'console://new'}\n  far:"))
    done = world.send("new", "hello")
    assert done.exit_code == 1
    assert "the running daemon has no channel 'new'; it takes config.yaml in when it starts" in done.stderr
    # The form of a channel is the daemon's.
    world.daemon.config.write_text(config.replace("  desk:\n", "  desk:\n    form: sms\n"))
    assert world.send("--rule", "off", world.file()).exit_code == 0
    assert world.desk.received[0].json["message"].endswith("Ref test")


def test_it_takes_the_newest_stored_event_and_the_names_that_are_stored(world: World) -> None:
    world.daemon.start(environ={"FAR_TOKEN": "secret"})
    for number in (1, 2):
        guest = {"id": f"g{number}", "first_name": "Guest", "last_name": str(number)}
        assert world.daemon.post(booking(number, guest=guest, utm_source="web"))[0] == 200
    assert world.daemon.post(booking(3, guest={"id": "g2"}))[0] == 200
    # Once its message is there, it is decided.
    assert world.desk.wait_until(lambda got: any("Guest 2 has booked." in one.json["message"] for one in got))
    shown = world.daemon.json("preview", "booked")[0]
    assert shown["event"]["source"].startswith("the newest stored event that the rule is for, ")
    assert shown["messages"][0]["body"] == "Guest 2 has booked.\n\nRef test"
    assert shown["notes"] == [
        "When the event came, the rule said notified (guest: `to` gives no address for this event)."
    ]
    # Nobody is told there: it is shown, and not sent.
    assert [(one["channel"], one["refused"]) for one in shown["messages"] if one["refused"]] == [
        ("guest", "`to` gives no address for this event")
    ]
    done = world.send("--rule", "booked")
    assert done.exit_code == 0
    [test] = [got.json for got in world.desk.received if got.json["title"].startswith("[TEST]")]
    assert test["message"] == "Guest 2 has booked.\n\nRef test"
    assert "guest: nobody is told: guest: `to` gives no address for this event" in done.stdout


def test_a_program_reads_it_as_an_array(either: World) -> None:
    done = either.send("--rule", "booked", either.file(), "--json")
    [said] = json.loads(done.stdout)
    assert (said["rule"], said["goes_out"]) == ("booked", True)
    assert [(one["channel"], one["outcome"]) for one in said["messages"]] == [
        ("desk", "sent"),
        ("manager", "sent"),
        ("guest", None),
    ]
    assert said["messages"][2]["to"] == "n…@example.com"
    assert json.loads(either.send("desk", "hello", "--json").stdout) == [
        {"outcome": "sent", "detail": "HTTP 200"}
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("desk",), "name a channel and a text, in quotes; or --rule RULE"),
        (("desk", "hello", "there"), "name a channel and a text, in quotes; or --rule RULE"),
        (
            ("desk", "hello", "--really"),
            "--really belongs to --rule; of a channel for guests say --to ADDRESS",
        ),
        (("desk", ""), "the text is empty"),
        (("desk", " \n"), "the text is empty"),
        (("--rule", "booked", "a", "b"), "with --rule at most one EVENT is named, and --really or --to"),
        (
            ("--rule", "booked", "--really", "--to", "x"),
            "with --rule at most one EVENT is named, and --really or --to",
        ),
        (("--rule", "boked"), "there is no rule 'boked'; did you mean `booked`?"),
        (("dsk", "hello"), "there is no channel 'dsk'; did you mean `desk`?"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(world: World, arguments: tuple[str, ...], sentence: str) -> None:
    done = world.send(*arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert world.desk.received == []
