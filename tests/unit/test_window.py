"""Windows: their keys, and what one event changes before it is added."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, make_event, make_names
from tests.onpaper import paths
from zennotify.core.model import Code
from zennotify.core.window import Gathered, Window, WindowKey, Windows, key_text
from zennotify.zenoti.names import Names

ONE, OTHER = WindowKey("r", "once", "1"), WindowKey("r", "once", "2")
OLD, NEW = Window(until=START), Window(until=START, held=1)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"id": "abc"}, '[["abc"]]'),
        ({"id": " ABC "}, '[["abc"]]'),
        ({"id": 5.0}, '[["5"]]'),
        ({"id": "5"}, '[["5"]]'),
        ({"id": 0}, '[["0"]]'),
        ({"id": False}, '[["False"]]'),
        ({"id": "No"}, '[["False"]]'),
        ({"id": 'a"b'}, '[["a\\"b"]]'),
        ({"id": "a\nb"}, '[["a\\nb"]]'),
        ({"id": Code(7, {})}, '[["7"]]'),
        ({}, None),
        ({"id": None}, None),
        ({"id": ""}, None),
        ({"id": " \t"}, None),
        ({"id": []}, None),
        ({"id": ["a"]}, None),
        ({"id": {"a": 1}}, None),
    ],
    ids=str,
)
def test_a_key_is_the_text_of_what_stands_there_and_nothing_is_no_key(
    data: dict[str, Any], text: str | None
) -> None:
    assert key_text(paths("data.id"), make_names(**data)) == text


def test_without_per_all_have_one_key_which_is_not_that_of_nothing() -> None:
    assert key_text((), make_names()) == "[]"


def test_elements_that_say_nothing_are_left_out() -> None:
    names = make_names(list=["b", None, " ", "a"])
    assert key_text(paths("data.list[*]"), names) == '[["b","a"]]'
    assert key_text(paths("data.list[*]"), make_names(list=[None, " "])) is None


def test_what_is_not_known_of_a_thing_is_no_key() -> None:
    names = Names(make_event(data={"center_id": "C1"}))
    assert key_text(paths("center.id"), names) == '[["c1"]]'
    for path in ("center.name", "guest.name", "guest.id", "session.id"):
        assert key_text(paths(path), names) is None


@given(st.text(max_size=400), st.text(max_size=400))
def test_equal_texts_have_equal_keys_however_long_and_odd_they_are(one: str, other: str) -> None:
    first, second = (key_text(paths("data.id"), make_names(id=text)) for text in (one, other))
    assert first is None or len(first) <= 300
    if one.strip().casefold() == other.strip().casefold():
        assert first == second


def test_a_window_is_needed_until_it_says_otherwise() -> None:
    assert OLD.expires == START
    assert Window(until=START, lasts=START + timedelta(days=1)).expires == START + timedelta(days=1)


def numbered(kept: dict[WindowKey, Window]) -> Windows:
    numbers = count(3)
    return Windows(kept, lambda: next(numbers))


def test_what_was_before_is_asked_for_until_it_is_changed() -> None:
    windows = numbered({ONE: OLD})
    assert (windows.get(ONE), windows.get(OTHER)) == (OLD, None)
    windows.put(ONE, NEW)
    assert windows.get(ONE) == NEW
    windows.put(ONE, None)
    assert windows.get(ONE) is None
    assert windows.changed == {ONE: None}


def test_a_draft_sees_what_was_changed_and_leaves_no_trace_until_it_is_added() -> None:
    windows = numbered({ONE: OLD})
    windows.put(OTHER, NEW)
    draft = windows.draft()
    assert (draft.get(ONE), draft.get(OTHER)) == (OLD, NEW)
    draft.put(ONE, None)
    draft.put(OTHER, OLD)
    draft.gather(Gathered(draft.new_number(), 7))
    assert (windows.get(ONE), windows.changed, windows.gathered) == (OLD, {OTHER: NEW}, [])
    windows.add(draft)
    assert windows.changed == {ONE: None, OTHER: OLD}
    assert windows.gathered == [Gathered(3, 7)]
    assert windows.draft().new_number() == 4
