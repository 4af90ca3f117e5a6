"""Finish a rendered text for its form: HTML for email, Markdown for chat, plain text for sms and json.

A template writes Markdown; the values in it are shielded (shield.py).  What is longer than the channel's room is cut.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from zennotify.core.model import Form, Message, Room
from zennotify.message import mail, sms
from zennotify.message.cut import kept
from zennotify.message.markdown import to_text
from zennotify.message.shield import shield, to_chat, to_plain, without_mentions
from zennotify.message.shorten import note, within

__all__ = ["message", "repeated", "shield"]

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: Controls, marks of text direction that turn a text round, invisible fillers, halves of surrogate pairs.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_MARKS_POSSIBLE = re.compile("[^\x00-\u02ff\U000f0000-\U000f007f]{3}")
_MOST_MARKS = 2
_ANY_ROOM: Final = Room()

_AGAIN: Final = "Sent again: the first try may have arrived."
_TAKE: Final = "Take it:"
#: What a message leaves free, so that the note of a repeat finds room.
_FOR_NOTE: Final = 2 * len(_AGAIN)


def message(
    form: Form,
    title: str,
    body: str,
    short_id: str,
    room: Room = _ANY_ROOM,
    *,
    prefix: str = "",
    plain: bool = False,
    ack_url: str = "",
) -> Message:
    """Finish a message whose values are shielded; `plain`: the body is text, not Markdown.

    A `prefix` ("[TEST]") stands before the title or, where there is none, before the body; where somebody is asked to
    take care, `ack_url` stands last, and is never cut off.
    """
    if prefix:
        title, body = (f"{prefix} {title}", body) if title else (title, f"{shield(prefix)} {body}")
    title, body = _one_line(title, form, room.title), _clean(body).strip()
    if form is Form.SMS:
        text = _sms(title, body if plain else to_text(body), room, f"\n{_TAKE} {ack_url}" if ack_url else "")
        return Message(title="", body=text, form=form)
    if body:
        finish: Callable[[str], str] = partial(_FINISH[form], title, short_id)
        if ack_url:
            # Chats find it in the text; in a mail it has to be a link.
            url = f"<{shield(ack_url)}>" if form is Form.EMAIL else shield(ack_url)
            finish = partial(_with_end, finish, f"\n\n{_TAKE} {url}")
        most = None if room.body is None else room.body - _FOR_NOTE
        body = within(body, most, finish, partial(room.weigh, title))
    return Message(title=title, body=body, form=form)


def repeated(sent: Message) -> Message:
    """Return a finished message with the note that it is sent again, once; an SMS as it is."""
    if sent.form is Form.SMS or _AGAIN in sent.body:
        return sent
    if sent.form is Form.EMAIL:
        return replace(sent, body=mail.with_note(sent.body, _AGAIN))
    return replace(sent, body=f"{_AGAIN}\n\n{sent.body}")


def _mail(title: str, short_id: str, body: str) -> str:
    return mail.page(title, body, f"Ref {short_id}")


def _chat(_title: str, short_id: str, body: str) -> str:
    return f"{to_chat(body)}\n\nRef {short_id}"


def _text(_title: str, short_id: str, body: str) -> str:
    return f"{to_plain(to_text(body))}\n\nRef {short_id}"


_FINISH: Final[dict[Form, Callable[[str, str, str], str]]] = {
    Form.EMAIL: _mail,
    Form.CHAT: _chat,
    Form.JSON: _text,
}


def _with_end(finish: Callable[[str], str], end: str, body: str) -> str:
    return finish(body + end)


def _sms(title: str, text: str, room: Room, end: str) -> str:
    """Return title and text as one, kept to the parts or the characters that there is room for; `end` is never cut."""
    text = to_plain(text)
    if title and text:
        text = f"{title}\n{text}"
    end = end if text else ""  # an empty message stays empty
    if room.segments is not None:
        return sms.fit(sms.plain(text), room.segments, end)
    if room.body is None or len(text) + len(end) <= room.body:
        return text + end
    begin = kept(text, room.body - len(end) - len(note(len(text))))
    return f"{begin}{note(len(text) - len(begin))}{end}"


def _one_line(title: str, form: Form, longest: int) -> str:
    """Return a title: plain text, one line, not too long."""
    title = " ".join(_clean(_CONTROLS.sub(" ", title)).split())
    title = to_plain(without_mentions(title) if form is Form.CHAT else title)
    return title if len(title) <= longest else f"{kept(title, longest - 1)}…"


def _clean(text: str) -> str:
    """Drop what cannot be printed, and all but two of the marks that are heaped on one letter."""
    text = _UNPRINTABLE.sub("", text)
    if _MARKS_POSSIBLE.search(text) is None:
        return text
    kept_: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if marks <= _MOST_MARKS:
            kept_.append(char)
    return "".join(kept_)
