"""What comes next, and why not yet: windows, digests and escalations in plain words, by the clock on the wall.

Makes text of values; used by the commands that show events, deliveries and windows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from zennotify.core.model import Reason, read_time
from zennotify.core.rule import Rule
from zennotify.core.wait import Wait, goes_elsewhere, was_late
from zennotify.core.window import Stage, Window
from zennotify.store.views import AcknowledgementView, DecisionView, DeliveryView, GatheredView, WindowView
from zennotify.zenoti.catalog import EVENT_TYPES

#: So much of an id is shown; every command takes it.
SHORT_ID: Final = 8

_SPELLED: Final = {name.casefold(): name for name in EVENT_TYPES}
#: As the details of decisions have them.
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})")
_EVENT = re.compile(r"\bevent ([0-9a-f]{32})\b")
#: Of these the windows themselves say until when.
_PENDING_REASONS: Final = frozenset({Reason.WAITING.value, Reason.DIGESTED.value})
_DAYS_KNOWN_BY_NAME: Final = 7


class Wall(NamedTuple):
    """The clock on the wall, and what it shows now."""

    zone: tzinfo
    now: datetime

    def moment(self, moment: datetime) -> str:
        """Return a moment as people say it: `14:10` of today, `Thu 14:10` of this week, else with the date."""
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone).date()
        if local.date() == today:
            return f"{local:%H:%M}"
        if abs((local.date() - today).days) < _DAYS_KNOWN_BY_NAME:
            return f"{local:%a %H:%M}"
        return f"{local:%a %Y-%m-%d %H:%M}"

    def words(self, detail: str) -> str:
        """Return the detail of a decision for who reads it: its moments by this clock, ids of events in short."""
        return _EVENT.sub(lambda found: f"event {found[1][:SHORT_ID]}", _MOMENT.sub(self._local, detail))

    def _local(self, found: re.Match[str]) -> str:
        moment = read_time(found[0])
        return found[0] if moment is None else self.moment(moment)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Says what windows hold, what they lead to, and when."""

    wall: Wall
    #: Returns the rule that a window belongs to, where it is known.
    rule_of: Callable[[WindowView], Rule | None]

    # --- what comes next ------------------------------------------------------------------------------------

    def coming(self, window: WindowView, events: Sequence[GatheredView] = ()) -> str:
        """Say what a window waits for; `events` are those that it has gathered."""
        rule = self.rule_of(window)
        said = self._coming(window, rule, events)
        if rule is not None and not rule.enabled:
            return f"{said} (nothing will go out: the rule is disabled)"
        return f"{said} (overdue: is the daemon running?)" if window.due < self.wall.now else said

    def _coming(self, window: WindowView, rule: Rule | None, events: Sequence[GatheredView]) -> str:
        due = self.wall.moment(window.due)
        if window.key.stage == Stage.WAIT:
            opposites = _opposites(rule.wait) if rule is not None and rule.wait is not None else ""
            return f"waits until {due}{opposites}; then {_then(window.window, rule)}"
        if window.key.stage == Stage.ABSENT:
            whom = "" if rule is None else f" {_listed(rule.notify)}"
            return f"tells{whom} when nothing more has come until {due}"
        if window.key.stage == Stage.ESCALATE:
            step = _step(window.window, rule)
            return (
                f"{step} at {due} unless somebody takes it" if step else "the escalation has no further step"
            )
        return f"in the digest that goes out {due}{self._others(events)}"

    def _others(self, events: Sequence[GatheredView]) -> str:
        """Say how many others there are in a digest, and how old they are."""
        others = len(events) - 1
        if others < 0:
            return ""
        if not others:
            return ", with no others so far"
        moments = [event.at for event in events]
        oldest, newest = self.wall.moment(min(moments)), self.wall.moment(max(moments))
        return f", with {others} other{'s' * (others > 1)} (oldest {oldest}, newest {newest})"

    # --- what has come --------------------------------------------------------------------------------------

    def detail(self, decision: DecisionView) -> str:
        """Return why a decision is what it is; what its window says is left to `coming`."""
        detail = decision.detail
        if decision.reason in _PENDING_REASONS:
            detail = "; ".join(part for part in detail.split("; ") if not part.startswith("until "))
        return self.wall.words(detail)

    def told(self, deliveries: Sequence[DeliveryView], events: Sequence[GatheredView]) -> str:
        """Say with which digest something went out, given the deliveries that tell it, or are to."""
        went = "went out with" if any(one.state == "delivered" for one in deliveries) else "in"
        moment = self.wall.moment(min(one.created for one in deliveries))
        return f"{went} the digest of {moment}{self._others(events).removesuffix(' so far')}"

    def taken(self, acknowledged: AcknowledgementView) -> str:
        """Say who took care of it."""
        return f"taken by {acknowledged.by or 'somebody'} at {self.wall.moment(acknowledged.at)}"


def _opposites(wait: Wait) -> str:
    kinds = list(dict.fromkeys(kind for one in wait.unless for kind in one.events))
    return (
        f" for its opposite ({_listed([_SPELLED.get(kind, kind) for kind in kinds], 'or')})" if kinds else ""
    )


def _then(window: Window, rule: Rule | None) -> str:
    if rule is None:
        return "it goes out"
    if rule.digest is not None or was_late(window):
        return "it goes into a digest"
    elsewhere = rule.hours.notify if rule.hours is not None and goes_elsewhere(window) else ()
    return f"it goes to {_listed(elsewhere or rule.notify)}"


def _step(window: Window, rule: Rule | None) -> str:
    number = window.count + 1
    if rule is None:
        return f"step {number} goes out"
    if number > len(rule.escalate):  # it had more when the message went out
        return ""
    return f"step {number} of {len(rule.escalate)} goes to {_listed(rule.escalate[number - 1].notify)}"


def _listed(names: Sequence[str], link: str = "and") -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {link} {names[-1]}"
