"""How much of a message each service takes.

Apprise's classes say it; where they do not know better, services.py does.  Pure but for what it asks of Apprise's
object; called by apprise_channel.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from zennotify.channel.services import SERVICES, WITHOUT_SEGMENTS, Titled
from zennotify.core.model import Form, Room

if TYPE_CHECKING:
    from apprise import NotifyBase

_LONGEST_TITLE: Final = 250
#: An SMS of ten parts in which no alphabet is too large: for messages of another form that go out by SMS.
_LONGEST_SMS: Final = 670
#: Of Slack's blocks, `?blocks=yes`.  A header has 150 characters; each `&` in it is five.
_LONGEST_HEADER: Final = 120
_LONGEST_SECTION: Final = 3000
#: What stands around title and body in the JSON for ntfy: names, and a topic of 64 characters.
_AROUND: Final = 200


def room_of(
    scheme: str, plugin: NotifyBase, form: Form, segments: int, weigh: Callable[[str, str], int]
) -> Room:
    """Return the room of a service for messages of this form; `weigh` says what one takes of it."""
    service = SERVICES[scheme]
    title = _LONGEST_TITLE
    if service.titled is not Titled.IN_BODY:
        title = min(int(plugin.title_maxlen) or _LONGEST_TITLE, _LONGEST_TITLE)
    most = service.most or int(plugin.body_maxlen)
    if getattr(plugin, "use_blocks", False):
        title, most = _LONGEST_HEADER, _LONGEST_SECTION
    if form is Form.SMS and scheme not in WITHOUT_SEGMENTS:
        return Room(title=title, segments=segments)
    match service.form:
        case Form.JSON:  # whoever made the hook takes what it is given
            return Room(title=title)
        case Form.EMAIL:
            return Room(title=title, body=most)
        case Form.SMS if scheme not in WITHOUT_SEGMENTS:
            return Room(title=title, body=_LONGEST_SMS, weigh=weigh)
        case Form.SMS | Form.CHAT:
            return Room(title=title, body=most, weigh=weigh)


def weight(scheme: str, title: str, body: str) -> int:
    """Return what a title and a body, as they are sent, take of a service's room."""
    weigh = _WEIGHTS.get(scheme.rstrip("s"))
    return len(body) if weigh is None else weigh(title, body)


def _for_ntfy(title: str, body: str) -> int:
    """Count bytes, for the server; and the JSON, of whose 8,000 characters Apprise makes a file."""
    written = len(json.dumps([title, body])) + _AROUND
    return max(len(f"{title}\n{body}".encode()), written // 2)


def _for_teams(title: str, body: str) -> int:
    """Count the JSON as Apprise writes it, in halves: an emoji is 12 bytes of it."""
    return len(json.dumps([title, body])) // 2


def _for_matrix(_title: str, body: str) -> int:
    """Count the bytes of the JSON that a server makes of it."""
    return len(json.dumps(body, ensure_ascii=False).encode())


_WEIGHTS: Final[Mapping[str, Callable[[str, str], int]]] = {
    "ntfy": _for_ntfy,
    "workflow": _for_teams,
    "matrix": _for_matrix,
}
