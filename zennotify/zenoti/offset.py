"""How far is a centre's clock from UTC?  Learned from bookings, for centres that centers.yaml does not know.

An AppointmentGroup event says one moment twice, in UTC and by the centre's clock (inferred from the samples).  The
difference holds around that day only: nothing says when the clocks change.  It is kept as a fact, one for each centre
and week, with a field for each day.  Pure; memory.py learns it, names.py asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from zennotify.zenoti.things import Said

#: The kind of these facts.
KIND: Final = "offset"
#: A day's offset holds for so many days before and after it.
NEAR: Final = 7
#: The length of a time to the second.
_SECONDS: Final = 19
_FRACTION: Final = re.compile(r"(\.[0-9]{0,7})?")
_MINUTE = timedelta(minutes=1)
_LARGEST = 14 * 60
#: No clock differs from UTC by less than this, or a part of it; minutes.
_STEP = 15


def said(center: Any, start: Any, start_in_center: Any) -> Said:
    """Return what a booking says of its centre's clock, by the day; nothing where it cannot be told."""
    if not isinstance(start, str) or not isinstance(start_in_center, str):
        return {}
    if start[_SECONDS:] != start_in_center[_SECONDS:] or not _FRACTION.fullmatch(start[_SECONDS:]):
        return {}  # the same moment has the same fraction of a second, and no zone stands behind it
    try:
        moment = datetime.fromisoformat(start[:_SECONDS])
        local = datetime.fromisoformat(start_in_center[:_SECONDS])
    except ValueError:
        return {}
    minutes, rest = divmod(local - moment, _MINUTE)
    if rest or minutes % _STEP or abs(minutes) > _LARGEST:
        return {}
    day = moment.toordinal()
    return {"id": f"{center} {day // NEAR}", str(day): minutes}


def near(recall: Callable[[str, Any], Mapping[str, Any]], center: Any, moment: datetime) -> timedelta | None:
    """Return the offset of the day nearest to a moment, at most seven days away; None where none is known."""
    day = moment.toordinal()
    week = day // NEAR
    days = {
        int(known): minutes
        for one in (week - 1, week, week + 1)
        for known, minutes in recall(KIND, f"{center} {one}").items()
    }
    nearest = min(days, key=lambda known: (abs(known - day), known), default=None)
    if nearest is None or abs(nearest - day) > NEAR:
        return None
    return timedelta(minutes=days[nearest])
