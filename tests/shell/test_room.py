"""What is too long is cut after a word, says so, keeps its reference, and its mark-up is whole."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.elsewhere import everywhere
from tests.services import CHATS, HOOKS, MAILS, PHONE, PHONES, SLACK, SLACK_YES, YES
from tests.sinks import Received
from zennotify.channel import Channel, open_channel
from zennotify.channel.text import from_html
from zennotify.core.model import Form, Label, Message, Outcome, Room
from zennotify.message import Templates, repeated
from zennotify.message.markdown import to_text
from zennotify.message.sms import measure

ANY_ROOM = Room()
TEMPLATES = Templates({}, time_zone="UTC", locale="en-US")
NOTE = re.compile(r"… \((\d+) more characters\)")
#: What templates are made of, with a value in many places.
PIECES = st.one_of(
    st.sampled_from(
        ["word ", "two words ", "{{ guest.name }} ", "a_b ", "R&D <b> ", "x" * 60 + " ", "\n", "\n\n"]
    ),
    st.sampled_from(["**bold words** ", "*it* ", "**{{ guest.name }}** ", "`code` ", "***both*** "]),
    st.sampled_from(["[a link](https://a.test/x?a=1&b=2) ", "<https://a.test> ", "\n- item ", "\n1. first "]),
    st.sampled_from(["\n> quote ", "\n# Head\n\n", "\n```\nfence *x*\n```\n"]),
)
SOURCES = st.lists(PIECES, min_size=1, max_size=80).map("".join)
GUESTS = st.sampled_from(
    ["Ann Lee", "*Ann* <b>&", "a@b.test @all", "**", "x" * 80, "中文名字", "[x](y)", "`", "1. ", "👨‍👩‍👧 "]
)


def render(
    source: str,
    form: Form = Form.CHAT,
    room: Room = ANY_ROOM,
    names: Mapping[str, Any] | None = None,
) -> Message:
    names = names or {"guest": {"name": "Ann"}}
    return TEMPLATES.inline(f"x {source}", "Title").render(form, names, short_id="a1b2c3d4", room=room)


def channel(
    url: str, to: str | None = None, form: Form | None = None, segments: int | None = None
) -> Channel:
    return open_channel(
        "out", url=url, to=to, form=form, timeout=timedelta(seconds=5), echo=print, max_segments=segments
    )


@pytest.mark.parametrize(
    ("source", "body"),
    [
        (
            "one two three four five six seven eight nine ten",
            "x one two three four five… (25 more characters)",
        ),
        (
            "**one two three four five six seven eight nine**",
            "x **one two three four**… (28 more characters)",
        ),
        (
            "one two three [a long link](https://a.test/page) four five",
            "x one two three… (45 more characters)",
        ),
        (
            "- one\n- two **three** four five six seven eight nine ten",
            "x - one\n- two **three**… (35 more characters)",
        ),
        (
            "`one two three four five six seven eight nine ten`",
            "x `one two three four`… (31 more characters)",
        ),
    ],
)
def test_markdown_is_cut_where_it_stays_whole(source: str, body: str) -> None:
    # The note of a repeat and the reference have their places, too.
    message = render(source, room=Room(body=49 + 84 + len("\n\nRef a1b2c3d4")))
    assert message.body == f"{body}\n\nRef a1b2c3d4"


def test_what_fits_is_as_it_was() -> None:
    assert render("word " * 50, room=Room(body=10_000)) == render("word " * 50)


@given(SOURCES, GUESTS, st.integers(150, 700), st.sampled_from([Form.CHAT, Form.JSON]))
def test_what_is_cut_is_the_beginning_and_no_more_than_there_is_room(
    source: str, guest: str, most: int, form: Form
) -> None:
    names = {"guest": {"name": guest}}
    whole = render(source, form, names=names).body
    cut = render(source, form, Room(body=most), names).body
    assert len(cut) <= most
    assert cut.endswith("\n\nRef a1b2c3d4")
    if cut == whole:
        return
    kept = re.split(r"… \(\d+ more characters\)\n\nRef ", cut)[0]
    if form is Form.CHAT:
        kept, whole = to_text(kept), to_text(whole)
    assert "".join(whole.split()).startswith("".join(kept.split()))


@given(SOURCES, GUESTS, st.integers(2200, 5000))
def test_a_mail_that_is_cut_is_a_whole_page(source: str, guest: str, most: int) -> None:
    page = render(source * 9, Form.EMAIL, Room(body=most), {"guest": {"name": guest}}).body
    assert len(page) <= most
    assert page.endswith("</html>\n")
    for tag in ("p", "ul", "li", "strong", "em", "a", "pre", "code", "blockquote", "table", "td"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>")
    assert "Ref a1b2c3d4" in from_html(page)


@given(st.text(max_size=400), st.integers(20, 250))
def test_a_title_is_cut_at_a_word(title: str, most: int) -> None:
    message = TEMPLATES.inline("x", f"words {title}").render(
        Form.CHAT, {}, short_id="a", room=Room(title=most)
    )
    assert len(message.title) <= most


def test_a_long_title_is_cut_after_a_word() -> None:
    message = TEMPLATES.inline("x", "many words " * 9).render(
        Form.CHAT, {}, short_id="a", room=Room(title=40)
    )
    assert message.title == "many words many words many words many…"


# What the services take


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("guest", ["Ann & Bob <b> ", "*_`[x](y)~#@all ", "中文 "])
def test_a_message_is_within_what_a_chat_takes_after_all_that_is_done_to_it(name: str, guest: str) -> None:
    desk = channel(CHATS[name])
    source = "**{{ guest.name }}** & *more*\n- [a link](https://a.test/?a=1&b=2) {{ guest.name }}\n" * 650
    message = TEMPLATES.inline(source, "Fee & more: " + guest * 30).render(
        desk.form, {"guest": {"name": guest}}, short_id="a1b2c3d4", room=desk.room
    )
    assert desk.room.body is not None
    assert 0.6 * desk.room.body < desk.room.weigh(message.title, message.body) <= desk.room.body
    assert len(message.title) <= desk.room.title
    assert message.body.endswith("\n\nRef a1b2c3d4")
    assert NOTE.search(message.body)


@pytest.mark.parametrize("name", PHONES)
def test_an_sms_has_at_most_its_parts(name: str) -> None:
    for segments in (None, 1, 5):
        phone = channel(PHONES[name], PHONE, segments=segments)
        assert phone.room.segments == (segments or 3)
        body = render("long words of {{ guest.name }} " * 50, Form.SMS, phone.room).body
        assert measure(body).segments == (segments or 3)


@pytest.mark.parametrize("form", [Form.CHAT, Form.EMAIL, Form.JSON])
def test_a_message_of_another_form_is_bounded_on_a_telephone(form: Form) -> None:
    phone = channel(PHONES["twilio"], PHONE, form)
    assert phone.room.segments is None
    message = render("long words of **{{ guest.name }}** " * 80, form, phone.room)
    assert phone.room.weigh(message.title, message.body) <= 670
    assert "more characters)" in (from_html(message.body) if form is Form.EMAIL else message.body)


def test_what_other_channels_take() -> None:
    assert {name: channel(url).room for name, url in HOOKS.items()} == dict.fromkeys(HOOKS, Room())
    assert channel(MAILS["mailto"], "a@example.com").room == Room(body=32768)
    assert channel("console://x").room == Room()
    assert channel("console://x", form=Form.SMS).room == Room(segments=3)
    assert channel("console://x", form=Form.SMS, segments=1).room == Room(segments=1)
    signal = channel("signal://localhost/+12065550111/+12065550100")
    assert (signal.form, signal.room.segments, signal.room.body) == (Form.SMS, None, 32768)


#: How large a request of each service may be, as its provider counts.
MOST: Mapping[str, Callable[[Received], bool]] = {
    CHATS["workflows"]: lambda got: len(got.body) <= 28 * 1024,
    CHATS["matrixs"]: lambda got: len(json.dumps(got.json, ensure_ascii=False).encode()) <= 60_000,
    # Where there is more, Apprise makes a file of it and the server another one.
    CHATS["ntfy"]: lambda got: len(got.body) <= 8000 and len(got.json["message"].encode()) <= 4096,
    f"{SLACK}?blocks=yes": lambda got: all(
        len(block["text"]["text"]) <= 3000
        if block["type"] == "section"
        else len(html.unescape(block["text"]["text"])) <= 150
        for block in got.json["attachments"][0]["blocks"]
    ),
}


@pytest.mark.parametrize("url", MOST, ids=lambda url: url.partition(":")[0])
@pytest.mark.parametrize("guest", ["word ", "中文字 ", "\U0001f600", '"&<> ', "\\*_", "é\n"])
@pytest.mark.parametrize("times", [500, 20_000])
def test_a_request_is_within_what_its_provider_counts(
    monkeypatch: pytest.MonkeyPatch, url: str, guest: str, times: int
) -> None:
    names = {"guest": {"name": guest * (times // len(guest))}}
    template = TEMPLATES.inline(
        "{% block title %}{{ guest.name }}{% endblock %}{% block body %}**Hi** {{ guest.name }}{% endblock %}",
        "",
    )
    with everywhere(monkeypatch) as world:
        world.answer(SLACK_YES if url.startswith(SLACK) else YES)
        desk = channel(url)
        message = template.render(desk.form, names, short_id="a1b2c3d4", room=desk.room)
        assert desk.send(repeated(message), Label("d1")).outcome is Outcome.SENT
    got = [one for one in world.received if b"Ref a1b2c3d4" in one.body]
    assert len(got) == 1
    assert MOST[url](got[0])


def test_a_message_of_50_000_characters_is_one_with_a_mark() -> None:
    desk = channel(CHATS["slack"])
    message = render("{{ guest.name }}", Form.CHAT, desk.room, {"guest": {"name": "y" * 50_000}})
    assert 34_000 < len(message.body) <= 35_000
    assert NOTE.search(message.body)


# An SMS


def test_a_title_stands_before_the_body_of_an_sms() -> None:
    template = TEMPLATES.inline(
        "{% block title %}No-show{% endblock %}{% block body %}**Ann** & Bob{% endblock %}", ""
    )
    assert template.render(Form.SMS, {}, short_id="a") == Message(
        title="", body="No-show\nAnn & Bob", form=Form.SMS
    )
    marked = template.render(Form.SMS, {}, short_id="a", prefix="[TEST]")
    assert marked.body == "[TEST] No-show\nAnn & Bob"


def test_an_sms_of_its_own_words_has_no_title() -> None:
    blocks = "{% block title %}T{% endblock %}{% block body %}B{% endblock %}{% block sms %}S{% endblock %}"
    assert TEMPLATES.inline(blocks, "").render(Form.SMS, {}, short_id="a").body == "S"
    assert TEMPLATES.inline("B", "The rule's description").render(Form.SMS, {}, short_id="a").body == "B"


def test_smart_characters_of_an_sms_are_made_plain_where_that_saves_a_part() -> None:
    guest = {"guest": {"name": "“Ann” – the guest’s name"}}
    assert render("{{ guest.name }}", Form.SMS, Room(segments=3), guest).body == f"x {guest['guest']['name']}"
    long = render("{{ guest.name }}" + "y" * 60, Form.SMS, Room(segments=3), guest).body
    assert long == 'x "Ann" - the guest\'s name' + "y" * 60


def test_an_sms_without_parts_is_cut_all_the_same() -> None:
    body = render("long words " * 50, Form.SMS, Room(body=100)).body
    assert len(body) <= 100
    assert NOTE.search(body)


def test_html_of_a_long_value_is_counted_as_it_is_sent() -> None:
    names = {"guest": {"name": "& " * 4000}}
    page = render("{{ guest.name }}", Form.EMAIL, Room(body=5000), names).body
    assert 4500 < len(page) <= 5000
    assert html.unescape(page).count("& ") > 400
