"""Stand-ins that several tests share: a clock that moves when told to, and small factories."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from zennotify.core.decide import Examined, conclude
from zennotify.core.match import Clause, make_clause
from zennotify.core.model import Event, Names, Predicate
from zennotify.core.once import Once
from zennotify.core.path import parse_path
from zennotify.core.rule import Rule, RuleSet
from zennotify.core.scene import Decision, Scene
from zennotify.core.stale import Stale
from zennotify.core.window import Window, WindowKey, Windows

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
#: Passes of the loop that are enough for what was woken to fall asleep again, where no thread takes part.
_PASSES = 50


class FakeClock:
    """A `clock.Clock` whose time stands still until `advance`."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._sleepers: dict[asyncio.Event, datetime] = {}

    def now(self) -> datetime:
        return self._now

    @property
    def alarms(self) -> list[datetime]:
        """The moments that somebody sleeps until."""
        return list(self._sleepers.values())

    def set_back(self, by: timedelta) -> None:
        """Put the clock back, as a time server does; who sleeps until a moment looks at the clock again in time."""
        self._now -= by
        for alarm in self._sleepers:
            alarm.set()
        self._sleepers.clear()

    async def sleep_until(self, when: datetime | None, wake: asyncio.Event) -> None:
        if not wake.is_set() and (when is None or when > self._now):
            await self._until_either(wake, when)
        wake.clear()

    async def advance(self, by: timedelta) -> None:
        """Move to each moment at which somebody wakes, in turn, and then to the end.

        Returns when the loop has nothing left to do at once.  What goes on in threads is not waited for: a test
        of such code waits for what it did.
        """
        end = self._now + by
        await let_loop_work()
        while due := [when for when in self._sleepers.values() if when <= end]:
            self._move(min(due))
            await let_loop_work()
        self._move(end)
        await let_loop_work()

    def _move(self, now: datetime) -> None:
        self._now = max(now, self._now)
        for alarm, when in list(self._sleepers.items()):
            if when <= self._now:
                del self._sleepers[alarm]
                alarm.set()

    async def _until_either(self, wake: asyncio.Event, when: datetime | None) -> None:
        alarm = asyncio.Event()
        if when is not None:
            self._sleepers[alarm] = when
        waits = [asyncio.ensure_future(event.wait()) for event in (wake, alarm)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sleepers.pop(alarm, None)
            for wait in waits:
                wait.cancel()


async def let_loop_work() -> None:
    """Let the loop do what it can do at once."""
    for _ in range(_PASSES):
        await asyncio.sleep(0)


def make_event(
    event_type: str = "Class.Booking.NoShow",
    data: Mapping[str, Any] | None = None,
    *,
    id_: str = "e1",
    at: datetime | None = START,
    received_at: datetime = START,
) -> Event:
    return Event(
        id=id_,
        event_id=f"zenoti-{id_}",
        type=event_type,
        kind=event_type.casefold(),
        at=at,
        received_at=received_at,
        data=data or {},
    )


def make_names(**data: Any) -> Names:
    """The names of an event with this `data`, and nothing else."""
    return {"data": data}


def concluded(
    examined: Sequence[Examined],
    names: Names,
    rules: RuleSet,
    windows: Mapping[WindowKey, Window],
    now: datetime,
) -> tuple[list[Decision], dict[WindowKey, Window]]:
    """What an event that has just happened leads to, and the windows that changed."""
    overlay = Windows(windows, lambda: 1)
    scene = Scene(names=names, rules=rules, windows=overlay, at=now, now=now)
    decisions, _ = conclude(examined, scene)
    return decisions, {key: window for key, window in overlay.changed.items() if window is not None}


def compile_regex(pattern: str) -> Callable[[str], bool]:
    """What rulefile gives to the core, on Python's engine."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"this regex cannot be used: {error}") from None
    return lambda text: compiled.search(text) is not None


def clause(path: str, wanted: Any) -> Clause:
    return make_clause(parse_path(path), wanted, compile_regex)


def make_rule(
    id_: str = "r",
    *events: str,
    match: Mapping[str, Any] | None = None,
    when: Predicate | None = None,
    once: Once | None = None,
    notify: tuple[str, ...] = ("desk",),
    enabled: bool = True,
    stale: Stale | None = None,
    **stages: Any,
) -> Rule:
    return Rule(
        id=id_,
        enabled=enabled,
        events=events or ("class.booking.noshow",),
        match=tuple(clause(path, wanted) for path, wanted in (match or {}).items()),
        when=when,
        once=once,
        notify=notify,
        stale=stale,
        **stages,
    )


def meets(rule: Rule, names: Names) -> bool:
    """Ask every clause of a rule's `match`, without an index."""
    return all(clause.holds(names) for clause in rule.match)


def make_once(*per: str, period: timedelta = timedelta(hours=1)) -> Once:
    return Once(per=tuple(parse_path(path) for path in per), period=period)
