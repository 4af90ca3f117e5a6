"""An event whose decision ends the process is given up after three starts, and those behind it are decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.daemon import Daemon, numbered
from tests.sinks import HttpSink, Received
from zennotify.decider import MOST_TRIES

RULES = """
rules:
  - {id: every-event, description: Any event, event: "*", notify: desk, message: "number {{ data.number }}"}
"""
#: The daemon with a failpoint: deciding the marked event ends the process as a kill would.
POISONED = """
import os
import zennotify.decider.batch as decider
from zennotify.cli import main

examine = decider.examine

def deadly(event, names, rules):
    if event.data.get("number") == 2:
        os._exit(137)
    return examine(event, names, rules)

decider.examine = deadly
main()
"""


def test_a_poison_event_is_failed_after_three_starts_and_the_others_are_decided(tmp_path: Path) -> None:
    with HttpSink() as sink:
        daemon = Daemon(
            tmp_path, channels={"desk": {"url": sink.url()}}, rules="rules: [", command=("-c", POISONED)
        )
        daemon.start()
        for number in (1, 2, 3):  # they wait, there are no rules yet
            assert daemon.post(numbered(number))[0] == 200
        daemon.kill()
        (tmp_path / "rules.yaml").write_text(RULES)
        for _ in range(MOST_TRIES):
            with pytest.raises(RuntimeError, match="ended with 137"):
                start_and_wait(daemon)
        daemon.start()
        # The message of the first may have been under way at a death, and is then sent twice.
        assert sink.wait_until(lambda got: texts(got) == {"number 1", "number 3"}), texts(sink.received)
        daemon.stop()
        states = {event["event_id"]: event["state"] for event in daemon.json("events")}
        assert states == {"event-1": "decided", "event-2": "failed", "event-3": "decided"}
        [failed] = daemon.json("events", "list", "--reason", "failed")
        assert failed["decisions"][0]["detail"] == "deciding it ended zennotify 3 times"


def texts(received: list[Received]) -> set[str]:
    return {got.first_line for got in received}


def start_and_wait(daemon: Daemon) -> None:
    """Start it and see it die, before or after it was ready."""
    daemon.start()
    code = daemon.wait()
    raise RuntimeError(f"the daemon ended with {code}")
