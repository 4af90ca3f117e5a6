"""What expressions and templates use: paths, how carefully, and what they compare them with."""

from __future__ import annotations

import pytest

from zennotify.message import Comparison, Templates, Uses, expression_uses
from zennotify.zenoti.fields import spell_path


def uses(source: str) -> Uses:
    [(_, found)] = Templates({}, time_zone="UTC", locale="en-US").inline_uses(source)
    return found


def paths(source: str) -> list[str]:
    return [spell_path(use.steps) for use in uses(source).paths]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ data.guest.id }}", ["data.guest.id"]),
        ('{{ data["T&C"][0].x }}', ['data["T&C"][0].x']),
        ("{{ data.a | upper }} {{ data.b ~ data.c }}", ["data.a", "data.b", "data.c"]),
        ("{% for v in data.list %}{{ v.name }}{% endfor %}", ["data.list", "data.list[*].name"]),
        (
            "{% for v in data.list | sort if v.on %}{{ loop.index }}{% endfor %}",
            ["data.list", "data.list[*].on", "loop.index"],
        ),
        (
            "{% for v in data.a %}{% for w in v.b %}{{ w }}{% endfor %}{% endfor %}",
            ["data.a", "data.a[*].b", "data.a[*].b[*]"],
        ),
        ("{% for k, v in data.a %}{{ v.x }}{% endfor %}", ["data.a"]),
        ("{{ (data.list | first).name }}", ["data.list[*].name"]),
        ('{{ data.list | map(attribute="a.b") | join }}', ["data.list", "data.list[*].a.b"]),
        ('{{ data.list | selectattr("on") | list }}', ["data.list", "data.list[*].on"]),
        (
            '{{ data.list | sort(attribute="a, b.c") | join }}',
            ["data.list", "data.list[*].a", "data.list[*].b.c"],
        ),
        ("{{ (data.a | default(data.b)).c }}", ["data.a", "data.b"]),
        ("{% call(x) m() %}{{ x.a }}{{ data.b }}{% endcall %}", ["m", "data.b"]),
        ("{% macro m() %}{{ data.a }}{% endmacro %}", []),
        ("{% set x = data.guest %}{{ x.id }}", ["data.guest", "data.guest.id"]),
        ("{% set x = data.a | default({}) %}{{ x.b }}", ["data.a", "data.a.b"]),
        # Which of the two it is at a time is not followed.
        ("{% set x = data.a %}{% set x = data.b %}{{ x.c }}", ["data.a", "data.b"]),
        ("{% set x %}{{ data.a }}{% endset %}{{ x.b }}", ["data.a"]),
        ("{% with x = data.a %}{{ x.b }}{% endwith %}{{ x.c }}", ["data.a", "data.a.b", "x.c"]),
        (
            "{% macro m(data) %}{{ data.a }}{{ guest.name }}{% endmacro %}{{ m(data.b) }}",
            ["guest.name", "data.b"],
        ),
        ("{{ data.a[data.b] }}", ["data.a", "data.b"]),
        ("{{ data.a[:3] }} {{ data.b[-1] }}", ["data.a", "data.b"]),
        ('{{ data.a.startswith("x") }}', ["data.a"]),
        ("{% filter upper %}{{ data.a }}{% endfilter %}", ["data.a"]),
        ("{% block body %}{{ data.a }}{% endblock %}", ["data.a"]),
    ],
)
def test_paths_are_followed_through_names_loops_and_filters(source: str, expected: list[str]) -> None:
    assert paths(source) == expected


@pytest.mark.parametrize(
    ("source", "forgiven"),
    [
        ("{{ data.a }}", False),
        ('{{ data.a | default("") }}', True),
        ('{{ data.a.b | d("") }}', True),
        ("{{ data.a is defined }}", True),
        ("{{ data.a is not defined }}", True),
        ("{{ data.a is none }}", False),
        ('{{ data.a | lower | default("") }}', False),
    ],
)
def test_what_takes_a_missing_field_is_forgiven(source: str, forgiven: bool) -> None:
    assert [use.forgiven for use in uses(source).paths] == [forgiven]


def test_a_filter_that_names_a_field_can_be_forgiven() -> None:
    found = uses('{{ data.a | map(attribute="b", default=0) }}{{ data.a | selectattr("c", "defined") }}')
    assert {spell_path(use.steps): use.forgiven for use in found.paths} == {
        "data.a": False,
        "data.a[*].b": True,
        "data.a[*].c": True,
    }


@pytest.mark.parametrize(
    ("source", "guarded"),
    [
        ("{% if data.a %}{{ data.b }}{% endif %}", {"data", "data.a"}),
        ("{% if data.a %}{% else %}{{ data.b }}{% endif %}", {"data", "data.a"}),
        ("{{ data.b if data.a }}", {"data", "data.a"}),
        ("{{ data.a and data.b }}", {"data", "data.a"}),
        (
            "{% for v in data.a if v.x %}{{ data.b }}{% endfor %}",
            {"data.a[*].x"},
        ),
        ("{% if data.a %}{% endif %}{{ data.b }}", set()),
    ],
)
def test_what_was_asked_before_guards_what_follows(source: str, guarded: set[str]) -> None:
    [use] = [use for use in uses(source).paths if spell_path(use.steps) == "data.b"]
    assert use.guards is not None
    assert {spell_path(guard) for guard in use.guards} >= guarded
    assert bool(use.guards) is bool(guarded)


