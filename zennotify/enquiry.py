"""Asks Zenoti's API for the names that a message wants and that nobody knows.

Called by rulebook.py in a channel's thread, just before the message is written; what is found is kept as facts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from zennotify.clock import Clock
from zennotify.core.model import Zone
from zennotify.errors import StoreUnavailable
from zennotify.message import Want
from zennotify.store import Writer
from zennotify.store.schema import to_micros
from zennotify.store.transaction import Transaction
from zennotify.zenoti.api import DEADLINE, ZenotiApi
from zennotify.zenoti.facts import Lesson, key_of
from zennotify.zenoti.lookup import KINDS, Wanted
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import Names
from zennotify.zenoti.things import POINTERS

logger = logging.getLogger("zennotify.enquiry")

#: The lesson's event, where it was no event that taught it.
_API: Final = "api"
#: Calls for one message: an invoice names its guest, and a class needs its centre.
_MOST_CALLS: Final = 4


class Enquiry:
    """Looks things up for messages."""

    def __init__(self, api: ZenotiApi, writer: Writer, clock: Clock, class_times: Zone) -> None:
        self._api = api
        self._writer = writer
        self._clock = clock
        self._class_times = class_times
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Get ready; in the loop that the look-ups will run in."""
        self._loop = asyncio.get_running_loop()
        await self._api.start()

    async def close(self) -> None:
        """End what is being asked."""
        await self._api.close()

    def forget(self) -> None:
        """Forget the answers that are still at hand: a guest's may be among them."""
        self._api.forget()

    def fill(self, several: Sequence[Names], memory: Memory, wants: Collection[Want]) -> str:
        """Teach the memory what is wanted of these events, as far as it can be found for one message.

        Returns why something could not be, or nothing.
        """
        asked: set[Wanted] = set()
        until = time.monotonic() + DEADLINE.total_seconds()
        reason = ""
        while len(asked) < _MOST_CALLS:
            wanted = next(filter(None, (_next(names, wants, asked) for names in several)), None)
            left = until - time.monotonic()
            if wanted is None or left <= 0 or self._loop is None:
                break
            asked.add(wanted)
            look_up = self._api.look_up(wanted, timedelta(seconds=left) if len(asked) > 1 else DEADLINE)
            answer = asyncio.run_coroutine_threadsafe(look_up, self._loop).result()
            reason = reason or answer.reason
            if answer.things:
                self._learn(memory, answer.things)
                for names in several:
                    names.renew()
        return reason if reason and any(names.unknown(wants) for names in several) else ""

    def _learn(self, memory: Memory, things: Mapping[str, Mapping[str, Any]]) -> None:
        at = to_micros(self._clock.now())
        lessons = {key: Lesson(at, _API, dict(values)) for key, values in things.items()}
        memory.teach(lessons)
        assert self._loop is not None, "only then was anything asked"  # noqa: S101
        keeping = self._writer.call(_keep, lessons, self._clock.now(), self._class_times)
        kept = asyncio.run_coroutine_threadsafe(keeping, self._loop)
        try:
            kept.result()
        except StoreUnavailable:  # it is asked again when it is wanted again
            logger.warning("what Zenoti's API said could not be kept")


def _keep(transaction: Transaction, lessons: Mapping[str, Lesson], now: datetime, class_times: Zone) -> None:
    memory = Memory(transaction.facts, class_times)
    memory.prepare(lessons)
    memory.teach(lessons)
    changes = memory.changes()
    if changes is not None:
        transaction.save_facts(changes, now)


def _next(names: Names, wants: Collection[Want], asked: Collection[Wanted]) -> Wanted | None:
    """Return what is to be asked for next: a thing of which nothing is known, or one that may name it."""
    for kind in names.unknown(wants):
        for source in (kind, *POINTERS[kind]):
            id_ = names.id_of(source) if source in KINDS else None
            if not isinstance(id_, str | int) or key_of(source, id_) is None:
                continue
            center = names.id_of("center") if source == "session" else None
            wanted = Wanted(source, id_, None if center is None else str(center))
            if wanted not in asked and (source != "session" or center is not None):
                return wanted
    return None
