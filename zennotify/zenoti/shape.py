"""Of which type is a body that came without its envelope?  Its shape may tell, else the listener's URL.

Zenoti documents some events by their `data` alone, and may send them so.  What is told here are differences between
those samples (inferred); where the samples of two types are alike, nothing is guessed.  Called by envelope.py for such
bodies only.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zennotify.zenoti.aliases import kind_of
from zennotify.zenoti.catalog import label

Data = Mapping[str, Any]

_PROGRESS: Final = {1: "Appointment.Started", 2: "Appointment.Completed"}
_REDEMPTIONS: Final = ("Guest.Package.Redemption", "Guest.Package.RedemptionReversal")
#: That the sample of a reversal names its lists otherwise may be chance: Zenoti describes both events alike.
_REDEEMED: Final = (
    "service_redemptions",
    "product_redemptions",
    "service_redemptions_reversal",
    "product_redemptions_reversal",
)
_UPDATES: Final = ("Guest.Package.StatusUpdate", "Guest.Package.ValidityUpdate")
_FEEDBACK_VERSIONS: Final = (1, 2)


def type_of(possible: tuple[str, ...], named: str | None) -> str | None:
    """Return a body's type, of those that its shape allows and the one that the listener's URL names.

    A shape that tells the type goes before a name that is plainly another event's: a URL may serve many events.  Where
    both can be right (the name is of the same family, or one that we do not know), the owner of the URL knows better.
    """
    if len(possible) != 1:
        return named or None
    shaped = possible[0]
    if named and (label(kind_of(named)) == "other" or _family(named) == _family(shaped)):
        return named
    return shaped


def _family(event_type: str) -> str:
    return kind_of(event_type).rpartition(".")[0]


def possible_types(data: Data) -> tuple[str, ...]:
    """Return the types whose documented sample has this shape: none, one, or several that are alike."""
    if "user_membership_id" in data:
        return _membership(data)
    if "user_package_id" in data:
        return _package(data)
    if isinstance(data.get("appointments"), list):
        return _appointments(data["appointments"])
    if "rating_value" in data and _is_code(data.get("version"), _FEEDBACK_VERSIONS):
        return ("Appointment.Feedback",)
    return ()


def _membership(data: Data) -> tuple[str, ...]:
    has = {
        name
        for name in ("freeze", "cancel", "payments", "auto_renewal")
        if isinstance(data.get(name), Mapping)
    }
    told = {
        "Guest.Membership.Freeze": "freeze" in has,
        "Guest.Membership.Cancelled": "cancel" in has,
        "Guest.Membership.Reinstate": {"payments", "auto_renewal"} <= has,
        # Not a membership that was sold, which has `payments` too.
        "Guest.Membership.Unfreeze": "next_collection_date" in data and not has,
    }
    return tuple(event_type for event_type, holds in told.items() if holds)


def _package(data: Data) -> tuple[str, ...]:
    if any(isinstance(data.get(name), list) for name in _REDEEMED):
        return _REDEMPTIONS
    return () if "services" in data else _UPDATES


def _appointments(visits: list[Any]) -> tuple[str, ...]:
    """Tell by the progress of the appointments, where all have come equally far."""
    told = [
        visit["appointment_progress"]
        for visit in visits
        if isinstance(visit, Mapping) and "appointment_progress" in visit
    ]
    if not told:
        return ()
    if all(_is_code(progress, (told[0],)) for progress in told) and told[0] in _PROGRESS:
        return (_PROGRESS[told[0]],)
    return tuple(_PROGRESS.values())


def _is_code(value: Any, codes: tuple[Any, ...]) -> bool:
    return type(value) is int and value in codes
