"""A set of rules: the index finds exactly what asking every rule would find, in the files' order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import clause, make_names, make_rule, meets
from zennotify.core import rule as rule_module
from zennotify.core.model import Code, Names
from zennotify.core.rule import Rule, RuleSet
from zennotify.zenoti.codes import APPOINTMENT_GROUP_STATUS


def rule_set(*rules: Rule) -> RuleSet:
    return RuleSet("hash", rules)


def found(rules: RuleSet, event_type: str, names: Names) -> list[str]:
    return [rule.id for rule in rules.matching(event_type, names)]


@pytest.mark.parametrize(
    ("pattern", "event_type", "listens"),
    [
        ("class.booking.noshow", "class.booking.noshow", True),
        ("class.booking.noshow", "class.booking.noshows", False),
        ("class.*", "class.booking.noshow", True),
        ("class.*", "class.", True),
        ("class.*", "class", False),
        ("*.created", "guest.membership.created", True),
        ("*.created", "guest.membership.createdx", False),
        ("class.*.created", "class.booking.created", True),
        ("class.*.created", "class.created", False),
        ("*", "anything.at.all", True),
        ("*", "", True),
    ],
    ids=str,
)
def test_star_is_a_glob(pattern: str, event_type: str, listens: bool) -> None:
    assert make_rule("r", pattern).listens_to(event_type) is listens


def test_one_of_several_types_is_enough() -> None:
    rule = make_rule("r", "guest.created", "class.*")
    assert rule.listens_to("class.booking.created")
    assert rule.listens_to("guest.created")
    assert not rule.listens_to("guest.updated")


@pytest.mark.parametrize(
    "event_type", ["Class.Booking.NoShow", "class.booking.noshow", "CLASS.BOOKING.NOSHOW"]
)
def test_event_types_are_compared_without_case(event_type: str) -> None:
    rules = rule_set(make_rule("exact"), make_rule("glob", "class.*"), make_rule("other", "guest.*"))
    assert found(rules, event_type, make_names()) == ["exact", "glob"]


def test_a_rule_without_match_matches_always() -> None:
    assert found(rule_set(make_rule("r")), "Class.Booking.NoShow", make_names()) == ["r"]


def test_every_clause_of_match_must_hold() -> None:
    rules = rule_set(make_rule(match={"data.a": 1, "data.b": {"gt": 1}}))
    assert found(rules, "Class.Booking.NoShow", make_names(a=1, b=2)) == ["r"]
    assert found(rules, "Class.Booking.NoShow", make_names(a=1, b=1)) == []
    assert found(rules, "Class.Booking.NoShow", make_names(b=2)) == []


def test_candidates_come_in_the_order_of_the_files() -> None:
    rules = rule_set(
        make_rule("d", match={"data.b": 2}),
        make_rule("c"),
        make_rule("b", match={"data.a": [1, 2]}),
        make_rule("a", "*", match={"data.a": {"not": 7}}),
    )
    assert found(rules, "Class.Booking.NoShow", make_names(a=2, b=2)) == ["d", "c", "b", "a"]


def test_a_rule_whose_equality_fails_is_no_candidate() -> None:
    rules = rule_set(*(make_rule(f"r{number}", match={"data.center": number}) for number in range(1000)))
    assert found(rules, "Class.Booking.NoShow", make_names(center="7")) == ["r7"]
    assert found(rules, "Class.Booking.NoShow", make_names(center="elsewhere")) == []
    assert found(rules, "Class.Booking.NoShow", make_names()) == []


def test_the_path_where_the_rules_differ_most_is_indexed() -> None:
    rules = rule_set(
        *(
            make_rule(f"r{number}", match={"data.flag": True, "data.center": number, "data.kind": ["x", "y"]})
            for number in range(50)
        )
    )
    assert found(rules, "Class.Booking.NoShow", make_names(flag="Yes", center=7, kind="x")) == ["r7"]


@pytest.mark.parametrize("wanted", [-2, "-2", "NoShow", ["Cancelled", "noshow"]], ids=str)
def test_a_code_is_found_by_its_number_and_by_its_word(wanted: Any) -> None:
    rules = rule_set(make_rule(match={"data.status": wanted}))
    no_show = Code(-2, APPOINTMENT_GROUP_STATUS)
    assert found(rules, "Class.Booking.NoShow", make_names(status=no_show)) == ["r"]


def test_a_rule_is_found_once_though_several_elements_meet_it() -> None:
    rules = rule_set(make_rule(match={"data.list[*]": ["a", "b"]}))
    assert found(rules, "Class.Booking.NoShow", make_names(list=["a", "B", "a"])) == ["r"]


def test_rules_are_found_by_their_id() -> None:
    rules = rule_set(make_rule("a"), make_rule("b"))
    assert rules.by_id == {rule.id: rule for rule in rules.rules}


def test_memory_of_event_types_is_bounded_and_those_beyond_are_still_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rule_module, "_MOST_TYPES", 3)
    rules = rule_set(make_rule("r", "*"))
    for number in range(10):
        assert found(rules, f"made.up.{number}", make_names()) == ["r"]
    assert len(rules._index._buckets) == 3


def test_spellings_of_a_type_share_one_place_in_memory() -> None:
    rules = rule_set(make_rule("r", "*"))
    for event_type in ("A.B", "a.b", "A.b"):
        rules.matching(event_type, make_names())
    assert len(rules._index._buckets) == 1


values = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        2.0,
        "1",
        "2",
        "Yes",
        "no",
        "a",
        " A ",
        "b",
        "",
        Code(1, {1: "a"}),
        ["a", 1],
        {"x": 1},
    ]
)
wanteds = (
    st.sampled_from([None, True, False, 0, 1, 2, "1", "yes", "a", "b", ""])
    | st.lists(st.sampled_from([None, True, 1, "a", "b"]), min_size=1, max_size=3)
    | st.sampled_from([{"not": "a"}, {"gt": 0}, {"exists": True}, {"empty": True}, {"contains": "a"}])
)
PATHS = ("data.a", "data.b", "data.list[*]", "data.list", 'data["a"]', "data.things[*].a")
patterns = st.sampled_from(["x.one", "x.two", "x.*", "*", "*.one", "y.one"])
rules_strategy = st.lists(
    st.tuples(st.lists(patterns, min_size=1, max_size=2), st.dictionaries(st.sampled_from(PATHS), wanteds)),
    max_size=8,
)
data_strategy = st.fixed_dictionaries(
    {},
    optional={
        "a": values,
        "b": values,
        "list": st.lists(values, max_size=3),
        "things": st.lists(st.fixed_dictionaries({}, optional={"a": values}), max_size=2),
    },
)


@given(rules_strategy, st.sampled_from(["X.One", "x.two", "y.one", "z"]), data_strategy)
def test_the_index_finds_what_asking_every_rule_finds(
    written: list[tuple[list[str], dict[str, Any]]], event_type: str, data: dict[str, Any]
) -> None:
    rules = [make_rule(f"r{number}", *events, match=match) for number, (events, match) in enumerate(written)]
    names = make_names(**data)
    one_by_one = [rule.id for rule in rules if rule.listens_to(event_type.casefold()) and meets(rule, names)]
    assert found(rule_set(*rules), event_type, names) == one_by_one


@given(wanteds, values)
def test_a_clause_that_holds_is_reached_through_its_index(wanted: Any, value: Any) -> None:
    rules = rule_set(make_rule(match={"data.a": wanted}))
    if clause("data.a", wanted).holds(make_names(a=value)):
        assert found(rules, "Class.Booking.NoShow", make_names(a=value)) == ["r"]
