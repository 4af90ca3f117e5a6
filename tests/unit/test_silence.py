"""Silences: asked after the rule and before its windows, and again when a wait ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.fakes import START, clause, make_names, make_once, make_rule
from tests.timeline import Timeline, at, digest, hours, minutes, suppressed_by, threshold, wait
from zennotify.core.absent import Absent
from zennotify.core.during import Otherwise
from zennotify.core.escalation import Step
from zennotify.core.silence import Silence, silence_of

TICK = timedelta(microseconds=1)


def silence(since: float = 0, until: float = 60, id_: str = "s1", rule: str = "r", **more: Any) -> Silence:
    return Silence(id=id_, rule=rule, since=at(since), until=at(until), **more)


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (START - TICK, False),
        (START, True),
        (at(60) - TICK, True),
        (at(60), False),
    ],
)
def test_it_holds_from_its_beginning_to_just_before_its_end(now: datetime, holds: bool) -> None:
    assert silence().holds("r", {}, now) is holds


def test_it_is_of_one_rule_or_of_all() -> None:
    assert silence().holds("other", {}, at(1)) is False
    assert silence(rule="").holds("other", {}, at(1)) is True


def test_all_of_its_clauses_must_hold() -> None:
    mute = silence(match=(clause("data.center", "Bellevue"), clause("data.n", {"gt": 3})))
    assert mute.holds("r", make_names(center=" bellevue", n=4), at(1))
    assert not mute.holds("r", make_names(center="Bellevue", n=3), at(1))
    assert not mute.holds("r", make_names(n=4), at(1))


def test_the_first_that_holds_is_named() -> None:
    found = silence_of([silence(0, 5), silence(0, 60, "s2"), silence(0, 60, "s3")], "r", {}, at(10))
    assert found is not None
    assert found.id == "s2"
    assert silence_of([], "r", {}, at(10)) is None


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "silence s1 until 2026-03-01T13:00:00+00:00"),
        ({"by": "Ann"}, "silence s1 by Ann until 2026-03-01T13:00:00+00:00"),
        (
            {"by": "Ann", "why": "stock taking"},
            "silence s1 by Ann until 2026-03-01T13:00:00+00:00: stock taking",
        ),
    ],
)
def test_it_says_who_and_why(more: dict[str, Any], text: str) -> None:
    assert str(silence(**more)) == text


def test_each_decision_names_the_silence_and_no_window_is_touched() -> None:
    line = Timeline(
        make_rule(once=make_once("data.id"), wait=wait(minutes(1)), digest=digest(minutes(5))),
        silences=[silence(why="stock taking")],
    )
    line.event(at(1), id=1)
    assert line.reason("e1") == "silenced"
    assert line.detail("e1") == "silence s1 until 2026-03-01T13:00:00+00:00: stock taking"
    assert line.kept.windows == {}


def test_a_threshold_counts_what_is_silenced() -> None:
    line = Timeline(make_rule(threshold=threshold(2, minutes(60))), silences=[silence(1, 5)])
    for minute in (0, 2, 6):
        line.event(at(minute))
    assert [line.reason(f"e{place}") for place in (1, 2, 3)] == ["below_threshold", "silenced", "notified"]
    assert line.kept.sent[0].counted == 3


def test_it_comes_before_suppressed_and_the_hours() -> None:
    line = Timeline(
        make_rule("other"),
        make_rule(
            suppressed=suppressed_by("other", minutes(10), "data.id"),
            hours=hours("01:00-02:00", Otherwise.DROP),
        ),
        silences=[silence()],
    )
    line.event(at(1), id=1)
    line.event(at(61), id=1)
    line.event(at(61), id=2, at=START)
    assert [line.reason(f"e{place}") for place in (1, 2, 3)] == ["silenced", "suppressed", "suppressed"]


def test_it_is_asked_again_when_a_wait_ends_and_not_in_between() -> None:
    rule = make_rule(wait=wait(minutes(10)))
    line = Timeline(rule, silences=[silence(9, 11)])
    line.event(at(0), id=1)
    line.event(at(2), id=2)
    line.until(at(30))
    assert line.reason("e1") == "silenced"
    assert line.told == ["0:12:00 r > desk: e2"]


def test_it_is_asked_when_something_is_missed_which_is_told_once_all_the_same() -> None:
    line = Timeline(make_rule(absent=Absent(period=minutes(30))), silences=[silence(20, 40)])
    line.event(at(0))
    line.until(at(500))
    assert line.reason("e1") == "silenced"
    assert line.told == []


def test_a_digest_that_is_open_and_an_escalation_that_runs_go_on() -> None:
    line = Timeline(
        make_rule(digest=digest(minutes(30)), escalate=(Step(minutes(10), ("boss",)),)),
        silences=[silence(20, 50)],
    )
    line.event(at(0))
    line.event(at(25))
    line.until(at(500))
    assert line.told == ["0:30:00 r > desk: e1", "0:40:00 r > boss: e1"]
    assert line.reason("e2") == "silenced"
