"""What the shipped rules say of which events, with the names that earlier events taught and without them."""

from __future__ import annotations

from typing import Final

from tests.shipped import (
    ACK_URL,
    BOOKED,
    GROUP,
    NORA,
    PLANNED,
    REGISTERED,
    SOLD,
    VISITED,
    Case,
    Silent,
    Step,
    merged,
    places,
)
from zennotify.zenoti.sample import load_sample

NOT_COME = {"appointment_group_status": -2, "is_cancellationfeerequired": "No"}
LATE = {"appointment_group_status": -1, "is_noshowfeerequired": "No"}
MOVED = {"rebooked_source_group_id": "6b675eff-35c9-4c40-8688-e4746a71fa98"}
REFUND = {"invoice": {"is_refund": True, "total_price": {"sum_total": -120.5}}}
LARGE = {"invoice": {"total_price": {"sum_total": 1250}}}
#: A newcomer, by the name of the service that an integrator's sample has.
NEW = {"appointments": load_sample("AppointmentGroup.Updated")["data"]["appointments"], "guest": NORA}
#: What an employee earns, which is nobody's business.
PAID = {"job_info": {"salary": 48123, "hourly_rate": 27.35}, "login_info": {"username": "emp-login"}}

BELLEVUE = "1aab4fd2-2ff3-4ede-bca2-74aa2ccb54b6"
#: A booking that lies ahead.
SOON = {
    "appointments": [
        {
            "service_name": "Cut",
            "therapist_name": "Anna Stylist",
            "start_time": "2026-03-02T18:00:00",
            "start_time_in_center": "2026-03-02T10:00:00",
        }
    ]
}


def booked(number: int) -> Step:
    guest = {"id": f"guest-{number}", "first_name": f"Guest{number}", "last_name": "Lee"}
    return "AppointmentGroup.Created", {"appointment_group_id": f"group-{number}", "guest": guest}


def cancelled(number: int) -> Step:
    return "AppointmentGroup.Status", {**LATE, "appointment_group_id": f"group-{number}"}


def class_of(number: int) -> tuple[Step, ...]:
    """So many guests, in the class that the sample of Class.Schedule.Cancelled cancels."""
    guests = [f"guest-{one:02}" for one in range(1, number + 1)]
    known: list[Step] = [
        (
            "Guest.Created",
            {
                "id": guest,
                "personal_info": {"first_name": guest.title().replace("-", ""), "last_name": "Lee"},
            },
        )
        for guest in guests
    ]
    return REGISTERED, *known, *places(*guests)


FROZEN: Final = (
    Case(
        "membership-frozen",
        "a sale that is known",
        "Guest.Membership.Freeze",
        {},
        (SOLD,),
        "Membership frozen in Khammam",
        (
            "Frozen: **Gold** of **Nora Field** in Khammam.\n"
            "From Tue, Dec 14, 2021 to Sun, Dec 19, 2021.\n"
            "Kind of pause: Freeze benefits and shift next payment.\n"
            "Comment: “paused”\n"
            "Entered by charan Owner.\n\n"
            "Call the guest before the pause ends."
        ),
        "Membership frozen in Khammam: Gold of Nora Field. Call the guest before the pause ends.",
    ),
    Case(
        "membership-frozen",
        "a sale that is not known",
        "Guest.Membership.Freeze",
        {},
        (),
        "Membership frozen in Khammam",
        (
            "Frozen: **a membership** of **a guest** in Khammam.\n"
            "From Tue, Dec 14, 2021 to Sun, Dec 19, 2021.\n"
            "Kind of pause: Freeze benefits and shift next payment.\n"
            "Comment: “paused”\n"
            "Entered by charan Owner.\n\n"
            "Call the guest before the pause ends."
        ),
        "Membership frozen in Khammam: a membership of a guest. Call the guest before the pause ends.",
    ),
    Case(
        "membership-frozen",
        "without an end",
        "Guest.Membership.Freeze",
        {"freeze": {"end_date": "0001-01-01T00:00:00", "type": None, "comments": "", "froze_by": None}},
        (),
        "Membership frozen in Khammam",
        (
            "Frozen: **a membership** of **a guest** in Khammam.\n"
            "From Tue, Dec 14, 2021.\n\n"
            "Call the guest before the pause ends."
        ),
        "Membership frozen in Khammam: a membership of a guest. Call the guest before the pause ends.",
    ),
)

