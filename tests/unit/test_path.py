"""Paths: what can be written, what stands there, and what is said of those that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.core.path import EVERY, PathError, parse_path

NAMES = {
    "data": {
        "id": "1",
        "null": None,
        "T&C": "odd",
        "a b": "blank",
        "it's": "apostrophe",
        "": "nameless",
        "_id": "underscore",
        "x-y": "hyphen",
        "straße": "letters",
        "list": [10, 20, 30],
        "empty": [],
        "grid": [[1, 2], [], [3]],
        "appointments": [
            {"service": "Cut", "staff": {"name": "Ann"}},
            {"service": "Wash"},
            "no mapping",
            {"staff": {"name": None}},
        ],
        "text": "abc",
        "9": "digit",
    },
    "event": {"type": "T"},
}


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("data", ("data",)),
        (" data.center_id ", ("data", "center_id")),
        ("data.guest.id", ("data", "guest", "id")),
        ("data.list[0]", ("data", "list", 0)),
        ("data.list[*].name", ("data", "list", EVERY, "name")),
        ('data["T&C"]', ("data", "T&C")),
        ("data['a b'].x", ("data", "a b", "x")),
        ('data["a.b[0]"]', ("data", "a.b[0]")),
        ("data.list[9999]", ("data", "list", 9999)),
    ],
    ids=str,
)
def test_path_is_read_into_its_steps(text: str, steps: tuple[Any, ...]) -> None:
    path = parse_path(text)
    assert (path.steps, path.root, path.text) == (steps, "data", text.strip())


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("event.type", ["T"]),
        ("data.id", ["1"]),
        ("data.null", [None]),
        ("data.missing", []),
        ("data.missing.deeper[0]", []),
        ("nothing", []),
        ('data["T&C"]', ["odd"]),
        ('data["a b"]', ["blank"]),
        ('data["it\'s"]', ["apostrophe"]),
        ('data[""]', ["nameless"]),
        ('data["9"]', ["digit"]),
        ("data._id", ["underscore"]),
        ("data.x-y", ["hyphen"]),
        ("data.straße", ["letters"]),
        ("data.list", [[10, 20, 30]]),
        ("data.list[1]", [20]),
        ("data.list[3]", []),
        ("data.list[*]", [10, 20, 30]),
        ("data.empty[*]", []),
        ("data.grid[*][*]", [1, 2, 3]),
        ("data.grid[*][0]", [1, 3]),
        ("data.appointments[*].service", ["Cut", "Wash"]),
        ("data.appointments[*].staff.name", ["Ann", None]),
        ("data.text[0]", []),
        ("data.text[*]", []),
        ("data.text.upper", []),
        ("data[0]", []),
        ("data[*]", []),
        ("data.list.id", []),
    ],
    ids=str,
)
def test_values_are_what_stands_at_the_path(text: str, values: list[Any]) -> None:
    assert list(parse_path(text).values(NAMES)) == values


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is not a path: it starts with a name, e.g. data.center_id"),
        (".id", "'.id' is not a path: it starts with a name, e.g. data.center_id"),
        ("9data", "'9data' is not a path: it starts with a name, e.g. data.center_id"),
        ("[0]", "'[0]' is not a path: it starts with a name, e.g. data.center_id"),
    ],
    ids=str,
)
def test_path_starts_with_a_name(text: str, sentence: str) -> None:
    with pytest.raises(PathError) as raised:
        parse_path(text)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("data.", "."),
        ("data..id", "..id"),
        ("data.9", ".9"),
        ("data.a b", " b"),
        ("data.T&C", "&C"),
        ("data[-1]", "[-1]"),
        ("data[1", "[1"),
        ("data[a]", "[a]"),
        ('data["a]', '["a]'),
        ("data.id | number", " | number"),
        ("data.id == 1", " == 1"),
        ("data-id", "-id"),
    ],
    ids=str,
)
def test_sentence_names_what_cannot_be_read(text: str, rest: str) -> None:
    with pytest.raises(PathError) as raised:
        parse_path(text)
    assert str(raised.value) == (
        f"{text!r} is not a path: cannot read {rest!r}; "
        'write data.name, data.list[0], data.list[*] or data["odd name"]'
    )


def test_index_is_bounded() -> None:
    with pytest.raises(PathError) as raised:
        parse_path("data.list[10000]")
    assert str(raised.value) == "'data.list[10000]' is not a path: the highest index is 9999"
    with pytest.raises(PathError):
        parse_path(f"data.list[{'9' * 5000}]")


def test_endless_path_is_cut_in_its_sentence() -> None:
    with pytest.raises(PathError) as raised:
        parse_path("data" + "." * 10_000)
    assert len(str(raised.value)) < 250


@given(st.text(max_size=40) | st.text(alphabet="data.[]*\"'01ab_- ", max_size=40))
def test_any_text_is_a_path_or_a_path_error(text: str) -> None:
    try:
        path = parse_path(text)
    except PathError:
        return
    assert parse_path(path.text) == path


@given(st.lists(st.text(alphabet=st.characters(exclude_characters='"'), max_size=8), min_size=1, max_size=4))
def test_every_key_without_a_quote_can_be_named(keys: list[str]) -> None:
    value: Any = "here"
    for key in reversed(keys):
        value = {key: value}
    path = parse_path("data" + "".join(f'["{key}"]' for key in keys))
    assert list(path.values({"data": value})) == ["here"]
