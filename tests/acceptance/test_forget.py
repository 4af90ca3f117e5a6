"""A guest is forgotten: no byte of name, phone or id is left in the store's files, and nobody else suffers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon
from tests.sinks import Answer, HttpSink
from zennotify.store import open_reader

RULES = """
rules:
  - id: all
    event: "*"
    notify: desk
    message: "{{ guest.name }} {{ guest.phone }} {{ data.guest_id | default('') }} {{ group.services }}"
  - id: once-a-day
    event: [Class.Booking.*, Guest.*]
    once: {per: guest.id, for: 24h}
    notify: late
    message: "{{ guest.name }} in {{ session.name }} with {{ session.guests }}"
  - id: class
    event: Class.Schedule.Updated
    notify: desk
    message: "{{ session.name }}: {{ session.guests | join(', ') }}"
"""
NORA = "D08327D8-F928-4c37-8be3-87b93c90ac56"
MIA = "5dbd3f94-9961-41eb-a7b0-480a8c49db4f"
PHONE = "2065550188"
#: What must not be found any more.
TRACES = (b"nora", b"pilcrow", NORA.lower().encode(), PHONE.encode())
CENTER = {"center_id": "c-1", "center_name": "Bellevue"}


def person(guest: str, first: str, phone: str) -> dict[str, Any]:
    return {
        "id": guest,
        "first_name": first,
        "last_name": "Pilcrow" if guest == NORA else "Brook",
        "mobile_phone": {"number": phone},
    }


def events() -> list[tuple[str, dict[str, Any]]]:
    nora, mia = person(NORA, "Nora", PHONE), person(MIA, "Mia", "2065550199")
    return [
        ("Class.Schedule.Created", {**CENTER, "sesion_id": 7, "class_name": "Yoga"}),
        ("Guest.Created", {**CENTER, "id": NORA, "personal_info": nora}),
        ("Guest.Created", {**CENTER, "id": MIA, "personal_info": mia}),
        ("Class.Booking.Created", {**CENTER, "session_id": 7, "guest_id": NORA.lower()}),
        ("Class.Booking.Created", {**CENTER, "session_id": 7, "guest_id": MIA}),
        ("Class.Schedule.Updated", {**CENTER, "sesion_id": 7, "class_name": "Yoga"}),
        ("AppointmentGroup.Created", {**CENTER, "appointment_group_id": "g-1", "invoice_id": "i-1", "guest": nora}),
        ("AppointmentGroup.Created", {**CENTER, "appointment_group_id": "g-2", "invoice_id": "i-2", "guest": mia}),
        ("AppointmentGroup.Status", {"appointment_group_id": "g-1", "appointment_group_status": 2}),
        ("AppointmentGroup.Status", {"appointment_group_id": "g-2", "appointment_group_status": 2}),
        ("Guest.Membership.Reinstate", {"user_membership_id": "m", "members": [{"name": "Nora Pilcrow", "id": NORA}]}),
        ("Something.New", {"list": [{"person": NORA.upper()}]}),
    ]  # fmt: skip


def post_all(daemon: Daemon) -> None:
    for number, (event_type, data) in enumerate(events()):
        body = {
            "event_id": f"e-{number}",
            "event_type": event_type,
            "event_timestamp": f"2026-03-01T12:00:{number:02}Z",
            "data": data,
        }
        assert daemon.post(body)[1]["status"] == "accepted"
    assert daemon.post(f'{{"guest": "{NORA}", "name": "Nora Pilcrow"'.encode())[1]["status"] == "quarantined"
    assert daemon.post(b'{"guest": "somebody else"')[1]["status"] == "quarantined"


@pytest.fixture
def desk() -> Iterator[HttpSink]:
    with HttpSink() as desk:
        yield desk


@pytest.fixture
def daemon(tmp_path: Path, desk: HttpSink) -> Iterator[Daemon]:
    with HttpSink() as late:
        # It asks its channel to wait: its messages do, tried or not.
        late.answer(Answer(503, headers={"Retry-After": "3600"}))
        channels = {"desk": {"url": desk.url()}, "late": {"url": late.url()}}
        daemon = Daemon(tmp_path, channels=channels, rules=RULES)
        daemon.start()
        try:
            post_all(daemon)
            desk.wait_for(len(events()) + 1)
            late.wait_for(1)
            for _ in range(100):  # what was received is perhaps not settled yet
                if not daemon.json("deliveries", "--state", "sending"):
                    break
            yield daemon
        finally:
            daemon.kill()


def traces(folder: Path) -> dict[str, list[bytes]]:
    found = {path.name: path.read_bytes().lower() for path in folder.glob("zennotify.db*")}
    assert "zennotify.db" in found
    return {
        name: left for name, text in found.items() if (left := [trace for trace in TRACES if trace in text])
    }


def counts(done: Any) -> dict[str, int]:
    return {row["kind"]: row["count"] for row in json.loads(done.stdout)}


#: Beside those of its events: the texts of a booking's status and, twice, of a class that lists its guests.
ERASED = {"events": 5, "texts": 3, "windows": 1, "quarantine": 1, "cancelled": 1, "left": 0}


@pytest.mark.parametrize("is_running", [True, False], ids=["beside the daemon", "without a daemon"])
def test_no_byte_of_a_guest_is_left(daemon: Daemon, is_running: bool) -> None:
    if not is_running:
        assert daemon.stop() == 0
    assert traces(daemon.folder)
    done = daemon.cli("forget", NORA, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    erased = counts(done)
    assert {kind: erased[kind] for kind in ERASED} == ERASED
    assert "out of reach" in done.stderr
    assert traces(daemon.folder) == {}
    if is_running:
        assert daemon.cli("forget", "nobody", "--yes").returncode == 0
        assert daemon.stop() == 0
        assert traces(daemon.folder) == {}
    listed = daemon.json("events", "--limit", "100")
    assert [one["type"] for one in reversed(listed)] == [
        event_type for event_type, data in events() if NORA.lower() not in json.dumps(data).lower()
    ]
    again = daemon.cli("forget", NORA, "--yes", "--json")
    assert (again.returncode, set(counts(again).values())) == (0, {0})
    assert "nothing to erase" in again.stderr
    assert daemon.log.count("a guest was forgotten") == is_running


def test_the_others_are_still_known_and_the_guest_is_learned_again(daemon: Daemon, desk: HttpSink) -> None:
    before = len(desk.received)
    assert daemon.cli("forget", NORA.lower(), "--yes").returncode == 0
    for number, group in enumerate(("g-1", "g-2")):
        daemon.post(
            {
                "event_id": f"later-{number}",
                "event_type": "AppointmentGroup.Status",
                "data": {"appointment_group_id": group},
            }
        )
    desk.wait_for(before + 2)
    said = sorted(received.json["message"] for received in desk.received[before:])
    assert said[0].startswith("Mia Brook")
    assert said[1].startswith("a guest")
    event_type, data = events()[6]
    daemon.post({"event_id": "again", "event_type": event_type, "data": data})
    desk.wait_for(before + 3)
    assert desk.received[-1].json["message"].startswith("Nora Pilcrow")


SHARED = """
rules:
  - id: status
    event: AppointmentGroup.Status
    notify: [desk, guest-mail]
    message: "{{ guest.name }}: status"
  - id: hello
    event: Guest.Created
    once: {per: guest.email, for: 24h}
    notify: desk
    message: "{{ guest.name }}: hello"
