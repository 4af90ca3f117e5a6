"""The signature of a webhook: what Zenoti sends is accepted, everything else is not."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.zenoti.signature import is_signed, sign

SECRET = b"test-secret"
BODY = b'{"id":"66a26696c7314f7815db6a1f","event_type":"AppointmentGroup.Created"}'
VALUE = (
    "sha256 =F1-42-EF-FD-86-03-C9-88-14-6C-63-02-7B-61-C7-BB-61-0B-9B-4A-3F-00-35-90-67-89-21-BD-D5-8A-8C-15"
)
DIGEST = hmac.digest(SECRET, BODY, "sha256")


def test_signature_is_written_as_zenoti_writes_it() -> None:
    assert sign(SECRET, BODY) == VALUE


@pytest.mark.parametrize(
    "value",
    [
        VALUE,
        VALUE.lower(),
        VALUE.replace(" =", "="),
        VALUE.replace(" =", " = "),
        VALUE.upper(),
        f"sha256={DIGEST.hex()}",
        DIGEST.hex(),
        DIGEST.hex("-"),
        f"  {DIGEST.hex()} ",
        base64.b64encode(DIGEST).decode(),
        f"sha256={base64.b64encode(DIGEST).decode()}",
        base64.b64encode(DIGEST).decode().rstrip("="),
    ],
)
def test_every_spelling_of_the_right_digest_is_accepted(value: str) -> None:
    assert is_signed([value], BODY, [SECRET])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha256 =",
        "sha256",
        f"sha1={DIGEST.hex()}",
        f"none ={DIGEST.hex()}",
        f"sha256=sha256={DIGEST.hex()}",
        DIGEST.hex() + "00",
        DIGEST.hex()[:-2],
        DIGEST.hex()[:-1] + "g",
        DIGEST.hex("-", 2),
        DIGEST.hex("-").replace("-", "--", 1),
        DIGEST.hex(":"),
        f"{DIGEST.hex()},{DIGEST.hex()}",
        "ä" * 64,
        "a" * 8000,
        hashlib.sha256(BODY).hexdigest(),
        hmac.digest(SECRET, BODY + b" ", "sha256").hex(),
        hmac.digest(SECRET, BODY, "sha1").hex(),
        base64.b64encode(DIGEST).decode().replace("=", "!"),
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    ],
)
def test_anything_else_is_refused(value: str) -> None:
    assert not is_signed([value], BODY, [SECRET])


def test_exactly_one_header_counts() -> None:
    assert not is_signed([], BODY, [SECRET])
    assert not is_signed([VALUE, VALUE], BODY, [SECRET])


def test_any_of_the_secrets_will_do_and_none_will_not() -> None:
    assert is_signed([VALUE], BODY, [b"new", SECRET])
    assert is_signed([VALUE], BODY, [SECRET, b"new"])
    assert not is_signed([VALUE], BODY, [b"new"])
    assert not is_signed([VALUE], BODY, [])


@given(secret=st.binary(min_size=1), body=st.binary())
def test_what_is_signed_is_accepted_and_a_changed_body_is_not(secret: bytes, body: bytes) -> None:
    value = sign(secret, body)
    assert is_signed([value], body, [secret])
    assert not is_signed([value], body + b"\0", [secret])
    assert not is_signed([value], body, [secret + b"x"])


@given(st.lists(st.text(), max_size=3))
def test_no_header_value_raises(values: list[str]) -> None:
    assert not is_signed(values, BODY, [SECRET])
