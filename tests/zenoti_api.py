"""A real server on loopback that plays Zenoti's API, on threads of its own: with the limit, the key and the troubles.

    with ZenotiServer() as zenoti:
        zenoti.guests["g1"] = guest("g1", "Ann", "Lee")
        zenoti.next(HANGS, Answer(503))          # the next calls; then normal again
        ... zenoti_api: {key: zenoti.key, base_url: zenoti.base_url}
        assert zenoti.calls == ["/v1/guests/g1"]

Answers have the forms of the documents; forms that no document shows whole are those of the webhooks.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from math import ceil
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.sinks import Answer, How, HttpSink, Received

JSON = {"Content-Type": "application/json; charset=utf-8"}


def as_json(document: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode(), JSON)


HANGS = Answer(how=How.HANG)
CLOSES = Answer(how=How.CLOSE)
DRIPS_HEADERS = Answer(how=How.DRIP_HEADERS)
DRIPS = Answer(headers=JSON, how=How.DRIP_BODY)
HUGE = Answer(headers=JSON, how=How.ENDLESS_BODY)
CUT_JSON = Answer(body=b'{"id": "g1", "personal_info": {"first_na', headers=JSON)
NOT_JSON = Answer(body=b"OK", headers=JSON)
DEEP_JSON = Answer(body=b'{"personal_info":' * 100_000, headers=JSON)
LOGIN_PAGE = Answer(
    body=b"<!doctype html><title>Hotel</title>Please log in", headers={"Content-Type": "text/html"}
)
ELSEWHERE = Answer(302, headers={"Location": "https://login.example.com/"})


def too_many(retry_after: str | None) -> Answer:
    return Answer(429, b"{}", JSON | ({} if retry_after is None else {"Retry-After": retry_after}))


def guest(id_: str, first: str, last: str, **personal: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "code": "1A347",
        "center_id": "c1",
        "center_name": "Bellevue",
        "personal_info": {
            "first_name": first,
            "last_name": last,
            "email": f"{first}@example.com".lower(),
            "mobile_phone": {"country_code": 225, "number": "2065550100", "display_number": "+1 2065550100"},
            "gender": 0,
            **personal,
        },
        "tags": [],
    }


def invoice(id_: str, number: str, total: float, guest_id: str, first: str, last: str) -> dict[str, Any]:
    return {
        "invoice": {
            "id": id_,
            "invoice_number": number,
            "appointment_group_id": f"group-{id_}",
            "is_closed": False,
            "center_id": "c1",
            "total_price": {"currency_id": 148, "sum_total": total},
            "guest": {
                "id": guest_id,
                "first_name": first,
                "last_name": last,
                "mobile_phone": "+1 2065550100",
            },
            "invoice_items": [],
        },
        "error": None,
    }


def session(id_: int, name: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "class_name": name, "start_time": start, "end_time": end, "capacity": 10, **more}


def employee(id_: str, first: str, last: str) -> dict[str, Any]:
    return {
        "id": id_,
        "center_id": "c1",
        "personal_info": {"first_name": first, "last_name": last},
        "job_info": {"salary": 1},
    }


class _Sink(HttpSink):
    def __init__(self, play: Callable[[Received], Answer]) -> None:
        super().__init__()
        self._play = play

    def next_answer(self, received: Received) -> Answer:
        return self._play(received)


class ZenotiServer:
    """Zenoti's API for one organisation."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Take the clock (seconds) that the limit goes by."""
        self.key = "key-of-the-tests"
        #: Calls a minute; None: there is no limit, and no header says one.
        self.limit: int | None = 60
        self.guests: dict[str, Any] = {}
        self.centers: list[dict[str, Any]] = []
        self.invoices: dict[str, Any] = {}
        self.sessions: list[dict[str, Any]] = []
        self.employees: dict[str, Any] = {}
        #: What every call is answered, whoever asks; None: normal.
        self.always: Answer | None = None
        self._clock = clock
        self._script: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._used = 0
        self._renewed = clock() + 60
        self._sink = _Sink(self._play)

    def __enter__(self) -> ZenotiServer:
        self._sink.__enter__()
        return self

    def __exit__(self, *args: object) -> None:
        self._sink.__exit__(*args)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._sink.port}"

    @property
    def calls(self) -> list[str]:
        """Path and query of each call so far."""
        return [got.path for got in self._sink.received]

    @property
    def received(self) -> list[Received]:
        return self._sink.received

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        return self._sink.connections

    def wait_for(self, count: int) -> list[str]:
        """Return the calls as soon as there are `count`."""
        self._sink.wait_for(count)
        return self.calls

    def next(self, *answers: Answer) -> None:
        """Answer the next calls so; those after them normally."""
        with self._lock:
            self._script.extend(answers)

    def others_call(self, count: int) -> None:
        """Spend calls as other integrations of the organisation do."""
        with self._lock:
            self._renew()
            self._used += count

    def _play(self, received: Received) -> Answer:
        with self._lock:
            if self._script:
                return self._script.popleft()
            if self.always is not None:
                return self.always
            if received.headers.get("Authorization") != f"apikey {self.key}":
                return as_json({"message": "Authorization has been denied for this request."}, 401)
            if self.limit is None:
                return self._answer(received)
            return self._limited(received, self.limit)

    def _limited(self, received: Received, limit: int) -> Answer:
        self._renew()
        self._used += 1
        left = ceil(self._renewed - self._clock())
        answer = self._answer(received) if self._used <= limit else too_many(str(left))
        headers = {
            "Organization-RateLimit-Limit": f"{limit};w=60;b={limit}",
            "RateLimit-Remaining": str(max(limit - self._used, 0)),
            "RateLimit-Reset": str(left),
        }
        return Answer(answer.status, answer.body, {**answer.headers, **headers})

    def _renew(self) -> None:
        if self._clock() >= self._renewed:
            self._used, self._renewed = 0, self._clock() + 60

    def _answer(self, received: Received) -> Answer:
        parts = urlsplit(received.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match [unquote(part) for part in parts.path.split("/")][1:]:
            case ["v1", "guests", id_]:
                found = self.guests.get(id_)
            case ["v1", "centers"]:
                found = self._page(int(query.get("page", 1)), int(query.get("size", 10)))
            case ["v1", "invoices", id_]:
                found = self.invoices.get(id_)
            case ["v1", "classes", "sessions"]:
                wanted = query["session_id"] if "center_id" in query else None
                found = {"sessions": [held for held in self.sessions if str(held["id"]) == wanted]}
            case ["v1", "employees", id_]:
                found = self.employees.get(id_)
            case _:
                found = None
        return (
            as_json({"error": {"code": 404, "message": "Not found"}}, 404)
            if found is None
            else as_json(found)
        )

    def _page(self, page: int, size: int) -> dict[str, Any]:
        first = (page - 1) * size
        return {
            "centers": self.centers[first : first + size],
            "page_info": {"total": len(self.centers), "page": page, "size": size},
        }
