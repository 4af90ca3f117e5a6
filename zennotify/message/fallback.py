"""The plain message that goes out when a template fails: the event's facts, and which template and line it was.

Called by rulebook.py.  It uses no template, so that nothing can fail here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from zennotify.core.model import Code, Form, Message, Names, Room, TimeText
from zennotify.message import forms, moments, notes
from zennotify.message.limits import Run, Running

_ANY_ROOM: Final = Room()
_MOST_FIELDS = 12
_LONGEST_VALUE = 80
_LONGEST_PROBLEM = 500
_ID_NAME = re.compile(r"(?:^|_)id$", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{24,32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def fallback(  # noqa: PLR0913 - all that a message is made of
    form: Form,
    names: Names,
    *,
    short_id: str,
    room: Room = _ANY_ROOM,
    prefix: str = "",
    problem: str,
    title: str,
    time_zone: str,
    locale: str,
) -> Message:
    """Write the plain message that goes out instead; it never raises."""
    with Running(Run(names, time_zone, locale)):
        lines = [
            *_facts(names),
            "",
            f"This is the plain form of the message: its template failed at {problem[:_LONGEST_PROBLEM]}",
        ]
    body = notes.before(names) + "\n".join(forms.shield(line) for line in lines)
    ack_url = notes.ack_url(names, body)
    return forms.message(form, forms.shield(title), body, short_id, room, prefix=prefix, ack_url=ack_url)


def notice(form: Form, *, title: str, text: str, short_id: str, room: Room = _ANY_ROOM) -> Message:
    """Write a message of plain words that no template is for: one to the operators, or a test."""
    body = "\n".join(map(forms.shield, text.split("\n")))
    return forms.message(form, forms.shield(title), body, short_id, room)


def _facts(names: Names) -> Iterator[str]:
    """Yield what the event is, when and where, then its fields; of several it is the last."""
    count = names.get("count", 1)
    if isinstance(count, int) and count > 1:
        yield f"{count} events; the last of them:"
    event = _group(names, "event")
    yield ", ".join(filter(None, (str(event.get("type") or "An event"), _moment(event), _center(names))))
    fields = {name: text for name, value in _group(names, "data").items() if (text := _short(value))}
    told = {name: text for name, text in fields.items() if not (_ID_NAME.search(name) or _ID.fullmatch(text))}
    for name, text in list((told or fields).items())[:_MOST_FIELDS]:
        yield f"{str(name)[:_LONGEST_VALUE]}: {text}"


def _group(names: Names, name: str) -> Mapping[str, Any]:
    try:
        value = names[name]
    except KeyError:
        return {}
    return value if isinstance(value, Mapping) else {}


def _center(names: Names) -> str:
    name = _group(names, "center").get("name")
    return name if isinstance(name, str) else ""


def _moment(event: Mapping[str, Any]) -> str:
    """Return when it was, by the centre's clock."""
    at = event.get("at") or event.get("received_at")
    return "" if at is None else moments.show(at)


def _short(value: Any) -> str:
    """Return a field as text; nothing for what is empty, long, or a list."""
    if isinstance(value, Code):
        return value.word
    if isinstance(value, TimeText):
        value = moments.local(value)
        value = moments.show(value) if value is not None and not isinstance(value, str) else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (str, int, float)):
        return ""
    text = str(value).strip()
    return text if len(text) <= _LONGEST_VALUE else ""
