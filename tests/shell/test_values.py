"""No value of an event means anything where it arrives: every form, every service, the bytes that its server gets."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import yaml

from tests.elsewhere import Elsewhere, everywhere
from tests.services import CHATS, HOOKS, PHONE, PHONES, SLACK_YES, YES, received
from tests.sinks import SmtpSink
from zennotify.channel import open_channel
from zennotify.core.model import Form, Label, Outcome
from zennotify.message import Templates
from zennotify.message.sms import measure

CASES = {
    case["of"]: case["value"] * case.get("times", 1)
    for case in yaml.safe_load((Path(__file__).parent.parent / "data" / "values.yaml").read_text("utf-8"))
}
TEMPLATE = Templates({}, time_zone="UTC", locale="en-US").inline(
    "{% block title %}Fee of {{ guest.name }}{% endblock %}{% block body %}**Hi {{ guest.name }}**, [it](https://a.test/1):"
    "\n\n- one\n- {{ guest.name }}\n\n{{ guest.name }}{% endblock %}",
    "",
)
#: What an address in a text becomes is for each chat; only a link with other words than its address is a trap.
OWN_LINK = re.compile(r"\(https://a\.test/1\)|<https://a\.test/1\|it>")
UNESCAPED = r"(?<!\\)(?:\\\\)*"
#: What would mean something, by service.
LIVE = {
    "slack": r"<",
    "gchat": r"<(?!\u200b)|@(?!\u200b|x\.test|ex|evil)",
    "discord": rf"@(?!\u200b|x\.test|ex|evil)|{UNESCAPED}<|{UNESCAPED}\]\(|{UNESCAPED}~~",
    "workflows": rf"{UNESCAPED}<|{UNESCAPED}\]\(",
    "mmosts": rf"@(?!\u200b|x\.test|ex|evil)|{UNESCAPED}\]\(",
    "rockets": r"@(?!\u200b|x\.test|ex|evil)|\]\(|#(?=[a-z*])",
    "webex": rf"{UNESCAPED}<|{UNESCAPED}\]\(",
    "zulip": r"@(?!\u200b|x\.test|ex|evil)|<(?!\u200b)|\]\(|#(?=[a-z*])|```",
    "tgram": r"@(?!\u200b|x\.test|ex|evil)",
    "matrixs": r"@(?!\u200b|x\.test|ex|evil)",
    "pover": r"(?!)",
}
TAGS = {"tgram": {"b", "a"}, "matrixs": {"strong", "a", "br"}, "pover": {"b", "a", "br"}}
#: Apprise itself writes CR LF behind a title.
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
TWINS = str.maketrans({"\u200b": "", "∗": "*", "∼": "~"})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    with everywhere(monkeypatch) as sink:
        yield sink


def words(value: str) -> list[str]:
    """Return the words of a value that a reader must find, in their order."""
    return re.findall(r"[a-zA-Z0-9]{2,40}", value)[:6]


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.addresses: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.addresses |= {value or "" for name, value in attrs if name in {"href", "src"}}


@pytest.mark.parametrize("value", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", CHATS)
def test_a_value_means_nothing_in_a_chat(world: Elsewhere, name: str, value: str) -> None:
    world.answer(SLACK_YES if name == "slack" else YES)
    chat = open_channel("x", url=CHATS[name], to=None, form=None, timeout=timedelta(seconds=5), echo=print)
    message = TEMPLATE.render(chat.form, {"guest": {"name": value}}, short_id="a1b2c3d4", room=chat.room)
    result = chat.send(message, Label("d1"))
    # Opsgenie's own answer has more in it than all others'.
    assert result.outcome is Outcome.SENT or name == "opsgenie", result
    got = [one for one in world.received if b"Ref a1b2c3d4" in one.body or b"Ref+a1b2c3d4" in one.body]
    assert len(got) == 1, "one message, one request"
    shown = received(got[0])
    whole = "\n".join(shown)
    assert CONTROLS.search(whole) is None
    for word in words(value):
        assert word in whole.translate(TWINS).replace("\\", "")
    if name in TAGS:
        for text in shown:
            # Matrix has another text for who reads no HTML.
            if "Ref a1b2c3d4" in text and not text.startswith("Fee of"):
                tags = Tags(text)
                assert tags.found <= TAGS[name]
                assert tags.addresses <= {"https://a.test/1"}
    for text in shown:
        if "Ref a1b2c3d4" in text or (name in {"slack", "workflows"} and "Fee of" in text):
            assert re.search(LIVE.get(name, "(?!)"), OWN_LINK.sub("", text)) is None


@pytest.mark.parametrize("value", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("form", [None, *Form])
def test_a_value_is_one_text_in_a_web_hook(
    world: Elsewhere, name: str, form: Form | None, value: str
) -> None:
    hook = open_channel("x", url=HOOKS[name], to=None, form=form, timeout=timedelta(seconds=5), echo=print)
    message = TEMPLATE.render(hook.form, {"guest": {"name": value}}, short_id="a1b2c3d4", room=hook.room)
    assert hook.send(message, Label("d1", "rule")).outcome is Outcome.SENT
    (got,) = world.received
    fields = (
        json.loads(got.body) if name == "json" else {k: v[0] for k, v in parse_qs(got.body.decode()).items()}
    )
    assert set(fields) <= {
        "version",
        "title",
        "message",
        "type",
        "attachments",
        "delivery",
        "rule",
        "event",
        "repeat",
    }
    assert (fields["delivery"], fields["rule"]) == ("d1", "rule")
    assert "admin" not in fields
    for word in words(value):
        text = html.unescape(fields["message"]) if form is Form.EMAIL else fields["message"]
        assert word in text.replace("\u200b", "")
    if form is None:
        assert "\n" not in fields["title"]
        assert len(fields["title"]) <= 250


@pytest.mark.parametrize("value", CASES.values(), ids=CASES)
@pytest.mark.parametrize("form", Form)
def test_a_value_means_nothing_in_an_sms(world: Elsewhere, form: Form, value: str) -> None:
    world.answer(YES)
    url = PHONES["vonage"]
    phone = open_channel("x", url=url, to=PHONE, form=form, timeout=timedelta(seconds=5), echo=print)
    message = TEMPLATE.render(form, {"guest": {"name": value}}, short_id="a1b2c3d4", room=phone.room)
    assert phone.send(message, Label("d1")).outcome is Outcome.SENT
    (got,) = world.received
    assert got.form["to"] == PHONE.removeprefix("+")
    text = got.form["text"]
    assert CONTROLS.search(text) is None
    assert measure(text).segments <= 10
    if form is Form.SMS:
        assert measure(text).segments <= 3
        assert text.startswith("Fee of ")
    for word in words(value)[:2]:
        assert word in text.replace("\u200b", "")


@pytest.fixture(scope="module")
def post() -> Iterator[SmtpSink]:
    with SmtpSink() as made:
        yield made


@pytest.mark.parametrize("value", CASES.values(), ids=CASES)
@pytest.mark.parametrize("form", Form)
def test_a_value_means_nothing_in_a_mail(post: SmtpSink, form: Form, value: str) -> None:
    mail = open_channel(
        "x", url=post.url(), to="manager@example.com", form=form, timeout=timedelta(seconds=10), echo=print
    )
    message = TEMPLATE.render(form, {"guest": {"name": value}}, short_id="a1b2c3d4", room=mail.room)
    before = len(post.received)
    assert mail.send(message, Label("d1")).outcome is Outcome.SENT
    (got,) = post.received[before:]
    assert got.recipients == ("manager@example.com",)
    head = got.raw.partition(b"\r\n\r\n")[0].decode("ascii")
    names = re.findall(r"^([\w-]+):", head, re.MULTILINE)
    ours = "Message-ID Date Subject From To Auto-Submitted X-Application MIME-Version Content-Type"
    assert names == ours.split()
    assert len(str(got.message["Subject"])) <= 250
    assert max(map(len, got.raw.split(b"\r\n"))) <= 998
    assert not re.search(rb"^From ", got.raw, re.MULTILINE)
    page, text = got.part("html"), got.part("plain")
    tags = Tags(page)
    frame = {"html", "head", "meta", "title", "body", "table", "tr", "td"}
    assert tags.found <= frame | {"p", "br", "strong", "a", "ul", "li"}
    assert tags.addresses <= {"https://a.test/1"}
    for word in words(value):
        assert word in text.replace("\u200b", "")
    if value == CASES["body line From and a dot"] and form is Form.EMAIL:
        assert "\nFrom x\n.\nFrom y" in text
