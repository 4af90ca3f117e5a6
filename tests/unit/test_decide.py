"""Deciding an event: one reason for each rule that it concerns, and nothing shared but the windows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, concluded, make_event, make_once, make_rule
from zennotify.core.decide import examine
from zennotify.core.model import Names, Reason
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.scene import Decision, Duty, Passed
from zennotify.core.window import Window, WindowKey
from zennotify.errors import ExpressionError
from zennotify.zenoti.names import Names as NamesOfEvent

HOUR = timedelta(hours=1)
Windows = dict[WindowKey, Window]


def always(_names: Names) -> bool:
    return True


def never(_names: Names) -> bool:
    return False


def broken(_names: Names) -> bool:
    raise ExpressionError("`number` expects a number")


def decide(
    rules: list[Rule], data: dict[str, Any], windows: Windows | None = None, now: datetime = START
) -> tuple[list[Decision], Windows]:
    event = make_event(data=data, received_at=now)
    names, rule_set = NamesOfEvent(event), RuleSet("hash", tuple(rules))
    return concluded(examine(event, names, rule_set), names, rule_set, windows or {}, now)


def reasons(rules: list[Rule], data: dict[str, Any], windows: Windows | None = None) -> dict[str, Reason]:
    return {decision.rule: decision.reason for decision in decide(rules, data, windows)[0]}


def test_a_rule_that_matches_owes_one_message_to_each_channel() -> None:
    decisions, windows = decide([make_rule(notify=("desk", "sms"))], {})
    duties = (Duty(channel="desk", due=START), Duty(channel="sms", due=START))
    assert decisions == [Decision(rule="r", reason=Reason.NOTIFIED, duties=duties)]
    assert windows == {}


def test_rules_that_do_not_match_or_whose_when_is_false_leave_nothing() -> None:
    rules = [
        make_rule("type", "guest.created"),
        make_rule("match", match={"data.x": 2}),
        make_rule("operator", match={"data.x": {"gt": 2}}),
        make_rule("when", when=never),
    ]
    assert decide(rules, {"x": 1}) == ([], {})


def test_when_is_asked_only_where_match_holds() -> None:
    assert decide([make_rule(match={"data.x": {"gt": 2}}, when=broken)], {"x": 1}) == ([], {})


def test_when_sees_the_names_of_the_event() -> None:
    rule = make_rule(
        when=lambda names: bool(names["event"]["type"] == "Class.Booking.NoShow" and names["data"]["x"])
    )
    assert reasons([rule], {"x": 1}) == {"r": Reason.NOTIFIED}


def test_an_error_in_when_is_recorded_and_other_rules_go_on() -> None:
    rules = [make_rule("a", when=always), make_rule("b", when=broken), make_rule("c")]
    decisions, _ = decide(rules, {})
    assert [(decision.rule, decision.reason) for decision in decisions] == [
        ("a", Reason.NOTIFIED),
        ("b", Reason.ERROR),
        ("c", Reason.NOTIFIED),
    ]
    assert decisions[1] == Decision(rule="b", reason=Reason.ERROR, detail="`number` expects a number")


def test_an_error_in_when_starts_no_period() -> None:
    assert decide([make_rule(when=broken, once=make_once("data.id"))], {"id": 1})[1] == {}


def test_a_disabled_rule_is_recorded_and_starts_no_period() -> None:
    rule = make_rule(enabled=False, once=make_once("data.id"))
    assert decide([rule], {"id": 1}) == ([Decision(rule="r", reason=Reason.DISABLED)], {})
    assert decide([make_rule(enabled=False, match={"data.id": 2})], {"id": 1}) == ([], {})


def test_any_other_error_is_not_taken_for_an_answer() -> None:
    def bug(_names: Names) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide([make_rule(when=bug)], {})


def test_decisions_come_in_the_order_of_the_files() -> None:
    rules = [
        make_rule("d", match={"data.x": 1}),
        make_rule("c", enabled=False),
        make_rule("b", "*"),
        make_rule("a", "class.*", match={"data.x": [1, 2]}),
    ]
    assert [decision.rule for decision in decide(rules, {"x": 1})[0]] == ["d", "c", "b", "a"]


def test_a_held_back_message_says_until_when_and_owes_nothing() -> None:
    rule = make_rule(once=make_once("data.id", period=HOUR))
    _, windows = decide([rule], {"id": 1})
    decisions, changed = decide([rule], {"id": 1}, windows, START + HOUR / 2)
    assert decisions == [
        Decision(rule="r", reason=Reason.HELD_BACK, detail="once until 2026-03-01T13:00:00+00:00")
    ]
    assert [window.held for window in changed.values()] == [1]


def test_the_next_message_tells_every_channel_how_many_were_held_back() -> None:
    rule = make_rule(once=make_once("data.id", period=HOUR), notify=("desk", "sms"))
    windows: Windows = {}
    for minutes in (0, 10, 20):
        windows |= decide([rule], {"id": 1}, windows, START + timedelta(minutes=minutes))[1]
    [decision], changed = decide([rule], {"id": 1}, windows, START + HOUR)
    assert [duty.held_back for duty in decision.duties] == [2, 2]
    assert [window.held for window in changed.values()] == [0]


def test_the_period_starts_at_the_arrival_and_not_at_the_event_time() -> None:
    event = make_event(data={"id": 1}, at=START - timedelta(days=1))
    rules = RuleSet("hash", (make_rule(once=make_once("data.id", period=HOUR)),))
    names = NamesOfEvent(event)
    _, changed = concluded(examine(event, names, rules), names, rules, {}, START)
    assert [window.until for window in changed.values()] == [START + HOUR]


def test_a_null_key_limits_nothing() -> None:
    rule = make_rule(once=make_once("data.id"))
    assert [decide([rule], {"id": None})[1] for _ in range(2)] == [{}, {}]


def test_rules_with_the_same_key_do_not_hold_back_each_other() -> None:
    rules = [make_rule("a", once=make_once("data.id")), make_rule("b", once=make_once("data.id"))]
    assert reasons(rules, {"id": 1}) == {"a": Reason.NOTIFIED, "b": Reason.NOTIFIED}


def test_events_of_one_batch_see_what_those_before_them_changed() -> None:
    rule = make_rule(once=make_once("data.id"))
    windows: Windows = {}
    made: list[Reason] = []
    for id_ in (1, 1, 2, 1):
        decisions, changed = decide([rule], {"id": id_}, windows)
        windows |= changed
        made += [decision.reason for decision in decisions]
    assert made == [Reason.NOTIFIED, Reason.HELD_BACK, Reason.NOTIFIED, Reason.HELD_BACK]


def test_concluding_changes_no_window_itself_so_that_a_failing_event_leaves_no_trace() -> None:
    rule = make_rule(once=make_once("data.id"))
    _, windows = decide([rule], {"id": 1})
    before = dict(windows)
    first = decide([rule], {"id": 1}, windows)
    assert windows == before
    assert decide([rule], {"id": 1}, windows) == first


def test_what_an_event_asks_of_the_store_is_known_before_it_is_concluded() -> None:
    rules = RuleSet(
        "hash",
        (
            make_rule("limited", once=make_once("data.id")),
            make_rule("free"),
            make_rule("null", once=make_once("data.missing")),
        ),
    )
    event = make_event(data={"id": "A"})
    examined = examine(event, NamesOfEvent(event), rules)
    assert [item.keys for item in examined if isinstance(item, Passed)] == [
        {"once": WindowKey("limited", "once", '[["a"]]')},
        {},
        {},
    ]


outcomes = {"always": always, "never": never, "broken": broken, "none": None}
written = st.lists(
    st.tuples(
        st.sampled_from(sorted(outcomes)),
        st.booleans(),
        st.sampled_from([None, "data.id", "data.missing"]),
        st.sampled_from([{}, {"data.id": [1, 2]}, {"data.id": {"gt": 1}}]),
    ),
    max_size=6,
)


@given(written, st.lists(st.tuples(st.integers(1, 3), st.integers(0, 90)), max_size=8))
def test_the_same_event_is_decided_the_same_and_each_rule_has_at_most_one_reason(
    rules: list[tuple[str, bool, str | None, dict[str, Any]]], arrivals: list[tuple[int, int]]
) -> None:
    made = [
        make_rule(f"r{n}", match=match, when=outcomes[when], enabled=on, once=make_once(per) if per else None)
        for n, (when, on, per, match) in enumerate(rules)
    ]
    now = START
    windows: Windows = {}
    for id_, gap in arrivals:
        now += timedelta(minutes=gap)
        decisions, changed = decide(made, {"id": id_}, windows, now)
        assert (decisions, changed) == decide(made, {"id": id_}, windows, now)
        told = [decision.rule for decision in decisions]
        assert len(told) == len(set(told))
        assert all(bool(one.duties) is (one.reason is Reason.NOTIFIED) for one in decisions)
        assert {one.reason for one in decisions}.isdisjoint({Reason.NOT_MATCHED, Reason.WHEN_FALSE})
        windows |= changed


def test_a_rule_that_is_switched_off_is_not_asked_its_when() -> None:
    def broken(_names: Names) -> bool:
        raise ExpressionError("broken")

    rules = RuleSet("hash", (make_rule(when=broken, enabled=False),))
    [decision] = examine(make_event(), {"data": {}}, rules)
    assert isinstance(decision, Decision)
    assert decision.reason is Reason.DISABLED