"""


def test_what_two_guests_share_stays_with_the_other(tmp_path: Path, desk: HttpSink) -> None:
    def booked(group: str, invoice: str, guest: str) -> dict[str, Any]:
        return {**CENTER, "appointment_group_id": group, "invoice_id": invoice, "guest": {"id": guest}}

    def known(guest: str, name: str) -> dict[str, Any]:
        info = {"first_name": name, "last_name": "Brook", "email": f"{name}@example.com"}
        return {**CENTER, "id": guest, "personal_info": info}

    told = [
        ("Guest.Created", known(NORA, "Nora")),
        ("Guest.Created", known(MIA, "Mia")),
        ("AppointmentGroup.Created", booked("g-1", "i-1", NORA)),
        ("AppointmentGroup.Created", booked("g-2", "i-1", MIA)),
        ("AppointmentGroup.Created", booked("g-3", "i-3", NORA)),
        ("AppointmentGroup.Updated", booked("g-3", "i-3", MIA)),
        ("AppointmentGroup.Status", {"appointment_group_id": "g-1", "invoice_id": "i-1"}),
        ("AppointmentGroup.Status", {"appointment_group_id": "g-2", "invoice_id": "i-1"}),
        ("AppointmentGroup.Status", {"appointment_group_id": "g-3", "invoice_id": "i-3"}),
    ]
    guest_mail = {"url": "mailto://127.0.0.1:1?from=salon@example.com", "to": "{{ guest.email }}"}
    daemon = Daemon(tmp_path, channels={"desk": {"url": desk.url()}, "guest-mail": guest_mail}, rules=SHARED)
    daemon.start()
    try:
        for number, (event_type, data) in enumerate(told):
            stamp = f"2026-03-01T12:00:{number:02}Z"
            body = {
                "event_id": f"e-{number}",
                "event_type": event_type,
                "event_timestamp": stamp,
                "data": data,
            }
            assert daemon.post(body)[1]["status"] == "accepted"
        desk.wait_for(5)
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    assert daemon.cli("forget", NORA, "--yes").returncode == 0
    reader = open_reader(f"sqlite:///{tmp_path / 'zennotify.db'}")
    messages = sorted((one.channel, str(one.message).partition("\n")[0]) for one in reader.deliveries())
    facts = {key for page in reader.all_facts() for key, _ in page}
    windows = [window.key for page in reader.all_windows() for window in page]
    reader.close()
    kept = [("desk", "Mia Brook: hello"), *[("desk", "Mia Brook: status")] * 2, ("desk", "None")]
    assert [one for one in messages if one[0] == "desk"] == kept
    assert [channel for channel, _ in messages].count("guest-mail") == 2
    assert {"guest " + MIA, "group g-2", "group g-3", "invoice i-1", "invoice i-3"} <= facts
    assert not {"guest " + NORA.lower(), "group g-1"} & facts
    assert windows == ['[["mia@example.com"]]']
    assert traces(tmp_path) == {}


GATHERED = """
rules:
  - id: told
    event: Guest.Created
    digest: {every: 2s}
    notify: [desk, late]
    message: "{{ count }} new:{% for e in events %} {{ e.guest.name }} {{ e.guest.phone }}{% endfor %}"
  - id: open
    event: Guest.Created
    digest: {every: 1h}
    notify: desk
    message: "{{ count }}"
  - id: absent
    absent: {event: Class.Booking.Created, for: 1h, per: center.id}
    notify: desk
    message: "nothing since {{ guest.name }}"
  - id: cancelled
    event: Class.Schedule.Cancelled
    notify: desk
    message: "{{ session.name }}: {{ session.guest_names | join(', ') }}"
