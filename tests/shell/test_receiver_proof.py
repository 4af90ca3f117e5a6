"""Who may send: every configured proof must hold, guessing is slow, and a good proof always passes."""

from __future__ import annotations

import logging
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.http_corpus import HEADER, PATH, event, request, signature_headers
from tests.receiving import SECRETS, on_both_loops, receiving
from zennotify.config import Address, Verify
from zennotify.receiver.proof import Failures, IPAddress, read_peer

TOKEN = "t+k/n=of-twenty-four-bytes"
IN_PATH = PATH + "?a=1&token=t+k/n%3Dof-twenty-four-bytes"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def signed(kind: str = "valid") -> bytes:
    return request(event("a"), headers=signature_headers(kind, event("a")), signed=False)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (IN_PATH, {}, 200),
        (PATH, BEARER, 200),
        (PATH, {"Authorization": f"bearer  {TOKEN}"}, 200),
        (PATH + "?token=wrong", BEARER, 200),
        (IN_PATH, {"Authorization": "Basic x"}, 200),
        (PATH, {}, 401),
        (PATH + "?token=", {}, 401),
        (PATH + "?token", {}, 401),
        (PATH + "?Token=t+k/n%3Dof-twenty-four-bytes", {}, 401),
        (IN_PATH[:-1], {}, 401),
        (IN_PATH + "x", {}, 401),
        (PATH + "?token=%ff%00", {}, 401),
        (PATH, {"Authorization": TOKEN}, 401),
        (PATH, {"Authorization": "Bearer \xff"}, 401),
        (PATH, {"Authorization": f"Basic {TOKEN}"}, 401),
    ],
)
@on_both_loops
async def test_token_is_taken_from_the_query_or_as_a_bearer(
    path: str, headers: dict[str, str], status: int
) -> None:
    async with receiving(token=TOKEN) as world:
        answer = await world.ask(request(event("a"), path=path, headers=headers))
    assert answer.status == status
    if status == 401:
        assert answer.json == {"error": "bad_token"}
        assert answer.headers["www-authenticate"] == "Bearer"
    assert len(world.recorder.events) == (status == 200)


@pytest.mark.parametrize(("allowed", "status"), [("127.0.0.0/8", 200), ("203.0.113.0/24", 403)])
@on_both_loops
async def test_address_must_be_in_the_list(allowed: str, status: int) -> None:
    async with receiving(allow_from=allowed) as world:
        answer = await world.ask(request(event("a"), headers={"X-Forwarded-For": "203.0.113.7"}))
    assert answer.status == status
    if status == 403:
        assert answer.json == {"error": "address_not_allowed"}


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (["203.0.113.7"], 200),
        (["198.51.100.1, 203.0.113.7"], 200),
        (["198.51.100.1", "203.0.113.7"], 200),
        (["203.0.113.7, 10.1.2.3"], 200),
        (["203.0.113.7:4711,10.1.2.3:80, "], 200),
        (["203.0.113.7", "10.1.2.3", "::ffff:10.1.2.4"], 200),
        (["203.0.113.7, 198.51.100.1"], 403),
        (["203.0.113.7, unknown"], 403),
        (["203.0.113.7, 10.1.2.3, nonsense"], 403),
        (["10.1.2.3"], 403),
        ([], 403),
    ],
)
@on_both_loops
async def test_proxies_are_believed_from_the_right(forwarded: list[str], status: int) -> None:
    raw = request(event("a")).replace(b"\r\n", b"\r\nX-A: b\r\n", 1)
    for value in forwarded:
        raw = raw.replace(b"\r\nX-A", f"\r\nX-Forwarded-For: {value}\r\nX-A".encode(), 1)
    async with receiving(allow_from="203.0.113.0/24", trusted_proxies=["127.0.0.1", "10.0.0.0/8"]) as world:
        assert (await world.ask(raw)).status == status


@on_both_loops
async def test_process_on_a_unix_socket_is_believed_like_a_trusted_proxy(tmp_path: Path) -> None:
    where = Address(path=tmp_path / "web.sock")
    async with receiving(where=where, allow_from="203.0.113.0/24") as world:
        for forwarded, status in (("203.0.113.7", 200), ("198.51.100.1", 403), (None, 403)):
            answer = await world.ask(request(event("a"), headers={"X-Forwarded-For": forwarded}))
            assert answer.status == status


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ("address", 403, "address_not_allowed"),
        ("token", 401, "bad_token"),
        ("signature", 401, "bad_signature"),
    ],
)
@on_both_loops
async def test_every_configured_proof_must_hold(wrong: str, status: int, code: str) -> None:
    allowed = "203.0.113.0/24" if wrong == "address" else "127.0.0.1"
    path = PATH if wrong == "token" else IN_PATH
    body = event("a")
    signature = signature_headers("sha1" if wrong == "signature" else "valid", body)
    all_three: dict[str, Any] = {
        "token": TOKEN,
        "allow_from": allowed,
        "secrets": SECRETS,
        "verify": Verify.ENFORCE,
    }
    async with receiving(**all_three) as world:
        answer = await world.ask(request(body, path=path, headers=signature, signed=False))
    assert (answer.status, answer.json) == (status, {"error": code})
    assert not world.recorder.events


@on_both_loops
async def test_recorded_signature_is_counted_and_refuses_nobody() -> None:
    async with receiving(secrets=SECRETS, verify=Verify.RECORD) as world:
        for kind, wrong in (("valid", 0), ("old_secret", 0), ("sha1", 1), ("missing", 2)):
            assert (await world.ask(signed(kind))).status == 200
            assert world.metric("bad_signatures_total") == wrong


