"""`events` in templates: what is asked of its elements is checked, looked up, and can be grouped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes import make_event
from zennotify.core.model import Form
from zennotify.errors import ConfigError, MessageError
from zennotify.message import TemplateProblem, Templates, Use
from zennotify.rulefile import Sources, compile_rules
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.fields import spell_path
from zennotify.zenoti.names import MESSAGE_NAMES, MessageNames, Names, look_up

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def templates(files: Mapping[str, str] | None = None) -> Templates:
    return Templates(files or {}, time_zone="UTC", locale="en-US", known=MESSAGE_NAMES)


def uses(source: str) -> tuple[Use, ...]:
    [(_, found)] = templates().inline_uses(source)
    return found.paths


# --- what is seen of it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for e in events %}{{ e.guest.name }}{{ e.data.x }}{% endfor %}", ["guest.name", "data.x"]),
        ("{{ events[0].guest.name }} {{ (events | first).data.x }}", ["guest.name", "data.x"]),
        ("{{ events | length }} {{ events | map(attribute='guest.name') | join }}", ["guest.name"]),
        (
            "{% for e in events[:5] | sort(attribute='data.a') %}{{ e.data.x }}{% endfor %}",
            ["data.a", "data.x"],
        ),
        (
            "{% for e in events %}{% for s in e.data.l %}{{ s.n }}{% endfor %}{% endfor %}",
            ["data.l", "data.l[*].n"],
        ),
        (
            "{% for c, those in events | groupby('center.name') %}{{ c }}{% for e in those %}{{ e.data.x }}"
            "{% endfor %}{% endfor %}",
            ["center.name", "data.x"],
        ),
        (
            "{% for g in events | groupby(attribute='center.name') | list %}{{ g.grouper }}"
            "{% for e in g.list %}{{ e.data.x }}{% endfor %}{% endfor %}",
            ["center.name", "data.x"],
        ),
        (
            "{% macro m(e) %}{{ e.data.x }}{% endmacro %}{% for e in events %}{{ m(e) }}{% endfor %}",
            ["data.x"],
        ),
        ("{% set e = events | last %}{{ e.guest.name }}", ["guest.name"]),
        ("{{ events | selectattr('data.x') | list | length }}", ["data.x"]),
        (
            "{% for a, b in data.x | groupby('y') %}{{ b[0].z }}{% endfor %}",
            ["data.x", "data.x[*].y", "data.x[0].z"],
        ),
    ],
)
def test_a_path_of_an_element_is_one_of_the_event(source: str, expected: list[str]) -> None:
    seen = dict.fromkeys(spell_path(use.steps) for use in uses(source))
    seen.pop("events", None)
    assert [path for path in seen if path not in {"m", "loop"}] == expected


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        ("{% for e in events %}{{ e.guest.name }}{{ e.guest.phone }}{% endfor %}", {"name", "phone"}),
        ("{{ events | map(attribute='guest.email') | join }}", {"email"}),
        ("{% for e in events %}{% include 'line.j2' %}{% endfor %}", {"name"}),
        ("{% from 'macros.j2' import line %}{% for e in events %}{{ line(e) }}{% endfor %}", {"name"}),
    ],
)
def test_what_is_wanted_of_an_element_is_looked_up(source: str, fields: set[str]) -> None:
    files = {
        "line.j2": "{{ e.guest.name }}",
        "macros.j2": "{% macro line(e) %}{{ e.guest.name }}{% endmacro %}",
    }
    found = templates(files).inline(source, "Title").wants
    assert {want.field for want in found if want.kind == "guest"} == fields


# --- what is wrong with it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "{% for e in events %}\n{{ e.gest.name }}{% endfor %}",
            "an event of `events` has no `gest`; did you mean `guest`?",
        ),
        (
            "{% for e in events %}\n{{ e.guest.nmae }}{% endfor %}",
            "`guest` has no `nmae`; did you mean `name`?",
        ),
        (
            "\n{{ events | map(attribute='guest.nmae') | join }}",
            "`guest` has no `nmae`; did you mean `name`?",
        ),
        ("\n{{ events[0].count }}", "an event of `events` has no `count`; it has: event data guest "),
        (
            "\n{{ events.guest.name }}",
            "`events` is a list: go through it with `for`, or write `events[0].guest` for the oldest and `guest` for"
            " the last",
        ),
        ("\n{{ events.length }}", "`events` is a list: write `events | length`, or `count` for all"),
        ("\n{{ event_count }}", "unknown name `event_count`"),
        ("\n{{ cuont }}", "unknown name `cuont`; did you mean `count`?"),
        ("\n{{ ack_ulr }}", "unknown name `ack_ulr`; did you mean `ack_url`?"),
        ("\n{% for a in events | groupby %}{% endfor %}", "`groupby` needs the name of a field in quotes"),
    ],
)
def test_what_no_element_has_is_said_with_its_line(source: str, sentence: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        templates().inline(source, "Title")
    assert (caught.value.line, caught.value.message.startswith(sentence)) == (2, True), caught.value.message


def test_what_a_part_asks_of_an_element_is_said_of_the_part() -> None:
    files = {
        "whole.j2": "{% for e in events %}{% include 'line.j2' %}{% endfor %}",
        "other.j2": "{% for e in events %}{% include 'line.j2' %}{% endfor %}",
        "line.j2": "\n{{ e.guest.nmae }}",
    }
    assert templates(files).problems() == [("line.j2", 2, "`guest` has no `nmae`; did you mean `name`?")]


def said(message: str) -> list[str]:
    rules = f"rules:\n  - {{id: r, event: Guest.Created, notify: desk, message: {message!r}}}\n"
    sources = Sources(rules={"a.yaml": rules}, templates={})
    try:
        compiled = compile_rules(
            sources, channels={"desk": Form.CHAT}, time_zone="UTC", locale="en-US", event_types=EVENT_TYPES
        )
    except ConfigError as error:
        return [problem.message for problem in error.problems]
    return [problem.message for problem in compiled.warnings]


@pytest.mark.parametrize(
    ("alone", "of_element"),
    [
        (
            "{{ data.personal_inf.first_name }}",
            "{% for e in events %}{{ e.data.personal_inf.first_name }}{% endfor %}",
        ),
        ("{{ data.personal_inf.first_name }}", "{{ events[0].data.personal_inf.first_name }}"),
        ("{{ session.name }}", "{% for e in events %}{{ e.session.name }}{% endfor %}"),
        ("{{ session.name }}", '{{ events | map(attribute="session.name") | join(", ") }}'),
        (
            "{{ data.personal_info.items() }}",
            "{% for e in events %}{{ e.data.personal_info.items() }}{% endfor %}",
        ),
        (
            "{% if data.personal_info.gender == 7 %}x{% endif %}",
            "{% for e in events if e.data.personal_info.gender == 7 %}x{% endfor %}",
        ),
    ],
)
def test_an_element_is_held_against_the_catalog_as_the_event_is(alone: str, of_element: str) -> None:
    assert said(alone)
    assert said(of_element) == said(alone)


@pytest.mark.parametrize(
    "message",
    [
        "{{ count }} {% for e in events %}{{ e.guest.name }} {{ e.data.personal_info.first_name }}{% endfor %}",
        '{{ events | map(attribute="guest.name") | join(", ") }} {{ events | length }} {{ ack_url }}',
        '{% for c, l in events | groupby("center.name") %}{{ c }} {{ l | length }}{% endfor %}',
        "{% for e in events[:3] %}{{ loop.index }} {{ e.event.at | local }} {{ e.rule.id }} {{ e.now }}{% endfor %}",
        "{{ events[0].guest.name }} {{ (events | last).event.type }}",
        "{% for e in events %}{{ e.data.nickname | default('') }}{% endfor %}",
    ],
)
def test_what_is_right_gives_no_finding(message: str) -> None:
    assert said(message) == []


# --- how it runs --------------------------------------------------------------------------------------------------


def written(source: str, *data: dict[str, Any]) -> str:
    known = [
        Names(make_event("Guest.Created", given, id_=str(number), at=NOW))
        for number, given in enumerate(data)
    ]
    names = MessageNames(known[-1], {"count": len(known), "rule": {"id": "r"}, "now": NOW}, known)
    return templates().inline(source, "Title").render(Form.SMS, names, short_id="x").body


A, B, C = (
    {"center_id": "c1", "n": 10, "personal_info": {"first_name": "Ann"}},
    {"center_id": "c2", "n": None, "personal_info": {"first_name": "ben"}},
    {"center_id": "C1", "n": 9, "personal_info": {}},
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for e in events %}{{ e.guest.name }}, {% endfor %}{{ count }}", "Ann, ben, a guest, 3"),
        ('{{ events | map(attribute="guest.name") | join(", ") }}', "Ann, ben, a guest"),
        ("{{ events[1].guest.name }} {{ (events | last).event.id }}", "ben 2"),
        (
            "{% for id, those in events | groupby('data.center_id') %}{{ id }}:"
            "{% for e in those %} {{ e.guest.name }}{% endfor %}; {% endfor %}",
            "c1: Ann a guest; c2: ben;",
        ),
        (
            "{% for g in events | groupby('data.n') %}{{ g.grouper or 'none' }} {{ g.list | length }}, {% endfor %}",
            "none 1, 9 1, 10 1,",
        ),
        ("{% for n, _ in events | groupby('data.m', default='x') %}{{ n }}{% endfor %}", "x"),
        ("{% for e in events | unique(attribute='center.id') %}{{ e.center.id }} {% endfor %}", "c1 c2"),
        ("{% for e in events if e.data.n %}{{ e.data.n }} {{ e.rule.id }} {% endfor %}", "10 r 9 r"),
    ],
)
def test_elements_offer_the_names_of_their_events(source: str, expected: str) -> None:
    assert written(source, A, B, C) == expected


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{% for e in events %}{{ e.data.nope }}{% endfor %}", "no field 'e.data.nope'"),
        (
            "{% for n, _ in events | groupby('data.nope') %}{% endfor %}",
            "no field 'nope' in an element of the list",
        ),
        (
            "{% for n, _ in events | groupby('data.personal_info') %}{% endfor %}",
            "'events | groupby': it groups by texts",
        ),
        (
            "{% for e in events %}{% for f in events %}{% for g in range(9000) %}{% endfor %}{% endfor %}{% endfor %}",
            "takes more than",
        ),
    ],
)
def test_what_an_element_does_not_have_ends_the_message(source: str, problem: str) -> None:
    with pytest.raises(MessageError) as caught:
        written(source, *([A] * 200))
    assert problem in str(caught.value).replace("`", "'")


def test_an_event_in_a_message_prints_without_end_nowhere() -> None:
    assert "Ann" in written("{{ events[0] }}", A)
    assert "Ann" in written("{{ events }}", A, B)


def test_what_many_events_want_to_know_is_read_in_a_few_steps() -> None:
    read: list[set[str]] = []
    known = {"group b1": {"guest": "g1", "center": "c1"}, "group b2": {"guest": "g2"}}
    several = [
        Names(
            make_event("AppointmentGroup.Status", {"appointment_group_id": f"b{number}"}),
            lambda kind, id_: known.get(f"{kind} {id_}", {}),
        )
        for number in (1, 2)
    ]
    look_up(several, {"guest", "center"}, lambda keys: read.append(set(keys)))
    assert [keys for keys in read if keys] == [
        {"group b1", "group b2"},
        {"group b1", "group b2"},
        {"guest g1", "guest g2"},
        {"center c1"},
    ]
