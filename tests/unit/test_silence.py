"""A silence mutes a rule, or what meets its clauses, from its beginning until just before its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes import START, clause, make_names, make_once, make_rule
from zennotify.core.decide import conclude
from zennotify.core.model import Names, Reason
from zennotify.core.rule import RuleSet
from zennotify.core.scene import Decision, Passed, Scene, window_keys
from zennotify.core.silence import Silence, silence_of
from zennotify.core.threshold import Threshold
from zennotify.core.window import Stage, Windows

HOUR = timedelta(hours=1)
BELLEVUE = make_names(center="Bellevue", total=12)


def silence(id_: str = "3f9a2c", rule: str = "r", by: str = "", why: str = "", **match: object) -> Silence:
    clauses = tuple(clause(f"data.{path}", wanted) for path, wanted in match.items())
    return Silence(id=id_, rule=rule, match=clauses, since=START, until=START + HOUR, by=by, why=why)


@pytest.mark.parametrize(
    ("after", "holds"),
    [
        (timedelta(microseconds=-1), False),
        (timedelta(), True),
        (HOUR - timedelta(microseconds=1), True),
        (HOUR, False),
    ],
)
def test_it_holds_from_its_beginning_until_just_before_its_end(after: timedelta, holds: bool) -> None:
    assert silence().holds("r", BELLEVUE, START + after) is holds


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        (silence(), True),
        (silence(rule="other"), False),
        (silence(rule=""), True),
        (silence(center=" bellevue "), True),
        (silence(rule="", center="Redmond"), False),
        (silence(center="Bellevue", total={"gt": 5}), True),
        (silence(center="Bellevue", total={"gt": 50}), False),
        (silence(center=["Redmond", "Bellevue"]), True),
        (silence(nothing={"not": "x"}), True),
        (silence(nothing="x"), False),
    ],
)
def test_its_rule_and_all_its_clauses_must_hold(one: Silence, holds: bool) -> None:
    assert one.holds("r", BELLEVUE, START) is holds


def test_the_first_that_holds_is_named() -> None:
    those = [silence("1", "other"), silence("2", center="Redmond"), silence("3"), silence("4")]
    assert silence_of(those, "r", BELLEVUE, START) is those[2]
    assert silence_of(those, "nobody's", BELLEVUE, START) is None


def test_it_says_who_muted_until_when_and_why() -> None:
    until = "2026-03-01T13:00:00+00:00"
    assert (
        str(silence(by="Nora", why="stock taking")) == f"silence 3f9a2c by Nora until {until}: stock taking"
    )
    assert str(silence()) == f"silence 3f9a2c until {until}"


# --- its place among the stages -----------------------------------------------------------------------------


def decide(rules: RuleSet, windows: Windows, names: Names, *silences: Silence) -> Decision:
    rule = rules.rules[0]
    scene = Scene(names=names, rules=rules, windows=windows, silences=silences, at=START, now=START)
    [decision] = conclude([Passed(rule, window_keys(rule, names, rules))], scene).decisions
    return decision


def test_what_is_muted_is_counted_by_the_threshold_and_starts_no_period_of_once() -> None:
    threshold = Threshold(count=2, within=HOUR, per=make_once("data.center").per)
    rule = make_rule(once=make_once("data.center"))
    rules = RuleSet("hash", (replace(rule, threshold=threshold),))
    windows = Windows({}, lambda: 1)
    assert decide(rules, windows, BELLEVUE, silence()).reason is Reason.BELOW_THRESHOLD
    second = decide(rules, windows, BELLEVUE, silence(by="Nora"))
    assert (second.reason, second.detail) == (Reason.SILENCED, str(silence(by="Nora")))
    assert {key.stage for key in windows.changed} == {Stage.THRESHOLD}
    assert decide(rules, windows, BELLEVUE).reason is Reason.NOTIFIED
