"""Times by the centre's clock: three zones over both changes of the clocks, and centres that nobody has listed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes import START, make_event
from zennotify.core.center import Center, Centers
from zennotify.core.model import CenterTime, Form, UtcTime, Zone
from zennotify.core.path import parse_path
from zennotify.message import Templates, center_clock, moment_at
from zennotify.zenoti import facts
from zennotify.zenoti.catalog import give_meaning
from zennotify.zenoti.memory import Memory
from zennotify.zenoti.names import MessageNames, Names

TEMPLATES = Templates({}, time_zone="America/Los_Angeles", locale="en-US")
CENTERS = Centers(
    [
        Center(id="seattle", time_zone="America/Los_Angeles"),
        Center(id="london", time_zone="Europe/London"),
        Center(id="pune", time_zone="Asia/Kolkata"),
    ]
)


def written(expression: str, data: dict[str, Any], known: Mapping[str, str] | None = None) -> str:
    """What a message prints for an expression."""
    kept = known or {}
    memory = Memory(lambda keys: {key: kept[key] for key in keys if key in kept}, Zone.CENTER, CENTERS)
    names = Names(make_event("Class.Schedule.Created", data), memory.recall, centers=CENTERS)
    extra = {"held_back": 0, "now": START, "rule": {"id": "r", "description": ""}}
    message = TEMPLATES.inline("{{ " + expression + " }}", "T").render(
        Form.SMS, MessageNames(names, extra), short_id="0123abcd"
    )
    return message.body.removeprefix("T\n\n").removeprefix("T: ").split("\n")[-1].strip()


@pytest.mark.parametrize(
    ("center", "utc", "local"),
    [
        # The clocks go forward: Seattle on March 8, London on March 29, Pune never.
        ("seattle", "2026-03-08T09:59:00", "Sun, Mar 8, 1:59 AM"),
        ("seattle", "2026-03-08T10:00:00", "Sun, Mar 8, 3:00 AM"),
        ("london", "2026-03-08T10:00:00", "Sun, Mar 8, 10:00 AM"),
        ("london", "2026-03-29T00:59:00", "Sun, Mar 29, 12:59 AM"),
        ("london", "2026-03-29T01:00:00", "Sun, Mar 29, 2:00 AM"),
        ("pune", "2026-03-29T01:00:00", "Sun, Mar 29, 6:30 AM"),
        # And back: London on October 25, Seattle on November 1; an hour comes twice.
        ("london", "2026-10-25T00:30:00", "Sun, Oct 25, 1:30 AM"),
        ("london", "2026-10-25T01:30:00", "Sun, Oct 25, 1:30 AM"),
        ("london", "2026-10-25T02:00:00", "Sun, Oct 25, 2:00 AM"),
        ("seattle", "2026-11-01T08:30:00", "Sun, Nov 1, 1:30 AM"),
        ("seattle", "2026-11-01T09:30:00", "Sun, Nov 1, 1:30 AM"),
        ("seattle", "2026-11-01T10:00:00", "Sun, Nov 1, 2:00 AM"),
        ("pune", "2026-11-01T10:00:00", "Sun, Nov 1, 3:30 PM"),
        # Nobody has listed it: the usual zone.
        ("elsewhere", "2026-03-08T10:00:00", "Sun, Mar 8, 3:00 AM"),
    ],
)
def test_a_time_in_utc_is_told_by_the_centres_clock(center: str, utc: str, local: str) -> None:
    data = {"center_id": center, "at": UtcTime(utc)}
    assert written("data.at | local", data) == local
    assert written("data.at | date('d MMM') ~ data.at | time('HH:mm')", data) == written(
        "data.at | local | date('d MMM') ~ data.at | local | time('HH:mm')", data
    )


@pytest.mark.parametrize(
    ("center", "local", "told", "offset"),
    [
        ("seattle", "2026-03-08T01:59:00", "Sun, Mar 8, 1:59 AM", "-0800"),
        ("seattle", "2026-03-08T03:00:00", "Sun, Mar 8, 3:00 AM", "-0700"),
        ("seattle", "2026-11-01T00:59:00", "Sun, Nov 1, 12:59 AM", "-0700"),
        ("seattle", "2026-11-01T02:00:00", "Sun, Nov 1, 2:00 AM", "-0800"),
        ("london", "2026-03-29T02:00:00", "Sun, Mar 29, 2:00 AM", "+0100"),
        ("london", "2026-10-25T02:00:00", "Sun, Oct 25, 2:00 AM", "+0000"),
        ("pune", "2026-10-25T02:00:00", "Sun, Oct 25, 2:00 AM", "+0530"),
    ],
)
def test_a_time_of_the_centres_clock_stays_and_is_the_right_moment(
    center: str, local: str, told: str, offset: str
) -> None:
    data = {"center_id": center, "at": CenterTime(local)}
    assert written("data.at | local", data) == told
    assert written("data.at | date('%z')", data) == offset


def taught(*bookings: tuple[str, str]) -> dict[str, str]:
    """What bookings teach of the clock of the centre `elsewhere`."""
    kept: dict[str, str] = {}
    for number, (start, start_in_center) in enumerate(bookings):
        data: dict[str, Any] = {
            "appointment_group_id": f"g{number}",
            "center_id": "elsewhere",
            "appointments": [{"start_time": start, "start_time_in_center": start_in_center}],
        }
        give_meaning("AppointmentGroup.Created", data, Zone.CENTER)
        event = make_event("AppointmentGroup.Created", data, id_=f"e{number}")
        memory = Memory(lambda keys: {key: kept[key] for key in keys if key in kept}, Zone.CENTER, CENTERS)
        things = memory.things_of(event)
        memory.prepare(facts.keys_of(things).values())
        memory.learn(event, things, facts.keys_of(things), number)
        kept.update(
            {key: json.dumps(lessons) for key, lessons in json.loads(memory.changes() or "{}").items()}
        )
    return kept


def test_the_clock_of_a_centre_that_is_not_listed_is_learned_from_its_bookings() -> None:
    known = taught(
        ("2026-03-05T15:00:00", "2026-03-05T10:00:00"), ("2026-03-10T14:00:00", "2026-03-10T10:00:00")
    )
    told = {
        "2026-02-01T15:00:00": "Sun, Feb 1, 7:00 AM",  # too far away: the usual zone
        "2026-03-04T15:00:00": "Wed, Mar 4, 10:00 AM",
        "2026-03-09T14:00:00": "Mon, Mar 9, 10:00 AM",
        "2026-03-17T14:00:00": "Tue, Mar 17, 10:00 AM",
        "2026-03-18T14:00:00": "Wed, Mar 18, 7:00 AM",
    }
    for utc, local in told.items():
        data = {"center_id": "elsewhere", "at": UtcTime(utc)}
        assert written("data.at | local", data, known) == local


def test_a_listed_centre_learns_no_offset() -> None:
    data: dict[str, Any] = {
        "appointment_group_id": "g",
        "center_id": "pune",
        "appointments": [
            {"start_time": "2026-03-05T15:00:00", "start_time_in_center": "2026-03-05T10:00:00"}
        ],
    }
    memory = Memory(lambda _: {}, Zone.CENTER, CENTERS)
    assert "offset" not in memory.things_of(make_event("AppointmentGroup.Created", data))


# --- for rules that know time -------------------------------------------------------------------------------


def clock_of(center: str, known: Mapping[str, str] | None = None) -> Names:
    """The names of an event at a centre."""
    kept = known or {}
    memory = Memory(lambda keys: {key: kept[key] for key in keys if key in kept}, Zone.CENTER, CENTERS)
    return Names(make_event("Class.Schedule.Created", {"center_id": center}), memory.recall, centers=CENTERS)


@pytest.mark.parametrize(
    ("center", "utc", "local"),
    [
        ("seattle", "2026-03-08T09:59:00Z", "2026-03-08T01:59:00-08:00"),
        ("seattle", "2026-03-08T10:00:00Z", "2026-03-08T03:00:00-07:00"),
        ("london", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00+01:00"),
        ("london", "2026-10-25T01:30:00Z", "2026-10-25T01:30:00+00:00"),
        ("pune", "2026-10-25T01:30:00Z", "2026-10-25T07:00:00+05:30"),
        ("nobody knows", "2026-07-01T12:00:00Z", "2026-07-01T05:00:00-07:00"),
        (None, "2026-07-01T12:00:00Z", "2026-07-01T05:00:00-07:00"),
        ("seattle", "9999-12-31T23:59:59Z", "9999-12-31T15:59:59-08:00"),
        ("pune", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
    ],
)
def test_a_rule_sees_a_moment_by_the_clock_that_messages_show(
    center: str | None, utc: str, local: str
) -> None:
    show = center_clock("America/Los_Angeles")
    names = None if center is None else clock_of(center)
    assert show(names, datetime.fromisoformat(utc)).isoformat() == local


def test_a_rule_goes_by_what_bookings_taught_of_a_centres_clock() -> None:
    show = center_clock("America/Los_Angeles")
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    names = clock_of("perth", learned("perth", moment, 480))
    assert show(names, moment).isoformat() == "2026-07-01T20:00:00+08:00"
    later = moment + timedelta(days=8)
    assert show(names, later).isoformat() == "2026-07-09T05:00:00-07:00"


def learned(center: str, moment: datetime, minutes: int) -> dict[str, str]:
    """The fact that a booking of this day taught of a centre's clock."""
    day = moment.toordinal()
    lessons = [[int(moment.timestamp() * 1_000_000), "e1", {str(day): minutes}]]
    return {f"offset {center} {day // 7}": json.dumps(lessons)}


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (UtcTime("2026-07-01T16:00:00"), "2026-07-01T17:00:00+01:00"),
        (CenterTime("2026-07-01T16:00:00"), "2026-07-01T16:00:00+01:00"),
        (CenterTime("2026-07-01T16:00:00Z"), "2026-07-01T17:00:00+01:00"),
        ("2026-07-01T16:00:00-07:00", "2026-07-02T00:00:00+01:00"),
        (datetime(2026, 12, 1, 16, tzinfo=UTC), "2026-12-01T16:00:00+00:00"),
        ("2026-07-01T16:00:00", None),
        (UtcTime("0001-01-01T00:00:00"), None),
        (UtcTime("soon"), None),
        (datetime(2026, 7, 1, 16), None),  # noqa: DTZ001 - a moment without a zone
        (20260701, None),
        (None, None),
    ],
)
def test_a_moment_is_read_where_its_zone_is_known(value: object, moment: str | None) -> None:
    names = clock_of("london")
    names["data"] = {"when": value}
    read = moment_at(parse_path("data.when"), "America/Los_Angeles")(names)
    assert (None if read is None else read.isoformat()) == moment
    assert moment_at(parse_path("data.then"), "America/Los_Angeles")(names) is None
