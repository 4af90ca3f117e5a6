"""What is to be said of a message before it is sent: who gets it, what was cut, and how many parts an SMS takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from zennotify.channel import words
from zennotify.core.model import Form
from zennotify.message.sms import Encoding, measure
from zennotify.trial import Draft

NOT_USED = "not used by this rule"
#: So many of the characters are named that make an SMS UCS-2.
_MOST_NAMED = 5


class Cut(NamedTuple):
    """What a channel has no room for."""

    field: str
    kept: int
    of: int
    #: What is not sent.
    rest: str


def heading(draft: Draft) -> str:
    """Return who gets it, or why nobody does."""
    if draft.told is None:
        return NOT_USED
    if draft.told.refused:
        return f"{draft.told.way}: nobody is told: {draft.told.refused}"
    recipient = draft.told.address.recipient
    return f"{draft.told.way}, to {recipient}" if recipient else draft.told.way


def json_of(draft: Draft) -> dict[str, Any]:
    """Return what a web hook gets, where its URL does not name the fields otherwise."""
    message, label = draft.written.message, draft.label
    return {
        "version": "1.0",
        "title": message.title,
        "message": message.body,
        "attachments": [],
        "type": "info",
        "delivery": label.delivery,
        "rule": label.rule,
        "event": {"id": label.event, "type": label.event_type},
        "repeat": label.is_repeat,
    }


def cuts(draft: Draft) -> list[Cut]:
    """Return what of the title and of the body was cut."""
    message, whole = draft.written.message, draft.whole
    pairs = {"title": (message.title, whole.title), "text": (words(message), words(whole))}
    found = []
    for field, (sent, all_) in pairs.items():
        if len(sent) < len(all_):
            kept = _same(sent, all_)
            found.append(Cut(field, kept, len(all_), all_[kept:]))
    return found


def _same(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def limits(draft: Draft) -> list[str]:
    """Say what a message takes of what there is."""
    said = [f"The {cut.field} is cut after {cut.kept} of {cut.of} characters." for cut in cuts(draft)]
    if draft.outlet.form is Form.SMS:
        said.insert(0, _measured(draft))
    return said


def _measured(draft: Draft) -> str:
    text, most = draft.written.message.body, draft.outlet.room.segments
    taken = measure(text)
    of = f" of {most}" if most is not None else ""
    count = f"{taken.segments}{of} segment{'' if (most or taken.segments) == 1 else 's'}"
    odd = list(dict.fromkeys(char for char in text if measure(char).encoding is Encoding.UCS2))
    because = (
        f" because of {' '.join(odd[:_MOST_NAMED])}{' …' if len(odd) > _MOST_NAMED else ''}" if odd else ""
    )
    return f"{taken.encoding}{because}, {taken.units} units, {count}, {taken.left} units left."


def draft_json(draft: Draft) -> dict[str, Any]:
    """Return a message and what is to be said of it, for a program."""
    message, told = draft.written.message, draft.told
    sms = measure(message.body) if message.form is Form.SMS else None
    return {
        "channel": None if told is None else told.address.channel,
        "way": "" if told is None else told.way,
        "to": "" if told is None else told.address.recipient,
        "refused": "" if told is None else told.refused,
        "form": message.form.value,
        "title": message.title,
        "body": message.body,
        "json": json_of(draft) if message.form is Form.JSON else None,
        "problem": draft.written.problem,
        "cut": [cut._asdict() for cut in cuts(draft)],
        "sms": None
        if sms is None
        else {
            "encoding": sms.encoding.value,
            "units": sms.units,
            "segments": sms.segments,
            "most_segments": draft.outlet.room.segments,
        },
    }
