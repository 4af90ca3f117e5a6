"""The rule sets: the one in force, the last good one, and those that waiting deliveries were decided by.

A set is read, checked and compiled as a whole before anything changes; a bad one changes nothing.  Every set that
comes into force is kept in the store, so that the last good one goes on when the files are bad at a start, and a
delivery is written with the templates of the set that decided it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from zennotify.clock import Clock
from zennotify.core.center import NOT_LISTED
from zennotify.core.model import Form, Message, Reason, Room
from zennotify.core.notify import GuestChannel
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.stale import MARK, Then
from zennotify.enquiry import Enquiry
from zennotify.errors import ConfigError, MessageError, Problem, StoreError, StoreUnavailable, place_of
from zennotify.message import Want, fallback
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.recent import RecentFacts
from zennotify.rulefile import CompiledRules, Sources, compile_rules, read_sources
from zennotify.spelling import did_you_mean
from zennotify.store import Reader, Writer
from zennotify.store.gatherings import Gathering
from zennotify.store.rows import Claimed, KeptEvent, Withheld
from zennotify.store.transaction import Transaction
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import MessageNames, Names, look_up

logger = logging.getLogger("zennotify.rulebook")

#: The beginning of a delivery's id that messages end with, and that every command takes.
SHORT_ID = 8
#: So many of the events that were gathered are told of one by one.
MOST_EVENTS: Final = 200
#: The reason of a delivery that is about events which have all been erased.
ERASED: Final = "erased"
#: Compiled rule sets of the past that are kept at hand.
_MOST_PAST = 4


class Written(NamedTuple):
    """A message, and where its template failed and why, when it is the plain one that goes out instead."""

    message: Message
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What rules are compiled against, and messages written in."""

    rules: Path
    templates: Path
    centers: Path
    channels: Mapping[str, Form]
    time_zone: str
    locale: str
    reading: Reading
    #: Where messages can be acknowledged; None: nowhere.
    public_url: str | None = None
    #: The channels whose recipient comes from the event.
    guests: Mapping[str, GuestChannel] = field(default_factory=dict)

    def compile(self, sources: Sources, *, kept: bool = False, past: bool = False) -> CompiledRules:
        """Compile rules, templates and centres; raises ConfigError with all problems.

        A set that was `kept` was in force before and goes on, though the catalog may know better by now.  One of the
        `past` may even name channels that are no more: what it decided still has to be written.
        """
        return compile_rules(
            sources,
            channels=None if past else self.channels,
            time_zone=self.time_zone,
            locale=self.locale,
            event_types=EVENT_TYPES,
            guests=self.guests,
            aliases=self.reading.aliases,
            public_url=self.public_url,
            examined=not kept,
        )

    def read(self) -> tuple[Sources, CompiledRules]:
        """Read and compile the files; raises ConfigError with all problems."""
        sources = read_sources(self.rules, self.templates, self.centers)
        return sources, self.compile(sources)

    def last_good(self, reader: Reader) -> CompiledRules | None:
        """Compile the rules that came into force last; None where there are none, or they cannot be used any more."""
        kept = reader.last_rule_set()
        try:
            return None if kept is None else self.compile(kept_sources(kept[1]), kept=True)
        except ConfigError:
            return None

    def instead(
        self,
        error: Exception,
        form: Form,
        names: MessageNames,
        *,
        short_id: str,
        room: Room,
        prefix: str = "",
    ) -> Written:
        """Write the plain message that goes out where writing the message itself has failed."""
        problem = str(error) if isinstance(error, MessageError) else place_of(error)
        message = fallback(
            form,
            names,
            short_id=short_id,
            room=room,
            prefix=prefix,
            problem=problem,
            title=names["rule"].get("description") or names["rule"]["id"],
            time_zone=self.time_zone,
            locale=self.locale,
        )
        return Written(message, problem)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a delivery is about."""

    #: The event or, of several, the last: its names are the message's.
    last: Names
    memory: Memory
    #: Those that were gathered, the oldest first.
    events: Sequence[Names] | None = None
    gathering: Gathering | None = None

    @property
    def asked(self) -> Sequence[Names]:
        """All whose names the message may say."""
        return [self.last, *(one for one in self.events or () if one is not self.last)]

    def names(self, claimed: Claimed, now: datetime) -> MessageNames:
        """Return the names that the message is written with."""
        gathering = self.gathering
        extra: dict[str, Any] = {
            "count": claimed.counted or (1 if gathering is None else gathering.count),
            "ack_url": "",
            "held_back": claimed.held_back,
            "instead_of": claimed.instead_of,
            "came_late": 0 if gathering is None else gathering.late,
            "now": now,
            "rule": {"id": claimed.rule},
        }
        return MessageNames(self.last, extra, self.events)

    def prepare(self, wants: Collection[Want]) -> None:
        """Read at once what the message wants to know of many events; of one it is read when it is asked for."""
        if self.events is not None:
            kinds = {want.kind for want in wants} | {"center"}  # whose clock is asked for each time
            look_up(self.asked, kinds, self.memory.prepare)


class Rulebook:
    """Knows the rules in force and writes the messages."""

    def __init__(
        self,
        surroundings: Surroundings,
        writer: Writer,
        reader: Reader,
        clock: Clock,
        metrics: Metrics,
        ops: Ops,
        enquiry: Enquiry | None = None,
        ack_url: Callable[[str], str] = lambda _delivery: "",
    ) -> None:
        """Take what is needed; `ack_url` returns where a delivery is acknowledged, by its id."""
        self._enquiry = enquiry
        self._ack_url = ack_url
        self._surroundings = surroundings
        self._writer = writer
        self._reader = reader
        self._facts = RecentFacts(reader.facts, clock)
        self._clock = clock
        self._metrics = metrics
        self._ops = ops
        self._compiled: CompiledRules | None = None
        self._past = lru_cache(_MOST_PAST)(self._compile_past)
        self._past_lock = threading.Lock()
        #: Why the files are not in force, for readyz; None when they are.
        self.problem: str | None = "the rules have not been loaded yet"

    @property
    def rules(self) -> RuleSet | None:
        """The rules in force."""
        return self._compiled.rules if self._compiled else None

    def past_rules(self, rules_hash: str) -> RuleSet | None:
        """Return a rule set that was in force before; None where it is not kept, or cannot be used any more."""
        try:
            return self._set_of(rules_hash).rules
        except (LookupError, ConfigError):
            return None

    async def start(self) -> None:
        """Bring the files' rules into force or, when they are bad, the last good ones that the store has."""
        try:
            await self.load()
        except ConfigError:
            self._use_last_good()

    async def load(self) -> tuple[Problem, ...]:
        """Bring the files' rules into force; return the warnings.  Raises ConfigError, and then nothing changes."""
        try:
            # In a thread: thousands of rules take seconds, and requests must not wait for them.
            sources, compiled = await asyncio.to_thread(self._surroundings.read)
        except ConfigError as error:
            self._refuse(error)
            raise
        kept = _kept(sources)
        await self._writer.call(Transaction.save_rule_set, sources.hash, kept, self._clock.now())
        self._compiled = compiled
        self.problem = None
        self._metrics.reload_success.set(1)
        self._metrics.rules.set(len(compiled.rules.rules))
        logger.info("rules=%d set=%s in force", len(compiled.rules.rules), sources.hash[:SHORT_ID])
        left_behind = await asyncio.to_thread(self._left_behind, compiled.rules)
        for problem in left_behind:  # nobody may be there who asked for it, as at a start
            logger.warning("%s", problem.message)
        return *compiled.warnings, *left_behind

    def _left_behind(self, rules: RuleSet) -> list[Problem]:
        """Say which rules are gone or switched off, though what they remember has still to be told."""
        try:
            counts = self._reader.count_timers()
        except StoreUnavailable:  # the rules are in force all the same
            return []
        said = [_of_windows(rule, count, rules) for rule, count in sorted(counts.items())]
        where = str(self._surroundings.rules)
        return [Problem(where, 0, 0, sentence, warning=True) for sentence in said if sentence]

    def _refuse(self, error: ConfigError) -> None:
        self._metrics.reload_success.set(0)
        first = next(problem for problem in error.problems if not problem.warning)
        count = sum(not problem.warning for problem in error.problems)
        self.problem = f"the rules have {count} error{'s' * (count > 1)}, the first: {first}"
        for problem in error.problems:
            logger.error("%s", problem)
        self._ops.tell("rules", "the rules cannot be used", f"{self.problem}\n\nSee: zennotify check")

    def _use_last_good(self) -> None:
        kept = self._reader.last_rule_set()
        if kept is None:
            logger.error("there are no rules to go on with; events wait undecided until the files are mended")
            return
        rules_hash, sources = kept
        try:
            self._compiled = self._surroundings.compile(kept_sources(sources), kept=True)
        except ConfigError as error:
            logger.error("the last good rules cannot be used either: %s", error.problems[0])  # noqa: TRY400 - no trace wanted
            return
        self._metrics.rules.set(len(self._compiled.rules.rules))
        logger.warning("the last good rules, set=%s, go on", rules_hash[:SHORT_ID])

    # --- messages (in the channels' threads) --------------------------------------------------------------

    def render(self, claimed: Claimed, form: Form, room: Room) -> Message | Withheld:
        """Write a delivery's message by the rules that decided it; when its template fails, a plain one.

        Nothing is written of what has become too old, or has been erased.
        """
        subject = self._subject(claimed)
        if subject is None:
            return Withheld(ERASED)
        short_id, now, prefix = claimed.id[:SHORT_ID], self._clock.now(), ""
        names = subject.names(claimed, now)
        try:
            compiled = self._set_of(claimed.rule_set)
            rule, template = compiled.rules.by_id[claimed.rule], compiled.messages[claimed.rule]
            late = _lateness(rule, claimed, names, now)
            if isinstance(late, Withheld):
                return late
            prefix = late
            names |= _said(rule, claimed)
            if not claimed.recipient and (rule.escalate or template.uses_ack_url):  # a guest takes nothing
                names["ack_url"] = self._ack_url(claimed.id)
            subject.prepare(template.wants)
            if self._enquiry is not None:
                names["unknown_because"] = self._enquiry.fill(subject.asked, subject.memory, template.wants)
            return template.render(form, names, short_id=short_id, room=room, prefix=prefix)
        except StoreError:  # it is written when the store is back
            raise
        except Exception as error:  # whatever it was, the message must not be lost
            message, problem = self._surroundings.instead(
                error, form, names, short_id=short_id, room=room, prefix=prefix
            )
            self._metrics.template_errors.labels(claimed.rule).inc()
            logger.error("delivery=%s rule=%s template failed: %s", claimed.id, claimed.rule, problem)  # noqa: TRY400 - as above
            self._ops.tell(
                f"template {claimed.rule}",
                f"the message of rule {claimed.rule} could not be written",
                f"{problem}\n\nA plain message went out instead.",
            )
            return message

    def _subject(self, claimed: Claimed) -> _Subject | None:
        """Return what a delivery is about; None where all of it has been erased."""
        kept, gathering = claimed.event, None
        if kept is None:
            assert claimed.gathered is not None, "what has neither has its text from the start"  # noqa: S101
            gathering = self._reader.gathering(claimed.gathered, MOST_EVENTS)
            kept = gathering.last
            if kept is None:
                return None
        reading = self._surroundings.reading
        # The centres as they are called now, and names that have arrived since the event was decided.
        centers = self._compiled.rules.directory.centers if self._compiled else NOT_LISTED
        memory = Memory(self._facts.read, reading.class_times, centers)

        def known(one: KeptEvent) -> Names:
            event = reopen(one.body, one.received_at, reading, one.type)
            return Names(event, memory.recall, centers=centers)

        if gathering is None:
            return _Subject(known(kept), memory)
        events = {one.place: known(one) for one in gathering.oldest}
        last = events.get(kept.place) or known(kept)
        return _Subject(last, memory, tuple(events.values()), gathering)

    def _set_of(self, rules_hash: str) -> CompiledRules:
        compiled = self._compiled
        if compiled is not None and compiled.rules.hash == rules_hash:
            return compiled
        with self._past_lock:
            return self._past(rules_hash)

    def _compile_past(self, rules_hash: str) -> CompiledRules:
        sources = self._reader.rule_set(rules_hash)
        if sources is None:
            raise LookupError(rules_hash)
        return self._surroundings.compile(kept_sources(sources), past=True)


