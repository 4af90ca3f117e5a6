"""What a delivery of gathered events says, written by the rulebook on a real store."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.books import ACK, HOUR, MINUTE, Books, claimed, new, opened
from tests.fakes import START
from zennotify.core.model import Form, Message, Room
from zennotify.errors import StoreUnavailable
from zennotify.store.rows import Withheld
from zennotify.store.transaction import Transaction

# --- what a digest says -----------------------------------------------------------------------------------------


async def test_a_digest_names_its_events_by_their_time_and_the_last_by_its_arrival(books: Books) -> None:
    book = await opened(books, "digest: {every: 15m}")
    book.gather(
        new(1, at=START - MINUTE), new(2, at=START - 3 * MINUTE), new(3, at=None, received=START - 2 * MINUTE)
    )
    assert book.body(claimed(counted=3, meant=START)) == "3 are new: G2 G3 G1. Last: G3."


async def test_a_digest_of_many_names_the_oldest_200_and_counts_all(books: Books) -> None:
    book = await opened(
        books,
        "digest: {every: 15m}",
        "{{ count }} {{ events | length }} {{ guest.name }} {{ events[0].guest.name }} "
        "{{ (events | last).guest.name }}",
    )
    book.gather(*(new(number, at=START + number * MINUTE) for number in range(1, 251)))
    assert book.body(claimed(counted=250, meant=START)) == "250 200 G250 G1 G200"


async def test_what_came_too_late_for_the_message_before_is_said(books: Books) -> None:
    book = await opened(books, "digest: {every: 15m}")
    book.gather(new(1), new(2), new(3), late={1, 3})
    assert book.body(claimed(counted=3, meant=START, held_back=2)) == (
        "3 are new: G1 G2 G3. Last: G3.\n\n2 more like this were held back since the last message."
        "\n\n2 of these came too late for the message before."
    )


async def test_what_was_erased_is_not_named_and_without_any_nothing_is_sent(books: Books) -> None:
    book = await opened(books, "digest: {every: 15m}")
    book.gather(new(1), new(2), new(3))
    erase = [f"{3:032x}"]
    book.store.write(Transaction.erase_events, erase, alone=True)
    assert book.body(claimed(counted=3, meant=START)) == "3 are new: G1 G2. Last: G2."
    book.store.write(Transaction.erase_events, [f"{1:032x}", f"{2:032x}"], alone=True)
    assert book.render(claimed(counted=3, meant=START)) == Withheld("erased")


async def test_a_guest_of_whom_nothing_is_known_is_a_guest(books: Books) -> None:
    book = await opened(books, "digest: {every: 15m}")
    book.gather(new(1, data={"id": "g1", "center_id": "c1"}), new(2))
    assert book.body(claimed(counted=2, meant=START)) == "2 are new: a guest G2. Last: G2."


async def test_the_names_of_many_are_read_at_once(books: Books) -> None:
    book = await opened(books, "digest: {every: 15m}")
    facts: dict[str, Any] = {}
    for number in range(1, 201):
        facts[f"group b{number}"] = [[1, "e", {"guest": f"g{number}", "center": "c1"}]]
        facts[f"guest g{number}"] = [[1, "e", {"name": f"Guest {number}"}]]
    book.store.write(Transaction.save_facts, json.dumps(facts), START)
    status = {"appointment_group_status": 1}
    book.gather(
        *(
            new(n, "AppointmentGroup.Status", data={"appointment_group_id": f"b{n}", **status})
            for n in range(1, 201)
        )
    )
    body = book.body(claimed(counted=200, meant=START))
    assert body.startswith("200 are new: Guest 1 Guest 2 Guest 3 ")
    assert body.endswith(" Guest 199 Guest 200. Last: Guest 200.")
    assert len(book.read) <= 4
    assert sum(map(len, book.read)) <= 410


async def test_each_event_of_a_loop_goes_by_its_own_centres_clock_and_currency(books: Books) -> None:
    book = await opened(
        books,
        "digest: {every: 15m}",
        "{% macro at(e) %}{{ e.event.at | time }}{% endmacro %}"
        "{% for e in events %}{{ e.center.name }} {{ e.event.at | local | time }} {{ 5 | money }} {{ at(e) }}"
        "{% for x in [1] %} {{ e.event.at | time }}{% endfor %}, {% endfor %}"
        "{{ event.at | time }} {{ 5 | money }}",
    )
    book.gather(new(1, center="c2"), new(2, center="c1"))
    assert book.body(claimed(counted=2, meant=START)) == (
        "Paris 1:00 PM €5.00 1:00 PM 1:00 PM, Bellevue 4:00 AM $5.00 4:00 AM 4:00 AM, 4:00 AM $5.00"
    )


async def test_a_template_that_fails_says_how_many_events_there_are(books: Books) -> None:
    book = await opened(
        books, "digest: {every: 15m}\n    escalate: [{after: 15m, notify: desk}]", "{{ data.nope.x }}"
    )
    book.gather(new(1), new(2))
    assert book.body(claimed(counted=2, meant=START, step=1)) == (
        "Nobody has taken this for 15 minutes.\n\n2 events; the last of them:\n"
        "Guest.Created, Sun, Mar 1, 4:00 AM, Bellevue\nid: g2\ncenter\\_id: c1\n\n"
        "This is the plain form of the message: its template failed at message:1: no field 'data.nope'\n\n"
        f"Take it: {ACK}"
    )


# --- what a message about one event says -----------------------------------------------------------------------


@pytest.mark.parametrize(("counted", "count"), [(0, 1), (3, 3)])
async def test_the_events_of_a_message_about_one_are_that_one(books: Books, counted: int, count: int) -> None:
    book = await opened(books)
    book.keep(new(1))
    assert book.body(claimed(book.kept(1), counted=counted)) == f"{count} are new: G1. Last: G1."


async def test_a_message_about_what_has_not_come_has_no_events(books: Books) -> None:
    book = await opened(books, "absent: {event: Guest.Created, for: 2h, per: center.id}")
    book.keep(new(1))
    assert book.body(claimed(book.kept(1), meant=START + 2 * HOUR)) == "0 are new:. Last: G1."


async def test_now_is_when_it_is_written_whenever_it_was_meant(books: Books) -> None:
    book = await opened(books, "wait: {for: 10m}", "{{ now | time }}")
    book.keep(new(1))
    await book.clock.advance(20 * MINUTE)
    assert book.body(claimed(book.kept(1), meant=START + 10 * MINUTE)) == "4:20 AM"


# --- escalation -------------------------------------------------------------------------------------------------

STEPS = "escalate: [{after: 15m, notify: desk}, {after: 1h, notify: desk}]"


@pytest.mark.parametrize(
    ("step", "first"),
    [
        (0, ""),
        (1, "Nobody has taken this for 15 minutes.\n\n"),
        (2, "Nobody has taken this for 1 hour.\n\n"),
    ],
)
async def test_a_step_says_how_long_nobody_has_taken_it_and_where_to(
    books: Books, step: int, first: str
) -> None:
    book = await opened(books, STEPS, "{{ guest.name }} complains.")
    book.keep(new(1))
    one = claimed(book.kept(1), step=step)
    assert book.body(one) == f"{first}G1 complains.\n\nTake it: {ACK}"
    assert book.body(one, Form.SMS) == f"{first}G1 complains.\nTake it: {ACK}"
    assert f'Take it: <a href="{ACK}"' in book.body(one, Form.EMAIL)


@pytest.mark.parametrize("text", ["Here: {{ ack_url }}", "[Here]({{ ack_url }})", "{{ ack_url | safe }}"])
async def test_a_template_that_says_where_to_take_it_is_left_as_it_is(books: Books, text: str) -> None:
    book = await opened(books, STEPS, text)
    book.keep(new(1))
    assert book.body(claimed(book.kept(1))) == text.replace(" | safe", "").replace("{{ ack_url }}", ACK)


async def test_a_block_of_its_own_that_says_nothing_of_it_gets_the_line(books: Books) -> None:
    book = await opened(
        books,
        STEPS,
        template="{% block body %}Here: {{ ack_url }}{% endblock %}{% block sms %}{{ guest.name }}{% endblock %}",
    )
    book.keep(new(1))
    one = claimed(book.kept(1), step=1)
    assert book.body(one) == f"Nobody has taken this for 15 minutes.\n\nHere: {ACK}"
    assert book.body(one, Form.SMS) == f"Nobody has taken this for 15 minutes.\n\nG1\nTake it: {ACK}"


@pytest.mark.parametrize(
    ("text", "told"), [("{{ guest.name }} complains.", "G1 complains."), ("Here: {{ ack_url }}.", "Here: .")]
)
async def test_a_guest_is_told_and_takes_nothing(books: Books, text: str, told: str) -> None:
    book = await opened(books, STEPS, text)
    book.keep(new(1))
    assert book.body(claimed(book.kept(1), recipient="ann@example.com")) == told


async def test_the_way_to_take_it_is_never_cut_off(books: Books) -> None:
    book = await opened(books, STEPS, "word " * 300)
    book.keep(new(1))
    one = claimed(book.kept(1))
    sms = book.body(one, Form.SMS, Room(segments=2))
    assert sms.endswith(f" more characters)\nTake it: {ACK}")
    assert 290 < len(sms) <= 306
    sms = book.body(one, Form.SMS, Room(body=200))
    assert sms.endswith(f" more characters)\nTake it: {ACK}")
    assert len(sms) <= 200
    assert book.body(one, room=Room(body=400)).endswith(f" more characters)\n\nTake it: {ACK}")


async def test_only_a_rule_that_escalates_or_a_template_that_asks_for_it_has_a_way_to_take_it(
    books: Books,
) -> None:
    book = await opened(books, "", "{{ guest.name }}")
    book.keep(new(1))
    assert book.body(claimed(book.kept(1))) == "G1"
    book = await opened(books, "", "{{ guest.name }} {{ ack_url }}")
    assert book.body(claimed(book.kept(1))) == f"G1 {ACK}"


# --- what is late -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "other", "expected"),
    [
        ("mark", {}, True),
        ("mark", {"meant": START + HOUR}, False),
        ("mark", {"meant": START - 2 * HOUR}, True),
        ("drop", {}, Withheld("stale")),
        ("drop", {"is_by_hand": True}, True),
        ("drop", {"meant": START + HOUR}, False),
        ("digest", {}, Withheld("digested", is_gathered=True)),
        ("digest", {"meant": START + HOUR}, False),
        ("digest", {"meant": START}, Withheld("digested", is_gathered=True)),
        ("digest", {"is_by_hand": True}, True),
        ("digest", {"step": 1}, True),
    ],
)
async def test_age_counts_from_the_event_or_from_when_the_message_was_meant_to_go(
    books: Books, then: str, other: dict[str, Any], expected: bool | Withheld
) -> None:
    book = await opened(books, f"stale_after: {{age: 2h, then: {then}}}", "{{ guest.name }}")
    book.keep(new(1))
    await book.clock.advance(2 * HOUR)
    message = book.render(claimed(book.kept(1), **other))
    if isinstance(expected, Withheld):
        assert message == expected
    else:
        assert isinstance(message, Message)
        mark = "(delayed) " if expected else ""
        assert (message.title, message.body[:2]) == (f"{mark}New guests", "G1")


async def test_a_digest_that_is_late_is_marked_and_one_of_what_was_late_always_is(books: Books) -> None:
    book = await opened(books, "stale_after: {age: 2h, then: digest}\n    digest: {every: 15m}")
    book.gather(new(1))
    await book.clock.advance(2 * HOUR)
    for meant, title in ((START, "(delayed) New guests"), (START + MINUTE, "New guests")):
        message = book.render(claimed(counted=1, meant=meant))
        assert isinstance(message, Message)
        assert message.title == title
    book = await opened(books, "stale_after: {age: 2h, then: digest}")
    message = book.render(claimed(counted=1, meant=START + 2 * HOUR))
    assert isinstance(message, Message)
    assert message.title == "(delayed) New guests"


# --- bounds -------------------------------------------------------------------------------------------------------


async def test_a_digest_of_200_with_all_that_people_put_into_it_stays_within_the_limits(books: Books) -> None:
    book = await opened(
        books,
        "digest: {every: 15m}",
        template="{% block title %}{{ count }} new guests{% endblock %}{% block body %}"
        "{% for center, those in events | groupby('center.name') %}**{{ center }}** ({{ those | length }})\n\n"
        "{% for e in those %}- {{ loop.index }}: **{{ e.guest.name }}**, {{ e.event.at | local | date }} "
        "{{ e.event.at | local | time }}{% if e.guest.phone %}, {{ e.guest.phone }}{% endif %}, "
        "{{ e.employee.name }}, {{ e.data.code | default('none') | upper }}, {{ 12.5 | money }}\n{% endfor %}\n"
        "{% endfor %}{{ events | map(attribute='guest.name') | join(', ') }}"
        "{{ events | selectattr('guest.name') | list | length }}{{ events | sort(attribute='event.at') | length }}"
        "{% endblock %}",
    )
    book.gather(*(new(n, at=START + n * MINUTE, center=f"c{n % 2 + 1}") for n in range(1, 201)))
    book.render(claimed(counted=200, meant=START))  # compiles, and fills what is remembered
    began = time.perf_counter()
    body = book.body(claimed(counted=200, meant=START), room=Room(body=None))
    took = time.perf_counter() - began
    assert body.startswith(
        "**Bellevue** (100)\n\n- 1: **G2**, Sun, Mar 1, 2026 4:02 AM, an employee, NONE, $12.50\n"
    )
    assert "- 100: **G199**, Sun, Mar 1, 2026 4:19 PM, an employee, NONE, €12.50\n" in body
    assert "This is the plain form" not in body
    assert took < 2


async def test_rules_come_into_force_though_nobody_can_say_which_windows_wait(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = books.make()

    def away() -> dict[str, int]:
        raise StoreUnavailable("away")

    monkeypatch.setattr(book.store.reader, "count_timers", away)
    assert await book.rulebook.load() == ()
    assert book.rulebook.rules is not None
