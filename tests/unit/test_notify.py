"""Who is told: roles at a centre, in its region, channels themselves, and guests by their own address."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.fakes import START, concluded, make_event, make_once, make_rule
from zennotify.core.cap import Cap, cap_windows, recipient_key
from zennotify.core.center import Center, Centers
from zennotify.core.decide import aim, examine
from zennotify.core.model import Names, Reason
from zennotify.core.notify import Address, Directory, GuestChannel, Refusal, addresses
from zennotify.core.rate import rate_of
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.scene import Decision, Passed
from zennotify.core.window import Window, WindowKey
from zennotify.errors import ExpressionError, RecipientError

ANN, BOB, CAL = "+12065550100", "+12065550101", "+14255550102"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
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
    known = {"email": "ann@example.com", "phone": ANN, "opted_out": None}
    return {"center": {"id": center}, "guest": {**known, **guest}}


def by_mail(names: Names) -> str:
    email = names["guest"]["email"]
    if email == "broken":
        raise ExpressionError("no such field")
    return str(email or "")


def by_phone(names: Names) -> str:
    phone = str(names["guest"]["phone"])
    if phone == "odd":
        raise RecipientError("one phone number is expected")
    return phone


CAP = Cap(prefixes=("+1206", "+1425"), per_recipient=(rate_of(1, "h"),), per_day=2)
SMS = GuestChannel(recipient=by_phone, medium="sms", to="{{ guest.phone }}", cap=CAP)
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
        (SMS, {}, Address("guests", ANN)),
        (SMS, {"phone": "odd"}, Refusal(Reason.NO_RECIPIENT, "guests: one phone number is expected")),
        (
            SMS,
            {"phone": "+447700900123"},
            Refusal(Reason.NO_RECIPIENT, "guests: the number begins with none of `allowed_prefixes`"),
        ),
        (
            SMS,
            {"phone": "+447700900123", "opted_out": ["marketing sms"]},
            Refusal(Reason.OPTED_OUT, "guests: the guest has opted out of marketing sms"),
        ),
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
    [decision], _ = concluded(examine(make_event(), said, rules), said, rules, {}, START)
    assert decision.reason is Reason.OPTED_OUT
    assert decision.detail == "guests: the guest has opted out of transactional email"
    assert decision.duties == ()


def test_a_delivery_to_a_guest_carries_the_address() -> None:
    rules = RuleSet("hash", (make_rule(notify=("guests", "desk")),), Directory(guests={"guests": MAIL}))
    [decision], _ = concluded(examine(make_event(), names(), rules), names(), rules, {}, START)
    assert [(duty.channel, duty.recipient) for duty in decision.duties] == [
        ("guests", "ann@example.com"),
        ("desk", ""),
    ]


#: Beside the caps: a mail to the same guest, and a channel of the salon's own.
ALL = Directory(guests={"sms": SMS, "mail": MAIL})


def decide(
    rule: Rule,
    windows: dict[WindowKey, Window],
    now: datetime = START,
    directory: Directory = ALL,
    **guest: Any,
) -> Decision:
    """Decide one event as the batch does, and keep the windows."""
    rules = RuleSet("hash", (rule,), directory)
    said = names(**guest)
    [decision], changed = concluded(
        aim(examine(make_event(), said, rules), said, rules), said, rules, windows, now
    )
    windows |= changed
    return decision


def told(decision: Decision) -> list[str]:
    return [duty.channel for duty in decision.duties]


def test_one_over_the_cap_is_held_back_and_the_other_channels_go_on() -> None:
    windows: dict[WindowKey, Window] = {}
    rule = make_rule(notify=("sms", "mail", "desk"))
    assert told(decide(rule, windows)) == ["sms", "mail", "desk"]
    second = decide(rule, windows)
    assert (second.reason, told(second), second.used_up) == (Reason.NOTIFIED, ["mail", "desk"], ())
    assert second.detail == "sms: per_recipient 1/h until 2026-03-01T13:00:00+00:00"
    assert told(decide(rule, windows, START + HOUR)) == ["sms", "mail", "desk"]


def test_where_nobody_is_left_the_cap_is_the_reason() -> None:
    windows: dict[WindowKey, Window] = {}
    rule = make_rule(notify=("sms",))
    reasons = [decide(rule, windows, phone=phone).reason for phone in (ANN, ANN, BOB, CAL)]
    assert reasons == [Reason.NOTIFIED, Reason.HELD_BACK, Reason.NOTIFIED, Reason.HELD_BACK]
    last = decide(rule, windows, phone=CAL)
    assert (last.detail, last.used_up) == ("sms: per_day 2 until 2026-03-02T12:00:00+00:00", ("sms",))
    assert ANN[2:] not in str(windows)


def test_rules_share_the_caps_of_a_channel_also_within_one_event() -> None:
    rules = RuleSet("hash", (make_rule("a", notify=("sms",)), make_rule("b", notify=("sms",))), ALL)
    decisions, _ = concluded(
        aim(examine(make_event(), names(), rules), names(), rules), names(), rules, {}, START
    )
    assert [decision.reason for decision in decisions] == [Reason.NOTIFIED, Reason.HELD_BACK]


@pytest.mark.parametrize(
    ("guest", "reason"),
    [
        ({"opted_out": ["marketing sms"]}, Reason.OPTED_OUT),
        ({"phone": "odd"}, Reason.NO_RECIPIENT),
        ({"phone": ""}, Reason.NO_RECIPIENT),
        ({"phone": "+447700900123"}, Reason.NO_RECIPIENT),
    ],
)
def test_what_tells_nobody_is_not_counted(guest: dict[str, Any], reason: Reason) -> None:
    windows: dict[WindowKey, Window] = {}
    assert decide(make_rule(notify=("sms",)), windows, **guest).reason is reason
    assert windows == {}


def test_what_once_holds_back_is_not_counted() -> None:
    windows: dict[WindowKey, Window] = {}
    rule = make_rule(notify=("sms",), once=make_once("guest.email", period=DAY))
    first, second = decide(rule, windows), decide(rule, windows, START + HOUR)
    assert (first.reason, second.reason) == (Reason.NOTIFIED, Reason.HELD_BACK)
    assert second.detail.startswith("once until ")
    assert {key.stage: window.held for key, window in windows.items()} == {
        "once": 1,
        "sms per_recipient h": 1,
        "sms per_day": 1,
    }


def test_the_windows_of_a_cap_are_known_before_anything_is_concluded() -> None:
    rules = RuleSet("hash", (make_rule(notify=("sms", "mail", "desk")),), ALL)
    [passed] = aim(examine(make_event(), names(), rules), names(), rules)
    assert isinstance(passed, Passed)
    assert set(passed.caps) == set(cap_windows("sms", CAP, ANN))
    assert {key.key for key in passed.caps} == {recipient_key(ANN), ""}


def test_caps_hold_also_where_they_were_not_asked_for_before() -> None:
    rules = RuleSet("hash", (make_rule("a", notify=("sms",)), make_rule("b", notify=("sms",))), ALL)
    decisions, _ = concluded(examine(make_event(), names(), rules), names(), rules, {}, START)
    assert [decision.reason for decision in decisions] == [Reason.NOTIFIED, Reason.HELD_BACK]


def test_without_caps_a_directory_says_so() -> None:
    assert ALL.has_caps
    assert not Directory(guests={"mail": MAIL}).has_caps
    assert not Directory().has_caps
