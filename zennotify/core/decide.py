"""Decide what one event leads to.  Start reading here.

Pure: no clock, no store, no logging.  Called by decider/batch.py inside the store's write transaction, in steps, so
that the store can read the windows of a whole batch at once:

    examine   event, match, when       asks the event, and what is known of its things
    aim       recipients               asks whom a rule would tell; only where channels have caps
    conclude  stale, once, notify      reads and changes the windows of rules and caps
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from zennotify.core.model import Event, Names, Reason
from zennotify.core.notify import Told, addresses, capped, within_caps
from zennotify.core.once import Window, WindowKey, pass_once, window_key
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.stale import Then
from zennotify.errors import ExpressionError


class Duty(NamedTuple):
    """One message that one channel owes: becomes a delivery."""

    channel: str
    due: datetime
    #: Messages that `once` held back before this one.
    held_back: int = 0
    #: Where the channel itself does not know whom to tell.
    recipient: str = ""
    #: The things whose names it waits for; when one is learned, it is due at once.
    awaited: Sequence[str] = ()


class Decision(NamedTuple):
    """What one rule made of one event."""

    rule: str
    reason: Reason
    detail: str = ""
    duties: tuple[Duty, ...] = ()
    #: The channels whose `per_day` held it back.
    used_up: tuple[str, ...] = ()


class Passed(NamedTuple):
    """A rule that the event got past `when` of, and the windows that it will ask."""

    rule: Rule
    window: WindowKey | None
    #: Whom it would tell, where that has been asked already.
    told: Told | None = None
    caps: Sequence[WindowKey] = ()


def examine(event: Event, names: Names, rules: RuleSet) -> list[Passed | Decision]:
    """Ask each candidate rule's `match` and `when`; what stops there for a reason worth keeping is a Decision."""
    examined: list[Passed | Decision] = []
    for rule in rules.matching(event.kind, names):
        if not rule.enabled:
            examined.append(Decision(rule=rule.id, reason=Reason.DISABLED))
            continue
        try:
            if rule.when is not None and not rule.when(names):
                continue
        except ExpressionError as error:
            examined.append(Decision(rule=rule.id, reason=Reason.ERROR, detail=str(error)))
            continue
        examined.append(Passed(rule, window_key(rule.id, rule.once, names) if rule.once else None))
    return examined


def aim(examined: Sequence[Passed | Decision], names: Names, rules: RuleSet) -> list[Passed | Decision]:
    """Find whom each rule that passed would tell, and the windows of the caps that hold for them."""
    aimed: list[Passed | Decision] = []
    for item in examined:
        if isinstance(item, Passed):
            told = addresses(item.rule.notify, names, rules.directory)
            aimed.append(item._replace(told=told, caps=capped(told, rules.directory)))
        else:
            aimed.append(item)
    return aimed


def conclude(
    examined: Sequence[Passed | Decision],
    names: Names,
    rules: RuleSet,
    windows: Mapping[WindowKey, Window],
    now: datetime,
) -> tuple[list[Decision], dict[WindowKey, Window]]:
    """Take each rule that passed through its remaining stages.

    `windows` is what rules and caps remember; `now` is the event's arrival.  Returns the decisions, and the windows
    that changed; `windows` itself stays as it is, so that an event which fails leaves no trace.
    """
    changed: dict[WindowKey, Window] = {}
    decisions: list[Decision] = []
    has_caps = rules.directory.has_caps

    def look_up(key: WindowKey) -> Window | None:
        return changed.get(key) or windows.get(key)

    for item in examined:
        if isinstance(item, Decision):
            decisions.append(item)
            continue
        stale = item.rule.stale
        if stale is not None and stale.then is Then.DROP and stale.is_over(names, now):
            decisions.append(
                Decision(rule=item.rule.id, reason=Reason.STALE, detail=f"over {stale.text} old")
            )
            continue
        held_back = 0
        if item.rule.once is not None and item.window is not None:
            window = look_up(item.window)
            passes, held_back, changed[item.window] = pass_once(item.rule.once, window, now)
            if not passes:
                until = changed[item.window].until
                decisions.append(
                    Decision(
                        rule=item.rule.id, reason=Reason.HELD_BACK, detail=f"once until {until.isoformat()}"
                    )
                )
                continue
        told = item.told or addresses(item.rule.notify, names, rules.directory)
        if has_caps:
            told, counted = within_caps(told, rules.directory, look_up, now)
            changed.update(counted)
        decisions.append(_notified(item.rule, names, told, now, held_back))
    return decisions, changed


def _notified(rule: Rule, names: Names, told: Told, now: datetime, held_back: int) -> Decision:
    """Return the last stage's decision: who is told, and when."""
    refusals = told.refusals
    detail = "; ".join(refusal.detail for refusal in refusals)
    used_up = tuple(refusal.used_up for refusal in refusals if refusal.used_up)
    if not told.addresses:
        return Decision(rule=rule.id, reason=refusals[0].reason, detail=detail, used_up=used_up)
    awaited = () if rule.hold is None else tuple(rule.hold.awaited(names))
    due = now + rule.hold.period if rule.hold is not None and awaited else now
    duties = tuple(Duty(one.channel, due, held_back, one.recipient, awaited) for one in told.addresses)
    return Decision(rule=rule.id, reason=Reason.NOTIFIED, detail=detail, duties=duties, used_up=used_up)
