"""What one transaction decides and keeps.

The deciding itself is the pure core/decide.py; here it gets the facts and the windows of all events of the transaction,
read at once, and each event sees what the ones before it changed.  Called by decider.py in the writer's thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from zennotify.core.decide import Decision, Duty, Passed, aim, conclude, examine
from zennotify.core.model import Reason, Zone
from zennotify.core.once import Window, WindowKey
from zennotify.core.rule import RuleSet
from zennotify.decider.waiting import Waiting
from zennotify.errors import StoreError, place_of
from zennotify.store.rows import NewDecision, NewDelivery, Undecided
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
_LONGEST_WORK = 0.05


@dataclass(frozen=True, slots=True)
class Decided:
    """An event and what all rules made of it."""

    undecided: Undecided
    decisions: list[Decision]


@dataclass(slots=True)
class _Case:
    """An event on its way through the stages."""

    undecided: Undecided
    things: Things
    keys: dict[str, Key]
    examined: Sequence[Passed | Decision] = ()


@dataclass(slots=True)
class Batch:
    """What one transaction decides."""

    rules: RuleSet
    class_times: Zone
    #: The centres and days whose offset from UTC is known.
    clocks: Collection[tuple[Any, str]] = ()
    new_clocks: set[tuple[Any, str]] = field(default_factory=set)
    decided: list[Decided] = field(default_factory=list)
    windows: dict[WindowKey, Window] = field(default_factory=dict)
    #: The things that something has been learned of, and what is known of them now, as it is kept (facts.written).
    learned: set[Key] = field(default_factory=set)
    facts: str | None = None
    #: The centres that centers.yaml does not list, by their keys.
    unlisted: set[Key] = field(default_factory=set)
    #: What waits for names.
    waiting: list[Waiting] = field(default_factory=list)
    #: Whether events were left for the next transaction, because these took long.
    left_some: bool = False

    @property
    def now(self) -> datetime:
        """The arrival of the last event."""
        return max(one.undecided.event.received_at for one in self.decided)

    def decide(self, transaction: Transaction, events: Iterable[Undecided]) -> None:
        """Decide the events over what the windows were before this transaction and became within it."""
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
        passed = [item for case in cases for item in case.examined if isinstance(item, Passed)]
        asked = {item.window for item in passed if item.window is not None}
        asked.update(window for item in passed for window in item.caps)
        windows = transaction.windows(asked)
        self.decided += self._each(
            cases, lambda case: self._conclude(case, memory, windows), lambda case: case.undecided
        )
        self.learned = memory.changed
        self.new_clocks = memory.new_clocks
        self.facts = memory.changes()

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
            if time.monotonic() - began > _LONGEST_WORK:
                self.left_some = True
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

    def _conclude(self, case: _Case, memory: Memory, windows: dict[WindowKey, Window]) -> Decided:
        names = self._names(case, memory)
        now = case.undecided.event.received_at
        decisions, changed = conclude(case.examined, names, self.rules, windows, now)
        windows |= changed
        self.windows |= changed
        return Decided(case.undecided, decisions)

    def keep(self, transaction: Transaction) -> None:
        """Keep what was decided and learned."""
        transaction.save_windows(self.windows)
        if self.facts is not None and self.decided:
            transaction.save_facts(self.facts, self.now)
        decisions: list[NewDecision] = []
        deliveries: list[NewDelivery] = []
        duties: list[Duty] = []
        rules = self.rules.hash
        for one in self.decided:
            event, now = one.undecided.place, one.undecided.event.received_at
            for place, made in enumerate(one.decisions):
                decisions.append(NewDecision(event, place, made.rule, made.reason.value, made.detail))
                duties += made.duties
                deliveries += [
                    NewDelivery(
                        event, made.rule, duty.channel, rules, now, duty.due, duty.held_back, duty.recipient
                    )
                    for duty in made.duties
                ]
        transaction.add_decisions(decisions)
        numbers = transaction.add_deliveries(deliveries)
        self.waiting = [
            Waiting(number, duty.channel, duty.due, tuple(duty.awaited))
            for number, duty in zip(numbers, duties, strict=True)
            if duty.awaited
        ]
        transaction.finish_events(
            ((one.undecided.place, one.undecided.rule_set) for one in self.decided), rules
        )


def _failure(event: Undecided, error: Exception) -> Decided:
    """Record that deciding raised; the error's text stays out, it may hold a guest's data."""
    detail = place_of(error)
    logger.error("event=%s could not be decided: %s", event.event.id, detail)
    return Decided(event, [Decision(rule="", reason=Reason.FAILED, detail=detail)])
