"""Stories: documented events that belong together, so that a newcomer sees names appear.

Used by simulate and the demo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from zennotify.zenoti.sample import load_sample, stamp

#: A sample's name, and what of its data is different here.
Step = tuple[str, Mapping[str, Any]]
#: Between two events of a story.
_APART = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Story:
    """Events in their order."""

    says: str
    steps: tuple[Step, ...]


_GROUP = {
    "appointment_group_id": "883ce749-12a8-497b-bc50-2c3206c50e91",
    "invoice_id": "e8cedcb5-0001",
    "invoice_number": "8086",
}
#: No guest of the samples: what those say of theirs must not get into the story.
_NORA = {"id": "0b7c9a52-6f0e-4d0c-9b0e-2f6d1c5a7e11", "first_name": "Nora", "last_name": "Field"}
_YOGA_CENTER = {"center_id": "e1693623-bda5-4b3e-a2a7-611ea4f1f7ad"}
_YOGA = {
    **_YOGA_CENTER,
    "sesion_id": 89607,
    "class_name": "Yoga",
    "start_time": "2022-03-22T17:30:00",
    "end_time": "2022-03-22T18:30:00",
}
_MEMBER = {
    "user_membership_id": "c602e0d1-f9d2-4f37-809e-ceb882e59af4",
    "center": {"id": "b787e08d-f393-4a26-a332-6050c8848d2a", "name": "Bethesda"},
}
_GOLD = {"id": "365725fe-9a7b-4fd1-8990-cc33108bbb83", "name": "Gold"}
_MIA = {"id": "5dbd3f94-9961-41eb-a7b0-480a8c49db4f"}

STORIES: Final[Mapping[str, Story]] = {
    "no-show": Story(
        "a booking is made, confirmed, and the guest does not come",
        (
            ("AppointmentGroup.Created", {**_GROUP, "guest": _NORA}),
            (
                "AppointmentGroup.Status",
                {
                    **_GROUP,
                    "appointment_group_status": 4,
                    "is_noshowfeerequired": "No",
                    "is_cancellationfeerequired": "No",
                },
            ),
            (
                "AppointmentGroup.Status",
                {**_GROUP, "appointment_group_status": -2, "is_cancellationfeerequired": "No"},
            ),
        ),
    ),
    "class-cancelled": Story(
        "a class is planned, two guests book, and it is cancelled",
        (
            ("Class.Schedule.Created", _YOGA),
            ("Guest.Created", {**_YOGA_CENTER, "id": "guest-1", "center_name": "Bellevue"}),
            ("Class.Booking.Created", {**_YOGA_CENTER, "session_id": 89607, "guest_id": "guest-1"}),
            ("Class.Booking.Created", {**_YOGA_CENTER, "session_id": 89607, "guest_id": "guest-2"}),
            ("Class.Schedule.Cancelled", _YOGA),
        ),
    ),
    "membership-saved": Story(
        "a membership is sold, frozen, and used again",
        (
            (
                "Guest.Membership.Created",
                {
                    **_MEMBER,
                    "guest_id": _MIA["id"],
                    "members": [{**_MIA, "name": "Mia Brook (Primary)"}],
                    "membership": _GOLD,
                },
            ),
            ("Guest.Membership.Freeze", _MEMBER),
            ("Guest.Membership.Unfreeze", _MEMBER),
        ),
    ),
}


def tell(story: Story, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the events of a story as if the last of them happened `now`; each telling is a new occasion."""
    renewed: dict[Any, Any] = {}
    begins = now - _APART * (len(story.steps) - 1)
    for number, (sample, changes) in enumerate(story.steps):
        body = load_sample(sample)
        body["data"] |= changes
        yield stamp(body, begins + _APART * number, renewed)
