"""`escalate`: who is told next while nobody acknowledges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.fakes import make_once, make_rule
from tests.onpaper import Timeline, at, digest, directory_of, minutes, threshold, wait
from zennotify.core.cap import Cap
from zennotify.core.escalation import Step, begin, climb
from zennotify.core.model import Names
from zennotify.core.notify import GuestChannel
from zennotify.core.rate import rate_of
from zennotify.core.rule import Hold
from zennotify.core.scene import escalation_key

STEPS = (Step(minutes(15), ("regional",)), Step(minutes(60), ("boss", "owner")))
HOUR = timedelta(hours=1)


def line(**more: Any) -> Timeline:
    return Timeline(make_rule(escalate=STEPS, **more))


def test_all_steps_count_from_the_message() -> None:
    window = begin(STEPS, at(5), opened=at(0), event=7, number=None, counted=3)
    assert (window.until, window.due, window.count, window.held) == (at(5), at(20), 0, 3)
    further = climb(STEPS, window)
    assert further is not None
    assert (further.until, further.due, further.count, further.held) == (at(5), at(65), 1, 3)
    assert climb(STEPS, further) is None


def test_each_step_is_told_when_it_is_due_and_then_it_is_over() -> None:
    of = line()
    of.event(at(0))
    of.until(at(500))
    assert of.told == [
        "0:00:00 r > desk: e1",
        "0:15:00 r > regional: e1",
        "1:00:00 r > boss: e1",
        "1:00:00 r > owner: e1",
    ]
    assert [sent.step for sent in of.kept.sent] == [0, 1, 2, 2]
    assert of.kept.windows == {}
    assert of.reason("e1") == "notified"


def test_whoever_acknowledges_ends_it() -> None:
    of = line()
    of.event(at(0))
    of.event(at(1))
    of.until(at(20))
    del of.kept.windows[escalation_key("r", place=0, number=None)]
    of.until(at(500))
    assert [text for text in of.told if text.endswith("e1")] == [
        "0:00:00 r > desk: e1",
        "0:15:00 r > regional: e1",
    ]
    assert of.told[-1] == "1:01:00 r > owner: e2"


def test_a_message_that_nobody_gets_is_not_escalated() -> None:
    of = line(once=make_once("data.id", period=HOUR))
    of.event(at(0), id=1)
    of.event(at(1), id=1)
    of.until(at(500))
    assert [sent.events for sent in of.kept.sent] == [("e1",)] * 4


def test_it_begins_when_a_wait_or_a_digest_has_ended() -> None:
    of = line(wait=wait(minutes(10)))
    of.event(at(0), id=1)
    of.until(at(500))
    assert [sent.due for sent in of.kept.sent] == [at(10), at(25), at(70), at(70)]
    of = line(digest=digest(minutes(30)))
    of.event(at(0))
    of.event(at(1))
    of.until(at(500))
    assert [(sent.due, sent.events, sent.counted) for sent in of.kept.sent] == [
        (due, ("e1", "e2"), 2) for due in (at(30), at(45), at(90), at(90))
    ]
    assert len({name[0] for name in of.kept.owed}) == 1


def test_each_step_says_what_the_threshold_has_counted() -> None:
    of = line(threshold=threshold(2, HOUR))
    of.event(at(0))
    of.event(at(1))
    of.until(at(500))
    assert [sent.counted for sent in of.kept.sent] == [2, 2, 2, 2]


def test_it_counts_from_the_moment_until_which_a_name_is_awaited() -> None:
    of = line(hold=Hold(timedelta(seconds=20), lambda _names: ["guest 1"]))
    of.event(at(0))
    of.until(at(500))
    assert [sent.due for sent in of.kept.sent[:2]] == [
        at(0) + timedelta(seconds=20),
        at(15) + timedelta(seconds=20),
    ]


def test_a_rule_that_is_disabled_or_has_no_such_step_any_more_climbs_no_further() -> None:
    for rule in (make_rule(enabled=False, escalate=STEPS), make_rule(escalate=STEPS[:1]), make_rule()):
        of = line()
        of.event(at(0))
        of.until(at(20))
        of.load(rule)
        of.until(at(500))
        assert of.told == ["0:00:00 r > desk: e1", "0:15:00 r > regional: e1"]
        assert of.kept.windows == {}


def sms(per_day: int) -> Timeline:
    """A channel that writes to guests' phones, so many times in a day."""

    def number(_names: Names) -> str:
        return "+12065550100"

    cap = Cap(prefixes=("+1",), per_recipient=(), per_day=per_day)
    guest = GuestChannel(recipient=number, medium="sms", to="{{ guest.phone }}", cap=cap)
    return Timeline(
        make_rule(
            notify=("sms",), digest=digest(minutes(30)), escalate=(Step(minutes(15), ("sms", "boss")),)
        ),
        directory=directory_of(guests={"sms": guest}),
    )


def test_caps_are_counted_when_it_fires_and_hold_back_a_step_as_any_message() -> None:
    assert rate_of(1, "d").count == 1
    of = sms(per_day=1)
    of.event(at(0))
    assert [key.rule for key in of.kept.windows] == ["r"]  # nothing is counted while it is gathered
    of.until(at(500))
    assert of.told == ["0:30:00 r > sms: e1", "0:45:00 r > boss: e1"]
    of = sms(per_day=2)
    of.event(at(0))
    of.until(at(500))
    assert of.told == ["0:30:00 r > sms: e1", "0:45:00 r > sms: e1", "0:45:00 r > boss: e1"]


def test_a_digest_that_the_caps_hold_back_says_so_of_each_event_and_is_not_escalated() -> None:
    of = sms(per_day=1)
    of.event(at(0))
    of.event(at(40))
    of.event(at(41))
    of.until(at(500))
    assert of.told == ["0:30:00 r > sms: e1", "0:45:00 r > boss: e1"]
    assert (of.reason("e2"), of.reason("e3")) == ("held_back", "held_back")
    assert of.detail("e3") == "sms: per_day 1 until 2026-03-02T12:30:00+00:00"
