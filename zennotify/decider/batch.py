"""What one transaction decides and keeps.

The deciding itself is pure, core/decide.py for an event and core/due.py for a window whose time has come; here it gets
the facts and the windows that it asks for, and each event sees what the ones before it changed.  Called by decider.py
in the writer's thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from zennotify.core.decide import Examined, aim, conclude, examine
from zennotify.core.due import Fired, fire, give_up
from zennotify.core.model import Reason, Zone, moment_of
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.scene import Decision, Duty, Passed, Revision, Scene
from zennotify.core.silence import Silence
from zennotify.core.window import Window, WindowKey, Windows
from zennotify.decider.waiting import Waiting
from zennotify.errors import StoreError, place_of
from zennotify.store.rows import NewDecision, NewDelivery, Timer, Undecided
from zennotify.store.schema import to_micros
from zennotify.store.transaction import Transaction
from zennotify.zenoti.facts import Key, keys_of
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import Names
from zennotify.zenoti.things import Things

logger = logging.getLogger("zennotify.decider")

Given = TypeVar("Given")
Made = TypeVar("Made")

#: A transaction decides no further event once it has worked this long (seconds).
LONGEST_WORK = 0.05


@dataclass(frozen=True, slots=True)
class Decided:
    """An event and what all rules made of it."""

    undecided: Undecided
    decisions: list[Decision]


@dataclass(frozen=True, slots=True)
class Ended:
    """A window whose time has come, and what it led to."""

    key: WindowKey
    #: The id and the type of its event, in lower case.
    event: str
    kind: str
    #: The hash of the rules that it was decided by.
    rules: str
    now: datetime
    fired: Fired


@dataclass(slots=True)
class _Case:
    """An event on its way through the stages."""

    undecided: Undecided
    things: Things
    keys: dict[str, Key]
    examined: Sequence[Examined] = ()


@dataclass(slots=True)
class Batch:
    """What is decided at once, within one transaction."""

    rules: RuleSet
    class_times: Zone
    silences: Sequence[Silence] = ()
    #: The centres and days whose offset from UTC is known.
    clocks: Collection[tuple[Any, str]] = ()
    new_clocks: set[tuple[Any, str]] = field(default_factory=set)
    decided: list[Decided] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    #: What the windows were and have become.
    windows: Windows = field(init=False)
    #: When the first timer is due that was set here.
    first_due: datetime | None = None
    #: The things that something has been learned of, and what is known of them now, as it is kept (facts.written).
    learned: set[Key] = field(default_factory=set)
    facts: str | None = None
    #: The centres that centers.yaml does not list, by their keys.
    unlisted: set[Key] = field(default_factory=set)
    #: What waits for names.
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def now(self) -> datetime | None:
        """The moment of the last decision; None where there has been none."""
        arrivals = [one.undecided.event.received_at for one in self.decided]
        return max([*arrivals, *(one.now for one in self.ended)], default=None)

    @property
    def channels(self) -> set[str]:
        """The channels that owe something new."""
        return {
            duty.channel for _, decisions in self.made() for decision in decisions for duty in decision.duties
        }

    def made(self) -> Iterator[tuple[str, list[Decision]]]:
        """Yield what was decided, with the ids of the events."""
        for one in self.decided:
            yield one.undecided.event.id, one.decisions
        for end in self.ended:
            yield end.event, [end.fired.decision]

    # --- events -------------------------------------------------------------------------------------------

    def decide(self, transaction: Transaction, events: Iterable[Undecided]) -> Undecided | None:
        """Decide the events over what the windows were before.

        Returns an event that came only after a timer which one before it has set: then what is here counts for
        nothing, and those before it are to be decided alone.
        """
        memory = Memory(transaction.facts, self.class_times, self.rules.directory.centers, self.clocks)

        def read(event: Undecided) -> _Case:
            things = memory.things_of(event.event)
            return _Case(event, things, keys_of(things))

        cases = list(self._each(events, read, lambda event: event))
        memory.prepare(key for case in cases for key in case.keys.values())
        cases = list(
            self._each(self._in_time(cases), lambda case: self._examine(case, memory), lambda c: c.undecided)
        )
        if self.rules.directory.has_caps:
            cases = list(self._each(cases, lambda case: self._aim(case, memory), lambda c: c.undecided))
        self._open_windows(transaction, _asked(cases))
        for case in cases:
            if self.first_due is not None and case.undecided.event.received_at >= self.first_due:
                return case.undecided
            try:
                self.decided.append(self._conclude(case, memory))
            except StoreError:  # as below
                raise
            except Exception as error:
                self.decided.append(_failure(case.undecided, error))
        self.learned = memory.changed
        self.new_clocks = memory.new_clocks
        self.facts = memory.changes()
        return None

    def _each(
        self,
        given: Iterable[Given],
        work: Callable[[Given], Made],
        event_of: Callable[[Given], Undecided],
    ) -> Iterator[Made]:
        """Yield what comes of each; of one that raises, a bug of ours, only its own event may suffer."""
        for one in given:
            try:
                made = work(one)
            except StoreError:  # of the whole transaction: it is done again, or the process ends
                raise
            except Exception as error:
                self.decided.append(_failure(event_of(one), error))
            else:
                yield made

    def _in_time(self, cases: list[_Case]) -> Iterator[_Case]:
        """Yield the cases, until a rule takes long: it must not keep new events waiting."""
        began = time.monotonic()
        for case in cases:
            if time.monotonic() - began > LONGEST_WORK:
                return
            yield case

    def _names(self, case: _Case, memory: Memory) -> Names:
        return Names(case.undecided.event, memory.recall, case.things, self.rules.directory.centers)

    def _examine(self, case: _Case, memory: Memory) -> _Case:
        event, centers = case.undecided.event, self.rules.directory.centers
        if len(centers) and "center" in case.keys and centers.get(case.things["center"]["id"]) is None:
            self.unlisted.add(case.keys["center"])
        case.examined = examine(event, self._names(case, memory), self.rules)
        memory.learn(event, case.things, case.keys, None if event.at is None else to_micros(event.at))
        return case

    def _aim(self, case: _Case, memory: Memory) -> _Case:
        # With names made anew, here and below: later events of this batch may have taught one.
        case.examined = aim(case.examined, self._names(case, memory), self.rules)
        return case

    def _conclude(self, case: _Case, memory: Memory) -> Decided:
        event, draft = case.undecided.event, self.windows.draft()
        scene = Scene(
            names=self._names(case, memory),
            rules=self.rules,
            windows=draft,
            silences=self.silences,
            place=case.undecided.place,
            event=event.id,
            at=moment_of(event),
            now=event.received_at,
        )
        decisions, revisions = conclude(case.examined, scene)
        self._take_over(draft)
        self.revisions += revisions
        return Decided(case.undecided, decisions)

    # --- windows ------------------------------------------------------------------------------------------

    def _open_windows(self, transaction: Transaction, asked: Collection[WindowKey]) -> None:
        """Read the windows that will be asked for, at once."""
        kept: dict[WindowKey, Window | None] = dict.fromkeys(asked)
        kept.update(transaction.windows(asked))
        self._take_windows(transaction, kept)

    def _take_windows(self, transaction: Transaction, kept: dict[WindowKey, Window | None]) -> None:
        """Begin with windows that have been read; another one is read when it is asked for."""
        numbers: Iterator[int] | None = None

        def look_up(key: WindowKey) -> Window | None:
            if key not in kept:
                kept[key] = transaction.windows([key]).get(key)
            return kept[key]

        def new_number() -> int:
            nonlocal numbers
            if numbers is None:
                numbers = count(transaction.next_gathering())
            return next(numbers)

        self.windows = Windows(look_up, new_number)

    def _take_over(self, draft: Windows) -> None:
        if not draft.changed:
            return
        self.windows.add(draft)
        for window in draft.changed.values():
            due = None if window is None else window.due
            if due is not None and (self.first_due is None or due < self.first_due):
                self.first_due = due

    # --- timers -------------------------------------------------------------------------------------------

    def fire(
        self,
        transaction: Transaction,
        timers: Sequence[Timer],
        event_of: Callable[[Timer], Undecided | None],
        rule_of: Callable[[WindowKey, Window], tuple[Rule, RuleSet] | None],
    ) -> None:
        """Take windows whose time has come through the stages that are left, in the order of their time.

        One that is due only after a timer that was set here is left.
        """
        memory = Memory(transaction.facts, self.class_times, self.rules.directory.centers, self.clocks)
        self._take_windows(transaction, {timer.key: timer.window for timer in timers})
        for timer in timers:
            due, window = timer.window.due, self.windows.get(timer.key)
            assert due is not None, "it was looked for by its due"  # noqa: S101
            if self.first_due is not None and due > self.first_due:
                return
            if window is None or window.due != due:  # one before it has ended it, or put it off
                continue
            if window.event != timer.window.event:  # one before it has put its own event into it
                timer = timer._replace(event=None)  # noqa: PLW2901 - the same one, as it is now
            try:
                self._fire(timer._replace(window=window), due, memory, event_of, rule_of)
            except StoreError:  # as above
                raise
            except Exception as error:  # a bug of ours: trying again would not help
                self._give_up(timer, due, place_of(error))

    def _fire(
        self,
        timer: Timer,
        due: datetime,
        memory: Memory,
        event_of: Callable[[Timer], Undecided | None],
        rule_of: Callable[[WindowKey, Window], tuple[Rule, RuleSet] | None],
    ) -> None:
        undecided = event_of(timer)
        if undecided is None:  # it has been erased
            self.windows.put(timer.key, None)
            return
        found = rule_of(timer.key, timer.window)
        if found is None:
            self._give_up(timer, due, "the rule was removed, and what it said cannot be read any more")
            return
        (rule, rules), event, draft = found, undecided.event, self.windows.draft()
        scene = Scene(
            names=Names(event, memory.recall, centers=self.rules.directory.centers),
            rules=rules,
            windows=draft,
            silences=self.silences,
            place=undecided.place,
            event=event.id,
            at=moment_of(event),
            now=due,
        )
        fired = fire(timer.key, timer.window, rule, scene)
        self._take_over(draft)
        self.revisions += fired.revisions
        self.ended.append(Ended(timer.key, event.id, event.kind, rules.hash, due, fired))

    def give_up(self, transaction: Transaction, timer: Timer, detail: str) -> None:
        """End a window whose time has come and of which it was found out that what it leads to cannot be kept."""
        assert timer.window.due is not None, "it was looked for by its due"  # noqa: S101
        self._take_windows(transaction, {timer.key: timer.window})
        self._give_up(timer, timer.window.due, detail)

    def _give_up(self, timer: Timer, due: datetime, detail: str) -> None:
        """End a window that cannot be taken through its stages; the owners hear of it."""
        event, kind = ("", "") if timer.event is None else (timer.event.id, timer.event.type.casefold())
        key, fired = timer.key, give_up(timer.key, timer.window, detail)
        logger.error("event=%s rule=%s timer=%s was given up: %s", event, key.rule, key.stage, detail)
        self.windows.put(key, None)
        self.revisions += fired.revisions
        self.ended.append(Ended(key, event, kind, self.rules.hash, due, fired))

    # --- the store ----------------------------------------------------------------------------------------

    def keep(self, transaction: Transaction) -> None:
        """Keep what was decided and learned."""
        transaction.save_windows(self.windows.changed)
        transaction.gather(self.windows.gathered)
        now = self.now
        if self.facts is not None and now is not None:
            transaction.save_facts(self.facts, now)
        decisions: list[NewDecision] = []
        deliveries: list[NewDelivery] = []
        duties: list[Duty] = []
        for one in self.decided:
            event, arrival = one.undecided.place, one.undecided.event.received_at
            for place, made in enumerate(one.decisions):
                decisions.append(NewDecision(event, place, made.rule, made.reason.value, made.detail))
                duties += made.duties
                deliveries += [
                    _delivery(made, duty, self.rules.hash, arrival, event, None) for duty in made.duties
                ]
        later: list[NewDecision] = []
        for end in self.ended:
            made, event_of, number = end.fired.decision, end.fired.event, end.fired.number
            if end.fired.is_new and event_of is not None:
                later.append(NewDecision(event_of, 0, made.rule, made.reason.value, made.detail))
            duties += made.duties
            deliveries += [
                _delivery(made, duty, end.rules, end.now, event_of, number) for duty in made.duties
            ]
        transaction.add_decisions(decisions)
        transaction.add_later_decisions(later)
        transaction.revise(self.revisions)
        numbers = transaction.add_deliveries(deliveries)
        self.waiting = [
            Waiting(number, duty.channel, duty.due, tuple(duty.awaited))
            for number, duty in zip(numbers, duties, strict=True)
            if duty.awaited
        ]
        transaction.finish_events(
            ((one.undecided.place, one.undecided.rule_set) for one in self.decided), self.rules.hash
        )


def _asked(cases: Iterable[_Case]) -> set[WindowKey]:
    """Return the windows that these events will ask."""
    asked: set[WindowKey] = set()
    for case in cases:
        for item in case.examined:
            if not isinstance(item, Decision):
                asked.update(item.keys.values())
                if isinstance(item, Passed) and item.caps:
                    asked.update(item.caps)
    return asked


def _delivery(
    made: Decision, duty: Duty, rules: str, now: datetime, event: int | None, number: int | None
) -> NewDelivery:
    return NewDelivery(
        event=event,
        rule=made.rule,
        channel=duty.channel,
        rule_set=rules,
        created=now,
        due=duty.due,
        held_back=duty.held_back,
        recipient=duty.recipient,
        window=None if number is None else f"{made.rule} {number}",
        reason=duty.reason,
        step=duty.step,
        gathered=number,
        counted=duty.counted,
        meant=duty.meant,
    )


def _failure(event: Undecided, error: Exception) -> Decided:
    """Record that deciding raised; the error's text stays out, it may hold a guest's data."""
    detail = place_of(error)
    logger.error("event=%s could not be decided: %s", event.event.id, detail)
    return Decided(event, [Decision(rule="", reason=Reason.FAILED, detail=detail)])
