"""The same daemon on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.daemon import Daemon
from tests.sinks import HttpSink
from zennotify.zenoti.sample import load_sample

RULES = """
rules:
  - {id: every-event, event: "*", once: {per: data.invoice_id, for: 1h}, notify: desk, message: x}
"""


def test_the_daemon_works_on_postgresql_and_survives_a_kill(tmp_path: Path, postgres_url: str) -> None:
    with HttpSink() as sink:
        daemon = Daemon(
            tmp_path, channels={"desk": {"url": sink.url()}}, rules=RULES, store={"url": postgres_url}
        )
        try:
            daemon.start()
            event = load_sample("AppointmentGroup.Status")
            assert daemon.post(event)[1]["status"] == "accepted"
            assert daemon.post(event)[1]["status"] == "duplicate"
            sink.wait_for(1)
            while daemon.json("deliveries")[0]["state"] != "delivered":
                pass  # a kill before that would rightly send it again
            daemon.kill()
            daemon.start()
            assert (
                daemon.post({**event, "id": "x", "event_id": "x", "event_timestamp": "2026-01-01T00:00:00Z"})[
                    0
                ]
                == 200
            )
            daemon.stop()
            listed = daemon.json("events")
            assert sorted(one["decisions"][0]["reason"] for one in listed) == ["held_back", "notified"]
            assert daemon.json("deliveries")[0]["state"] == "delivered"
        finally:
            daemon.kill()
