"""Tells the owners about zennotify's own troubles, through the channels named in `ops`.

Called by whoever meets a trouble, from any thread.  A trouble is told once an hour; the message after that says
how often it came back.  It travels through the outbox like every other message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from zennotify.clock import Clock
from zennotify.core.model import Form, Room
from zennotify.core.once import Once, pass_once
from zennotify.core.window import Window, WindowKey
from zennotify.message import notice
from zennotify.store import Rank, Writer
from zennotify.store.number import delivery_id
from zennotify.store.rows import NewDelivery
from zennotify.store.transaction import Transaction

#: The name under which these deliveries and windows are kept; no rule can have it.
OPS = "(ops)"
_ONCE = Once(per=(), period=timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class _Trouble:
    kind: str
    title: str
    text: str
    but_not_by: str
    clears: str
    now: datetime


class Ops:
    """The way to the owners."""

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        told: Sequence[str],
        channels: Mapping[str, tuple[Form, Room]],
        wake: Callable[[set[str]], None],
        reaching: Callable[[str, str], str | None] = lambda name, but_not_by: (
            name if name != but_not_by else None
        ),
    ) -> None:
        """Tell the channels named in `told`.

        `channels` says how messages for any channel are written; `reaching` which one to use for one of those told,
        where it cannot send now, or is itself the trouble.
        """
        self._clock = clock
        self._told = told
        self._channels = channels
        self._wake = wake
        self._reaching = reaching
        self._troubles = writer.lane(
            self._keep, rank=Rank.REST, most=64, committed=self._kept, failed=self._not_kept
        )
        #: The kinds that wait to be told: a flood of one kind must not fill the memory.
        self._waiting: set[str] = set()

    def tell(self, kind: str, title: str, text: str, but_not_by: str = "", clears: str = "") -> None:
        """Tell a trouble; `kind` names it, so that it is not told again within the hour.

        `clears`: the kind of a trouble that is over with this, so that it is told again when it comes back.
        Title and text are for people, and hold no guest's data.  A channel's own failure is not told by it.
        """
        if self._told and kind not in self._waiting:
            self._waiting.add(kind)
            self._troubles.put(_Trouble(kind, title, text, but_not_by, clears, self._clock.now()))

    def _keep(self, transaction: Transaction, troubles: list[_Trouble]) -> list[None]:
        kinds = {kind for trouble in troubles for kind in (trouble.kind, trouble.clears)} - {""}
        keys = {kind: WindowKey(OPS, "once", kind) for kind in kinds}
        windows = transaction.windows(keys.values())
        for trouble in troubles:
            key = keys[trouble.kind]
            passes, held, windows[key] = pass_once(_ONCE, windows.get(key), trouble.now)
            if passes and trouble.clears:
                windows[keys[trouble.clears]] = Window(until=trouble.now)
            if passes:
                told = self._reached(trouble.but_not_by)
                numbers = count(transaction.next_number(trouble.now))
                transaction.add_deliveries(
                    [
                        self._delivery(trouble, held, name, delivery_id(number))
                        for number, name in zip(numbers, told, strict=False)
                    ]
                )
        transaction.save_windows(windows)
        return [None] * len(troubles)

    def _reached(self, but_not_by: str) -> list[str]:
        """Return the channels that tell a trouble, each once."""
        reached = (self._reaching(name, but_not_by) for name in self._told)
        return list(dict.fromkeys(name for name in reached if name is not None))

    def _kept(self, troubles: list[_Trouble], _answers: object) -> None:
        self._waiting -= {trouble.kind for trouble in troubles}
        self._wake(set(self._channels))

    def _not_kept(self, troubles: list[_Trouble], _error: Exception) -> None:
        """Forget them: the trouble will come again, and the store has more important things to do."""
        self._waiting -= {trouble.kind for trouble in troubles}

    def _delivery(self, trouble: _Trouble, held: int, channel: str, delivery: str) -> NewDelivery:
        form, room = self._channels[channel]
        again = f"\n\nIt happened {held} more times since the last message about it." if held else ""
        message = notice(
            form,
            title=f"zennotify: {trouble.title}",
            text=trouble.text + again,
            short_id=delivery[:8],
            room=room,
        )
        return NewDelivery(
            event=None,
            window=trouble.kind,
            rule=OPS,
            channel=channel,
            rule_set="",
            created=trouble.now,
            due=trouble.now,
            title=message.title,
            message=message.body,
        )