CASES: Final = (
    Case(
        "new-booking",
        "a booking",
        "AppointmentGroup.Created",
        {},
        (),
        "New booking in Bellevue",
        ("Booked by **Abc test**:\n- Laser Hair - Male with DebashisTest TripathyTest, Thu, Jul 25, 9:15 AM"),
        "New booking in Bellevue: Abc test, Thu, Jul 25, 9:15 AM.",
    ),
    Case(
        "new-booking",
        "two visits",
        "AppointmentGroup.Created",
        NEW,
        (),
        "New booking in Bellevue",
        (
            "Booked by **Nora Field**:\n"
            "- New Client Signature Laser Facial \\(Long 15 mins\\) \\(Y\\) with Therapist One, Sat, Oct 26, 10:45 AM\n"
            "- \\(30 min\\) New Consultation with Therapist Two, Sat, Oct 26, 10:00 AM"
        ),
        "New booking in Bellevue: Nora Field, Sat, Oct 26, 10:00 AM.",
    ),
    Case(
        "new-booking",
        "a booking that says little",
        "AppointmentGroup.Created",
        {"appointments": [{"service_name": "Cut", "therapist_name": None, "start_time_in_center": None}]},
        (),
        "New booking in Bellevue",
        "Booked by **Abc test**:\n- Cut",
        "New booking in Bellevue: Abc test.",
    ),
    Case(
        "new-booking",
        "a booking of nothing",
        "AppointmentGroup.Created",
        {"appointments": []},
        (),
        "New booking in Bellevue",
        "Booked by **Abc test**.",
        "New booking in Bellevue: Abc test.",
    ),
    Case(
        "new-booking-by-source",
        "an advertisement",
        "AppointmentGroup.Created",
        {},
        (),
        "Booking from facebook",
        (
            "**Abc test** has booked in Bellevue: Thu, Jul 25, 9:15 AM.\n\n"
            "The booking's link says: source facebook, medium online."
        ),
        "Booking from facebook: Abc test in Bellevue, Thu, Jul 25, 9:15 AM.",
    ),
    Case(
        "new-booking-by-source",
        "Zenoti's own page, whose medium tells",
        "AppointmentGroup.Created",
        {"utm_source": "booknow", "utm_medium": "newsletter"},
        (),
        "Booking from newsletter",
        (
            "**Abc test** has booked in Bellevue: Thu, Jul 25, 9:15 AM.\n\n"
            "The booking's link says: source booknow, medium newsletter."
        ),
        "Booking from newsletter: Abc test in Bellevue, Thu, Jul 25, 9:15 AM.",
    ),
    Case(
        "new-booking-by-source",
        "Zenoti's own page alone",
        "AppointmentGroup.Created",
        {"utm_source": "booknow", "utm_medium": None},
        (),
        "Booking from Zenoti's own page",
        (
            "**Abc test** has booked in Bellevue: Thu, Jul 25, 9:15 AM.\n\n"
            "The booking's link says: source booknow."
        ),
        "Booking from Zenoti's own page: Abc test in Bellevue, Thu, Jul 25, 9:15 AM.",
    ),
    Case(
        "first-visit",
        "a service for newcomers",
        "AppointmentGroup.Created",
        NEW,
        (),
        "First visit in Bellevue",
        (
            "A newcomer has booked: **Nora Field**, Sat, Oct 26, 10:00 AM, with Therapist Two.\n\n"
            "Welcome the guest, and have the forms ready."
        ),
        "First visit in Bellevue: Nora Field, Sat, Oct 26, 10:00 AM.",
    ),
    Case(
        "booking-rescheduled",
        "a new booking in place of an old one",
        "AppointmentGroup.Created",
        MOVED,
        (),
        "Rescheduled in Bellevue",
        (
            "The booking of **Abc test** has moved to Thu, Jul 25, 9:15 AM, with DebashisTest TripathyTest.\n\n"
            "The old time is free."
        ),
        "Rescheduled in Bellevue: Abc test, now Thu, Jul 25, 9:15 AM. The old time is free.",
    ),
    Case(
        "booking-rescheduled",
        "a status, of a booking that is known",
        "AppointmentGroup.Status",
        MOVED,
        (BOOKED,),
        "Rescheduled in Bellevue",
        (
            "The booking of **Nora Field** has moved to Thu, Jul 25, 9:15 AM, with DebashisTest TripathyTest.\n\n"
            "The old time is free."
        ),
        "Rescheduled in Bellevue: Nora Field, now Thu, Jul 25, 9:15 AM. The old time is free.",
    ),
    Case(
        "booking-rescheduled",
        "a status, of a booking that is not known",
        "AppointmentGroup.Status",
        MOVED,
        (),
        "Rescheduled in the centre",
        ("The booking of **a guest** has moved.\n\nThe old time is free."),
        "Rescheduled in the centre: a guest. The old time is free.",
    ),
    Case(
        "guest-arrived",
        "a booking that is known",
        "AppointmentGroup.Status",
        {},
        (BOOKED,),
        "Arrived: Nora Field",
        "Now in Bellevue: **Nora Field**, booked for 9:15 AM with DebashisTest TripathyTest.",
        "Arrived: Nora Field, booked for 9:15 AM with DebashisTest TripathyTest.",
    ),
    Case(
        "guest-arrived",
        "a booking that is not known",
        "AppointmentGroup.Status",
        {},
        (),
        "Arrived: a guest",
        "Now in the centre: **a guest**.",
        "Arrived: a guest.",
    ),
    Case(
        "no-show-fee-required",
        "a no-show that is known",
        "AppointmentGroup.Status",
        NOT_COME,
        (BOOKED,),
        "No-show fee required",
        (
            "No-show: **Nora Field** did not come to the booking on Thu, Jul 25, 9:15 AM in Bellevue.\n\n"
            "The **no-show fee** is required, invoice 13024. Charge the fee or waive it."
        ),
        "No-show fee required for Nora Field, Thu, Jul 25, 9:15 AM, invoice 13024. Charge it or waive it.",
    ),
    Case(
        "no-show-fee-required",
        "a no-show that is not known",
        "AppointmentGroup.Status",
        NOT_COME,
        (),
        "No-show fee required",
        (
            "No-show: **a guest** did not come.\n\n"
            "The **no-show fee** is required, invoice 13024. Charge the fee or waive it."
        ),
        "No-show fee required for a guest, invoice 13024. Charge it or waive it.",
    ),
    Case(
        "no-show-fee-required",
        "the documented example, where the guest has come",
        "AppointmentGroup.Status",
        {},
        (),
        "No-show fee required",
        (
            "The **no-show fee** is required for a guest, invoice 13024.\n\n"
            "The booking's status is **Checkin**. Charge the fee or waive it."
        ),
        "No-show fee required for a guest, invoice 13024 (status Checkin). Charge it or waive it.",
    ),
    Case(
        "cancellation-fee-required",
        "a booking that is known",
        "AppointmentGroup.Status",
        LATE,
        (BOOKED,),
        "Cancellation fee required",
        (
            "The **cancellation fee** is required for Nora Field, invoice 13024.\n\n"
            "The booking for Thu, Jul 25, 9:15 AM in Bellevue was cancelled late. Charge the fee or waive it."
        ),
        "Cancellation fee required for Nora Field, Thu, Jul 25, 9:15 AM, invoice 13024. Charge it or waive it.",
    ),
    Case(
        "cancellation-fee-required",
        "a booking that is not known",
        "AppointmentGroup.Status",
        LATE,
        (),
        "Cancellation fee required",
        (
            "The **cancellation fee** is required for a guest, invoice 13024.\n\n"
            "The booking was cancelled late. Charge the fee or waive it."
        ),
        "Cancellation fee required for a guest, invoice 13024. Charge it or waive it.",
    ),
    Case(
        "third-no-show",
        "a guest and a booking that are known",
        "AppointmentGroup.Status",
        NOT_COME,
        (BOOKED,),
        "A guest has missed three bookings in 90 days",
        (
            "3 missed bookings in 90 days: Nora Field. This one was for Thu, Jul 25, 9:15 AM in Bellevue. "
            "Ask for a deposit before the next booking."
        ),
        (
            "3 missed bookings in 90 days: Nora Field. This one was for Thu, Jul 25, 9:15 AM in Bellevue. "
            "Ask for a deposit before the next booking."
        ),
        counted=3,
    ),
    Case(
        "third-no-show",
        "a booking of no time, the fifth",
        "AppointmentGroup.Status",
        NOT_COME,
        (("AppointmentGroup.Created", {**BOOKED[1], "appointments": []}),),
        "A guest has missed three bookings in 90 days",
        "5 missed bookings in 90 days: Nora Field. Ask for a deposit before the next booking.",
        "5 missed bookings in 90 days: Nora Field. Ask for a deposit before the next booking.",
        counted=5,
    ),
    Case(
        "cancellations-digest",
        "three bookings, one of them not known",
        *cancelled(3),
        (booked(1), booked(3)),
        "Cancelled in Bellevue: 3",
        (
            "**3** bookings were cancelled in Bellevue:\n"
            "- Guest1 Lee, Thu, Jul 25, 9:15 AM: Laser Hair - Male\n"
            "- a guest\n"
            "- Guest3 Lee, Thu, Jul 25, 9:15 AM: Laser Hair - Male"
        ),
        "Cancelled in Bellevue: 3 (Guest1 Lee, Guest3 Lee and 1 more).",
        gathered=(cancelled(1), cancelled(2)),
        counted=3,
    ),
    Case(
        "cancellations-digest",
        "one booking",
        *cancelled(1),
        (booked(1),),
        "Cancelled in Bellevue: 1",
        "**1** booking was cancelled in Bellevue:\n- Guest1 Lee, Thu, Jul 25, 9:15 AM: Laser Hair - Male",
        "Cancelled in Bellevue: 1 (Guest1 Lee).",
        counted=1,
    ),
    Case(
        "cancellations-digest",
        "bookings that are not known",
        *cancelled(2),
        (),
        "Cancelled: 2",
        "**2** bookings were cancelled:\n- a guest\n- a guest",
        "Cancelled: 2.",
        gathered=(cancelled(1),),
        counted=2,
    ),
    Case(
        "cancellations-digest",
        "more than can be listed",
        *cancelled(250),
        tuple(booked(number) for number in range(1, 251)),
        "Cancelled in Bellevue: 250",
        (
            "**250** bookings were cancelled in Bellevue:\n"
            + "".join(
                f"- Guest{number} Lee, Thu, Jul 25, 9:15 AM: Laser Hair - Male\n" for number in range(1, 201)
            )
            + "\nAnd 50 more."
        ),
        "Cancelled in Bellevue: 250 (Guest1 Lee, Guest2 Lee, Guest3 Lee and 247 more).",
        gathered=tuple(cancelled(number) for number in range(1, 250)),
        counted=250,
    ),
    Case(
        "guest-not-arrived",
        "a booking",
        "AppointmentGroup.Created",
        SOON,
        (),
        "A guest is 15 minutes late",
        "Not checked in: Abc test, due at 10:00 AM with Anna Stylist in Bellevue. Call now?",
        "Not checked in: Abc test, due at 10:00 AM with Anna Stylist in Bellevue. Call now?",
    ),
    Case(
        "guest-not-arrived",
        "a change of a booking that says little",
        "AppointmentGroup.Updated",
        {"appointments": None, "guest": None, "center_id": None, "center_Name": None},
        (),
        "A guest is 15 minutes late",
        "Not checked in: a guest, due 15 minutes ago in the centre. Call now?",
        "Not checked in: a guest, due 15 minutes ago in the centre. Call now?",
    ),
    Case(
        "class-cancelled",
        "twenty have booked",
        "Class.Schedule.Cancelled",
        {},
        class_of(20),
        "Class cancelled: abc camp",
        (
            "The class **abc camp** on Tue, Mar 22, 2022 at 1:00 PM in Bellevue is cancelled.\n\n"
            "Tell those who have booked: **20** that zennotify knows of.\n\n"
            + ", ".join(f"Guest{number:02} Lee" for number in range(1, 21))
            + "."
        ),
        "Class abc camp on Tue, Mar 22, 2022 at 1:00 PM is cancelled. Tell those who have booked (20 known).",
    ),
    Case(
        "class-cancelled",
        "sixty have booked",
        "Class.Schedule.Cancelled",
        {},
        class_of(60),
        "Class cancelled: abc camp",
        (
            "The class **abc camp** on Tue, Mar 22, 2022 at 1:00 PM in Bellevue is cancelled.\n\n"
            "Tell those who have booked: **60** that zennotify knows of.\n\n"
            + ", ".join(f"Guest{number:02} Lee" for number in range(1, 41))
            + ", and 20 more."
        ),
        "Class abc camp on Tue, Mar 22, 2022 at 1:00 PM is cancelled. Tell those who have booked (60 known).",
    ),
    Case(
        "class-cancelled",
        "some have no name",
        "Class.Schedule.Cancelled",
        {},
        (*class_of(2), *places("guest-8", "guest-9")),
        "Class cancelled: abc camp",
        (
            "The class **abc camp** on Tue, Mar 22, 2022 at 1:00 PM in Bellevue is cancelled.\n\n"
            "Tell those who have booked: **4** that zennotify knows of.\n\n"
            "Guest01 Lee, Guest02 Lee, and 2 more."
        ),
        "Class abc camp on Tue, Mar 22, 2022 at 1:00 PM is cancelled. Tell those who have booked (4 known).",
    ),
    Case(
        "class-cancelled",
        "nobody is known to have booked",
        "Class.Schedule.Cancelled",
        {},
        (),
        "Class cancelled: abc camp",
        (
            "The class **abc camp** on Tue, Mar 22, 2022 at 1:00 PM in the centre is cancelled.\n\n"
            "Tell those who have booked."
        ),
        "Class abc camp on Tue, Mar 22, 2022 at 1:00 PM is cancelled. Tell those who have booked.",
    ),
    Case(
        "class-cancelled",
        "nobody knows when it was",
        "Class.Schedule.Cancelled",
        {"start_time": None},
        (),
        "Class cancelled: abc camp",
        "The class **abc camp** in the centre is cancelled.\n\nTell those who have booked.",
        "Class abc camp is cancelled. Tell those who have booked.",
    ),
    Case(
        "class-cancelled",
        "one has booked",
        "Class.Schedule.Cancelled",
        {},
        (REGISTERED, *places("guest-1")),
        "Class cancelled: abc camp",
        (
            "The class **abc camp** on Tue, Mar 22, 2022 at 1:00 PM in Bellevue is cancelled.\n\n"
            "Tell those who have booked: **1** that zennotify knows of."
        ),
        "Class abc camp on Tue, Mar 22, 2022 at 1:00 PM is cancelled. Tell those who have booked (1 known).",
    ),
    Case(
        "class-cancelled",
        "two have booked",
        "Class.Schedule.Cancelled",
        {},
        (REGISTERED, *places("guest-1", "guest-2", "guest-1")),
        "Class cancelled: abc camp",
        (
            "The class **abc camp** on Tue, Mar 22, 2022 at 1:00 PM in Bellevue is cancelled.\n\n"
            "Tell those who have booked: **2** that zennotify knows of."
        ),
        "Class abc camp on Tue, Mar 22, 2022 at 1:00 PM is cancelled. Tell those who have booked (2 known).",
    ),
    Case(
        "class-booking-cancelled",
        "guest and class are known",
        "Class.Booking.Cancelled",
        {"guest_id": REGISTERED[1]["id"]},
        (PLANNED, REGISTERED),
        "A place in a class is free again",
        "Cancelled by Nora Field: a place in Yoga, Mon, Mar 21, 3:15 PM.",
        "Cancelled by Nora Field: a place in Yoga, Mon, Mar 21, 3:15 PM.",
    ),
    Case(
        "class-booking-cancelled",
        "guest and class are not known",
        "Class.Booking.Cancelled",
        {},
        (),
        "A place in a class is free again",
        "Cancelled by a guest: a place in a class.",
        "Cancelled by a guest: a place in a class.",
    ),
    Case(
        "class-no-show",
        "guest and class are known",
        "Class.Booking.NoShow",
        {},
        (PLANNED, REGISTERED),
        "No-show in Yoga",
        "No-show: **Nora Field** did not come to Yoga in Bellevue, Mon, Mar 21, 3:15 PM.",
        "No-show: Nora Field did not come to Yoga, Mon, Mar 21, 3:15 PM.",
    ),
    Case(
        "class-no-show",
        "guest and class are not known",
        "Class.Booking.NoShow",
        {},
        (),
        "No-show in a class",
        "No-show: **a guest** did not come to a class in the centre.",
        "No-show: a guest did not come to a class.",
    ),
    Case(
        "membership-cancelled",
        "a sale that is known",
        "Guest.Membership.Cancelled",
        {},
        (SOLD,),
        "Membership cancelled in Khammam",
        (
            "Cancelled: **Gold** of **Nora Field** in Khammam.\n"
            "Ends: Wed, Dec 15, 2021.\n"
            "Reason: Membership Cancellation Reason\n"
            "Entered by charan Owner.\n\n"
            "Call the guest while there is something to save."
        ),
        "Membership cancelled in Khammam: Gold of Nora Field. Call the guest while there is something to save.",
    ),
    Case(
        "membership-cancelled",
        "a sale that is not known",
        "Guest.Membership.Cancelled",
        {},
        (),
        "Membership cancelled in Khammam",
        (
            "Cancelled: **a membership** of **a guest** in Khammam.\n"
            "Ends: Wed, Dec 15, 2021.\n"
            "Reason: Membership Cancellation Reason\n"
            "Entered by charan Owner.\n\n"
            "Call the guest while there is something to save."
        ),
        "Membership cancelled in Khammam: a membership of a guest. Call the guest while there is something to save.",
    ),
    Case(
        "membership-cancelled",
        "nothing but the fact",
        "Guest.Membership.Cancelled",
        {"cancel": None},
        (),
        "Membership cancelled in Khammam",
        (
            "Cancelled: **a membership** of **a guest** in Khammam.\n\n"
            "Call the guest while there is something to save."
        ),
        "Membership cancelled in Khammam: a membership of a guest. Call the guest while there is something to save.",
    ),
    *FROZEN,
    *(case._replace(rule="membership-frozen-for-good") for case in FROZEN),
    Case(
        "low-feedback",
        "a visit that is known",
        "Appointment.Feedback.v2",
        {},
        (VISITED,),
        "Low rating in Bellevue",
        (
            "Rating by **Nora Field**: **3**.\n"
            "Visit: Thu, Jul 25, 9:15 AM, with DebashisTest TripathyTest.\n"
            "Tags: ambience, check-in, check-out, cleanliness, safety standards.\n"
            "Comment: “feedback”\n\n"
            "Call the guest today."
        ),
        "Low rating in Bellevue by Nora Field: 3. Call the guest today.",
    ),
    Case(
        "low-feedback",
        "a visit that is not known",
        "Appointment.Feedback.v2",
        {},
        (),
        "Low rating",
        (
            "Rating by **a guest**: **3**.\n"
            "Tags: ambience, check-in, check-out, cleanliness, safety standards.\n"
            "Comment: “feedback”\n\n"
            "Call the guest today."
        ),
        "Low rating by a guest: 3. Call the guest today.",
    ),
    Case(
        "low-feedback",
        "a rating alone",
        "Appointment.Feedback.v2",
        {"rating_value": 1, "comments": None, "guest_feedback_tags": None},
        (),
        "Low rating",
        ("Rating by **a guest**: **1**.\n\nCall the guest today."),
        "Low rating by a guest: 1. Call the guest today.",
    ),
    Case(
        "low-feedback-escalated",
        "a visit that is known",
        "Appointment.Feedback.v2",
        {},
        (VISITED,),
        "Low rating in Bellevue",
        (
            "Rating by **Nora Field**: **3**.\n"
            "Visit: Thu, Jul 25, 9:15 AM, with DebashisTest TripathyTest.\n"
            "Tags: ambience, check-in, check-out, cleanliness, safety standards.\n"
            "Comment: “feedback”\n\n"
            "Call the guest today.\n\n"
            f"Take it: {ACK_URL}"
        ),
        f"Low rating in Bellevue by Nora Field: 3. Call the guest today.\nTake it: {ACK_URL}",
    ),
    Case(
        "low-feedback-in-parts",
        "a visit that is known",
        "Appointment.Feedback.v1",
        {},
        (VISITED,),
        "Low rating in Bellevue",
        (
            "Rating by **Nora Field**: **service 3, therapist 5, ambience 1, cleanliness 2**.\n"
            "Visit: Thu, Jul 25, 9:15 AM, with DebashisTest TripathyTest.\n"
            "Comment: “feedback”\n\n"
            "Call the guest today."
        ),
        "Low rating in Bellevue by Nora Field: service 3, therapist 5, ambience 1, cleanliness 2. "
        "Call the guest today.",
    ),
    Case(
        "low-feedback-in-parts",
        "a visit that is not known, one part rated",
        "Appointment.Feedback.v1",
        {
            "rating_value": {"service": None, "therapist": 2, "ambience": None, "cleanliness": None},
            "comments": "",
        },
        (),
        "Low rating",
        ("Rating by **a guest**: **therapist 2**.\n\nCall the guest today."),
        "Low rating by a guest: therapist 2. Call the guest today.",
    ),
    Case(
        "invoice-refunded",
        "a centre that is known",
        "Invoice.Closed",
        REFUND,
        (
            (
                "Guest.Created",
                {"center_id": "5528ee09-5321-4153-8ca7-31c78d757dcb", "center_name": "Bellevue"},
            ),
        ),
        "Refund of $120.50",
        (
            "Given back to **test membership** in Bellevue: **$120.50**, invoice 7448.\n\n"
            "Closed Fri, Mar 11, 6:22 AM. Look into it if you did not expect it."
        ),
        "Refund of $120.50 to test membership in Bellevue, invoice 7448.",
    ),
    Case(
        "invoice-refunded",
        "without a total",
        "Invoice.Closed",
        {"invoice": {"is_refund": True, "total_price": None}},
        (),
        "Refund",
        (
            "Given back to **test membership** in the centre, invoice 7448.\n\n"
            "Closed Fri, Mar 11, 6:22 AM. Look into it if you did not expect it."
        ),
        "Refund to test membership in the centre, invoice 7448.",
    ),
    Case(
        "invoice-large",
        "a large sale",
        "Invoice.Closed",
        LARGE,
        (),
        "Large invoice: $1,250.00",
        (
            "**$1,250.00** from **test membership** in the centre, invoice 7448.\n"
            "The visit was with Henry Peterson."
        ),
        "Large invoice: $1,250.00 from test membership in the centre, invoice 7448.",
    ),
    Case(
        "invoice-large",
        "of goods alone",
        "Invoice.Closed",
        {"invoice": {"total_price": {"sum_total": 1000}, "appointments": []}},
        (),
        "Large invoice: $1,000.00",
        "**$1,000.00** from **test membership** in the centre, invoice 7448.",
        "Large invoice: $1,000.00 from test membership in the centre, invoice 7448.",
    ),
    Case(
        "no-invoice",
        "a centre that is known",
        "Invoice.Closed",
        {"invoice": {"center_id": BELLEVUE}},
        (),
        "No invoice for two hours",
        (
            "No invoice has come from Bellevue for two hours of opening time; the last, number 7448, came "
            "Fri, Mar 11, 6:22 AM. Does the till work?"
        ),
        (
            "No invoice has come from Bellevue for two hours of opening time; the last, number 7448, came "
            "Fri, Mar 11, 6:22 AM. Does the till work?"
        ),
    ),
    Case(
        "no-invoice",
        "an invoice without a number",
        "Invoice.Closed",
        {"invoice": {"invoice_number": None}},
        (),
        "No invoice for two hours",
        (
            "No invoice has come from the centre for two hours of opening time; the last came "
            "Fri, Mar 11, 6:22 AM. Does the till work?"
        ),
        (
            "No invoice has come from the centre for two hours of opening time; the last came "
            "Fri, Mar 11, 6:22 AM. Does the till work?"
        ),
    ),
    Case(
        "new-guest",
        "a new guest",
        "Guest.Created",
        {},
        (),
        "A new guest is in Zenoti",
        "New guest in Chicago: Joseph Harrington.",
        "New guest in Chicago: Joseph Harrington.",
    ),
    Case(
        "guest-opted-out",
        "of marketing by e-mail",
        "Guest.OptedOut",
        {},
        (),
        "A guest has opted out",
        "Opted out: John Doe wants no more marketing messages by email. Take the guest off your other lists.",
        "Opted out: John Doe wants no more marketing messages by email. Take the guest off your other lists.",
    ),
    Case(
        "guest-opted-out",
        "of who knows what",
        "Guest.OptedOut",
        {"preference_update": {"category": None, "channel": None}},
        (),
        "A guest has opted out",
        "Opted out: John Doe wants no more messages. Take the guest off your other lists.",
        "Opted out: John Doe wants no more messages. Take the guest off your other lists.",
    ),
    Case(
        "employee-deleted",
        "a centre that is known",
        "Employee.Deleted",
        PAID,
        (
            (
                "Guest.Created",
                {"center_id": "99d6833e-ceb9-4232-85c8-05fb78bd2519", "center_name": "Bellevue"},
            ),
        ),
        "An employee was deleted",
        "Deleted in Zenoti: emp 123 (Bellevue). Take back keys, and access to e-mail, chat and alarm.",
        "Deleted in Zenoti: emp 123 (Bellevue). Take back keys, and access to e-mail, chat and alarm.",
    ),
    Case(
        "employee-deleted",
        "a centre that is not known",
        "Employee.Deleted",
        PAID,
        (),
        "An employee was deleted",
        "Deleted in Zenoti: emp 123. Take back keys, and access to e-mail, chat and alarm.",
        "Deleted in Zenoti: emp 123. Take back keys, and access to e-mail, chat and alarm.",
    ),
)

