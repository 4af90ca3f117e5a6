"""What becomes of a message whose event was too long ago, when it is decided."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.fakes import START, concluded, make_event, make_once, make_rule
from zennotify.core.decide import examine
from zennotify.core.model import Reason
from zennotify.core.rule import RuleSet
from zennotify.core.stale import Stale, Then
from zennotify.zenoti.names import Names

HOUR = timedelta(hours=1)


def reason(then: Then, at: datetime | None, received_at: datetime = START) -> tuple[Reason, str, int]:
    """What a rule with `stale_after: 2h` and a `once` makes of an event, and the windows that it leaves."""
    rule = make_rule(stale=Stale(2 * HOUR, "2h", then), once=make_once("data.id"))
    event = make_event(data={"id": "1"}, at=at, received_at=received_at)
    names, rules = Names(event), RuleSet("hash", (rule,))
    [made], windows = concluded(examine(event, names, rules), names, rules, {}, received_at)
    return made.reason, made.detail, len(windows)


def test_what_was_meant_to_go_out_later_counts_from_then() -> None:
    stale, names = Stale(2 * HOUR, "2h"), {"event": {"at": START, "received_at": START}}
    assert stale.is_over(names, START + 2 * HOUR)
    assert not stale.is_over(names, START + 2 * HOUR, START + HOUR)
    assert stale.is_over(names, START + 3 * HOUR, START + HOUR)


@pytest.mark.parametrize(
    ("age", "is_stale"),
    [(timedelta(0), False), (2 * HOUR - timedelta(microseconds=1), False), (2 * HOUR, True), (-HOUR, False)],
)
def test_what_is_dropped_is_recorded_and_starts_no_period(age: timedelta, is_stale: bool) -> None:
    expected = (Reason.STALE, "over 2h old", 0) if is_stale else (Reason.NOTIFIED, "", 1)
    assert reason(Then.DROP, START - age) == expected


def test_what_is_marked_goes_out() -> None:
    assert reason(Then.MARK, START - 100 * HOUR) == (Reason.NOTIFIED, "", 1)


def test_an_event_without_a_time_is_as_old_as_its_arrival() -> None:
    assert reason(Then.DROP, None) == (Reason.NOTIFIED, "", 1)
