"""What the API's answers teach: the documented forms, and nothing from any other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zenoti_api import CUT_JSON, DEEP_JSON, LOGIN_PAGE, NOT_JSON, employee, guest, invoice, session
from zennotify.core.model import Zone
from zennotify.zenoti import facts
from zennotify.zenoti.facts import Lesson
from zennotify.zenoti.lookup import KINDS, Answer, Verdict, Wanted, about, judge, target
from zennotify.zenoti.things import FIELDS, POINTERS

GUEST = Wanted("guest", "G1")
CENTER = Wanted("center", "c2")
INVOICE = Wanted("invoice", "i1")
SESSION = Wanted("session", 89607, "c1")
EMPLOYEE = Wanted("employee", "e1")
NOBODY = "00000000-0000-0000-0000-000000000000"


def read(wanted: Wanted, document: Any, *, status: int = 200, class_times: Zone = Zone.CENTER) -> Answer:
    return about(wanted, judge(wanted, 1, status, json.dumps(document).encode(), class_times))


def centers(*found: Any, **more: Any) -> dict[str, Any]:
    return {"centers": list(found), **more}


# --- what is asked


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        (GUEST, "/v1/guests/G1"),
        (Wanted("guest", " G1 "), "/v1/guests/G1"),
        (EMPLOYEE, "/v1/employees/e1"),
        (INVOICE, "/v1/invoices/i1?expand=InvoiceItems"),
        (CENTER, "/v1/centers?page=1&size=100"),
        (SESSION, "/v1/classes/sessions?center_id=c1&session_id=89607"),
        (Wanted("guest", "../a b?c=d&é#%2F"), "/v1/guests/..%2Fa%20b%3Fc%3Dd%26%C3%A9%23%252F"),
        (Wanted("session", "1&x=2", "c/1"), "/v1/classes/sessions?center_id=c%2F1&session_id=1%26x%3D2"),
    ],
)
def test_an_id_stays_where_it_belongs(wanted: Wanted, path: str) -> None:
    assert target(wanted) == path


# --- what is read


def test_a_guest_is_read() -> None:
    answer = read(GUEST, guest("g1", "Ann", "Lee"))
    assert answer == Answer(
        Verdict.OK,
        things={
            "guest g1": {
                "name": "Ann Lee",
                "first_name": "Ann",
                "last_name": "Lee",
                "email": "ann@example.com",
                "phone": "+1 2065550100",
                "center": "c1",
            },
            "center c1": {"name": "Bellevue"},
        },
    )


def test_a_number_of_a_country_is_no_country_code() -> None:
    phone = {"country_code": 225, "number": "2065550100"}
    assert "phone" not in read(GUEST, guest("g1", "Ann", "Lee", mobile_phone=phone)).things["guest g1"]


def test_all_centres_are_read() -> None:
    answer = read(
        CENTER,
        centers(
            {"id": "C1", "name": "Bellevue", "currency": {"code": "USD", "id": 148}},
            {"id": "c2", "name": "Dublin", "currency": "euro", "location": {"time_zone": {"id": 36}}},
            {
                "id": "c3",
                "name": "Paris",
                "time_zone": {"name": "(UTC+1)", "identifier_name": "Europe/Paris"},
            },
            {"id": "c4", "name": "London", "location": {"time_zone": {"standard_name": "GMT Standard Time"}}},
            {"id": "c5", "name": "Nowhere", "time_zone": "No/Where"},
            {"id": "c6", "name": "Root", "time_zone": "../../etc/passwd"},
            {"id": None, "name": "x"},
            "?",
        ),
    )
    assert answer.verdict is Verdict.OK
    assert answer.things == {
        "center c1": {"name": "Bellevue", "currency": "USD"},
        "center c2": {"name": "Dublin"},
        "center c3": {"name": "Paris", "time_zone": "Europe/Paris"},
        "center c4": {"name": "London"},
        "center c5": {"name": "Nowhere"},
        "center c6": {"name": "Root"},
    }


@pytest.mark.parametrize(
    ("count", "info", "more"),
    [
        (100, {"total": 101, "page": 1, "size": 100}, True),
        (100, {"total": 100, "page": 1, "size": 100}, False),
        (0, {"total": 101}, False),
        (10, None, False),
        (100, None, True),
        (100, {"total": "many"}, True),
    ],
)
def test_further_pages_are_noticed(count: int, info: Any, more: bool) -> None:
    document = centers(*({"id": f"c{number}"} for number in range(count)), page_info=info)
    assert judge(CENTER, 1, 200, json.dumps(document).encode(), Zone.CENTER).more is more


def test_an_invoice_is_read_with_what_it_points_to() -> None:
    answer = read(INVOICE, invoice("i1", "7448", 488, "g1", "Ann", "Lee"))
    assert answer == Answer(
        Verdict.OK,
        things={
            "invoice i1": {
                "number": "7448", "total": 488, "group": "group-i1", "guest": "g1", "center": "c1",
            },
            "guest g1": {"name": "Ann Lee", "first_name": "Ann", "last_name": "Lee", "phone": "+1 2065550100"},
            "group group-i1": {"invoice": "i1", "guest": "g1", "center": "c1"},
        },
    )  # fmt: skip


def test_a_bare_invoice_is_read_too() -> None:
    bare = invoice("I1", "7448", -12.5, "g1", "Ann", "Lee")["invoice"]
    assert read(INVOICE, bare).things["invoice i1"]["total"] == -12.5


@pytest.mark.parametrize("total", ["488", True, None, 10**400, {"sum": 1}])
def test_an_odd_total_is_unknown(total: Any) -> None:
    assert "total" not in read(INVOICE, invoice("i1", "7448", total, "g1", "Ann", "Lee")).things["invoice i1"]


def test_the_guest_that_zenoti_writes_for_nobody_is_nobody() -> None:
    things = read(INVOICE, invoice("i1", "7448", 488, NOBODY, "Walk", "In")).things
    assert "guest" not in things["invoice i1"]
    assert not any(key.startswith("guest") for key in things)


START, UTC_START = "2026-03-01T10:00:00", "2026-03-01T18:00:00"


@pytest.mark.parametrize(
    ("said", "class_times", "start"),
    [
        ({"start_time": START, "start_time_utc": UTC_START}, Zone.CENTER, START),
        ({"start_time": START, "start_time_utc": UTC_START}, Zone.UTC, f"{UTC_START}Z"),
        ({"start_time": START}, Zone.CENTER, START),
        ({"start_time": START}, Zone.UTC, None),
        ({"start_time_utc": UTC_START}, Zone.CENTER, f"{UTC_START}Z"),
        ({"start_time_utc": f"{UTC_START}Z"}, Zone.UTC, f"{UTC_START}Z"),
        ({"start_time": "0001-01-01T00:00:00"}, Zone.CENTER, None),
        ({"start_time": "soon", "start_time_utc": 5}, Zone.CENTER, None),
    ],
)
def test_a_time_is_right_for_whoever_reads_the_facts(
    said: dict[str, Any], class_times: Zone, start: str | None
) -> None:
    document = {"sessions": [{"id": 89607, "class_name": "Yoga", **said}]}
    things = read(SESSION, document, class_times=class_times).things
    assert things["session 89607"].get("start") == start


def test_a_class_is_found_among_others() -> None:
    found = [
        session(1, "Pilates", START, START),
        session(89607, "Yoga", START, "2026-03-01T11:00:00"),
        {"name": "without an id"},
        None,
    ]
    assert read(SESSION, {"sessions": found}).things == {
        "session 89607": {"name": "Yoga", "start": START, "end": "2026-03-01T11:00:00", "capacity": 10}
    }
    assert read(SESSION, {"sessions": found[:1]}).verdict is Verdict.NOT_FOUND


def test_of_an_employee_only_the_name_is_read() -> None:
    answer = read(EMPLOYEE, employee("E1", "Henry", "Peterson"))
    assert answer.things == {"employee e1": {"name": "Henry Peterson", "center": "c1"}}


def test_texts_can_be_stored() -> None:
    things = read(GUEST, guest("g1", " A\ud800n\x00n ", "Lee", email="x" * 501)).things
    assert things["guest g1"]["name"] == "A�n�n Lee"
    assert "email" not in things["guest g1"]


def test_only_fields_that_things_have_are_read() -> None:
    answers = [
        read(GUEST, guest("g1", "Ann", "Lee")),
        read(
            CENTER, centers({"id": "c2", "name": "Bellevue", "time_zone": "Europe/Paris", "currency": "EUR"})
        ),
        read(INVOICE, invoice("i1", "7448", 488, "g1", "Ann", "Lee")),
        read(SESSION, {"sessions": [session(89607, "Yoga", START, START, center_id="c1")]}),
        read(EMPLOYEE, employee("e1", "Henry", "Peterson")),
    ]
    for key, values in [item for answer in answers for item in answer.things.items()]:
        kind = key.partition(" ")[0]
        pointers = {other for other, whose in POINTERS.items() if kind in whose}
        assert set(values) <= set(FIELDS[kind]) | pointers
        # They are facts as they are.
        lessons = facts.learn([], Lesson(1, "api", values))
        assert facts.read(json.dumps(json.loads(facts.written({key: lessons}))[key])) == lessons


# --- what is no answer


def test_a_thing_without_a_name_has_none() -> None:
    answer = read(GUEST, guest("g1", "", ""))
    assert (answer.verdict, answer.reason) == (Verdict.NOT_FOUND, "Zenoti's API has no name for this guest")
    assert answer.things["guest g1"]["phone"] == "+1 2065550100"


def test_the_answer_for_another_thing_is_none() -> None:
    assert read(GUEST, guest("g2", "Bob", "Poe")).verdict is Verdict.FAILED
    assert read(INVOICE, invoice("i2", "7448", 488, "g1", "Ann", "Lee")).verdict is Verdict.FAILED
    assert read(EMPLOYEE, employee("e2", "Henry", "Peterson")).verdict is Verdict.FAILED
    assert read(CENTER, centers({"id": "c1", "name": "Bellevue"})).verdict is Verdict.NOT_FOUND


@pytest.mark.parametrize("wanted", [GUEST, CENTER, INVOICE, SESSION, EMPLOYEE])
@pytest.mark.parametrize("document", [None, [], {}, "text", 5, {"error": {"code": 404}}, {"centers": {}}])
def test_another_form_is_a_failure(wanted: Wanted, document: Any) -> None:
    answer = read(wanted, document)
    assert (answer.verdict, answer.reason) == (
        Verdict.FAILED,
        "Zenoti's API answered in a form that is not known",
    )


@pytest.mark.parametrize(
    "body",
    [
        CUT_JSON.body,
        NOT_JSON.body,
        DEEP_JSON.body,
        LOGIN_PAGE.body,
        b"",
        b"\xff",
        b'{"total_price": NaN}',
        b"9" * 5000,
    ],
)
def test_what_is_not_json_is_a_failure(body: bytes) -> None:
    answer = judge(GUEST, 1, 200, body, Zone.CENTER)
    assert answer.verdict is Verdict.FAILED
    assert answer.reason == "Zenoti's API answered with something that is not JSON (a proxy or a login page?)"


@pytest.mark.parametrize(
    ("status", "verdict", "passing", "reason"),
    [
        (
            302,
            Verdict.FAILED,
            False,
            "redirects elsewhere, which is never followed: check zenoti_api.base_url",
        ),
        (400, Verdict.FAILED, False, "answered with HTTP 400"),
        (401, Verdict.REFUSED, False, "refused the key, or the key has no right to read classes"),
        (403, Verdict.REFUSED, False, "refused the key, or the key has no right to read classes"),
        (404, Verdict.NOT_FOUND, False, "does not know this class"),
        (429, Verdict.LIMITED, True, "allows no more calls at the moment"),
        (500, Verdict.FAILED, True, "answered with HTTP 500"),
        (503, Verdict.FAILED, True, "answered with HTTP 503"),
    ],
)
def test_a_status_says_why(status: int, verdict: Verdict, passing: bool, reason: str) -> None:
    assert read(SESSION, {}, status=status) == Answer(verdict, f"Zenoti's API {reason}", passing=passing)


NAMES = [
    "id", "centers", "sessions", "session_id", "invoice", "invoice_number", "personal_info", "guest", "center_id",
    "center_name", "first_name", "last_name", "email", "mobile_phone", "display_number", "total_price", "sum_total",
    "class_name", "start_time", "start_time_utc", "end_time", "capacity", "currency", "code", "time_zone", "location",
    "page_info", "total", "name", "appointment_group_id",
]  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=()), max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=30,
)


@given(st.sampled_from(sorted(KINDS)), json_values)
def test_no_form_is_an_error(kind: str, document: Any) -> None:
    answer = read(Wanted(kind, "x1", "c1"), document)
    assert (answer.reason == "") is (answer.verdict is Verdict.OK)
    for key, values in answer.things.items():
        kept = json.dumps([key, values], ensure_ascii=False)
        assert kept.encode()  # no half characters
        assert "\\u0000" not in kept
