"""What can stand in a rule file?  The keys of a rule and the shape of their values; compile.py asks what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from zennotify.core.stale import Stale, Then
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import kind, parse_duration, parse_text, parse_texts

MOST_CHANNELS: Final = 50
#: A message that waits longer for a name is of no use any more.
_LONGEST_WAIT: Final = timedelta(hours=1)
_STALE: Final = "{age: 2h, then: drop}"
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
#: Blanks stand in aliases only: Zenoti's pages call an event "Guest Package Creation".
_EVENT = re.compile(r"[A-Za-z0-9_.* -]{1,200}")
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}

#: Keys of the rule language that this version does not know; without them wrong messages would go out.
NOT_YET: Final = (
    "threshold",
    "suppressed_by",
    "hours",
    "wait",
    "digest",
    "absent",
    "escalate",
)


def _id(value: object) -> str:
    if not _ID.fullmatch(parse_text(value)):
        raise ValueError("an id has 1 to 100 of a-z 0-9 - _ . and starts with a letter or digit")
    return str(value)


def _flag(value: object) -> bool:
    read = _FLAGS.get(value.strip().casefold()) if isinstance(value, str) else value
    if not isinstance(read, bool):
        raise ValueError(f"yes or no is expected, not {kind(value)}")  # noqa: TRY004 - as above
    return read


def _events(value: object) -> tuple[str, ...]:
    events = parse_texts(value)
    odd = next((event for event in events if not _EVENT.fullmatch(event)), None)
    if odd is not None:
        raise ValueError(f"`{odd[:60]}` is not an event type, e.g. AppointmentGroup.Status or Class.*")
    return events


def _channels(value: object) -> tuple[str, ...]:
    if value == []:
        raise ValueError("nobody is told; name at least one channel")
    names = parse_texts(value)
    if len(names) > MOST_CHANNELS:
        raise ValueError(f"a rule tells at most {MOST_CHANNELS} channels, these are {len(names)}")
    return names


def _match(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"`path: value` lines are expected, not {kind(value)}")  # noqa: TRY004 - as above
    if not value:
        raise ValueError("it is empty, and would match every event; write a clause, or leave `match` out")
    return value


def _expression(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"an expression is expected, e.g. data.total | number > 0, not {kind(value)}")  # noqa: TRY004 - as above
    text = parse_text(value)
    if "{{" in text or "{%" in text:
        raise ValueError("no braces here: `when` is an expression already, e.g. data.total | number > 0")
    return text


def _period(value: object) -> timedelta:
    period = parse_duration(value)
    if not period:
        raise ValueError("a duration longer than nothing is expected, e.g. 24h")
    return period


def _wait(value: object) -> timedelta:
    wait = parse_duration(value)
    if not timedelta(0) < wait <= _LONGEST_WAIT:
        raise ValueError("a duration of at most 1h is expected, e.g. 20s")
    return wait


def _stale(value: object) -> Stale:
    if value is None:
        raise ValueError(f"an age is expected, e.g. 2h or {_STALE}")
    if not isinstance(value, dict):
        return Stale(_period(value), str(value).strip())
    wrong = next((str(key) for key in value if key not in {"age", "then"}), None)
    if wrong is not None:
        raise ValueError(f"unknown key `{wrong[:60]}`; `age` and `then` are expected, e.g. {_STALE}")
    if "age" not in value:
        raise ValueError(f"`age` is missing, e.g. {_STALE}")
    then = value.get("then", Then.MARK.value)
    if then == "digest":
        raise ValueError("`then: digest` is not supported yet by this version of zennotify; mark or drop are")
    if then not in tuple(Then):
        raise ValueError(f"`then` is mark or drop, e.g. {_STALE}{did_you_mean(str(then), tuple(Then))}")
    return Stale(_period(value["age"]), str(value["age"]).strip(), Then(then))


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError("`per` and `for` are expected, e.g. {per: data.guest_id, for: 24h}")
    return value


_Text = Annotated[str, PlainValidator(parse_text)]
_Texts = Annotated[tuple[str, ...], PlainValidator(parse_texts)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class OnceEntry(_Entry):
    """`once: {per: data.guest_id, for: 24h}`."""

    per: _Texts
    period: Annotated[timedelta, PlainValidator(_period)] = Field(alias="for")


class RuleEntry(_Entry):
    """One rule as it is written."""

    id: Annotated[str, PlainValidator(_id)]
    description: _Text = ""
    enabled: Annotated[bool, PlainValidator(_flag)] = True
    event: Annotated[tuple[str, ...], PlainValidator(_events)]
    match: Annotated[Mapping[str, Any], PlainValidator(_match)] = Field(default_factory=dict)
    when: Annotated[str, PlainValidator(_expression)] = ""
    once: Annotated[OnceEntry | None, BeforeValidator(_not_null)] = None
    stale_after: Annotated[Stale | None, PlainValidator(_stale)] = None
    wait_for_names: Annotated[timedelta | None, PlainValidator(_wait)] = None
    notify: Annotated[tuple[str, ...], PlainValidator(_channels)]
    template: _Text = ""
    message: _Text = ""
    #: Run by a later version.
    tests: Any = None


#: Stands for a key that is missing or wrong, so that the others of the same rule are still read.
PLACEHOLDERS: Final[Mapping[str, str]] = {"id": "x", "event": "*", "notify": "x"}
