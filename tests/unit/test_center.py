"""Centres by their ids, and which channels a role means at each."""

from __future__ import annotations

import pytest

from zennotify.core.center import Center, Centers
from zennotify.core.model import Placeholder

CHANNELS = ("front-desk", "manager-sms", "slack-bellevue", "slack-kirkland", "north-sms", "mail")
CENTERS = Centers(
    [
        Center(
            id="1AAB4fd2", name="Bellevue", region="north",
            roles={"front-desk": ("slack-bellevue",), "manager": ("mail", "manager-sms")},
        ),
        Center(id="89607", name="Kirkland", region="north", roles={"front-desk": ("slack-kirkland",)}),
        Center(id="442af543-6b2c-7677-65t3-4dff40d43987", roles={"regional": ("mail",)}),
        Center(id="far", region="nowhere"),
    ],
    regions={"north": {"regional": ("north-sms",), "front-desk": ("mail",)}, "empty": {}},
    channels=CHANNELS,
)  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("1aab4fd2", "Bellevue"),
        (" 1AAB4FD2 ", "Bellevue"),
        (89607, "Kirkland"),
        ("89607", "Kirkland"),
        ("442AF543-6B2C-7677-65T3-4DFF40D43987", None),
    ],
)
def test_a_centre_is_found_by_its_id_as_zenoti_sends_it(sent: object, name: str | None) -> None:
    center = CENTERS.get(sent)
    assert center is not None
    assert center.name == name


@pytest.mark.parametrize("sent", ["", " ", None, True, 1.5, "nope", [], {}, Placeholder("the centre")])
def test_what_names_no_centre_finds_none(sent: object) -> None:
    assert CENTERS.get(sent) is None
    assert Centers([Center(id=" ")]).get(sent) is None


@pytest.mark.parametrize(
    ("role", "center", "channels"),
    [
        ("front-desk", "1aab4fd2", ("slack-bellevue",)),
        ("front-desk", 89607, ("slack-kirkland",)),
        ("front-desk", "far", ("front-desk",)),
        ("front-desk", "not listed", ("front-desk",)),
        ("front-desk", None, ("front-desk",)),
        ("regional", "1aab4fd2", ("north-sms",)),
        ("regional", "442af543-6b2c-7677-65t3-4dff40d43987", ("mail",)),
        ("regional", "far", ()),
        ("regional", None, ()),
        ("manager", "1AAB4FD2", ("mail", "manager-sms")),
        ("manager", 89607, ()),
        ("mail", 89607, ("mail",)),
        ("nobody", 89607, ()),
    ],
)
def test_a_role_is_looked_up_at_the_centre_then_its_region_then_in_the_channels(
    role: str, center: object, channels: tuple[str, ...]
) -> None:
    assert CENTERS.channels_of(role, center) == channels


def test_the_centres_that_lack_a_role_are_named() -> None:
    assert [str(center) for center in CENTERS.without("manager")] == [
        "Kirkland", "442af543-6b2c-7677-65t3-4dff40d43987", "far",
    ]  # fmt: skip
    assert [str(center) for center in CENTERS.without("regional")] == ["far"]
    assert CENTERS.without("front-desk") == []


def test_all_roles_are_known() -> None:
    assert CENTERS.roles == {"front-desk", "manager", "regional"}


def test_without_a_list_of_channels_every_name_is_one() -> None:
    assert Centers().channels_of("front-desk", 5) == ("front-desk",)
    assert Centers(channels=()).channels_of("front-desk", 5) == ()


def test_centres_keep_the_order_of_the_file() -> None:
    assert [center.id for center in CENTERS][:2] == ["1AAB4fd2", "89607"]
    assert len(CENTERS) == 4
    assert not Centers()
