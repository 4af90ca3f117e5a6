"""The plain text of a message: simple Markdown takes a short way, and comes out as by the long one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.core.model import Form
from zennotify.message import forms
from zennotify.message import markdown as reading

SHIELDED = forms.shield("*")
WORDS = ["a", "b c", "**", "**bold**", "text\n", "- a\n", "é", "http://x.y", SHIELDED]
SIGNS = ["- ", "-", "---", "1. ", "1)", "1", "+ ", "=", "===", "!", "(", ")", ":", "|", "'", '"', "@", "."]
BLANKS = [" ", "  ", "    ", "\n", "\n\n", "\x0b", "\u00a0"]
PIECES = st.sampled_from(WORDS + SIGNS + BLANKS)


def long_way(markdown: str) -> str:
    return "".join(reading._blocks(reading._MARKDOWN.parse(markdown), reading._words)).strip()


@given(st.lists(PIECES, max_size=14).map("".join).map(str.strip))
def test_the_short_way_says_what_the_long_one_says(markdown: str) -> None:
    assert reading.to_text(markdown) == long_way(markdown)


@pytest.mark.parametrize(
    "markdown",
    [
        "One line",
        "A line\nand another",
        "A paragraph\n\n\nand another",
        f"Booked by Ann{SHIELDED}:\n\n- Yoga at 10:00\n- Sauna\n\nRef 1",
    ],
)
def test_what_people_write_takes_the_short_way(markdown: str) -> None:
    assert reading._simple(markdown) == long_way(markdown)


@pytest.mark.parametrize(
    "markdown", ["**bold**", "1. one", "Title\n===", "- a\n  - b", "[a](https://b.c)", "a & b"]
)
def test_markup_takes_the_long_way(markdown: str) -> None:
    assert reading._simple(markdown) is None
    assert forms.message(Form.JSON, "", markdown, "x").body.startswith(long_way(markdown))
