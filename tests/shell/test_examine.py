"""Rules and templates held against the catalog: what `check` says of what no event carries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.core.model import Form, Zone
from zennotify.core.notify import GuestChannel
from zennotify.core.path import EVERY, Step, parse_path
from zennotify.errors import ConfigError
from zennotify.rulebook import Surroundings
from zennotify.rulefile import CompiledRules, Sources, compile_rules, read_sources
from zennotify.rulefile.scope import Scope
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.event import Reading
from zennotify.zenoti.fields import fields_of

KNOWN = [fields for name in EVENT_TYPES if (fields := fields_of(name)) is not None]
ROOT = Path(__file__).parents[2]
CHANNELS = {"desk": Form.CHAT, "front-desk": Form.CHAT, "manager-mail": Form.EMAIL, "manager-sms": Form.SMS}
STATUS_WORDS = (
    "NoShow (-2), Cancelled (-1), New (0), Closed (1), Checkin (2), Confirm (4), Break (10), NotSpecified (11), "
    "Available (20), Voided (21)"
)
DEFAULT = "write `| default(...)`, or ask for it with `is defined` first"
#: The ways out for what zennotify has not seen, in `match` and elsewhere.
IN_WHEN = "f Zenoti sends it all the same, use it in `when` with `| default(...)`"
ELSE = f"f Zenoti sends it all the same, {DEFAULT}"
IN_STATUS = (
    "invoice_id invoice_number receipt_number appointment_group_id appointment_group_status is_noshowfeerequired "
    "is_cancellationfeerequired rebooked_source_group_id is_appointment_rescheduled initial_appointment_start_time"
)


def compiled(
    sources: Sources,
    *,
    examined: bool = True,
    past: bool = False,
    guests: Mapping[str, GuestChannel] | None = None,
) -> CompiledRules:
    return compile_rules(
        sources,
        channels=None if past else CHANNELS,
        time_zone="UTC",
        locale="en-US",
        event_types=EVENT_TYPES,
        guests=guests,
        examined=examined,
    )


def said(
    *rules: str,
    templates: Mapping[str, str] | None = None,
    guests: Mapping[str, GuestChannel] | None = None,
    centers: str | None = None,
) -> list[str]:
    text = "rules:\n" + "".join(rules)
    sources = Sources(rules={"a.yaml": text}, templates=templates or {}, centers=centers)
    try:
        problems = compiled(sources, guests=guests).warnings
    except ConfigError as error:
        problems = error.problems
    return [str(problem).removeprefix("rules/a.yaml:") for problem in problems]


def rule(event: str, *lines: str, message: str = "Hello", name: str = "r") -> str:
    head = [f"- id: {name}", f"  event: {event}", "  notify: desk"]
    head += [f"  message: {message}"] if message else []
    return "\n".join([*head, *(f"  {line}" for line in lines)]) + "\n"


def match(event: str, clause: str) -> list[str]:
    """What is said of a clause, without the place where it always stands."""
    found = said(rule(event, "match:", f"  {clause}"))
    assert all(one.startswith("7:") for one in found), found
    return [one.removeprefix("7:5: ") for one in found]


def when(event: str, expression: str) -> list[str]:
    found = said(rule(event, "when: >-", f"  {expression}"))
    assert all(one.startswith("6:9: ") for one in found), found
    return [one.removeprefix("6:9: ").replace("r.when: ", "") for one in found]


def message(event: str, text: str) -> list[str]:
    """What is said of an inline message, without its place."""
    found = said(rule(event, "message: |", f"  {text}", message=""))
    assert all(one.startswith("6:5: ") for one in found), found
    return [one.removeprefix("6:5: ").replace("r.message: ", "") for one in found]


# --- what is shipped --------------------------------------------------------------------------------------


def test_the_shipped_rules_and_templates_have_no_warning() -> None:
    sources = read_sources(ROOT / "rules", ROOT / "templates", ROOT / "centers.yaml")
    result = compiled(sources)
    assert [str(problem) for problem in result.warnings] == []
    assert len(result.rules.rules) > 10


# --- paths that no event carries --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "path", "sentence"),
    [
        (
            "AppointmentGroup.Status",
            "data.is_noshowfeerequird",
            "AppointmentGroup.Status carries no `data.is_noshowfeerequird`; "
            "did you mean `data.is_noshowfeerequired`?",
        ),
        (
            "appointmentgroup.status",
            "data.is_noshow_fee_required",
            "AppointmentGroup.Status carries no `data.is_noshow_fee_required`; "
            "did you mean `data.is_noshowfeerequired`?",
        ),
        (
            "Class.Schedule.Cancelled",
            "data.session_id",
            "Class.Schedule.Cancelled carries no `data.session_id`; did you mean `data.sesion_id`? "
            "`session.id` is right whatever Zenoti calls it",
        ),
        (
            "Class.Booking.*",
            "data.sesion_id",
            "no event of Class.Booking.* carries `data.sesion_id`; did you mean `data.session_id`? "
            "`session.id` is right whatever Zenoti calls it",
        ),
        (
            "AppointmentGroup.Created",
            "data.center_name",
            "AppointmentGroup.Created carries no `data.center_name`; did you mean `data.center_Name`? "
            "`center.name` is right whatever Zenoti calls it",
        ),
        (
            "AppointmentGroup.Created",
            "data.gest.frist_name",
            "AppointmentGroup.Created carries no `data.gest.frist_name`; did you mean `data.guest.first_name`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.appointmentGroupId",
            "AppointmentGroup.Created carries no `data.appointmentGroupId`; "
            "did you mean `data.appointment_group_id`?",
        ),
    ],
)
def test_a_misspelled_path_is_an_error_with_the_right_one(event: str, path: str, sentence: str) -> None:
    assert match(event, f"{path}: 5") == [f"r.match.{path}: {sentence}"]


@pytest.mark.parametrize(
    ("event", "path", "sentence"),
    [
        (
            "[Guest.Membership.Freeze, Guest.Membership.Unfreeze]",
            "data.center_id",
            "no event of Guest.Membership.Freeze, Guest.Membership.Unfreeze carries `data.center_id`; "
            "did you mean `data.center.id`? `center.id` is right whatever Zenoti calls it",
        ),
        (
            "AppointmentGroup.Status",
            "data.guest_id",
            "AppointmentGroup.Status carries no `data.guest_id`; did you mean `guest.id`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.guest.name",
            "AppointmentGroup.Created carries no `data.guest.name`; did you mean `guest.name`?",
        ),
        (
            "Invoice.Closed",
            "data.is_refund",
            "Invoice.Closed carries no `data.is_refund`; did you mean `data.invoice.is_refund`?",
        ),
        (
            "Invoice.Closed",
            "data.total",
            "Invoice.Closed carries no `data.total`; did you mean `invoice.total`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.event_timestamp",
            "AppointmentGroup.Created carries no `data.event_timestamp`; did you mean `event.at`?",
        ),
        (
            "AppointmentGroup.Status",
            "data.tip",
            f"AppointmentGroup.Status carries no `data.tip`; `data` has: {IN_STATUS}",
        ),
        (
            "Invoice.Payments.Added",
            "data.transactions[0].payment_type",
            "Invoice.Payments.Added carries no `data.transactions[0].payment_type`; "
            "did you mean `data.transactions[0].payment_date`?",
        ),
        (
            "AppointmentGroup.Delete",
            "data.guest.first_name",
            "AppointmentGroup.Delete carries no `data.guest.first_name`; did you mean `guest.first_name`?",
        ),
        (
            "Invoice.Closed",
            "data.invoice.closed_by",
            "Invoice.Closed carries no `data.invoice.closed_by`; did you mean `data.invoice.is_closed`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.utm_id",
            "AppointmentGroup.Created carries no `data.utm_id`; did you mean `data.utm_medium`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.appointments[*].equipment_id",
            "AppointmentGroup.Created carries no `data.appointments[*].equipment_id`; "
            "did you mean `data.appointments[*].equipment_name`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.appointments[0].start_date",
            "AppointmentGroup.Created carries no `data.appointments[0].start_date`; "
            "did you mean `data.appointments[0].start_time`?",
        ),
        (
            "AppointmentGroup.Status",
            "data.appointments[*].service_name",
            "AppointmentGroup.Status carries no `data.appointments[*].service_name`; "
            "did you mean `group.services[*]`?",
        ),
        (
            "AppointmentGroup.Status",
            "data.service_name",
            "AppointmentGroup.Status carries no `data.service_name`; did you mean `group.services[*]`?",
        ),
        (
            "AppointmentGroup.Status",
            "data.appointments[0].start_time_in_center",
            "AppointmentGroup.Status carries no `data.appointments[0].start_time_in_center`; "
            "did you mean `group.start_in_center`?",
        ),
        (
            "Class.Booking.NoShow",
            "data.class_name",
            "Class.Booking.NoShow carries no `data.class_name`; did you mean `session.name`?",
        ),
        (
            "Class.Booking.NoShow",
            "data.start_time",
            "Class.Booking.NoShow carries no `data.start_time`; did you mean `session.start`?",
        ),
        (
            "Guest.Membership.Freeze",
            "data.members[0].name",
            "Guest.Membership.Freeze carries no `data.members[0].name`; did you mean `guest.name`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.invoice_no",
            "AppointmentGroup.Created carries no `data.invoice_no`; did you mean `invoice.number`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.event_id",
            "AppointmentGroup.Created carries no `data.event_id`; did you mean `event.id`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.guest.mobile_phone",
            "AppointmentGroup.Created carries no `data.guest.mobile_phone`; did you mean `guest.phone`?",
        ),
        (
            "AppointmentGroup.Created",
            "data.guest.nmae",
            "AppointmentGroup.Created carries no `data.guest.nmae`; did you mean `guest.name`?",
        ),
        (
            "Invoice.Closed",
            "data.invoice_items[0].type",
            "Invoice.Closed carries no `data.invoice_items[0].type`; "
            "did you mean `data.invoice.invoice_items[0].type`?",
        ),
    ],
)
def test_a_path_that_nobody_has_seen_is_a_warning_with_what_is_known_and_the_way_out(
    event: str, path: str, sentence: str
) -> None:
    then = f" I{IN_WHEN}" if sentence.endswith("?") else f"; i{IN_WHEN}"
    assert match(event, f"{path}: 5") == [f"warning: r.match.{path}: {sentence}{then}"]


def test_no_path_is_proposed_below_which_anything_may_stand() -> None:
    [one] = match("Class.Booking.NoShow", "data.invoice.invoice_number: x")
    assert "did you mean" not in one
    assert "`data` has: workshop_id" in one


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "data.appointments.service_name",
            "`data.appointments` is a list: write `data.appointments[*].service_name` for any of them, "
            "or `data.appointments[0].service_name` for the first",
        ),
        (
            "data.appointments.servicename",
            "AppointmentGroup.Created carries no `data.appointments[*].servicename`; "
            "did you mean `data.appointments[*].service_name`?",
        ),
        (
            "data.appointments.length",
            "`data.appointments` is a list: in `when` write `data.appointments | length`",
        ),
    ],
)
def test_a_step_into_a_list_without_its_place_is_an_error(path: str, sentence: str) -> None:
    assert match("AppointmentGroup.Created", f"{path}: x") == [f"r.match.{path}: {sentence}"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("data.guest[*].id", "`data.guest` is no list, but a group of fields: write `data.guest.id`"),
        ("data.guest[0]", "`data.guest` is no list, but a group of fields: write `data.guest`"),
        ("data.center_id.name", "`data.center_id` is a text: nothing stands below it"),
    ],
)
def test_a_step_into_what_is_no_list_or_group_is_a_warning(path: str, sentence: str) -> None:
    found = match("AppointmentGroup.Created", f"{path}: x")
    assert found == [f"warning: r.match.{path}: {sentence}; i{IN_WHEN}"]


@pytest.mark.parametrize(
    "clause", ["{exists: yes}", "{exists: no}", "{exists: yes, gt: 5}", "{not: {exists: yes}}"]
)
def test_to_ask_whether_there_is_such_a_field_is_only_worth_a_warning(clause: str) -> None:
    [one] = match("AppointmentGroup.Status", f"data.tip: {clause}")
    assert (
        one
        == f"warning: r.match.data.tip: AppointmentGroup.Status carries no `data.tip`; `data` has: {IN_STATUS}"
    )


def test_in_when_and_messages_default_and_is_defined_are_the_way_out() -> None:
    carries = "AppointmentGroup.Status carries no `data.tip`; `data` has:"
    assert when("AppointmentGroup.Status", "data.tip > 5") == [f"warning: {carries} {IN_STATUS}; i{ELSE}"]
    assert when("AppointmentGroup.Status", "data.tip | default(0) > 5") == []
    assert when("AppointmentGroup.Status", "data.tip is defined and data.tip > 5") == []
    assert message("AppointmentGroup.Status", "{{ data.tip | default('') }}") == []
    assert message("AppointmentGroup.Status", "{% if data.tip is defined %}{{ data.tip }}{% endif %}") == []


def test_behind_the_way_out_a_misspelled_path_is_a_warning() -> None:
    carries = "AppointmentGroup.Status carries no `data.is_noshowfeerequird`"
    assert when("AppointmentGroup.Status", 'data.is_noshowfeerequird | default("No") == "Yes"') == [
        f"warning: {carries}; did you mean `data.is_noshowfeerequired`?"
    ]


def test_a_key_of_once_that_no_event_carries_is_an_error_only_where_it_is_misspelled() -> None:
    lines = ["once: {per: [data.session_id, data.tip], for: 1h}"]
    assert [one.split("; ")[0] for one in said(rule("Class.Schedule.Cancelled", *lines))] == [
        "6:16: r.once.per[0]: Class.Schedule.Cancelled carries no `data.session_id`",
        "6:33: warning: r.once.per[1]: Class.Schedule.Cancelled carries no `data.tip`",
    ]


@pytest.mark.parametrize(
    ("event", "clause"),
    [
        ("Guest.Merged", "data.from_guest_id: x"),  # nobody has shown one
        ("Spa.Booked.Now", "data.whatever: x"),
        ("Guest.*", "data.from_id: x"),  # takes Guest.Merged, too
        ('"*"', "data.no_such_field: x"),
        ("[Spa.Booked.Now, AppointmentGroup.Status]", "data.tip: {exists: yes}"),
        ("Class.*", "data.class_name: x"),  # one of them has it
        ("Invoice.Closed", "data.invoice.transactions[*].tip: x"),
        ("Class.Booking.Created", "data.training_virtual_guests[*].first_name: x"),
        ("Guest.Created", "data.address_info.country_name: x"),
        ("Guest.Membership.Reinstate", 'data.membership["T&C"]: x'),
        ("Appointment Started", "data.appointments[0].appointment_progress: Started"),  # an alias
    ],
)
def test_where_something_may_be_there_nothing_is_said(event: str, clause: str) -> None:
    path, _, wanted = clause.partition(": ")
    found = said(rule(event, "match:", f"  '{path}': {wanted}"))
    assert [one for one in found if "r.event" not in one] == []


@pytest.mark.parametrize(
    ("event", "path", "sentence"),
    [
        ("Guest.*", "data.persnal_info.email", "did you mean `data.personal_info.email`?"),
        ("[Guest.Merged, Guest.Created]", "data.center_nme", "did you mean `data.center_name`?"),
        ("Invoice.Closed", "data.invoice.zip", "`data.invoice` has: id invoice_number receipt_number"),
    ],
)
def test_where_not_all_is_known_it_is_only_a_warning(event: str, path: str, sentence: str) -> None:
    [one] = match(event, f"{path}: x")
    assert one.startswith(f"warning: r.match.{path}: ")
    assert sentence in one


# --- templates --------------------------------------------------------------------------------------------


def test_a_template_is_held_against_each_rule_that_uses_it() -> None:
    templates = {
        "t.j2": "{% block title %}x{% endblock %}\n{% block body %}\n{{ data.class_name }}\n{% endblock %}"
    }
    use = "template: t.j2"
    found = said(
        rule("Class.Schedule.Cancelled", use, message="", name="good"),
        rule("Class.Booking.NoShow", use, message="", name="first"),
        rule("Class.Booking.NoShow", use, message="", name="second"),  # said once for all that are alike
        rule("Class.Booking.Deleted", use, message="", name="third"),
        templates=templates,
    )
    assert [one.split("; ")[0] for one in found] == [
        "templates/t.j2:3:1: warning: first: Class.Booking.NoShow carries no `data.class_name`",
        "templates/t.j2:3:1: warning: third: Class.Booking.Deleted carries no `data.class_name`",
    ]


def test_a_mistake_in_a_part_of_a_template_is_shown_there() -> None:
    templates = {"t.j2": 'Hello\n{% include "part.j2" %}', "part.j2": "\n\n{{ data.center_nme }}"}
    assert said(rule("Guest.Created", "template: t.j2", message=""), templates=templates) == [
        "templates/part.j2:3:1: r: Guest.Created carries no `data.center_nme`; did you mean `data.center_name`?"
    ]


def test_in_a_loop_only_the_name_is_said() -> None:
    source = "{% for visit in data.appointments %}{{ visit.servce_name }}{% endfor %}"
    assert message("AppointmentGroup.Created", source) == [
        "AppointmentGroup.Created carries no `data.appointments[*].servce_name`; did you mean `service_name`?"
    ]


def test_a_list_in_a_template_has_to_be_gone_through() -> None:
    assert message("AppointmentGroup.Created", "{{ data.appointments.service_name }}") == [
        "`data.appointments` is a list: go through it with `for`, or write `data.appointments[0].service_name` "
        "for the first"
    ]


@pytest.mark.parametrize(
    "source",
    [
        "{% for name in data.guest %}{{ name }}{% endfor %}",
        "{{ data.invoice_number[0] }}",
        "{{ data.appointments | length }}{{ data.appointments[0].id }}{{ (data.appointments | first).id }}",
        "{{ data.guest }}",
        '{{ data.invoice_number.startswith("B") }}',
    ],
)
def test_what_a_template_may_do_with_groups_and_texts_is_no_mistake(source: str) -> None:
    assert message("AppointmentGroup.Created", source) == []


# --- templates that several rules share -------------------------------------------------------------------

SHARED = {
    "t.j2": "",
    "part.j2": "{{ data.guest.first_name }}",
    "m.j2": "{% macro who() %}{{ data.guest.first_name }}{% endmacro %}"
    "{% macro other() %}{{ data.session_nme }}{% endmacro %}",
}


@pytest.mark.parametrize(
    "source",
    [
        "{% if data.guest is defined %}{{ data.guest.first_name }}{% endif %}",
        "{{ data.guest.first_name if data.guest is defined else group.number }}",
        "{% if data.payment is defined and data.payment.amount > 5 %}x{% endif %}",
        "{% if data.guest is not defined or data.guest.first_name == 'Ann' %}x{% endif %}",
        "{% for a in data.appointments | default([]) %}{{ a.service_name }}{% endfor %}",
        "{% set v = data.appointments | default([]) %}{% for a in v %}{{ a.service_name }}{% endfor %}",
        "{% set name = data.guest.first_name | default('') %}{{ name }}",
        '{{ data.appointments | default([]) | map(attribute="service_name") | join }}',
        "{% if data.appointment_group_status is defined %}x{% else %}{{ data.guest.id }}{% endif %}",
        "{% if data.guest is not defined %}{{ data.is_noshowfeerequired }}{% endif %}",
        '{% if rule.id == "a" %}{{ data.guest.id }}{% else %}{{ data.is_noshowfeerequired }}{% endif %}',
        '{% if event.type == "AppointmentGroup.Created" %}{{ data.guest.id }}{% endif %}',
        '{% if event.type == "Guest.Membership.Freeze" %}{{ data.status | word == "Frozen" }}{% endif %}',
        '{% if data.guest is defined %}{% include "part.j2" %}{% endif %}',
        '{% from "m.j2" import who %}{% if data.guest is defined %}{{ who() }}{% endif %}',
        '{% import "m.j2" as m %}{% if data.guest is defined %}{{ m.who() }}{% endif %}',
        "{{ data.session_id | default(data.sesion_id) | default('') }}",
    ],
)
def test_what_is_for_the_events_of_another_rule_is_no_mistake(source: str) -> None:
    lines, templates = ["template: t.j2"], {**SHARED, "t.j2": source}
    rules = [
        rule("AppointmentGroup.Created", *lines, message="", name="a"),
        rule("AppointmentGroup.Status", *lines, message="", name="b"),
    ]
    assert said(*rules, templates=templates) == []
    assert said(rule("AppointmentGroup.*", *lines, message=""), templates=templates) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{% if data.guest is defined %}{{ data.guest.emial }}{% endif %}", "emial"),
        ("{% for a in data.appointments | default([]) %}{{ a.servce_name }}{% endfor %}", "servce_name"),
        ("{% if data.payment is defined %}x{% else %}{{ data.center_nme }}{% endif %}", "center_nme"),
        ('{% import "m.j2" as m %}{{ m.other() }}', "session_nme"),
        (
            '{% from "m.j2" import other %}{% macro both() %}{{ other() }}{% endmacro %}{{ both() }}',
            "session_nme",
        ),
        ("{% macro m(x=data.center_nme) %}{% endmacro %}{% call m() %}{% endcall %}", "center_nme"),
    ],
)
def test_a_misspelling_is_found_there_all_the_same(source: str, name: str) -> None:
    found = said(
        rule("AppointmentGroup.Created", "template: t.j2", message=""), templates={**SHARED, "t.j2": source}
    )
    assert [name in one for one in found] == [True], found


def test_what_does_not_run_is_not_looked_at() -> None:
    templates = {
        **SHARED,
        "base.j2": "{% block title %}x{% endblock %}{% block body %}{{ data.session_nme }}{% endblock %}",
        "child.j2": '{% extends "base.j2" %}{% from "m.j2" import who, other %}'
        "{% macro mine() %}{{ data.session_nme }}{% endmacro %}"
        "{% block body %}{{ who() }}{% endblock %}",
    }
    assert said(rule("AppointmentGroup.Created", "template: child.j2", message=""), templates=templates) == []


@pytest.mark.parametrize(
    ("event", "clause", "text"),
    [
        ('"AppointmentGroup.*"', "data.guest.id: {exists: yes}", "{{ data.guest.first_name }}"),
        (
            '"Appointment*"',
            '"data.appointments[*].appointment_progress": Completed',
            "{{ data.appointments[0].service_name }} {{ data.center_id }}",
        ),
    ],
)
def test_types_that_cannot_have_what_match_demands_are_left_out(event: str, clause: str, text: str) -> None:
    assert said(rule(event, "match:", f"  {clause}", message=f'"{text}"')) == []


def test_what_only_some_types_carry_is_said_by_its_first_missing_name() -> None:
    assert message("[AppointmentGroup.Created, AppointmentGroup.Status]", "{{ data.guest.first_name }}") == [
        "warning: `data.guest` is not in every event of this rule: not in AppointmentGroup.Status; " + DEFAULT
    ]


# --- recipients -------------------------------------------------------------------------------------------


def guests(to: str) -> dict[str, GuestChannel]:
    return {"front-desk": GuestChannel(recipient=lambda _: "", medium="email", to=to)}


CENTERS = """
centers:
  a: {name: Bellevue, channels: {writers: front-desk}}
