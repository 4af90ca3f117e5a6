"""The stage `silence`: asked after the rule and before its windows, and again when a wait ends."""

from __future__ import annotations

from typing import Any

from tests.fakes import START, make_once, make_rule
from tests.onpaper import Timeline, at, digest, hours, minutes, suppressed_by, threshold, wait
from zennotify.core.absent import Absent
from zennotify.core.during import Otherwise
from zennotify.core.escalation import Step
from zennotify.core.silence import Silence


def silence(since: float = 0, until: float = 60, id_: str = "s1", rule: str = "r", **more: Any) -> Silence:
    return Silence(id=id_, rule=rule, since=at(since), until=at(until), **more)


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
