"""`match`: equality, every operator, the sentences for their misuse, and that evaluation never raises."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import clause, make_names
from zennotify.core.match import LONGEST_VALUE, OPERATORS, ClauseError, key_of, keys_of
from zennotify.core.model import CenterTime, Code, UtcTime, YesNo
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS

NO_SHOW = Code(-2, APPOINTMENT_GROUP_STATUS)
UNKNOWN_CODE = Code(77, APPOINTMENT_GROUP_STATUS)
MISSING = object()


def holds(wanted: Any, value: Any, path: str = "data.x") -> bool:
    names = make_names() if value is MISSING else make_names(x=value)
    return clause(path, wanted).holds(names)


def shown(value: Any) -> str:
    return "missing" if value is MISSING else repr(value)[:40]


YES, NO = True, False


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [
        # text: without case and outer blanks
        ("abc", "abc", YES),
        ("ABC", " abc\n", YES),
        (" abc ", "ABC", YES),
        ("STRASSE", "straße", YES),
        ("abc", "abcd", NO),
        ("a b", "a  b", NO),
        ("C35C1C68-208A-4CDB", "c35c1c68-208a-4cdb", YES),
        ("", "", YES),
        ("", "   ", YES),
        ("", None, NO),
        ("", [], NO),
        ("0123", "0123", YES),
        ("0123", "123", NO),
        ("0123", 123, NO),
        # numbers, and numbers sent as text
        (5, 5, YES),
        (5, 5.0, YES),
        (5, "5", YES),
        (5, " 5 ", YES),
        (5, "5.00", YES),
        (5.5, "5.50", YES),
        (-3, "-3", YES),
        (0, "-0", YES),
        ("5", 5, YES),
        ("5", "5.0", YES),
        ("5.0", 5, YES),
        (5, "05", NO),
        (5, "+5", NO),
        (5, "5.", NO),
        (0.5, ".5", NO),
        (1000, "1,000", NO),
        (1000, "1e3", NO),
        (1000, 1e3, YES),
        (13, "1٣", NO),
        (5, "five", NO),
        (5, None, NO),
        (5, [5], NO),
        (5, {"x": 5}, NO),
        (12345678901234567890, "12345678901234567890", YES),
        (12345678901234567890, "12345678901234567891", NO),
        ("9" * 40, "9" * 40, YES),
        # yes and no: booleans and Zenoti's words, never 1 and 0
        (True, True, YES),
        (True, "Yes", YES),
        (True, "yes", YES),
        (True, " TRUE ", YES),
        (True, YesNo("Yes"), YES),
        ("yes", True, YES),
        ("Yes", True, YES),
        ("true", "Yes", YES),
        (True, 1, NO),
        (True, "1", NO),
        (True, 1.0, NO),
        (True, "y", NO),
        (True, "on", NO),
        (True, False, NO),
        (True, "No", NO),
        (False, False, YES),
        (False, "No", YES),
        (False, "false", YES),
        (False, YesNo("No"), YES),
        ("no", False, YES),
        (False, 0, NO),
        (False, "0", NO),
        (False, "", NO),
        (False, None, NO),
        (False, MISSING, NO),
        (1, True, NO),
        (0, False, NO),
        ("1", True, NO),
        (1, "Yes", NO),
        # a code: its number or its word
        (-2, NO_SHOW, YES),
        ("-2", NO_SHOW, YES),
        ("NoShow", NO_SHOW, YES),
        (" noshow ", NO_SHOW, YES),
        ("no show", NO_SHOW, NO),
        ("Cancelled", NO_SHOW, NO),
        (-1, NO_SHOW, NO),
        (77, UNKNOWN_CODE, YES),
        ("77", UNKNOWN_CODE, YES),
        # null: only null
        (None, None, YES),
        (None, MISSING, NO),
        (None, "", NO),
        (None, "null", NO),
        (None, 0, NO),
        (None, False, NO),
        (None, [], NO),
        # lists: any of
        (["a", "b"], "B", YES),
        (["a", "b"], "c", NO),
        ([1, "x", None], None, YES),
        ([1, "x", None], "1", YES),
        ([1, "x", None], MISSING, NO),
        ([True, 5], "yes", YES),
        # times are texts to equality
        ("2024-07-25T16:15:00", UtcTime("2024-07-25t16:15:00"), YES),
    ],
    ids=shown,
)
def test_equality(wanted: Any, value: Any, expected: bool) -> None:
    assert holds(wanted, value) is expected


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [
        ({"not": "a"}, "a", NO),
        ({"not": "A "}, "a", NO),
        ({"not": "a"}, "b", YES),
        ({"not": "a"}, MISSING, YES),
        ({"not": "a"}, None, YES),
        ({"not": "a"}, ["a"], YES),
        ({"not": ["a", "b"]}, "b", NO),
        ({"not": ["a", "b"]}, "c", YES),
        ({"not": None}, None, NO),
        ({"not": None}, MISSING, YES),
        ({"not": None}, "x", YES),
        ({"not": True}, "Yes", NO),
        ({"not": True}, 1, YES),
        ({"not": -2}, NO_SHOW, NO),
        ({"not": "noshow"}, NO_SHOW, NO),
        ({"not": {"contains": "a"}}, "cat", NO),
        ({"not": {"contains": "a"}}, "dog", YES),
        ({"not": {"gt": 5}}, MISSING, YES),
        ({"not": {"exists": True}}, MISSING, YES),
        ({"not": {"exists": True}}, "x", NO),
        ({"not": {"empty": True}}, MISSING, YES),
        ({"not": {"not": "a"}}, "a", YES),
        ({"not": {"not": "a"}}, "b", NO),
        ({"not": {"not": "a"}}, MISSING, NO),
        ({"not": "a", "starts_with": "b"}, "bc", YES),
        ({"not": "bc", "starts_with": "b"}, "bc", NO),
    ],
    ids=shown,
)
def test_not_negates_its_clause(wanted: Any, value: Any, expected: bool) -> None:
    assert holds(wanted, value) is expected


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [
        ({"gt": 5}, 6, YES),
        ({"gt": 5}, 5, NO),
        ({"gte": 5}, 5, YES),
        ({"lt": 5}, 4.99, YES),
        ({"lt": 5}, 5, NO),
        ({"lte": 5}, 5.0, YES),
        ({"gt": 5}, "6", YES),
        ({"gt": 5}, " 5.01 ", YES),
        ({"gt": "5"}, 6, YES),
        ({"gt": "5.5"}, "5.6", YES),
        ({"gt": 5}, "10", YES),
        ({"gt": -5}, "-4", YES),
        ({"gt": 5}, "ten", NO),
        ({"gt": 5}, "1,000", NO),
        ({"gt": 5}, None, NO),
        ({"gt": 5}, MISSING, NO),
        ({"lt": 5}, MISSING, NO),
        ({"gt": 0}, True, NO),
        ({"gte": 0}, False, NO),
        ({"gt": 0}, "Yes", NO),
        ({"gt": 0}, [1], NO),
        ({"gt": 0}, {"x": 1}, NO),
        ({"gt": 0}, math.nan, NO),
        ({"lte": 0}, math.nan, NO),
        ({"gt": 1.5}, 10**400, YES),
        ({"lt": 0}, NO_SHOW, YES),
        ({"gt": 5}, "2024-07-25T16:15:00", NO),
    ],
    ids=shown,
)
def test_order_of_numbers(wanted: Any, value: Any, expected: bool) -> None:
    assert holds(wanted, value) is expected


MOMENT = "2024-07-25T16:15:00"


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [
        # as written, where neither names a zone
        ({"gt": "2024-07-25"}, MOMENT, YES),
        ({"lt": "2024-07-25"}, MOMENT, NO),
        ({"gte": MOMENT}, MOMENT, YES),
        ({"lte": MOMENT}, "2024-07-25 16:15:00.000", YES),
        ({"gt": MOMENT}, "2024-07-25T16:15:00.0000010", YES),
        ({"gt": MOMENT}, "2024-07-25T16:15:00.0000001", NO),  # the seventh digit is cut
        ({"gte": MOMENT}, CenterTime(MOMENT), YES),
        ({"gte": MOMENT}, UtcTime(MOMENT), YES),
        # moments, where both do
        ({"gt": "2024-07-25T16:00:00Z"}, "2024-07-25T16:15:00.1234567Z", YES),
        ({"gt": "2024-07-25T16:00:00+02:00"}, "2024-07-25T14:15:00Z", YES),
        ({"gt": "2024-07-25T16:00:00-07:00"}, "2024-07-25T16:15:00Z", NO),
        ({"lt": "2024-07-25T16:00:00Z"}, "2024-07-25T16:15:00+05:30", YES),
        # one names a zone: the other is UTC, unless it is known to be the centre's
        ({"gt": "2024-07-25T16:00:00Z"}, MOMENT, YES),
        ({"gt": "2024-07-25T18:00:00+02:00"}, MOMENT, YES),
        ({"gt": "2024-07-25T16:00:00"}, "2024-07-25T17:15:00+02:00", NO),
        ({"gt": "2024-07-25T16:00:00Z"}, UtcTime(MOMENT), YES),
        ({"gt": "2024-07-25T16:00:00Z"}, CenterTime(MOMENT), NO),
        ({"lt": "2024-07-25T16:00:00Z"}, CenterTime(MOMENT), NO),
        ({"gt": "2024-07-25T16:00:00Z"}, CenterTime(MOMENT + "Z"), YES),
        ({"gt": "2024-07-25"}, datetime(2024, 7, 25, 1, tzinfo=UTC), YES),
        # no time at all
        ({"lt": "2024-07-25"}, "0001-01-01T00:00:00", NO),
        ({"gt": "2024-07-25"}, "soon", NO),
        ({"gt": "2024-07-25"}, "2024-07-26T25:00:00", NO),
        ({"gt": "2024-07-25"}, "2024072612345", NO),
        ({"gt": "2024-07-25"}, 20240726, NO),
        ({"gt": "2024-07-25"}, None, NO),
        ({"gt": "2024-07-25"}, True, NO),
        ({"gt": "2024-07-25"}, MISSING, NO),
        ({"gt": "2024-07-25"}, ["2024-07-26"], NO),
        ({"gt": "2024-07-25T00:00:00Z"}, "9999-12-31T23:59:59-05:00", NO),
    ],
    ids=shown,
)
def test_order_of_times(wanted: Any, value: Any, expected: bool) -> None:
    assert holds(wanted, value) is expected


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [
        ({"contains": "LASER"}, "Laser Hair - Male", YES),
        ({"contains": "hair -"}, "Laser Hair - Male", YES),
        ({"contains": "female"}, "Laser Hair - Male", NO),
        ({"contains": "b"}, ["a", " B "], YES),
        ({"contains": "b"}, ["abc"], NO),
        ({"contains": "5"}, [4, 5], YES),
        ({"contains": "yes"}, [True], YES),
        ({"contains": "noshow"}, [NO_SHOW], YES),
        ({"contains": "b"}, {"b": 1}, NO),
        ({"contains": "5"}, 567, NO),
        ({"contains": "a"}, None, NO),
        ({"contains": "a"}, MISSING, NO),
        ({"starts_with": "la"}, " Laser", YES),
        ({"starts_with": "ser"}, "Laser", NO),
        ({"starts_with": "1"}, 12, NO),
        ({"starts_with": "a"}, ["a"], NO),
        ({"ends_with": "SER"}, "Laser \n", YES),
        ({"ends_with": "la"}, "Laser", NO),
        ({"ends_with": "a"}, None, NO),
        ({"regex": "^La.er$"}, "Laser", YES),
        ({"regex": "^la.er$"}, "Laser", NO),  # case is the engine's matter
        ({"regex": "s"}, "Laser", YES),
        ({"regex": "1"}, 12, NO),
        ({"regex": "."}, MISSING, NO),
        ({"regex": "Yes"}, YesNo("Yes"), YES),
    ],
    ids=shown,
)
def test_text_operators(wanted: Any, value: Any, expected: bool) -> None:
    assert holds(wanted, value) is expected


@pytest.mark.parametrize(
    ("value", "exists", "is_empty", "is_not_empty"),
    [
        ("x", YES, NO, YES),
        ("", YES, YES, NO),
        (" ", YES, NO, YES),
        ([], YES, YES, NO),
        ([None], YES, NO, YES),
        ({}, YES, NO, YES),
        (0, YES, NO, YES),
        (False, YES, NO, YES),
        (None, NO, NO, NO),
        (MISSING, NO, NO, NO),
    ],
    ids=shown,
)
def test_exists_and_empty(value: Any, exists: bool, is_empty: bool, is_not_empty: bool) -> None:
    assert holds({"exists": True}, value) is exists
    assert holds({"exists": "Yes"}, value) is exists
    assert holds({"exists": False}, value) is not exists
    assert holds({"exists": "no"}, value) is not exists
    assert holds({"empty": True}, value) is is_empty
    assert holds({"empty": "no"}, value) is is_not_empty


@pytest.mark.parametrize(
    ("wanted", "values", "expected"),
    [
        ("a", ["b", "A"], YES),
        ("a", ["b"], NO),
        ("a", [], NO),
        ({"not": "a"}, ["b", "c"], YES),
        ({"not": "a"}, ["b", "a"], NO),
        ({"not": "a"}, [], YES),
        ({"gt": 5}, [1, "9"], YES),
        ({"gt": 5}, [1, 2], NO),
        ({"gt": 5, "lt": 8}, [6], YES),
        ({"gt": 5, "lt": 8}, [4, 9], NO),  # both must hold for one and the same
        ({"starts_with": "a", "ends_with": "z"}, ["ab", "yz"], NO),
        ({"starts_with": "a", "ends_with": "z"}, ["ab", "az"], YES),
        ({"gt": 5, "not": 9}, [6, 9], NO),  # `not`: no element at all
        ({"gt": 5, "not": 4}, [6, 9], YES),
        ({"exists": True}, [None, 1], YES),
        ({"exists": True}, [None], NO),
        ({"exists": True}, [], NO),
        ({"exists": False}, [], YES),
        ({"exists": False}, [None], YES),
        ({"exists": False}, [None, 1], NO),
        ({"empty": True}, ["x", ""], YES),
        ({"empty": True}, [], NO),
        ({"exists": True, "empty": False}, ["x"], YES),
    ],
    ids=shown,
)
def test_every_element_may_meet_a_clause(wanted: Any, values: list[Any], expected: bool) -> None:
    assert holds(wanted, values, "data.x[*]") is expected


def test_clauses_are_independent_of_each_other() -> None:
    names = make_names(x=[{"a": 1, "b": 0}, {"a": 0, "b": 1}])
    assert clause("data.x[*].a", 1).holds(names)
    assert clause("data.x[*].b", 1).holds(names)


def test_text_operators_look_at_the_first_4096_characters_only() -> None:
    assert holds({"contains": "end"}, "x" * (LONGEST_VALUE - 3) + "end")
    for operator in ("contains", "ends_with", "regex"):
        assert not holds({operator: "end"}, "x" * LONGEST_VALUE + "end")


def test_equality_looks_at_the_whole_text() -> None:
    long = "x" * (2 * LONGEST_VALUE)
    assert holds(long, long)
    assert not holds(long, long + "y")


def test_regex_search_is_the_one_that_was_given() -> None:
    assert holds({"regex": r"\d{2}$"}, "room 12")
    with pytest.raises(ClauseError, match="this regex cannot be used"):
        clause("data.x", {"regex": "("})


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ([], "an empty list can never match; name the values, or use `empty: true` for an empty list"),
        ({}, "no operator is given; write a value, a list of values, or e.g. {gt: 5}"),
        ([["a"]], "a list of values has plain values in it: text, numbers, yes, no or null"),
        ([{"gt": 5}], "a list of values has plain values in it: text, numbers, yes, no or null"),
        (
            {"not": []},
            "an empty list can never match; name the values, or use `empty: true` for an empty list",
        ),
        ({"not": {}}, "no operator is given; write a value, a list of values, or e.g. {gt: 5}"),
        (
            {"above": 5},
            "unknown operator `above`; the operators are: "
            "not gt gte lt lte contains starts_with ends_with regex exists empty",
        ),
        ({"gt": "many"}, "`gt` expects a number or a time, found 'many'"),
        ({"gte": None}, "`gte` expects a number or a time, found nothing"),
        ({"lt": True}, "`lt` expects a number or a time, found 'True'"),
        ({"lte": [5]}, "`lte` expects a number or a time, found '[5]'"),
        ({"gt": "x" * 100}, f"`gt` expects a number or a time, found {'x' * 60!r}"),
        ({"contains": 5}, "`contains` expects a text, found '5'"),
        ({"starts_with": ""}, "`starts_with` expects a text, found ''"),
        ({"ends_with": None}, "`ends_with` expects a text, found nothing"),
        ({"regex": ["a"]}, "`regex` expects a text, found \"['a']\""),
        ({"exists": "maybe"}, "`exists` expects yes or no, found 'maybe'"),
        ({"exists": 1}, "`exists` expects yes or no, found '1'"),
        ({"empty": None}, "`empty` expects yes or no, found nothing"),
        ({"empty": []}, "`empty` expects yes or no, found '[]'"),
    ],
    ids=shown,
)
def test_misuse_gets_one_clear_sentence(wanted: Any, sentence: str) -> None:
    with pytest.raises(ClauseError) as raised:
        clause("data.x", wanted)
    assert str(raised.value) == sentence


def test_clause_remembers_how_the_rule_says_it() -> None:
    assert clause("data.x", ["a", 1]).text == "data.x: ['a', 1]"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["Yes", "no", "5", "-2", "2024-07-25", "9999-12-31T23:59:59-05:00", "noshow", "", "\ud800"]
    )
    | st.sampled_from([NO_SHOW, YesNo("Yes"), CenterTime(MOMENT)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
literals = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
operators: dict[str, st.SearchStrategy[Any]] = {
    "not": literals,
    **{name: st.integers() | st.just("2024-07-25T00:00:00Z") for name in ("gt", "gte", "lt", "lte")},
    **{name: st.text(min_size=1, max_size=4) for name in ("contains", "starts_with", "ends_with")},
    "regex": st.just("a|5"),
    "exists": st.booleans(),
    "empty": st.booleans(),
}
wanteds = (
    literals
    | st.lists(literals, min_size=1, max_size=3)
    | st.fixed_dictionaries({}, optional=operators).filter(bool)
)


def test_every_operator_is_tried_below() -> None:
    assert set(operators) == set(OPERATORS)


@given(wanteds, json_values, st.sampled_from(["data.x", "data.x[*]", "data.x.a", "data.x[0]", "data"]))
def test_evaluation_never_raises_and_not_is_the_opposite(wanted: Any, value: Any, path: str) -> None:
    names = make_names(x=value)
    assert clause(path, wanted).holds(names) is not clause(path, {"not": wanted}).holds(names)


@given(json_values)
def test_equal_values_have_equal_keys(value: Any) -> None:
    for key in keys_of(value):
        hash(key)
    assert keys_of(value) == keys_of(value) or value != value  # noqa: PLR0124 - NaN


@given(literals)
def test_literal_equals_itself_as_json_would_send_it(literal: Any) -> None:
    assert holds(literal, json.loads(json.dumps(literal)))


@given(literals, literals)
def test_equality_is_symmetric(one: Any, other: Any) -> None:
    assert holds(one, other) == holds(other, one)


@given(st.text(max_size=20))
def test_text_has_one_key_whatever_its_case_and_outer_blanks(text: str) -> None:
    assert key_of(f" {text}\t") == key_of(text)
    assert key_of(text.casefold()) == key_of(text)
