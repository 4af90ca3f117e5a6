"""How connections are held: deadlines, bounds, pipelining, hang-ups, start and stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.http_corpus import Client, check_form, event, request
from tests.receiving import Receiving, Recorder, on_both_loops, receiving
from zennotify.clock import SystemClock
from zennotify.config import Address, ServerConfig
from zennotify.metrics import Metrics
from zennotify.receiver import Limits, Receiver
from zennotify.receiver.protocol import Connection, Phase

WHOLE = request(event("a"))
HEAD = WHOLE.removesuffix(event("a"))
CHUNKED = (
    HEAD.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nX") + b"2\r\n{}\r\n0\r\nX: y\r\n\r\n"
)
QUICK = Limits(header=0.2, body=0.2, idle=0.2, linger=0.2)


def held_up() -> Recorder:
    """Return an intake that waits until its gate is opened."""
    return Recorder(gate=asyncio.Event())


async def let_go(world: Receiving) -> None:
    assert world.recorder.gate is not None
    world.recorder.gate.set()


# --- deadlines


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"PO", WHOLE[:60]])
@on_both_loops
async def test_silent_or_slow_client_gets_a_408_and_is_hung_up_on(sent: bytes) -> None:
    async with receiving(limits=Limits(header=0.2)) as world, await world.client() as client:
        client.send(sent)
        answer = await client.answer()
        assert (answer.status, answer.json) == (408, {"error": "too_slow"})
        check_form(answer)
        assert await client.is_closed()


@pytest.mark.parametrize(
    "sent", [HEAD, WHOLE[:-1], HEAD.replace(b"Content-Length", b"Expect: 100-continue\r\nContent-Length")]
)
@on_both_loops
async def test_slow_body_gets_a_408(sent: bytes) -> None:
    async with receiving(limits=Limits(body=0.2)) as world, await world.client() as client:
        answer = await client.ask(sent)
        if answer.status == 100:
            answer = await client.answer()
        assert (answer.status, answer.json) == (408, {"error": "too_slow"})
        assert await client.is_closed()
        assert not world.recorder.events


@on_both_loops
async def test_slow_second_request_gets_a_408_too() -> None:
    async with receiving(limits=Limits(header=0.2)) as world, await world.client() as client:
        assert (await client.ask(WHOLE)).status == 200
        assert (await client.ask(WHOLE[:60])).status == 408


@on_both_loops
async def test_drip_does_not_move_the_deadline() -> None:
    async with receiving(limits=Limits(header=0.2)) as world, await world.client() as client:
        answer = asyncio.ensure_future(client.answer())
        for byte in WHOLE[:100]:
            client.send(bytes([byte]))
            done, _ = await asyncio.wait([answer], timeout=0.01)
            if done:
                break
        assert (await answer).status == 408


@on_both_loops
async def test_idle_connection_is_closed_without_a_word() -> None:
    async with receiving(limits=Limits(idle=0.2)) as world, await world.client() as client:
        assert (await client.ask(WHOLE)).status == 200
        assert await client.is_closed()


@on_both_loops
async def test_request_that_waits_for_its_commit_has_no_deadline() -> None:
    async with (
        receiving(limits=QUICK, recorder=held_up()) as world,
        await world.client() as other,
        await world.client() as client,
    ):
        client.send(WHOLE)
        assert (await other.answer()).status == 408  # the deadlines have passed
        await let_go(world)
        assert (await client.answer()).status == 200


@on_both_loops
async def test_refused_client_that_does_not_hang_up_is_cut_off() -> None:
    async with receiving(limits=Limits(linger=0.2)) as world, await world.client() as client:
        client.send(HEAD.replace(b"Content-Length: ", b"Content-Length: 99999999"))
        assert (await client.answer()).status == 413
        await client.flood(b"x" * 10_000)


@on_both_loops
async def test_answer_reaches_a_client_that_is_still_sending() -> None:
    body = b"x" * 8_000_000
    async with receiving() as world:
        assert (await world.ask(request(body))).status == 413


# --- one connection, many requests


@on_both_loops
async def test_connection_is_kept_for_further_requests() -> None:
    async with receiving() as world, await world.client() as client:
        for number in range(5):
            assert (await client.ask(request(event(f"a{number}")))).json["status"] == "accepted"
            assert (await client.ask(request(event("b"), path="/other"))).status == 404
            assert (await client.ask(request(b""))).json["status"] == "ping"


@on_both_loops
async def test_pipelined_requests_are_answered_in_order() -> None:
    bodies = [event(f"a{number}") for number in range(50)]
    async with receiving() as world, await world.client() as client:
        client.send(
            b"".join(request(body) + request(b"") + request(path="/x") for body in bodies) + WHOLE[:100]
        )
        for _ in bodies:
            assert [(await client.answer()).status for _ in range(3)] == [200, 200, 404]
        client.send(WHOLE[100:])
        assert (await client.answer()).json["status"] == "accepted"
        assert len(world.recorder.events) == 51


@on_both_loops
async def test_what_is_pipelined_behind_a_commit_waits_for_it() -> None:
    async with receiving(recorder=held_up()) as world, await world.client() as client:
        client.send(WHOLE)
        await world.recorder.until(lambda: world.recorder.waiting == 1)
        client.send(request(b"") + WHOLE[:50])
        async with await world.client() as other:
            assert (await other.ask(request(b""))).json["status"] == "ping"
        assert world.recorder.waiting == 1
        await let_go(world)
        assert (await client.answer()).json["status"] == "accepted"
        assert (await client.answer()).json["status"] == "ping"
        client.send(WHOLE[50:])
        assert (await client.answer()).json["status"] == "duplicate"


@on_both_loops
async def test_what_is_pipelined_behind_a_commit_stays_with_the_client() -> None:
    async with receiving(recorder=held_up()) as world, await world.client() as client:
        client.send(WHOLE)
        await world.recorder.until(lambda: world.recorder.waiting == 1)
        client.send(request(b"") * 50_000)
        assert (await world.ask(request(b""))).status == 200
        gc.collect()
        [connection] = [c for c in gc.get_objects() if isinstance(c, Connection) and c.phase is Phase.BUSY]
        assert 0 < len(connection._later) <= 2**19
        await let_go(world)
        assert (await client.answer()).json["status"] == "accepted"


@on_both_loops
async def test_very_many_pipelined_requests_cost_no_more_than_others() -> None:
    many = 20_000
    async with receiving() as world, await world.client() as client:
        client.send(request(path="/x") * many)
        for _ in range(many):
            assert (await client.answer()).status == 404


@on_both_loops
async def test_garbage_behind_a_request_does_not_cost_its_answer() -> None:
    async with receiving() as world, await world.client() as client:
        client.send(WHOLE + b"garbage\r\n\r\n")
        assert (await client.answer()).json["status"] == "accepted"
        assert (await client.answer()).status == 400
        assert await client.is_closed()


@pytest.mark.parametrize(
    "raw",
    [
        WHOLE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
        WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        WHOLE.replace(
            b"\r\n", b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n", 1
        ),
        WHOLE.replace(b"\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", 1),
    ],
)
@on_both_loops
async def test_connection_ends_where_the_client_wants_it_or_asks_for_another_protocol(raw: bytes) -> None:
    async with receiving() as world, await world.client() as client:
        answer = await client.ask(raw)
        assert answer.json["status"] == "accepted"
        assert answer.headers["connection"] == "close"
        assert await client.is_closed()


@on_both_loops
async def test_client_that_does_not_read_its_answers_is_cut_off() -> None:
    async with receiving() as world, await world.client() as client:
        client.stop_reading()
        await client.flood(request(path="/x") * 100)
        assert (await world.ask(WHOLE)).status == 200


# --- what is no HTTP


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /x\r\n\r\n",
        b"POST /x HTTP/3.7\r\nHost: t\r\n\r\n",
        b"POST http://[::1 HTTP/1.1\r\nHost: t\r\n\r\n",
        b"POST /x HTTP/1.1\nHost: t\n\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        HEAD.replace(b"\r\n", b"\r\nTransfer-Encoding: chunked\r\n", 1),
        HEAD.replace(b"\r\n", b"\r\nHost: u\r\n", 1),
        HEAD.replace(b"\r\n", b"\r\nX: a\r\n b\r\n", 1),
        HEAD.replace(b"\r\n", b"\r\n" + b"X: y\r\n" * 200, 1),
        HEAD.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nX") + b"5\r\nabcdefg\r\n",
    ],
)
@on_both_loops
async def test_malformed_http_gets_our_own_400_and_no_line_in_the_log(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="aiohttp")
    async with receiving() as world, await world.client() as client:
        answer = await client.ask(raw)
        assert (answer.status, answer.json) == (400, {"error": "bad_request"})
        check_form(answer)
        assert await client.is_closed()
    assert not caplog.records


@on_both_loops
async def test_127_further_headers_are_read() -> None:
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(123))
    async with receiving() as world:
        assert (await world.ask(WHOLE.replace(b"\r\n", b"\r\n" + lines, 1))).status == 200


def mangled(dice: random.Random) -> bytes:
    raw = bytearray(dice.choice([WHOLE, CHUNKED]) * dice.randint(1, 3))
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(min(len(raw), 300))
        raw[at : at + dice.randint(0, 3)] = dice.choice(
            [dice.randbytes(2), b"", b"\r\n", b": ", b"chunked", b"HTTP/1.0"]
        )
    return bytes(raw)


@on_both_loops
async def test_mangled_requests_get_one_of_our_answers_or_none(caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(7)
    async with receiving(limits=Limits(header=0.05, body=0.05, idle=0.05, linger=0.05)) as world:
        for _ in range(300):
            async with await world.client() as client:
                client.send(mangled(dice))
                if dice.random() < 0.9:
                    client.send_eof()
                while (answer := await client.answer()).status:
                    assert answer.status in {200, 400, 404, 405, 408, 413, 415, 417}
                    check_form(answer)
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


# --- bounds


@on_both_loops
async def test_oldest_stranger_makes_room_and_a_commit_never_does() -> None:
    async with (
        receiving(limits=Limits(connections=3), recorder=held_up()) as world,
        await world.client() as busy,
        await world.client() as first,
        await world.client() as second,
    ):
        busy.send(WHOLE)
        await world.recorder.until(lambda: world.recorder.waiting == 1)
        async with await world.client() as third:
            assert (await first.answer()).status == 408
            assert await first.is_closed()
            assert (await third.ask(request(b""))).status == 200
            assert (await second.ask(request(b""))).status == 200
        await let_go(world)
        assert (await busy.answer()).status == 200


@on_both_loops
async def test_who_has_proved_itself_stays_longer_than_strangers() -> None:
    async with receiving(limits=Limits(connections=2)) as world, await world.client() as proven:
        assert (await proven.ask(WHOLE)).status == 200
        for _ in range(5):
            async with await world.client() as stranger:
                assert (await stranger.ask(request(path="/x"))).status == 404
                async with await world.client() as other:
                    assert await stranger.is_closed()
                    assert (await other.ask(request(path="/x"))).status == 404
        assert (await proven.ask(WHOLE)).json["status"] == "duplicate"


@on_both_loops
async def test_idle_one_makes_room_without_a_word_where_all_have_proved_themselves() -> None:
    async with receiving(limits=Limits(connections=1)) as world, await world.client() as first:
        assert (await first.ask(WHOLE)).status == 200
        assert (await world.ask(WHOLE)).status == 200
        assert await first.is_closed()


@on_both_loops
async def test_connection_beyond_the_bound_is_cut_where_all_are_busy() -> None:
    async with (
        receiving(limits=Limits(connections=1), recorder=held_up()) as world,
        await world.client() as busy,
    ):
        busy.send(WHOLE)
        await world.recorder.until(lambda: world.recorder.waiting == 1)
        async with await world.client() as other:
            assert await other.is_closed()
        await let_go(world)
        assert (await busy.answer()).status == 200


@on_both_loops
async def test_unfinished_bodies_make_room_for_whole_ones_the_oldest_first() -> None:
    part = request(b"x" * 4000, headers={"Content-Length": "5000"})
    async with (
        receiving(limits=Limits(bodies=10_000)) as world,
        await world.client() as first,
        await world.client() as second,
    ):
        first.send(part)
        second.send(part)
        assert (await world.ask(request(b""))).status == 200  # both parts are there
        assert (await world.ask(request(b"y" * 4000))).status == 200
        assert (await first.answer()).status == 408
        assert (await second.ask(b"x" * 1000)).json == {"status": "quarantined", "reason": "bad_json"}


@on_both_loops
async def test_more_bodies_than_fit_beside_those_being_committed_are_a_503() -> None:
    async with (
        receiving(limits=Limits(bodies=10_000), recorder=held_up()) as world,
        await world.client() as busy,
    ):
        busy.send(request(b"x" * 9000))
        await world.recorder.until(lambda: world.recorder.waiting == 1)
        answer = await world.ask(request(b"y" * 2000))
        assert (answer.status, answer.json) == (503, {"error": "overloaded"})
        await let_go(world)
        assert (await busy.answer()).status == 200
        assert (await world.ask(request(b"y" * 2000))).status == 200


# --- start and stop


@on_both_loops
async def test_stop_lets_requests_in_flight_end_and_refuses_new_ones() -> None:
    async with (
        receiving(recorder=held_up()) as world,
        await world.client() as client,
        await world.client() as half,
    ):
        client.send(WHOLE)
        half.send(WHOLE[:50])
        await world.recorder.until(lambda: world.recorder.waiting == 1)
        assert world.address.port is not None
        stopped = asyncio.ensure_future(world.receiver.stop())
        while await can_connect(world.address.port):
            pass
        await let_go(world)
        half.send(WHOLE[50:])
        for each in (client, half):
            answer = await each.answer()
            assert answer.status == 200
            assert answer.headers["connection"] == "close"
        await stopped


async def can_connect(port: int) -> bool:
    try:
        async with await Client.open("127.0.0.1", port):
            return True
    except ConnectionError:
        return False


@on_both_loops
async def test_stop_hangs_up_on_silent_clients_after_a_moment() -> None:
    async with (
        receiving(limits=Limits(stop=60, grace=0.1)) as world,
        await world.client() as idle,
        await world.client() as silent,
        asyncio.timeout(5),
    ):
        assert (await idle.ask(WHOLE)).status == 200
        await world.receiver.stop()
        assert await idle.is_closed()
        assert await silent.is_closed()


@on_both_loops
async def test_request_that_is_already_on_its_way_is_answered_by_a_stopping_receiver() -> None:
    async with receiving() as world, await world.client() as kept, await world.client() as fresh:
        assert (await kept.ask(WHOLE)).status == 200
        assert (await world.ask(request(b""))).status == 200  # so that `fresh` is not in the kernel's queue
        kept.send(request(event("b")))
        fresh.send(request(event("c")))
        await world.receiver.stop()
        assert (await kept.answer()).json["status"] == "accepted"
        assert (await fresh.answer()).json["status"] == "accepted"


@on_both_loops
async def test_kept_connection_is_told_in_an_answer_that_it_ends() -> None:
    async with receiving(limits=Limits(stop=60, grace=5)) as world, await world.client() as client:
        assert "connection" not in (await client.ask(WHOLE)).headers
        stopped = asyncio.ensure_future(world.receiver.stop())
        assert (await client.ask(WHOLE)).headers["connection"] == "close"
        assert await client.is_closed()
        await stopped


@on_both_loops
async def test_stop_waits_no_longer_than_its_limit(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        receiving(limits=Limits(stop=0.2, grace=0.1), recorder=held_up()) as world,
        await world.client() as client,
        await world.client() as half,
    ):
        client.send(WHOLE)
        half.send(WHOLE[:50])
        await world.recorder.until(lambda: world.recorder.waiting == 1)
        await world.receiver.stop()
        assert (await client.answer()).status == 0
    assert not world.recorder.events
    assert not caplog.records


@on_both_loops
async def test_receiver_can_be_stopped_twice_and_before_its_start() -> None:
    await Receiver(ServerConfig(), Recorder(), Metrics(), SystemClock()).stop()
    async with receiving() as world:
        await world.receiver.stop()


@on_both_loops
async def test_sockets_that_systemd_opened_are_used(tmp_path: Path) -> None:
    tcp = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "web.sock"))
    port = tcp.getsockname()[1]
    copy = tcp.dup()  # systemd keeps one, too
    async with receiving(where=[tcp, unix]) as world:
        assert world.receiver.addresses == [
            Address(host="127.0.0.1", port=port),
            Address(path=tmp_path / "web.sock"),
        ]
        assert (await world.ask(WHOLE)).status == 200
        async with await Client.open_unix(tmp_path / "web.sock") as client:
            assert (await client.ask(WHOLE)).status == 200
    assert (tmp_path / "web.sock").exists()
    async with await Client.open("127.0.0.1", port) as client:  # waits in the queue for the next daemon
        client.send(WHOLE)
        async with receiving(where=[copy]):
            assert (await client.answer()).json["status"] == "accepted"


@on_both_loops
async def test_unix_socket_is_for_owner_and_group_and_goes_with_the_receiver(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    async with receiving(where=Address(path=path)) as world:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert (await world.ask(WHOLE)).json["status"] == "accepted"
    assert not path.exists()


@on_both_loops
async def test_address_that_is_taken_is_an_os_error(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    async with receiving() as world, receiving(where=Address(path=path)):
        for taken in (world.address, Address(path=path)):
            with pytest.raises(OSError, match="in use"):
                async with receiving(where=taken):
                    pass
        assert path.exists()


@on_both_loops
async def test_connections_that_ended_are_forgotten() -> None:
    async with receiving() as world:
        for raw in (WHOLE, HEAD, b"x\r\n\r\n", request(path="/x")):
            for _ in range(5):
                async with await world.client() as client:
                    await client.ask(raw) if raw != HEAD else client.send(raw)
        assert (await world.ask(WHOLE)).status == 200
        gc.collect()
        assert sum(isinstance(thing, Connection) for thing in gc.get_objects()) <= 1


def test_parser_in_c_is_required() -> None:
    program = """
import asyncio
from zennotify.receiver import Receiver
async def start():
    await Receiver.start(Receiver.__new__(Receiver), [])
asyncio.run(start())
"""
    environ = {**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert "ZennotifyError: aiohttp runs without its C parser" in ran.stderr
