"""Kills the daemon between a window's opening and its due time, and counts what each window has led to.

Nothing is being sent at a kill, so that nothing excuses a message that comes twice.  `make timers N=50` runs it
longer; ZENNOTIFY_OPEN_KILLS says how many kills there are.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from time import monotonic

from tests.acceptance.daemon import Daemon, numbered
from tests.sinks import HttpSink, Received

KILLS = int(os.environ.get("ZENNOTIFY_OPEN_KILLS", "5"))
SEED = int(os.environ.get("ZENNOTIFY_SEED", str(random.SystemRandom().randrange(2**32))))
#: Events of one life at most; they take far less than the shortest window.
MOST_PER_LIFE = 40
#: Each rule, and how long its windows are open; seconds.
PERIODS = {"wait-1": 1, "wait-2": 2, "digest-1": 1, "digest-2": 2}
RULES = """
rules:
  - id: wait-1
    event: Invoice.Closed
    wait: {for: 1s, per: data.number}
    notify: sink
    message: "wait-1 {{ data.number }}"
  - id: wait-2
    event: Invoice.Closed
    wait: {for: 2s}
    notify: sink
    message: "wait-2 {{ data.number }}"
  - id: digest-1
    event: Invoice.Closed
    digest: {every: 1s}
    notify: sink
    message: "digest-1{% for one in events %} {{ one.data.number }}{% endfor %}"
  - id: digest-2
    event: Invoice.Closed
    digest: {every: 2s, per: data.number}
    notify: sink
    message: "digest-2{% for one in events %} {{ one.data.number }}{% endfor %}"
"""


def told(received: Received) -> tuple[str, list[int]]:
    """The rule that a message is of, and the events that it tells of."""
    rule, *numbers = received.first_line.split()
    return rule, [int(number) for number in numbers]


def counted(received: list[Received]) -> Counter[tuple[str, int]]:
    return Counter((rule, number) for rule, numbers in map(told, received) for number in numbers)


class Lives:
    """Many lives of one daemon; each opens windows, and ends before the first one of them is due."""

    def __init__(self, folder: Path, sink: HttpSink) -> None:
        self.daemon = Daemon(folder, channels={"sink": {"url": sink.url()}}, rules=RULES)
        self.sink = sink
        #: When each event was posted, by its number.
        self.posted: list[float] = []
        self._random = random.Random(SEED)

    def start(self) -> None:
        """Start a life, in which all comes that the ones before have opened."""
        self.daemon.start()
        wanted = {(rule, number) for rule in PERIODS for number in range(len(self.posted))}
        assert self.sink.wait_until(lambda received: counted(received).keys() >= wanted)
        self._wait_until_settled()

    def _wait_until_settled(self) -> None:
        with closing(sqlite3.connect(self.daemon.folder / "zennotify.db")) as store:
            until = monotonic() + 10
            while store.execute("SELECT count(*) FROM deliveries WHERE state != 'delivered'").fetchone()[0]:
                assert monotonic() < until

    def open_and_die(self) -> None:
        """Open windows until a random moment, and be killed while all of them are open."""
        began = monotonic()
        for _ in range(self._random.randint(1, MOST_PER_LIFE)):
            number = len(self.posted)
            self.posted.append(monotonic())
            assert self.daemon.post(numbered(number))[0] == 200
        self.daemon.kill()
        assert monotonic() - began < min(PERIODS.values()), "the machine is too slow for windows of a second"

    def early(self) -> list[tuple[str, int]]:
        """The messages that came before their time."""
        return [
            (rule, number)
            for received in self.sink.received
            for rule, numbers in [told(received)]
            # A digest is open from its first event on.
            for number in numbers[:1]
            if received.at < self.posted[number] + PERIODS[rule]
        ]


def test_each_window_fires_once_when_the_daemon_is_killed_while_it_is_open(tmp_path: Path) -> None:
    with HttpSink() as sink:
        lives = Lives(tmp_path, sink)
        for _ in range(KILLS):
            lives.start()
            lives.open_and_die()
        lives.start()
        assert lives.daemon.stop() == 0
        found = counted(sink.received)
    events, messages = len(lives.posted), len(sink.received)
    sys.stdout.write(f"\n{KILLS} kills, seed {SEED}: {events} events, {messages} messages\n")
    assert found.keys() == {(rule, number) for rule in PERIODS for number in range(len(lives.posted))}
    assert {one: times for one, times in found.items() if times != 1} == {}
    assert not lives.early()
    assert not re.findall("ERROR|Traceback", lives.daemon.log)
