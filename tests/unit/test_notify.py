"""Who is told: roles at a centre, in its region, channels themselves, and guests by their own address."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import START, make_event, make_rule
from zennotify.core.center import Center, Centers
from zennotify.core.decide import conclude, examine
from zennotify.core.model import Names, Reason
from zennotify.core.notify import Address, Directory, GuestChannel, Refusal, addresses
from zennotify.core.rule import RuleSet
from zennotify.errors import ExpressionError

CENTERS = Centers(
    [
        Center(id="c1", name="Bellevue", region="north", roles={"desk": ("slack-bellevue",)}),
        Center(id="c2", name="Kirkland", region="north"),
        Center(id="c3", name="Olympia"),
    ],
    regions={"north": {"desk": ("north-1", "north-2"), "manager": ("north-sms",)}},
    channels=["slack-bellevue", "north-1", "north-2", "north-sms", "desk", "mail"],
)


def names(center: str | None = "c1", **guest: Any) -> Names:
    return {"center": {"id": center}, "guest": {"email": "ann@example.com", "opted_out": None, **guest}}


def by_mail(names: Names) -> str:
    email = names["guest"]["email"]
    if email == "broken":
        raise ExpressionError("no such field")
    return str(email or "")


MAIL = GuestChannel(recipient=by_mail, medium="email", to="{{ guest.email }}")
ANYWAY = GuestChannel(recipient=by_mail, medium="email", to="{{ guest.email }}", without_consent=True)


@pytest.mark.parametrize(
    ("center", "notify", "told"),
    [
        ("c1", ["desk"], ["slack-bellevue"]),
        (" C1 ", ["desk"], ["slack-bellevue"]),
        ("c2", ["desk"], ["north-1", "north-2"]),
        ("c3", ["desk"], ["desk"]),
        (None, ["desk"], ["desk"]),
        ("unlisted", ["desk", "mail"], ["desk", "mail"]),
        ("c1", ["mail", "manager"], ["mail", "north-sms"]),
        ("c2", ["desk", "north-1", "desk"], ["north-1", "north-2"]),
    ],
)
def test_a_role_is_looked_up_at_the_centre_then_its_region_then_among_the_channels(
    center: str | None, notify: list[str], told: list[str]
) -> None:
    found, refusals = addresses(notify, names(center), Directory(centers=CENTERS))
    assert [address.channel for address in found] == told
    assert refusals == []


def test_a_role_that_means_nothing_at_a_centre_tells_nobody_and_the_others_all_the_same() -> None:
    found, refusals = addresses(["manager", "mail"], names("c3"), Directory(centers=CENTERS))
    assert found == [Address("mail")]
    assert refusals == [Refusal(Reason.NO_RECIPIENT, "manager: no channel at this centre")]


@pytest.mark.parametrize(
    ("channel", "guest", "expected"),
    [
        (MAIL, {}, Address("guests", "ann@example.com")),
        (MAIL, {"opted_out": []}, Address("guests", "ann@example.com")),
        (MAIL, {"opted_out": ["marketing sms"]}, Address("guests", "ann@example.com")),
        (
            MAIL,
            {"opted_out": ["marketing sms", "marketing email"]},
            Refusal(Reason.OPTED_OUT, "guests: the guest has opted out of marketing email"),
        ),
        (ANYWAY, {"opted_out": ["marketing email"]}, Address("guests", "ann@example.com")),
        (
            MAIL,
            {"email": None},
            Refusal(Reason.NO_RECIPIENT, "guests: `to` gives no address for this event"),
        ),
        (MAIL, {"email": "broken"}, Refusal(Reason.NO_RECIPIENT, "guests: no such field")),
    ],
)
def test_a_guest_is_told_at_the_events_address_unless_the_guest_does_not_want_it(
    channel: GuestChannel, guest: dict[str, Any], expected: Address | Refusal
) -> None:
    found, refusals = addresses(["guests"], names(**guest), Directory(guests={"guests": channel}))
    assert [*found, *refusals] == [expected]


def test_a_decision_says_why_nobody_is_told() -> None:
    rules = RuleSet("hash", (make_rule(notify=("guests",)),), Directory(guests={"guests": MAIL}))
    said = names(opted_out=["transactional email"])
    [decision], _ = conclude(examine(make_event(), said, rules), said, rules, {}, START)
    assert decision.reason is Reason.OPTED_OUT
    assert decision.detail == "guests: the guest has opted out of transactional email"
    assert decision.duties == ()


def test_a_delivery_to_a_guest_carries_the_address() -> None:
    rules = RuleSet("hash", (make_rule(notify=("guests", "desk")),), Directory(guests={"guests": MAIL}))
    [decision], _ = conclude(examine(make_event(), names(), rules), names(), rules, {}, START)
    assert [(duty.channel, duty.recipient) for duty in decision.duties] == [
        ("guests", "ann@example.com"),
        ("desk", ""),
    ]
