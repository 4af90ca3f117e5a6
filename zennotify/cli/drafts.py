"""What is to be said of a message before it is sent: who gets it, what was cut, and how many parts an SMS takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from zennotify.channel import words
from zennotify.core.model import Form, Message
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
    """Return who gets it."""
    if draft.told is None:
        return NOT_USED
    recipient = draft.told.address.recipient
    return f"{draft.told.way}, to {recipient}" if recipient else draft.told.way


def text_of(message: Message) -> str:
    """Return what is read in a message's body; of an SMS all that is sent."""
    if message.form is Form.SMS and message.title:
        return f"{message.title}\n{words(message)}"
    return words(message)


def json_of(message: Message) -> dict[str, str]:
    """Return what a web hook reads of a message."""
    return {"title": message.title, "message": message.body}


def cuts(draft: Draft) -> list[Cut]:
    """Return what of the title and of the body was cut."""
    sent, whole = draft.written.message, draft.whole
    pairs = {"title": (sent.title, whole.title), "text": (text_of(sent), text_of(whole))}
    if sent.form is Form.SMS:
        del pairs["title"]
    return [
        Cut(field, len(kept), len(all_), all_[_same(kept, all_) :])
        for field, (kept, all_) in pairs.items()
        if len(kept) < len(all_)
    ]


def _same(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def limits(draft: Draft) -> list[str]:
    """Say what a message takes of what there is."""
    said = [f"The {cut.field} is cut: {cut.kept} of {cut.of} characters." for cut in cuts(draft)]
    if draft.outlet.form is Form.SMS:
        said.insert(0, _measured(draft))
    return said


def _measured(draft: Draft) -> str:
    text, most = text_of(draft.written.message), draft.outlet.room.segments
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
    sms = measure(text_of(message)) if message.form is Form.SMS else None
    return {
        "channel": None if told is None else told.address.channel,
        "way": "" if told is None else told.way,
        "to": "" if told is None else told.address.recipient,
        "form": message.form.value,
        "title": message.title,
        "body": message.body,
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
