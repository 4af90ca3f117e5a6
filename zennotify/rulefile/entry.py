"""What can stand in a rule file?  The keys of a rule and the shape of their values; onerule.py asks what they mean.

The keys that know time are in timekeys.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainValidator

from zennotify.core.stale import Stale, Then
from zennotify.rulefile import timekeys
from zennotify.rulefile.values import (
    Channels,
    Entry,
    Events,
    Flag,
    Matches,
    Period,
    Text,
    Texts,
    period,
    rule_id,
)
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import Step, kind, parse_duration, parse_text

#: A message that waits longer for a name is of no use any more.
_LONGEST_WAIT: Final = timedelta(hours=1)
_STALE: Final = "{age: 2h, then: drop}"
_ONCE: Final = "{per: data.guest_id, for: 24h}"


def _expression(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"an expression is expected, e.g. data.total | number > 0, not {kind(value)}")  # noqa: TRY004 - one kind of error
    text = parse_text(value)
    if "{{" in text or "{%" in text:
        raise ValueError("no braces here: `when` is an expression already, e.g. data.total | number > 0")
    return text


def _wait_for_names(value: object) -> timedelta:
    wait = parse_duration(value)
    if not timedelta(0) < wait <= _LONGEST_WAIT:
        raise ValueError("a duration of at most 1h is expected, e.g. 20s")
    return wait


def _stale(value: object) -> Stale:
    if value is None:
        raise ValueError(f"an age is expected, e.g. 2h or {_STALE}")
    if not isinstance(value, dict):
        return Stale(period(value), str(value).strip())
    wrong = next((str(key) for key in value if key not in {"age", "then"}), None)
    if wrong is not None:
        raise ValueError(f"unknown key `{wrong[:60]}`; `age` and `then` are expected, e.g. {_STALE}")
    if "age" not in value:
        raise ValueError(f"`age` is missing, e.g. {_STALE}")
    then = value.get("then", Then.MARK.value)
    if then not in tuple(Then):
        hint = did_you_mean(str(then), tuple(Then))
        raise ValueError(f"`then` is mark, drop or digest, e.g. {_STALE}{hint}")
    return Stale(period(value["age"]), str(value["age"]).strip(), Then(then))


def _per_and_for(value: object) -> object:
    if value is None:
        raise ValueError(f"`per` and `for` are expected, e.g. {_ONCE}")
    if not isinstance(value, dict):
        raise ValueError(f"`key: value` lines are expected, not {kind(value)}, e.g. {_ONCE}")  # noqa: TRY004 - as above
    return value


class OnceEntry(Entry):
    """`once: {per: data.guest_id, for: 24h}`."""

    per: Texts
    period: Period = Field(alias="for")


class RuleEntry(Entry):
    """One rule as it is written."""

    id: Annotated[str, PlainValidator(rule_id)]
    renamed_from: Annotated[str, PlainValidator(rule_id)] = ""
    description: Text = ""
    enabled: Flag = True
    #: Empty only where `absent` says what is awaited.
    event: Events = ()
    match: Matches = Field(default_factory=dict)
    when: Annotated[str, PlainValidator(_expression)] = ""
    threshold: timekeys.Threshold = None
    stale_after: Annotated[Stale | None, PlainValidator(_stale)] = None
    suppressed_by: timekeys.SuppressedBy = None
    hours: timekeys.Hours = None
    wait: timekeys.Wait = None
    once: Annotated[OnceEntry | None, BeforeValidator(_per_and_for)] = None
    digest: timekeys.Digest = None
    absent: timekeys.Absent = None
    escalate: timekeys.Escalate = ()
    wait_for_names: Annotated[timedelta | None, PlainValidator(_wait_for_names)] = None
    notify: Channels
    template: Text = ""
    message: Text = ""
    #: Run by a later version.
    tests: Any = None


#: Stands for a key that is missing or wrong, so that the others of the same rule are still read.
PLACEHOLDERS: Final[Mapping[str, str]] = {"id": "x", "event": "*", "notify": "x"}


def _keys(form: type[Entry]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in form.model_fields.items())


#: The keys below a key of a rule, and below one of those.
_BELOW: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    (): _keys(RuleEntry),
    ("once",): _keys(OnceEntry),
    ("threshold",): _keys(timekeys.ThresholdEntry),
    ("suppressed_by",): _keys(timekeys.SuppressedEntry),
    ("hours",): _keys(timekeys.HoursEntry),
    ("wait",): _keys(timekeys.WaitEntry),
    ("wait", "unless"): _keys(timekeys.OppositeEntry),
    ("digest",): _keys(timekeys.DigestEntry),
    ("absent",): _keys(timekeys.AbsentEntry),
    ("escalate",): _keys(timekeys.StepEntry),
}
_SPANS: Final = ("within", "for", "every", "after")
_PER: Final = ("per", "same")
_WHEN_OPEN: Final = ("hours", "during")
#: What others call our keys: of these the one that can stand there was meant.
_CALLED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("window", "period", "duration", "interval", "time", "span", "timeframe", "last"), _SPANS
    ),
    **dict.fromkeys(("within", "every", "after"), _SPANS),
    **dict.fromkeys(("for", "in", "delay"), (*_SPANS, "wait")),
    **dict.fromkeys(("key", "keys", "by", "group_by", "each", "per", "same"), _PER),
    **dict.fromkeys(("quiet", "quiet_hours", "opening_hours", "business_hours", "schedule"), _WHEN_OPEN),
    **dict.fromkeys(("between", "open", "from"), ("during",)),
    **dict.fromkeys(("else", "outside", "then"), ("otherwise",)),
    **dict.fromkeys(("min", "number", "times", "at_least", "limit"), ("count",)),
    **dict.fromkeys(("absence", "missing", "heartbeat", "dead_man"), ("absent",)),
    **dict.fromkeys(("batch", "group", "summary", "collect"), ("digest",)),
    **dict.fromkeys(("suppress", "inhibit", "inhibited_by", "muted_by", "unless_rule"), ("suppressed_by",)),
    **dict.fromkeys(("throttle", "cooldown", "dedupe"), ("once",)),
    **dict.fromkeys(("escalation", "escalate_to"), ("escalate",)),
    **dict.fromkeys(("cancel", "cancelled_by", "until", "unless"), ("unless", "wait")),
    **dict.fromkeys(("type", "events", "event_type"), ("event",)),
    **dict.fromkeys(("id", "name", "by_rule"), ("rule", "id")),
    **dict.fromkeys(("to", "channel", "channels", "tell", "send"), ("notify",)),
    **dict.fromkeys(("max_age", "older_than"), ("stale_after",)),
    **dict.fromkeys(("where", "filter", "if"), ("match",)),
    **dict.fromkeys(("formerly", "old_id", "was", "renamed"), ("renamed_from",)),
    **dict.fromkeys(("first", "at_once", "now"), ("immediate",)),
}


def unknown_key(path: tuple[Step, ...]) -> str:
    """Say that there is no such key at a place, and which one was probably meant."""
    known = _BELOW[tuple(step for step in path[:-1] if isinstance(step, str))]
    name = str(path[-1])
    called = next((key for key in _CALLED.get(name.casefold(), ()) if key in known), None)
    hint = f"; did you mean `{called}`?" if called else did_you_mean(name, known)
    hint = hint or f"; known are: {' '.join(known)}"
    return f"unknown key{hint}"
