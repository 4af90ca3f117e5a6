"""Links that acknowledge: short, signed, and over after a week."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from zennotify.acklink import KEY_BYTES, LIFETIME, make_token, read_token
from zennotify.errors import LinkError, LinkExpired

KEY = bytes(range(KEY_BYTES))
NUMBER = int(START.timestamp())
TOKEN = make_token(KEY, NUMBER, START)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_a_token_names_its_delivery_in_few_characters() -> None:
    assert len(TOKEN) == 24
    assert read_token(KEY, TOKEN, START) == NUMBER


@given(st.integers(0, 2**63 - 1), st.timedeltas(timedelta(), timedelta(days=365 * 200)))
def test_every_number_comes_back_whenever_it_was_written(number: int, since: timedelta) -> None:
    now = datetime(1970, 1, 1, tzinfo=UTC) + since
    token = make_token(KEY, number, now)
    assert len(token) <= 32
    assert read_token(KEY, token, now + LIFETIME - timedelta(microseconds=1)) == number
    with pytest.raises(LinkExpired):
        read_token(KEY, token, now + LIFETIME + timedelta(hours=1))


def test_it_is_over_at_the_full_hour_after_a_week() -> None:
    written = START + timedelta(minutes=20)
    token = make_token(KEY, NUMBER, written)
    end = START + LIFETIME + timedelta(hours=1)
    assert read_token(KEY, token, end - timedelta(seconds=1)) == NUMBER
    with pytest.raises(LinkExpired):
        read_token(KEY, token, end)


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_a_changed_character_is_noticed(place: int) -> None:
    for other in ALPHABET.replace(TOKEN[place], ""):
        with pytest.raises(LinkError, match="signature"):
            read_token(KEY, TOKEN[:place] + other + TOKEN[place + 1 :], START)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN + "=",
        f" {TOKEN}",
        f"{TOKEN}\n",
        TOKEN * 2,
        "ä" * 24,
        TOKEN.lower(),
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(LinkError) as refused:
        read_token(KEY, token, START)
    assert refused.type is LinkError


def test_another_key_makes_other_tokens() -> None:
    with pytest.raises(LinkError, match="signature"):
        read_token(KEY[::-1], TOKEN, START)


def test_a_token_is_written_in_one_way_only() -> None:
    long = make_token(KEY, 2**40, START)
    raw = urlsafe_b64decode(long + "=" * (-len(long) % 4))
    others = [long[:-1] + last for last in ALPHABET if last != long[-1]]
    same = [other for other in others if urlsafe_b64decode(other + "=" * (-len(other) % 4)) == raw]
    assert same
    assert urlsafe_b64encode(raw).rstrip(b"=").decode() == long
    for other in same:
        with pytest.raises(LinkError):
            read_token(KEY, other, START)
