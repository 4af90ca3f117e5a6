"""What is said of who took care of something: the message to those who were told, and times outside of messages."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from zennotify.core.model import Form, Message, Room
from zennotify.message import moments
from zennotify.message.fallback import notice
from zennotify.message.limits import Run, Running

_ANY_ROOM: Final = Room()


def taken_notice(
    form: Form, *, title: str, by: str, time: str, about: str, short_id: str, room: Room = _ANY_ROOM
) -> Message:
    """Write the message that says who took it, and at what time; `about` is the short id of what was taken."""
    text = f"Taken by {by}, {time}: message {about}."
    return notice(form, title=title, text=text, short_id=short_id, room=room)


def time_text(at: datetime, time_zone: str, locale: str) -> str:
    """Return the time of day, by the clock of a zone: `2:32 PM`."""
    with Running(Run({}, time_zone, locale)):
        return str(moments.time_of(at))


def moment_text(at: datetime, time_zone: str, locale: str) -> str:
    """Return a moment by the clock of a zone, as messages write it: `Thu, Jul 25, 9:15 AM`."""
    with Running(Run({}, time_zone, locale)):
        return moments.show(at)
