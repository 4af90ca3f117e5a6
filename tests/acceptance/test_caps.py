"""A flood of events for one phone, through a real daemon: the cap is sent, and each of the rest is on record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon
from tests.sinks import HttpSink
from zennotify.core.cap import recipient_key

RULES = """
rules:
  - {id: hello, description: Welcome, event: Guest.Created, notify: guest-sms, message: "Hello {{ guest.first_name }}"}
  - {id: last, event: Class.Schedule.Cancelled, notify: desk, message: over}
"""
CENTERS = "centers:\n  c1: {name: Bellevue, country: US}\n"
NORA, PHONE = "d08327d8-f928-4c37-8be3-87b93c90ac56", "+12065550188"


class World:
    """A daemon whose guests' messages and own ones lead to sinks."""

    def __init__(self, folder: Path, phones: HttpSink, desk: HttpSink, **caps: Any) -> None:
        (folder / "centers.yaml").write_text(CENTERS)
        self.phones, self.desk = phones, desk
        guests = {
            "url": f"signal://127.0.0.1:{phones.port}/+12065550111",
            "to": "{{ guest.phone }}",
            "allowed_prefixes": ["+1"],
            **caps,
        }
        channels = {"guest-sms": guests, "desk": {"url": desk.url()}}
        self.daemon = Daemon(folder, channels=channels, rules=RULES, ops=["desk"])
        self._posted = 0
        self._told = 0

    def post(self, event_type: str, data: dict[str, Any]) -> None:
        self._posted += 1
        event = {
            "event_id": f"e-{self._posted}",
            "event_type": event_type,
            "data": {"center_id": "c1", "number": self._posted, **data},
        }
        assert self.daemon.post(event)[1]["status"] == "accepted"

    def created(self, guest: str, phone: Any) -> None:
        person = {"first_name": "Nora", "last_name": "Pilcrow", "mobile_phone": phone}
        self.post("Guest.Created", {"id": guest, "personal_info": person})

    def wait_until_decided(self) -> None:
        """Events are decided in the order of their arrival."""
        self._told += 1
        self.post("Class.Schedule.Cancelled", {"sesion_id": self._told})
        assert self.desk.wait_until(lambda received: _texts(received).count("over") == self._told)

    def decisions(self) -> Counter[tuple[str, str]]:
        listed = self.daemon.json("events", "list", "--limit", "1000", "--type", "Guest.Created")
        return Counter((one["reason"], one["detail"][:28]) for event in listed for one in event["decisions"])


def _texts(received: Any) -> list[str]:
    return [one.first_line for one in received]


@pytest.fixture
def sinks() -> Iterator[tuple[HttpSink, HttpSink]]:
    with HttpSink() as phones, HttpSink() as desk:
        yield phones, desk


def numbers(phones: HttpSink) -> list[str]:
    return [number for received in phones.received for number in received.json["recipients"]]


def test_one_phone_a_hundred_times_in_a_minute(tmp_path: Path, sinks: tuple[HttpSink, HttpSink]) -> None:
    world = World(tmp_path, *sinks, per_recipient=["5/h", "50/d"], per_day=500)
    daemon = world.daemon
    written: list[Any] = [
        PHONE,
        "(206) 555-0188",
        {"country_code": 1, "number": "2065550188"},
        "206.555.0188",
    ]
    try:
        daemon.start()
        for number in range(3):
            world.created(NORA, written[number])
        world.phones.wait_for(3)
        world.wait_until_decided()
        daemon.kill()  # what was counted is in the store, not in the process
        daemon.start()
        for number in range(97):
            world.created(NORA, written[number % 4])
        world.created("mia", "206 555 0199")  # another guest suffers nothing
        world.wait_until_decided()
        assert world.phones.wait_until(lambda _: len(set(numbers(world.phones))) == 2)
        _, metrics = daemon.admin("/metrics")
        assert 'zennotify_decisions_total{reason="held_back",rule="hello"} 95.0' in metrics
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    assert Counter(numbers(world.phones))["+12065550199"] == 1
    # A message that was under way when the daemon was killed may come twice: it is one delivery.
    assert len(daemon.json("deliveries", "list", "--channel", "guest-sms", "--limit", "1000")) == 6
    assert world.decisions() == {("notified", ""): 6, ("held_back", "guest-sms: per_recipient 5/h"): 95}
    assert set(_texts(world.desk.received)) == {"over"}  # ops is told of a whole day only
    assert "5550188" not in daemon.log

    assert daemon.cli("forget", NORA, "--yes").returncode == 0
    left = b"".join(path.read_bytes() for path in tmp_path.glob("zennotify.db*"))
    assert recipient_key("+12065550199").encode() in left
    assert not [
        trace for trace in (b"5550188", NORA.encode(), recipient_key(PHONE).encode()) if trace in left
    ]


def test_when_the_day_is_used_up_the_owners_hear_of_it_once(
    tmp_path: Path, sinks: tuple[HttpSink, HttpSink]
) -> None:
    world = World(tmp_path, *sinks, per_recipient="2/d", per_day=10)
    try:
        world.daemon.start()
        for number in range(30):
            world.created(f"guest-{number}", f"20655501{number:02}")
        world.phones.wait_for(10)
        world.wait_until_decided()
        assert world.desk.wait_until(lambda received: len(received) == 2)
        assert world.daemon.stop() == 0
    finally:
        world.daemon.kill()
    assert sorted(numbers(world.phones)) == [f"+120655501{number:02}" for number in range(10)]
    assert world.decisions() == {("notified", ""): 10, ("held_back", "guest-sms: per_day 10 until "): 20}
    [told] = [one.json for one in world.desk.received if _texts([one]) != ["over"]]
    assert told["title"] == "zennotify: guest-sms has sent as many messages as it may in a day"
    assert "guest-sms: per_day 10 until 20" in told["message"]
    assert "Until then no guest gets a message through it." in told["message"]
