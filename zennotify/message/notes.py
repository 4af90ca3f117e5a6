"""What zennotify adds to a message, whatever its template says: sentences before its text and behind it.

They stand in the names that a message is written with (rulebook.py): `held_back`, `came_late`, `instead_of`,
`unknown_because`, `untaken_for`, and `asks_to_take` with `ack_url`.  Called by template.py and fallback.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from zennotify.core.model import Names
from zennotify.message import forms

_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def before(names: Names) -> str:
    """Say first what a message is sent once more for: nobody has taken care."""
    span: timedelta | None = names.get("untaken_for")
    return "" if span is None else f"Nobody has taken this for {in_words(span)}.\n\n"


def behind(names: Names) -> str:
    """Say what else is to be known."""
    return f"{_held_back(names)}{_late(names)}{_unknown(names)}{_instead(names)}"


def ack_url(names: Names, text: str) -> str:
    """Return where somebody can say that they take care; nothing where nobody is asked to, or the text says it."""
    url: str = names.get("ack_url", "")
    says_so = forms.shield(url) in text or url in text
    return "" if says_so or not names.get("asks_to_take") else url


def in_words(span: timedelta) -> str:
    """Return a span as people say it: 15 minutes, 1 hour, 90 seconds."""
    seconds = int(span.total_seconds())
    length, unit = next(one for one in _UNITS if seconds % one[0] == 0)
    number = seconds // length
    return f"{number} {unit}" + ("s" if number != 1 else "")


def _held_back(names: Names) -> str:
    """Say how many messages `once` held back before this one."""
    number = names.get("held_back", 0)
    were = "was" if number == 1 else "were"
    return f"\n\n{number} more like this {were} held back since the last message." if number else ""


def _late(names: Names) -> str:
    """Say how many events belong to the message before, which had gone out when they came."""
    number = names.get("came_late", 0)
    return f"\n\n{number} of these came too late for the message before." if number else ""


def _unknown(names: Names) -> str:
    """Say why a name is missing that was looked up."""
    reason = names.get("unknown_because", "")
    return f"\n\nA name is missing: {reason}." if reason else ""


def _instead(names: Names) -> str:
    """Say for which channel this one stands in."""
    channel = names.get("instead_of", "")
    return f"\n\nSent here because it could not be sent to {forms.shield(channel)}." if channel else ""
