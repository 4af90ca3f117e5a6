"""What is too old to be sent alone when it is its turn, and is gathered for its channel."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest

from tests.fakes import START
from zennotify.core.digest import close, gather_late, late_key, told_by
from zennotify.core.window import Gathered, Stage, Window, WindowKey, Windows

MINUTE = timedelta(minutes=1)
KEY = late_key("r", "desk", "")


def windows(kept: dict[WindowKey, Window] | None = None) -> Windows:
    numbers = count(1)
    return Windows(kept or {}, lambda: next(numbers))


@pytest.mark.parametrize(
    ("key", "whom"),
    [
        (late_key("r", "desk", ""), ("desk", "")),
        (late_key("r", "mail", "ann@example.com"), ("mail", "ann@example.com")),
        (late_key("r", "mail", '"ann lee"@example.com'), ("mail", '"ann lee"@example.com')),
        # What was late when it was decided: the rule says who is told.
        (WindowKey("r", Stage.LATE, ""), None),
        (WindowKey("r", Stage.DIGEST, '[["a b"]]'), None),
    ],
)
def test_such_a_window_says_whom_its_message_tells(key: WindowKey, whom: tuple[str, str] | None) -> None:
    assert told_by(key) == whom


def test_what_is_late_within_15_minutes_goes_into_one_message() -> None:
    overlay = windows()
    for place, minutes, held_back in ((7, 0, 2), (5, 10, 0), (9, 14, 1)):
        gather_late(overlay, KEY, place, held_back, START + minutes * MINUTE, "hash")
    window = overlay.get(KEY)
    assert window is not None
    assert (window.due, window.opened, window.rule_set) == (START + 15 * MINUTE, START, "hash")
    assert (window.count, window.event, window.held, window.number) == (3, 9, 3, 1)
    assert overlay.gathered == [Gathered(1, 7), Gathered(1, 5), Gathered(1, 9)]


def test_what_is_late_after_the_message_goes_into_the_next() -> None:
    overlay = windows()
    gather_late(overlay, KEY, 1, 0, START, "hash")
    window = overlay.get(KEY)
    assert window is not None
    overlay.put(KEY, close(window, START + 15 * MINUTE))
    gather_late(overlay, KEY, 2, 0, START + 20 * MINUTE, "other")
    window = overlay.get(KEY)
    assert window is not None
    assert (window.due, window.count, window.number, window.rule_set) == (START + 35 * MINUTE, 1, 2, "other")
    # It is late as it is: nobody has to be told that it came too late for the message before.
    assert overlay.gathered == [Gathered(1, 1), Gathered(2, 2)]
