"""Zenoti's numbers and the words they stand for."""

from __future__ import annotations

from collections.abc import Mapping

#: Source: https://docs.zenoti.com/reference/close-an-invoice.
APPOINTMENT_GROUP_STATUS: Mapping[int, str] = {
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
