"""What is kept of a rule set in the store."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.fakes import make_rule
from zennotify.core.absent import Absent
from zennotify.core.rule import RuleSet
from zennotify.rulebook import _kept, _of_windows, kept_sources
from zennotify.rulefile import Sources


@pytest.mark.parametrize("centers", [None, "", "centers: {}\n"])
def test_a_kept_set_is_read_again_with_its_centres(centers: str | None) -> None:
    sources = Sources(rules={"a.yaml": "x"}, templates={"t.j2": "y"}, centers=centers)
    assert kept_sources(_kept(sources)) == sources
    assert kept_sources(_kept(sources)).hash == sources.hash


def test_a_set_that_was_kept_before_there_were_centres_is_read() -> None:
    kept = json.dumps({"rules": {"a.yaml": "x"}, "templates": {}})
    assert kept_sources(kept) == Sources(rules={"a.yaml": "x"}, templates={})


RULES = RuleSet(
    "h",
    (
        make_rule("on"),
        make_rule("off", enabled=False),
        make_rule("watch", enabled=False, absent=Absent(period=timedelta(hours=2))),
        make_rule("new", renamed_from="old"),
    ),
)


@pytest.mark.parametrize(
    ("rule", "count", "says"),
    [
        ("on", 3, ""),
        ("watch", 1, ""),
        ("old", 2, ""),
        ("off", 1, "the rule `off` is switched off, but a window of it is open: nothing is told of them"),
        (
            "nev",
            2,
            "there is no rule `nev` any more, but 2 windows of it are open: the rule as it was goes on with what "
            "waits; where it has a new id, write `renamed_from: nev` there; did you mean `new`?",
        ),
    ],
)
def test_a_reload_says_what_becomes_of_open_windows(rule: str, count: int, says: str) -> None:
    assert _of_windows(rule, count, RULES) == says
