"""The last stages of a decision: once, digest, hours (hold), notify.

Asked when an event is decided (decide.py), or when a timer is due (due.py).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from zennotify.core import digest as digests
from zennotify.core import escalation
from zennotify.core.digest import Digest
from zennotify.core.during import Hours, Otherwise, is_outside, next_opening
from zennotify.core.model import Reason, as_utc
from zennotify.core.notify import Told, addresses, within_caps
from zennotify.core.once import pass_once
from zennotify.core.rule import Rule
from zennotify.core.scene import Decision, Duty, Scene, escalation_key
from zennotify.core.window import Gathered, Stage, WindowKey


class Outgoing(NamedTuple):
    """A message on its way through the last stages."""

    rule: Rule
    #: The rule's own, or those of `hours: {otherwise}`.
    notify: tuple[str, ...]
    is_elsewhere: bool = False
    #: Whom they tell, where that has been asked already.
    told: Told | None = None
    #: Why it goes this way, for who asks.
    detail: str = ""
    #: Whether it is too old to be sent alone.
    is_late: bool = False
    held_back: int = 0
    #: What a threshold or a digest has counted.
    counted: int = 0
    #: Whether the event itself is told of; otherwise those that were gathered under `number`.
    number: int | None = None
    #: When a timer was due that led to it.
    meant: datetime | None = None


def pass_on(message: Outgoing, keys: dict[str, WindowKey], scene: Scene) -> Decision:
    """Ask once, digest, hours and notify."""
    rule = message.rule
    key = keys.get(Stage.ONCE)
    if rule.once is not None and key is not None:
        passes, held_back, window = pass_once(rule.once, scene.windows.get(key), scene.now)
        scene.windows.put(key, window)
        if not passes:
            detail = f"once until {window.until.isoformat()}"
            return Decision(rule=rule.id, reason=Reason.HELD_BACK, detail=joined(message.detail, detail))
        message = message._replace(held_back=held_back)
    if rule.digest is None and not message.is_late:
        return send(message, scene)
    stage = Stage.LATE if rule.digest is None else Stage.DIGEST
    key = keys.get(stage) or WindowKey(rule.id, stage, "")
    if message.is_elsewhere:  # others are told: it is a digest of its own
        key = key._replace(stage=Stage.ELSEWHERE)
    return _digest(message, rule.digest or digests.LATE, key, scene)


def _digest(message: Outgoing, digest: Digest, key: WindowKey, scene: Scene) -> Decision:
    """Gather an event for its digest; the first one of an immediate digest goes out by itself."""
    local = partial(scene.rules.directory.local, scene.names if digest.is_of_center else None)
    window, detail = scene.windows.get(key), message.detail
    if window is None or window.due is None:
        due, opened = as_utc(digest.ends(local(scene.now))), scene.now if digest.at is None else None
        window = replace(digests.begin_digest(window, due, opened), rule_set=scene.rules.hash)
        if digest.immediate and not message.is_late:
            scene.windows.put(key, window)
            return send(message, scene)
    # What has waited came in time; what is gathered because it is late is always older than the message before.
    may_be_late = message.rule.digest is not None and message.meant is None
    is_late = may_be_late and digests.is_late(window, scene.at, scene.now)
    if is_late:
        detail = joined(detail, "it came too late for the digest before, and goes into the next")
    window = digests.gather(window, scene.place, message.held_back, scene.windows.new_number)
    scene.windows.put(key, window)
    assert window.number is not None, "what has gathered has a number"  # noqa: S101
    scene.windows.gather(Gathered(window.number, scene.place, is_late))
    if window.due is not None:
        detail = joined(detail, f"until {local(window.due).isoformat()}")
    return Decision(rule=message.rule.id, reason=Reason.DIGESTED, detail=detail)


def send(message: Outgoing, scene: Scene) -> Decision:
    """Ask hours and notify: who is told, and when."""
    rule, directory = message.rule, scene.rules.directory
    due, meant, detail, reason = scene.now, message.meant, message.detail, ""
    hours = rule.hours
    if hours is not None and hours.otherwise is Otherwise.HOLD:
        center, local = scene.opening_hours(), scene.local()
        if is_outside(hours, center, local):
            opening = next_opening(hours, center, local)
            if opening is None:
                return Decision(rule=rule.id, reason=Reason.OUTSIDE_HOURS, detail="it never opens again")
            # In UTC: Python adds by the clock on the wall, which may be put back meanwhile.
            due = meant = as_utc(opening)
            reason = Reason.OUTSIDE_HOURS.value
            detail = joined(detail, f"held until {opening.isoformat()}")
    # A digest has waited already, and one name among many is not worth more.
    hold = rule.hold if due == scene.now and message.number is None else None
    awaited = () if hold is None else tuple(hold.awaited(scene.names))
    if hold is not None and awaited:
        due += hold.period
    duty = Duty("", due, message.held_back, "", awaited, 0, message.counted, meant, reason)
    told = message.told or addresses(message.notify, scene.names, directory)
    decision = owe(rule, told, duty, detail, scene)
    # What one channel was too late with is told again: its events are escalated already.
    is_told_again = message.number is not None and message.told is not None
    if rule.escalate and decision.duties and not is_told_again:
        _escalate(message, due, None if reason else scene.now, scene)
    return decision


def owe(rule: Rule, told: Told, duty: Duty, detail: str, scene: Scene) -> Decision:
    """Ask the caps: return the decision by which each who is told is owed a message, all as `duty` is."""
    directory = scene.rules.directory
    if directory.has_caps:
        told, counted = within_caps(told, directory, scene.windows.get, scene.now)
        scene.windows.changed.update(counted)
    # Not `_replace`, which takes longer than all else here.
    duties = tuple(
        [Duty(one.channel, duty.due, duty.held_back, one.recipient, *duty[4:]) for one in told.addresses]
    )
    if not told.refusals:
        return Decision(rule=rule.id, reason=Reason.NOTIFIED, detail=detail, duties=duties)
    return Decision(
        rule=rule.id,
        reason=Reason.NOTIFIED if duties else told.refusals[0].reason,
        detail=joined(detail, *(refusal.detail for refusal in told.refusals)),
        duties=duties,
        used_up=tuple(refusal.used_up for refusal in told.refusals if refusal.used_up),
    )


def _escalate(message: Outgoing, due: datetime, opened: datetime | None, scene: Scene) -> None:
    rule, number = message.rule, message.number
    window = escalation.begin(
        rule.escalate, due, opened=opened, event=scene.place, number=number, counted=message.counted
    )
    key = escalation_key(rule.id, place=scene.place if number is None else None, number=number)
    scene.windows.put(key, replace(window, rule_set=scene.rules.hash))


def elsewhere(message: Outgoing, hours: Hours) -> Outgoing:
    """Return the message as it goes to those who are told outside the hours."""
    detail = joined(message.detail, f"outside {hours.during.text}: told elsewhere")
    return message._replace(notify=hours.notify, is_elsewhere=True, told=None, detail=detail)


def joined(*parts: str) -> str:
    """Return the parts that say something, as one text."""
    return "; ".join(part for part in parts if part)
