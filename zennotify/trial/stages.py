"""What each stage of a rule says of one event, in words and in the order in which they are asked.

The stages are those of core/decide.py.  What a stage remembers is not at hand here: one that hangs on what came before,
or comes later, says what it would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from zennotify.core.absent import Absent
from zennotify.core.digest import LATE_EVERY, Digest
from zennotify.core.during import Hours, Otherwise, is_outside, next_opening
from zennotify.core.escalation import Step
from zennotify.core.model import Event
from zennotify.core.notify import Directory
from zennotify.core.path import Path
from zennotify.core.rule import Rule
from zennotify.core.stale import MARK, Stale, Then
from zennotify.core.suppression import SuppressedBy
from zennotify.core.threshold import Threshold
from zennotify.core.wait import Wait
from zennotify.core.window import key_text
from zennotify.errors import ExpressionError
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.names import Names

_SPELLED: Final = {name.casefold(): name for name in EVENT_TYPES}
_ORDINALS: Final = {1: "st", 2: "nd", 3: "rd"}


class Stage(NamedTuple):
    """What one stage says of an event."""

    name: str
    #: None: it was not asked.
    holds: bool | None
    says: str


class Tried(NamedTuple):
    """A rule and an event that it is tried on."""

    rule: Rule
    event: Event
    names: Names
    directory: Directory

    @property
    def now(self) -> datetime:
        """When the rule is asked: at the event's arrival."""
        return self.event.received_at

    def local(self, moment: datetime) -> datetime:
        """Return a moment by the clock of the event's centre."""
        return self.directory.local(self.names, moment)

    def at(self, moment: datetime) -> str:
        """Return a moment in words, by the clock of the event's centre."""
        local, today = self.local(moment), self.local(self.now)
        return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"


def asked_of_event(rule: Rule, event: Event, names: Names) -> Iterator[Stage]:
    """Yield what the stages say that ask the event; `when` is asked only where those before it hold."""
    if not rule.enabled:
        yield Stage("enabled", False, "the rule is switched off")
    listens = rule.listens_to(event.kind)
    verb = "listens to" if rule.absent is None else "awaits"
    but = "" if listens else f", and this is {event.type}"
    yield Stage("event", listens, f"it {verb} {_types(rule.events)}{but}")
    failing = [clause.text for clause in rule.match if not clause.holds(names)]
    if rule.match:
        yield Stage("match", not failing, f"does not hold: {'; '.join(failing)}" if failing else "holds")
    if rule.when is None:
        return
    if failing or not listens:
        yield Stage("when", None, "not asked")
        return
    try:
        holds = rule.when(names)
    except ExpressionError as error:
        yield Stage("when", False, f"fails: {error}")
    else:
        yield Stage("when", holds, "is true" if holds else "is false")


def before_notify(tried: Tried) -> Iterator[Stage]:
    """Yield what the stages between `when` and `notify` say."""
    rule = tried.rule
    if rule.absent is not None:
        yield _absent(rule.absent)
    if rule.threshold is not None:
        yield _threshold(rule.threshold, tried.names)
    if rule.stale is not None:
        yield _stale(rule.stale, tried)
    if rule.suppressed is not None:
        yield _suppressed(rule.suppressed, tried.names)
    if rule.hours is not None and rule.hours.otherwise is not Otherwise.HOLD:
        yield _hours(rule.hours, tried)
    if rule.wait is not None:
        yield _wait(rule.wait, tried)
    if rule.once is not None:
        per = _listed(rule.once.per)
        most = f"at most one message per {per} in {spoken(rule.once.period)}"
        yield Stage("once", None, f"{most}; what came before is not asked")
    if rule.digest is not None:
        yield _digest(rule.digest, tried)
    if rule.hours is not None and rule.hours.otherwise is Otherwise.HOLD:
        yield _hours(rule.hours, tried)


def behind_notify(steps: Sequence[Step]) -> Iterator[Stage]:
    """Yield what becomes of the message while nobody takes care."""
    if steps:
        told = ", ".join(f"{_listed(step.notify)} after {spoken(step.after)}" for step in steps)
        yield Stage("escalate", None, f"until somebody takes it, it would tell {told}")


# --- one stage ------------------------------------------------------------------------------------------------


def _absent(absent: Absent) -> Stage:
    during = f" of {absent.during.text}" if absent.during is not None else ""
    once = f"once none has come for {spoken(absent.period)}{during}{_per(absent.per)}"
    return Stage("absent", None, f"it would speak {once}; the message is shown as if this were the last")


