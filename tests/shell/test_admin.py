"""The admin address: alive, ready with reasons, metrics, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.http_corpus import Answer, Client
from zennotify.config import Address
from zennotify.metrics import Metrics
from zennotify.web.admin import Admin


@asynccontextmanager
async def admin(
    checks: dict[str, str | None] | None = None, paused: dict[str, str] | None = None
) -> AsyncIterator[Admin]:
    async def readiness() -> dict[str, str | None]:
        return checks or {}

    async def metrics() -> bytes:
        return Metrics().text()

    site = Admin(readiness=readiness, metrics=metrics, paused=lambda: paused or {})
    await site.start(Address(host="127.0.0.1", port=0))
    try:
        yield site
    finally:
        await site.stop()


async def get(site: Admin, path: str, verb: str = "GET") -> Answer:
    async with await Client.open(site.address.host or "", site.address.port or 0) as client:
        return await client.ask(f"{verb} {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())


async def test_healthz_says_that_the_daemon_lives() -> None:
    async with admin({"store": "the disk is full"}) as site:
        answer = await get(site, "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_readyz_names_every_check() -> None:
    async with admin({"store": None, "rules": None}) as site:
        answer = await get(site, "/readyz")
    assert (answer.status, answer.json) == (
        200,
        {"ready": True, "checks": {"store": "ok", "rules": "ok"}, "paused": {}},
    )


async def test_readyz_says_why_the_daemon_is_not_ready() -> None:
    async with admin({"store": None, "rules": "2 errors in rules/fees.yaml"}) as site:
        answer = await get(site, "/readyz")
    assert answer.status == 503
    assert answer.json == {
        "ready": False,
        "checks": {"store": "ok", "rules": "2 errors in rules/fees.yaml"},
        "paused": {},
    }


async def test_a_paused_channel_is_told_and_does_not_make_the_daemon_unready() -> None:
    paused = {"desk": "blocked until 2026-03-01T12:01:00Z: HTTP 401"}
    async with admin({"store": None}, paused) as site:
        answer = await get(site, "/readyz")
    assert (answer.status, answer.json["ready"], answer.json["paused"]) == (200, True, paused)


async def test_metrics_are_in_prometheus_format() -> None:
    async with admin() as site:
        answer = await get(site, "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert b"zennotify_accept_seconds" in answer.body


@pytest.mark.parametrize(
    ("verb", "path", "status"), [("GET", "/", 404), ("GET", "/x", 404), ("POST", "/healthz", 405)]
)
async def test_nothing_else_is_there(verb: str, path: str, status: int) -> None:
    async with admin() as site:
        answer = await get(site, path, verb)
    assert answer.status == status
    assert list(answer.json) == ["error"]


async def test_answers_do_not_name_the_software() -> None:
    async with admin() as site:
        for path in ("/healthz", "/metrics", "/x"):
            assert "server" not in (await get(site, path)).headers


async def test_mistake_of_ours_is_told_by_its_type_only(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> Any:
        raise LookupError("canary")

    site = Admin(readiness=broken, metrics=broken, paused=dict)
    await site.start(Address(host="127.0.0.1", port=0))
    answer = await get(site, "/readyz")
    await site.stop()
    assert answer.status == 500
    assert "LookupError" in answer.json["error"]
    assert "canary" not in answer.json["error"] + caplog.text
    assert "LookupError while /readyz was answered" in caplog.text


async def test_malformed_http_leaves_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with admin() as site, await Client.open(site.address.host or "", site.address.port or 0) as client:
        assert (await client.ask(b"garbage\r\n\r\n")).status == 400
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
