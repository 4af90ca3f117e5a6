"""Every event that Zenoti documents goes the whole way, and its message has names, words and local times only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon
from tests.sinks import HttpSink
from zennotify.zenoti.sample import load_sample, sample_names

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
    texts = [_REF.sub("", received.json["message"]) for received in sink.received]
    assert len(texts) == len(samples)
    years = re.compile(r", 20\d\d")
    for text in texts:
        assert "This is the plain form" not in text, text
        assert _ID.search(years.sub("", text)) is None, text
