"""`when`: true, false, or an error that says why; never anything else, and never with a value of the event."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.core.model import CenterTime, Code, Placeholder, UtcTime, YesNo
from zennotify.errors import ExpressionError
from zennotify.message import TemplateProblem, compile_expression

NAMES: Mapping[str, Any] = {
    "event": {"type": "AppointmentGroup.Status", "at": datetime(2024, 7, 25, 16, 15, tzinfo=UTC)},
    "data": {
        "invoice_number": "13024",
        "fee": "25.00",
        "total": 25.0,
        "count": 3,
        "is_noshowfeerequired": YesNo("Yes"),
        "is_cancellationfeerequired": YesNo("No"),
        "appointment_group_status": Code(-2, {-2: "NoShow"}),
        "start_time": UtcTime("2024-07-25T16:15:00"),
        "start_in_center": CenterTime("2024-07-25T09:15:00"),
        "note": None,
        "items": [{"price": 10, "name": "Facial"}, {"price": 20, "name": "Massage"}],
        "T&C": "yes",
        "guest": {"first_name": "Ann"},
        "empty": [],
    },
    "guest": {"name": Placeholder("a guest")},
    "center": {"name": "Bellevue", "time_zone": "America/Los_Angeles"},
}

TRUE = [
    "data.invoice_number | number > 0",
    "data.fee|number == 25 and data.total == 25.0",
    'data.guest.first_name in ["Ann", "Bob"]',
    'data["T&C"] == "yes"',
    "data.is_noshowfeerequired and not data.is_cancellationfeerequired",
    "data.appointment_group_status == -2",
    'data.appointment_group_status|word == "NoShow"',
    "data.items|length == 2",
    "data.items[1].price > data.items[0].price",
    'data.items|map(attribute="price")|sum == 30',
    'data.items|selectattr("price", "gt", 15)|list|length == 1',
    'data.items|map(attribute="name")|join(", ") == "Facial, Massage"',
    "data.note is none",
    "data.nope is not defined",
    'data.nope|default("-") == "-"',
    "data.note|default(1) == 1",
    "data.nope.deeper.still is undefined",
    "(data.start_time|local).hour == 9",
    "data.start_time|local == data.start_in_center|local",
    "data.start_time|local == event.at",
    'data.start_in_center|date("%Y-%m-%d") == "2024-07-25"',
    'event.type.startswith("AppointmentGroup.")',
    "not guest.name",
    "data.count % 2 == 1",
    "1 < data.count < 5",
    '"a" ~ data.count == "a3"',
    "data.fee|number + data.total == 50",
    "data.empty or true",
    "data.guest",
]


@pytest.mark.parametrize("source", TRUE)
def test_an_expression_that_holds_is_true(source: str) -> None:
    assert compile_expression(source)(NAMES) is True
    assert compile_expression(f"not ({source})")(NAMES) is False


ERRORS = {
    "data.nope": "no field `data.nope`",
    "data.nope == 1": "no field `data.nope`",
    "data.count == 3 and data.typo": "no field `data.typo`",
    "data.nope in []": "no field `data.nope`",
    "1 in data.nope": "no field `data.nope`",
    "[] == data.nope": "no field `data.nope`",
    "data.nope is none": "no field `data.nope`",
    "not data.nope": "no field `data.nope`",
    "data.nope|length > 0": "no field `data.nope`",
    "data.guest.nope.deeper": "no field `data.guest.nope`",
    'data.guest["last name"] == ""': 'no field `data.guest["last name"]`',
    "data.note.text": "no field `data.note.text` (`data.note` is null)",
    "data.fee.cents": "no field `data.fee.cents` (`data.fee` is text)",
    "data.items[7].price": "no field `data.items[7]` (`data.items` is a list)",
    "dat.fee": "no name `dat`; did you mean `data`?",
    "data.fee > 10": "cannot compare text with a number by `>`; for a number in a text use `| number`",
    "data.note > 10": "cannot compare null with a number by `>`",
    "data.guest.first_name|number": "`data.guest.first_name | number`: not a number, but text",
    "data.note|number": "`data.note | number`: not a number, but null",
    "data.is_noshowfeerequired|number": "`data.is_noshowfeerequired | number`: not a number, but text",
    "data.fee|word": "`data.fee | word`: not a code of Zenoti's catalog, but text",
    'data.is_noshowfeerequired|word("gender")': "`data.is_noshowfeerequired | word`: not a number, but text",
    "data.fee + 1": "cannot use `+` with text and a number; texts are joined by `~`",
    "-data.fee": "cannot use `-` with text",
    "1 / 0": "divides by zero",
    '"2024-07-25T09:15:00"|local': (
        "`'2024-07-25T09:15:00' | local`: the zone of this time is not known: write local('utc') or local('center')"
    ),
    "data.start_time|local('mars')": "`data.start_time | local`: it takes 'utc' or 'center'",
    "data.count|length": "`data.count | length`: not a list, but a number",
    'data.items|map(attribute="nope")|sum': "no field `nope` in an element of the list",
    "data.items|sort": "`data.items | sort` cannot work with a list and these arguments",
    "data.items[:'a']": "cannot be evaluated (TypeError)",
}


@pytest.mark.parametrize(("source", "message"), ERRORS.items(), ids=ERRORS)
def test_an_error_is_neither_true_nor_false_and_says_why(source: str, message: str) -> None:
    expression = compile_expression(source)
    with pytest.raises(ExpressionError) as error:
        expression(NAMES)
    assert str(error.value) == message
    assert error.value.__suppress_context__  # what Jinja or Python said may hold a value of the event


PROBLEMS = {
    "{{ data.fee }}": "no braces in `when`: write the expression alone, e.g. data.total > 100",
    "{% if data.fee %}": "no braces in `when`: write the expression alone, e.g. data.total > 100",
    " ": "`when` is empty",
    "data.fee =": "the expression has ended, but got '='; to compare write `==`",
    "data.fee = 1": "the expression has ended, but got '='; to compare write `==`",
    "data.fee && data.total": "unexpected char '&' at 9; write `and`",
    "data.fee || data.total": "expected token 'name', got '|'; for `||` write `or`",
    "!data.fee": "unexpected char '!' at 0; write `not`",
    "data.fee ==": "unexpected 'end of template'",
    "data.fee|int > 1": "unknown filter `int`; use `number`, which has no silent 0",
    "data.fee|float": "unknown filter `float`; use `number`, which has no silent 0",
    "data.fee|numbr": "unknown filter `numbr`; did you mean `number`?",
    "data.fee is defned": "unknown test `defned`; did you mean `defined`?",
    "data.__class__": "`data.__class__` cannot be used: names that begin with `_` are private",
    "x" * 2_001: "a `when` has at most 2,000 characters, this has 2,001",
    "(" * 500 + "1" + ")" * 500: "is nested too deeply",
    " or ".join(["event.at"] * 110): "is nested too deeply",
}


@pytest.mark.parametrize(("source", "message"), PROBLEMS.items(), ids=range(len(PROBLEMS)))
def test_what_is_no_expression_is_refused_when_it_is_compiled(source: str, message: str) -> None:
    with pytest.raises(TemplateProblem) as problem:
        compile_expression(source)
    assert problem.value.message == message


def test_a_problem_names_its_line() -> None:
    with pytest.raises(TemplateProblem) as problem:
        compile_expression("data.count == 3\nand data.fee|nope")
    assert problem.value.line == 2


def test_the_zone_of_the_centre_must_be_known() -> None:
    expression = compile_expression("data.start_time|local > event.at")
    with pytest.raises(ExpressionError, match=r"^the centre's time zone is not known here$"):
        expression({**NAMES, "center": {"time_zone": None}})


def test_names_are_asked_for_only_when_they_are_used() -> None:
    class OnDemand(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            asked.append(name)
            if name != "guest":
                raise KeyError(name)
            return {"name": "Ann"}

    asked: list[str] = []
    assert compile_expression("data.count == 3 or guest.name")(OnDemand(NAMES)) is True
    assert asked == []
    assert compile_expression('guest.name == "Ann"')(OnDemand()) is True
    assert asked == ["guest"]


TOKENS = (
    "data . event guest fee nope [ ] ( ) 'x' 1 2.5 == < > in not and or is defined none | number default upper sort "
    "map join length local , + - * ** % ~ : if else { }"
)
WORDS = st.sampled_from(TOKENS.split())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["fee", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(WORDS, max_size=14), VALUES)
def test_no_expression_and_no_event_lead_to_another_error(words: list[str], value: Any) -> None:
    try:
        expression = compile_expression(" ".join(words))
    except TemplateProblem:
        return
    with contextlib.suppress(ExpressionError):
        assert expression({"data": {"fee": value}, "event": value}) in {True, False}


SECRET = st.text(alphabet="QZXqzx#", min_size=6, max_size=12)
USES = [
    "data.fee > 1",
    "data.fee|number",
    "data.fee + 1",
    "data.fee.x",
    "data[data.fee]",
    "data[data.fee].x",
    "[data]|map(attribute='x')|list",
    "data.fee()",
    "data.fee|word",
    "data.fee|local('utc') > event",
    "data.fee|money",
    "data.fee|date > 1",
    "data.fee|round",
    "range(data.fee)",
    "data.fee|join(1) > 1",
    "data.fee in 1",
    "data[data.fee:1]",
    "data.fee % 1",
]


@given(SECRET, st.sampled_from(USES))
def test_an_error_never_holds_a_value_of_the_event(secret: str, source: str) -> None:
    for value in (secret, [secret], {secret: secret}):
        said = ""
        try:
            compile_expression(source)({"data": {"fee": value}, "event": secret})
        except ExpressionError as error:
            said = str(error)
        assert secret not in said
