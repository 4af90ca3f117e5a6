"""The documented samples: complete, and as if they happened now when stamped."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes import START
from zennotify.core.model import Zone, as_utc, read_time
from zennotify.zenoti.envelope import Envelope, read_envelope
from zennotify.zenoti.event import Reading, event_key, make_event, reopen
from zennotify.zenoti.sample import load_sample, sample_names, stamp

#: 22:43 in UTC, when hardly anybody has an appointment.
LATE = datetime(2026, 11, 3, 22, 43, 17, 123456, tzinfo=UTC)
READING = Reading(Zone.CENTER)
TIMED = (
    "AppointmentGroup.Created",
    "AppointmentGroup.Updated",
    "Class.Schedule.Created",
    "Class.Schedule.Cancelled",
)


def body(name: str) -> bytes:
    return json.dumps(load_sample(name)).encode()


def starts(data: Any) -> list[str]:
    """Every value of a field whose name says that a thing starts then, in the order of the sample."""
    if isinstance(data, list):
        return [start for item in data for start in starts(item)]
    if not isinstance(data, dict):
        return []
    here = [data[name] for name in ("start_time", "start_time_in_center") if isinstance(data.get(name), str)]
    return here + [start for value in data.values() for start in starts(value)]


def test_all_documented_samples_are_there() -> None:
    assert len(sample_names()) == 38
    assert {"AppointmentGroup.Status", "Class.Booking.NoShow", "Invoice.Closed"} <= set(sample_names())


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_is_an_envelope_that_we_accept(name: str) -> None:
    envelope = read_envelope(body(name))
    assert isinstance(envelope, Envelope)
    assert envelope.at is not None
    assert name.casefold().startswith(envelope.type.casefold())
    assert envelope.data


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_becomes_an_event_the_same_each_time(name: str) -> None:
    event = reopen(body(name), START, READING, "")
    assert event == reopen(body(name), START, READING, "")
    assert event.id == event_key(event.event_id)
    assert len(event.id) == 32
    assert event.received_at == START
    assert event.data == load_sample(name)["data"]


def test_an_event_made_at_arrival_is_the_one_that_is_opened_again() -> None:
    envelope = read_envelope(body("AppointmentGroup.Created"))
    assert isinstance(envelope, Envelope)
    arrived = make_event(envelope, START, READING)
    opened = reopen(body("AppointmentGroup.Created"), START, READING, "")
    assert arrived == opened
    assert type(arrived.data["appointments"][0]["start_time"]) is type(
        opened.data["appointments"][0]["start_time"]
    )


def test_a_body_that_is_no_event_cannot_be_opened() -> None:
    with pytest.raises(ValueError, match=r"^this body is no event: bad_json$"):
        reopen(b"{", START, READING, "")


@pytest.mark.parametrize("name", sample_names())
def test_an_event_without_its_envelope_is_opened_as_what_it_was_kept_as(name: str) -> None:
    sample = load_sample(name)
    bare = json.dumps(sample["data"]).encode()
    envelope = read_envelope(bare, sample["event_type"])
    assert isinstance(envelope, Envelope)
    arrived = make_event(envelope, LATE, READING)
    # Only what a guest wants to hear has a time of its own.
    at = datetime(2023, 11, 15, 14, 30, 45, tzinfo=UTC) if "Opted" in name else None
    assert (arrived.type, arrived.at) == (envelope.type, at)
    assert arrived.data == sample["data"]
    assert arrived == reopen(bare, LATE, READING, arrived.type)


def test_an_event_without_its_envelope_is_another_one_at_another_moment() -> None:
    bare = json.dumps(load_sample("Guest.Updated")["data"]).encode()
    moments = (LATE, LATE, LATE + timedelta(microseconds=1))
    first, same, later = (reopen(bare, moment, READING, "Guest.Updated") for moment in moments)
    assert first.id == same.id != later.id
    assert first.id != reopen(bare, LATE, READING, "Guest.Created").id


def test_what_an_event_was_kept_as_changes_nothing_where_its_body_says_its_type() -> None:
    assert reopen(body("Guest.Updated"), START, READING, "Guest.Created").type == "Guest.Updated"


def test_a_sample_is_found_without_case() -> None:
    assert load_sample("appointmentgroup.status") == load_sample("AppointmentGroup.Status")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "Class.Booking.NoShw",
            "there is no sample 'Class.Booking.NoShw'; did you mean `Class.Booking.NoShow`?",
        ),
        (
            "class.booking.noshw",
            "there is no sample 'class.booking.noshw'; did you mean `Class.Booking.NoShow`?",
        ),
        ("../samples/AppointmentGroup.Status", None),
        ("xyz", None),
    ],
)
def test_an_unknown_sample_is_a_key_error_with_the_nearest_name(name: str, sentence: str | None) -> None:
    with pytest.raises(KeyError) as raised:
        load_sample(name)
    assert str(raised.value.args[0]).startswith(sentence or f"there is no sample {name!r}; ")


@pytest.mark.parametrize("name", sample_names())
def test_a_stamped_sample_is_another_event_of_the_same_type_that_happened_now(name: str) -> None:
    one, other = (read_envelope(json.dumps(stamp(load_sample(name), LATE)).encode()) for _ in range(2))
    assert isinstance(one, Envelope)
    assert isinstance(other, Envelope)
    assert one.at == LATE
    assert one.type == load_sample(name)["event_type"]
    assert one.event_id != other.event_id
    assert len(one.event_id) == 24
    assert one.data.keys() == load_sample(name)["data"].keys()


@pytest.mark.parametrize("name", sample_names())
def test_stamping_leaves_the_sample_as_it_is(name: str) -> None:
    sample = load_sample(name)
    stamp(sample, LATE)
    assert sample == load_sample(name)


def test_a_stamped_id_begins_with_the_time_as_zenotis_do() -> None:
    stamped = stamp(load_sample("AppointmentGroup.Status"), LATE)
    assert int(stamped["event_id"][:8], 16) == int(LATE.timestamp())
    assert int(stamped["id"], 16) - int(stamped["event_id"], 16) == 1


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("AppointmentGroup.Created", "appointment_group_id"),
        ("AppointmentGroup.Status", "appointment_group_id"),
        ("AppointmentGroup.Status", "invoice_id"),
        ("Class.Schedule.Cancelled", "sesion_id"),
        ("Class.Booking.NoShow", "session_id"),
        ("Class.Booking.NoShow", "registration_id"),
    ],
)
def test_a_stamped_sample_is_a_new_occasion(name: str, field: str) -> None:
    ids = {json.dumps(stamp(load_sample(name), LATE)["data"][field]) for _ in range(3)}
    assert len(ids) == 3
    assert json.dumps(load_sample(name)["data"][field]) not in ids
    assert {type(json.loads(one)) for one in ids} == {type(load_sample(name)["data"][field])}


@pytest.mark.parametrize("name", ["AppointmentGroup.Created", "Class.Booking.NoShow"])
def test_a_stamped_sample_is_of_the_same_guest_and_centre(name: str) -> None:
    sample, stamped = load_sample(name)["data"], stamp(load_sample(name), LATE)["data"]
    for field in ("guest", "guest_id", "center_id"):
        assert stamped.get(field) == sample.get(field)


@pytest.mark.parametrize("now", [LATE, LATE - timedelta(hours=22), START])
@pytest.mark.parametrize("name", TIMED)
def test_times_move_to_the_present_and_keep_their_time_of_day(name: str, now: datetime) -> None:
    sample = load_sample(name)
    event_day = as_utc(read_time(sample["event_timestamp"]) or START).date()
    before, after = starts(sample["data"]), starts(stamp(sample, now)["data"])
    assert len(before) == len(after) > 0
    for old_text, new_text in zip(before, after, strict=True):
        old, new = read_time(old_text), read_time(new_text)
        assert old is not None
        assert new is not None
        assert new.time() == old.time()
        assert new.date() - now.date() == old.date() - event_day


def test_a_sample_without_a_time_of_its_own_keeps_its_times() -> None:
    sample = load_sample("AppointmentGroup.Created")
    del sample["event_timestamp"]
    assert starts(stamp(sample, LATE)["data"]) == starts(sample["data"])


def test_no_date_stays_no_date() -> None:
    sample = load_sample("Class.Schedule.Created")
    sample["data"]["end_time"] = "0001-01-01T00:00:00"
    assert stamp(sample, LATE)["data"]["end_time"] == "0001-01-01T00:00:00"


@pytest.mark.parametrize("changed", [{"data": None}, {"data": []}, {"event_type": None}], ids=str)
def test_an_event_of_the_users_own_is_stamped_whatever_is_wrong_with_it(changed: dict[str, Any]) -> None:
    stamped = stamp(load_sample("AppointmentGroup.Status") | changed, LATE)
    assert stamped["event_timestamp"] == "2026-11-03T22:43:17.123456Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [("expiry_date", "9999-12-31T00:00:00"), ("user_membership_id", [1]), ("user_membership_id", {"a": 1})],
)
def test_what_cannot_be_moved_or_renewed_stays_as_it_is(field: str, value: Any) -> None:
    sample = load_sample("Guest.Membership.Freeze")
    sample["data"][field] = value
    assert stamp(sample, LATE)["data"][field] == value
