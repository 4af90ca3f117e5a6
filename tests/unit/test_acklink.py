"""Links that acknowledge: short, signed, and over after a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from zennotify.acklink import KEY_BYTES, LENGTH, LIFETIME, make_token, read_token
from zennotify.errors import LinkError, LinkExpired

KEY = bytes(range(KEY_BYTES))
NUMBER = int(START.timestamp())
TOKEN = make_token(KEY, NUMBER, START)
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def test_a_token_names_its_delivery_in_few_characters() -> None:
    assert len(TOKEN) == LENGTH == 29
    assert set(TOKEN) <= set(ALPHABET)
    assert read_token(KEY, TOKEN, START) == NUMBER


@given(st.integers(0, 2**63 - 1), st.timedeltas(timedelta(), timedelta(days=365 * 200)))
def test_every_number_comes_back_whenever_it_was_written(number: int, since: timedelta) -> None:
    now = datetime(1970, 1, 1, tzinfo=UTC) + since
    token = make_token(KEY, number, now)
    assert len(token) <= 34
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
        with pytest.raises(LinkError):
            read_token(KEY, TOKEN[:place] + other + TOKEN[place + 1 :], START)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        TOKEN[:-1],
        TOKEN + "a",
        TOKEN + "=",
        f" {TOKEN}",
        f"{TOKEN}\n",
        TOKEN * 2,
        "ä" * 29,
        TOKEN.upper(),
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
    """Its last character has a bit that says nothing."""
    good = []
    for last in ALPHABET:
        try:
            good.append(read_token(KEY, TOKEN[:-1] + last, START))
        except LinkError:
            continue
    assert good == [NUMBER]