@pytest.mark.parametrize(
    ("source", "guards"),
    [
        ("{% if data.a is defined %}{% else %}{{ data.b }}{% endif %}", None),
        ("{% if data.a is undefined %}{{ data.b }}{% endif %}", None),
        ("{% if not data.a is defined %}{{ data.b }}{% endif %}", None),
        ("{% if data.a is defined %}{% elif data.c %}{{ data.b }}{% endif %}", None),
        ("{{ data.a | default(data.b) }}", None),
        ("{% for v in data.a | default([]) %}{% else %}{{ data.b }}{% endfor %}", None),
        ("{% for v in data.a | default([]) %}{{ v.b }}{% endfor %}", {"data.a"}),
        ("{% set v = data.a | default([]) %}{% for w in v %}{{ w.b }}{% endfor %}", {"data.a"}),
        ("{{ data.a | default([]) | map(attribute='b') }}", {"data.a"}),
        # A group that is not there has no fields, whatever takes its place.
        ("{{ (data.a | default({})).b }}", set()),
        ("{% set v = data.a | default('') %}{{ v }}", {"data.a"}),
    ],
)
def test_what_takes_a_missing_field_is_carried_on(source: str, guards: set[str] | None) -> None:
    use = uses(source).paths[-1]
    assert not use.forgiven
    assert guards == (None if use.guards is None else {spell_path(guard) for guard in use.guards})


def test_a_part_is_read_with_what_was_asked_around_it() -> None:
    files = {
        "t.j2": '{% set g = data.guest %}{% if data.a %}{% include "part.j2" %}{% endif %}',
        "part.j2": "{{ g.name }}",
    }
    [use] = dict(Templates(files, time_zone="UTC", locale="en-US").uses("t.j2"))["part.j2"].paths
    assert use.steps == ("data", "guest", "name")
    assert use.guards == frozenset({("data",), ("data", "a")})


def test_parts_that_many_places_use_are_read_a_few_times() -> None:
    files = {
        f"{n}.j2": "".join(
            f'{{% if data.a{m} is defined %}}{{% include "{n + 1}.j2" %}}{{% endif %}}' for m in range(4)
        )
        for n in range(30)
    }
    files["30.j2"] = "{{ data.b }}"
    found = dict(Templates(files, time_zone="UTC", locale="en-US").uses("0.j2"))
    assert 0 < len(found["30.j2"].paths) <= 8


def test_the_type_of_the_event_guards_everything() -> None:
    found = uses('{% if event.type == "Guest.Created" %}{{ data.a }}{% endif %}')
    assert [use.guards for use in found.paths if use.steps[0] == "data"] == [None]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('data.a == "x"', [("data.a", "", "eq", ("x",))]),
        ("3 < data.a", [("data.a", "", "gt", (3,))]),
        ("data.a in [1, -2]", [("data.a", "", "in", (1, -2))]),
        ('data.a | word != "x"', [("data.a", "word", "ne", ("x",))]),
        ('data.a | default("none") in ["none", "x"]', [("data.a", "", "in", ("x",))]),
        ("data.a is true", [("data.a", "", "is", (True,))]),
        ('data.a is eq "x"', [("data.a", "", "eq", ("x",))]),
        ('data.a is in ["x", "y"]', [("data.a", "", "in", ("x", "y"))]),
        ('data.a | selectattr("b", "equalto", 2)', [("data.a[*].b", "", "eq", (2,))]),
        ('data.a | selectattr("b", "in", [2, 3])', [("data.a[*].b", "", "in", (2, 3))]),
        ('data.a | select("equalto", "x")', [("data.a[*]", "", "eq", ("x",))]),
        ('data.a | selectattr("b", "true")', [("data.a[*].b", "", "is", (True,))]),
        ('data.a | time >= "18:00"', [("data.a", "time", "gteq", ("18:00",))]),
        ('data.a | local | time >= "18:00"', [("", "time", "gteq", ("18:00",))]),
        ('data.a | time("%H:%M") >= "18:00"', []),
        ('data.a | selectattr("b")', []),
        ("data.a is eq data.b", []),
        ('data.a != ""', []),
        ("data.a == data.b", []),
        ("data.a in data.b", []),
        ("1 < data.a < 3", []),
        ('data.a | lower == "x"', []),
    ],
)
def test_comparisons_with_fixed_values_are_found(
    source: str, expected: list[tuple[str, str, str, tuple[object, ...]]]
) -> None:
    def shown(one: Comparison) -> tuple[str, str, str, tuple[object, ...]]:
        return spell_path(one.steps), one.by, one.operator, one.values

    assert [shown(one) for one in expression_uses(source).comparisons] == expected


def test_a_method_that_a_field_does_not_have_is_found() -> None:
    source = (
        "{{ data.a.items() }}{% set x = data.b %}{{ x.get(1) }}{{ data.c.startswith('x') }}{{ loop.cycle() }}"
    )
    assert [(spell_path(one.steps), one.method) for one in uses(source).calls] == [
        ("data.a", "items"),
        ("data.b", "get"),
    ]


def test_the_parts_of_a_template_are_looked_at_with_it_each_once() -> None:
    files = {
        "base.j2": "{% block title %}{{ data.a }}{% endblock %}{% block body %}{% endblock %}",
        "part.j2": "{{ data.b }}",
        "child.j2": '{% extends "base.j2" %}{% block body %}{% include "part.j2" %}'
        '{% include "part.j2" %}\n{{ data.c }}{% endblock %}',
        "other.j2": "{{ data.d }}",
    }
    templates = Templates(files, time_zone="UTC", locale="en-US")
    found = {
        name: [(spell_path(use.steps), use.line) for use in used.paths]
        for name, used in templates.uses("child.j2")
    }
    assert found == {"child.j2": [("data.c", 2)], "base.j2": [("data.a", 1)], "part.j2": [("data.b", 1)]}
