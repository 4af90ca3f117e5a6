"""Decide what one event leads to.  Start reading here.

Pure: no clock, no store, no logging.  Called by decider/batch.py inside the store's write transaction, in steps, so
that the store can read the windows of a whole batch at once:

    examine   event, match, when       asks the event, and what is known of its things
    aim       recipients               asks whom a rule would tell; only where channels have caps
    conclude  threshold, stale, silence, suppressed, hours (drop, elsewhere), wait      reads and changes windows
              once, digest, hours (hold), notify                                        (outgoing.py)

What a window leads to when its time has come is in due.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from zennotify.core.absent import Absent, hear
from zennotify.core.during import Otherwise, is_outside
from zennotify.core.model import Event, Names, Reason
from zennotify.core.notify import addresses, capped
from zennotify.core.outgoing import Outgoing, elsewhere, joined, pass_on
from zennotify.core.rule import SUPPRESSED, Rule, RuleSet
from zennotify.core.scene import Decision, Opposed, Passed, Revision, Scene, window_keys
from zennotify.core.silence import silence_of
from zennotify.core.stale import Then
from zennotify.core.suppression import fire, suppressor
from zennotify.core.threshold import Threshold, pass_threshold
from zennotify.core.wait import Wait, begin_wait, oppose, opposite_of, withdraws
from zennotify.core.window import Stage, WindowKey
from zennotify.errors import ExpressionError

#: What `examine` makes of one rule.
Examined = Passed | Opposed | Decision


def examine(event: Event, names: Names, rules: RuleSet) -> list[Examined]:
    """Ask each candidate rule's `match` and `when`; what stops there for a reason worth keeping is a Decision."""
    examined: list[Examined] = [
        Opposed(rule, window_keys(rule, names, rules)) for rule in rules.opposing(event.kind, names)
    ]
    for rule in rules.matching(event.kind, names):
        # What is awaited is noted all the same: the rule may be enabled again before it is missed.
        if not rule.enabled and rule.absent is None:
            examined.append(Decision(rule=rule.id, reason=Reason.DISABLED))
            continue
        try:
            if rule.when is not None and not rule.when(names):
                continue
        except ExpressionError as error:
            examined.append(Decision(rule=rule.id, reason=Reason.ERROR, detail=str(error)))
            continue
        examined.append(Passed(rule, window_keys(rule, names, rules)))
    return examined


def aim(examined: Sequence[Examined], names: Names, rules: RuleSet) -> list[Examined]:
    """Find whom each rule that passed would tell, and the windows of the caps that hold for them."""
    aimed: list[Examined] = []
    for item in examined:
        if isinstance(item, Passed) and item.rule.absent is None:
            told = addresses(item.rule.notify, names, rules.directory)
            aimed.append(item._replace(told=told, caps=capped(told, rules.directory)))
        else:
            aimed.append(item)
    return aimed


class Concluded(NamedTuple):
    """What an event leads to; the windows of the scene have changed."""

    decisions: list[Decision]
    #: What has become of events before it.
    revisions: list[Revision]


def conclude(examined: Sequence[Examined], scene: Scene) -> Concluded:
    """Take each rule that passed through its remaining stages.

    Opposites come first, then what rules count, then each rule in its turn: so the order of the rules says nothing.
    """
    revisions: list[Revision] = []
    for item in examined:
        if isinstance(item, Opposed):
            revisions += _withdraw(item, scene)
    counts: dict[str, _Counted] = {}
    for item in examined:
        if isinstance(item, Passed):
            if item.rule.absent is not None:
                _hear(item.rule.absent, item, scene)
            else:
                counts[item.rule.id] = _count(item, scene)
    decisions: list[Decision] = []
    for item in examined:
        if isinstance(item, Decision):
            decisions.append(item)
        elif isinstance(item, Passed) and item.rule.absent is None:
            decisions.append(_through(item, counts[item.rule.id], scene, revisions))
    return Concluded(decisions, revisions)


# --- what is counted, whatever follows ------------------------------------------------------------------------


class _Counted(NamedTuple):
    """How many events a threshold counts with this one, and whether they are enough."""

    number: int = 0
    is_enough: bool = True
    detail: str = ""


_NOT_COUNTED: Final = _Counted()


def _count(item: Passed, scene: Scene) -> _Counted:
    """Count the event for the rule's threshold, and let the rule fire where that is reached."""
    rule, counted = item.rule, _NOT_COUNTED
    if rule.threshold is not None:
        counted = _towards(rule.threshold, item.keys.get(Stage.THRESHOLD), scene)
    if counted.is_enough and scene.rules.marks:
        _leave_marks(item, scene)
    return counted


def _leave_marks(item: Passed, scene: Scene) -> None:
    """Remember that a rule has fired, for those that it suppresses."""
    for mark in scene.rules.marks.get(item.rule.id, ()):
        key = item.keys.get(mark.stage)
        if key is not None:
            scene.windows.put(key, fire(mark, scene.windows.get(key), scene.at, scene.now))


def _towards(threshold: Threshold, key: WindowKey | None, scene: Scene) -> _Counted:
    if key is None:
        return _Counted(0, False, "not counted: the event does not say for whom")
    number, window = pass_threshold(threshold, scene.windows.get(key), scene.at, scene.now)
    scene.windows.put(key, window)
    return _Counted(number, number >= threshold.count, f"{number} of {threshold.count}")


# --- one rule ---------------------------------------------------------------------------------------------------


