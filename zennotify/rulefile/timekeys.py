"""What can stand below the keys of a rule that know time: threshold, wait, digest and so on?  A part of entry.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainValidator

from zennotify.core.during import OPENING_HOURS, During, Otherwise
from zennotify.core.hours import HoursError, OpeningHours, read_minute, read_spans
from zennotify.core.threshold import MOST_COUNTED
from zennotify.rulefile.values import Channels, Entry, Events, Flag, Matches, Period, Texts, period
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import kind, parse_duration, parse_text, parse_texts

MOST_STEPS: Final = 10
_MOST_OPPOSITES: Final = 20

#: How each key is written.
EXAMPLES: Final[Mapping[str, str]] = {
    "threshold": "{count: 3, within: 30d, per: data.guest_id}",
    "suppressed_by": "{rule: class-cancelled, same: session.id, within: 2h}",
    "hours": '{during: "08:00-21:00", otherwise: hold}',
    "wait": "{for: 10m, unless: Guest.Membership.Reinstate, per: membership.id}",
    "digest": '{every: 15m} or {at: "18:00"}',
    "absent": "{event: Invoice.Closed, for: 2h, per: center.id}",
    "escalate": "[{after: 15m, notify: [regional]}]",
}
_HOURS: Final = 'hours are expected, e.g. "08:00-21:00", or opening-hours'
_AFTER: Final = re.compile(r"(\S+)\s+after\s+(\S.*)")
_BEFORE: Final = re.compile(r"\S+\s+(?:before|until)\s.*")
_DURATION: Final = re.compile(r"[0-9]{1,9}[smhd]")
_TIME_OF_DAY: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}")


@dataclass(frozen=True, slots=True)
class For:
    """`for` of a wait."""

    #: As it is written.
    text: str
    period: timedelta
    #: The path of the moment that it counts from; empty: the arrival of the event.
    after: str = ""


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_COUNTED:
        raise ValueError(f"a whole number from 1 to {MOST_COUNTED} is expected, e.g. 3")
    return value


def _rule_id(value: object) -> str:
    return parse_text(value).strip()


def _for(value: object) -> For:
    text = value.strip() if isinstance(value, str) else ""
    after = _AFTER.fullmatch(text)
    if after is not None:
        return For(text, parse_duration(after[1]), after[2])
    if _BEFORE.fullmatch(text) or text.startswith(("after ", "until ")):
        raise ValueError(
            "a duration is expected, e.g. 10m, or one after a moment, e.g. 15m after group.start"
        )
    return For(text, period(value))


def _opposites(value: object) -> object:
    """`x` is the same as `[x]`."""
    if value is None or value == []:
        raise ValueError("an event type is expected, e.g. Guest.Membership.Reinstate; or leave `unless` out")
    listed = value if isinstance(value, list) else [value]
    if len(listed) > _MOST_OPPOSITES:
        raise ValueError(f"at most {_MOST_OPPOSITES} are possible, these are {len(listed)}")
    return listed


def _opposite(value: object) -> object:
    if isinstance(value, str):
        return {"event": value}
    if not isinstance(value, dict):
        raise ValueError(f"an event type or {{event: ..., match: ...}} is expected, not {kind(value)}")  # noqa: TRY004 - one kind of error
    return value


def _during(value: object) -> During | Mapping[str, Any]:
    """Take hours; what stands below days is read by timed.py, which knows the places."""
    if isinstance(value, dict):
        if not value:
            raise ValueError(_HOURS)
        return value
    if not isinstance(value, str):
        raise ValueError(f"{_HOURS}, not {kind(value)}")  # noqa: TRY004 - as above
    text = value.strip()
    word = text.casefold()
    if word == OPENING_HOURS:
        return During(text=OPENING_HOURS)
    if word in {"open", "closed"}:
        means = "always" if word == "open" else "never"
        raise ValueError(f"`{text}` means {means}; {_HOURS}")
    try:
        ranges = read_spans(text, _HOURS)
    except HoursError as error:
        raise ValueError(f"{error}{did_you_mean(word, (OPENING_HOURS,))}") from None
    return During(text=text, hours=OpeningHours((ranges,) * 7))


def _otherwise(value: object) -> tuple[str, ...]:
    names = parse_texts(value)
    words = {name for name in names if name in (Otherwise.HOLD, Otherwise.DROP)}
    if words and len(names) > 1:
        raise ValueError(f"`{min(words)}` stands alone, or there is a list of roles and channels")
    return names


def _time_of_day(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f'a time of the day is expected, e.g. "18:00", not {kind(value)}')  # noqa: TRY004 - as above
    try:
        return read_minute(value.strip())
    except HoursError as error:
        raise ValueError(str(error)) from None


def _steps(value: object) -> object:
    example = EXAMPLES["escalate"]
    if not isinstance(value, list):
        one = "; put the step in a list:" if isinstance(value, dict) else ", e.g."
        raise ValueError(f"a list of steps is expected, not {kind(value)}{one} {example}")  # noqa: TRY004 - as above
    if not value:
        raise ValueError(f"the list is empty; a step is expected, e.g. {example}")
    if len(value) > MOST_STEPS:
        raise ValueError(f"there are at most {MOST_STEPS} steps, these are {len(value)}")
    return value


def _lines(key: str, shortened: Callable[[object], str] = lambda _: "") -> BeforeValidator:
    """Take a mapping; of what was written instead of it, say how it is written."""

    def check(value: object) -> object:
        if not isinstance(value, dict):
            hint = f": write {shown}" if (shown := shortened(value)) else f", e.g. {EXAMPLES[key]}"
            raise ValueError(f"`key: value` lines are expected, not {kind(value)}{hint}")  # noqa: TRY004 - as above
        return value

    return BeforeValidator(check)


def _text(value: object) -> str:
    return value.strip()[:60] if isinstance(value, str) else ""


def _as_wait(value: object) -> str:
    is_for = _DURATION.fullmatch(_text(value)) or _AFTER.fullmatch(_text(value))
    return f"{{for: {_text(value)}}}" if is_for else ""


def _as_digest(value: object) -> str:
    if _TIME_OF_DAY.fullmatch(_text(value)):
        return f'{{at: "{_text(value)}"}}'
    return f"{{every: {_text(value)}}}" if _DURATION.fullmatch(_text(value)) else ""


def _as_hours(value: object) -> str:
    if _text(value).casefold() == OPENING_HOURS:
        return f"{{during: {OPENING_HOURS}}}"
    try:
        read_spans(_text(value), _HOURS)
    except HoursError:
        return ""
    return f'{{during: "{_text(value)}"}}'


def _as_threshold(value: object) -> str:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return f"{{count: {value}, within: 30d, per: data.guest_id}}" if is_count else ""


def _as_suppressed(value: object) -> str:
    return f"{{rule: {_text(value)}, same: session.id, within: 2h}}" if _text(value) else ""


def _as_absent(value: object) -> str:
    if _DURATION.fullmatch(_text(value)):
        return f"{{event: Invoice.Closed, for: {_text(value)}}}"
    return f"{{event: {_text(value)}, for: 2h}}" if _text(value) else ""


class ThresholdEntry(Entry):
    """`threshold: {count: 3, within: 30d, per: data.guest_id}`."""

    count: Annotated[int, PlainValidator(_count)]
    within: Period
    per: Texts = ()


class SuppressedEntry(Entry):
    """`suppressed_by: {rule: class-cancelled, same: session.id, within: 2h}`."""

    rule: Annotated[str, PlainValidator(_rule_id)]
    same: Texts
    within: Period


class HoursEntry(Entry):
    """`hours: {during: "08:00-21:00", otherwise: hold}`."""

    during: Annotated[During | Mapping[str, Any], PlainValidator(_during)]
    otherwise: Annotated[tuple[str, ...], PlainValidator(_otherwise)] = (Otherwise.HOLD.value,)


class OppositeEntry(Entry):
    """One of `unless`; an event type alone is the same as `{event: ...}`."""

    event: Events
    match: Matches = Field(default_factory=dict)


class WaitEntry(Entry):
    """`wait: {for: 10m, unless: [Guest.Membership.Reinstate], per: membership.id}`."""

    period: Annotated[For, PlainValidator(_for)] = Field(alias="for")
    unless: Annotated[
        tuple[Annotated[OppositeEntry, BeforeValidator(_opposite)], ...], BeforeValidator(_opposites)
    ] = ()
    per: Texts = ()


class DigestEntry(Entry):
    """`digest: {every: 15m}` or `digest: {at: "18:00"}`."""

    every: Annotated[timedelta | None, PlainValidator(period)] = None
    at: Annotated[int | None, PlainValidator(_time_of_day)] = None
    per: Texts = ()
    immediate: Flag = False


class AbsentEntry(Entry):
    """`absent: {event: Invoice.Closed, for: 2h, per: center.id, during: opening-hours}`."""

    event: Events
    period: Period = Field(alias="for")
    per: Texts = ()
    during: Annotated[During | Mapping[str, Any] | None, PlainValidator(_during)] = None


class StepEntry(Entry):
    """One of `escalate: [{after: 15m, notify: [regional]}]`."""

    after: Period
    notify: Channels


Threshold = Annotated[ThresholdEntry | None, _lines("threshold", _as_threshold)]
SuppressedBy = Annotated[SuppressedEntry | None, _lines("suppressed_by", _as_suppressed)]
Hours = Annotated[HoursEntry | None, _lines("hours", _as_hours)]
Wait = Annotated[WaitEntry | None, _lines("wait", _as_wait)]
Digest = Annotated[DigestEntry | None, _lines("digest", _as_digest)]
Absent = Annotated[AbsentEntry | None, _lines("absent", _as_absent)]
Escalate = Annotated[tuple[StepEntry, ...], BeforeValidator(_steps)]
