"""Names in messages of a real daemon: waited for, looked up in a real server that plays Zenoti's API, or missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon
from tests.sinks import Answer, HttpSink, SmtpSink
from tests.zenoti_api import HANGS, LOGIN_PAGE, ZenotiServer, guest, session, too_many
from zennotify.cli.demo import harmless
from zennotify.cli.project import load_project
from zennotify.configured import open_ways
from zennotify.core.model import Form, Label, Message, Outcome

RULES = """
rules:
  - id: no-show
    description: Somebody did not come
    event: Class.Booking.NoShow
    notify: desk
    message: "{{ guest.name }} did not come to {{ session.name }}."
"""
WAITING = """
rules:
  - id: status
    description: A booking changed
    event: AppointmentGroup.Status
    wait_for_names: 30m
    notify: desk
    message: "{{ guest.name }}: {{ group.services | join(', ') if group.services else 'something' }}"
"""
_number = iter(range(10_000))


def body(event_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    number = next(_number)
    return {
        "id": f"call-{number}",
        "event_id": f"event-{number}",
        "event_type": event_type,
        "event_timestamp": f"2026-03-01T12:00:{number % 60:02}Z",
        "data": dict(data),
    }


def no_show(guest_id: str = "g1", session_id: int = 89607) -> dict[str, Any]:
    return body("Class.Booking.NoShow", {"guest_id": guest_id, "session_id": session_id, "center_id": "c1"})


def booked(group: str, guest_id: str, first: str, service: str, email: str = "") -> dict[str, Any]:
    person = {"id": guest_id, "first_name": first, "last_name": "Lee", "email": email}
    visit = {"service_name": service, "start_time": "2026-03-01T20:00:00"}
    return body(
        "AppointmentGroup.Created", {"appointment_group_id": group, "guest": person, "appointments": [visit]}
    )


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as sink:
        yield sink


@pytest.fixture
def zenoti() -> Iterator[ZenotiServer]:
    with ZenotiServer() as zenoti:
        zenoti.guests["g1"] = guest("g1", "Ann", "Lee")
        zenoti.guests["g2"] = guest("g2", "Ben", "Fox")
        zenoti.sessions.append(session(89607, "Yoga", "2026-03-01T10:00:00", "2026-03-01T11:00:00"))
        yield zenoti


def text(received: Any) -> str:
    return str(received.json["message"]).split("\n\nRef")[0]


def api(zenoti: ZenotiServer) -> dict[str, Any]:
    return {"zenoti_api": {"key": zenoti.key, "base_url": zenoti.base_url}}


def test_a_name_that_no_event_taught_is_looked_up_once_and_kept(
    tmp_path: Path, sink: HttpSink, zenoti: ZenotiServer
) -> None:
    daemon = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES, **api(zenoti))
    try:
        daemon.start()
        daemon.post(no_show())
        assert text(sink.wait_for(1)[0]) == "Ann Lee did not come to Yoga."
        asked = list(zenoti.calls)
        assert len(asked) == 2
        assert daemon.stop() == 0
        daemon.start()  # nothing is left in memory
        daemon.post(no_show())
        assert text(sink.wait_for(2)[1]) == "Ann Lee did not come to Yoga."
        assert zenoti.calls == asked
    finally:
        daemon.kill()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HANGS, "Zenoti's API did not answer in time"),
        (Answer(401), "Zenoti's API refused the key"),
        (LOGIN_PAGE, "Zenoti's API"),
        (too_many("3600"), "Zenoti's API allows no more calls at the moment"),
    ],
    ids=["hangs", "refuses", "is something else", "is busy"],
)
def test_without_an_answer_the_message_goes_out_without_the_name_and_says_so(
    tmp_path: Path, sink: HttpSink, zenoti: ZenotiServer, answer: Answer, reason: str
) -> None:
    zenoti.always = answer
    daemon = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES, **api(zenoti))
    try:
        daemon.start()
        assert daemon.post(no_show())[1]["status"] == "accepted"
        said, _, why = text(sink.wait_for(1)[0]).partition("\n\n")
        assert said == "a guest did not come to a class."
        assert why.startswith(f"A name is missing: {reason}")
        assert daemon.stop() == 0
        assert zenoti.key not in daemon.log
    finally:
        daemon.kill()


def test_an_id_that_is_none_is_not_asked_for(tmp_path: Path, sink: HttpSink, zenoti: ZenotiServer) -> None:
    daemon = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES, **api(zenoti))
    try:
        daemon.start()
        event = body("Class.Booking.NoShow", {"guest_id": ["g1"], "session_id": {"a": 1}, "center_id": "c1"})
        assert daemon.post(event)[1]["status"] == "accepted"
        assert text(sink.wait_for(1)[0]) == "a guest did not come to a class."
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    assert zenoti.calls == []


def test_the_limit_is_kept_and_no_message_is_lost(
    tmp_path: Path, sink: HttpSink, zenoti: ZenotiServer
) -> None:
    for number in range(70):
        zenoti.guests[f"many-{number}"] = guest(f"many-{number}", "Guest", str(number))
    rules = RULES.replace("to {{ session.name }}", "today")
    daemon = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=rules, **api(zenoti))
    try:
        daemon.start()
        for number in range(70):
            assert daemon.post(no_show(f"many-{number}"))[1]["status"] == "accepted"
        texts = [text(received) for received in sink.wait_for(70)]
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    named = {said for said in texts if said.startswith("Guest ")}
    assert 0 < len(named) == len(zenoti.calls) <= 60
    assert len(texts) - len(named) == 70 - len(zenoti.calls)
    assert all("API calls a minute are used up" in said for said in texts if said not in named)


def test_an_api_that_hangs_holds_up_no_request_and_loses_no_message(
    tmp_path: Path, sink: HttpSink, zenoti: ZenotiServer
) -> None:
    zenoti.always = HANGS
    daemon = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES, **api(zenoti))
    try:
        daemon.start()
        daemon.post(no_show())
        zenoti.wait_for(1)
        for number in range(20):  # answered while the API is being waited for
            assert daemon.post(no_show(f"other-{number}", number))[1]["status"] == "accepted"
        assert sink.received == []
        assert len(sink.wait_for(21)) == 21
        assert daemon.stop() == 0
    finally:
        daemon.kill()


def test_a_message_waits_for_a_name_and_is_sent_when_it_is_learned(tmp_path: Path, sink: HttpSink) -> None:
    daemon = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=WAITING)
    try:
        daemon.start()
        daemon.post(body("AppointmentGroup.Status", {"appointment_group_id": "first"}))
        daemon.post(body("AppointmentGroup.Status", {"appointment_group_id": "second"}))
        daemon.post(booked("SECOND", "g7", "Mia", "Massage"))
        assert text(sink.wait_for(1)[0]) == "Mia Lee: Massage"
        daemon.post(booked("first", "g8", "Ida", "Facial"))
        assert text(sink.wait_for(2)[1]) == "Ida Lee: Facial"
        # What is known already waits for nothing.
        daemon.post(body("AppointmentGroup.Status", {"appointment_group_id": "first", "more": 1}))
        assert text(sink.wait_for(3)[2]) == "Ida Lee: Facial"
        assert daemon.stop() == 0
    finally:
        daemon.kill()


GUESTS = """
rules:
  - id: reminder
    description: Your booking
    event: AppointmentGroup.Status
    notify: [guest-mail, desk]
    message: "Dear {{ guest.first_name }}, see you soon."
