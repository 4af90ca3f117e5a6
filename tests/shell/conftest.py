"""What the tests of the shell share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.books import Books
from tests.carrying import World
from tests.timelines import Make, Timeline
from zennotify.core.rule import Rule


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes timelines, and ends them."""
    made: list[Timeline] = []

    def timeline(*rules: Rule, **more: Any) -> Timeline:
        made.append(Timeline(tmp_path, *rules, **more))
        return made[-1]

    yield timeline
    for one in made:
        await one.close()