def _threshold(threshold: Threshold, names: Names) -> Stage:
    if key_text(threshold.per, names) is None:
        return Stage("threshold", False, "not counted: the event does not say for whom")
    number, within = threshold.count, spoken(threshold.within)
    first = f"from the {number}{_ordinal(number)} within {within} on{_per(threshold.per)}"
    return Stage("threshold", None, f"{first}; how many there have been is not asked")


def _stale(stale: Stale, tried: Tried) -> Stage:
    if not stale.is_over(tried.names, tried.now):
        return Stage("stale_after", True, "not too old")
    late = f"over {stale.text} old when it came"
    if stale.then is Then.DROP:
        return Stage("stale_after", False, late)
    if stale.then is Then.DIGEST:
        every = "" if tried.rule.digest is not None else f" of {spoken(LATE_EVERY)}"
        return Stage("stale_after", None, f"{late}: it would go into a digest{every}")
    return Stage("stale_after", True, f"{late}, and marked {MARK}")


def _suppressed(suppressed: SuppressedBy, names: Names) -> Stage:
    same, within = _listed(suppressed.same), spoken(suppressed.within)
    if key_text(suppressed.same, names) is None:
        return Stage("suppressed_by", True, f"not asked: the event has no {same}")
    mute = f"{suppressed.rule} would mute it where that fires for the same {same} within {within}"
    return Stage("suppressed_by", None, f"{mute}; whether it has is not asked")


def _hours(hours: Hours, tried: Tried) -> Stage:
    during, local = hours.during.text, tried.local(tried.now)
    center = tried.directory.hours_of(tried.names)
    if not is_outside(hours, center, local):
        return Stage("hours", True, f"{local:%H:%M} is within {during}")
    outside = f"{local:%H:%M} is outside {during}"
    if hours.otherwise is Otherwise.DROP:
        return Stage("hours", False, outside)
    if hours.otherwise is Otherwise.ELSEWHERE:
        return Stage("hours", True, f"{outside}: it tells {_listed(hours.notify)}")
    opening = next_opening(hours, center, local)
    if opening is None:
        return Stage("hours", False, f"{outside}, and it never opens again")
    return Stage("hours", True, f"{outside}: it would be held until {tried.at(opening)}")


def _wait(wait: Wait, tried: Tried) -> Stage:
    ends = wait.ends(tried.names, tried.now)
    if ends is None:
        path = wait.after_path.text if wait.after_path is not None else "the moment"
        return Stage("wait", False, f"{path} is not known")
    if ends <= tried.now:
        return Stage("wait", True, f"it would not wait: {tried.at(ends)} is over")
    unless = ""
    if wait.unless:
        unless = f", unless {_types([kind for one in wait.unless for kind in one.events])} comes"
    return Stage("wait", None, f"it would wait until {tried.at(ends)} ({wait.text}){unless}")


def _digest(digest: Digest, tried: Tried) -> Stage:
    ends = digest.ends(tried.directory.local(tried.names if digest.is_of_center else None, tried.now))
    per = _per(digest.per)
    if digest.immediate:
        first = f"the first goes out at once; what follows would be gathered until {tried.at(ends)}{per}"
        return Stage("digest", None, first)
    gathered = f"it would be gathered with others until {tried.at(ends)}{per}"
    return Stage("digest", None, f"{gathered}; the message is shown with this one alone")


# --- in words ---------------------------------------------------------------------------------------------------


def spoken(span: timedelta) -> str:
    """Return a span as rules write it: 90s, 15m, 24h, 30d."""
    seconds = int(span.total_seconds())
    for unit, length, least in (("d", 86_400, 2), ("h", 3_600, 1), ("m", 60, 1)):
        if seconds % length == 0 and seconds >= least * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _types(kinds: Sequence[str]) -> str:
    return ", ".join(_SPELLED.get(kind, kind) for kind in kinds)


def _listed(names: Sequence[str | Path]) -> str:
    return ", ".join(name.text if isinstance(name, Path) else name for name in names)


def _per(paths: Sequence[Path]) -> str:
    return f", per {_listed(paths)}" if paths else ""


def _ordinal(number: int) -> str:
    return "th" if number % 100 in {11, 12, 13} else _ORDINALS.get(number % 10, "th")
