"""What the receiver answers, and what it keeps (the corpus has the rest)."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from tests.http_corpus import PATH, check_form, event, request
from tests.receiving import SECRETS, Recorder, on_both_loops, receiving
from zennotify.config import Verify

FAR = "/webhooks/other"


@on_both_loops
async def test_event_is_accepted_once_and_then_a_duplicate() -> None:
    async with receiving() as world:
        first = await world.ask(request(event("a")))
        again = await world.ask(request(event("a")))
    [kept] = world.recorder.events
    assert first.json == {"status": "accepted", "event": kept}
    assert again.json == {"status": "duplicate", "event": kept}


@on_both_loops
async def test_known_id_with_other_content_goes_into_quarantine() -> None:
    async with receiving() as world:
        await world.ask(request(event("a")))
        answer = await world.ask(request(event("a", {"data": {"total": 1}})))
    assert answer.json == {"status": "quarantined", "reason": "conflict"}
    assert len(world.recorder.quarantined) == 1


FREEZE = json.dumps({"user_membership_id": "m", "freeze": {"type": 2}}).encode()
GUEST = json.dumps({"id": "guest-1", "center_id": "c"}).encode()


@pytest.mark.parametrize(
    ("query", "event_type"),
    [
        ("event_type=Guest.Updated", "Guest.Updated"),
        ("a=1&event_type=Guest%2EUpdated&b=2", "Guest.Updated"),
        ("event_type=%20Guest%20Package%20Creation%20", "Guest Package Creation"),
        ("event_type=Guest+Updated", "Guest+Updated"),
        ("event_type=caf%C3%A9", "café"),
        ("event_type=Guest.Updated&event_type=Guest.Created", "Guest.Updated"),
        ("event_type=" + "x" * 200, "x" * 200),
        ("event_type=Guest.Updated#event_type=x", "Guest.Updated"),
    ],
)
@on_both_loops
async def test_url_names_the_type_of_a_body_without_an_envelope(query: str, event_type: str) -> None:
    async with receiving() as world:
        path = f"{PATH}?{query}"
        assert (await world.ask(request(GUEST, path=path))).json["status"] == "accepted"
        assert (await world.ask(request(GUEST, path=path))).json["status"] == "duplicate"
        assert (await world.ask(request(event("a"), path=path))).json["status"] == "accepted"
    assert [kept.type for kept in world.recorder.events.values()] == [event_type, "Invoice.Closed"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "missing_event_type"),
        ("?event_type", "bad_parameter:event_type"),
        ("?event_type=", "bad_parameter:event_type"),
        ("?event_type=%20", "bad_parameter:event_type"),
        ("?event_type=a%0Ab", "bad_parameter:event_type"),
        ("?event_type=%00", "bad_parameter:event_type"),
        ("?event_type=%ff", "bad_parameter:event_type"),
        ("?event_type=" + "x" * 201, "bad_parameter:event_type"),
        ("?Event_Type=Guest.Updated", "missing_event_type"),
        ("?event%5Ftype=Guest.Updated", "missing_event_type"),
        ("?x=event_type", "missing_event_type"),
        ("#event_type=Guest.Updated", "missing_event_type"),
    ],
)
@on_both_loops
async def test_type_that_cannot_be_used_is_none_and_the_body_is_kept(query: str, reason: str) -> None:
    async with receiving() as world:
        answer = await world.ask(request(GUEST, path=PATH + query))
        assert answer.json == {"status": "quarantined", "reason": reason}
        assert world.recorder.quarantined == [(reason, GUEST)]
        told = await world.ask(request(FREEZE, path=PATH + query))  # by its shape
    assert told.json["status"] == "accepted"
    [kept] = world.recorder.events.values()
    assert kept.type == "Guest.Membership.Freeze"


@on_both_loops
async def test_type_in_the_url_is_no_proof_and_in_the_way_of_none() -> None:
    async with receiving(token="a-token-of-twenty-four-bytes") as world:
        named = PATH + "?event_type=Guest.Updated"
        assert (await world.ask(request(GUEST, path=named))).status == 401
        assert not world.recorder.quarantined
        answer = await world.ask(request(GUEST, path=named + "&token=a-token-of-twenty-four-bytes"))
    assert answer.json["status"] == "accepted"


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH"])
@on_both_loops
async def test_all_three_verbs_of_zenoti_are_taken(verb: str) -> None:
    async with receiving() as world:
        assert (await world.ask(request(event("a"), verb=verb))).json["status"] == "accepted"


@pytest.mark.parametrize("verb", ["GET", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@on_both_loops
async def test_other_verbs_are_refused_and_told_which_are_not(verb: str) -> None:
    async with receiving() as world:
        answer = await world.ask(request(b"", verb=verb))
    assert (answer.status, answer.json) == (405, {"error": "method_not_allowed"})
    assert answer.headers["allow"] == "POST, PUT, PATCH"


@on_both_loops
async def test_answer_to_head_has_no_body() -> None:
    async with receiving() as world, await world.client() as client:
        for path, status in ((PATH, 405), (FAR, 404)):
            client.send(request(b"", verb="HEAD", path=path))
            assert (await client.answer(head_only=True)).status == status
        assert (await client.ask(request(event("a")))).json["status"] == "accepted"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (PATH + "?token=x&y", 200),
        (PATH + "#part", 200),
        ("http://t" + PATH, 200),
        (PATH + "/", 404),
        (PATH.upper(), 404),
        (PATH.replace("z", "%7a"), 404),
        ("/", 404),
        ("*", 400),
        (FAR, 404),
    ],
)
@on_both_loops
async def test_only_the_exact_path_is_ours(path: str, status: int) -> None:
    async with receiving() as world:
        assert (await world.ask(request(event("a"), path=path))).status == status
    assert len(world.recorder.events) == (status == 200)


@on_both_loops
async def test_path_is_looked_at_before_the_verb_and_the_verb_before_the_size() -> None:
    large = {"Content-Length": "99999999", "Content-Encoding": "gzip", "Content-Type": "text/xml"}
    async with receiving() as world:
        assert (await world.ask(request(verb="GET", path=FAR, headers=large))).status == 404
        assert (await world.ask(request(verb="GET", headers=large))).status == 405
        assert (await world.ask(request(headers=large))).status == 413
        large["Content-Length"] = "5"
        assert (await world.ask(request(headers=large))).json == {"error": "unsupported_encoding"}
        del large["Content-Encoding"]
        assert (await world.ask(request(headers=large))).json == {"error": "unsupported_media_type"}


@on_both_loops
async def test_empty_body_is_a_ping_without_any_proof_and_kept_nowhere() -> None:
    async with receiving(verify=Verify.ENFORCE, secrets=SECRETS, allow_from="203.0.113.7") as world:
        chunked = {"Transfer-Encoding": "chunked", "Content-Length": None}
        for raw in (
            request(b""),
            request(headers={"Content-Length": None}),
            request(headers=chunked) + b"0\r\n\r\n",
        ):
            answer = await world.ask(raw)
            assert (answer.status, answer.json) == (200, {"status": "ping"})
            check_form(answer)
    assert not world.recorder.events
    assert not world.recorder.quarantined


@pytest.mark.parametrize(
    "media",
    [
        None,
        "",
        "application/json; charset=utf-8",
        "text/plain",
        "application/octet-stream",
        "APPLICATION/JSON",
        "what",
    ],
)
@on_both_loops
async def test_json_is_read_whatever_the_media_type_says(media: str | None) -> None:
    async with receiving() as world:
        assert (await world.ask(request(event("a"), headers={"Content-Type": media}))).status == 200


@pytest.mark.parametrize(
    "media",
    [
        "application/x-www-form-urlencoded",
        "Multipart/Form-Data; boundary=x",
        "multipart/mixed",
        "text/xml; charset=utf-8",
        "application/soap+xml",
    ],
)
@on_both_loops
async def test_forms_and_xml_are_refused(media: str) -> None:
    async with receiving() as world:
        answer = await world.ask(request(event("a"), headers={"Content-Type": media}))
    assert (answer.status, answer.json) == (415, {"error": "unsupported_media_type"})
    assert not world.recorder.events


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "GZIP", "identity, gzip", "what"])
@on_both_loops
async def test_compressed_bodies_are_refused_unread(coding: str) -> None:
    async with receiving() as world:
        answer = await world.ask(request(event("a"), headers={"Content-Encoding": coding}))
        assert (answer.status, answer.json) == (415, {"error": "unsupported_encoding"})
        assert (await world.ask(request(event("a"), headers={"Content-Encoding": "Identity"}))).status == 200


@on_both_loops
async def test_compressed_transfer_is_refused() -> None:
    async with receiving() as world:
        headers = {"Content-Length": None, "Transfer-Encoding": "gzip, chunked"}
        answer = await world.ask(request(b"", headers=headers) + b"3\r\nabc\r\n0\r\n\r\n")
        assert (answer.status, answer.json) == (415, {"error": "unsupported_encoding"})


def chunked(body: bytes, size: int) -> bytes:
    head = request(b"", headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@on_both_loops
async def test_chunked_body_is_an_event_like_any_other() -> None:
    async with receiving() as world:
        assert (await world.ask(chunked(event("a"), 7))).json["status"] == "accepted"


@on_both_loops
async def test_largest_body_is_taken_and_one_byte_more_is_not() -> None:
    small = event("a", {"data": {"pad": ""}})
    body = event("a", {"data": {"pad": "x" * (4096 - len(small))}})
    assert len(body) == 4096
    async with receiving(max_body="4KiB") as world:
        for raw in (request(body + b" "), chunked(body + b" ", 4097), chunked(body + b" ", 100)):
            answer = await world.ask(raw)
            assert (answer.status, answer.json) == (413, {"error": "too_large"})
        assert (await world.ask(request(body))).json["status"] == "accepted"
        assert (await world.ask(chunked(body, 100))).json["status"] == "duplicate"


@on_both_loops
async def test_endless_chunks_are_cut_at_the_cap() -> None:
    async with receiving(max_body="4KiB") as world, await world.client() as client:
        client.send(request(b"", headers={"Content-Length": None, "Transfer-Encoding": "chunked"}))
        for _ in range(50):
            client.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        assert (await client.answer()).status == 413


@on_both_loops
async def test_body_of_very_many_tiny_chunks_is_read() -> None:
    body = event("a", {"data": {"pad": "x" * 200_000}})
    async with receiving() as world:
        assert (await world.ask(chunked(body, 1))).json["status"] == "accepted"


@on_both_loops
async def test_expected_continue_is_sent_only_where_the_body_is_welcome() -> None:
    body = event("a")
    raw = request(body, headers={"Expect": "100-Continue"})
    head = raw.removesuffix(body)
    async with receiving() as world:
        async with await world.client() as client:
            assert (await client.ask(head)).status == 100
            assert (await client.ask(body)).json["status"] == "accepted"
        assert (await world.ask(raw)).status == 200  # all at once: nobody waits for the 100
        unwelcome = request(body, headers={"Expect": "100-continue", "Content-Encoding": "br"})
        assert (await world.ask(unwelcome.removesuffix(body))).status == 415
        other = await world.ask(request(body, headers={"Expect": "miracles"}))
        assert (other.status, other.json) == (417, {"error": "bad_expectation"})
        old = head.replace(b"HTTP/1.1", b"HTTP/1.0")
        async with await world.client() as client:
            client.send(old)
            assert (await client.ask(body)).status == 200


@on_both_loops
async def test_store_that_cannot_take_it_is_a_503_and_counts_until_a_success() -> None:
    async with receiving() as world:
        assert world.metric("non_success_run") == 0
        world.recorder.available = False
        for run in (1, 2):
            answer = await world.ask(request(event("a")))
            assert (answer.status, answer.json) == (503, {"error": "store_unavailable"})
            assert answer.headers["retry-after"] == "60"
            assert world.metric("non_success_run") == run
        assert (await world.ask(request(b"not json"))).status == 503
        await world.ask(request(path=FAR))  # nobody authentic would do that
        assert world.metric("non_success_run") == 3
        world.recorder.available = True
        assert (await world.ask(request(event("a")))).status == 200
        assert world.metric("non_success_run") == 0


@on_both_loops
async def test_refusals_that_an_authentic_sender_sees_are_counted_too() -> None:
    async with receiving(token="a-token-of-twenty-four-bytes") as world:
        good, bad = PATH + "?token=a-token-of-twenty-four-bytes", PATH + "?token=x"
        for path, run in ((bad, 0), (good, 1), (good, 2)):
            await world.ask(request(event("a"), path=path, headers={"Content-Encoding": "gzip"}))
            assert world.metric("non_success_run") == run


@on_both_loops
async def test_mistake_of_ours_puts_the_body_into_quarantine(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    body = event("a")
    async with receiving(recorder=Recorder(broken=["accept"])) as world:
        answer = await world.ask(request(body))
    assert answer.json == {"status": "quarantined", "reason": "internal_error"}
    assert world.recorder.quarantined == [("internal_error", body)]
    assert [record.message for record in caplog.records] == ["LookupError while a request was answered"]


@on_both_loops
async def test_two_mistakes_are_a_503(caplog: pytest.LogCaptureFixture) -> None:
    async with receiving(recorder=Recorder(broken=["accept", "quarantine"])) as world:
        answer = await world.ask(request(event("a")))
    assert (answer.status, answer.json) == (503, {"error": "internal_error"})
    assert world.metric("non_success_run") == 1
    assert "Ann" not in caplog.text


@on_both_loops
async def test_traceback_is_for_debugging_and_has_no_values(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="zennotify")
    async with receiving(recorder=Recorder(broken=["accept"])) as world:
        await world.ask(request(event("a")))
    assert "in accept" in caplog.text
    assert "Ann" not in caplog.text


@on_both_loops
async def test_time_from_the_first_byte_to_the_commit_is_measured() -> None:
    async with receiving() as world:
        await world.ask(request(event("a")))
        await world.ask(request(b""))
        await world.ask(request(path=FAR))
        assert world.metric("accept_seconds_count") == 1
        assert 0 < (world.metric("accept_seconds_sum") or 0) < 5


@on_both_loops
async def test_answers_tell_nothing_of_the_software_and_carry_the_date() -> None:
    async with receiving() as world:
        for raw in (request(event("a")), request(path=FAR), b"garbage\r\n\r\n"):
            answer = await world.ask(raw)
            check_form(answer)
            assert answer.headers["date"].endswith(" GMT")


@on_both_loops
async def test_two_equal_requests_at_the_same_instant_are_both_answered() -> None:
    async with receiving() as world, asyncio.TaskGroup() as group:
        answers = [group.create_task(world.ask(request(event("a")))) for _ in range(20)]
    assert sorted(task.result().json["status"] for task in answers) == ["accepted"] + ["duplicate"] * 19


@on_both_loops
async def test_client_that_says_all_and_half_closes_gets_its_answer() -> None:
    async with receiving() as world, await world.client() as client:
        client.send(request(event("a")))
        client.send_eof()
        answer = await client.answer()
        assert answer.json["status"] == "accepted"
        assert await client.is_closed()


@on_both_loops
async def test_client_that_hangs_up_leaves_no_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    whole = request(event("a"))
    async with receiving(recorder=Recorder(gate=asyncio.Event())) as world:
        for raw in (b"", whole[:20], whole[:-5], whole):
            client = await world.client()
            client.send(raw)
            if raw == whole:
                await world.recorder.until(lambda: world.recorder.waiting == 1)
            client.hang_up()
        assert world.recorder.gate is not None
        world.recorder.gate.set()
        await world.recorder.until(
            lambda: len(world.recorder.events) == 1
        )  # a whole request is kept all the same
    assert not caplog.records