"""


def test_a_guest_gets_mail_until_the_guest_opts_out(tmp_path: Path, sink: HttpSink) -> None:
    with SmtpSink() as smtp:
        channels = {
            "guest-mail": {
                "url": smtp.url(query="?from=salon@example.com"),
                "to": "{{ guest.email }}",
                "form": "chat",
            },
            "desk": {"url": sink.url()},
        }
        daemon = Daemon(tmp_path, channels=channels, rules=GUESTS, ops=["guest-mail"])
        assert "ops[0]: `guest-mail` writes to guests" in daemon.cli("check").stderr
        daemon = Daemon(tmp_path, channels=channels, rules=GUESTS)
        wishes = {"marketing": {"email": "opted-out", "sms": "opted-in"}}
        try:
            daemon.start()
            daemon.post(booked("g", "G9", "Ann", "Massage", "pat.o'brien@example.com"))
            daemon.post(body("AppointmentGroup.Status", {"appointment_group_id": "g"}))
            [mail] = smtp.wait_for(1)
            assert mail.recipients == ("pat.o'brien@example.com",)
            assert "Dear Ann, see you soon." in mail.part("plain")
            daemon.post(body("Guest.OptedOut", {"id": "g9", "current_preferences": wishes}))
            daemon.post(body("AppointmentGroup.Status", {"appointment_group_id": "g", "more": 1}))
            daemon.post(body("AppointmentGroup.Status", {"appointment_group_id": "unknown"}))
            sink.wait_for(3)
            assert daemon.stop() == 0
        finally:
            daemon.kill()
        assert len(smtp.received) == 1
        decisions = [one["decisions"][0] for one in daemon.json("events", "list") if one["decisions"]]
        assert [(one["reason"], one["detail"]) for one in reversed(decisions)] == [
            ("notified", ""),
            ("notified", "guest-mail: the guest has opted out of marketing email"),
            ("notified", "guest-mail: `to` gives no address for this event"),
        ]
        assert "brien" not in daemon.log


ROLES = """
rules:
  - id: no-show
    description: Somebody did not come
    event: Class.Booking.NoShow
    match: {center.name: Bellevue}
    notify: [team]
    message: "{{ center.name }} ({{ center.region }}), {{ data.paid | default(0) | money }}"
  - id: others
    description: Elsewhere
    event: Class.Booking.NoShow
    match: {center.name: {not: Bellevue}}
    notify: team
    message: "{{ center.name }}"
