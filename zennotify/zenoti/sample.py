"""The documented example events, as they are or stamped with the present time.  Used by simulate and the demo."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

from zennotify.core.model import TimeText, Zone, as_utc, read_time
from zennotify.spelling import did_you_mean
from zennotify.zenoti.catalog import give_meaning

#: Ids that name one occasion: made anew when a sample is stamped, so that it is a new booking and not the same again.
_OCCASION_IDS = (
    "appointment_group_id",
    "invoice_id",
    "registration_id",
    "session_id",
    "sesion_id",
    "user_membership_id",
)
#: What stands behind the event type in the name of a sample.
_VARIANT = re.compile(r"\.(v[0-9]|empty)$")
#: When samples without an envelope happened, where their own dates would else lie far in the past.
_HAPPENED = {
    "Guest.Membership.Cancelled": "2021-12-14T03:30:08Z",
    "Guest.Membership.Freeze": "2021-12-13T16:00:00Z",
}


def sample_names() -> list[str]:
    """Return the names of all samples; a name is an event type, for some with a variant behind it."""
    return sorted(
        file.name.removesuffix(".json") for file in _folder().iterdir() if file.name.endswith(".json")
    )


def load_sample(name: str) -> dict[str, Any]:
    """Return the sample's whole body (envelope and data); raise KeyError with a sentence for an unknown name."""
    names = {known.casefold(): known for known in sample_names()}
    known = names.get(name.casefold())
    if known is None:
        hint = did_you_mean(name, names.values()) or f"; there are: {', '.join(names.values())}"
        raise KeyError(f"there is no sample {name!r}{hint}")
    body: dict[str, Any] = json.loads((_folder() / f"{known}.json").read_bytes())
    return body if "event_type" in body else wrap(_VARIANT.sub("", known), body)


def _folder() -> resources.abc.Traversable:
    return resources.files("zennotify.zenoti") / "samples"


def wrap(event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    """Put an envelope around an event's data: Zenoti's documentation shows some without."""
    return {
        "id": "62399ceda961750e01dd0002",
        "event_id": "62399ceda961750e01dd0001",
        "event_schema": "v1",
        "event_resource": None,
        "event_type": event_type,
        "event_timestamp": _HAPPENED.get(event_type, "2022-03-22T09:54:53.3484785Z"),
        "data": data,
    }


def stamp(body: Mapping[str, Any], now: datetime, renewed: dict[Any, Any] | None = None) -> dict[str, Any]:
    """Return the event as if it happened `now`: new ids, and every known time on the same day as now.

    `renewed` remembers the new id for each old one, for events that belong together.  Times move by whole days:
    people make appointments at a quarter past nine, not at 22:43.
    """
    # The first eight digits of Zenoti's ids are the event's unix time (seen in all samples).
    seed = f"{int(now.timestamp()):08x}{secrets.token_hex(6)}"
    stamped = json.loads(json.dumps(body))
    then = read_time(str(body.get("event_timestamp") or ""))
    stamped |= {
        "id": f"{seed}0002",
        "event_id": f"{seed}0001",
        "event_timestamp": f"{now:%Y-%m-%dT%H:%M:%S.%f}Z",
    }
    data = stamped.get("data")
    if isinstance(data, dict):
        give_meaning(str(stamped.get("event_type")), data, Zone.CENTER)
        moved = now.date() - as_utc(then).date() if then else timedelta(0)
        stamped["data"] = _moved(data, moved)
        _renew_ids(stamped["data"], {} if renewed is None else renewed)
    return stamped  # type: ignore[no-any-return]


def _moved(value: Any, by: timedelta) -> Any:
    if isinstance(value, TimeText):
        moment = read_time(value)
        try:
            return (moment + by).isoformat() if moment else str(value)
        except OverflowError:  # "never": the last day of the calendar
            return str(value)
    if isinstance(value, dict):
        return {name: _moved(item, by) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, by) for item in value]
    return value


def _renew_ids(data: dict[str, Any], renewed: dict[Any, Any]) -> None:
    for name in _OCCASION_IDS:
        old = data.get(name)
        if not isinstance(old, (str, int)):
            continue
        if old not in renewed:
            renewed[old] = _uuid() if isinstance(old, str) else secrets.randbelow(10**9)
        data[name] = renewed[old]


def _uuid() -> str:
    digits = secrets.token_hex(16)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
