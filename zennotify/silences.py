"""Which mutes hold?  Silences are added and ended here, and kept in memory for whoever decides.

The decider asks `in_force`, which changes in the writer's thread right after the commit: a silence holds for every
event that comes after its command was answered.  One that cannot be used any more (of an earlier version, say) is
skipped and named, and mutes nothing.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from zennotify.clock import Clock
from zennotify.core.match import Clause
from zennotify.core.path import PathError
from zennotify.core.silence import Silence
from zennotify.errors import ControlError, StoreUnavailable
from zennotify.rulefile.clauses import read_clause, read_path
from zennotify.store import Rank, Writer
from zennotify.store.silencing import KeptSilence
from zennotify.store.transaction import Transaction

logger = logging.getLogger("zennotify.silences")

#: After an outage events and timers are decided as of their own time: silences that were over by then still count.
CATCH_UP: Final = timedelta(days=2)
#: Bytes of an id: six hex digits are enough to tell and short enough to type.
_SHORT: Final = 3


class Order(NamedTuple):
    """What somebody wants to mute; as JSON it is a mapping."""

    #: Empty: all rules.
    rule: str
    match: Mapping[str, Any]
    #: Moments as ISO texts with their offsets; None: from now on.
    since: str | None
    #: None: for so many seconds.
    until: str | None
    seconds: float
    why: str
    by: str


def clauses_of(match: Mapping[str, Any]) -> Iterator[Clause | str]:
    """Yield the clause of each path, or in a sentence what is wrong with it."""
    for text, wanted in match.items():
        try:
            path = read_path(text)
        except PathError as error:
            yield str(error)
            continue
        clause = read_clause(path, wanted)
        if isinstance(clause, Clause):
            yield clause
            continue
        for place, sentence in clause:
            yield f"`{'.'.join(map(str, (path.text, *place)))}`: {sentence}"


def opened(kept: KeptSilence) -> Silence | str:
    """Return a silence as it is asked, or in a sentence why it cannot be used."""
    clauses: list[Clause] = []
    for clause in clauses_of(kept.match):
        if isinstance(clause, str):
            return clause
        clauses.append(clause)
    return Silence(
        id=kept.id,
        rule=kept.rule,
        match=tuple(clauses),
        since=kept.since,
        until=kept.until,
        why=kept.why,
        by=kept.by,
    )


def add(transaction: Transaction, order: Order, now: datetime) -> KeptSilence:
    """Keep a silence; raises ControlError where it could not be used."""
    since = now if order.since is None else datetime.fromisoformat(order.since)
    lasts = timedelta(seconds=order.seconds)
    until = since + lasts if order.until is None else datetime.fromisoformat(order.until)
    while True:
        new = KeptSilence(
            id=secrets.token_hex(_SHORT),
            rule=order.rule,
            match=order.match,
            since=since,
            until=until,
            why=order.why,
            by=order.by,
        )
        problem = opened(new)
        if isinstance(problem, str):
            raise ControlError(problem)
        if transaction.add_silence(new):
            return new


class Silences:
    """The silences that may still mute something."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._clock = clock
        #: What is asked when an event is decided; replaced as a whole.
        self.in_force: tuple[Silence, ...] = ()
        #: Those that have been reported as not to be used.
        self._reported: set[str] = set()
        self._changes = writer.lane(self._change, rank=Rank.REST, most=1, committed=self._take_over)

    async def load(self) -> None:
        """Read them anew.  Raises StoreUnavailable, as all of these do."""
        await self._ask(lambda _transaction: None)

    async def add(self, order: Order) -> KeptSilence:
        """Mute from now on; raises ControlError where it cannot be used."""
        kept: KeptSilence = await self._ask(partial(add, order=order, now=self._clock.now()))
        logger.info("silence=%s rule=%s until=%s added", kept.id, kept.rule or "*", kept.until.isoformat())
        return kept

    async def end(self, silence: str, by: str) -> bool:
        """Let one hold no more; False where it is over already."""
        has_ended: bool = await self._ask(
            partial(Transaction.end_silence, silence=silence, by=by, now=self._clock.now())
        )
        if has_ended:
            logger.info("silence=%s ended", silence)
        return has_ended

    async def carry_over(self, renamed: Mapping[str, str]) -> None:
        """Let those of rules, by their old ids, hold for the new ones."""
        theirs = [one for one in self.in_force if one.rule in renamed]
        if theirs:
            self.in_force += tuple(replace(one, rule=renamed[one.rule]) for one in theirs)
            await self._ask(partial(Transaction.rename_silences, renamed=renamed))

    async def purge(self, before: datetime) -> None:
        """Forget those that were over before this moment."""
        await self._ask(partial(Transaction.purge_silences, before=before))

    # --- what operators ask -------------------------------------------------------------------------------

    async def on_add(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Add one for a command; `arguments` is an Order."""
        try:
            kept = await self.add(Order(**arguments))
        except StoreUnavailable as error:
            raise ControlError(str(error)) from error
        return {"id": kept.id}

    async def on_end(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """End one for a command."""
        try:
            return {"ended": await self.end(str(arguments.get("id")), str(arguments.get("by")))}
        except StoreUnavailable as error:
            raise ControlError(str(error)) from error

    # --- in the writer's thread ---------------------------------------------------------------------------

    async def _ask(self, change: Callable[[Transaction], Any]) -> Any:
        answer, _ = await self._changes.ask(change)
        return answer

    def _change(
        self, transaction: Transaction, changes: list[Callable[[Transaction], Any]]
    ) -> list[tuple[Any, list[KeptSilence]]]:
        answers = [change(transaction) for change in changes]
        kept = transaction.silences(self._clock.now() - CATCH_UP)
        return [(answer, kept) for answer in answers]

    def _take_over(
        self, _changes: list[Callable[[Transaction], Any]], answers: Sequence[tuple[Any, list[KeptSilence]]]
    ) -> None:
        usable: list[Silence] = []
        for kept in answers[-1][1]:
            silence = opened(kept)
            if isinstance(silence, Silence):
                usable.append(silence)
            elif kept.id not in self._reported:
                self._reported.add(kept.id)
                logger.error(
                    "silence=%s cannot be used any more, and mutes nothing; see: zennotify silences", kept.id
                )
        self.in_force = tuple(usable)