"""
CENTERS = """
centers:
  c1: {name: Bellevue, region: north, currency: EUR}
  c2: {name: Kirkland, region: north, channels: {team: kirkland}}
  c3: {name: Olympia}
regions:
  north: {channels: {team: north}}
"""


def test_centers_yaml_names_centres_and_says_who_is_told_there(tmp_path: Path, sink: HttpSink) -> None:
    (tmp_path / "centers.yaml").write_text(CENTERS)
    channels = {"north": {"url": sink.url("/north")}, "kirkland": {"url": sink.url("/kirkland")}}
    daemon = Daemon(tmp_path, channels=channels, rules=ROLES)
    told = {
        "C1": ("notified", ""),
        "c2": ("notified", ""),
        "c3": ("no_recipient", "team: no channel at this centre"),
        "c4": ("no_recipient", "team: no channel at this centre"),
    }
    try:
        daemon.start()
        for center in told:
            daemon.post(body("Class.Booking.NoShow", {"center_id": center, "paid": 12.5}))
        received = sink.wait_for(2)
        assert daemon.stop() == 0
        assert {(one.path, text(one)) for one in received} == {
            ("/north", "Bellevue (north), €12.50"),
            ("/kirkland", "Kirkland"),
        }
        listed = {one["center"]: one["decisions"][0] for one in daemon.json("events", "list")}
        assert {center: (one["reason"], one["detail"]) for center, one in listed.items()} == told
        assert daemon.log.count("center=c4 is not in centers.yaml") == 1
        assert "center=c3" not in daemon.log
    finally:
        daemon.kill()
    checked = daemon.cli("check")
    assert "`team` means no channel at Olympia, nor in its region" in checked.stderr


def test_the_demo_writes_to_no_guest(tmp_path: Path) -> None:
    channels = {
        "guest-mail": {"url": "mailto://127.0.0.1:1?from=salon@example.com", "to": "{{ guest.email }}"},
        "desk": {"url": "json://127.0.0.1:1"},
    }
    daemon = Daemon(tmp_path, channels=channels, rules=GUESTS)
    config = harmless(load_project(daemon.config, need_secrets=False))
    shown = {name: (one.url.get_secret_value(), one.form) for name, one in config.channels.items()}
    assert shown == {
        "guest-mail": ("console://guest-mail", Form.EMAIL),
        "desk": ("json://127.0.0.1:1", None),
    }
    printed: list[str] = []
    [way] = (way for way in open_ways(config, printed.append) if way.towards is not None)
    assert way.towards is not None
    message = Message(title="T", body="<p>Dear Ann</p>", form=Form.EMAIL)
    assert way.towards("ann@example.com").send(message, Label("d")).outcome is Outcome.SENT
    assert "guest-mail → ann@example.com" in printed[0]
