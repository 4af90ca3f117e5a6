"""Rules that know time: what their keys mean to the core, and what `check` warns of.

What is refused is in tests/data/bad/rules, with its sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.fakes import START, make_event
from zennotify.core.center import Centers
from zennotify.core.digest import Digest
from zennotify.core.during import During, Otherwise
from zennotify.core.escalation import Step
from zennotify.core.hours import OpeningHours, Range
from zennotify.core.model import Form, Zone
from zennotify.core.notify import GuestChannel
from zennotify.core.path import parse_path
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.stale import Then
from zennotify.core.suppression import Mark, SuppressedBy
from zennotify.core.threshold import Threshold
from zennotify.core.wait import Opposite
from zennotify.errors import ConfigError
from zennotify.rulefile import CompiledRules, Sources, compile_rules
from zennotify.rulefile.used import used_fields
from zennotify.zenoti.catalog import EVENT_TYPES, give_meaning
from zennotify.zenoti.names import Names

CHANNELS = {"front-desk": Form.CHAT, "manager-mail": Form.EMAIL, "guest-sms": Form.SMS}
GUESTS = {
    "guest-sms": GuestChannel(recipient=lambda _: "+12065550100", medium="sms", to="{{ guest.phone }}"),
}
URL = "https://alerts.example.com"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CENTERS = """
centers:
  c1:
    name: Bellevue
    time_zone: America/Los_Angeles
    hours: {mon-sun: "09:00-20:00"}
    channels: {regional: manager-mail}
  c2: {name: Kirkland, time_zone: America/Los_Angeles, channels: {regional: manager-mail}}
