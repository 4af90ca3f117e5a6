"""What an operator reads of a provider's words: never a credential, a recipient or the message."""

from __future__ import annotations

import pytest

from zennotify.channel.secrecy import Mask
from zennotify.core.model import Form, Message

MESSAGE = Message(title="No-show", body="Abc Test did not come to Yoga\nat 10:00 AM", form=Form.CHAT)
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


def words(said: str, url: str = "json://hooks.example.com/inbox", to: str | None = None) -> str:
    return Mask(url, to).words(said.encode(), MESSAGE)


@pytest.mark.parametrize(
    ("url", "said", "shown"),
    [
        (SLACK, "no such hook T1JJ3T3L2/A1BRTD4JD", "no such hook ***/***"),
        (SLACK, "TIiajkdnlazkcOXrIdevi7FQ is revoked", "*** is revoked"),
        ("json://me:hunter2@example.com/", "hunter2? bad password", "***? bad password"),
        ("json://me:hunt%2Fer2@example.com/", "hunt/er2 or hunt%2Fer2", "*** or ***"),
        ("json://me:hunter2@example.com/", "Basic bWU6aHVudGVyMg==", "Basic ***"),
        (
            "jsons://example.com/in/s3cr3tpath?+X-Key=abcdef",
            "s3cr3tpath abcdef example.com",
            "*** *** example.com",
        ),
        ("mailtos://a:passw@example.com?smtp=mx.example.com&mode=starttls", "no starttls", "no starttls"),
        ("twilio://ACaaaa:tokennn@+12065550111", "from +12065550111: ACAAAA", "from +***: ***"),
    ],
)
def test_no_part_of_the_url_is_shown(url: str, said: str, shown: str) -> None:
    assert words(said, url) == shown


@pytest.mark.parametrize("said", ["to +12065550100", "to 12065550100", "<+12065550100>: to"])
def test_the_recipient_is_not_shown(said: str) -> None:
    assert "2065550100" not in words(said, to="+12065550100")


@pytest.mark.parametrize(
    ("to", "said", "shown"),
    [
        ("+12065550100", "(206) 555-0100 is unreachable", "*** is unreachable"),
        ("+12065550100", "+1 206-555-0100 is not valid", "*** is not valid"),
        ("+12065550100", "2065550100: no mobile", "***: no mobile"),
        ("+12065550100", "error 21211 for 001.206.555.0100.", "error 21211 for ***."),
        ("+12065550100", "21211: 5550100", "21211: ***"),
        ("+12065550100", "x00000012065550100", "x***"),
        ("+442079460958", "020 7946 0958 and +44 (0)20 7946 0958", "*** and ***"),
        ("+12065550100", "code 5550101, 20655501001", "code 5550101, 20655501001"),
        ("anna.smith@example.com", "[Anna.Smith@example.com]: rejected", "[***]: rejected"),
        ("anna.smith@example.com", "no user anna.smith here", "no user *** here"),
        ("anna.smith@example.com", "'anna.smith' unknown (example.com)", "'***' unknown (example.com)"),
        ("anna.smith@example.com", "bounce-anna.smith=example.com@lists", "bounce-***@lists"),
        ("anna+spa@example.com", "mailbox of anna is full", "mailbox of *** is full"),
        ("info@example.com", "no such information", "no such information"),
        ("ann@example.com", "ann is here: ann@EXAMPLE.com", "ann is here: ***"),
    ],
)
def test_the_recipient_is_not_shown_in_any_writing(to: str, said: str, shown: str) -> None:
    assert words(said, to=to) == shown


def test_the_message_is_not_shown() -> None:
    said = '{"error": "bad text", "text": "Abc Test did not come to Yoga at 10:00 AM"}'
    assert words(said) == '{"error": "bad text", "text": "…"}'


@pytest.mark.parametrize(
    "said",
    [
        "Abc+Test+did+not+come+to+Yoga%0Aat+10%3A00+AM",
        "Abc%20Test%20did%20not%20come%20to%20Yoga",
        r"Abc Test did not come\u0020to Yoga\nat 10:00 AM",
        "*Abc Test* did &#110;ot come",
        "<p>Abc Test</p><p>did not come</p>",
    ],
)
def test_the_message_is_not_shown_in_any_writing(said: str) -> None:
    assert words(f"bad text: {said}").startswith("bad text: …") or "*…" in words(said)
    assert "Test" not in words(said)
    assert "Yoga" not in words(said)


def test_mark_up_and_control_characters_are_not_shown() -> None:
    page = "<html><style>b{}</style><h1>503</h1>\r\n<p>Service\x1b[31m down\u202e</p><script>x()</script>"
    assert words(page) == "503 Service [31m down"


def test_much_is_cut() -> None:
    assert len(words("x" * 5000)) <= 200
    assert words("y " * 5000).endswith("…")
    cut = words("z " * 990 + "T1JJ3T3L2" * 5, SLACK)
    assert "T1JJ" not in cut


def test_a_mask_does_not_show_what_it_hides() -> None:
    assert "T1JJ" not in repr(Mask(SLACK, None))
