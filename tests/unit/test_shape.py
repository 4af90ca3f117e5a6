"""Bodies without an envelope: which samples tell their type, and which are not told apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.sample import load_sample, sample_names
from zennotify.zenoti.shape import possible_types, type_of

REDEMPTIONS = ("Guest.Package.Redemption", "Guest.Package.RedemptionReversal")
UPDATES = ("Guest.Package.StatusUpdate", "Guest.Package.ValidityUpdate")
PROGRESS = ("Appointment.Started", "Appointment.Completed")

#: Every sample whose data alone says something of its type; all others say nothing.
TOLD = {
    "Guest.Membership.Freeze": ("Guest.Membership.Freeze",),
    "Guest.Membership.Cancelled": ("Guest.Membership.Cancelled",),
    "Guest.Membership.Reinstate": ("Guest.Membership.Reinstate",),
    "Guest.Membership.Unfreeze": ("Guest.Membership.Unfreeze",),
    "Appointment.Started": ("Appointment.Started",),
    "Appointment.Completed": ("Appointment.Completed",),
    "Appointment.Feedback.v1": ("Appointment.Feedback",),
    "Appointment.Feedback.v2": ("Appointment.Feedback",),
    "Guest.Package.Redemption": REDEMPTIONS,
    "Guest.Package.RedemptionReversal": REDEMPTIONS,
    "Guest.Package.StatusUpdate": UPDATES,
    "Guest.Package.ValidityUpdate": UPDATES,
}


@pytest.mark.parametrize("name", sample_names())
def test_the_data_of_every_sample_tells_its_own_type_or_none(name: str) -> None:
    assert possible_types(load_sample(name)["data"]) == TOLD.get(name, ())


def test_every_type_that_is_told_is_in_the_catalog() -> None:
    assert {event_type for types in TOLD.values() for event_type in types} <= set(EVENT_TYPES)


MEMBER = {"user_membership_id": "m"}


@pytest.mark.parametrize(
    ("data", "possible"),
    [
        ({}, ()),
        ({"x": 1}, ()),
        (MEMBER, ()),
        ({"freeze": {}}, ()),  # of what?
        (MEMBER | {"freeze": {}}, ("Guest.Membership.Freeze",)),
        (MEMBER | {"freeze": None}, ()),
        (
            MEMBER | {"freeze": {}, "cancel": {}},
            ("Guest.Membership.Freeze", "Guest.Membership.Cancelled"),
        ),
        (MEMBER | {"next_collection_date": None, "freeze": None}, ("Guest.Membership.Unfreeze",)),
        (MEMBER | {"next_collection_date": None, "payments": {}}, ()),
        (MEMBER | {"payments": {}, "auto_renewal": None}, ()),
        ({"user_package_id": "p", "services": []}, ()),
        ({"user_package_id": "p", "services": [], "product_redemptions": []}, REDEMPTIONS),
        ({"user_package_id": "p", "service_redemptions": None}, UPDATES),
        ({"appointments": []}, ()),
        ({"appointments": [None, {"id": 1}]}, ()),
        ({"appointments": [{"appointment_progress": 1}] * 2}, ("Appointment.Started",)),
        ({"appointments": [{"appointment_progress": 2}, {"appointment_progress": 1}]}, PROGRESS),
        ({"appointments": [{"appointment_progress": 0}]}, PROGRESS),
        ({"appointments": [{"appointment_progress": True}]}, PROGRESS),
        ({"appointments": [{"appointment_progress": [1]}]}, PROGRESS),
        ({"version": 3, "rating_value": 5}, ()),
        ({"version": True, "rating_value": 5}, ()),
        ({"version": 1}, ()),
    ],
    ids=str,
)
def test_only_the_documented_shapes_tell_a_type(data: dict[str, Any], possible: tuple[str, ...]) -> None:
    assert possible_types(data) == possible


FREEZE = ("Guest.Membership.Freeze",)


@pytest.mark.parametrize(
    ("possible", "named", "event_type"),
    [
        ((), None, None),
        ((), "", None),
        ((), "Made.Up", "Made.Up"),
        (UPDATES, None, None),
        (UPDATES, "", None),
        (UPDATES, "guest.package.statusupdate", "guest.package.statusupdate"),
        (FREEZE, None, "Guest.Membership.Freeze"),
        (FREEZE, "", "Guest.Membership.Freeze"),
        (FREEZE, "Guest.Membership.Frozen", "Guest.Membership.Frozen"),  # what Zenoti may call it
        (FREEZE, "guest.membership.created", "guest.membership.created"),
        (FREEZE, "Guest Membership Freeze", "Guest Membership Freeze"),
        (FREEZE, "Guest.Created", "Guest.Membership.Freeze"),  # a URL that serves other events, too
        (FREEZE, "Guest Package Creation", "Guest.Membership.Freeze"),
    ],
)
def test_the_url_names_what_the_shape_does_not_say_better(
    possible: tuple[str, ...], named: str | None, event_type: str | None
) -> None:
    assert type_of(possible, named) == event_type


names = st.sampled_from(
    [
        "user_membership_id",
        "user_package_id",
        "freeze",
        "cancel",
        "next_collection_date",
        "appointments",
        "appointment_progress",
        "version",
        "rating_value",
        "service_redemptions",
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(names, json_values, max_size=6))
def test_no_data_raises_and_what_is_possible_is_known(data: dict[str, Any]) -> None:
    assert set(possible_types(data)) <= set(EVENT_TYPES)