"""


def compiled(
    *rules: str,
    centers: str | None = None,
    channels: Mapping[str, Form] | None = CHANNELS,
    public_url: str | None = URL,
    examined: bool = True,
) -> CompiledRules:
    text = "rules:\n" + "".join(f"  - {{notify: front-desk, message: x, {rule}}}\n" for rule in rules)
    return compile_rules(
        Sources(rules={"a.yaml": text}, templates={}, centers=centers),
        channels=channels,
        time_zone="Europe/London",
        locale="en-US",
        event_types=EVENT_TYPES,
        guests=GUESTS,
        public_url=public_url,
        examined=examined,
    )


def rule(body: str, event: str = "AppointmentGroup.Created") -> Rule:
    """The rule as it is compiled; nothing may be said of it."""
    result = compiled(f"id: r, event: {event}, {body}")
    assert result.warnings == ()
    return result.rules.rules[0]


def warned(*rules: str, centers: str | None = None) -> list[str]:
    return [problem.message for problem in compiled(*rules, centers=centers).warnings]


def refused(*rules: str, public_url: str | None = URL) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compiled(*rules, public_url=public_url)
    return [problem.message for problem in caught.value.problems]


def paths(*texts: str) -> tuple[Any, ...]:
    return tuple(parse_path(text) for text in texts)


# --- what the keys mean -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (
            "{count: 3, within: 90d, per: guest.id}",
            Threshold(count=3, within=90 * DAY, per=paths("guest.id")),
        ),
        (
            "{count: 1000, within: 1s, per: [guest.id, center.id]}",
            Threshold(count=1000, within=timedelta(seconds=1), per=paths("guest.id", "center.id")),
        ),
        ("{count: 2, within: 1h}", Threshold(count=2, within=HOUR)),
    ],
)
def test_a_threshold_counts_events_of_a_key(written: str, meant: Threshold) -> None:
    assert rule(f"threshold: {written}").threshold == meant


def test_a_rule_is_suppressed_by_another_whatever_their_order() -> None:
    result = compiled(
        "id: booking, event: Class.Booking.Cancelled, "
        "suppressed_by: {rule: class, same: session.id, within: 2h}",
        "id: class, event: Class.Schedule.Cancelled",
    )
    assert result.warnings == ()
    booking = result.rules.rules[0]
    assert booking.suppressed == SuppressedBy(rule="class", same=paths("session.id"), within=2 * HOUR)
    assert result.rules.marks == {"class": [Mark("fired session.id", paths("session.id"), 4 * HOUR)]}


@pytest.mark.parametrize(
    ("written", "text", "week"),
    [
        ("08:00-21:00", "08:00-21:00", ((Range(480, 1260),),) * 7),
        ('"08:00-21:00"', "08:00-21:00", ((Range(480, 1260),),) * 7),
        ("22:00-06:00", "22:00-06:00", ((Range(1320, 1800),),) * 7),
        (
            '"08:00-12:00, 13:00-21:00"',
            "08:00-12:00, 13:00-21:00",
            ((Range(480, 720), Range(780, 1260)),) * 7,
        ),
        (
            "{mon-fri: 09:00-20:00, sat-sun: closed}",
            "mon-fri 09:00-20:00, sat-sun closed",
            (*((Range(540, 1200),),) * 5, (), ()),
        ),
    ],
)
def test_hours_are_those_of_every_day_or_of_some(written: str, text: str, week: Any) -> None:
    hours = rule(f"hours: {{during: {written}}}").hours
    assert hours is not None
    assert (hours.during, hours.otherwise, hours.notify) == (
        During(text=text, hours=OpeningHours(week)),
        Otherwise.HOLD,
        (),
    )


def test_hours_may_name_dates() -> None:
    hours = rule("hours: {during: {mon-sun: 09:00-20:00, 2026-12-25: closed}}").hours
    assert hours is not None
    assert hours.during.hours is not None
    assert hours.during.hours.dates == {date(2026, 12, 25): ()}


@pytest.mark.parametrize(
    ("written", "otherwise", "notify"),
    [
        ("hold", Otherwise.HOLD, ()),
        ("[drop]", Otherwise.DROP, ()),
        ("manager-mail", Otherwise.ELSEWHERE, ("manager-mail",)),
        ("[manager-mail, front-desk]", Otherwise.ELSEWHERE, ("manager-mail", "front-desk")),
    ],
)
def test_outside_the_hours_a_message_is_held_dropped_or_goes_elsewhere(
    written: str, otherwise: Otherwise, notify: tuple[str, ...]
) -> None:
    compiled_rule = rule(f"hours: {{during: 08:00-21:00, otherwise: {written}}}")
    assert compiled_rule.hours is not None
    assert (compiled_rule.hours.otherwise, compiled_rule.hours.notify) == (otherwise, notify)
    assert set(notify) <= set(compiled_rule.told)


def test_opening_hours_are_those_of_the_centre() -> None:
    result = compiled(
        "id: r, event: Invoice.Closed, match: {center.name: Bellevue}, hours: {during: Opening-Hours}",
        centers=CENTERS,
    )
    [one] = result.rules.rules
    assert result.warnings == ()
    assert one.hours is not None
    assert one.hours.during == During(text="opening-hours")


def test_a_wait_counts_from_the_arrival_and_may_be_ended_by_opposites() -> None:
    wait = rule(
        "wait: {for: 10m, unless: [Guest.Membership.Reinstate, {event: [Guest.*], match: {guest.id: 5}}], "
        "per: [membership.id]}",
        "Guest.Membership.Freeze",
    ).wait
    assert wait is not None
    assert (wait.text, wait.period, wait.after, wait.after_path) == ("10m", 10 * MINUTE, None, None)
    assert wait.per == paths("membership.id")
    assert [one.events for one in wait.unless] == [("guest.membership.reinstate",), ("guest.*",)]
    assert [[clause.path.text for clause in one.match] for one in wait.unless] == [[], ["guest.id"]]
    assert wait.unless[1].match[0].holds({"guest": {"id": "5"}})


@pytest.mark.parametrize(
    "written",
    ["Guest.Membership.Reinstate", "[Guest.Membership.Reinstate]", "{event: Guest.Membership.Reinstate}"],
)
def test_one_opposite_is_the_same_as_a_list_of_one(written: str) -> None:
    wait = rule(f"wait: {{for: 10m, unless: {written}, per: membership.id}}", "Guest.Membership.Freeze").wait
    assert wait is not None
    assert wait.unless == (Opposite(events=("guest.membership.reinstate",)),)


def test_an_opposite_may_go_by_another_name_of_its_type() -> None:
    wait = "{for: 1m, unless: Bill.Back, per: guest.id}"
    text = f"rules: [{{id: r, event: Bill.Paid, notify: a, message: x, wait: {wait}}}]"
    result = compile_rules(
        Sources(rules={"a.yaml": text}, templates={}),
        channels={"a": Form.CHAT},
        time_zone="UTC",
        locale="en-US",
        event_types=EVENT_TYPES,
        aliases={"bill.paid": "invoice.closed", "bill.back": "guest.created"},
    )
    [one] = result.rules.rules
    assert one.wait is not None
    assert (one.events, one.wait.unless[0].events) == (("invoice.closed",), ("guest.created",))


@pytest.mark.parametrize("span", ["15m", "0m"])
def test_a_wait_may_count_from_a_moment_by_the_centres_clock(span: str) -> None:
    result = compiled(
        f"id: r, event: AppointmentGroup.Created, wait: {{for: {span}  after  group.start}}", centers=CENTERS
    )
    wait = result.rules.rules[0].wait
    assert wait is not None
    assert (wait.period, wait.after_path) == (
        15 * MINUTE if span == "15m" else 0 * MINUTE,
        *paths("group.start"),
    )
    assert wait.after is not None
    listed = result.rules.directory.centers
    there = names({"center_id": "c1", "start_time": "2026-07-01T16:00:00Z"}, listed)
    assert wait.ends(there, START) == datetime(2026, 7, 1, 16, tzinfo=UTC) + wait.period
    start = wait.after(there)
    assert start is not None
    assert f"{start:%H:%M %Z}" == "09:00 PDT"
    assert wait.ends(names({"center_id": "c1"}, listed), START) is None


def names(data: dict[str, Any], centers: Centers) -> Names:
    """The names of a booking, with a start where one is given."""
    start = {key: value for key, value in data.items() if key == "start_time"}
    said = {"center_id": data["center_id"], "appointment_group_id": "g", "appointments": [start]}
    give_meaning("AppointmentGroup.Created", said, Zone.CENTER)
    return Names(make_event("AppointmentGroup.Created", said), centers=centers)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{every: 15m}", Digest(every=15 * MINUTE)),
        ('{at: "18:00"}', Digest(at=1080)),
        ("{at: 18:00}", Digest(at=1080)),
        ("{at: 0:05, per: guest.id}", Digest(at=5, per=paths("guest.id"))),
        ("{at: 18:00, per: center.id}", Digest(at=1080, per=paths("center.id"), is_of_center=True)),
        ("{at: 18:00, per: [center.id]}", Digest(at=1080, per=paths("center.id"), is_of_center=True)),
        (
            "{every: 1h, per: [center.id, guest.id], immediate: yes}",
            Digest(every=HOUR, per=paths("center.id", "guest.id"), immediate=True),
        ),
    ],
)
def test_a_digest_ends_after_a_while_or_at_a_time_of_the_day(written: str, meant: Digest) -> None:
    assert rule(f"digest: {written}").digest == meant


def test_a_rule_of_what_is_absent_listens_to_what_it_awaits() -> None:
    result = compiled(
        "id: r, absent: {event: [Invoice.Closed, Guest.*], for: 2h, per: center.id, during: 08:00-21:00}, "
        "match: {center.name: Bellevue}, when: center.id is defined",
    )
    [one] = result.rules.rules
    assert result.warnings == ()
    assert one.events == ("invoice.closed", "guest.*")
    assert one.absent is not None
    assert (one.absent.period, one.absent.per) == (2 * HOUR, paths("center.id"))
    assert one.absent.during == During(text="08:00-21:00", hours=OpeningHours(((Range(480, 1260),),) * 7))
    assert [clause.path.text for clause in one.match] == ["center.name"]
    assert one.when is not None


@pytest.mark.parametrize("span", ["13d", "1s"])
def test_what_is_absent_may_be_one_for_all_and_at_any_time(span: str) -> None:
    [one] = compiled(f"id: r, absent: {{event: Invoice.Closed, for: {span}}}").rules.rules
    assert one.absent is not None
    assert (one.absent.per, one.absent.during) == ((), None)


def test_a_message_is_escalated_in_steps() -> None:
    one = rule(
        "escalate: [{after: 15m, notify: manager-mail}, {after: 1h, notify: [front-desk, manager-mail]}]"
    )
    assert one.escalate == (
        Step(15 * MINUTE, ("manager-mail",)),
        Step(HOUR, ("front-desk", "manager-mail")),
    )
    assert one.told == ("front-desk", "manager-mail")


def test_what_is_stale_may_go_into_a_digest_with_or_without_one_of_the_rule() -> None:
    for body in (
        "stale_after: {age: 2h, then: digest}",
        "stale_after: {age: 2h, then: digest}, digest: {every: 1h}",
    ):
        stale = rule(body).stale
        assert stale is not None
        assert (stale.age, stale.then) == (2 * HOUR, Then.DIGEST)


def test_a_rule_may_say_which_id_it_had() -> None:
    result = compiled("id: new, renamed_from: old, event: Invoice.Closed")
    assert result.rules.renamed == {"old": "new"}


def test_a_rule_without_such_keys_knows_no_time() -> None:
    one = rule("once: {per: guest.id, for: 1h}")
    assert (one.threshold, one.suppressed, one.hours, one.wait) == (None, None, None, None)
    assert (one.digest, one.absent, one.escalate, one.renamed_from) == (None, None, (), "")


def test_moments_are_shown_by_the_centres_clock_or_the_usual_one() -> None:
    directory = compiled("id: r, event: Invoice.Closed", centers=CENTERS).rules.directory
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert f"{directory.local(names({'center_id': 'C1'}, directory.centers), noon):%H:%M}" == "05:00"
    assert f"{directory.local(names({'center_id': 'else'}, directory.centers), noon):%H:%M}" == "13:00"
    assert f"{directory.local(None, noon):%H:%M}" == "13:00"


# --- what is not possible -----------------------------------------------------------------------------------

ESCALATES = "id: r, event: Invoice.Closed, escalate: [{after: 15m, notify: manager-mail}]"


def test_nobody_can_acknowledge_without_a_public_url() -> None:
    assert refused(ESCALATES, public_url=None) == [
        "r.escalate: `escalate` needs `server.public_url` in the configuration: "
        "without it there is no page where somebody can acknowledge"
    ]


def test_a_rule_that_is_switched_off_may_lack_what_it_would_need() -> None:
    """As the shipped ones do, in a configuration that has it not yet."""
    off = f"enabled: no, {ESCALATES}"
    assert compiled(off, public_url=None).warnings == ()
    watched = "id: r, enabled: no, absent: {event: Invoice.Closed, for: 2h, during: opening-hours}"
    assert compiled(watched, centers=CENTERS).warnings == ()
    assert len(compiled(watched.replace("enabled: no, ", ""), centers=CENTERS).warnings) == 1


@pytest.mark.parametrize(("channels", "examined"), [(CHANNELS, False), (None, True)], ids=["kept", "past"])
def test_rules_that_were_in_force_go_on_though_the_public_url_is_gone(
    channels: Mapping[str, Form] | None, examined: bool
) -> None:
    result = compiled(ESCALATES, public_url=None, channels=channels, examined=examined)
    assert len(result.rules.rules[0].escalate) == 1


def test_mistakes_in_several_keys_of_a_rule_are_said_at_once() -> None:
    found = refused(
        "id: r, event: Invoice.Closed, threshold: {count: 0, within: 1d}, wait: {for: 10}, digest: {}, "
        "hours: {during: 08:00-21:00, otherwise: nobody}, once: {per: gust.id, for: 1h}"
    )
    assert [sentence.split(": ")[0] for sentence in found] == [
        "r.threshold.count",
        "r.wait.for",
        "r.digest",
        "r.hours.otherwise",
        "r.once.per",
    ]


# --- what is probably not meant -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "warnings"),
    [
        (
            "event: Guest.Created, threshold: {count: 3, within: 1d, per: session.id}",
            [
                "r.threshold.per: Guest.Created never leads to a session, so `session.id` is never known: "
                "nothing is counted"
            ],
        ),
        (
            "event: Guest.Created, digest: {every: 1h, per: [center.id, session.id]}",
            [
                "r.digest.per[1]: Guest.Created never leads to a session, so `session.id` is never known: "
                "all are told together"
            ],
        ),
        (
            "absent: {event: Guest.Created, for: 1h, per: session.id}",
            [
                "r.absent.per: Guest.Created never leads to a session, so `session.id` is never known: "
                "nothing is missed"
            ],
        ),
        (
            "event: Guest.Membership.Freeze, "
            "wait: {for: 10m, per: membership.id, unless: [{event: Guest.Created}, Made.Up]}",
            [
                "r.wait.per: Guest.Created never leads to a membership, so `membership.id` is never known: "
                "it withdraws nothing",
                "r.wait.unless[1]: `Made.Up` is not an event type that zennotify knows",
            ],
        ),
        (
            "event: Guest.Created, wait: {for: 10m after session.start}",
            [
                "r.wait.for: Guest.Created never leads to a session, so `session.start` is never known: "
                "there is no such moment"
            ],
        ),
        (
            "event: Invoice.Closed, wait: {for: 10m after data.invoice.is_refund}",
            ["r.wait.for: `data.invoice.is_refund` is true or false, no time"],
        ),
        (
            "event: Invoice.Closed, wait: {for: 10m after data.invoice.invoice_number}",
            ["r.wait.for: `data.invoice.invoice_number` is a text, a moment only where it says its zone"],
        ),
        (
            "event: Invoice.Closed, digest: {every: 1h}, wait_for_names: 20s",
            [
                "r.wait_for_names: it has no effect with `digest`: names have time to arrive until that goes out"
            ],
        ),
        ("event: Invoice.Closed, digest: {every: 1h, immediate: yes}, wait_for_names: 20s", []),
        (
            "event: Invoice.Closed, hours: {during: opening-hours}",
            ["r.hours.during: no centre in centers.yaml has `hours`: all count as open"],
        ),
        (
            "absent: {event: Invoice.Closed, for: 2h, during: opening-hours}",
            ["r.absent.during: no centre in centers.yaml has `hours`: all count as open"],
        ),
        (
            "event: Invoice.Closed, hours: {during: {mon-sat: 09:00-20:00}}",
            ["r.hours.during: no hours are given for sun: they are unknown, and count as open"],
        ),
    ],
)
def test_what_is_probably_not_meant_gets_a_warning(body: str, warnings: list[str]) -> None:
    assert warned(f"id: r, {body}") == warnings


def test_a_guest_is_no_step_of_an_escalation() -> None:
    text = "rules: [{id: r, event: Invoice.Closed, notify: [front-desk, guest-sms], message: x, escalate: STEPS}]"
    steps = "[{after: 15m, notify: [manager-mail, guest-sms]}]"
    result = compile_rules(
        Sources(rules={"a.yaml": text.replace("STEPS", steps)}, templates={}),
        channels=CHANNELS,
        time_zone="UTC",
        locale="en-US",
        event_types=EVENT_TYPES,
        guests=GUESTS,
        public_url=URL,
    )
    assert [problem.message for problem in result.warnings] == [
        "r.escalate[0].notify[1]: `guest-sms` tells a guest, who gets no link to take it",
    ]


def test_a_misspelled_field_of_an_opposite_is_refused_as_in_the_rule_itself() -> None:
    [problem] = refused(
        "id: r, event: Guest.Created, wait: {for: 10m, per: guest.id, "
        "unless: {event: Invoice.Closed, match: {data.invoice.is_refnd: yes}}}"
    )
    assert problem.startswith("r.wait.unless.match.data.invoice.is_refnd: Invoice.Closed carries no ")
    assert problem.endswith("did you mean `data.invoice.is_refund`?")


def test_centres_without_hours_are_named() -> None:
    assert warned("id: r, event: Invoice.Closed, hours: {during: opening-hours}", centers=CENTERS) == [
        "r.hours.during: centers.yaml has no `hours` for Kirkland: unknown hours count as open"
    ]


def test_roles_in_steps_and_elsewhere_are_held_against_the_centres() -> None:
    centers = CENTERS.replace(", channels: {regional: manager-mail}", "")
    found = warned(
        "id: r, event: Invoice.Closed, hours: {during: 08:00-21:00, otherwise: regional}, "
        "escalate: [{after: 15m, notify: [front-desk, regional]}]",
        centers=centers,
    )
    assert found == [
        "r.hours.otherwise: `regional` means no channel at Kirkland, nor in its region",
        "r.escalate[0].notify[1]: `regional` means no channel at Kirkland, nor in its region",
    ]


def test_what_is_the_same_must_be_known_of_the_other_rules_events() -> None:
    found = warned(
        "id: booking, event: Class.Booking.Cancelled, "
        "suppressed_by: {rule: guest, same: session.id, within: 2h}",
        "id: guest, event: Guest.Created",
    )
    assert found == [
        "booking.suppressed_by.same: Guest.Created never leads to a session, so `session.id` is never known: "
        "`guest` suppresses nothing"
    ]


def test_a_chain_of_rules_that_suppress_each_other_is_fine() -> None:
    links = [f"suppressed_by: {{rule: r{n + 1}, same: guest.id, within: 1h}}, " for n in range(3)]
    assert warned(*(f"{link}id: r{n}, event: Guest.Created" for n, link in enumerate([*links, ""]))) == []


# --- for doctor ---------------------------------------------------------------------------------------------


def test_the_fields_that_the_keys_use_are_known_to_doctor() -> None:
    text = (
        "rules:\n  - {id: r, event: AppointmentGroup.Created, notify: front-desk, message: x, "
        "threshold: {count: 2, within: 1d, per: data.invoice_id}, wait: {for: 1m after group.start, per: guest.id}, "
        "digest: {every: 1h, per: center.id}, suppressed_by: {rule: t, same: [guest.id, employee.id], within: 1h}}\n"
        "  - {id: s, absent: {event: Guest.Created, for: 1h, per: center.id}, notify: front-desk, message: x}\n"
        "  - {id: t, event: AppointmentGroup.Created, notify: front-desk, message: x}\n"
    )
    sources = Sources(rules={"a.yaml": text}, templates={})
    result = compile_rules(
        sources, channels=CHANNELS, time_zone="UTC", locale="en-US", event_types=EVENT_TYPES
    )
    used = used_fields(sources, result, {})
    assert {field.path.text: field.keys for field in used["r"]} == {
        "data.invoice_id": ("threshold",),
        "guest.id": ("suppressed_by", "wait"),
        "employee.id": ("suppressed_by",),
        "group.start": ("wait",),
        "center.id": ("digest",),
    }
    assert {field.path.text: field.keys for field in used["s"]} == {"center.id": ("absent",)}


def test_steps_of_an_escalation_name_channels_that_doctor_knows() -> None:
    steps = "[{after: 1m, notify: guest-sms}]"
    text = f"rules: [{{id: r, event: Invoice.Closed, notify: front-desk, message: x, escalate: {steps}}}]"
    sources = Sources(rules={"a.yaml": text}, templates={})
    result = compile_rules(
        sources,
        channels=CHANNELS,
        time_zone="UTC",
        locale="en-US",
        event_types=EVENT_TYPES,
        guests=GUESTS,
        public_url=URL,
    )
    [field] = used_fields(sources, result, {"guest-sms": "{{ guest.phone }}"})["r"]
    assert (field.path.text, field.recipients) == ("guest.phone", ("guest-sms",))


def test_rules_with_every_key_are_a_set_that_the_core_can_index() -> None:
    rules: RuleSet = compiled(
        "id: r, event: AppointmentGroup.Created, threshold: {count: 2, within: 1d, per: guest.id}, "
        "wait: {for: 1m, unless: Guest.Created, per: guest.id}, once: {per: guest.id, for: 1h}, "
        "digest: {every: 1h, per: center.id}, suppressed_by: {rule: s, same: guest.id, within: 1h}",
        "id: s, event: AppointmentGroup.Created",
    ).rules
    assert [memory.name for memory in rules.memories["r"]] == [
        "threshold",
        "wait",
        "unless",
        "once",
        "digest",
        "suppressed",
    ]
    assert [one.id for one in rules.opposing("Guest.Created", {"guest": {}})] == ["r"]
