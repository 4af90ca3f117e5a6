"""An id is found where it is a value or, of a GUID, a word of its own, in whatever case, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.zenoti.mention import Mention, Wanted

GUID = "d08327d8-f928-4c37-8be3-87b93c90ac56"
NAMED: list[tuple[str, Any]] = [
    ("guest-1", {"guest_id": "guest-1"}),
    ("guest-1", {"guest_id": "GUEST-1"}),
    ("GUEST-1", {"guest_id": "guest-1 "}),
    (GUID, {"a": [{"b": [f"see\n{GUID.upper()}"]}]}),
    (GUID, {"url": f"https://example.com/guests/{GUID}?x"}),
    (GUID, {GUID: True}),
    ("guest-1", {"guest-1": True}),
    ("12", {"guest_id": 12}),
    ("zo\u00eb.1", {"guest_id": "Zo\u00cb.1"}),
    ("a\\b", {"guest_id": "a\\b"}),
]
NOT_NAMED: list[tuple[str, Any]] = [
    ("guest-1", {"guest_id": "guest-10"}),
    ("guest-1", {"guest_id": "a-guest-1"}),
    ("1", {"guest_id": "guest-1"}),
    ("test", {"name": "Abc test"}),
    ("test", {"url": "https://example.com/test?x"}),
    ("12", {"note": "12 places"}),
    (GUID, {"guest_id": GUID + "0"}),
    (GUID, {"guest_id": "0-" + GUID}),
    ("true", {"is_there": True}),
    ("guest-1", {}),
]


@pytest.mark.parametrize(("id_", "value"), NAMED, ids=str)
def test_an_id_is_found(id_: str, value: Any) -> None:
    for body in (json.dumps(value), json.dumps(value, ensure_ascii=False), json.dumps(value, indent=1)):
        assert Mention(id_).in_body(body.encode()), body


@pytest.mark.parametrize(("id_", "value"), NOT_NAMED, ids=str)
def test_another_id_is_not_taken_for_it(id_: str, value: Any) -> None:
    assert not Mention(id_).in_body(json.dumps(value).encode())


BODIES = [b'{"guest_id": "%s", ', b"%s", b"\xff %s \x00"]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_no_json_is_searched_as_text(body: bytes) -> None:
    assert Mention(GUID).in_body(body % GUID.encode())
    assert not Mention(GUID).in_body(body % b"d08327d8-f928-4c37-8be3-87b93c90ac57")


def test_an_id_that_may_be_a_word_is_found_in_text_between_quotation_marks() -> None:
    assert Mention("test").in_body(b'{"guest_id": "Test", ')
    assert not Mention("test").in_body(b'{"name": "Abc test", ')


@given(st.text(min_size=1).filter(str.strip), st.text(), st.booleans())
def test_what_is_named_is_never_overlooked(id_: str, other: str, ascii_only: bool) -> None:
    body = json.dumps({"x": other, "id": id_}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    mention = Mention(id_)
    if mention.in_value(id_):
        assert Wanted({mention.id}).may_be_in(body)


@pytest.mark.parametrize(
    ("id_", "body"),
    [
        ("aaaa-bbbb", rb'{"guest_id": "AAAA\u002dBBBB"}'),
        ("guest-1", rb'{"guest_id": "\u0067\u0075est-1"}'),
        ("kim-1", rb'{"guest_id": "\u212aim-1"}'),
        ("kim-1", '{"guest_id": "\u212aim-1"}'.encode()),
    ],
)
def test_an_id_is_found_however_its_characters_are_written(id_: str, body: bytes) -> None:
    assert Wanted({id_}).may_be_in(body)
    assert Mention(id_).in_body(body)
    assert not Mention("other-1").in_body(body)
