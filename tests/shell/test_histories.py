"""No order of crash, restart, reload, trouble and repeat makes a window fire twice, never, or early.

Random histories on a real store are held against the same events on paper, where nothing ever goes wrong.
ZENNOTIFY_HISTORIES says how many there are.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import onpaper
from tests.fakes import START
from tests.timelines import HOUR, MINUTE, SECOND, Timeline, a_rule, a_wait, an_absence, per
from zennotify.core.digest import Digest
from zennotify.core.escalation import Step
from zennotify.core.once import Once
from zennotify.core.suppression import SuppressedBy
from zennotify.core.threshold import Threshold
from zennotify.errors import StoreUnavailable

HISTORIES = int(os.environ.get("ZENNOTIFY_HISTORIES", "25"))
BY_KEY = per("data.key")
RULES = (
    a_rule("frozen", "Frozen", wait=a_wait(10 * MINUTE, "Back")),
    a_rule("summary", "Frozen", "Cancelled", digest=Digest(every=15 * MINUTE)),
    a_rule("first", "Cancelled", digest=Digest(every=7 * MINUTE, immediate=True, per=BY_KEY)),
    a_rule(
        "long",
        "Frozen",
        wait=a_wait(5 * MINUTE, "Back", by=""),
        once=Once(per=BY_KEY, period=20 * MINUTE),
        digest=Digest(every=10 * MINUTE, per=BY_KEY),
    ),
    a_rule("closed", "Back", absent=an_absence(12 * MINUTE)),
    a_rule(
        "often",
        "Cancelled",
        threshold=Threshold(count=2, within=HOUR, per=BY_KEY),
        escalate=(Step(3 * MINUTE, ("boss",)), Step(9 * MINUTE, ("owner",))),
    ),
    a_rule("muted", "Frozen", suppressed=SuppressedBy(rule="often", same=BY_KEY, within=30 * MINUTE)),
)
#: What else the rule files may say; it changes nothing about the others.
OTHERS = [(), (a_rule("other", "Other"),), (a_rule("other", "Other", wait=a_wait(MINUTE)),)]

_KEYS = st.sampled_from("ab")
_TYPES = st.sampled_from(["Frozen", "Cancelled", "Back", "Other"])
_SPANS = st.sampled_from([0, 1, 59, 60, 180, 299, 300, 420, 600, 700, 900, 1500])
_STEPS = st.one_of(
    st.tuples(st.just("post"), _TYPES, _KEYS, st.sampled_from([0, 0, 0, 30, 400])),
    st.tuples(st.just("post"), _TYPES, _KEYS, st.just(0)),
    st.tuples(st.just("repeat")),
    st.tuples(st.just("pass"), _SPANS),
    st.tuples(st.just("sleep"), _SPANS),
    st.tuples(st.just("restart"), _SPANS),
    st.tuples(st.just("crash"), _SPANS),
    st.tuples(st.just("crash while deciding"), _TYPES, _KEYS),
    st.tuples(st.just("reload"), st.integers(0, len(OTHERS) - 1)),
    st.tuples(st.just("unavailable")),
    st.tuples(st.just("fault")),
)


class Histories:
    """One history: on the store, where much goes wrong, and on paper, where nothing does."""

    def __init__(self, folder: Path) -> None:
        self.real = Timeline(folder, *RULES)
        self.paper = onpaper.Timeline(*RULES, a_rule("other", "Other"))
        self._last: tuple[str, str, datetime] | None = None

    async def do(self, step: tuple[Any, ...]) -> None:
        name, *arguments = step
        await getattr(self, f"_{name.replace(' ', '_')}")(*arguments)

    async def _post(self, event_type: str, key: str, late: int = 0) -> None:
        now = self.real.clock.now()
        at = now - late * SECOND
        self._last = event_type, key, at
        self._arrive(event_type, key, at)
        await self.real.accept(event_type, key, at=at, name=f"event {len(self.paper.events)}")
        await self.real.settle()

    def _arrive(self, event_type: str, key: str, at: datetime) -> None:
        self.paper.arrive(self.real.clock.now(), event_type, at=at, key=key)

    async def _repeat(self) -> None:
        if self._last is not None:
            event_type, key, at = self._last
            receipt = await self.real.repeat(event_type, key, at=at, name=f"event {len(self.paper.events)}")
            assert receipt.status == "duplicate"

    async def _pass(self, seconds: int) -> None:
        await self.real.pass_time(seconds * SECOND)

    async def _sleep(self, seconds: int) -> None:
        """Nobody wakes, as on a machine that was suspended."""
        self.real.skip(seconds * SECOND)

    async def _restart(self, seconds: int) -> None:
        self.real.skip(seconds * SECOND)
        await self.real.restart()
        await self.real.settle()

    async def _crash(self, seconds: int) -> None:
        """Die in the first transaction that fires something."""
        self.real.process.crashes = True
        await self.real.pass_time(seconds * SECOND)
        await self._start_again()

    async def _crash_while_deciding(self, event_type: str, key: str) -> None:
        await self.real.settle()
        self.real.process.crashes = True
        await self._post(event_type, key)
        await self._start_again()

    async def _start_again(self) -> None:
        await self.real.restart()
        await self.real.settle()

    async def _reload(self, place: int) -> None:
        self.real.reload(*RULES, *OTHERS[place])

    async def _unavailable(self) -> None:
        self.real.process.raises = StoreUnavailable("the disk is full")

    async def _fault(self) -> None:
        self.real.process.raises = ValueError("somebody else's fault")

    async def end(self) -> None:
        self.real.process.raises = None
        await self.real.settle()
        await self.real.pass_time(3 * HOUR)
        self.paper.until(self.real.clock.now())


def told(history: Histories) -> list[tuple[Any, ...]]:
    """What the rules that never change came to, on the store."""
    return sorted(
        (one.rule, one.about, one.due, one.created, one.counted, one.step)
        for one in history.real.owed()
        if one.rule != "other"
    )


def on_paper(history: Histories) -> list[tuple[Any, ...]]:
    keys = {event.id: str(event.data["key"]) for event in history.paper.events}
    return sorted(
        (
            one.rule,
            " ".join(keys[event] for event in one.events),
            one.due - START,
            one.decided - START,
            one.counted,
            one.step,
        )
        for one in history.paper.kept.sent
        if one.rule != "other"
    )


def reasons(history: Histories) -> list[tuple[str, str]]:
    return sorted(made for made in history.real.decisions() if made[0] != "other")


async def live(folder: Path, steps: Sequence[tuple[Any, ...]]) -> None:
    history = Histories(folder)
    try:
        for step in steps:
            await history.do(step)
        await history.end()
        assert told(history) == on_paper(history)
        paper = sorted(
            (rule, reason) for (_, rule), (reason, _) in history.paper.kept.became.items() if rule != "other"
        )
        assert reasons(history) == paper
        assert not [timer for timer in history.real.timers() if timer[0] != "other"]
        assert not history.real.troubles()
    finally:
        await history.real.close()


@settings(max_examples=HISTORIES)
@given(st.lists(_STEPS, min_size=1, max_size=20))
def test_whatever_goes_wrong_every_window_fires_once_at_its_moment(steps: list[tuple[Any, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        patched.setattr("zennotify.store.writer._PAUSE", 0.001)
        asyncio.run(live(Path(folder), steps))
