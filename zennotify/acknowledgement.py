"""Who takes care of what a rule told of?  Asked and answered on the public page (receiver/), and by `deliveries ack`.

Acknowledging is one transaction: who took it is kept, the escalation ends, the steps that wait are cancelled, and those
who were told hear who took it.  It is once for each event (or gathered events) and rule; whoever comes later learns who
was first.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any, Final
from unicodedata import category

from zennotify.acklink import KEY_BYTES, make_token, read_token
from zennotify.clock import Clock
from zennotify.core.escalation import TAKEN
from zennotify.core.model import Form, Room
from zennotify.core.rule import RuleSet
from zennotify.errors import LinkError
from zennotify.message import moment_text, taken_notice, time_text
from zennotify.store import Reader, Writer
from zennotify.store.acknowledging import Acknowledgement, Matter
from zennotify.store.number import delivery_id, delivery_number
from zennotify.store.rows import NewDelivery
from zennotify.store.transaction import Transaction

logger = logging.getLogger("zennotify.acknowledgement")

#: The longest name that is kept.
MOST_NAME: Final = 80
#: The signing key's name in the store.
_KEY: Final = "ack"
_SHORT_ID: Final = 8
#: Invisible, but parts of words in several scripts, and of pictures.
_JOINERS: Final = frozenset("\u200c\u200d")


def taker(name: str) -> str:
    """Return the name of who takes it, as it is kept; raises ValueError for what is no name."""
    words = "".join(" " if category(char) == "Zs" else char for char in name).strip()
    if any(not char.isprintable() and char not in _JOINERS for char in words):
        raise ValueError("a name has no control characters")
    words = " ".join(words.split())[:MOST_NAME].rstrip()
    if not words.strip("".join(_JOINERS)):
        raise ValueError("a name is expected")
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a message that may be acknowledged, in words."""

    #: The rule's description or, without one, its id.
    rule: str
    #: When it was sent.
    sent: str
    #: Who took it, and when; empty where nobody did.
    by: str = ""
    at: str = ""
    #: Whether it was taken just now.
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an acknowledgement."""

    acknowledgement: Acknowledgement
    #: Whether it is the first.
    is_new: bool
    #: The channels that hear of it.
    told: tuple[str, ...] = ()


class Acknowledging:
    """What is needed to acknowledge, with the daemon or without one."""

    def __init__(
        self,
        reader: Reader,
        channels: Mapping[str, tuple[Form, Room]],
        rules: Callable[[], RuleSet | None],
        past: Callable[[str], RuleSet | None],
        *,
        time_zone: str,
        locale: str,
    ) -> None:
        """Take how messages for each channel are written, the rules in force, and the way to those of the past."""
        self._reader = reader
        self._channels = channels
        self._rules = rules
        self._past = past
        self._time_zone = time_zone
        self._locale = locale

    def moment(self, at: datetime) -> str:
        """Return a moment in words."""
        return moment_text(at, self._time_zone, self._locale)

    def look(self, delivery: str) -> Standing | None:
        """Return how a message stands; None for one that is not kept, or that no rule led to.

        It reads the store: for a thread.
        """
        matter = self._reader.matter(delivery)
        if matter is None:
            return None
        rule, sent = self._title(matter), self.moment(matter.sent)
        taken = self._reader.acknowledgement_of(matter, self._ids(matter.rule))
        if taken is None:
            return Standing(rule=rule, sent=sent)
        return Standing(rule=rule, sent=sent, by=taken.by, at=self.moment(taken.at))

    def prepare(self, delivery: str, by: str, now: datetime) -> Callable[[Transaction], Taken] | None:
        """Return the statements that acknowledge a delivery; None for one that cannot be.

        It reads the store, and may compile rules of the past: for a thread.
        """
        matter = self._reader.matter(delivery)
        if matter is None:
            return None
        title, rules = self._title(matter), self._ids(matter.rule)

        def acknowledge(transaction: Transaction) -> Taken:
            earlier = transaction.acknowledged(matter, rules)
            if earlier is not None:
                return Taken(earlier, is_new=False)
            taken = Acknowledgement(by, now)
            firsts = transaction.channels_told(matter, rules)
            told = {name: first for name, first in firsts.items() if name in self._channels}
            transaction.acknowledge(matter, rules, taken)
            numbers = count(transaction.next_number(now))
            transaction.add_deliveries(
                [
                    self._told(matter, name, title, taken, delivery_id(number), first)
                    for (name, first), number in zip(told.items(), numbers, strict=False)
                ]
            )
            return Taken(taken, is_new=True, told=tuple(told))

        return acknowledge

    def _told(
        self, matter: Matter, channel: str, title: str, taken: Acknowledgement, delivery: str, first: str
    ) -> NewDelivery:
        form, room = self._channels[channel]
        message = taken_notice(
            form,
            title=title,
            by=taken.by,
            time=time_text(taken.at, self._time_zone, self._locale),
            about=first[:_SHORT_ID],
            short_id=delivery[:_SHORT_ID],
            room=room,
        )
        return NewDelivery(
            event=matter.event,
            rule=matter.rule,
            channel=channel,
            rule_set=matter.rule_set,
            created=taken.at,
            due=taken.at,
            window=None if matter.gathered is None else f"{matter.rule} {matter.gathered}",
            title=message.title,
            message=message.body,
            step=TAKEN,
            gathered=matter.gathered,
        )

    def _title(self, matter: Matter) -> str:
        """Return what the rule is called: now, or when it told of this."""
        ids, rules = self._ids(matter.rule), self._rules()
        known = [] if rules is None else [rule for rule in rules.rules if rule.id in ids]
        past = None if known else self._past(matter.rule_set)
        if past is not None and matter.rule in past.by_id:
            known = [past.by_id[matter.rule]]
        return (known[0].description if known else "") or matter.rule

    def _ids(self, rule: str) -> set[str]:
        """Return the ids that a rule has and had: it may have been renamed since its message, or between two steps."""
        rules = self._rules()
        renamed = {} if rules is None else rules.renamed
        now = renamed.get(rule, rule)
        return {rule, now, *(old for old, new in renamed.items() if new == now)}


class Acknowledger:
    """Makes the links of messages, and takes what comes by them; of the daemon."""

    def __init__(
        self,
        acknowledging: Acknowledging,
        writer: Writer,
        clock: Clock,
        public_url: str | None,
        wake: Callable[[set[str]], None],
    ) -> None:
        self._acknowledging = acknowledging
        self._writer = writer
        self._clock = clock
        self._public_url = public_url
        self._wake = wake
        self._key = b""

    async def start(self) -> None:
        """Get the key that links are signed with; before any message is written."""
        self._key = await self._writer.call(Transaction.signing_key, _KEY, secrets.token_bytes(KEY_BYTES))

    def url(self, delivery: str) -> str:
        """Return the link by which a delivery is acknowledged; empty without a public address."""
        if self._public_url is None or not self._key:
            return ""
        return f"{self._public_url}/ack/{make_token(self._key, delivery_number(delivery), self._clock.now())}"

    def delivery_of(self, token: str) -> str:
        """Return the delivery that a link names; raises LinkError or LinkExpired."""
        if not self._key:
            raise LinkError("there are no links yet")
        return delivery_id(read_token(self._key, token, self._clock.now()))

    async def look(self, delivery: str) -> Standing | None:
        """Return how a message stands; None for one that is not kept.  Raises StoreUnavailable."""
        return await asyncio.to_thread(self._acknowledging.look, delivery)

    async def take(self, delivery: str, name: str) -> Standing | None:
        """Acknowledge a delivery for somebody, and return how it stands then; None for one that is not kept.

        Raises ValueError for what is no name, and StoreUnavailable.
        """
        by, now = taker(name), self._clock.now()
        statements = await asyncio.to_thread(self._acknowledging.prepare, delivery, by, now)
        if statements is None:
            return None
        taken = await self._writer.call(statements)
        if taken.is_new:
            logger.info("delivery=%s acknowledged", delivery)
            self._wake(set(taken.told))
        standing = await self.look(delivery)
        return standing and replace(standing, is_new=taken.is_new)

    async def command(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Acknowledge a delivery by hand: who took it, when, and whether just now; nothing for one that is not kept.

        Raises what `take` raises.
        """
        standing = await self.take(str(arguments.get("id")), str(arguments.get("by")))
        return {} if standing is None else said(standing)


def said(standing: Standing) -> dict[str, Any]:
    """Return who took it, for the command."""
    return {"by": standing.by, "at": standing.at, "is_new": standing.is_new}
