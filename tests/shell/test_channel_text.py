"""Chat texts for who reads no Markdown, and what the console prints."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from time import monotonic

import pytest

from zennotify.channel import open_channel
from zennotify.channel.services import SERVICES
from zennotify.channel.text import for_chat, from_html, plain
from zennotify.core.model import Form, Label, Message, Outcome


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("**Abc** missed *Yoga* and __Spin__", "Abc missed Yoga and Spin"),
        ("# Title\n\ntext", "Title\n\ntext"),
        ("[Invoice](https://example.com/a_b_c)", "Invoice (https://example.com/a_b_c)"),
        ("[https://example.com](https://example.com)", "https://example.com"),
        (r"a\_b\_c \*star\* \<x\> AT\&T 25\.00 \\ \[x\]\(y\)", r"a_b_c *star* <x> AT&T 25.00 \ [x](y)"),
        ("snake_case_name 2*3*4 a * b * c", "snake_case_name 2*3*4 a * b * c"),
        ("`code *as* is` and ``a ` b``", "code *as* is and a ` b"),
        ("- one\n- two", "- one\n- two"),
        ("", ""),
        ("**no end", "**no end"),
    ],
)
def test_markdown_becomes_words(markdown: str, words: str) -> None:
    assert plain(markdown) == words


def for_slack(markdown: str) -> str:
    return for_chat(SERVICES["slack"], Message(title="", body=markdown, form=Form.CHAT)).body


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        (r"**R\&D** 25\.00 a\_b", "**R&D** 25.00 a_b"),
        (r"\<\!channel\> \[x\]\(y\)", r"\<\!channel\> \[x\]\(y\)"),
        (r"\\\<!channel>", r"/\<!channel>"),
        (r"\*star\* \`code\` \~x\~", "∗star∗ 'code' ∼x∼"),
        (r"`a\.b`", r"`a\.b`"),
    ],
)
def test_slack_gets_no_backslash_that_it_would_show(markdown: str, text: str) -> None:
    assert for_slack(markdown) == text


@pytest.mark.parametrize("part", ["**a ", "*a ", "[", "`", "![a](", "\\", "`a "])
def test_mark_up_without_an_end_costs_no_square(part: str) -> None:
    began = monotonic()
    plain(part * 20_000)
    for_slack(part * 20_000)
    assert monotonic() - began < 5


def test_a_mail_becomes_words() -> None:
    mail = (
        "<html><head><style>p {color: red}</style><title>x</title></head><body><h1>Hi &amp; bye</h1>"
        "<p>Abc\n  <b>Test</b><br>missed Yoga</p><ul><li>one</li><li>two</li></ul>"
        "<table><tr><td>Fee</td><td>25</td></tr></table><script>alert(1)</script></body></html>"
    )
    assert from_html(mail) == "Hi & bye\n\nAbc Test\nmissed Yoga\n\n- one\n- two\n\nFee 25"


def shown(message: Message, form: Form | None = None) -> str:
    out: list[str] = []
    desk = open_channel(
        "front-desk", url="console://desk", to=None, form=form, timeout=timedelta(seconds=1), echo=out.append
    )
    assert desk.send(message, Label("d1")).outcome is Outcome.SENT
    (text,) = out
    return text


def test_the_console_prints_a_chat_message_as_a_card() -> None:
    text = shown(
        Message(title="No-show fee", body="**Abc Test** missed Yoga\n\n- 25\\.00 USD", form=Form.CHAT)
    )
    lines = text.splitlines()
    assert lines[0].startswith("╭─ front-desk ─")
    assert lines[1:-1] == ["│ No-show fee", "│", "│ Abc Test missed Yoga", "│", "│ - 25.00 USD"]
    assert lines[-1].startswith("╰──")


def test_the_console_prints_an_sms_as_a_bubble() -> None:
    text = shown(
        Message(title="", body="No-show fee: Abc Test 東京, charge or waive it today", form=Form.SMS)
    )
    assert text.splitlines() == [
        "  ☎ front-desk",
        "  ╭───────────────────────────────────────╮",
        "  │ No-show fee: Abc Test 東京, charge or │",
        "  │ waive it today                        │",
        "  ╰┬──────────────────────────────────────╯",
        "   ╯",
    ]


def test_the_console_prints_a_mail_without_its_html() -> None:
    text = shown(Message(title="No-show", body="<p>Abc <b>Test</b></p>", form=Form.EMAIL), Form.EMAIL)
    assert "│ Abc Test" in text
    assert "<" not in text


def test_a_guest_s_name_cannot_steer_the_terminal() -> None:
    text = shown(Message(title="\x1b[31mred\x07", body="a\u202eb\r\x9bm\nc", form=Form.SMS))
    assert not [c for c in text if c != "\n" and not c.isprintable()]


def test_the_console_prints_without_loading_apprise() -> None:
    code = (
        "import sys; from datetime import timedelta; from zennotify.channel import open_channel, close_all;"
        "open_channel('x', url='console://x', to=None, form=None, timeout=timedelta(1), echo=print); close_all();"
        "print('apprise' in sys.modules, 'requests' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
