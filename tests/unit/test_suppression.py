"""`suppressed_by`: another rule that fired for the same thing says it all."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, make_rule
from tests.onpaper import Timeline, at, minutes, paths, suppressed_by, threshold, wait
from zennotify.core.absent import Absent
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.suppression import Mark, fire, suppressor
from zennotify.core.wait import LONGEST_AHEAD
from zennotify.core.window import Window

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
CLASS, BOOKING = "Class.Session.Cancelled", "Class.Booking.Cancelled"
BY = suppressed_by("class", HOUR, "data.session")
MARK = Mark(BY.stage, BY.same, 2 * HOUR)


def class_cancelled(**more: object) -> Rule:
    return make_rule("class", CLASS.casefold(), **more)  # type: ignore[arg-type]


def booking_cancelled(**more: object) -> Rule:
    return make_rule("r", BOOKING.casefold(), **{"suppressed": BY} | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("apart", "is_muted"),
    [
        (timedelta(0), True),
        (HOUR - TICK, True),
        (HOUR, False),
        (-HOUR + TICK, True),
        (-HOUR, False),
    ],
)
def test_the_other_may_be_older_or_younger_by_less_than_within(apart: timedelta, is_muted: bool) -> None:
    window = fire(MARK, None, START, START)
    assert suppressor(BY, window, START + apart) == (START if is_muted else None)


def test_without_a_window_nothing_is_muted() -> None:
    assert suppressor(BY, None, START) is None


def test_the_newest_that_is_near_enough_is_named() -> None:
    window = fire(MARK, fire(MARK, fire(MARK, None, at(10), at(10)), at(0), at(11)), at(100), at(100))
    assert window.times == (at(0), at(10), at(100))
    assert suppressor(BY, window, at(20)) == at(10)
    assert suppressor(BY, window, at(45)) == at(100)
    assert suppressor(BY, window, at(-49)) == at(10)
    assert suppressor(BY, window, at(-50)) == at(0)


def test_marks_are_forgotten_by_time_and_by_number() -> None:
    window = fire(MARK, fire(MARK, None, at(0), at(0)), at(120), at(121))
    assert window.times == (at(0), at(120))
    window = fire(MARK, window, at(121), at(121))
    assert window.times == (at(120), at(121))
    assert window.expires == at(241)
    for second in range(200):
        window = fire(MARK, window, at(130) + timedelta(seconds=second), at(140))
    assert len(window.times) == 50
    assert window.times[-1] == at(130) + timedelta(seconds=199)


def test_a_mark_lasts_as_long_as_what_it_mutes_may_wait() -> None:
    short = suppressed_by("class", HOUR, "data.session")
    other = suppressed_by("class", HOUR, "data.id")
    rules = RuleSet(
        "hash",
        (
            class_cancelled(),
            make_rule("a", suppressed=short),
            make_rule("b", suppressed=short, wait=wait(3 * HOUR)),
            make_rule("c", suppressed=suppressed_by("class", 2 * HOUR, "data.session")),
            make_rule("d", suppressed=other, wait=wait(HOUR, after=lambda _names: None)),
        ),
    )
    assert rules.marks == {
        "class": [
            Mark("fired data.session", paths("data.session"), 5 * HOUR),
            Mark("fired data.id", paths("data.id"), 3 * HOUR + LONGEST_AHEAD),
        ]
    }


def test_bookings_are_muted_by_the_cancellation_of_their_class() -> None:
    line = Timeline(class_cancelled(), booking_cancelled())
    line.event(at(0), BOOKING, session="s1")  # nobody knew yet
    line.event(at(1), CLASS, session="s1")
    line.event(at(2), BOOKING, session="s1")
    line.event(at(2), BOOKING, session="s2")
    line.event(at(70), BOOKING, session="S1 ", at=at(30))
    line.event(at(71), BOOKING, session="s1")
    assert [line.reason(f"e{place}") for place in (1, 3, 4, 5, 6)] == [
        "notified",
        "suppressed",
        "notified",
        "suppressed",
        "notified",
    ]
    assert line.detail("e3") == "class fired for the same at 2026-03-01T12:01:00+00:00"


@pytest.mark.parametrize("session", [None, "", []], ids=str)
def test_a_null_key_is_muted_by_nothing(session: object) -> None:
    line = Timeline(class_cancelled(), booking_cancelled())
    line.event(at(0), CLASS, session=session)
    line.event(at(1), BOOKING, session=session)
    assert line.reason("e2") == "notified"
    assert line.kept.windows == {}


def test_one_that_has_waited_is_muted_by_what_came_meanwhile() -> None:
    line = Timeline(class_cancelled(), booking_cancelled(wait=wait(minutes(10))))
    line.event(at(0), BOOKING, id=1, session="s1")
    line.event(at(5), CLASS, session="s1")
    line.until(at(10))
    assert line.reason("e1") == "suppressed"
    assert line.told == ["0:05:00 class > desk: e2"]


def test_one_that_waits_for_long_is_muted_though_the_other_went_on_firing() -> None:
    """Its mark is the only near one, and is kept among the later ones."""
    line = Timeline(class_cancelled(), booking_cancelled(wait=wait(10 * HOUR)))
    line.event(at(0), BOOKING, id=1, session="s1")
    line.event(at(30), CLASS, session="s1")
    for hour in range(3, 10):
        line.event(at(hour * 60), CLASS, session="s1")
    line.until(at(600))
    assert line.reason("e1") == "suppressed"


def test_the_other_fires_though_its_own_message_is_stopped_but_not_below_its_threshold() -> None:
    line = Timeline(
        class_cancelled(threshold=threshold(2, HOUR, "data.session"), wait=wait(HOUR, per=("data.session",))),
        booking_cancelled(),
    )
    line.event(at(0), CLASS, session="s1")
    line.event(at(1), BOOKING, session="s1")
    line.event(at(2), CLASS, session="s1")
    line.event(at(3), BOOKING, session="s1")
    assert (line.reason("e2"), line.reason("e4")) == ("notified", "suppressed")


def test_a_rule_that_is_disabled_fires_for_nobody() -> None:
    line = Timeline(class_cancelled(enabled=False), booking_cancelled())
    line.event(at(0), CLASS, session="s1")
    line.event(at(1), BOOKING, session="s1")
    assert line.reason("e2") == "notified"


@pytest.mark.parametrize("order", [("class", "r"), ("r", "class")])
def test_of_one_event_the_order_of_the_rules_says_nothing(order: tuple[str, str]) -> None:
    rules = {"class": make_rule("class"), "r": make_rule("r", suppressed=BY)}
    line = Timeline(*(rules[name] for name in order))
    line.event(at(0), session="s1")
    assert line.reason("e1") == "suppressed"
    assert line.reason("e1", "class") == "notified"


def test_what_is_awaited_mutes_nobody_by_coming() -> None:
    line = Timeline(
        make_rule("class", CLASS.casefold(), absent=Absent(period=HOUR, per=paths("data.session"))),
        booking_cancelled(),
    )
    line.event(at(0), CLASS, session="s1")
    line.event(at(1), BOOKING, session="s1")
    assert line.reason("e2") == "notified"


def test_what_is_absent_is_muted_by_what_fired_around_the_moment_it_was_missed() -> None:
    missing = make_rule(
        "r", BOOKING.casefold(), suppressed=BY, absent=Absent(period=5 * HOUR, per=paths("data.session"))
    )
    line = Timeline(class_cancelled(), missing)
    line.event(at(0), BOOKING, session="s1")
    line.event(at(290), CLASS, session="s1")
    line.until(at(300))
    assert line.reason("e1") == "suppressed"


_MINUTES = st.lists(st.integers(0, 300), max_size=15)


@given(_MINUTES, st.integers(0, 300), st.integers(1, 100))
def test_in_any_order_a_mark_that_is_near_mutes(fired: list[int], asked: int, within: int) -> None:
    by = suppressed_by("class", minutes(within), "data.session")
    window: Window | None = None
    for minute in fired:
        window = fire(Mark(by.stage, by.same, minutes(400)), window, at(minute), at(300))
    near = [minute for minute in fired if abs(minute - asked) < within]
    assert suppressor(by, window, at(asked)) == (at(max(near)) if near else None)
