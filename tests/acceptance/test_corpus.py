"""Every request of data/requests.yaml against the real daemon, one after the other, on one store."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator

import pytest

from tests.acceptance.daemon import Daemon
from tests.http_corpus import CASES, OLD_SECRET, SECRET, Case, Kept, run_case
from zennotify.store import open_reader

RULES = """
rules:
  - {id: invoices, description: Any invoice, event: Invoice.Closed, notify: desk, message: "an invoice"}
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(6000, hard)), hard))
    daemon = Daemon(
        tmp_path_factory.mktemp("corpus"),
        channels={"desk": {"url": "console://desk"}},
        rules=RULES,
        server={"secrets": [SECRET, OLD_SECRET]},
    )
    daemon.start()
    yield daemon
    code = daemon.stop()
    assert code == 0
    assert "Traceback" not in daemon.log
    assert "Ann" not in daemon.log


async def kept(daemon: Daemon) -> Kept:
    reader = open_reader(f"sqlite:///{daemon.folder / 'zennotify.db'}")
    quarantine = tuple(row.reason for row in reversed(reader.quarantine(most=10_000)))
    events = len(reader.events(most=100_000))
    reader.close()
    return Kept(events, quarantine)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_request_gets_its_answer_and_is_stored_as_it_must(case: Case, daemon: Daemon) -> None:
    async def look() -> Kept:
        return await kept(daemon)

    if case.store != "unavailable":
        await run_case(case, "127.0.0.1", daemon.port, look)
        return
    # Another process holds the store for longer than Zenoti can be kept waiting.
    other = sqlite3.connect(daemon.folder / "zennotify.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        await run_case(case, "127.0.0.1", daemon.port, look)
    finally:
        other.close()
    status, answer = daemon.post(
        {"id": "after", "event_id": "after", "event_type": "Invoice.Closed", "data": {}}
    )
    assert (status, answer["status"]) == (200, "accepted"), "it goes on without a restart"