@pytest.mark.parametrize("config", [{"verify": Verify.OFF, "secrets": SECRETS}, {"verify": Verify.RECORD}])
@on_both_loops
async def test_signature_is_not_looked_at_where_it_says_nothing(config: dict[str, Any]) -> None:
    async with receiving(**config) as world:
        assert (await world.ask(signed("sha1"))).status == 200
        assert world.metric("bad_signatures_total") == 0


@on_both_loops
async def test_enforced_signature_is_one_header_with_the_configured_name() -> None:
    config: dict[str, Any] = {"secrets": SECRETS, "verify": Verify.ENFORCE, "signature_header": "X-Other"}
    raw = signed()
    renamed = raw.replace(HEADER.encode(), b"x-OTHER")
    line = next(line for line in renamed.split(b"\r\n") if line.startswith(b"x-OTHER"))
    async with receiving(**config) as world:
        assert (await world.ask(raw)).json == {"error": "bad_signature"}
        assert (await world.ask(renamed.replace(line, line + b"\r\n" + line))).json == {
            "error": "bad_signature"
        }
        assert (await world.ask(renamed)).status == 200
        assert world.metric("bad_signatures_total") == 2


@on_both_loops
async def test_enforcing_without_a_secret_lets_nobody_in() -> None:
    async with receiving(verify=Verify.ENFORCE) as world:
        assert (await world.ask(signed())).status == 401


@on_both_loops
async def test_guessing_is_slowed_and_a_good_proof_is_not() -> None:
    async with receiving(secrets=SECRETS, verify=Verify.ENFORCE) as world, await world.client() as client:
        answers = [await client.ask(signed("sha1")) for _ in range(100)]
        assert {answer.status for answer in answers[: Failures.BURST]} == {401}
        assert answers[-1].json == {"error": "rate_limited"}
        assert answers[-1].headers["retry-after"] == "10"
        assert (await client.ask(signed())).json["status"] == "accepted"


@on_both_loops
async def test_other_addresses_are_not_slowed() -> None:
    proxied: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "token": TOKEN}
    async with receiving(**proxied) as world, await world.client() as client:
        for number, expected in [(1, 401)] * Failures.BURST + [(2, 401)]:
            headers = {"X-Forwarded-For": f"203.0.113.{number}"}
            assert (await client.ask(request(event("a"), headers=headers))).status == expected


@on_both_loops
async def test_refusals_are_logged_once_a_second_without_query_and_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with receiving(token=TOKEN) as world:
        for _ in range(10):
            await world.ask(request(event("a"), path=PATH + "?token=canary"))
    assert [record.message for record in caplog.records] == ["refused a request from 127.0.0.1: bad_token"]


@on_both_loops
async def test_other_refusals_of_the_webhook_are_logged_and_strangers_at_other_paths_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with receiving() as world:
        await world.ask(request(path="/canary"))
        await world.ask(request(verb="GET"))
        await world.ask(b"canary\r\n\r\n")
        assert not caplog.records
        await world.ask(request(event("a"), headers={"Content-Encoding": "canary"}))
    assert [record.message for record in caplog.records] == [
        "refused a request from 127.0.0.1: unsupported_encoding"
    ]


# --- the count of failures by itself

HERE = ip_address("203.0.113.7")


def failed(failures: Failures, client: IPAddress | None, now: float, times: int) -> list[bool]:
    return [failures.too_many(client, now) for _ in range(times)]


def test_failures_are_forgiven_five_a_second_up_to_fifty() -> None:
    failures = Failures()
    assert failed(failures, HERE, 0, 51) == [False] * 50 + [True]
    assert failed(failures, HERE, 1, 6) == [False] * 5 + [True]
    assert failed(failures, HERE, 1000, 51) == [False] * 50 + [True]


def test_addresses_of_one_ipv6_network_count_together_and_unknown_ones_too() -> None:
    failures = Failures()
    failed(failures, ip_address("2001:db8::1"), 0, 50)
    assert failures.too_many(ip_address("2001:db8::ffff:1"), 0)
    assert not failures.too_many(ip_address("2001:db8:0:1::1"), 0)
    failed(failures, None, 0, 50)
    assert failures.too_many(None, 0)


def test_table_of_addresses_is_bounded_and_forgets_the_quietest() -> None:
    failures = Failures()
    failed(failures, HERE, 0, 51)
    for address in list(IPv4Network("10.0.0.0/16").hosts())[: Failures.ADDRESSES - 1]:
        failures.too_many(address, 0)
    assert failures.too_many(HERE, 0)
    failures.too_many(ip_address("192.0.2.1"), 0)
    assert failures.too_many(HERE, 0)
    for address in list(IPv4Network("10.1.0.0/16").hosts())[: Failures.ADDRESSES]:
        failures.too_many(address, 0)
    assert not failures.too_many(HERE, 0)


def test_log_is_silent_for_a_second_and_then_says_how_much_was_left_out() -> None:
    failures = Failures()
    assert [failures.silence(HERE, now) for now in (0, 0.1, 0.9, 1.5, 1.6, 3)] == [0, None, None, 2, None, 1]


@pytest.mark.parametrize(
    ("peername", "peer"),
    [
        (("127.0.0.1", 5), "127.0.0.1"),
        (("::1", 5, 0, 0), "::1"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::1"),
        (("::ffff:203.0.113.7", 5, 0, 0), "203.0.113.7"),
        ("", None),
        (b"", None),
        (None, None),
    ],
)
def test_peer_is_read_from_any_kind_of_socket(peername: object, peer: str | None) -> None:
    assert read_peer(peername) == (ip_address(peer) if peer else None)
