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
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from zennotify.clock import Clock
from zennotify.core.center import NOT_LISTED
from zennotify.core.model import Form, Message, Reason, Room
from zennotify.core.notify import GuestChannel
from zennotify.core.rule import RuleSet
from zennotify.core.stale import MARK, Then
from zennotify.enquiry import Enquiry
from zennotify.errors import ConfigError, MessageError, Problem, StoreError, place_of
from zennotify.message import fallback
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.recent import RecentFacts
from zennotify.rulefile import CompiledRules, Sources, compile_rules, read_sources
from zennotify.spelling import did_you_mean
from zennotify.store import Reader, Writer
from zennotify.store.rows import Claimed, Withheld
from zennotify.store.transaction import Transaction
from zennotify.zenoti.catalog import EVENT_TYPES
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import MessageNames, Names

logger = logging.getLogger("zennotify.rulebook")

#: The beginning of a delivery's id that messages end with, and that every command takes.
SHORT_ID = 8
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
    ) -> None:
        self._enquiry = enquiry
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
        return *compiled.warnings, *await asyncio.to_thread(self._left_behind, compiled.rules)

    def _left_behind(self, rules: RuleSet) -> list[Problem]:
        """Say which rules are gone, though what they remember has still to be told."""
        return [
            Problem(
                str(self._surroundings.rules),
                0,
                0,
                f"there is no rule `{rule}` any more, but {count} of its windows wait{'s' * (count == 1)}: what they "
                f"lead to is told by the rule as it was; where it has a new id, write `renamed_from: {rule}` there"
                f"{did_you_mean(rule, rules.by_id)}",
                warning=True,
            )
            for rule, count in sorted(self._reader.count_timers().items())
            if rule not in rules.by_id and rule not in rules.renamed
        ]

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

        Nothing is written of what has become too old.
        """
        assert claimed.event is not None, "what a window leads to has its text from the start"  # noqa: S101
        kept, reading = claimed.event, self._surroundings.reading
        event = reopen(kept.body, kept.received_at, reading, kept.type)
        short_id = claimed.id[:SHORT_ID]
        # The centres as they are called now, and names that have arrived since the event was decided.
        centers = self._compiled.rules.directory.centers if self._compiled else NOT_LISTED
        memory = Memory(self._facts.read, reading.class_times, centers)
        known = Names(event, memory.recall, centers=centers)
        extra: dict[str, Any] = {
            "held_back": claimed.held_back,
            "instead_of": claimed.instead_of,
            "now": self._clock.now(),
            "rule": {"id": claimed.rule},
        }
        names = MessageNames(known, extra)
        prefix = ""
        try:
            compiled = self._set_of(claimed.rule_set)
            rule, template = compiled.rules.by_id[claimed.rule], compiled.messages[claimed.rule]
            if rule.stale is not None and rule.stale.is_over(known, extra["now"]):
                if rule.stale.then is Then.DROP and not claimed.is_by_hand:
                    return Withheld(Reason.STALE.value)
                prefix = MARK
            names["rule"] = {"id": rule.id, "description": rule.description}
            if self._enquiry is not None:
                names["unknown_because"] = self._enquiry.fill(known, memory, template.wants)
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


def _kept(sources: Sources) -> str:
    texts = {"rules": dict(sources.rules), "templates": dict(sources.templates), "centers": sources.centers}
    return json.dumps(texts)


def kept_sources(kept: str) -> Sources:
    """Return the sources of a rule set as the store has them."""
    texts = json.loads(kept)
    # A set that was kept before there were centres has none.
    return Sources(rules=texts["rules"], templates=texts["templates"], centers=texts.get("centers"))
