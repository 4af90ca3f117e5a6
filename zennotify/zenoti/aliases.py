"""Under which other names does an event type go?  What arrives under one, or stands so in a rule, is of that type.

Zenoti does not show the exact `event_type` of every event, so that some names of the catalog are inferred, and the
real ones may differ.  Those that Zenoti's own pages use are here; `event_aliases` in config.yaml adds what an owner
sees arrive.  Used where an event is made (event.py) and where rules are compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: From a name to the catalog's, both in lower case.
Aliases = Mapping[str, str]

#: How pages under docs.zenoti.com/reference/ are called whose samples have no envelope, and so no `event_type`.
DOCUMENTED: Final = {
    "Class Booking Approved": "Class.Booking.Approved",
    "Class Booking Rejected": "Class.Booking.Rejected",
    "Guest Membership Freeze": "Guest.Membership.Freeze",
    "Guest Membership Unfreeze": "Guest.Membership.Unfreeze",
    "Guest Membership Cancelled": "Guest.Membership.Cancelled",
    "Guest Membership Reinstate": "Guest.Membership.Reinstate",
    "Guest Package Creation": "Guest.Package.Created",
    "Guest Package Redemption": "Guest.Package.Redemption",
    "Guest Package Redemption Reversal": "Guest.Package.RedemptionReversal",
    "Guest Package Status Update": "Guest.Package.StatusUpdate",
    "Guest Package Validity Update": "Guest.Package.ValidityUpdate",
    "Appointment Started": "Appointment.Started",
    "Appointment Completed": "Appointment.Completed",
    "Feedback Created": "Appointment.Feedback",
}
#: What Zenoti's support says, as quoted in public code.
OBSERVED: Final = {"Appointment Group Status": "AppointmentGroup.Status"}


def with_aliases(configured: Mapping[str, str]) -> Aliases:
    """Return all aliases: Zenoti's, and those of a configuration, which go before them."""
    named = {**DOCUMENTED, **OBSERVED, **configured}
    return {alias.casefold(): event_type.casefold() for alias, event_type in named.items()}


#: Those that hold without a configuration.
ALIASES: Final[Aliases] = with_aliases({})


def kind_of(event_type: str, aliases: Aliases = ALIASES) -> str:
    """Return the name, in lower case, that the catalog and the rules know a type by."""
    kind = event_type.casefold()
    return aliases.get(kind, kind)
