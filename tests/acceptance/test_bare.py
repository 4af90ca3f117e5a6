"""Bodies that come without their envelope, and types under another name, go the whole way; also over a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon
from tests.sinks import HttpSink
from zennotify.zenoti.sample import load_sample

RULES = """
rules:
  - id: frozen
    event: Guest.Membership.Freeze
    notify: desk
    message: >-
      {{ event.type }} in {{ center.name }}, {{ data.recurrence_status | word }},
      until {{ membership.expiry | local | date }}
  - id: redeemed
    event: [guest.redeemed, Guest Package Creation]
    notify: desk
    message: "{{ event.type }}: {{ package.name }}"
"""
ALIASES = {
    "Guest.Membership.Frozen": "Guest.Membership.Freeze",
    "Guest.Redeemed": "Guest.Package.Redemption",
}
FREEZE = load_sample("Guest.Membership.Freeze")["data"]
REDEMPTION = load_sample("Guest.Package.Redemption")["data"]


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as sink:
        yield sink


def make_daemon(folder: Path, sink: HttpSink, rules: str = RULES) -> Daemon:
    return Daemon(folder, channels={"desk": {"url": sink.url()}}, rules=rules, event_aliases=ALIASES)


def messages(sink: HttpSink) -> list[str]:
    return sorted(received.json["message"].partition("\n")[0] for received in sink.received)


def test_bare_bodies_are_told_by_their_shape_or_by_the_url_or_kept_visibly(
    tmp_path: Path, sink: HttpSink
) -> None:
    daemon = make_daemon(tmp_path, sink)
    try:
        daemon.start()
        first = daemon.post(FREEZE)[1]
        assert first["status"] == "accepted"
        assert daemon.post(FREEZE)[1] == {"status": "duplicate", "event": first["event"]}
        other = FREEZE | {"user_membership_id": "another"}
        assert daemon.post(other)[1]["status"] == "accepted"
        assert daemon.post(REDEMPTION)[1] == {"status": "quarantined", "reason": "no_envelope"}
        named = daemon.post(REDEMPTION, event_type="Guest.Package.Redemption")[1]
        assert named["status"] == "accepted"
        sink.wait_for(3)
        [kept] = daemon.json("events", "--quarantine")
        assert kept["reason"] == "no_envelope"
        listed = {one["id"]: one for one in daemon.json("events")}
        assert (listed[first["event"]]["type"], listed[first["event"]]["at"]) == (
            "Guest.Membership.Freeze",
            None,
        )
        assert listed[named["event"]]["type"] == "Guest.Package.Redemption"
        assert 'zennotify_events_total{type="Guest.Membership.Freeze"} 2.0' in daemon.admin("/metrics")[1]
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    assert messages(sink) == [
        "Guest.Membership.Freeze in Khammam, Frozen, until Thu, Mar 30, 2023",
        "Guest.Membership.Freeze in Khammam, Frozen, until Thu, Mar 30, 2023",
        "Guest.Package.Redemption: 15 min facial package",
    ]


def test_what_waits_over_a_restart_is_decided_and_written_as_what_it_came_as(
    tmp_path: Path, sink: HttpSink
) -> None:
    """Without rules, events wait undecided; they are opened again when there are some."""
    daemon = make_daemon(tmp_path, sink, rules="rules: [{}]\n")
    try:
        daemon.start()
        first = daemon.post(FREEZE)[1]
        named = daemon.post(REDEMPTION, event_type="Guest.Redeemed")[1]
        assert {first["status"], named["status"]} == {"accepted"}
        daemon.kill()
        (tmp_path / "rules.yaml").write_text(RULES)
        daemon.start()
        assert daemon.post(FREEZE)[1] == {"status": "duplicate", "event": first["event"]}
        sink.wait_for(2)
        listed: dict[str, Any] = {one["id"]: one for one in daemon.json("events")}
        assert [one["rule"] for one in listed[first["event"]]["decisions"]] == ["frozen"]
        assert [one["rule"] for one in listed[named["event"]]["decisions"]] == ["redeemed"]
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    assert messages(sink) == [
        "Guest.Membership.Freeze in Khammam, Frozen, until Thu, Mar 30, 2023",
        "Guest.Redeemed: 15 min facial package",
    ]


def test_a_rule_hears_of_a_type_under_all_its_names(tmp_path: Path, sink: HttpSink) -> None:
    daemon = make_daemon(tmp_path, sink)
    try:
        daemon.start()
        for number, (sample, name) in enumerate(
            [
                ("Guest.Membership.Freeze", "guest.membership.FROZEN"),
                ("Guest.Package.Redemption", "Guest.Package.Redemption"),
                ("Guest.Package.Created", "Guest.Package.Created"),
            ]
        ):
            sent = load_sample(sample) | {"event_type": name, "event_id": f"event-{number}"}
            assert daemon.post(sent)[1]["status"] == "accepted"
        sink.wait_for(3)
        metrics = daemon.admin("/metrics")[1]
        assert 'zennotify_events_total{type="Guest.Membership.Freeze"} 1.0' in metrics
        assert 'type="other"' not in metrics
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    assert messages(sink) == [
        "Guest.Package.Created: 15 min facial package",
        "Guest.Package.Redemption: 15 min facial package",
        "guest.membership.FROZEN in Khammam, Frozen, until Thu, Mar 30, 2023",
    ]


def test_a_file_without_an_envelope_is_simulated_as_its_shape_says(tmp_path: Path, sink: HttpSink) -> None:
    daemon = make_daemon(tmp_path, sink)
    freeze, redemption = tmp_path / "freeze.json", tmp_path / "redemption.json"
    freeze.write_text(json.dumps(FREEZE))
    redemption.write_text(json.dumps(REDEMPTION))
    try:
        daemon.start()
        for _ in range(2):  # a new occasion each time
            assert daemon.json("simulate", str(freeze))[0]["status"] == "accepted"
        done = daemon.cli("simulate", str(redemption))
        assert done.returncode == 2
        assert "has no envelope, and its shape does not say which event it is" in done.stderr
        assert daemon.json("simulate", str(redemption), "--as-is")[0]["reason"] == "no_envelope"
        assert {one["type"] for one in daemon.json("events")} == {"Guest.Membership.Freeze"}
        assert daemon.stop() == 0
    finally:
        daemon.kill()
