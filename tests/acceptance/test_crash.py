"""Kills the daemon at random moments under load, and counts what is lost and what is doubled.

The checker is Jepsen's "total queue": a client notes what it tried and what was acknowledged, a real HTTP sink
notes what arrived.

    lost        acknowledged, but never sent
    unexpected  sent, but never posted
    doubled     sent more than once: allowed only for sends that were under way at a kill

`make crash N=1000` runs it longer; ZENNOTIFY_KILLS says how many kills there are.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.daemon import SECRET, Daemon
from tests.sinks import HttpSink, Received
from zennotify.zenoti.signature import sign

KILLS = int(os.environ.get("ZENNOTIFY_KILLS", "25"))
SEED = int(os.environ.get("ZENNOTIFY_SEED", str(random.SystemRandom().randrange(2**32))))
CLIENTS = 8
MOST_PER_LIFE = 300
RULES = """
rules:
  - {id: every-event, description: Any event, event: "*", notify: desk, message: "number={{ data.number }}="}
"""


@dataclass
class Ledger:
    """What the client knows."""

    tried: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    refused: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Verdict:
    """What the checker found."""

    tried: int
    acknowledged: int
    sent: int
    lost: list[int]
    unexpected: list[int]
    doubled: int
    #: Attempts that were under way at a kill: the most that may be doubled.
    unknown: int
    refused: dict[int, int]
    integrity: str

    @property
    def in_words(self) -> str:
        """The figures on one line."""
        return (
            f"tried {self.tried}, acknowledged {self.acknowledged}, sent {self.sent}, lost {len(self.lost)}, "
            f"unexpected {len(self.unexpected)}, doubled {self.doubled} (of at most {self.unknown}), "
            f"integrity {self.integrity}"
        )


class Client:
    """Posts numbered events over several connections while there is a daemon."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        self._port = port
        self._ledger = ledger
        self._next = 0
        #: No event from this number on is posted: the sink's pace, not the receiver's, bounds the whole run.
        self.last = 0

    async def run(self) -> None:
        """Post until cancelled, or until the daemon is gone."""
        await asyncio.gather(*(self._post_on_one_connection() for _ in range(CLIENTS)))

    async def _post_on_one_connection(self) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                while self._next < self.last:
                    number = self._next
                    self._next += 1
                    self._ledger.tried.add(number)
                    writer.write(request(number))
                    status = await read_status(reader)
                    if status == 200:
                        self._ledger.acknowledged.add(number)
                    else:
                        self._ledger.refused[status] += 1
            finally:
                writer.close()


def request(number: int) -> bytes:
    body = json.dumps(
        {
            "id": f"call-{number}",
            "event_id": f"event-{number}",
            "event_type": "Invoice.Closed",
            "event_timestamp": "2026-03-01T12:00:00Z",
            "data": {"number": number},
        }
    ).encode()
    head = (
        "POST /webhooks/zenoti HTTP/1.1\r\nHost: t\r\n"
        f"zenoti-webhook-signature: {sign(SECRET.encode(), body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def read_status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


class Run:
    """Many lives of one daemon."""

    def __init__(self, folder: Path, sink: HttpSink, command: Sequence[str]) -> None:
        channel = {"url": sink.url(), "retry": ["0s"] * 20}
        self.daemon = Daemon(folder, channels={"desk": channel}, rules=RULES, command=command)
        self.sink = sink
        self.ledger = Ledger()
        self._client = Client(self.daemon.port, self.ledger)
        self._random = random.Random(SEED)

    def live_and_die(self) -> None:
        """Start the daemon, post for a random while, and kill it."""
        self.daemon.start()

        async def load() -> None:
            self._client.last += MOST_PER_LIFE
            with suppress(TimeoutError):
                async with asyncio.timeout(self._random.uniform(0.02, 0.4)):
                    await self._client.run()
            self.daemon.kill()

        asyncio.run(load())

    def check(self) -> Verdict:
        """Let a last life send what is left, and count."""
        self.daemon.start()
        self._wait_until_idle()
        self.daemon.stop()
        sent = Counter(number_of(got) for got in self.sink.received)
        with sqlite3.connect(self.daemon.folder / "zennotify.db") as store:
            [(unknown,)] = store.execute("SELECT count(*) FROM attempts WHERE outcome = 'unknown'")
            [(integrity,)] = store.execute("PRAGMA integrity_check")
        store.close()
        return Verdict(
            tried=len(self.ledger.tried),
            acknowledged=len(self.ledger.acknowledged),
            sent=len(sent),
            lost=sorted(self.ledger.acknowledged - sent.keys()),
            unexpected=sorted(sent.keys() - self.ledger.tried),
            doubled=sum(sent.values()) - len(sent),
            unknown=unknown,
            refused=dict(self.ledger.refused),
            integrity=integrity,
        )

    def _wait_until_idle(self) -> None:
        """Wait until everything acknowledged has arrived, or nothing arrives any more."""
        came = -1
        while came < (now := len(self.sink.received)):
            came = now
            if self.sink.wait_until(self._all_arrived, 5):
                return

    def _all_arrived(self, received: list[Received]) -> bool:
        enough = len(received) >= len(self.ledger.acknowledged)
        return enough and self.ledger.acknowledged <= {number_of(got) for got in received}


def number_of(received: Received) -> int:
    return int(received.json["message"].split("=")[1])


def test_nothing_acknowledged_is_lost_however_often_the_daemon_is_killed(tmp_path: Path) -> None:
    with HttpSink() as sink:
        run = Run(tmp_path, sink, ("-m", "zennotify"))
        for _ in range(KILLS):
            run.live_and_die()
        verdict = run.check()
    sys.stdout.write(f"\n{KILLS} kills, seed {SEED}: {verdict.in_words}\n")
    assert not verdict.lost[:10]
    assert not verdict.unexpected[:10]
    assert verdict.doubled <= verdict.unknown
    assert verdict.refused == {}
    assert verdict.integrity == "ok"
    assert verdict.acknowledged > KILLS, "there was load"


#: The daemon with a planted bug: it acknowledges before the commit.
TOO_EARLY = """
import zennotify.intake as intake
from zennotify.cli import main

pending = set()

async def hold(self, lane, item):
    asked = lane.ask(item)
    pending.add(asked)
    asked.add_done_callback(pending.discard)
    return intake._Kept(intake.Receipt(status="accepted", event="0" * 32))

intake.Intake._hold = hold
main()
"""


def test_the_checker_finds_a_daemon_that_acknowledges_before_the_commit(tmp_path: Path) -> None:
    with HttpSink() as sink:
        run = Run(tmp_path, sink, ("-c", TOO_EARLY))
        for _ in range(40):
            run.live_and_die()
            if lost_so_far(run):
                break
        lost = lost_so_far(run)
    assert lost, "the planted bug was not found"


def lost_so_far(run: Run) -> set[int]:
    """Acknowledged events that the store does not have."""
    with sqlite3.connect(run.daemon.folder / "zennotify.db") as store:
        kept = {
            int(event_id.removeprefix("event-"))
            for (event_id,) in store.execute("SELECT event_id FROM events")
        }
    store.close()
    return run.ledger.acknowledged - kept
