"""The client of Zenoti's API against a real server: names found, limits honoured, and never an error for the caller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.certificates import self_signed
from tests.fakes import FakeClock
from tests.sinks import Answer, How, HttpSink
from tests.zenoti_api import (
    CLOSES,
    CUT_JSON,
    DEEP_JSON,
    DRIPS,
    DRIPS_HEADERS,
    ELSEWHERE,
    HANGS,
    HUGE,
    LOGIN_PAGE,
    NOT_JSON,
    ZenotiServer,
    as_json,
    employee,
    guest,
    invoice,
    session,
    too_many,
)
from zennotify.core.model import Zone
from zennotify.zenoti import api as module
from zennotify.zenoti.api import ZenotiApi
from zennotify.zenoti.lookup import Answer as Told
from zennotify.zenoti.lookup import Verdict, Wanted

#: Real time that a peer which never answers costs a test.
SOON = timedelta(milliseconds=50)
ANN = Wanted("guest", "g1")
NOT_JSON_REASON = "Zenoti's API answered with something that is not JSON (a proxy or a login page?)"
LATE = "Zenoti's API did not answer in time"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def zenoti(clock: FakeClock) -> Iterator[ZenotiServer]:
    with ZenotiServer(clock=lambda: clock.now().timestamp()) as server:
        server.guests = {f"g{number}": guest(f"g{number}", "Ann", f"Lee {number}") for number in range(200)}
        server.centers = [{"id": f"c{number}", "name": f"Centre {number}"} for number in range(250)]
        server.invoices = {"i1": invoice("i1", "7448", 488, "g1", "Ann", "Lee")}
        server.sessions = [session(89607, "Yoga", "2026-03-01T10:00:00", "2026-03-01T11:00:00")]
        server.employees = {"e1": employee("e1", "Henry", "Peterson")}
        yield server


@pytest.fixture
def counted() -> list[str]:
    return []


@pytest.fixture
async def api(zenoti: ZenotiServer, clock: FakeClock, counted: list[str]) -> AsyncIterator[ZenotiApi]:
    made = ZenotiApi(zenoti.key, zenoti.base_url, clock, Zone.CENTER, counted.append)
    await made.start()
    yield made
    await made.close()


async def passing(clock: FakeClock, asked: asyncio.Task[Told], seconds: float) -> Told:
    """Return an answer that comes when so much time has passed, and not before."""
    while not clock.alarms:  # the call before is a real one
        assert not asked.done()
        await asyncio.wait([asked], timeout=0.001)
    await clock.advance(timedelta(seconds=seconds) - timedelta(milliseconds=1))
    assert clock.alarms
    await clock.advance(timedelta(milliseconds=1))
    return await asked


def start(api: ZenotiApi, wanted: Wanted = ANN, **options: timedelta) -> asyncio.Task[Told]:
    return asyncio.create_task(api.look_up(wanted, **options))


# --- what is found


@pytest.mark.parametrize(
    ("wanted", "key", "name"),
    [
        (ANN, "guest g1", "Ann Lee 1"),
        (Wanted("guest", "G1"), "guest g1", None),
        (Wanted("center", "C7"), "center c7", "Centre 7"),
        (Wanted("session", 89607, "c1"), "session 89607", "Yoga"),
        (Wanted("session", "89607", "c1"), "session 89607", "Yoga"),
        (Wanted("employee", "e1"), "employee e1", "Henry Peterson"),
    ],
)
async def test_a_name_is_found(api: ZenotiApi, wanted: Wanted, key: str, name: str | None) -> None:
    answer = await api.look_up(wanted)
    assert answer.things.get(key, {}).get("name") == name
    assert answer.verdict is (Verdict.OK if name else Verdict.NOT_FOUND)


async def test_an_invoice_names_its_guest(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    answer = await api.look_up(Wanted("invoice", "i1"))
    assert answer.things["invoice i1"]["number"] == "7448"
    assert answer.things["guest g1"]["name"] == "Ann Lee"
    assert zenoti.calls == ["/v1/invoices/i1?expand=InvoiceItems"]


async def test_one_look_up_teaches_all_centres(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    answer = await api.look_up(Wanted("center", "c249"))
    assert len(answer.things) == 250
    assert zenoti.calls == [f"/v1/centers?page={page}&size=100" for page in (1, 2, 3)]
    both = await asyncio.gather(
        api.look_up(Wanted("center", "c1")), api.look_up(Wanted("center", "elsewhere"))
    )
    assert [answer.verdict for answer in both] == [Verdict.OK, Verdict.NOT_FOUND]
    assert len(zenoti.calls) == 3


async def test_a_page_that_fails_takes_nothing_from_those_before(
    api: ZenotiApi, zenoti: ZenotiServer
) -> None:
    page = as_json({"centers": zenoti.centers[:100], "page_info": {"total": 250}})
    zenoti.next(page, NOT_JSON)
    near, far = await asyncio.gather(
        api.look_up(Wanted("center", "c1")), api.look_up(Wanted("center", "c249"))
    )
    assert (near.verdict, near.reason, len(near.things)) == (Verdict.OK, "", 100)
    assert (far.verdict, far.reason, len(far.things)) == (Verdict.FAILED, NOT_JSON_REASON, 100)


async def test_endless_pages_end(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    zenoti.always = as_json({"centers": zenoti.centers[:100], "page_info": {"total": 10**9}})
    assert (await api.look_up(Wanted("center", "c1"))).verdict is Verdict.OK
    assert len(zenoti.calls) == module._MOST_PAGES


async def test_the_call_is_zenotis(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    await api.look_up(Wanted("guest", "a/../b?c=d"))
    [call] = zenoti.received
    assert (call.method, call.path) == ("GET", "/v1/guests/a%2F..%2Fb%3Fc=d")
    assert call.headers["Authorization"] == "apikey key-of-the-tests"
    assert call.headers["User-Agent"] == "zennotify"


async def test_connections_are_kept(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    for number in range(3):
        await api.look_up(Wanted("guest", f"g{number}"))
    assert (len(zenoti.calls), zenoti.connections) == (3, 1)


async def test_cookies_are_not(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    zenoti.next(Answer(404, headers={"Set-Cookie": "a=b; Path=/"}))
    for number in range(2):
        await api.look_up(Wanted("guest", f"g{number}"))
    assert "Cookie" not in zenoti.received[1].headers


async def test_a_proxy_of_the_machine_is_used(
    zenoti: ZenotiServer, clock: FakeClock, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpSink() as proxy:
        proxy.answer(as_json(zenoti.guests["g1"]))
        monkeypatch.setenv("http_proxy", f"http://user:pass@127.0.0.1:{proxy.port}")
        api = ZenotiApi(zenoti.key, "http://api.zenoti.example", clock, Zone.CENTER, counted.append)
        await api.start()
        assert (await api.look_up(ANN)).verdict is Verdict.OK
        await api.close()
    [call] = proxy.received
    assert call.path == "http://api.zenoti.example/v1/guests/g1"
    assert call.headers["Proxy-Authorization"] == "Basic dXNlcjpwYXNz"


# --- what is not


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("guest", ""),
        Wanted("guest", ".."),
        Wanted("guest", "x" * 201),
        Wanted("membership", "m1"),
        Wanted("session", 89607),
    ],
)
async def test_what_cannot_be_asked_for_is_not(api: ZenotiApi, zenoti: ZenotiServer, wanted: Wanted) -> None:
    assert (await api.look_up(wanted)).verdict is Verdict.FAILED
    assert zenoti.calls == []


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        (NOT_JSON, Verdict.FAILED, NOT_JSON_REASON),
        (CUT_JSON, Verdict.FAILED, NOT_JSON_REASON),
        (DEEP_JSON, Verdict.FAILED, "Zenoti's API answered with more than 1 MiB"),
        (LOGIN_PAGE, Verdict.FAILED, NOT_JSON_REASON),
        (HUGE, Verdict.FAILED, "Zenoti's API answered with more than 1 MiB"),
        (as_json([]), Verdict.FAILED, "Zenoti's API answered in a form that is not known"),
        (as_json({}, 400), Verdict.FAILED, "Zenoti's API answered with HTTP 400"),
        (as_json({}, 404), Verdict.NOT_FOUND, "Zenoti's API does not know this guest"),
        (
            as_json({}, 401),
            Verdict.REFUSED,
            "Zenoti's API refused the key, or the key has no right to read guests",
        ),
        (
            ELSEWHERE,
            Verdict.FAILED,
            "Zenoti's API redirects elsewhere, which is never followed: check zenoti_api.base_url",
        ),
        (too_many("7"), Verdict.LIMITED, "Zenoti's API allows no more calls at the moment"),
    ],
)
async def test_an_answer_that_will_not_change_is_not_asked_for_twice(
    api: ZenotiApi, zenoti: ZenotiServer, counted: list[str], answer: Answer, verdict: Verdict, reason: str
) -> None:
    zenoti.next(answer)
    assert await api.look_up(ANN) == Told(verdict, reason, passing=verdict is Verdict.LIMITED)
    assert len(zenoti.calls) == 1
    assert counted == [verdict]


@pytest.mark.parametrize("trouble", [Answer(500), Answer(503, b"<html>"), CLOSES])
async def test_a_passing_trouble_is_tried_once_more(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock, counted: list[str], trouble: Answer
) -> None:
    zenoti.next(trouble)
    answer = await passing(clock, start(api), 1)
    assert answer.things["guest g1"]["name"] == "Ann Lee 1"
    assert counted == ["failed", "ok"]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Answer(502), "Zenoti's API answered with HTTP 502"),
        (CLOSES, "Zenoti's API broke off its answer"),
    ],
)
async def test_and_not_a_third_time(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock, trouble: Answer, reason: str
) -> None:
    zenoti.always = trouble
    answer = await passing(clock, start(api), 1)
    assert (answer.verdict, answer.reason) == (Verdict.FAILED, reason)
    assert len(zenoti.calls) == 2


async def test_nor_when_the_deadline_would_be_over(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    zenoti.always = Answer(503)
    answer = await api.look_up(ANN, deadline=timedelta(seconds=1))
    assert answer.reason == "Zenoti's API answered with HTTP 503"
    assert len(zenoti.calls) == 1


@pytest.mark.parametrize(
    "trouble", [HANGS, DRIPS, DRIPS_HEADERS, Answer(how=How.ENDLESS_HEADERS)], ids=lambda answer: answer.how
)
async def test_the_deadline_holds_whatever_the_peer_does(
    api: ZenotiApi, zenoti: ZenotiServer, counted: list[str], trouble: Answer
) -> None:
    zenoti.always = trouble
    answer = await api.look_up(ANN, deadline=SOON)
    assert answer.verdict is Verdict.FAILED
    assert answer.reason in {LATE, "Zenoti's API broke off its answer"}
    assert counted == ["failed"]


async def test_a_peer_that_is_not_there(clock: FakeClock, counted: list[str], free_port: int) -> None:
    api = ZenotiApi("key", f"http://127.0.0.1:{free_port}", clock, Zone.CENTER, counted.append)
    await api.start()
    answer = await passing(clock, start(api), 1)
    assert (answer.verdict, answer.reason) == (Verdict.FAILED, "Zenoti's API cannot be reached")
    assert counted == ["failed", "failed"]
    await api.close()


async def test_a_peer_that_cannot_prove_who_it_is_gets_no_key(
    tmp_path: Path, clock: FakeClock, counted: list[str]
) -> None:
    context, _ = self_signed(tmp_path)
    with HttpSink(context) as sink:
        api = ZenotiApi("key", f"https://127.0.0.1:{sink.port}", clock, Zone.CENTER, counted.append)
        await api.start()
        answer = await api.look_up(ANN)
        await api.close()
    assert answer.reason == "whoever answers at zenoti_api.base_url could not prove that it is Zenoti's API"
    assert sink.received == []


@pytest.mark.parametrize("key", ["two\nlines", "ключ"])
async def test_a_key_that_is_none_is_no_error(
    zenoti: ZenotiServer, clock: FakeClock, counted: list[str], key: str
) -> None:
    api = ZenotiApi(key, zenoti.base_url, clock, Zone.CENTER, counted.append)
    await api.start()
    answer = await api.look_up(ANN, deadline=timedelta(seconds=1))
    assert answer.verdict in {Verdict.FAILED, Verdict.REFUSED}
    assert key not in answer.reason
    await api.close()


# --- the limit


async def test_ten_calls_of_the_minute_are_left_to_others(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock, counted: list[str]
) -> None:
    asked = [Wanted("guest", f"g{number}") for number in range(60)]
    answers = await asyncio.gather(*map(api.look_up, asked))
    assert [answer.verdict for answer in answers] == [Verdict.OK] * 50 + [Verdict.LIMITED] * 10
    assert answers[-1].reason == "Zenoti's 60 API calls a minute are used up"
    assert len(zenoti.calls) == 50
    assert counted.count("limited") == 10
    await clock.advance(timedelta(minutes=1))
    assert (await api.look_up(asked[-1])).verdict is Verdict.OK


async def test_what_others_use_is_honoured(api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock) -> None:
    zenoti.others_call(49)
    await api.look_up(ANN)
    await clock.advance(timedelta(seconds=20))
    answer = await api.look_up(Wanted("guest", "g2"))
    assert answer.verdict is Verdict.LIMITED
    assert len(zenoti.calls) == 1
    await clock.advance(timedelta(seconds=40))
    assert (await api.look_up(Wanted("guest", "g2"))).verdict is Verdict.OK


async def test_a_call_waits_for_its_turn_where_that_is_in_time(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock
) -> None:
    zenoti.others_call(49)
    await api.look_up(ANN)
    await clock.advance(timedelta(seconds=57))
    answer = await passing(clock, start(api, Wanted("guest", "g2")), 3)
    assert answer.verdict is Verdict.OK


async def test_a_429_is_waited_for_where_that_is_in_time(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock, counted: list[str]
) -> None:
    zenoti.next(too_many("3"))
    answer = await passing(clock, start(api), 3)
    assert answer.verdict is Verdict.OK
    assert counted == ["limited", "ok"]


@pytest.mark.parametrize(("retry_after", "seconds"), [("30", 30), (None, 60), ("never", 60)])
async def test_nobody_calls_before_a_429_allows_it(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock, retry_after: str | None, seconds: int
) -> None:
    zenoti.next(too_many(retry_after))
    assert (await api.look_up(ANN)).verdict is Verdict.LIMITED
    await clock.advance(timedelta(seconds=seconds - 6))
    assert (await api.look_up(ANN)).verdict is Verdict.LIMITED
    assert len(zenoti.calls) == 1
    await clock.advance(timedelta(seconds=6))
    assert (await api.look_up(ANN)).verdict is Verdict.OK


# --- asked once


async def test_equal_look_ups_at_the_same_moment_are_one_call(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    same = [Wanted("guest", "g1"), Wanted("guest", " g1 ")] * 20
    answers = await asyncio.gather(*map(api.look_up, same))
    assert {answer.things["guest g1"]["name"] for answer in answers} == {"Ann Lee 1"}
    assert len(zenoti.calls) == 1


async def test_whoever_joins_keeps_his_own_deadline(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    zenoti.next(HANGS)
    first = start(api)
    assert (await api.look_up(ANN, deadline=SOON)).reason == LATE
    assert not first.done()


async def test_a_caller_who_goes_away_takes_nothing_from_the_others(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock
) -> None:
    zenoti.next(Answer(503))
    first, second = start(api), start(api)
    while not clock.alarms:
        await asyncio.wait([second], timeout=0.001)
    first.cancel()
    assert (await passing(clock, second, 1)).verdict is Verdict.OK
    assert first.cancelled()
    assert len(zenoti.calls) == 2


@pytest.mark.parametrize(
    ("answer", "memory"),
    [
        (as_json({}, 404), timedelta(hours=1)),
        (NOT_JSON, timedelta(minutes=1)),
        (as_json({}, 403), timedelta(minutes=10)),
        (as_json(guest("g1", "", "")), timedelta(hours=1)),
        (as_json(guest("g1", "Ann", "Lee")), timedelta(minutes=1)),
    ],
)
async def test_an_answer_is_remembered_for_a_while(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock, answer: Answer, memory: timedelta
) -> None:
    zenoti.next(answer)
    told = await api.look_up(ANN)
    await clock.advance(memory - timedelta(milliseconds=1))
    assert await api.look_up(Wanted("guest", "G1")) == told
    assert len(zenoti.calls) == 1
    await clock.advance(timedelta(milliseconds=1))
    assert (await api.look_up(ANN)).things["guest g1"]["name"] == "Ann Lee 1"


async def test_a_centre_that_is_not_listed_is_not_looked_for_again(
    api: ZenotiApi, zenoti: ZenotiServer, clock: FakeClock
) -> None:
    for _ in range(3):
        assert (await api.look_up(Wanted("center", "elsewhere"))).verdict is Verdict.NOT_FOUND
        await clock.advance(timedelta(minutes=10))
    assert len(zenoti.calls) == 3


async def test_a_refused_key_is_not_shown_again_for_such_things(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    zenoti.next(as_json({}, 401))
    for number in range(3):
        assert (await api.look_up(Wanted("guest", f"g{number}"))).verdict is Verdict.REFUSED
    assert len(zenoti.calls) == 1
    # It may still have the right to others.
    assert (await api.look_up(Wanted("employee", "e1"))).verdict is Verdict.OK


@pytest.mark.parametrize(("trouble", "asked"), [(HANGS, 1), (LOGIN_PAGE, 3)], ids=["hangs", "other"])
async def test_a_broken_api_is_not_asked_for_each_message(
    api: ZenotiApi,
    zenoti: ZenotiServer,
    clock: FakeClock,
    counted: list[str],
    trouble: Answer,
    asked: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DEADLINE", SOON)
    zenoti.always = trouble
    reasons = {
        (await api.look_up(Wanted("guest", f"g{number}"), deadline=SOON)).reason for number in range(10)
    }
    assert len(reasons) == 1
    assert counted == ["failed"] * asked
    await clock.advance(timedelta(minutes=1))
    for number in range(20, 23):
        assert (await api.look_up(Wanted("guest", f"g{number}"), deadline=SOON)).reason in reasons
    assert counted == ["failed"] * (asked + 1)
    await clock.advance(timedelta(minutes=1))
    zenoti.always = None
    for number in range(30, 35):
        assert (await api.look_up(Wanted("guest", f"g{number}"))).verdict is Verdict.OK


async def test_a_call_that_had_less_time_does_not_close_the_api(
    api: ZenotiApi, zenoti: ZenotiServer, counted: list[str]
) -> None:
    zenoti.next(HANGS)
    assert (await api.look_up(Wanted("guest", "g0"), deadline=SOON)).reason == LATE
    assert (await api.look_up(Wanted("guest", "g1"))).verdict is Verdict.OK
    assert counted == ["failed", "ok"]


async def test_what_is_remembered_is_bounded(
    api: ZenotiApi, zenoti: ZenotiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 3)
    for number in range(10):
        await api.look_up(Wanted("guest", f"g{number}"))
    assert list(api._remembered) == ["guest g7", "guest g8", "guest g9"]


# --- the house


async def test_a_stop_ends_what_is_being_asked(api: ZenotiApi, zenoti: ZenotiServer) -> None:
    zenoti.always = HANGS
    asked = [start(api), start(api), start(api, Wanted("guest", "g2"))]
    await asyncio.to_thread(zenoti.wait_for, 2)
    await api.close()
    assert {(await task).reason for task in asked} == {"zennotify is stopping"}
    assert (await api.look_up(ANN)).reason == "zennotify is stopping"


async def test_the_log_has_ids_only(
    api: ZenotiApi, zenoti: ZenotiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    zenoti.next(as_json({}, 404))
    for id_ in ("new\nline", "g1", "g2"):
        await api.look_up(Wanted("guest", id_))
    told = [record.getMessage() for record in caplog.records if record.name.startswith("zennotify")]
    assert told == [
        "api guest=new%0Aline not_found: Zenoti's API does not know this guest",
        "api guest=g1 ok",
        "api guest=g2 ok",
    ]
    assert "Ann" not in caplog.text
    assert zenoti.key not in caplog.text


async def test_a_thread_may_ask(api: ZenotiApi) -> None:
    loop = asyncio.get_running_loop()

    def ask() -> Told:
        return asyncio.run_coroutine_threadsafe(api.look_up(ANN), loop).result(10)

    assert (await asyncio.to_thread(ask)).things["guest g1"]["name"] == "Ann Lee 1"
