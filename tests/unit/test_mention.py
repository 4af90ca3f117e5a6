"""An id is found where it is a word of its own, in whatever case, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.zenoti.mention import Mention, Wanted

NAMED: list[tuple[str, Any]] = [
    ("guest-1", {"guest_id": "guest-1"}),
    ("guest-1", {"guest_id": "GUEST-1"}),
    ("GUEST-1", {"guest_id": "guest-1 "}),
    ("guest-1", {"a": [{"b": ["see\nguest-1"]}]}),
    ("guest-1", {"url": "https://example.com/guests/guest-1?x"}),
    ("guest-1", {"guest-1": True}),
    ("12", {"guest_id": 12}),
    ("zo\u00eb.1", {"guest_id": "Zo\u00cb.1"}),
    ("a\\b", {"guest_id": "a\\b"}),
]
NOT_NAMED: list[tuple[str, Any]] = [
    ("guest-1", {"guest_id": "guest-10"}),
    ("guest-1", {"guest_id": "a-guest-1"}),
    ("1", {"guest_id": "guest-1"}),
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


@pytest.mark.parametrize("body", [b'{"guest_id": "guest-1", ', b"guest-1", b"\xff guest-1 \x00"])
def test_a_body_that_is_no_json_is_searched_as_text(body: bytes) -> None:
    assert Mention("guest-1").in_body(body)
    assert not Mention("guest-2").in_body(body)


@given(st.text(min_size=1).filter(str.strip), st.text(), st.booleans())
def test_what_is_named_is_never_overlooked(id_: str, other: str, ascii_only: bool) -> None:
    body = json.dumps({"x": other, "id": id_}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    mention = Mention(id_)
    if mention.in_value(id_):
        assert Wanted({mention.id}).may_be_in(body)
