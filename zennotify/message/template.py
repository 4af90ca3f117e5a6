"""Render the message of one event for one form.

Called by rulebook.py, just before the send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Template
from jinja2.runtime import Context

from zennotify.core.model import Form, Message, Names, Room
from zennotify.errors import MessageError, StoreError
from zennotify.message import forms, notes
from zennotify.message.compiled import context_of, place
from zennotify.message.limits import Run, Running
from zennotify.message.problem import in_words
from zennotify.message.sandbox import Sandbox
from zennotify.message.wants import Want

_ANY_ROOM: Final = Room()
_OWN_BLOCK = {Form.SMS: "sms", Form.CHAT: "chat", Form.EMAIL: "email"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTemplate:
    """One message, ready to be rendered for any form."""

    template: Template
    #: The blocks, inherited ones too, and their lines; none where the whole text is the body.
    blocks: Mapping[str, int]
    #: The title where no block says it; None: the rule's description.
    title: str | None
    #: The fields of things that it names.
    wants: frozenset[Want]
    #: Whether it says itself where somebody can say that they take care.
    uses_ack_url: bool = False
    time_zone: str
    locale: str

    def render(
        self, form: Form, names: Names, *, short_id: str, room: Room = _ANY_ROOM, prefix: str = ""
    ) -> Message:
        """Write the message; MessageError names template and line where that fails."""
        block = _OWN_BLOCK.get(form, "body")
        block = block if block in self.blocks else "body"
        try:
            with Running(Run(names, self.time_zone, self.locale)):
                title, body = self._write(form, block, names)
            if body.strip():
                body = f"{notes.before(names)}{body}{notes.behind(names)}"
            message = forms.message(
                form,
                title,
                body,
                short_id,
                room,
                prefix=prefix,
                plain=block == "sms",
                ack_url=notes.ack_url(names, title + body),
            )
        except StoreError:  # what is known of things cannot be read now: that is not the template's fault
            raise
        except Exception as error:
            name, line = place(error)
            # Not chained: the original may hold values of the event.
            raise MessageError(f"{name or self.template.name}:{line or 1}: {in_words(error)}") from None
        if not message.body.strip():
            raise MessageError(f"{self.template.name}:{self.blocks.get(block, 1)}: the message is empty")
        return message

    def _write(self, form: Form, block: str, names: Names) -> tuple[str, str]:
        """Return title and body, their values still shielded."""
        context = context_of(self.template, names)
        # Beside the blocks it only sets, imports and extends.
        body = Sandbox.concat(self.template.root_render_func(context))
        if self.blocks:
            body = _print(context, block)
        # Each part of an SMS is paid for: words of its own are all that is sent, and a rule's description is no part.
        if block == "sms" or (form is Form.SMS and "title" not in self.blocks):
            return "", body
        if "title" in self.blocks:
            return _print(context, "title"), body
        return forms.shield(_description(names) if self.title is None else self.title), body


def _print(context: Context, block: str) -> str:
    return Sandbox.concat(context.blocks[block][0](context))


def _description(names: Names) -> str:
    try:
        description: Any = names["rule"]["description"]
    except (KeyError, TypeError):
        return ""
    return description if isinstance(description, str) else ""
