"""Try a rule on an event: the stages are asked of this rule alone, and the messages written as rulebook.py does.

What hangs on other events, before or after this one (`once`, `wait`, `digest`, ...), is taken as if it let the message
through; stages.py says of it what it would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile
from typing import Any, Final, NamedTuple

from zennotify.acklink import LENGTH
from zennotify.channel import SEGMENTS
from zennotify.core.center import NOT_LISTED
from zennotify.core.decide import conclude, examine
from zennotify.core.during import Otherwise, is_outside
from zennotify.core.model import Event, Form, Label, Message, Reason, Room, moment_of
from zennotify.core.notify import Address, Directory, Refusal, addresses
from zennotify.core.notify import Told as Addresses
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.scene import Decision, Scene
from zennotify.core.stale import MARK, Then
from zennotify.core.window import Windows
from zennotify.errors import StoreError
from zennotify.rulebook import Surroundings, Written
from zennotify.rulefile import CompiledRules
from zennotify.store.schema import to_micros
from zennotify.trial.stages import Stage, Tried, asked_of_event, before_notify, behind_notify
from zennotify.zenoti.facts import keys_of
from zennotify.zenoti.memory import Memory, Read
from zennotify.zenoti.names import MessageNames, Names

#: What stands at the end of a message that belongs to no delivery.
SHORT_ID: Final = "test"
#: Stands for the way to where somebody says that they take care, and is as long.
_EXAMPLE_LINK: Final = f"/ack/{'example':x<{LENGTH}}"
#: Of a form that no channel of the rule has: what a channel of it has where nothing else is said.
_ROOMS: Final = {Form.SMS: Room(segments=SEGMENTS)}
_ENDLESS: Final = Room(title=1_000_000, segments=10_000)
#: The reasons that a stage of its own is shown for.
_SHOWN: Final = frozenset({Reason.NOTIFIED, Reason.ERROR, Reason.NO_RECIPIENT, Reason.OPTED_OUT})
_HANGING: Final = frozenset({"absent", "threshold", "stale_after", "suppressed_by", "wait", "digest"})


class Outlet(NamedTuple):
    """How messages for a channel are written."""

    form: Form
    room: Room


class Told(NamedTuple):
    """Whom a rule tells: a channel, and the names in `notify` that lead to it."""

    #: Without a recipient where nobody is told.
    address: Address
    roles: tuple[str, ...]
    #: Why nobody is told of this event; empty where somebody is.
    refused: str = ""

    @property
    def way(self) -> str:
        """How the rule gets there: `front-desk`, or `regional → manager-mail`."""
        channel = self.address.channel
        return channel if self.roles == (channel,) else f"{' and '.join(self.roles)} → {channel}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The message in one form, as one channel would get it."""

    outlet: Outlet
    #: None for a form that no channel of the rule has.
    told: Told | None
    #: What stands on it.
    label: Label
    written: Written
    #: The same in a room without an end: what is not in the message itself was cut.
    whole: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a rule makes of an event."""

    rule: Rule
    event: Event
    #: The centre's name, or its id where it has none.
    center: str
    stages: tuple[Stage, ...]
    #: As if the rule were enabled; None where `match` or `when` do not hold.
    decision: Decision | None
    drafts: tuple[Draft, ...]
    #: The names in `notify` that lead nowhere, and why.
    refusals: tuple[tuple[str, Refusal], ...]
    #: The things that the message would name and of which nothing is known.
    unknown: tuple[str, ...]

    @property
    def goes_out(self) -> bool:
        """Whether the event leads to a message, as far as it hangs on this event."""
        stopped = any(stage.holds is False for stage in self.stages)
        return not stopped and self.decision is not None and self.decision.reason is Reason.NOTIFIED

    @property
    def hangs_on(self) -> tuple[str, ...]:
        """The stages that let the message through as far as other events do, or their absence."""
        return tuple(stage.name for stage in self.stages if stage.holds is None and stage.name in _HANGING)


class _About(NamedTuple):
    """What a message is about."""

    rule: Rule
    event: Event
    known: Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What rules are tried with."""

    surroundings: Surroundings
    compiled: CompiledRules
    #: Reads what events taught.
    facts: Read
    #: How each channel's messages are written.
    outlets: Mapping[str, Outlet]
    now: datetime
    #: Where guests' messages are to go instead of to the guests; empty: to the guests.
    guests_to: str = ""
    _directory: Directory = field(init=False)

    def __post_init__(self) -> None:
        directory = self.compiled.rules.directory
        if self.guests_to:
            instead = {
                name: replace(guest, recipient=lambda _: self.guests_to, without_consent=True)
                for name, guest in directory.guests.items()
            }
            directory = replace(directory, guests=instead)
        object.__setattr__(self, "_directory", directory)

    def reach(self, rule: Rule, event: Event) -> int:
        """Return how many stages an event gets past."""
        stages, _ = self._stages(rule, event, self._memory())
        return sum(1 for _ in takewhile(lambda stage: stage.holds is not False, stages))

    def is_for(self, rule: Rule, event: Event) -> bool:
        """Return whether `event`, `match` and `when` hold for an event."""
        _, decision = self._stages(rule, event, self._memory())
        return decision is not None and decision.reason is not Reason.ERROR

    def run(self, rule: Rule, event: Event, prefix: str = "") -> Trial:
        """Try a rule on an event."""
        memory = self._memory()
        stages, decision = self._stages(rule, event, memory)
        known = self._names(event, memory)
        told, refusals = self._told(_notify(Tried(rule, event, known, self._directory)), known)
        about = _About(rule, event, known)
        if _is_late(rule, event, known):
            prefix = f"{prefix} {MARK}".lstrip()
        drafts = [self._draft(about, self.outlets[one.address.channel], one, prefix) for one in told]
        used = {draft.outlet.form for draft in drafts}
        drafts += [
            self._draft(about, Outlet(form, _ROOMS.get(form, Room())), None, prefix)
            for form in Form
            if form not in used
        ]
        center = known["center"]
        return Trial(
            rule=rule,
            event=event,
            center=str(center["name"] or center["id"] or ""),
            stages=tuple(stages),
            decision=decision,
            drafts=tuple(drafts),
            refusals=tuple(refusals),
            unknown=tuple(known.unknown(self.compiled.messages[rule.id].wants)),
        )

    # --- how far it comes ---------------------------------------------------------------------------------

    def _memory(self) -> Memory:
        return Memory(self.facts, self.surroundings.reading.class_times, self._directory.centers)

    def _names(self, event: Event, memory: Memory) -> Names:
        return Names(event, memory.recall, centers=self._directory.centers)

    def _stages(self, rule: Rule, event: Event, memory: Memory) -> tuple[list[Stage], Decision | None]:
        """Return what each stage says, and the decision; the memory learns what the event teaches."""
        alone = RuleSet("", (_by_itself(rule),), self._directory)
        things = memory.things_of(event)
        keys = keys_of(things)
        memory.prepare(keys.values())
        names = self._names(event, memory)
        stages = list(asked_of_event(rule, event, names))
        examined = examine(event, names, alone)
        memory.learn(event, things, keys, None if event.at is None else to_micros(event.at))
        names = self._names(event, memory)
        tried = Tried(rule, event, names, self._directory)
        stages += before_notify(tried)
        stages += self._led(tried)
        scene = Scene(
            names=names,
            rules=alone,
            windows=Windows({}, lambda: 1),
            event=event.id,
            at=moment_of(event),
            now=event.received_at,
        )
        decisions, _ = conclude(examined, scene)
        decision = decisions[0] if decisions else None
        if (
            decision is not None
            and decision.reason not in _SHOWN
            and all(stage.holds is not False for stage in stages)
        ):
            stages.append(Stage(decision.reason.value, False, decision.detail))
        return stages, decision

    def _led(self, tried: Tried) -> Iterator[Stage]:
        """Yield what the last stages say."""
        rule, names = tried.rule, tried.names
        if rule.hold is not None and rule.hold.awaited(names):
            seconds = rule.hold.period.total_seconds()
            yield Stage("wait_for_names", True, f"it would wait up to {seconds:g} s for a name")
        told, refusals = self._told(_notify(tried), names)
        reached = [one.way for one in told if not one.refused]
        says = [*reached, *(refusal.detail for _, refusal in refusals)]
        yield Stage("notify", bool(reached), "; ".join(says))
        yield from behind_notify(rule.escalate)

    def _told(self, notify: Sequence[str], names: Names) -> tuple[list[Told], list[tuple[str, Refusal]]]:
        """Return whom the names in `notify` tell, and those that lead nowhere."""
        roles: dict[Address, tuple[str, ...]] = {}
        refused: dict[Address, str] = {}
        refusals: list[tuple[str, Refusal]] = []
        for role in notify:
            for channel, (found, why) in self._asked(role, names):
                refusals += [(role, refusal) for refusal in why]
                if channel and why:
                    refused[Address(channel)] = why[0].detail.removeprefix(f"{channel}: ")
                for address in found or ([Address(channel)] if channel else ()):
                    roles[address] = (*roles.get(address, ()), role)
        return [Told(one, by, refused.get(one, "")) for one, by in roles.items()], refusals

    def _asked(self, role: str, names: Names) -> Iterator[tuple[str, Addresses]]:
        """Yield the channels that a name in `notify` means, each with whom it tells; "" where it means none."""
        channels = self._directory.centers.channels_of(role, names["center"]["id"])
        if not channels:
            yield "", addresses((role,), names, self._directory)
        by_channel = replace(self._directory, centers=NOT_LISTED)
        for channel in channels:
            yield channel, addresses((channel,), names, by_channel)

    # --- what is said -------------------------------------------------------------------------------------

    def _draft(self, about: _About, outlet: Outlet, told: Told | None, prefix: str) -> Draft:
        event = about.event
        return Draft(
            outlet=outlet,
            told=told,
            label=Label(SHORT_ID, about.rule.id, event.id, event.type),
            written=self._write(about, outlet, prefix),
            whole=self._write(about, outlet._replace(room=_ENDLESS), prefix).message,
        )

    def _said(self, rule: Rule) -> dict[str, Any]:
        """Return what only a message knows; a threshold has just been reached."""
        url, template = self.surroundings.public_url, self.compiled.messages[rule.id]
        has_link = bool(url) and (bool(rule.escalate) or template.uses_ack_url)
        count = 0 if rule.absent is not None else 1 if rule.threshold is None else rule.threshold.count
        return {
            "ack_url": f"{url}{_EXAMPLE_LINK}" if has_link else "",
            "asks_to_take": bool(rule.escalate),
            "count": count,
            "held_back": 0,
            "now": self.now,
            "rule": {"id": rule.id, "description": rule.description},
        }

    def _write(self, about: _About, outlet: Outlet, prefix: str) -> Written:
        rule = about.rule
        names = MessageNames(about.known, self._said(rule))
        if rule.absent is not None:
            names["events"] = []
        form, room = outlet
        on: dict[str, str] = {"short_id": SHORT_ID, "prefix": prefix}
        try:
            return Written(self.compiled.messages[rule.id].render(form, names, room=room, **on))
        except StoreError:
            raise
        except Exception as error:  # as in rulebook.py: whatever it is
            return self.surroundings.instead(error, form, names, room=room, **on)


def _by_itself(rule: Rule) -> Rule:
    """Return a rule without what hangs on other events: it lets the message through."""
    stale = None if rule.stale is not None and rule.stale.then is Then.DIGEST else rule.stale
    return replace(
        rule,
        enabled=True,
        threshold=None,
        stale=stale,
        suppressed=None,
        wait=None,
        digest=None,
        absent=None,
        escalate=(),
    )


def _notify(tried: Tried) -> Sequence[str]:
    """Return whom the rule tells at the event's arrival: outside its hours perhaps others."""
    hours = tried.rule.hours
    if hours is None or hours.otherwise is not Otherwise.ELSEWHERE:
        return tried.rule.notify
    center = tried.directory.hours_of(tried.names)
    return hours.notify if is_outside(hours, center, tried.local(tried.now)) else tried.rule.notify


def _is_late(rule: Rule, event: Event, names: Names) -> bool:
    """Return whether the message is marked: not where it is one of a digest's."""
    stale = rule.stale
    if stale is None or (stale.then is Then.DIGEST and rule.digest is not None):
        return False
    return stale.is_over(names, event.received_at)
