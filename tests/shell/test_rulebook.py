"""What is kept of a rule set in the store."""

from __future__ import annotations

import json

import pytest

from zennotify.rulebook import _kept, kept_sources
from zennotify.rulefile import Sources


@pytest.mark.parametrize("centers", [None, "", "centers: {}\n"])
def test_a_kept_set_is_read_again_with_its_centres(centers: str | None) -> None:
    sources = Sources(rules={"a.yaml": "x"}, templates={"t.j2": "y"}, centers=centers)
    assert kept_sources(_kept(sources)) == sources
    assert kept_sources(_kept(sources)).hash == sources.hash


def test_a_set_that_was_kept_before_there_were_centres_is_read() -> None:
    kept = json.dumps({"rules": {"a.yaml": "x"}, "templates": {}})
    assert kept_sources(kept) == Sources(rules={"a.yaml": "x"}, templates={})
