"""Zenoti's numbers and the words they stand for.

Sources are pages under docs.zenoti.com/reference/.  A number that is in no table is shown as it is, never guessed;
fields whose numbers Zenoti does not explain (appointment_type, class_type, fee_type, currency_id, ...) have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Words = Mapping[int, str]

#: Of an appointment and of a group of them (close-an-invoice).
APPOINTMENT_GROUP_STATUS: Final[Words] = {
    -2: "NoShow",
    -1: "Cancelled",
    0: "New",
    1: "Closed",
    2: "Checkin",
    4: "Confirm",
    10: "Break",
    11: "NotSpecified",
    20: "Available",
    21: "Voided",
}
#: Inferred from the two samples that have it, Appointment.Started and Appointment.Completed.
APPOINTMENT_PROGRESS: Final[Words] = {1: "Started", 2: "Completed"}
#: list-all-appointments-of-a-guest
INVOICE_STATUS: Final[Words] = {
    0: "Open",
    1: "Processed",
    2: "CampaignApplied",
    3: "CouponApplied",
    4: "Closed",
    11: "NotSpecified",
    99: "Voided",
}
#: Of the invoice inside a package (list-the-series-packages-of-a-guest).
PACKAGE_INVOICE_STATUS: Final[Words] = {
    0: "Open",
    1: "Processed",
    4: "Closed",
    11: "NotSpecified",
    12: "Default",
    13: "Void",
}
#: `status` and `recurrence_status` (list-all-memberships-of-a-guest).
MEMBERSHIP_STATUS: Final[Words] = {
    -1: "Default",
    1: "Active",
    2: "InActive",
    3: "Frozen",
    4: "Cancelled",
    5: "Expired",
    6: "Closed",
    7: "NotStarted",
    8: "Suspended",
    9: "Refund",
    10: "Deleted",
    12: "Failed",
}
#: list-all-memberships-of-a-guest
MEMBERSHIP_TYPE: Final[Words] = {-1: "All", 0: "NonRecurring", 1: "Recurring", 2: "Setup"}
#: freeze-the-membership-of-a-guest
FREEZE_TYPE: Final[Words] = {
    2: "Freeze benefits and shift next payment",
    3: "Use benefits, skip payments",
}
#: list-the-series-packages-of-a-guest
PACKAGE_STATE: Final[Words] = {-1: "Default", 0: "Closed", 1: "Open", 2: "WithProcessing"}
#: list-the-series-packages-of-a-guest
PACKAGE_STATUS: Final[Words] = {
    -1: "Default",
    1: "Active",
    3: "Frozen",
    5: "Expired",
    6: "CancelledRefund",
    7: "NotStarted",
    8: "NotApplicable",
}
#: operations
PAYMENT_TYPE: Final[Words] = {
    0: "Cash",
    1: "GiftCard",
    2: "DiscoverCard",
    3: "Membership",
    4: "Maestro",
    5: "Mastercard",
    6: "CashBack",
    7: "DebitCard",
    8: "BCADebitCard",
    9: "DinersCard",
    10: "BCACreditCard",
    11: "Visa",
    12: "Amex",
    13: "LoyaltyPoints",
    14: "Custom",
    15: "Check",
    16: "PrepaidCard",
    17: "Package",
}
#: An old text of Zenoti's API; its age is unknown.
BOOKING_SOURCE: Final[Words] = {0: "Store", 1: "Mobile", 2: "Web"}
#: list-all-employees-of-a-center
GENDER: Final[Words] = {-1: "NotSpecified", 0: "Female", 1: "Male", 3: "Other"}
#: Seen in the sample of Invoice.Closed; 3 is unknown.
INVOICE_ITEM_TYPE: Final[Words] = {0: "Service", 2: "Product"}

#: Every table by the name that `word('...')` takes for values whose field is not known.
TABLES: Final[Mapping[str, Words]] = {
    "appointment_group_status": APPOINTMENT_GROUP_STATUS,
    "appointment_progress": APPOINTMENT_PROGRESS,
    "invoice_status": INVOICE_STATUS,
    "package_invoice_status": PACKAGE_INVOICE_STATUS,
    "membership_status": MEMBERSHIP_STATUS,
    "membership_type": MEMBERSHIP_TYPE,
    "freeze_type": FREEZE_TYPE,
    "package_state": PACKAGE_STATE,
    "package_status": PACKAGE_STATUS,
    "payment_type": PAYMENT_TYPE,
    "booking_source": BOOKING_SOURCE,
    "gender": GENDER,
    "invoice_item_type": INVOICE_ITEM_TYPE,
}
