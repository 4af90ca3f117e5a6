"""What the stages of one decision look at, and what comes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from zennotify.core.hours import OpeningHours
from zennotify.core.model import Names, Reason
from zennotify.core.notify import Told
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.silence import Silence
from zennotify.core.window import Stage, WindowKey, Windows, key_text


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
    #: Of an escalation; 0 is the message itself.
    step: int = 0
    #: What a threshold or a digest has counted.
    counted: int = 0
    #: When it was meant to go out, where that is not when its event came.
    meant: datetime | None = None
    #: Why it waits, where it is not to go out at once.
    reason: str = ""


class Decision(NamedTuple):
    """What one rule made of one event."""

    rule: str
    reason: Reason
    detail: str = ""
    duties: tuple[Duty, ...] = ()
    #: The channels whose `per_day` held it back.
    used_up: tuple[str, ...] = ()


class Revision(NamedTuple):
    """What has become of an earlier event's decision."""

    #: Of the event, or the number of those that were gathered.
    place: int
    rule: str
    reason: Reason
    detail: str
    is_of_gathered: bool = False


class Passed(NamedTuple):
    """A rule that the event got past `when` of, and the windows that it will ask, by what the rule calls them."""

    rule: Rule
    keys: dict[str, WindowKey]
    #: Whom it would tell, where that has been asked already.
    told: Told | None = None
    caps: Sequence[WindowKey] = ()


class Opposed(NamedTuple):
    """A rule whose waiting message the event may withdraw, and the windows for that."""

    rule: Rule
    keys: dict[str, WindowKey]


class Scene(NamedTuple):
    """What the stages may look at."""

    names: Names
    rules: RuleSet
    windows: Windows
    #: When the event happened.
    at: datetime
    #: When it arrived, or when a timer was due.
    now: datetime
    silences: Sequence[Silence] = ()
    #: The place of the event in the store, and its id for who reads about it.
    place: int = 0
    event: str = ""

    def local(self) -> datetime:
        """Return `now` by the clock of the event's centre."""
        return self.rules.directory.local(self.names, self.now)

    def opening_hours(self) -> OpeningHours | None:
        """Return the opening hours of the event's centre, or None where they are not known."""
        return self.rules.directory.hours_of(self.names)


def window_keys(rule: Rule, names: Names, rules: RuleSet) -> dict[str, WindowKey]:
    """Return the windows that a rule asks or changes, those whose key is known, by what the rule calls them."""
    memories = rules.memories[rule.id]
    if not memories:
        return {}
    found: dict[str, WindowKey] = {}
    for name, owner, stage, per in memories:
        text = key_text(per, names)
        if text is not None:
            found[name] = WindowKey(owner, stage, text)
    return found


def escalation_key(rule: str, *, place: int | None, number: int | None) -> WindowKey:
    """Return the window of what is escalated: an event's message, or that of the events gathered under a number."""
    return WindowKey(rule, Stage.ESCALATE, f"digest {number}" if place is None else f"event {place}")
