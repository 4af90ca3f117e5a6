"""Web hooks: Apprise's own, with what lets a program tell one message from another.

What `json://` posts is described by webhook.schema.json beside this file; `form://` posts the same as flat fields.
"""

from __future__ import annotations

from typing import Any, Final

from apprise.plugins.custom_form import NotifyForm
from apprise.plugins.custom_json import NotifyJSON

from zennotify.core.model import Label

#: The header that a repeat may be recognised by.
DELIVERY_HEADER: Final = "X-Zennotify-Delivery"


class JsonHook(NotifyJSON):  # type: ignore[no-untyped-call] # of Apprise's __init_subclass__
    """Posts JSON."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call] # Apprise's
        asked = dict(self.payload_extras)
        self._names = [asked.pop(name, name) for name in ("delivery", "rule", "event", "repeat")]
        self._asked = asked

    def label(self, label: Label) -> None:
        """Put onto the next message what stands on it; `:field=` in the URL renames or drops it, as Apprise's own."""
        self.headers[DELIVERY_HEADER] = label.delivery
        event = {"id": label.event, "type": label.event_type} if label.event else None
        fields = (label.delivery, label.rule, event, label.is_repeat)
        named = {name: value for name, value in zip(self._names, fields, strict=True) if name}
        self.payload_extras = named | self._asked


class FormHook(NotifyForm):  # type: ignore[no-untyped-call] # of Apprise's __init_subclass__
    """Posts a form."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call] # Apprise's
        self._asked = dict(self.payload_extras)

    def label(self, label: Label) -> None:
        """Put onto the next message what stands on it; a `:field=` in the URL wins."""
        self.headers[DELIVERY_HEADER] = label.delivery
        self.payload_extras = {"delivery": label.delivery, "rule": label.rule} | self._asked