SILENT: Final = (
    Silent("new-booking", "a change of a booking", "AppointmentGroup.Updated", {}),
    Silent("new-booking-by-source", "no source", "AppointmentGroup.Created", {"utm_source": None}),
    Silent("new-booking-by-source", "an empty source", "AppointmentGroup.Created", {"utm_source": ""}),
    Silent("first-visit", "a service for all", "AppointmentGroup.Created", {}),
    Silent("first-visit", "a booking of nothing", "AppointmentGroup.Created", {"appointments": []}),
    Silent("booking-rescheduled", "a booking in place of none", "AppointmentGroup.Created", {}),
    Silent(
        "booking-rescheduled",
        "Zenoti's id for nothing",
        "AppointmentGroup.Created",
        {"rebooked_source_group_id": "00000000-0000-0000-0000-000000000000"},
    ),
    Silent("booking-rescheduled", "null", "AppointmentGroup.Updated", {"rebooked_source_group_id": None}),
    Silent("guest-arrived", "no check-in", "AppointmentGroup.Status", {"appointment_group_status": 4}),
    Silent("no-show-fee-required", "no fee", "AppointmentGroup.Status", {"is_noshowfeerequired": "No"}),
    Silent("cancellation-fee-required", "a check-in, with a fee", "AppointmentGroup.Status", {}),
    Silent(
        "cancellation-fee-required",
        "cancelled in time",
        "AppointmentGroup.Status",
        {**LATE, "is_cancellationfeerequired": "No"},
    ),
    Silent("third-no-show", "a check-in", "AppointmentGroup.Status", {}),
    Silent("third-no-show", "a late cancellation", "AppointmentGroup.Status", LATE),
    Silent("cancellations-digest", "a no-show", "AppointmentGroup.Status", NOT_COME),
    Silent("guest-not-arrived", "a booking that is entered afterwards", "AppointmentGroup.Created", {}),
    Silent(
        "guest-not-arrived",
        "a change of a booking that is there",
        "AppointmentGroup.Updated",
        {**SOON, "appointment_group_id": GROUP},
        given=(("AppointmentGroup.Status", {}),),
    ),
    Silent("class-cancelled", "a class that was changed", "Class.Schedule.Updated", {}),
    Silent("class-booking-cancelled", "a booking that was made", "Class.Booking.Created", {}),
    Silent("class-no-show", "a booking that was cancelled", "Class.Booking.Cancelled", {}),
    Silent("membership-cancelled", "a pause", "Guest.Membership.Freeze", {}),
    Silent("membership-cancelled", "a sale", "Guest.Membership.Created", {}),
    Silent("membership-frozen", "the end of a pause", "Guest.Membership.Unfreeze", {}),
    Silent("membership-frozen-for-good", "the end of a pause", "Guest.Membership.Unfreeze", {}),
    Silent("low-feedback-escalated", "a good rating", "Appointment.Feedback.v2", {"rating_value": 4}),
    Silent("low-feedback", "a good rating", "Appointment.Feedback.v2", {"rating_value": 4}),
    Silent("low-feedback", "no rating", "Appointment.Feedback.v2", {"rating_value": None}),
    Silent("low-feedback", "ratings of parts", "Appointment.Feedback.v1", {}),
    Silent(
        "low-feedback-in-parts",
        "middling ratings",
        "Appointment.Feedback.v1",
        {"rating_value": {"service": 3, "therapist": 5, "ambience": 3, "cleanliness": None}},
    ),
    Silent("low-feedback-in-parts", "no rating", "Appointment.Feedback.v1", {"rating_value": None}),
    Silent("low-feedback-in-parts", "one rating", "Appointment.Feedback.v2", {"rating_value": 1}),
    Silent("invoice-refunded", "a sale", "Invoice.Closed", {}),
    Silent(
        "invoice-refunded",
        "still open",
        "Invoice.Closed",
        {"invoice": {"is_refund": True, "is_closed": False}},
    ),
    Silent("invoice-large", "a small sale", "Invoice.Closed", {}),
    Silent(
        "invoice-large", "a large refund", "Invoice.Closed", merged(LARGE, {"invoice": {"is_refund": True}})
    ),
    Silent(
        "invoice-large", "an open invoice", "Invoice.Closed", merged(LARGE, {"invoice": {"is_closed": False}})
    ),
    Silent("no-invoice", "a new guest", "Guest.Created", {}),
    Silent("new-guest", "a change of a guest", "Guest.Updated", {}),
    Silent("guest-opted-out", "an opt-in", "Guest.OptedIn", {}),
    Silent("employee-deleted", "a new employee", "Employee.Created", {}),
)