def _lateness(rule: Rule, claimed: Claimed, names: MessageNames, now: datetime) -> str | Withheld:
    """Return what stands before a message that goes out late, or why it does not."""
    stale = rule.stale
    if stale is None:
        return ""
    if stale.is_over(names, now, claimed.meant):
        if stale.then is Then.DROP and not claimed.is_by_hand:
            return Withheld(Reason.STALE.value)
        if stale.then is Then.DIGEST and _can_be_gathered(rule, claimed):
            return Withheld(Reason.DIGESTED.value, is_gathered=True)
        return MARK
    # A rule without a digest gathers only what is too old to be sent alone.
    return MARK if claimed.gathered is not None and rule.digest is None else ""


def _can_be_gathered(rule: Rule, claimed: Claimed) -> bool:
    """Return whether a delivery is the message about one event itself, and nobody wants it sent at once."""
    is_of_event = claimed.event is not None and rule.absent is None
    return is_of_event and claimed.step == 0 and not claimed.is_by_hand


def _of_windows(rule_id: str, count: int, rules: RuleSet) -> str:
    """Return what there is to say of the windows of a rule that are open, or nothing."""
    open_ones = f"{count} windows of it are" if count > 1 else "a window of it is"
    rule = rules.by_id.get(rule_id)
    if rule is not None:
        is_left = not rule.enabled and rule.absent is None
        return (
            f"the rule `{rule_id}` is switched off, but {open_ones} open: nothing is told of them"
            if is_left
            else ""
        )
    if rule_id in rules.renamed:
        return ""
    return (
        f"there is no rule `{rule_id}` any more, but {open_ones} open: the rule as it was goes on with what waits; "
        f"where it has a new id, write `renamed_from: {rule_id}` there{did_you_mean(rule_id, rules.by_id)}"
    )


def _said(rule: Rule, claimed: Claimed) -> dict[str, Any]:
    """Return what the rule says of itself and of this message."""
    said: dict[str, Any] = {
        "rule": {"id": rule.id, "description": rule.description},
        "asks_to_take": bool(rule.escalate) and not claimed.recipient,
    }
    if rule.absent is not None:  # it is about what has not come
        said |= {"count": 0, "events": []}
    if 0 < claimed.step <= len(rule.escalate):
        said["untaken_for"] = rule.escalate[claimed.step - 1].after
    return said


def _kept(sources: Sources) -> str:
    texts = {"rules": dict(sources.rules), "templates": dict(sources.templates), "centers": sources.centers}
    return json.dumps(texts)


def kept_sources(kept: str) -> Sources:
    """Return the sources of a rule set as the store has them."""
    texts = json.loads(kept)
    # A set that was kept before there were centres has none.
    return Sources(rules=texts["rules"], templates=texts["templates"], centers=texts.get("centers"))
