"""One class is cancelled with twenty bookings: one message, with twenty names, by the rules as they are shipped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.acceptance.conftest import World

CENTER = {"center_id": "e1693623-bda5-4b3e-a2a7-611ea4f1f7ad"}
NAMES = [f"Guest{number:02} Lee" for number in range(20)]
_number = iter(range(10_000))


def body(event_type: str, data: Mapping[str, Any], second: int) -> dict[str, Any]:
    number = next(_number)
    return {
        "id": f"call-{number}",
        "event_id": f"event-{number}",
        "event_type": event_type,
        "event_timestamp": f"2026-03-01T12:{second // 60:02}:{second % 60:02}Z",
        "data": {**CENTER, **data},
    }


def class_(event: str, second: int) -> dict[str, Any]:
    yoga = {"sesion_id": 89607, "class_name": "Yoga", "start_time": "2026-03-02T17:30:00"}
    return body(f"Class.Schedule.{event}", yoga, second)


def booking(event: str, number: int, second: int) -> dict[str, Any]:
    place = {"session_id": 89607, "guest_id": f"guest-{number}", "registration_id": 1000 + number}
    return body(f"Class.Booking.{event}", place, second)


def guest(number: int, second: int) -> dict[str, Any]:
    first, last = NAMES[number].split()
    person = {"first_name": first, "last_name": last}
    return body("Guest.Created", {"id": f"guest-{number}", "personal_info": person}, second)


def planned() -> list[dict[str, Any]]:
    booked = [booking("Created", number, 60 + number) for number in range(20)]
    return [class_("Created", 0), *(guest(number, 30 + number) for number in range(20)), *booked]


@pytest.mark.parametrize("first_booking", [601, 590], ids=["the class first", "its own time last"])
def test_a_cancelled_class_is_one_message_with_all_names(world: World, first_booking: int) -> None:
    """The bookings follow their class; by the senders' clock some may have been cancelled before it."""
    world.daemon.start()
    cancelled = [booking("Cancelled", number, first_booking + number // 2) for number in range(20)]
    events = [*planned(), class_("Cancelled", 600), *cancelled]
    ids = [world.daemon.post(event)[1]["event"] for event in events]
    [told] = world.desk.wait_for(1)
    world.mail.wait_for(1)
    shown = world.daemon.json("events", "list", "--type", "Class.Booking.Cancelled")
    assert {event["id"] for event in shown} == set(ids[-20:])
    decisions = [(one["rule"], one["reason"]) for event in shown for one in event["decisions"]]
    assert decisions == [("class-booking-cancelled", "suppressed")] * 20
    assert "20 that zennotify knows of" in told.json["message"]
    assert [name for name in NAMES if name not in told.json["message"]] == []
    assert world.daemon.stop() == 0
    assert len(world.desk.received) == 1
