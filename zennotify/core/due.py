"""Decide what a window leads to when its time has come: a wait or a digest is over, something is absent, nobody reacts.

Pure, as decide.py is.  `now` is the moment when the timer was due, however late that is noticed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from zennotify.core import absent, digest, escalation
from zennotify.core.decide import muted, within_hours
from zennotify.core.model import Reason
from zennotify.core.notify import Address, Told, addresses
from zennotify.core.outgoing import Outgoing, elsewhere, owe, pass_on, send
from zennotify.core.rule import Rule
from zennotify.core.scene import Decision, Duty, Revision, Scene, window_keys
from zennotify.core.wait import goes_elsewhere, was_late
from zennotify.core.window import Stage, Window, WindowKey

#: The stages whose windows have timers.
TIMED: Final = (Stage.WAIT, Stage.DIGEST, Stage.ELSEWHERE, Stage.LATE, Stage.ABSENT, Stage.ESCALATE)


class Fired(NamedTuple):
    """What a timer leads to; the windows of the scene have changed."""

    decision: Decision
    #: What its deliveries are about: an event, or the events gathered under a number.
    event: int | None
    number: int | None = None
    #: What has become of the decisions of these events.
    revisions: tuple[Revision, ...] = ()
    #: Whether the decision is one more of its event.
    is_new: bool = False


def fire(key: WindowKey, window: Window, rule: Rule, scene: Scene) -> Fired:
    """Take a window whose time has come through the stages that are left."""
    if key.stage == Stage.WAIT:
        return _end_wait(key, window, rule, scene)
    if key.stage == Stage.ABSENT:
        return _miss(key, window, rule, scene)
    if key.stage == Stage.ESCALATE:
        return _climb(key, window, rule, scene)
    return _end_digest(key, window, rule, scene)


def give_up(key: WindowKey, window: Window, detail: str) -> Fired:
    """Return what becomes of a window that cannot be taken through its stages."""
    decision = Decision(rule=key.rule, reason=Reason.FAILED, detail=detail)
    if key.stage == Stage.ABSENT:
        return Fired(decision, window.event, is_new=True)
    place = window.event if window.number is None else window.number
    if key.stage == Stage.ESCALATE or place is None:  # the message itself has been decided
        return Fired(decision, None)
    revision = Revision(place, key.rule, Reason.FAILED, detail, is_of_gathered=window.number is not None)
    return Fired(decision, None, revisions=(revision,))


def _end_wait(key: WindowKey, window: Window, rule: Rule, scene: Scene) -> Fired:
    scene.windows.put(key, None)
    message = Outgoing(
        rule=rule, notify=rule.notify, is_late=was_late(window), counted=window.count, meant=scene.now
    )
    if goes_elsewhere(window):
        message = _elsewhere(message)
    decision = _speak(message, scene)
    place = window.event if window.event is not None else scene.place
    return Fired(decision, place, revisions=(Revision(place, rule.id, decision.reason, decision.detail),))


def _miss(key: WindowKey, window: Window, rule: Rule, scene: Scene) -> Fired:
    if rule.absent is None:  # it has become another rule, whose message would say something else
        scene.windows.put(key, None)
        decision = Decision(rule=rule.id, reason=Reason.DISABLED, detail="it awaits nothing any more")
        return Fired(decision, window.event, is_new=True)
    scene.windows.put(key, absent.told(window))
    message = Outgoing(rule=rule, notify=rule.notify, meant=scene.now)
    return Fired(_speak(message, scene), window.event, is_new=True)


def _elsewhere(message: Outgoing) -> Outgoing:
    """Return the message as it goes to those who are told outside the hours, where there still are some."""
    hours = message.rule.hours
    return message if hours is None or not hours.notify else elsewhere(message, hours)


def _speak(message: Outgoing, scene: Scene) -> Decision:
    """Take a message from silence on; the hours are asked where no wait has come after them."""
    rule = message.rule
    if not rule.enabled:
        return Decision(rule=rule.id, reason=Reason.DISABLED)
    keys = window_keys(rule, scene.names, scene.rules)
    stopped = muted(rule, keys, scene)
    if stopped is not None:
        return stopped
    if rule.absent is not None:
        within = within_hours(message, scene)
        if isinstance(within, Decision):
            return within
        message = within
    return pass_on(message, keys, scene)


def _end_digest(key: WindowKey, window: Window, rule: Rule, scene: Scene) -> Fired:
    if window.number is None:  # nothing came after the first, which went out by itself
        scene.windows.put(key, None)
        return Fired(Decision(rule=rule.id, reason=Reason.DIGESTED), None)
    scene.windows.put(key, digest.close(window, scene.now))
    if rule.enabled:
        message = Outgoing(
            rule=rule,
            notify=rule.notify,
            held_back=window.held,
            counted=window.count,
            number=window.number,
            meant=scene.now,
            told=_alone(key),
        )
        if key.stage == Stage.ELSEWHERE:
            message = _elsewhere(message)
        decision = send(message, scene)
    else:
        decision = Decision(rule=rule.id, reason=Reason.DISABLED)
    revision = Revision(window.number, rule.id, decision.reason, decision.detail, is_of_gathered=True)
    revisions = () if decision.reason is Reason.NOTIFIED else (revision,)
    return Fired(decision, None, window.number, revisions)


def _alone(key: WindowKey) -> Told | None:
    """Return whom a digest tells that was made of one channel's messages; None where the rule says it."""
    whom = digest.told_by(key)
    return None if whom is None else Told([Address(*whom)])


def _climb(key: WindowKey, window: Window, rule: Rule, scene: Scene) -> Fired:
    """Tell those of the next step of an escalation."""
    place = window.event if window.number is None else None
    if not rule.enabled or window.count >= len(rule.escalate):
        scene.windows.put(key, None)
        detail = "it has no such step any more" if rule.enabled else ""
        return Fired(Decision(rule=rule.id, reason=Reason.DISABLED, detail=detail), place, window.number)
    step = rule.escalate[window.count]
    scene.windows.put(key, escalation.climb(rule.escalate, window))
    told = addresses(step.notify, scene.names, scene.rules.directory)
    duty = Duty(channel="", due=scene.now, step=window.count + 1, counted=window.held, meant=scene.now)
    return Fired(owe(rule, told, duty, "", scene), place, window.number)