def _through(item: Passed, counted: _Counted, scene: Scene, revisions: list[Revision]) -> Decision:
    rule = item.rule
    if not counted.is_enough:
        return Decision(rule=rule.id, reason=Reason.BELOW_THRESHOLD, detail=counted.detail)
    stale = rule.stale
    is_late = stale is not None and stale.is_over(scene.names, scene.now)
    if stale is not None and is_late and stale.then is Then.DROP:
        return Decision(rule=rule.id, reason=Reason.STALE, detail=f"over {stale.text} old")
    stopped = muted(rule, item.keys, scene)
    if stopped is not None:
        return stopped
    message = Outgoing(
        rule=rule,
        notify=rule.notify,
        told=item.told,
        is_late=stale is not None and is_late and stale.then is Then.DIGEST,
        counted=counted.number,
    )
    message_or_stop = within_hours(message, scene)
    if isinstance(message_or_stop, Decision):
        return message_or_stop
    if rule.wait is not None:
        waiting = _wait(rule.wait, item, message_or_stop, scene, revisions)
        if waiting is not None:
            return waiting
    return pass_on(message_or_stop, item.keys, scene)


def muted(rule: Rule, keys: dict[str, WindowKey], scene: Scene) -> Decision | None:
    """Ask silence and suppressed; None where neither stops the message."""
    silence = silence_of(scene.silences, rule.id, scene.names, scene.now) if scene.silences else None
    if silence is not None:
        return Decision(rule=rule.id, reason=Reason.SILENCED, detail=str(silence))
    key = keys.get(SUPPRESSED)
    if rule.suppressed is not None and key is not None:
        at = scene.at if rule.absent is None else scene.now
        fired = suppressor(rule.suppressed, scene.windows.get(key), at)
        if fired is not None:
            detail = f"{rule.suppressed.rule} fired for the same at {fired.isoformat()}"
            return Decision(rule=rule.id, reason=Reason.SUPPRESSED, detail=detail)
    return None


def within_hours(message: Outgoing, scene: Scene) -> Outgoing | Decision:
    """Ask hours (drop, elsewhere): return the message as it goes on, or why it does not."""
    hours = message.rule.hours
    if (
        hours is None
        or hours.otherwise is Otherwise.HOLD
        or not is_outside(hours, scene.opening_hours(), scene.local())
    ):
        return message
    if hours.otherwise is Otherwise.DROP:
        detail = f"{scene.local():%H:%M} is outside {hours.during.text}"
        return Decision(rule=message.rule.id, reason=Reason.OUTSIDE_HOURS, detail=detail)
    return elsewhere(message, hours)


# --- what waits ---------------------------------------------------------------------------------------------------


def _withdraw(item: Opposed, scene: Scene) -> list[Revision]:
    """Let an opposite withdraw what waits, and remember it for what comes after it."""
    wait, unless, key = item.rule.wait, item.keys.get(Stage.UNLESS), item.keys.get(Stage.WAIT)
    if wait is None or unless is None or key is None:
        return []
    scene.windows.put(unless, oppose(wait, scene.windows.get(unless), scene.at, scene.now))
    window = scene.windows.get(key)
    if window is None or window.event is None or not withdraws(window, scene.at):
        return []
    scene.windows.put(key, None)
    detail = f"{scene.names['event']['type']} came: event {scene.event}"
    return [Revision(window.event, item.rule.id, Reason.WITHDRAWN, detail)]


def _wait(
    wait: Wait, item: Passed, message: Outgoing, scene: Scene, revisions: list[Revision]
) -> Decision | None:
    """Let the message wait, or return None where it need not wait any more."""
    rule, windows = item.rule, scene.windows
    due = wait.ends(scene.names, scene.now)
    if due is None:
        path = wait.after_path.text if wait.after_path else ""
        return Decision(rule=rule.id, reason=Reason.NO_MOMENT, detail=f"{path} is not known")
    unless = item.keys.get(Stage.UNLESS)
    opposite = opposite_of(windows.get(unless), scene.at) if unless is not None else None
    if opposite is not None:
        detail = f"its opposite came before it, and is of {opposite.isoformat()}"
        return Decision(rule=rule.id, reason=Reason.WITHDRAWN, detail=detail)
    key = item.keys.get(Stage.WAIT) or WindowKey(rule.id, Stage.WAIT, f"event {scene.place}")
    before = windows.get(key)
    if before is not None and before.event is not None:
        if scene.at < before.times[0]:
            return Decision(rule=rule.id, reason=Reason.WITHDRAWN, detail="a later one waits already")
        detail = f"event {scene.event} came in its place"
        revisions.append(Revision(before.event, rule.id, Reason.WITHDRAWN, detail))
        windows.put(key, None)
    if due <= scene.now:
        return None
    window = begin_wait(
        scene.at,
        due,
        scene.place,
        opened=scene.now if wait.after is None else None,
        count=message.counted,
        is_elsewhere=message.is_elsewhere,
        is_late=message.is_late,
    )
    windows.put(key, replace(window, rule_set=scene.rules.hash))
    opposites = [one.text or ", ".join(one.events) for one in wait.unless]
    unless_text = f" unless {', '.join(opposites)}" if opposites else ""
    detail = joined(message.detail, f"until {due.isoformat()}{unless_text}")
    return Decision(rule=rule.id, reason=Reason.WAITING, detail=detail)


def _hear(absent: Absent, item: Passed, scene: Scene) -> None:
    """Note that something has come that a rule awaits."""
    key = item.keys.get(Stage.ABSENT)
    if key is None:
        return
    local = scene.rules.directory.local(scene.names, scene.at)
    window = hear(absent, scene.windows.get(key), local, scene.now, scene.opening_hours(), scene.place)
    scene.windows.put(key, replace(window, rule_set=scene.rules.hash))
