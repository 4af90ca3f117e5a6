"""What many messages ask for is read once in ten seconds; what one asks for, each time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta

from tests.fakes import FakeClock
from zennotify.recent import RecentFacts


def test_centres_are_read_once_in_a_while_and_guests_each_time() -> None:
    clock = FakeClock()
    asked: list[list[str]] = []
    kept = {"center c": "[1]", "guest g": "[2]"}

    def read(keys: Collection[str]) -> dict[str, str]:
        asked.append(list(keys))
        return {key: kept[key] for key in keys if key in kept}

    facts = RecentFacts(read, clock)
    assert facts.read(["center c", "guest g", "offset c 1"]) == kept
    assert facts.read(["center c", "guest g"]) == kept
    assert facts.read(["offset c 1"]) == {}
    assert asked == [["center c", "guest g", "offset c 1"], ["guest g"]]
    kept["center c"] = "[3]"
    asyncio.run(clock.advance(timedelta(seconds=10)))
    assert facts.read(["center c"]) == {"center c": "[3]"}
