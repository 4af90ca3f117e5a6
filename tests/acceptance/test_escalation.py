"""A real daemon shouts louder while nobody reacts, and falls silent for whoever takes it."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.acceptance.daemon import PATIENCE, Daemon
from tests.sinks import HttpSink
from zennotify.zenoti.sample import load_sample

#: The steps of `witness` come at the same times as those of `no-show`, and nobody takes it.
RULES = """
rules:
  - id: no-show
    description: A guest did not come
    event: Class.Booking.NoShow
    notify: desk
    message: No-show
    escalate:
      - {after: FIRST, notify: lead}
      - {after: SECOND, notify: [lead, owner]}
  - id: witness
    event: Class.Booking.NoShow
    notify: witness
    message: No-show
    escalate:
      - {after: FIRST, notify: witness}
      - {after: SECOND, notify: witness}
"""
NAMES = ("desk", "lead", "owner", "witness")


@dataclass
class World:
    """A daemon behind a proxy that leaves the path as it is, and its channels."""

    daemon: Daemon
    sinks: dict[str, HttpSink]

    def start(self, first: str, second: str) -> None:
        """Start with steps after these times, and let the event come."""
        rules = RULES.replace("FIRST", first).replace("SECOND", second)
        (self.daemon.folder / "rules.yaml").write_text(rules)
        self.daemon.start()
        assert self.daemon.post(load_sample("Class.Booking.NoShow"))[0] == 200

    def told(self) -> dict[str, int]:
        """How many different messages there were; a crash may repeat one."""
        return {
            name: len({ref(one.json["message"]) for one in sink.received})
            for name, sink in self.sinks.items()
            if name != "witness"
        }

    def link(self) -> str:
        """The link in the message to the desk, as it is reached behind the proxy."""
        [message, *_] = self.sinks["desk"].wait_for(1)
        url = urlsplit(re.findall(r"https://\S+", message.json["message"])[0])
        assert (url.netloc, url.path[:9]) == ("alerts.example.com", "/zen/ack/")
        return f"http://127.0.0.1:{self.daemon.port}{url.path}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as opened:
        sinks = {name: opened.enter_context(HttpSink()) for name in NAMES}
        daemon = Daemon(
            tmp_path,
            channels={name: {"url": sink.url(f"/{name}")} for name, sink in sinks.items()},
            rules=RULES,
            server={"public_url": "https://alerts.example.com/zen"},
            time_zone="Europe/Berlin",
            locale="de-DE",
        )
        yield World(daemon, sinks)
        daemon.kill()


def ref(message: str) -> str:
    return str(re.findall(r"Ref (\w{8})", message)[0])


def ask(url: str, name: str | None = None, verb: str | None = None) -> tuple[int, str]:
    body = None if name is None else urlencode({"by": name}).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, body, method=verb), timeout=PATIENCE
        ) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def texts(sink: HttpSink, count: int) -> list[str]:
    return [re.sub(r"\s*Ref \w{8}$", "", one.json["message"]) for one in sink.wait_for(count)]


def test_while_nobody_takes_it_each_step_comes_in_turn_also_over_a_crash(world: World) -> None:
    world.start("1s", "2s")
    world.sinks["desk"].wait_for(1)
    world.daemon.kill()
    world.daemon.start()
    world.sinks["lead"].wait_until(lambda _: world.told()["lead"] == 2)
    world.sinks["owner"].wait_for(1)
    assert world.daemon.stop() == 0
    assert world.told() == {"desk": 1, "lead": 2, "owner": 1}
    owed = [one for one in world.daemon.json("deliveries") if one["rule"] == "no-show"]
    first, second, *third = sorted(owed, key=lambda one: one["step"])
    assert (first["channel"], second["channel"]) == ("desk", "lead")
    assert {one["channel"] for one in third} == {"lead", "owner"}


def test_a_look_at_the_link_takes_nothing_and_its_button_takes_it(world: World) -> None:
    world.start("1s", "6s")
    link = world.link()
    for verb in ("GET", "HEAD", "GET"):
        assert ask(link, verb=verb)[0] == 200
    world.sinks["lead"].wait_for(1)
    status, page = ask(link, "Ann <b>Lee</b>")
    assert status == 200
    assert "Taken by Ann &lt;b&gt;Lee&lt;/b&gt;, " in page
    assert re.fullmatch(r"Taken by Ann .*Lee.*, \d\d:\d\d: message \w{8}\.", texts(world.sinks["desk"], 2)[1])
    assert texts(world.sinks["lead"], 2)[1].startswith("Taken by Ann")
    status, page = ask(link, "Bob")
    assert (status, "Somebody was faster" in page, "Bob" in page) == (200, True, False)

    world.sinks["witness"].wait_for(3)  # by now the owner would have been told, too
    assert world.daemon.stop() == 0
    assert world.told() == {"desk": 2, "lead": 2, "owner": 0}
    [first, *_] = world.sinks["desk"].received
    [shown] = world.daemon.json("deliveries", "show", ref(first.json["message"]))
    assert shown["acknowledged"]["by"] == "Ann <b>Lee</b>"
    assert "Ann" not in world.daemon.log


def test_a_command_takes_it_too_with_a_daemon_and_without(world: World) -> None:
    world.start("1h", "2h")
    world.link()
    [desk] = world.daemon.json("deliveries", "--channel", "desk")
    done = world.daemon.cli("deliveries", "ack", desk["id"][:6], "--by", "Ann")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"delivery {desk['id'][:8]} is taken by Ann, ")
    assert texts(world.sinks["desk"], 2)[1].startswith("Taken by Ann, ")
    again = world.daemon.cli("deliveries", "ack", desk["id"], "--by", "Bob")
    assert (again.returncode, "was taken by Ann" in again.stderr) == (1, True)
    assert [one["rule"] for one in world.daemon.json("windows")] == ["witness"]
    assert world.daemon.stop() == 0

    witness = world.daemon.json("deliveries", "--channel", "witness")[0]["id"]
    done = world.daemon.cli("deliveries", "ack", witness, "--by", "Eve")
    assert done.returncode == 0, done.stderr
    again = world.daemon.cli("deliveries", "ack", witness)
    assert (again.returncode, "was taken by Eve" in again.stderr) == (1, True)
    assert world.daemon.json("windows") == []
    assert len(world.sinks["witness"].received) == 1
    world.daemon.start()
    assert texts(world.sinks["witness"], 2)[1].startswith("Taken by Eve, ")
    assert world.told() == {"desk": 2, "lead": 0, "owner": 0}