"""


@pytest.mark.parametrize(
    ("event", "to", "sentence"),
    [
        (
            "AppointmentGroup.Created",
            "{{ data.guest.emial }}",
            "AppointmentGroup.Created carries no `data.guest.emial`; did you mean `data.guest.email`?",
        ),
        (
            "Class.Schedule.Cancelled",
            "{{ guest.email }}",
            "Class.Schedule.Cancelled never leads to a guest, so `guest.email` is never known",
        ),
    ],
)
def test_the_recipient_of_a_channel_is_held_against_the_events_of_who_tells_it(
    event: str, to: str, sentence: str
) -> None:
    text = rule(event).replace("desk", "front-desk")
    assert said(text, guests=guests(to)) == [f"4:11: warning: r.notify: `to` of `front-desk`: {sentence}"]
    text = rule(event).replace("notify: desk", "notify: [desk, writers]")
    assert said(text, guests=guests(to), centers=CENTERS) == [
        f"4:18: warning: r.notify[1]: `to` of `front-desk`: {sentence}"
    ]


@pytest.mark.parametrize(
    ("event", "to"),
    [
        ("AppointmentGroup.Status", "{{ guest.email }}"),
        ("AppointmentGroup.Created", "{{ data.guest.email }}"),
        ("[AppointmentGroup.Created, AppointmentGroup.Status]", "{{ data.guest.email }}"),
        ("Class.Schedule.Cancelled", '{{ guest.email | default("") }}'),
    ],
)
def test_a_recipient_that_some_event_knows_is_no_warning(event: str, to: str) -> None:
    assert said(rule(event).replace("desk", "front-desk"), guests=guests(to)) == []


# --- what can be missing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "source", "why"),
    [
        (
            "[Class.Booking.NoShow, Class.Schedule.Cancelled]",
            "{{ data.class_name }}",
            "`data.class_name` is not in every event of this rule: not in Class.Booking.NoShow",
        ),
        (
            "AppointmentGroup.Updated",
            "{{ data.invoice_number }}",
            "`data.invoice_number` is not in every AppointmentGroup.Updated",
        ),
        (
            "AppointmentGroup.Updated",
            "{{ data.appointments[0].id }}",
            "`data.appointments[0]` is not in every AppointmentGroup.Updated",
        ),
        (
            "Guest.Created",
            "{{ data.personal_info.mobile_phone.number }}",
            "`data.personal_info.mobile_phone` can be null in Guest.Created",
        ),
        (
            "AppointmentGroup.Status",
            "{% if data.rebooked_source_group_id %}x{% endif %}",
            "`data.rebooked_source_group_id` is not in every AppointmentGroup.Status",
        ),
    ],
)
def test_what_can_be_missing_is_a_warning_where_nobody_asks_first(event: str, source: str, why: str) -> None:
    assert message(event, source) == [f"warning: {why}; {DEFAULT}"]


@pytest.mark.parametrize(
    ("event", "source"),
    [
        ("AppointmentGroup.Updated", "{{ data.invoice_number | default('') }}"),
        (
            "AppointmentGroup.Updated",
            "{% if data.invoice_number is defined %}{{ data.invoice_number }}{% endif %}",
        ),
        ("AppointmentGroup.Updated", "{{ data.invoice_number if data.invoice_number is defined }}"),
        ("AppointmentGroup.Updated", "{% for visit in data.appointments %}{{ visit.id }}{% endfor %}"),
        (
            "Guest.Created",
            "{% if data.personal_info.mobile_phone %}{{ data.personal_info.mobile_phone.number | default(1) }}"
            "{% endif %}",
        ),
        ("Guest.Created", "{{ data.personal_info.date_of_birth }}"),  # null prints as nothing
        (
            "[Class.Booking.NoShow, Class.Schedule.Cancelled]",
            "{% if event.type == 'Class.Schedule.Cancelled' %}{{ data.class_name }}{% endif %}",
        ),
    ],
)
def test_what_is_asked_for_first_is_no_warning(event: str, source: str) -> None:
    assert message(event, source) == []


@pytest.mark.parametrize(
    "line",
    [
        "match: {data.utm_source: facebook}",
        "match: {data.utm_source: {exists: yes}}",
        "when: data.utm_source is defined",
    ],
)
def test_what_match_or_when_have_asked_for_is_there(line: str) -> None:
    assert said(rule("AppointmentGroup.Updated", line, message='"{{ data.utm_source }}"')) == []


def test_what_match_has_only_denied_is_not_there() -> None:
    line = "match: {data.utm_source: {not: facebook}}"
    [one] = said(rule("AppointmentGroup.Updated", line, message='"{{ data.utm_source }}"'))
    assert "is not in every AppointmentGroup.Updated" in one


def test_a_warning_of_a_template_is_said_once_and_a_mistake_on_every_line() -> None:
    text = "{{ data.invoice_number }} {{ data.organisation_id }}\n"
    found = said(rule("AppointmentGroup.Updated", "template: t.j2", message=""), templates={"t.j2": text * 2})
    assert [one.split("; ")[0] for one in found] == [
        "templates/t.j2:1:1: r: AppointmentGroup.Updated carries no `data.organisation_id`",
        "templates/t.j2:1:1: warning: r: `data.invoice_number` is not in every AppointmentGroup.Updated",
        "templates/t.j2:2:1: r: AppointmentGroup.Updated carries no `data.organisation_id`",
    ]


# --- things that no event leads to ------------------------------------------------------------------------


def test_a_thing_that_the_event_never_leads_to_is_a_warning() -> None:
    never = "Employee.Deleted never leads to a session, so `session.name` is never known"
    assert message("Employee.Deleted", "{{ session.name }}") == [f"warning: {never}"]
    assert match("Employee.Deleted", "session.name: Yoga") == [
        f"warning: r.match.session.name: {never}: the clause never holds"
    ]
    assert said(rule("Employee.Deleted", "once: {per: session.name, for: 1h}")) == [
        f"6:15: warning: r.once.per: {never}: it limits nothing"
    ]


@pytest.mark.parametrize(
    ("event", "source"),
    [
        (
            "AppointmentGroup.Status",
            "{{ guest.name }} {{ employee.name }} {{ group.services }} {{ center.name }}",
        ),
        ("Guest.Membership.Freeze", "{{ guest.name }} {{ membership.name }}"),
        ("Class.Booking.NoShow", "{{ session.name }} {{ guest.name }}"),
        ("[Guest.Created, Class.Booking.NoShow]", "{{ session.name }}"),
        ("Guest.Merged", "{{ session.name }}"),
        ("Employee.Deleted", "{% if session.name %}{{ session.name }}{% endif %}"),
        ("Employee.Deleted", "{{ session.name | default('') }}"),
    ],
)
def test_a_thing_that_earlier_events_may_tell_is_no_warning(event: str, source: str) -> None:
    assert message(event, source) == []


# --- words and values that are never there ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "clause", "expected"),
    [
        (
            "AppointmentGroup.Status",
            "data.appointment_group_status: Canceled",
            [
                "7:36: r.match.data.appointment_group_status: `data.appointment_group_status` has no word "
                f'"Canceled"; did you mean `Cancelled`? It has: {STATUS_WORDS}'
            ],
        ),
        (
            "AppointmentGroup.Status",
            "group.status: [noshow, gone, -2, 3]",
            [
                f'7:28: r.match.group.status[1]: `group.status` has no word "gone"; it has: {STATUS_WORDS}',
                "7:38: warning: r.match.group.status[3]: 3 stands for nothing that zennotify knows in "
                f"`group.status`; there are: {STATUS_WORDS}",
            ],
        ),
        (
            "Guest.Package.StatusUpdate",
            "package.status: {not: Canceled}",
            [
                '7:27: r.match.package.status.not: `package.status` has no word "Canceled"; did you mean '
                "`CancelledRefund`? It has: Default (-1), Active (1), Frozen (3), Expired (5), CancelledRefund (6), "
                "NotStarted (7), NotApplicable (8)"
            ],
        ),
        (
            "AppointmentGroup.Status",
            "data.appointment_group_status: yes",
            [
                "7:36: r.match.data.appointment_group_status: this is a code, never yes or no; write its word or "
                "its number, e.g. NoShow"
            ],
        ),
        (
            "AppointmentGroup.Status",
            "data.appointment_group_status: {contains: cancel}",
            [
                "7:47: r.match.data.appointment_group_status.contains: `contains` looks at texts, and this is a "
                "code; write its word or its number, e.g. NoShow"
            ],
        ),
        (
            "AppointmentGroup.Status",
            "data.is_noshowfeerequired: 1",
            ['7:32: r.match.data.is_noshowfeerequired: Zenoti sends "Yes" or "No" here; write yes or no'],
        ),
        (
            "Invoice.Closed",
            "data.invoice.is_refund: 1",
            [
                "7:29: warning: r.match.data.invoice.is_refund: Zenoti sends true or false here; write yes or no"
            ],
        ),
        (
            "AppointmentGroup.Created",
            "data.guest: Ann",
            [
                "7:17: warning: r.match.data.guest: this is a group of fields, which equals nothing; "
                "name one of them"
            ],
        ),
        (
            "Class.Schedule.Cancelled",
            "data.show_in_catalog: yes",
            [
                "7:27: warning: r.match.data.show_in_catalog: this is a number, never yes or no; "
                "write the number"
            ],
        ),
        (
            "Class.Schedule.Cancelled",
            "data.capacity: lots",
            ["7:20: warning: r.match.data.capacity: this is a number, which never equals a text"],
        ),
        (
            "AppointmentGroup.Status",
            "group.services: Facial",
            [
                "7:21: warning: r.match.group.services: this is a list, which equals nothing; "
                "write `group.services[*]` for its elements, or {contains: ...}"
            ],
        ),
        (
            "Class.Schedule.Cancelled",
            "session.guests: {gt: 0}",
            [
                "7:26: warning: r.match.session.guests.gt: `gt` compares numbers and times, and this is a list; "
                "`session.guests | length` in `when` is how many there are"
            ],
        ),
        (
            "AppointmentGroup.Created",
            "data.appointments: {contains: Laser}",
            [
                "7:35: warning: r.match.data.appointments.contains: `contains` finds no part of a group of "
                "fields; name one of them, e.g. `data.appointments[*].service_name`"
            ],
        ),
        (
            "AppointmentGroup.Created",
            "data.guest: {contains: Ann}",
            [
                "7:28: warning: r.match.data.guest.contains: `contains` looks at texts, and this is a group of "
                "fields; name one of them"
            ],
        ),
        (
            "AppointmentGroup.Status",
            "data.is_noshowfeerequired: {gt: 0}",
            [
                "7:37: warning: r.match.data.is_noshowfeerequired.gt: `gt` compares numbers and times, and this "
                'is "Yes" or "No"; write yes or no'
            ],
        ),
        ("Guest.OptedOut", 'guest.opted_out: {contains: "marketing email"}', []),
        ("AppointmentGroup.Status", 'data.is_noshowfeerequired: {not: ["", no]}', []),
        ("AppointmentGroup.Status", 'data.appointment_group_status: {not: ""}', []),
        (
            "AppointmentGroup.Created",
            "data.appointments: Facial",
            [
                "7:24: warning: r.match.data.appointments: this is a list, which equals nothing; "
                "write `data.appointments[*]` for its elements"
            ],
        ),
        ("AppointmentGroup.Status", "data.appointment_group_status: [noshow, -1, '2', null]", []),
        ("AppointmentGroup.Status", "data.appointment_group_status: {gte: 2, lt: 5}", []),
        ("AppointmentGroup.Status", "data.is_noshowfeerequired: [yes, 'No', true]", []),
        ("Invoice.Closed", "data.invoice.is_refund: [yes, false, null]", []),
        # A status of a membership or of a package: the words of both.
        (
            "[Guest.Membership.Freeze, Guest.Package.Redemption]",
            "data.status: [Suspended, CancelledRefund]",
            [],
        ),
    ],
)
def test_what_a_field_never_equals_is_said_with_what_it_can(
    event: str, clause: str, expected: list[str]
) -> None:
    assert said(rule(event, "match:", f"  {clause}")) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            'data.appointment_group_status == "NoShow"',
            "`data.appointment_group_status` is a number, which never equals a text; "
            'write `data.appointment_group_status | word` and "NoShow"',
        ),
        (
            'data.appointment_group_status in ["canceled"]',
            "`data.appointment_group_status` is a number, which never equals a text; "
            'write `data.appointment_group_status | word` and "Cancelled"',
        ),
        (
            'group.status == "-2"',
            "`group.status` is a number, which never equals a text; write -2 without quotes",
        ),
        (
            'group.status == "gone"',
            "`group.status` is a number, which never equals a text; "
            f'`group.status` has no word "gone"; it has: {STATUS_WORDS}',
        ),
        (
            'data.appointment_group_status | word == "no show"',
            '`data.appointment_group_status` has no word "no show"; did you mean `NoShow`? '
            f"It has: {STATUS_WORDS}",
        ),
        (
            "data.appointment_group_status | word == 2",
            "`data.appointment_group_status | word` is a text, never 2; leave `| word` out to compare the code",
        ),
        (
            "data.appointment_group_status == 3",
            "warning: 3 stands for nothing that zennotify knows in `data.appointment_group_status`; "
            f"there are: {STATUS_WORDS}",
        ),
        (
            "data.is_noshowfeerequired == true",
            '`data.is_noshowfeerequired` is "Yes" or "No", and true or false by itself; '
            "write `data.is_noshowfeerequired` or `not data.is_noshowfeerequired`",
        ),
        (
            'data.is_noshowfeerequired == "yes"',
            '`data.is_noshowfeerequired` is "Yes" or "No", never "yes"; did you mean `Yes`?',
        ),
        (
            "data.is_noshowfeerequired is true",
            '`data.is_noshowfeerequired` is "Yes" or "No", and true or false by itself; '
            "write `data.is_noshowfeerequired` or `not data.is_noshowfeerequired`",
        ),
        (
            "data.appointment_group_status is false",
            "warning: `data.appointment_group_status` is a code, never true or false itself",
        ),
        (
            'invoice.total > "500"',
            "warning: `invoice.total` is a number, which cannot be compared with a text; leave the quotes out",
        ),
        (
            'group.services == "Facial"',
            "warning: `group.services` is a list, which equals nothing; write `... in group.services`",
        ),
        (
            'group.start_in_center | local | time >= "18:00"',
            "warning: `group.start_in_center | local | time` is a text for people, and compared with '18:00' "
            "letter by letter; compare `(group.start_in_center | local).hour`, or write `time('%H:%M')`",
        ),
        (
            'group.start | date < "2024-01-01"',
            "warning: `group.start | date` is a text for people, and compared with '2024-01-01' letter by letter; "
            "write `date('%Y-%m-%d')`",
        ),
        (
            "data.invoice_number > 0",
            "warning: `data.invoice_number` is a text: to compare it with a number write "
            "`data.invoice_number | number`",
        ),
    ],
)
def test_a_comparison_that_can_never_be_met_is_said_with_the_right_one(
    expression: str, expected: str
) -> None:
    assert when("AppointmentGroup.Status", expression) == [expected]


@pytest.mark.parametrize(
    "expression",
    [
        "data.appointment_group_status == -2",
        'data.appointment_group_status | word in ["NoShow", "Cancelled"]',
        "data.is_noshowfeerequired",
        'data.is_noshowfeerequired == "Yes"',
        "data.invoice_number | number > 0",
        'data.invoice_number != ""',
        'data.appointment_group_status | default("none") == "none"',
        'group.status | word == "NoShow"',
        "(group.start_in_center | local).hour >= 18",
        'group.start_in_center | local | time("%H:%M") >= "18:00"',
        '"Facial" in group.services',
        'event.type == "Guest.Created" and data.appointment_group_status == "x"',
    ],
)
def test_a_comparison_that_can_be_met_is_no_mistake(expression: str) -> None:
    assert when("AppointmentGroup.Status", expression) == []


def test_in_a_filter_that_takes_no_other_the_number_of_a_code_is_said() -> None:
    source = 'data.invoice.invoice_items | selectattr("type", "equalto", "Product") | list | length > 0'
    assert when("Invoice.Closed", source) == [
        "`data.invoice.invoice_items[*].type` is a number, which never equals a text; "
        "here write its number: 2 (Product)"
    ]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ('data.guest.get("x") == 3', "write `data.guest.name`, and `| default(...)` where it can be missing"),
        ("data.guest.items() | length > 3", "`for name in data.guest` goes through the names of a group"),
        ('data.invoice_number.upper() == "X"', "what can be done with a value is a filter, e.g. `| lower`"),
    ],
)
def test_a_field_has_no_methods(expression: str, sentence: str) -> None:
    [one] = when("AppointmentGroup.Created", expression)
    assert "cannot be called: a field has no methods; " in one
    assert one.endswith(sentence)


def test_a_mistake_in_a_when_of_several_lines_is_shown_in_its_line() -> None:
    found = said(rule("AppointmentGroup.Created", "when: |", "  data.guest.id", "  and data.guest.emial"))
    assert found == [
        "8:5: r.when: AppointmentGroup.Created carries no `data.guest.emial`; did you mean `data.guest.email`?"
    ]


def test_a_comparison_in_a_template_is_looked_at_too() -> None:
    source = "{% if data.invoice.is_refund == 'true' %}x{% endif %}"
    source += "{% if data.invoice.total_price.tax == '0' %}y{% endif %}"
    assert message("Invoice.Closed", source) == [
        "warning: `data.invoice.is_refund` is true or false, never a text; "
        "write `data.invoice.is_refund` or `not data.invoice.is_refund`",
        "warning: `data.invoice.total_price.tax` is a number, which never equals a text",
    ]


# --- types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ("invoice.close", "is not an event type that zennotify knows; did you mean `Invoice.Closed`?"),
        (
            "AppointmentGroupStatus",
            "is not an event type that zennotify knows; did you mean `AppointmentGroup.Status`?",
        ),
        (
            "class_booking_noshow",
            "is not an event type that zennotify knows; did you mean `Class.Booking.NoShow`?",
        ),
        (
            "Guest.Membership.Frozen",
            "is not an event type that zennotify knows; did you mean `Guest.Membership.Freeze`?",
        ),
        (
            "Appointment.NoShow",
            "is not an event type that zennotify knows; did you mean `AppointmentGroup.Status` with "
            "data.appointment_group_status: NoShow?",
        ),
        (
            "AppointmentGroup.CheckedIn",
            "is not an event type that zennotify knows; did you mean `AppointmentGroup.Status` with "
            "data.appointment_group_status: Checkin?",
        ),
        (
            "Appointment.Created",
            "is not an event type that zennotify knows; did you mean `AppointmentGroup.Created`?",
        ),
        (
            "Guest.Membership.Sold",
            "is not an event type that zennotify knows; did you mean `Guest.Membership.Created`?",
        ),
        (
            "Invoice.Refunded",
            "is not an event type that zennotify knows; did you mean `Invoice.Closed` with "
            "data.invoice.is_refund: yes?",
        ),
        (
            "Membership.Created",
            "is not an event type that zennotify knows; did you mean `Guest.Membership.Created`?",
        ),
        ("Opportunity.Created", "is not an event type that zennotify knows"),
        ("Guest.Membership.Suspended", "is not an event type that zennotify knows"),
        ("Clases.*", "fits no event type that zennotify knows; did you mean `Class.*`?"),
        ("Class.Shedule.*", "fits no event type that zennotify knows; did you mean `Class.Schedule.*`?"),
        ("Spa.*", "fits no event type that zennotify knows"),
    ],
)
def test_an_unknown_type_is_a_warning_with_the_nearest(event: str, sentence: str) -> None:
    assert said(rule(event)) == [f"3:10: warning: r.event: `{event}` {sentence}"]


# --- when nothing is examined -----------------------------------------------------------------------------


BAD = Sources(
    rules={"a.yaml": "rules:\n" + rule("Class.Schedule.Cancelled", "match: {data.session_id: 5}")},
    templates={},
)


def test_rules_that_were_in_force_before_go_on_whatever_the_catalog_has_learned() -> None:
    with pytest.raises(ConfigError):
        compiled(BAD)
    assert compiled(BAD, examined=False).warnings == ()
    assert compiled(BAD, past=True).warnings == ()


def test_at_a_start_the_last_good_rules_go_on_and_files_are_examined() -> None:
    surroundings = Surroundings(
        rules=Path("rules"),
        templates=Path("templates"),
        centers=Path("centers.yaml"),
        channels=CHANNELS,
        time_zone="UTC",
        locale="en-US",
        reading=Reading(Zone.CENTER),
    )
    assert len(surroundings.compile(BAD, kept=True).rules.rules) == 1
    assert len(surroundings.compile(BAD, past=True).rules.rules) == 1
    with pytest.raises(ConfigError, match="session_id"):
        surroundings.compile(BAD)


NAMES = sorted(
    {str(step) for fields in KNOWN for one in fields.all() for step in parse_path(one.path).steps[1:]}
)


@given(
    st.sampled_from([*EVENT_TYPES, "*", "Guest.*", "Class.*"]),
    st.lists(
        st.one_of(st.sampled_from(NAMES), st.text(max_size=5), st.integers(0, 2), st.just(EVERY)),
        min_size=1,
        max_size=4,
    ),
)
def test_of_every_path_something_or_nothing_is_said(event: str, steps: list[Step]) -> None:
    scope = Scope.of([event], [event.casefold()], {name.casefold(): name for name in EVENT_TYPES})
    way = ("data", *steps)
    for in_template in (False, True):
        absent = scope.absent(way, in_template=in_template)
        assert absent is None or absent.sentence
    assert all(gap for _, gap in scope.missing(way))


def test_all_mistakes_are_said_at_once_with_those_of_other_kinds() -> None:
    found = said(
        rule("Class.Schedule.Cancelled", "match: {data.session_id: 5, data.capacity: {grt: 3}}"),
        rule("AppointmentGroup.Status", "when: data.is_noshowfeerequird", name="s"),
    )
    assert [one.split("; ")[0] for one in found] == [
        "6:11: r.match.data.session_id: Class.Schedule.Cancelled carries no `data.session_id`",
        "6:52: r.match.data.capacity.grt: unknown operator",
        "11:9: s.when: AppointmentGroup.Status carries no `data.is_noshowfeerequird`",
    ]
