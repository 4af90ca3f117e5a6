"""Messages that belong to no delivery: `zennotify send` sends them, now, through the ways of the daemon or of its own.

What is asked for and what came of it are plain values, because they go over the control socket.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from zennotify.channel import ChannelProblem
from zennotify.core.model import Form, Label, Message, Result, Room
from zennotify.errors import ControlError
from zennotify.message import notice
from zennotify.outbox import Way

_TITLE: Final = "[TEST] zennotify"


def described(ways: Mapping[str, Way]) -> dict[str, Any]:
    """Return how each channel's messages are written."""
    return {"channels": {name: _described(way.channel.form, way.channel.room) for name, way in ways.items()}}


def _described(form: Form, room: Room) -> dict[str, Any]:
    return {"form": form.value, "title": room.title, "body": room.body, "segments": room.segments}


def order(channel: str, message: Message, to: str, label: Label) -> dict[str, Any]:
    """Return what `send` takes for a rule's message; a message of plain words is `{channel, to, text}`."""
    about = {"rule": label.rule, "event": label.event, "event_type": label.event_type}
    return {"channel": channel, "to": to, "message": asdict(message), "label": about}


#: Sends to a recipient, which is empty where the channel knows its own.
Sending = Callable[[Way, str, Message, Label], Result]


def at_once(way: Way, to: str, message: Message, label: Label) -> Result:
    """Send without a daemon, whose pauses and rates the channel would have."""
    channel = way.channel if way.towards is None else way.towards(to)
    return channel.send(message, label)


def send(ways: Mapping[str, Way], order: Mapping[str, Any], sending: Sending = at_once) -> dict[str, Any]:
    """Send a message and return what came of it; blocks.  Raises ControlError where it cannot be tried."""
    name = str(order.get("channel"))
    way = ways.get(name)
    if way is None:
        raise ControlError(
            f"the running daemon has no channel {name!r}; it takes config.yaml in when it starts"
        )
    result = _send(way, order, sending)
    return {"outcome": result.outcome.value, "detail": result.detail}


def _send(way: Way, order: Mapping[str, Any], sending: Sending) -> Result:
    to = str(order.get("to") or "")
    if way.towards is None and to:
        raise ControlError(f"channel {way.name} has a recipient of its own")
    if way.towards is not None:
        if not to:
            raise ControlError(
                f"the recipient of channel {way.name} comes from an event; there is none here: say --to ADDRESS"
            )
        try:
            way.towards(to)
        except ChannelProblem as error:
            raise ControlError(f"channel {way.name} cannot send there: {error}") from error
    # A mail program takes two mails with the same label for one.
    label = Label(f"test-{secrets.token_hex(8)}", **order.get("label", {}))
    return sending(way, to, _message(way, order), label)


def _message(way: Way, order: Mapping[str, Any]) -> Message:
    form, room = way.channel.form, way.channel.room
    if "message" not in order:
        return notice(form, title=_TITLE, text=str(order.get("text")), short_id="test", room=room)
    message = Message(**{**order["message"], "form": Form(order["message"]["form"])})
    if message.form is not form:
        raise ControlError(f"channel {way.name} of the running daemon takes {form.value} messages")
    return message
