"""The envelope: what is an event, what is kept as unusable, and that no body ever raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.zenoti.envelope import MAX_DEPTH, MAX_NODES, Envelope, Unusable, read_envelope

GOOD: dict[str, Any] = {
    "id": "622b5b33a961750e01db6512",
    "event_id": "622b5b33a961750e01db6510",
    "event_schema": "v1",
    "event_resource": "Invoice",
    "event_type": "Invoice.Closed",
    "event_timestamp": "2022-03-11T14:22:43.3847049Z",
    "data": {"guest": {"first_name": "Ann"}, "total": 12.5},
}


def body(*without: str, **changes: Any) -> bytes:
    return json.dumps({k: v for k, v in {**GOOD, **changes}.items() if k not in without}).encode()


def read(raw: bytes) -> Envelope:
    result = read_envelope(raw)
    assert isinstance(result, Envelope), result
    return result


def reason(raw: bytes) -> str:
    result = read_envelope(raw)
    assert isinstance(result, Unusable), result
    return result.reason


def test_documented_envelope_is_read() -> None:
    envelope = read(body())
    assert envelope.event_id == "622b5b33a961750e01db6510"
    assert envelope.type == "Invoice.Closed"
    assert envelope.at == datetime(2022, 3, 11, 14, 22, 43, 384704, tzinfo=UTC)
    assert envelope.data == GOOD["data"]
    assert len(envelope.fingerprint) == 32


@pytest.mark.parametrize("raw", [body("event_resource"), body(event_resource=None), body(new_field={"x": 1})])
def test_what_is_not_needed_may_be_absent_null_or_new(raw: bytes) -> None:
    assert read(raw) == read(body())


def test_empty_data_is_an_event() -> None:
    assert read(body(data={})).data == {}


@pytest.mark.parametrize(
    ("raw", "event_id"),
    [
        (body("event_id"), GOOD["id"]),
        (body(event_id=None), GOOD["id"]),
        (body(event_id=""), GOOD["id"]),
        (body(event_id=" \t"), GOOD["id"]),
        (body(event_id=17), "17"),
        (body("event_id", id=17), "17"),
        (body(id={"odd": 1}), GOOD["event_id"]),
        (body(event_id="../../etc/passwd"), "../../etc/passwd"),
        (body(event_id="x" * 200), "x" * 200),
    ],
)
def test_event_id_is_the_key_and_without_one_the_id_of_the_call(raw: bytes, event_id: str) -> None:
    assert read(raw).event_id == event_id


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (body("id", "event_id"), "missing_id"),
        (body(id=None, event_id=None), "missing_id"),
        (body(id="", event_id=""), "missing_id"),
        (body(event_id={"$ne": 1}), "bad_type:event_id"),
        (body(event_id=True), "bad_type:event_id"),
        (body(event_id=1.5), "bad_type:event_id"),
        (body("event_id", id=[]), "bad_type:id"),
        (body(event_id="x" * 201), "too_long:event_id"),
        (body(event_id=10**201), "too_long:event_id"),
        (body("event_id", id="x" * 201), "too_long:id"),
        (body("event_type"), "missing_event_type"),
        (body(event_type=None), "missing_event_type"),
        (body(event_type=""), "missing_event_type"),
        (body(event_type=3), "bad_type:event_type"),
        (body(event_type="x" * 201), "too_long:event_type"),
        (body("data"), "missing_data"),
        (body(data=None), "missing_data"),
        (body(data=[]), "bad_type:data"),
        (body(data="x"), "bad_type:data"),
        (b"{}", "missing_id"),
        (b"[{}]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"1", "not_an_object"),
        (b"null", "bad_json"),
    ],
)
def test_unusable_envelope_has_one_reason(raw: bytes, expected: str) -> None:
    assert reason(raw) == expected


@pytest.mark.parametrize(
    "stamp", [None, 5, "", "soon", "2022-13-45", "/Date(1647008563384)/", "9999-12-31T23:59:59-01:00", ["x"]]
)
def test_unreadable_time_is_none_and_the_event_is_kept(stamp: object) -> None:
    assert read(body(event_timestamp=stamp)).at is None
    assert read(body("event_timestamp")).at is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"   \n",
        b"hello",
        b'{"id":"1",}',
        b"{}{}",
        b'{/*c*/"id":1}',
        b"id: 1\n",
        b'{"v":NaN}',
        b'{"v":Infinity}',
        b'{"v":-Infinity}',
        b'{"v":1e999}',
        b'{"v":-1e999}',
        b'{"v":012}',
        b'{"v":' + b"9" * 5000 + b"}",
        b'{"id":"1","id":"1"}',
        b'{"id":"1","\\u0069d":"2"}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a\\u0000":1,"a\\ud800":2}',
        b'{"id":"a\x01b"}',
        b'{"id":"\xc0\xaf"}',
        b'{"id":"\xe9"}',
        b'{"id":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"id":"1"}'.encode("utf-16"),
        '{"id":"1"}'.encode("utf-16-be"),
        '{"id":"1"}'.encode("utf-32-le"),
        b"[" * 1000 + b"]" * 1000,
        b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
        b"[" * 100_000,
    ],
)
def test_what_is_not_strict_json_is_bad_json(raw: bytes) -> None:
    assert reason(raw) == "bad_json"


def nested(depth: int) -> bytes:
    """Return an envelope whose deepest container is at `depth`; the envelope itself is at 1."""
    inner = b'{"a":' * (depth - 2) + b"{}" + b"}" * (depth - 2)
    return body(data="HERE").replace(b'"HERE"', inner)


def test_depth_is_bounded_and_breadth_is_not_taken_for_depth() -> None:
    assert read(nested(MAX_DEPTH)).data
    assert reason(nested(MAX_DEPTH + 1)) == "bad_json"
    assert read(body(data={"a": [{} for _ in range(100)]})).data
    assert read(body(data={"a": "[{" * 1000})).data


def test_number_of_values_is_bounded() -> None:
    others = 1 + len(GOOD) + 1  # the document, its fields, the list
    assert read(body(data={"a": [1] * (MAX_NODES - others)})).data
    assert reason(body(data={"a": [1] * (MAX_NODES - others + 1)})) == "too_many_nodes"
    assert read(body(data={"a": "," * 30_000})).data


@pytest.mark.parametrize("escape", ["\\ud83d", "\\uDE00", "\\u0000"])
def test_half_characters_and_nul_become_the_replacement_character(escape: str) -> None:
    raw = (
        body(data={"k": ["HERE"]})
        .replace(b"HERE", f"A{escape}".encode())
        .replace(b'"k"', b'"k' + escape.encode() + b'"')
    )
    assert read(raw).data == {"k\ufffd": ["A\ufffd"]}


def test_whole_characters_stay_as_they_are() -> None:
    assert read(body(data={"a": "é😀"})).data == {"a": "é😀"}
    assert read(body(data={"a": "é😀", "b": "HERE"}).replace(b"HERE", b"\\\\u0000")).data["b"] == "\\u0000"


def test_fingerprint_tells_type_time_and_data_only() -> None:
    same = read(body()).fingerprint
    assert read(body(id="x", event_id="y", event_schema="v2", more=1)).fingerprint == same
    assert read(body(event_type="INVOICE.closed")).fingerprint == same
    assert read(body(data={"total": 12.5, "guest": {"first_name": "Ann"}})).fingerprint == same
    assert read(body(event_type="Invoice.Opened")).fingerprint != same
    assert read(body(event_timestamp="2022-03-11T14:22:44Z")).fingerprint != same
    assert read(body(data={"guest": {"first_name": "Ann"}, "total": "12.5"})).fingerprint != same


BARE: dict[str, Any] = {"user_membership_id": "m", "freeze": {"type": 2}}
ALIKE: dict[str, Any] = {"user_package_id": "p", "service_redemptions": []}
GUEST: dict[str, Any] = {"id": "guest-1", "_id": 7, "personal_info": {}}


@pytest.mark.parametrize(
    ("document", "named", "event_type"),
    [
        (BARE, None, "Guest.Membership.Freeze"),
        (BARE, "", "Guest.Membership.Freeze"),
        (BARE | {"id": ["odd"]}, None, "Guest.Membership.Freeze"),
        (BARE, "Guest.Membership.Frozen", "Guest.Membership.Frozen"),
        (ALIKE, "Guest.Package.Redemption", "Guest.Package.Redemption"),
        (GUEST, "Guest.Updated", "Guest.Updated"),
        ({"x": 1}, "Made.Up", "Made.Up"),
    ],
)
def test_body_without_an_envelope_is_data(
    document: dict[str, Any], named: str | None, event_type: str
) -> None:
    envelope = read_envelope(json.dumps(document).encode(), named)
    assert isinstance(envelope, Envelope)
    assert (envelope.event_id, envelope.type, envelope.at) == ("", event_type, None)
    assert envelope.data == document
    assert envelope.fingerprint.startswith("00000000")


def test_fingerprint_of_a_bare_body_tells_its_type_and_content() -> None:
    prints = {read(json.dumps(BARE | {"n": n}).encode()).fingerprint for n in (1, 1, 2)}
    assert len(prints) == 2
    named = [read_envelope(json.dumps(GUEST).encode(), name) for name in ("Guest.Updated", "Guest.Deleted")]
    assert len({one.fingerprint for one in named if isinstance(one, Envelope)}) == 2


def test_envelope_without_a_type_is_of_the_type_that_the_url_names() -> None:
    for raw in (body("event_type"), body(event_type=None), body(event_type="")):
        envelope = read_envelope(raw, "invoice.closed")
        assert isinstance(envelope, Envelope)
        assert envelope.event_id == GOOD["event_id"]
        assert envelope == read(body(event_type="invoice.closed"))


@pytest.mark.parametrize("raw", [body(), body("id"), body("event_id", "event_timestamp", "event_schema")])
def test_what_the_url_names_changes_nothing_where_the_body_says_its_type(raw: bytes) -> None:
    assert read_envelope(raw, "Guest.Created") == read_envelope(raw, "") == read_envelope(raw)


@pytest.mark.parametrize(
    ("document", "named", "expected"),
    [
        (ALIKE, None, "no_envelope"),
        (ALIKE, "", "bad_parameter:event_type"),
        ({"x": 1}, None, "missing_id"),
        ({"x": 1}, "", "bad_parameter:event_type"),
        (GUEST, None, "missing_event_type"),
        ({"id": []}, None, "bad_type:id"),
        ({}, "Guest.Created", "missing_id"),
        ({"data": BARE}, "Guest.Created", "missing_id"),
        ({"id": "1", "data": BARE}, None, "missing_event_type"),
        ({"id": "1", "data": BARE}, "", "bad_parameter:event_type"),
        ({"id": "1", "data": None}, "Guest.Created", "missing_event_type"),
        (BARE | {"data": None}, None, "missing_id"),
        (BARE | {"id": "1", "event_type": "Guest.Created"}, None, "missing_data"),
        (BARE | {"id": "1", "event_type": None}, "Guest.Created", "missing_event_type"),
        (BARE | {"id": "1", "event_type": 3}, "Guest.Created", "bad_type:event_type"),
        (BARE | {"id": "1", "event_timestamp": "2024-01-01"}, None, "missing_event_type"),
    ],
    ids=str,
)
def test_broken_envelope_is_not_taken_for_a_bare_body(
    document: dict[str, Any], named: str | None, expected: str
) -> None:
    assert read_envelope(json.dumps(document).encode(), named) == Unusable(expected)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises(raw: bytes) -> None:
    assert isinstance(read_envelope(raw), Envelope | Unusable)
    assert isinstance(read_envelope(raw, "Guest.Created"), Envelope | Unusable)


@given(st.dictionaries(st.sampled_from([*GOOD, "more"]), json_values))
def test_no_envelope_raises_and_what_is_read_can_be_stored(changes: dict[str, Any]) -> None:
    result = read_envelope(body(**changes))
    if isinstance(result, Envelope):
        json.dumps([result.event_id, result.type, result.data], ensure_ascii=False, allow_nan=False).encode()
        assert result.at is None or result.at.tzinfo is UTC
