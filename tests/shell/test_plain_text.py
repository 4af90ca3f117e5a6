"""The plain text of a message: simple Markdown takes a short way, and comes out as by the long one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.channel.text import from_html
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


SIGNED = [
    "[a](https://b.c)",
    "[d@e.f](mailto:d@e.f)",
    "<https://b.c>",
    "`code`",
    "*it*",
    "# ",
    "> ",
    "\n```\n",
    "<b>",
]
ANYTHING = st.lists(st.one_of(PIECES, st.sampled_from(SIGNED)), max_size=14).map("".join)


@given(ANYTHING)
def test_the_text_of_a_mail_says_what_the_message_says(markdown: str) -> None:
    page = forms.message(Form.EMAIL, "", markdown, "x").body
    text = forms.message(Form.JSON, "", markdown, "x").body
    # A page knows no lines of blanks, and no two of them side by side.
    assert from_html(page).split() == text.split()


@pytest.mark.parametrize(
    "markdown",
    [
        "One\ntwo\n\n- **a**\n- b [c](https://d.e)\n  - f\n\n3. g\n4. h\n\n# Head\n\nEnd",
        "# Head\n\n> quoted\n\n```\n  code\n\nmore\n```\n\nEnd",
        "<https://a.b> [c@d.e](mailto:c@d.e)",
        "- a\n\n  second\n- b\n\nEnd",
    ],
)
def test_the_lines_of_a_mail_s_text_are_those_of_the_message(markdown: str) -> None:
    page = forms.message(Form.EMAIL, "", markdown, "x").body
    assert from_html(page) == forms.message(Form.JSON, "", markdown, "x").body
