"""The last stages of a decision: once, digest, hours (hold), notify.

Asked when an event is decided (decide.py), or when a timer is due (due.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from zennotify.core import digest as digests
from zennotify.core import escalation
from zennotify.core.digest import Digest
from zennotify.core.during import Otherwise, is_outside, next_opening
from zennotify.core.model import Reason
from zennotify.core.notify import Told, addresses, within_caps
from zennotify.core.once import pass_once
from zennotify.core.rule import Rule
from zennotify.core.scene import Decision, Duty, Scene, escalation_key
from zennotify.core.window import Gathered, Stage, WindowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message on its way through the last stages."""

    rule: Rule
    #: The rule's own, or those of `hours: {otherwise}`.
    notify: tuple[str, ...]
    #: Whom they tell, where that has been asked already.
    told: Told | None = None
    #: Why it goes this way, for who asks.
    detail: str = ""
    #: Whether it is too old to be sent alone.
    is_late: bool = False
    held_back: int = 0
    #: What a threshold or a digest has counted.
    count: int = 0
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
        message = replace(message, held_back=held_back)
    if rule.digest is not None:
        key = keys.get(Stage.DIGEST) or WindowKey(rule.id, Stage.DIGEST, "")
        return _digest(message, rule.digest, key, scene)
    if message.is_late:
        return _digest(message, digests.LATE, WindowKey(rule.id, Stage.LATE, ""), scene)
    return send(message, scene)


def _digest(message: Outgoing, digest: Digest, key: WindowKey, scene: Scene) -> Decision:
    """Gather an event for its digest; the first one of an immediate digest goes out by itself."""
    before = scene.windows.get(key)
    detail = message.detail
    if before is not None and digests.is_open(before):
        window = before
    else:
        directory = scene.rules.directory
        opened = scene.now if digest.at is None else None
        due = digest.ends(directory.local(scene.names if digest.is_of_center else None, scene.now))
        window = replace(digests.begin_digest(before, due, opened), rule_set=scene.rules.hash)
        if digest.immediate and not message.is_late:
            scene.windows.put(key, window)
            return send(message, scene)
    is_late = digests.is_late(window, scene.at)
    if is_late:
        detail = joined(detail, "it came too late for the digest before, and goes into the next")
    window = digests.gather(window, scene.place, message.held_back, scene.windows.new_number)
    scene.windows.put(key, window)
    assert window.number is not None, "what has gathered has a number"  # noqa: S101
    scene.windows.gather(Gathered(window.number, scene.place, is_late))
    due_text = "" if window.due is None else f"until {window.due.isoformat()}"
    return Decision(rule=message.rule.id, reason=Reason.DIGESTED, detail=joined(detail, due_text))


def send(message: Outgoing, scene: Scene) -> Decision:
    """Ask hours and notify: who is told, and when."""
    rule, directory = message.rule, scene.rules.directory
    due, meant, detail, reason = scene.now, message.meant, message.detail, ""
    hours = rule.hours
    if hours is not None and hours.otherwise is Otherwise.HOLD:
        center, local = directory.hours_of(scene.names), scene.local()
        if is_outside(hours, center, local):
            opening = next_opening(hours, center, local)
            if opening is None:
                return Decision(rule=rule.id, reason=Reason.OUTSIDE_HOURS, detail="it never opens again")
            due = meant = opening
            reason = Reason.OUTSIDE_HOURS.value
            detail = joined(detail, f"held until {opening.isoformat()}")
    told = message.told or addresses(message.notify, scene.names, directory)
    if directory.has_caps:
        told, counted = within_caps(told, directory, scene.windows.get, scene.now)
        scene.windows.changed.update(counted)
    detail = joined(detail, *(refusal.detail for refusal in told.refusals))
    used_up = tuple(refusal.used_up for refusal in told.refusals if refusal.used_up)
    if not told.addresses:
        return Decision(rule=rule.id, reason=told.refusals[0].reason, detail=detail, used_up=used_up)
    # A digest has waited already, and one name among many is not worth more.
    hold = rule.hold if due == scene.now and message.number is None else None
    awaited = () if hold is None else tuple(hold.awaited(scene.names))
    if hold is not None and awaited:
        due += hold.period
    duties = tuple(
        Duty(
            channel=one.channel,
            due=due,
            held_back=message.held_back,
            recipient=one.recipient,
            awaited=awaited,
            counted=message.count,
            meant=meant,
            reason=reason,
        )
        for one in told.addresses
    )
    if rule.escalate:
        _escalate(rule, message.number, due, None if reason else scene.now, scene)
    return Decision(rule=rule.id, reason=Reason.NOTIFIED, detail=detail, duties=duties, used_up=used_up)


def _escalate(rule: Rule, number: int | None, due: datetime, opened: datetime | None, scene: Scene) -> None:
    place = scene.place if number is None else None
    window = escalation.begin(rule.escalate, due, opened=opened, event=scene.place, number=number)
    key = escalation_key(rule.id, place=place, number=number)
    scene.windows.put(key, replace(window, rule_set=scene.rules.hash))


def joined(*parts: str) -> str:
    """Return the parts that say something, as one text."""
    return "; ".join(part for part in parts if part)
