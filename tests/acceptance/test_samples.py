"""Every event that Zenoti documents goes the whole way, and its message has names, words and local times only."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon
from tests.fakes import START
from tests.sinks import HttpSink
from zennotify.core.model import Zone
from zennotify.store import open_reader
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.facts import keys_of, teaches
from zennotify.zenoti.sample import load_sample, sample_names
from zennotify.zenoti.story import STORIES, tell
from zennotify.zenoti.things import things_of

RULES = """
rules:
  - id: every-event
    event: "*"
    notify: desk
    message: >-
      {{ guest.name }} / {{ center.name }} / {{ session.name }} / {{ session.start | local }} /
      {{ group.services | join(", ") if group.services else "no services" }} / {{ group.start | local }} /
      {{ group.status | word }} / {{ employee.name }} / {{ membership.name }} / {{ membership.expiry | local | date }} /
      {{ package.name }} / {{ package.status | word }} / {{ data.status | word if data.status is defined }}
"""
_REF = re.compile(r"\n*Ref [0-9a-f]{8}\n*$")
#: Ids, and codes that nobody turned into words.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}|[0-9a-f]{24}|(?<![\d:,.-])-?\d{4,}(?![\d:])", re.IGNORECASE)


def unlike(sample: str, number: int) -> dict[str, Any]:
    """The sample as an event of its own: those without an envelope share one."""
    return {**load_sample(sample), "id": f"id-{number}", "event_id": f"event-{number}"}


def taught_by(body: dict[str, Any]) -> set[str]:
    """The things that an event teaches something of."""
    event = reopen(json.dumps(body).encode(), START, Reading(Zone.CENTER), "")
    things = things_of(event)
    return {key for key, _ in teaches(event, things, keys_of(things), 0)}


@pytest.fixture
def sink() -> Any:
    with HttpSink() as sink:
        yield sink


def test_every_sample_is_said_without_an_id_or_a_code(tmp_path: Path, sink: HttpSink) -> None:
    daemon = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES)
    samples = sample_names()
    try:
        daemon.start()
        for number, sample in enumerate(samples):
            assert daemon.post(unlike(sample, number))[1]["status"] == "accepted", sample
        sink.wait_for(len(samples))
        assert daemon.stop() == 0
        listed = daemon.json("events", "list", "--limit", "100")
    finally:
        daemon.kill()
    assert {one["decisions"][0]["reason"] for one in listed} == {"notified"}
    assert {one["type"] for one in listed} == {load_sample(sample)["event_type"] for sample in samples}
    reader = open_reader(f"sqlite:///{tmp_path / 'zennotify.db'}")
    for number, sample in enumerate(samples):
        taught = taught_by(unlike(sample, number))
        assert reader.facts(taught).keys() == taught, sample
    reader.close()
    texts = [_REF.sub("", received.json["message"]) for received in sink.received]
    assert len(texts) == len(samples)
    years = re.compile(r", 20\d\d")
    for text in texts:
        assert "This is the plain form" not in text, text
        assert _ID.search(years.sub("", text)) is None, text


@pytest.mark.parametrize(
    ("story", "words"),
    [
        ("no-show", "Nora Field / Bellevue"),
        ("class-cancelled", "Yoga"),
        ("membership-saved", "Mia Brook"),
    ],
)
def test_the_last_event_of_a_story_says_what_the_first_ones_taught(
    tmp_path: Path, sink: HttpSink, story: str, words: str
) -> None:
    daemon = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES)
    try:
        daemon.start()
        done = daemon.cli("simulate", "--story", story)
        assert done.returncode == 0, done.stderr
        sink.wait_for(len(STORIES[story].steps))
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    last = max(daemon.json("events"), key=lambda one: one["at"])
    [delivery] = last["decisions"][0]["deliveries"]
    [shown] = daemon.json("deliveries", "show", delivery["id"])
    assert words in shown["message"]


def test_a_story_that_is_not_there_is_said_with_the_nearest(tmp_path: Path, sink: HttpSink) -> None:
    done = Daemon(tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES).cli(
        "simulate", "--story", "noshow"
    )
    assert done.returncode == 2
    assert "did you mean `no-show`?" in done.stderr


def test_the_events_of_a_story_are_of_one_occasion() -> None:
    first, *_, last = tell(STORIES["no-show"], START)
    assert first["data"]["appointment_group_id"] == last["data"]["appointment_group_id"]
    assert first["event_id"] != last["event_id"]
    assert first["event_timestamp"] < last["event_timestamp"]
