"""The note on a message that is sent again though the first try may have arrived."""

from __future__ import annotations

import pytest

from zennotify.channel.services import SERVICES
from zennotify.channel.text import for_chat, from_html, plain
from zennotify.core.model import Form, Message, Room
from zennotify.message import Templates, repeated

NOTE = "Sent again: the first try may have arrived."
TEMPLATE = Templates({}, time_zone="UTC", locale="en-US").inline("- **Ann** & Bob\n- two", "No-show")


def written(form: Form, room: Room = Room()) -> Message:  # noqa: B008 - frozen
    return TEMPLATE.render(form, {}, short_id="a1b2c3d4", room=room)


@pytest.mark.parametrize("form", [Form.CHAT, Form.EMAIL, Form.JSON])
def test_a_repeat_says_so_first_and_once(form: Form) -> None:
    first, again = written(form), repeated(written(form))
    words = {Form.CHAT: plain, Form.EMAIL: from_html}.get(form, str)
    assert words(again.body) == f"{NOTE}\n\n{words(first.body)}"
    assert (again.title, again.form) == (first.title, form)
    assert repeated(again) == again


def test_an_sms_is_sent_again_as_it_was() -> None:
    assert repeated(written(Form.SMS)) == written(Form.SMS)


def test_a_message_that_was_cut_has_room_for_the_note() -> None:
    long = Templates({}, time_zone="UTC", locale="en-US").inline("words and more " * 500, "No-show")
    for form, most in ((Form.CHAT, 2000), (Form.JSON, 1000), (Form.EMAIL, 6000)):
        message = long.render(form, {}, short_id="a1b2c3d4", room=Room(body=most))
        assert len(message.body) > most * 0.9
        assert len(repeated(message).body) <= most


def test_a_mail_that_was_kept_before_mails_had_a_frame_is_marked_too() -> None:
    old = Message(title="T", body="<p>Ann</p>", form=Form.EMAIL)
    assert from_html(repeated(old).body) == f"{NOTE}\n\nAnn"
    assert repeated(repeated(old)) == repeated(old)


@pytest.mark.parametrize("scheme", ["slack", "gchat", "discord", "tgram", "zulip", "ntfy"])
def test_the_note_is_a_line_of_its_own_in_a_chat(scheme: str) -> None:
    body = for_chat(SERVICES[scheme], repeated(written(Form.CHAT))).body
    assert NOTE in body.replace("<br>", "\n").split("\n")
