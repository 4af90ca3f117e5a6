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


_GROUP = {"appointment_group_id": "883ce749-12a8-497b-bc50-2c3206c50e91", "invoice_id": "e8cedcb5-0001"}
_NORA = {"id": "d08327d8-f928-4c37-8be3-87b93c90ac56", "first_name": "Nora", "last_name": "Field"}
_YOGA = {"center_id": "e1693623-bda5-4b3e-a2a7-611ea4f1f7ad"}
_MEMBER = {"user_membership_id": "c602e0d1-f9d2-4f37-809e-ceb882e59af4"}
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
            ("Class.Schedule.Created", {**_YOGA, "sesion_id": 89607, "class_name": "Yoga"}),
            ("Guest.Created", {**_YOGA, "id": "guest-1", "center_name": "Bellevue"}),
            ("Class.Booking.Created", {**_YOGA, "session_id": 89607, "guest_id": "guest-1"}),
            ("Class.Booking.Created", {**_YOGA, "session_id": 89607, "guest_id": "guest-2"}),
            ("Class.Schedule.Cancelled", {**_YOGA, "sesion_id": 89607, "class_name": "Yoga"}),
        ),
    ),
    "membership-saved": Story(
        "a membership is sold, frozen, and used again",
        (
            (
                "Guest.Membership.Created",
                {**_MEMBER, "guest_id": _MIA["id"], "members": [{**_MIA, "name": "Mia Brook (Primary)"}]},
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
