"""Read single values of a rule: ids, flags, event types, durations; ValueError has a sentence.  For entry, timekeys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, PlainValidator

from zennotify.yamlfile import kind, parse_duration, parse_text, parse_texts

MOST_CHANNELS: Final = 50
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
#: Blanks stand in aliases only: Zenoti's pages call an event "Guest Package Creation".
_EVENT = re.compile(r"[A-Za-z0-9_.* -]{1,200}")
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}


def rule_id(value: object) -> str:
    """Read the id of a rule."""
    if not _ID.fullmatch(parse_text(value)):
        raise ValueError("an id has 1 to 100 of a-z 0-9 - _ . and starts with a letter or digit")
    return str(value)


def flag(value: object) -> bool:
    """Read yes or no."""
    read = _FLAGS.get(value.strip().casefold()) if isinstance(value, str) else value
    if not isinstance(read, bool):
        raise ValueError(f"yes or no is expected, not {kind(value)}")  # noqa: TRY004 - one kind of error
    return read


def events(value: object) -> tuple[str, ...]:
    """Read an event type or a list of them."""
    found = parse_texts(value)
    odd = next((event for event in found if not _EVENT.fullmatch(event)), None)
    if odd is not None:
        raise ValueError(f"`{odd[:60]}` is not an event type, e.g. AppointmentGroup.Status or Class.*")
    return found


def channels(value: object) -> tuple[str, ...]:
    """Read who is told."""
    if value == []:
        raise ValueError("nobody is told; name at least one channel")
    names = parse_texts(value)
    if len(names) > MOST_CHANNELS:
        raise ValueError(f"a rule tells at most {MOST_CHANNELS} channels, these are {len(names)}")
    return names


def matches(value: object) -> Mapping[str, Any]:
    """Read the lines of `match`."""
    if not isinstance(value, dict):
        raise ValueError(f"`path: value` lines are expected, not {kind(value)}")  # noqa: TRY004 - as above
    if not value:
        raise ValueError("it is empty, and would match every event; write a clause, or leave `match` out")
    return value


def period(value: object) -> timedelta:
    """Read a duration that is longer than nothing."""
    read = parse_duration(value)
    if not read:
        raise ValueError("a duration longer than nothing is expected, e.g. 24h")
    return read


Text = Annotated[str, PlainValidator(parse_text)]
Texts = Annotated[tuple[str, ...], PlainValidator(parse_texts)]
Flag = Annotated[bool, PlainValidator(flag)]
Events = Annotated[tuple[str, ...], PlainValidator(events)]
Channels = Annotated[tuple[str, ...], PlainValidator(channels)]
Matches = Annotated[Mapping[str, Any], PlainValidator(matches)]
Period = Annotated[timedelta, PlainValidator(period)]


class Entry(BaseModel):
    """Lines of a rule file as they are written."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
