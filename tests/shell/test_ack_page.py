"""The page behind a message's link, byte for byte: what a GET shows, what a POST does, and what is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.carrying import nothing
from tests.fakes import make_rule
from tests.http_corpus import Answer
from tests.receiving import SECRETS, Receiving, receiving
from tests.taking import Desk, taking
from zennotify.config import Verify
from zennotify.core.rule import Rule
from zennotify.receiver.proof import Failures

PUBLIC_URL = "https://alerts.example.com"
HOSTILE = '"><script>alert(1)</script>{{ 7*7 }}$title'


class Public:
    """The public address, and the message that its link is about."""

    def __init__(self, desk: Desk, world: Receiving) -> None:
        self.desk = desk
        self.world = world

    async def ask(
        self,
        verb: str = "GET",
        path: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        told = {"Host": "alerts.example.com", **(headers or {})}
        if body is not None:
            told = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Content-Length": str(len(body)),
                **told,
            }
        lines = [
            f"{verb} {path or self.desk.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in told.items()),
        ]
        async with await self.world.client() as client:
            client.send("\r\n".join([*lines, "", ""]).encode() + (body or b""))
            return await client.answer(head_only=verb == "HEAD")

    async def post(self, name: str = "Ann", path: str | None = None, **headers: str) -> Answer:
        told = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.ask("POST", path, urlencode({"by": name}).encode(), told)


@asynccontextmanager
async def opened(folder: Path, public_url: str | None = PUBLIC_URL, **changes: Any) -> AsyncIterator[Public]:
    rule = changes.pop("rule", replace(make_rule(), description="A guest did not come"))
    async with (
        taking(folder, public_url=public_url, rule=rule) as desk,
        receiving(acknowledger=desk.acknowledger, public_url=public_url, **changes) as world,
    ):
        yield Public(desk, world)


@pytest.fixture
async def public(tmp_path: Path) -> AsyncIterator[Public]:
    async with opened(tmp_path, secrets=SECRETS, verify=Verify.ENFORCE) as public:
        yield public


def page(answer: Answer) -> str:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    text = answer.body.decode()
    assert "$" not in text
    return text


def said(answer: Answer) -> list[str]:
    """The paragraphs of a page, as they read."""
    return re.findall(r"<p[^>]*>(.*?)</p>", page(answer))


# --- what it shows and does ----------------------------------------------------------------------------------


async def test_a_get_shows_how_things_stand_and_acknowledges_nothing(public: Public) -> None:
    for verb in ("GET", "GET", "HEAD"):
        answer = await public.ask(verb)
        assert answer.status == 200
    answer = await public.ask()
    assert "<h1>A guest did not come</h1>" in page(answer)
    assert said(answer) == ["Sent Sun, Mar 1, 1:00 PM", "Nobody has taken it yet."]
    assert public.desk.taken_by() is None
    assert public.desk.woken == []


async def test_a_head_has_the_headers_of_the_page_and_no_body(public: Public) -> None:
    got, head = await public.ask(), await public.ask("HEAD")
    assert head.body == b""
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


async def test_a_post_acknowledges_and_says_so(public: Public) -> None:
    public.desk.clock.set_back(timedelta(hours=-2))
    answer = await public.post("Ann Lee")
    assert answer.status == 200
    assert said(answer)[:2] == ["Sent Sun, Mar 1, 1:00 PM", "Taken by Ann Lee, Sun, Mar 1, 3:00 PM."]
    assert "<form" not in page(answer)
    assert public.desk.taken_by() == "Ann Lee"
    assert said(await public.ask())[1] == "Taken by Ann Lee, Sun, Mar 1, 3:00 PM."


async def test_a_second_post_says_who_was_first_and_changes_nothing(public: Public) -> None:
    await public.post("Ann")
    answer = await public.post("Bob")
    assert (answer.status, said(answer)[1:]) == (
        200,
        ["Taken by Ann, Sun, Mar 1, 1:00 PM.", "Somebody was faster: nothing has changed."],
    )
    assert public.desk.taken_by() == "Ann"


@pytest.mark.parametrize("rule", [make_rule(), make_rule("another")], ids=["no description", "no such rule"])
async def test_a_rule_of_which_no_more_is_known_is_called_by_its_id(tmp_path: Path, rule: Rule) -> None:
    async with opened(tmp_path, rule=rule) as public:
        assert "<h1>r</h1>" in page(await public.ask())


async def test_what_was_typed_is_only_text(tmp_path: Path) -> None:
    rule = replace(make_rule(), description=HOSTILE.replace("$", ""))
    async with opened(tmp_path, rule=rule) as public:
        answer = await public.post(HOSTILE.replace("$", ""))
        assert "<script>" not in page(answer)
        assert page(answer).count("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}title") == 3


async def test_a_dollar_in_a_name_stays_a_dollar(public: Public) -> None:
    answer = await public.post("$title ${heading} $$")
    assert "Taken by $title ${heading} $$," in answer.body.decode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"by=",
        b"by=+%20",
        b"by=a%00b",
        b"by=a%0Ab",
        b"by=%FF",
        b"by=\xff",
        b"other=Ann",
        b"a&b=" * 20,
        b"by=%E2%80%AEx",
    ],
)
async def test_without_a_name_nothing_is_taken(public: Public, body: bytes) -> None:
    answer = await public.ask("POST", body=body)
    assert answer.status == 400
    assert 'role="alert"' in page(answer)
    assert 'aria-describedby="wrong"' in page(answer)
    assert "%" not in "".join(said(answer))
    assert public.desk.taken_by() is None


async def test_a_long_name_is_cut(public: Public) -> None:
    await public.post("x" * 500)
    assert public.desk.taken_by() == "x" * 80


# --- links that lead nowhere ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST"])
async def test_a_link_that_is_over_says_so(public: Public, verb: str) -> None:
    path = public.desk.path
    public.desk.clock.set_back(-timedelta(days=7, hours=1))
    answer = await public.ask(verb, path, b"by=Ann" if verb == "POST" else None)
    assert answer.status == 410
    assert public.desk.taken_by() is None
    if verb != "HEAD":
        assert "<h1>This link is over</h1>" in page(answer)


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_a_link_whose_message_is_forgotten_is_over(public: Public, verb: str) -> None:
    url = public.desk.acknowledger.url("9de52e2a")
    answer = await public.ask(verb, "/ack/" + url.rpartition("/")[2], b"by=Ann" if verb == "POST" else None)
    assert answer.status == 410


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.parametrize(
    "rest", ["", "x", "<script>", "AAAAAAAAAAAAAAAAAAAAAAAA", "A" * 25, "../webhooks/zenoti", "a/b"]
)
async def test_a_wrong_link_gets_a_fixed_text(public: Public, verb: str, rest: str) -> None:
    answer = await public.ask(verb, f"/ack/{rest}", b"by=Ann" if verb == "POST" else None)
    assert answer.status == 404
    assert "<h1>There is nothing here</h1>" in page(answer)
    assert answer.body == (await public.ask(path="/ack/other")).body


async def test_who_guesses_links_is_slowed_and_who_has_one_is_not(public: Public) -> None:
    answers = [await public.ask(path=f"/ack/{number:a>29}") for number in range(Failures.BURST + 30)]
    assert {answer.status for answer in answers[: Failures.BURST]} == {404}
    assert answers[-1].status == 429
    assert (await public.ask()).status == 200
    assert (await public.post()).status == 200
    # The webhook's own senders are not made to pay for it.
    assert (
        await public.ask("POST", "/webhooks/zenoti", b"{}", {"Content-Type": "application/json"})
    ).status == 401


async def test_proxies_speak_for_who_guesses(tmp_path: Path) -> None:
    async with opened(tmp_path, trusted_proxies=["127.0.0.1"]) as public:
        one = {"X-Forwarded-For": "192.0.2.1"}
        answers = [
            await public.ask(path=f"/ack/{number:a>29}", headers=one) for number in range(Failures.BURST + 30)
        ]
        assert answers[-1].status == 429
        other = await public.ask(path="/ack/x", headers={"X-Forwarded-For": "192.0.2.2"})
        assert other.status == 404


# --- requests that are refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("https://alerts.example.com", 200),
        ("https://ALERTS.example.com", 200),
        ("http://127.0.0.1:8080", 200),
        ("https://evil.example", 403),
        ("http://alerts.example.com", 403),
        ("https://alerts.example.com.evil.example", 403),
        ("https://alerts.example.com:8443", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_only_our_own_page_may_send_the_form(public: Public, origin: str | None, status: int) -> None:
    headers = {"Host": "127.0.0.1:8080"} | ({} if origin is None else {"Origin": origin})
    answer = await public.post(**headers)
    assert answer.status == status
    assert (public.desk.taken_by() is None) == (status == 403)


async def test_the_default_port_of_the_public_address_is_not_named_by_browsers(tmp_path: Path) -> None:
    async with opened(tmp_path, "https://alerts.example.com:443") as public:
        assert (await public.post(Host="x", Origin="https://alerts.example.com")).status == 200


@pytest.mark.parametrize("verb", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_verbs_are_refused(public: Public, verb: str) -> None:
    answer = await public.ask(verb, body=b"by=Ann")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert public.desk.taken_by() is None


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"by=" + b"x" * 4096, 413),
        ({"Content-Type": "application/json"}, b'{"by": "Ann"}', 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"by=Ann", 415),
        ({"Content-Encoding": "gzip"}, b"by=Ann", 415),
        ({"Expect": "a miracle"}, b"by=Ann", 417),
    ],
)
async def test_what_is_no_small_form_is_refused(
    public: Public, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert (await public.ask("POST", body=body, headers=headers)).status == status
    assert public.desk.taken_by() is None


async def test_a_form_without_a_length_is_bounded_too(public: Public) -> None:
    head = (
        f"POST {public.desk.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )
    async with await public.world.client() as client:
        client.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n1500\r\n" + b"x" * 0x1500 + b"\r\n")
        assert (await client.answer()).status == 413


async def test_while_the_store_is_away_nothing_is_taken(public: Public) -> None:
    public.desk.store.writer.stop()
    answer = await public.post()
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert "<h1>It is not taken yet</h1>" in page(answer)


# --- the page's own safety -----------------------------------------------------------------------------------


async def test_every_page_may_load_nothing_and_is_kept_nowhere(public: Public) -> None:
    over = public.desk.path
    answers = [await public.ask(), await public.post(), await public.ask(path="/ack/x")]
    answers.append(await public.post(Origin="https://evil.example"))
    public.desk.clock.set_back(-timedelta(days=8))
    answers.append(await public.ask(path=over))
    assert [answer.status for answer in answers] == [200, 200, 404, 403, 410]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert re.fullmatch(
            r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; form-action 'self'; base-uri 'none';"
            r" frame-ancestors 'none'",
            policy,
        )
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<(?:script|link|img|iframe|a)\b|url\(|@import", page(answer))


# --- where it is ---------------------------------------------------------------------------------------------


async def test_a_prefix_of_the_public_address_may_come_or_not(tmp_path: Path) -> None:
    async with opened(tmp_path, "https://example.com/zen/notify") as public:
        assert public.desk.acknowledger.url(public.desk.delivery.id).startswith(
            "https://example.com/zen/notify/ack/"
        )
        path = public.desk.path
        assert (await public.ask(path=path)).status == 200
        assert (await public.ask(path=f"/zen/notify{path}?utm=x")).status == 200
        assert (await public.ask(path=f"/zen{path}")).json == {"error": "not_found"}
        assert (
            await public.post(path=f"/zen/notify{path}", Host="example.com", Origin="https://example.com")
        ).status == 200
        assert public.desk.taken_by() == "Ann"


async def test_without_a_public_address_there_are_no_links_and_no_page(tmp_path: Path) -> None:
    async with opened(tmp_path, None) as public:
        assert public.desk.acknowledger.url(public.desk.delivery.id) == ""
        answer = await public.ask(path="/ack/x")
        assert (answer.status, answer.json) == (404, {"error": "not_found"})


async def test_all_else_is_as_it_was(public: Public) -> None:
    for path in ("/", "/ack", "/acks/x", "/favicon.ico", "/webhooks/zenoti/ack/x"):
        answer = await public.ask(path=path)
        assert (answer.status, answer.json) == (404, {"error": "not_found"})
    assert (await public.ask(path="/webhooks/zenoti")).status == 405
    ping = await public.ask("POST", "/webhooks/zenoti", b"", {"Content-Type": "application/json"})
    assert ping.json == {"status": "ping"}


async def test_the_webhook_may_lie_where_links_would(tmp_path: Path) -> None:
    async with opened(tmp_path, path="/ack/zenoti") as public:
        ping = await public.ask("POST", "/ack/zenoti", b"", {"Content-Type": "application/json"})
        assert ping.json == {"status": "ping"}
        assert (await public.ask()).status == 200


async def test_refusals_do_not_count_as_errors_that_zenoti_saw(public: Public) -> None:
    await public.ask("POST", body=b"by=" + b"x" * 5000)
    await public.ask(path="/ack/x")
    await public.post(Origin="null")
    assert public.world.metric("non_success_run") == 0


async def test_a_connection_is_kept_for_the_next_request(public: Public) -> None:
    raw = f"GET {public.desk.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with await public.world.client() as client:
        client.send(raw * 3)
        assert [(await client.answer()).status for _ in range(3)] == [200, 200, 200]


async def test_names_and_links_are_in_no_log(public: Public, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await public.post("Annabelle")
    await public.ask(path="/ack/secretsecretsecretsecret")
    await public.desk.store.writer.call(nothing)
    assert f"delivery={public.desk.delivery.id} acknowledged" in caplog.text
    assert "Annabelle" not in caplog.text
    assert "secretsecret" not in caplog.text
    assert public.desk.path.removeprefix("/ack/") not in caplog.text


async def test_a_store_that_does_not_answer_holds_nobody(
    public: Public, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_delivery: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("zennotify.receiver.ack._LONGEST_HOLD", 0.01)
    monkeypatch.setattr(public.desk.acknowledger, "look", never)
    answer = await public.ask()
    assert (answer.status, said(answer)) == (503, ["Something is wrong here. Try again in a minute."])
