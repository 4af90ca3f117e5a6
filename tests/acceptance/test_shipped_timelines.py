"""The shipped rules that know time, each as a timeline: who reads what, and when, to the second.

Times are those of Bellevue's clocks; the centres are those of centers.yaml.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.shipped_cases import booked, cancelled
from tests.shipped import GROUP, NORA, SOLD, VISITED, Step, merged
from tests.shop import BELLEVUE, BETHESDA, HOUR, MINUTE, Shop, Told, pacific

Open = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Shop] = []

    async def open_at(start: str, *on: str, more: str = "") -> Shop:
        made = Shop(tmp_path, *on, start=pacific(start), more=more)
        opened.append(made)
        await made.open()
        return made

    yield open_at
    for one in opened:
        await one.close()


def of(step: Step, **data: Any) -> Step:
    """Return a step with other data."""
    return step[0], merged(step[1], data)


# --- third-no-show ------------------------------------------------------------------------------------------------


def nora_books(group: str) -> Step:
    return "AppointmentGroup.Created", {"appointment_group_id": group, "guest": NORA}


def no_show(group: str) -> Step:
    return "AppointmentGroup.Status", {"appointment_group_id": group, "appointment_group_status": -2}


def missed(at: str, count: int) -> Told:
    return Told(
        at,
        "manager-mail",
        "A guest has missed three bookings in 90 days",
        f"{count} missed bookings in 90 days: Nora Field. This one was for Thu, Jul 25, 9:15 AM in Bellevue. "
        "Ask for a deposit before the next booking.",
    )


async def test_the_third_no_show_within_90_days_is_told_and_the_fourth_is_no_news(shop: Open) -> None:
    at = await shop("2026-01-05 09:00", "third-no-show")
    for group in "abcdef":
        await at.comes(*nora_books(group))
    await at.comes(*booked(1))
    days = {
        "a": "01-05 10:00",
        "b": "02-20 10:00",
        "c": "04-05 09:00",
        "d": "04-06 09:00",
        "e": "05-05 10:00",
    }
    became = []
    for group, day in days.items():
        await at.until(pacific(f"2026-{day}"))
        became.append(at.reason(await at.comes(*no_show(group))))
    # The first is more than 90 days before the fourth, and the fifth comes when its month is over.
    assert became == ["below_threshold", "below_threshold", "notified", "held_back", "notified"]
    assert at.reason(await at.comes(*no_show("group-1"))) == "below_threshold", "another guest's first"
    assert at.reason(await at.comes(*no_show("unknown"))) == "below_threshold", "nobody knows whose"
    first, second = at.told
    assert first == missed("2026-04-05 09:00", 3)
    assert second.at == "2026-05-05 10:00"
    assert second.text.endswith("\n\n1 more like this was held back since the last message.")


async def test_three_no_shows_in_91_days_are_none_until_a_late_one_shows_that_they_are(shop: Open) -> None:
    at = await shop("2026-01-05 09:00", "third-no-show")
    for group in "abcd":
        await at.comes(*nora_books(group))
    for group, day in {"a": "01-05 10:00", "b": "02-20 10:00", "c": "04-06 10:00"}.items():
        await at.until(pacific(f"2026-{day}"))
        assert at.reason(await at.comes(*no_show(group))) == "below_threshold"
    await at.until(pacific("2026-05-30 08:00"))
    assert at.told == []
    late = await at.comes(*no_show("d"), at=pacific("2026-03-01 10:00"))
    assert at.reason(late) == "notified"
    assert at.told == [missed("2026-05-30 08:00", 3)]


# --- cancellations-digest -----------------------------------------------------------------------------------------


def in_bethesda(step: Step) -> Step:
    return of(step, center_id=BETHESDA, center_Name="Bethesda")


def digest(at: str, center: str, *lines: str) -> Told:
    many = f"{len(lines)} bookings were" if len(lines) > 1 else "1 booking was"
    text = "\n".join((f"{many} cancelled in {center}:\n", *(f"- {line}" for line in lines)))
    return Told(at, "manager-mail", f"Cancelled in {center}: {len(lines)}", text)


#: What a digest says of a booking, behind the guest's name; the sample's times are the centre's.
HAIR = ", Thu, Jul 25, 9:15 AM: Laser Hair - Male"


@pytest.mark.parametrize(
    ("saturday", "sunday"),
    [("2026-03-07", "2026-03-08"), ("2026-10-31", "2026-11-01")],
    ids=["the clocks go forward", "the clocks go back"],
)
async def test_each_centre_hears_at_eight_by_its_own_clock_what_was_cancelled(
    shop: Open, saturday: str, sunday: str
) -> None:
    at = await shop(f"{saturday} 09:00", "cancellations-digest")
    for number in (1, 2, 3):
        await at.comes(*booked(number))
    for number in (4, 5):
        await at.comes(*in_bethesda(booked(number)))
    became = [at.reason(await at.comes(*cancelled(number))) for number in (1, 4, 2)]
    assert became == ["digested"] * 3
    await at.until(pacific(f"{saturday} 17:00"))
    assert at.told == [digest(f"{saturday} 17:00", "Bethesda", f"Guest4 Lee{HAIR}")]
    await at.until(pacific(f"{saturday} 19:59") + MINUTE)
    assert at.told[1:] == [digest(f"{saturday} 20:00", "Bellevue", f"Guest1 Lee{HAIR}", f"Guest2 Lee{HAIR}")]
    # What is cancelled after that is in the next day's, which is an hour shorter or longer.
    await at.until(pacific(f"{saturday} 20:30"))
    await at.comes(*cancelled(3))
    await at.comes(*cancelled(5))
    await at.until(pacific(f"{sunday} 23:00"))
    assert at.told[2:] == [
        digest(f"{sunday} 17:00", "Bethesda", f"Guest5 Lee{HAIR}"),
        digest(f"{sunday} 20:00", "Bellevue", f"Guest3 Lee{HAIR}"),
    ]
    length = {"2026-03-08": 23, "2026-11-01": 25}[sunday] * HOUR
    assert pacific(f"{sunday} 20:00") - pacific(f"{saturday} 20:00") == length


async def test_a_cancellation_that_comes_late_is_in_the_next_digest_which_says_so(shop: Open) -> None:
    at = await shop("2026-03-02 09:00", "cancellations-digest")
    for number in (1, 2):
        await at.comes(*booked(number))
    await at.comes(*cancelled(1))
    await at.until(pacific("2026-03-02 20:05"))
    late = await at.comes(*cancelled(2), at=pacific("2026-03-02 19:50"))
    reason, detail = at.became(late)["cancellations-digest"]
    assert (reason, detail.partition(";")[0]) == (
        "digested",
        "it came too late for the digest before, and goes into the next",
    )
    await at.until(pacific("2026-03-05 09:00"))
    one, other = at.told
    assert one == digest("2026-03-02 20:00", "Bellevue", f"Guest1 Lee{HAIR}")
    assert other.at == "2026-03-03 20:00"
    assert other.text.endswith("\n\n1 of these came too late for the message before.")


async def test_of_forty_cancellations_one_mail_goes_out_with_all_of_them(shop: Open) -> None:
    at = await shop("2026-03-02 09:00", "cancellations-digest")
    for number in range(1, 41):
        await at.comes(*booked(number))
        await at.comes(*cancelled(number))
    assert at.reason(await at.comes(*of(cancelled(7), receipt_number="1"))) == "held_back"
    await at.until(pacific("2026-03-04 09:00"))
    assert at.told == [
        digest("2026-03-02 20:00", "Bellevue", *(f"Guest{number} Lee{HAIR}" for number in range(1, 41)))
    ]


# --- membership-frozen-for-good -----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["Guest.Membership.Unfreeze", "Guest.Membership.Reinstate"])
async def test_a_membership_that_is_unfrozen_after_five_minutes_is_no_message(shop: Open, end: str) -> None:
    at = await shop("2026-03-02 10:00", "membership-frozen-for-good")
    frozen = await at.comes("Guest.Membership.Freeze")
    assert at.reason(frozen) == "waiting"
    await at.until(pacific("2026-03-02 10:05"))
    await at.comes(end)
    assert at.reason(frozen) == "withdrawn"
    await at.until(pacific("2026-03-03 10:00"))
    assert at.told == []


async def test_a_membership_that_stays_frozen_is_told_after_ten_minutes(shop: Open) -> None:
    at = await shop("2026-03-02 10:00", "membership-frozen-for-good")
    await at.comes(*SOLD)
    frozen = await at.comes("Guest.Membership.Freeze")
    # Another one's end is not its end.
    await at.comes("Guest.Membership.Unfreeze", {"user_membership_id": "another"})
    await at.until(pacific("2026-03-02 10:09"))
    assert at.told == []
    await at.until(pacific("2026-03-02 11:00"))
    text = (
        "Frozen: Gold of Nora Field in Khammam.\n"
        "From Tue, Dec 14, 2021 to Sun, Dec 19, 2021.\n"
        "Kind of pause: Freeze benefits and shift next payment.\n"
        "Comment: “paused”\n"
        "Entered by charan Owner.\n\n"
        "Call the guest before the pause ends."
    )
    assert at.told == [
        Told("2026-03-02 10:10", channel, "Membership frozen in Khammam", text)
        for channel in ("front-desk", "manager-mail")
    ]
    assert at.reason(frozen) == "notified"


# --- no-invoice ---------------------------------------------------------------------------------------------------


def invoice(number: str, center: str = BELLEVUE) -> Step:
    return "Invoice.Closed", {
        "invoice": {"id": f"id-{number}", "invoice_number": number, "center_id": center}
    }


def no_invoice(at: str, number: str, came: str) -> Told:
    return Told(
        at,
        "manager-mail",
        "No invoice for two hours",
        f"No invoice has come from Bellevue for two hours of opening time; the last, number {number}, came {came}. "
        "Does the till work?",
    )


async def test_no_invoice_for_two_hours_is_told_once_until_one_comes(shop: Open) -> None:
    at = await shop("2026-03-02 09:30", "no-invoice")
    await at.comes(*invoice("71"))
    await at.until(pacific("2026-03-02 10:00"))
    await at.comes(*invoice("72"))
    await at.until(pacific("2026-03-02 15:00"))
    alarm = no_invoice("2026-03-02 12:00", "72", "Mon, Mar 2, 10:00 AM")
    assert at.told == [alarm]
    await at.comes(*invoice("73"))
    await at.until(pacific("2026-03-02 19:00"))
    assert at.told == [alarm, no_invoice("2026-03-02 17:00", "73", "Mon, Mar 2, 3:00 PM")]


async def test_the_night_does_not_count(shop: Open) -> None:
    at = await shop("2026-03-02 19:30", "no-invoice")
    await at.comes(*invoice("71"))
    await at.until(pacific("2026-03-03 10:29"))
    assert at.told == []
    await at.until(pacific("2026-03-03 20:30"))
    alarm = no_invoice("2026-03-03 10:30", "71", "Mon, Mar 2, 7:30 PM")
    assert at.told == [alarm]
    await at.comes(*invoice("72"))  # after closing: two hours after the next opening
    await at.until(pacific("2026-03-04 20:00"))
    assert at.told == [alarm, no_invoice("2026-03-04 11:00", "72", "Tue, Mar 3, 8:30 PM")]


async def test_a_sunday_that_is_closed_and_an_hour_shorter_does_not_count(shop: Open) -> None:
    at = await shop("2026-03-07 17:30", "no-invoice")
    await at.comes(*invoice("71"))
    await at.until(pacific("2026-03-09 18:00"))
    assert at.told == [no_invoice("2026-03-09 10:30", "71", "Sat, Mar 7, 5:30 PM")]


# --- low-feedback-escalated ---------------------------------------------------------------------------------------

FEEDBACK: Step = ("Appointment.Feedback.v2", {"center_id": BELLEVUE})
LOW_RATING = (
    "Rating by Nora Field: 3.\n"
    "Visit: Thu, Jul 25, 9:15 AM, with DebashisTest TripathyTest.\n"
    "Tags: ambience, check-in, check-out, cleanliness, safety standards.\n"
    "Comment: “feedback”\n\n"
    "Call the guest today.\n\n"
    "Take it: <link>"
)


def mailed(at: str) -> Told:
    return Told(at, "manager-mail", "Low rating in Bellevue", LOW_RATING)


def texted(at: str) -> Told:
    text = "Nobody has taken this for 30 minutes.\n\nLow rating in Bellevue by Nora Field: 3. Call the guest today."
    return Told(at, "manager-sms", "", f"{text}\nTake it: <link>")


async def test_a_low_rating_that_nobody_takes_is_escalated_after_30_minutes(shop: Open) -> None:
    at = await shop("2026-03-02 10:00", "low-feedback-escalated")
    await at.comes(*VISITED)
    await at.comes(*FEEDBACK)
    await at.until(pacific("2026-03-02 10:29"))
    assert at.told == [mailed("2026-03-02 10:00")]
    await at.until(pacific("2026-03-03 12:00"))
    assert at.told == [mailed("2026-03-02 10:00"), texted("2026-03-02 10:30")]


async def test_a_low_rating_that_somebody_takes_is_not_escalated_and_who_was_told_hears_of_it(
    shop: Open,
) -> None:
    at = await shop("2026-03-02 10:00", "low-feedback-escalated")
    await at.comes(*VISITED)
    await at.comes(*FEEDBACK)
    await at.until(pacific("2026-03-02 10:12"))
    await at.take(at.links[0], "Ann")
    await at.until(pacific("2026-03-03 12:00"))
    assert at.told == [
        mailed("2026-03-02 10:00"),
        Told(
            "2026-03-02 10:12",
            "manager-mail",
            "A guest gave a low rating",
            f"Taken by Ann, 10:12 AM: message {at.refs[0]}.",
        ),
    ]


async def test_a_low_rating_of_the_night_waits_for_the_morning_and_so_does_its_escalation(shop: Open) -> None:
    at = await shop("2026-03-02 21:00", "low-feedback-escalated")
    await at.comes(*VISITED)
    event = await at.comes(*FEEDBACK)
    await at.until(pacific("2026-03-03 07:59"))
    assert at.told == []
    assert at.became(event)["low-feedback-escalated"][1].startswith("held until 2026-03-03T08:00:00-08:00")
    await at.until(pacific("2026-03-03 12:00"))
    assert at.told == [mailed("2026-03-03 08:00"), texted("2026-03-03 08:30")]


# --- class-cancelled mutes class-booking-cancelled ----------------------------------------------------------------


def place(number: int, session: int = 89607) -> dict[str, Any]:
    return {
        "guest_id": f"guest-{number}",
        "session_id": session,
        "registration_id": 100 * session + number,
        "center_id": BELLEVUE,
    }


async def test_a_cancelled_class_is_told_with_its_names_and_mutes_its_places_for_two_hours(
    shop: Open,
) -> None:
    at = await shop("2026-03-02 10:00", "class-cancelled", "class-booking-cancelled")
    for number in range(1, 22):
        person = {"first_name": f"Guest{number:02}", "last_name": "Lee"}
        await at.comes(
            "Guest.Created", {"id": f"guest-{number}", "center_id": BELLEVUE, "personal_info": person}
        )
    for number in range(1, 21):
        await at.comes("Class.Booking.Created", place(number))
    yoga = {"class_name": "Yoga", "center_id": BELLEVUE, "start_time": "2026-03-02T17:30:00"}
    await at.comes("Class.Schedule.Cancelled", {"sesion_id": 89607, **yoga})
    became = [at.reason(await at.comes("Class.Booking.Cancelled", place(number))) for number in range(1, 21)]
    assert became == ["suppressed"] * 20
    title = "Class cancelled: Yoga"
    text = (
        "The class Yoga on Mon, Mar 2, 2026 at 5:30 PM in Bellevue is cancelled.\n\n"
        "Tell those who have booked: 20 that zennotify knows of.\n"
        + "".join(f"\n- Guest{number:02} Lee" for number in range(1, 21))
    )
    sms = "Class Yoga on Mon, Mar 2, 2026 at 5:30 PM is cancelled. Tell those who have booked (20 known)."
    assert at.told == [
        Told("2026-03-02 10:00", "front-desk", title, text),
        Told("2026-03-02 10:00", "manager-mail", title, text),
        Told("2026-03-02 10:00", "manager-sms", "", sms),
    ]
    # A place of another class is told of, and one of this class when two hours are over.
    await at.until(pacific("2026-03-02 11:59:59"))
    assert at.reason(await at.comes("Class.Booking.Cancelled", place(21, session=1))) == "notified"
    assert at.reason(await at.comes("Class.Booking.Cancelled", place(21))) == "suppressed"
    await at.until(pacific("2026-03-02 12:00"))
    assert at.reason(await at.comes("Class.Booking.Cancelled", place(1) | {"registration_id": 1})) == (
        "notified"
    )
    free = "A place in a class is free again"
    assert at.told[3:] == [
        Told("2026-03-02 11:59:59", "front-desk", free, "Cancelled by Guest21 Lee: a place in a class."),
        Told(
            "2026-03-02 12:00",
            "front-desk",
            free,
            "Cancelled by Guest01 Lee: a place in Yoga, Mon, Mar 2, 5:30 PM.",
        ),
    ]


async def test_places_that_come_before_their_class_are_muted_where_they_wait_as_the_comment_says(
    shop: Open,
) -> None:
    at = await shop("2026-03-02 10:00", "class-booking-cancelled", "class-cancelled", more="wait: {for: 2m}")
    gone = [await at.comes("Class.Booking.Cancelled", place(number)) for number in (1, 2)]
    await at.until(pacific("2026-03-02 10:01"))
    cancelled_class = await at.comes("Class.Schedule.Cancelled", {"sesion_id": 89607})
    other = await at.comes("Class.Booking.Cancelled", place(1, session=1))
    await at.until(pacific("2026-03-02 11:00"))
    assert [at.reason(event) for event in (*gone, other, cancelled_class)] == [
        "suppressed",
        "suppressed",
        "notified",
        "notified",
    ]
    assert {(one.at, one.channel) for one in at.told} == {
        ("2026-03-02 10:03", channel) for channel in ("front-desk", "manager-mail", "manager-sms")
    }


# --- guest-not-arrived --------------------------------------------------------------------------------------------


def booking(kind: str, local: str | None) -> Step:
    """A booking of Nora's that begins at this time of Bellevue's clocks."""
    data: dict[str, Any] = {
        "appointment_group_id": GROUP,
        "center_id": BELLEVUE,
        "guest": NORA,
        "appointments": [],
    }
    if local is not None:
        start: datetime = pacific(local)
        visit = {"service_name": "Cut", "therapist_name": "Ann"}
        visit |= {"start_time": f"{start.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"}
        data["appointments"] = [visit]
    return f"AppointmentGroup.{kind}", data


def status(code: int) -> Step:
    return "AppointmentGroup.Status", {"appointment_group_id": GROUP, "appointment_group_status": code}


def not_here(at: str, due: str) -> Told:
    text = f"Not checked in: Nora Field, due at {due} with Ann in Bellevue. Call now?"
    return Told(at, "front-desk", "A guest is 15 minutes late", text)


async def test_a_guest_who_is_not_there_15_minutes_after_the_start_is_told(shop: Open) -> None:
    at = await shop("2026-03-01 09:00", "guest-not-arrived")
    event = await at.comes(*booking("Created", "2026-03-10 14:00"))  # the clocks change before it
    assert at.reason(event) == "waiting"
    await at.comes(*status(4))  # confirmed
    await at.until(pacific("2026-03-10 14:14"))
    assert at.told == []
    await at.until(pacific("2026-03-11 09:00"))
    assert at.told == [not_here("2026-03-10 14:15", "2:00 PM")]


@pytest.mark.parametrize(
    "end",
    [status(2), status(-1), status(-2), status(1), ("Appointment.Started", {"appointment_group_id": GROUP})],
    ids=["checked in", "cancelled", "no-show", "closed", "started"],
)
async def test_a_guest_who_has_come_or_comes_no_more_is_not_missed(shop: Open, end: Step) -> None:
    at = await shop("2026-03-02 09:00", "guest-not-arrived")
    event = await at.comes(*booking("Created", "2026-03-02 14:00"))
    await at.until(pacific("2026-03-02 14:05"))
    await at.comes(*end)
    assert at.reason(event) == "withdrawn"
    # Somebody changes the booking meanwhile, and afterwards.
    await at.comes(*booking("Updated", "2026-03-02 14:00"))
    await at.until(pacific("2026-03-02 15:00"))
    await at.comes(*booking("Updated", "2026-03-02 14:00"))
    await at.until(pacific("2026-03-03 09:00"))
    assert at.told == []


async def test_a_booking_that_is_moved_counts_from_its_new_time(shop: Open) -> None:
    at = await shop("2026-03-02 09:00", "guest-not-arrived")
    event = await at.comes(*booking("Created", "2026-03-02 14:00"))
    await at.until(pacific("2026-03-02 13:50"))
    await at.comes(*booking("Updated", "2026-03-02 16:00"))
    assert at.reason(event) == "withdrawn"
    await at.until(pacific("2026-03-03 09:00"))
    assert at.told == [not_here("2026-03-02 16:15", "4:00 PM")]


async def test_a_note_during_the_wait_changes_nothing(shop: Open) -> None:
    at = await shop("2026-03-02 09:00", "guest-not-arrived")
    await at.comes(*booking("Created", "2026-03-02 14:00"))
    await at.until(pacific("2026-03-02 14:05"))
    assert at.became(await at.comes(*booking("Updated", "2026-03-02 14:00"))) == {}
    await at.until(pacific("2026-03-03 09:00"))
    assert at.told == [not_here("2026-03-02 14:15", "2:00 PM")]


async def test_nobody_is_late_whose_booking_has_no_time_or_is_entered_afterwards(shop: Open) -> None:
    at = await shop("2026-03-02 09:00", "guest-not-arrived")
    event = await at.comes(*booking("Created", None))
    assert at.became(event) == {"guest-not-arrived": ("no_moment", "group.start is not known")}
    assert at.became(await at.comes(*booking("Updated", "2026-03-02 08:00"))) == {}
    await at.until(pacific("2026-03-03 09:00"))
    assert at.told == []