"""


def until_there(daemon: Daemon, state: str) -> list[str]:
    """Return the ids of the deliveries of a state as soon as there are some, and none is under way."""
    states: dict[str, str] = {}
    for _ in range(100):  # what was received is perhaps not settled yet
        states = {one["id"]: one["state"] for one in daemon.json("deliveries")}
        if state in states.values() and "sending" not in states.values():
            break
    return [id_ for id_, one in states.items() if one == state]


@pytest.mark.parametrize("is_running", [True, False], ids=["beside the daemon", "without a daemon"])
def test_what_was_gathered_is_told_without_the_guest(
    tmp_path: Path, desk: HttpSink, is_running: bool
) -> None:
    nora, mia = person(NORA, "Nora", PHONE), person(MIA, "Mia", "2065550199")
    told = [
        ("Class.Schedule.Created", {**CENTER, "sesion_id": 7, "class_name": "Yoga"}),
        ("Guest.Created", {**CENTER, "id": NORA, "personal_info": nora}),
        ("Guest.Created", {**CENTER, "id": MIA, "personal_info": mia}),
        ("Class.Booking.Created", {**CENTER, "session_id": 7, "guest_id": MIA}),
        ("Class.Booking.Created", {**CENTER, "session_id": 7, "guest_id": NORA}),
        ("Class.Schedule.Cancelled", {**CENTER, "sesion_id": 7}),
    ]
    with HttpSink() as late:
        late.answer(Answer(400), Answer())
        channels = {"desk": {"url": desk.url()}, "late": {"url": late.url()}}
        daemon = Daemon(tmp_path, channels=channels, rules=GATHERED)
        daemon.start()
        try:
            for number, (event_type, data) in enumerate(told):
                body = {"event_id": f"e-{number}", "event_type": event_type, "data": data}
                assert daemon.post(body)[1]["status"] == "accepted"
            said = sorted(received.json["message"].partition("\n")[0] for received in desk.wait_for(2))
            both = f"2 new: Nora Pilcrow {PHONE} Mia Brook 2065550199"
            assert (said[0], sorted(said[1].split(": ")[1].split(", "))) == (
                both,
                ["Mia Brook", "Nora Pilcrow"],
            )
            assert late.wait_for(1)[0].json["message"].startswith(both)
            [dead] = until_there(daemon, "dead")
            if not is_running:
                assert daemon.stop() == 0
            assert traces(tmp_path)
            assert daemon.cli("forget", NORA, "--yes").returncode == 0
            assert traces(tmp_path) == {} or is_running
            if not is_running:
                daemon.start()
            assert daemon.cli("deliveries", "retry", dead).returncode == 0
            assert late.wait_for(2)[1].json["message"].startswith("1 new: Mia Brook 2065550199\n")
            shown = {one["rule"]: one for one in daemon.json("windows")}
            [left] = daemon.json("events", "show", shown["open"]["event"])
            assert (shown["open"]["count"], left["body"]["data"]["id"]) == (1, MIA)
            [emptied] = daemon.json("events", "show", shown["absent"]["event"])
            assert (emptied["type"], emptied["body"]["data"]) == (
                "Class.Booking.Created",
                {"center_id": "c-1"},
            )
            assert len(until_there(daemon, "delivered")) == 3
            assert daemon.stop() == 0
        finally:
            daemon.kill()
    # Nothing that went out since has brought the name back; and the file is rewritten.
    assert daemon.cli("forget", NORA, "--yes").returncode == 0
    assert traces(tmp_path) == {}
    kept = {(one["rule"], one["channel"], one["state"], one["count"]) for one in daemon.json("deliveries")}
    assert kept == {
        ("told", "desk", "delivered", 2),
        ("told", "late", "delivered", 1),
        ("cancelled", "desk", "delivered", 0),
    }
