"""The whole path with real parts: a signed webhook becomes messages at real sinks, once."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.acceptance.conftest import World
from tests.acceptance.daemon import SECRET
from zennotify.zenoti.sample import load_sample
from zennotify.zenoti.signature import sign

EVENTS = (
    "AppointmentGroup.Created",
    "AppointmentGroup.Status",
    "Class.Schedule.Cancelled",
    "Class.Booking.Cancelled",
    "Class.Booking.NoShow",
)

DESK = [
    ("A place in a class is free again", "Cancelled by a guest: a place in a class."),
    (
        "Class cancelled: abc camp",
        "The class abc camp on Tue, Mar 22, 2022 at 1:00 PM in the centre is cancelled.\n\n"
        "Tell those who have booked.",
    ),
    (
        "New booking in Bellevue",
        "Booked by Abc test:\n\n- Laser Hair - Male with DebashisTest TripathyTest, Thu, Jul 25, 9:15 AM",
    ),
    (
        "No-show fee required",
        "The no-show fee is required for a guest, invoice 13024.\n\n"
        "The booking's status is Checkin. Charge the fee or waive it.",
    ),
    ("No-show in a class", "No-show: a guest did not come to a class in the centre."),
]
SMS = [
    "Class abc camp on Tue, Mar 22, 2022 at 1:00 PM is cancelled. Tell those who have booked.",
    "No-show fee required for a guest, invoice 13024 (status Checkin). Charge it or waive it.",
]
MAIL = [
    (
        "Class cancelled: abc camp",
        "The class abc camp on Tue, Mar 22, 2022 at 1:00 PM in the centre is cancelled.\n\n"
        "Tell those who have booked.",
    ),
    (
        "No-show in a class",
        "No-show: a guest did not come to a class in the centre.",
    ),
]
_REF = re.compile(r"\n*Ref [0-9a-f]{8}\n*$")


def without_ref(text: str) -> str:
    assert _REF.search(text), f"no short id at the end of {text!r}"
    return _REF.sub("", text)


def post_all(world: World) -> list[str]:
    answers = []
    for name in EVENTS:
        status, answer = world.daemon.post(load_sample(name))
        assert status == 200
        answers.append(answer["status"])
    return answers


def test_the_documented_events_lead_to_their_messages_and_a_repeat_to_none(world: World) -> None:
    world.daemon.start()
    assert post_all(world) == ["accepted"] * 5
    world.desk.wait_for(5)
    world.sms.wait_for(2)
    world.mail.wait_for(2)
    assert post_all(world) == ["duplicate"] * 5
    # Stopping finishes whatever a repeat could have led to.
    assert world.daemon.stop() == 0

    assert [(title, without_ref(text)) for title, text in world.received(world.desk)] == DESK
    assert [text for _, text in world.received(world.sms)] == SMS
    mails = sorted(
        (str(mail.message["Subject"]), without_ref(mail.part("plain"))) for mail in world.mail.received
    )
    assert mails == MAIL
    assert all("<strong>" in mail.part("html") for mail in world.mail.received)
    assert {mail.recipients for mail in world.mail.received} == {("manager@example.com",)}
    for delivery in world.daemon.json("deliveries", "list", "--channel", "manager-mail"):
        shown = world.daemon.cli("deliveries", "show", delivery["id"]).stdout
        assert any(f"\n{title}\n\n{text}\n\nRef " in shown for title, text in MAIL)


def test_curl_can_post_a_signed_event(world: World) -> None:
    world.daemon.start()
    body = json.dumps(load_sample("AppointmentGroup.Status"))
    done = subprocess.run(
        [
            "curl", "-sS", "--max-time", "10", "-H", "Content-Type: application/json",
            "-H", f"zenoti-webhook-signature: {sign(SECRET.encode(), body.encode())}",
            "--data-binary", body, world.daemon.url,
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["status"] == "accepted"
    assert world.sms.wait_for(1)[0].json["message"] == SMS[1]


def test_what_was_received_decided_and_sent_can_be_listed_and_shown(world: World) -> None:
    world.daemon.start()
    _, answer = world.daemon.post(load_sample("AppointmentGroup.Status"))
    world.desk.wait_for(1)
    world.sms.wait_for(1)
    world.daemon.stop()

    [event] = world.daemon.json("events", "list")
    assert event["id"] == answer["event"]
    assert event["type"] == "AppointmentGroup.Status"
    assert event["at"] == "2022-03-22T09:54:53.348478Z"
    # The other rule that speaks of this event is off.
    reasons = {one["rule"]: one["reason"] for one in event["decisions"]}
    assert reasons == {"guest-arrived": "disabled", "no-show-fee-required": "notified"}
    [decision] = [one for one in event["decisions"] if one["reason"] == "notified"]
    assert {one["channel"]: one["state"] for one in decision["deliveries"]} == {
        "front-desk": "delivered",
        "manager-sms": "delivered",
    }
    delivery = decision["deliveries"][0]
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["sent"]
    # The contract's keys; there may be more.
    assert event.keys() >= {"id", "event_id", "type", "at", "received", "center", "decisions"}
    assert decision.keys() >= {"rule", "reason", "detail", "deliveries"}
    assert delivery.keys() >= {
        "id", "event", "window", "rule", "channel", "state", "reason", "due", "attempts",
    }  # fmt: skip
    assert delivery["attempts"][0].keys() >= {"started", "finished", "outcome", "detail"}

    [shown] = world.daemon.json("deliveries", "show", delivery["id"][:10])
    assert "no-show fee" in shown["message"].lower()
    text = world.daemon.cli("events", "show", answer["event"][:8]).stdout
    assert "no-show-fee-required: notified" in text
    assert '"invoice_number": "13024"' in text


def test_an_unusable_body_is_quarantined_with_200_and_listed(world: World) -> None:
    world.daemon.start()
    status, answer = world.daemon.post(b'{"id": 1,}')
    assert (status, answer) == (200, {"status": "quarantined", "reason": "bad_json"})
    [kept] = world.daemon.json("events", "--quarantine")
    assert (kept["reason"], kept["body"]) == ("bad_json", '{"id": 1,}')


def test_a_known_id_with_other_content_is_quarantined(world: World) -> None:
    world.daemon.start()
    body = load_sample("AppointmentGroup.Status")
    world.daemon.post(body)
    body["data"]["appointment_group_status"] = -2
    assert world.daemon.post(body) == (200, {"status": "quarantined", "reason": "conflict"})


def test_the_same_content_under_another_id_is_a_duplicate(world: World) -> None:
    world.daemon.start()
    body = load_sample("AppointmentGroup.Status")
    _, first = world.daemon.post(body)
    _, second = world.daemon.post({**body, "id": "x2", "event_id": "x1"})
    assert second == {"status": "duplicate", "event": first["event"]}


@pytest.mark.parametrize("name", EVENTS)
def test_simulate_posts_a_sample_as_if_it_happened_now(world: World, name: str) -> None:
    world.daemon.start()
    done = world.daemon.cli("simulate", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("accepted, event ")
    again = world.daemon.cli("simulate", name)
    assert again.stdout.startswith("accepted, event "), "a stamped sample is a new event each time"


def test_no_personal_data_and_no_secret_reach_log_and_metrics(world: World) -> None:
    world.daemon.start()
    post_all(world)
    world.desk.wait_for(5)
    world.mail.wait_for(2)
    _, metrics = world.daemon.admin("/metrics")
    world.daemon.stop()
    for canary in ("Abc", "aa@swd.wed", "Laser", "13024", SECRET, "d08327d8", "manager@example.com"):
        assert canary not in world.daemon.log
        assert canary not in metrics


def test_health_readiness_and_metrics_are_on_the_admin_address_only(world: World) -> None:
    world.daemon.start()
    world.daemon.post(load_sample("AppointmentGroup.Status"))
    world.desk.wait_for(1)
    assert world.daemon.admin("/healthz")[0] == 200
    status, text = world.daemon.admin("/readyz")
    assert (status, json.loads(text)["ready"]) == (200, True)
    _, metrics = world.daemon.admin("/metrics")
    assert 'zennotify_events_total{type="AppointmentGroup.Status"} 1.0' in metrics
    assert 'zennotify_decisions_total{reason="notified",rule="no-show-fee-required"} 1.0' in metrics
    for name in (
        "zennotify_deliveries_total",
        "zennotify_accept_seconds",
        "zennotify_post_to_sent_seconds",
        "zennotify_outbox_pending",
        "zennotify_outbox_oldest_seconds",
        "zennotify_quarantined_total",
        "zennotify_non_success_run",
        "zennotify_reload_success",
        "zennotify_rules",
        "zennotify_last_event_timestamp_seconds",
        "zennotify_loop_lag_seconds",
    ):
        assert f"\n{name}" in metrics, name
