"""The bytes of a mail, as any mail program reads them."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zennotify.channel.letter import letter

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=200)
LINES = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def read(raw: str) -> EmailMessage:
    message = message_from_bytes(raw.encode("ascii"), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).rstrip("\n")


@given(TEXTS, TEXTS)
def test_text_and_page_arrive_as_they_were_in_short_lines(text: str, html: str) -> None:
    raw = letter({"Subject": "x"}, text, f"<p>{html}</p>")
    message = read(raw)
    assert part(message, "plain") == text.strip("\n")
    assert part(message, "html") == f"<p>{html}</p>"
    assert max(map(len, raw.split("\n"))) <= 78
    assert not any(line.startswith("From ") or line == "." for line in raw.split("\n"))


@given(LINES, LINES)
def test_a_header_is_one_header_whatever_stands_in_it(subject: str, name: str) -> None:
    raw = letter({"Subject": subject, "To": (name, "a@example.com"), "X-Last": "1"}, "text", "")
    message = read(raw)
    assert message.keys() == [
        "Subject", "To", "X-Last", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"
    ]  # fmt: skip
    assert max(map(len, raw.split("\n"))) <= 998
    assert part(message, "plain") == "text"


@pytest.mark.parametrize(
    "subject", ["No-show", "Zoë’s fee – 25 €", "word " * 49, "Zoë " * 60, "x" * 250, "=?utf-8?q?x?=", "a: b"]
)
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    message = read(letter({"Subject": subject}, "text", ""))
    assert message["Subject"] == " ".join(subject.split())


def test_a_repeat_has_the_same_bytes() -> None:
    first, again = (letter({"Subject": "x"}, "text", "<p>page</p>") for _ in range(2))
    assert first == again


def test_a_line_that_a_mailbox_would_change_is_hidden() -> None:
    for text, html in product(("From x\nFrom y", "a"), ("<p>\nFrom z", "")):
        raw = letter({"Subject": "x"}, text, html)
        assert "\nFrom " not in raw
        assert part(read(raw), "plain") == text
