"""Every request of data/requests.yaml against the real receiver, on both event loops."""

from __future__ import annotations

import resource

import pytest

from tests.http_corpus import CASES, Case, run_case
from tests.receiving import SECRETS, Recorder, on_both_loops, receiving
from zennotify.config import Verify
from zennotify.receiver import Limits


@pytest.fixture
def many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 6000:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(6000, hard), hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@on_both_loops
async def test_request_gets_its_answer_and_is_stored_as_it_must(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(available=case.store != "unavailable")
    limits = Limits(header=0.2 if case.idle else 10)
    async with receiving(limits=limits, recorder=recorder, verify=Verify.ENFORCE, secrets=SECRETS) as world:
        await run_case(case, world.address.host or "", world.address.port or 0, recorder.kept)
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]
    assert "Ann" not in caplog.text


@on_both_loops
async def test_all_requests_can_go_to_one_daemon() -> None:
    async with receiving(verify=Verify.ENFORCE, secrets=SECRETS) as world:
        for case in CASES:
            if case.store is None and not case.idle:
                await run_case(case, world.address.host or "", world.address.port or 0, world.recorder.kept)
        fingerprints = {envelope.fingerprint for envelope in world.recorder.events.values()}
        assert len(fingerprints) == len(world.recorder.events)
