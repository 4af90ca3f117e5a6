"""The centres as centers.yaml knows them, and which channels a role means at each.

Made by centerfile.py; asked when an event is decided, and for the names in rules and messages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from zennotify.core.hours import OpeningHours

#: The channels of each role, by the role's name.
Roles = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Center:
    """One centre; None is what is not said of it."""

    #: As it is written; ids compare in lower case.
    id: str
    name: str | None = None
    region: str | None = None
    #: An IANA name, e.g. America/Los_Angeles.
    time_zone: str | None = None
    #: ISO 3166, e.g. US.
    country: str | None = None
    #: ISO 4217, e.g. USD.
    currency: str | None = None
    hours: OpeningHours | None = None
    roles: Roles = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name or self.id


class Centers:
    """All centres, by their ids, in the order of the file."""

    def __init__(
        self,
        centers: Iterable[Center] = (),
        *,
        regions: Mapping[str, Roles] | None = None,
        channels: Collection[str] | None = None,
    ) -> None:
        """Take the centres, each region's roles, and the names of all channels; None takes every name for one."""
        self._centers = {key: center for center in centers if (key := key_of(center.id)) is not None}
        self._regions = regions or {}
        self._channels = channels
        given = (*(center.roles for center in self._centers.values()), *self._regions.values())
        #: The names of all roles that a centre or a region gives.
        self.roles = frozenset(role for roles in given for role in roles)

    def __iter__(self) -> Iterator[Center]:
        return iter(self._centers.values())

    def __len__(self) -> int:
        return len(self._centers)

    def get(self, center_id: object) -> Center | None:
        """Return the centre of an id as Zenoti sends it, or None."""
        key = key_of(center_id)
        return self._centers.get(key) if key is not None else None

    def channels_of(self, role: str, center_id: object) -> tuple[str, ...]:
        """Return the channels that a name in `notify` means at a centre; none where it means nothing there."""
        return self._channels_of(role, self.get(center_id))

    def without(self, role: str) -> list[Center]:
        """Return the centres at which a name in `notify` means no channel."""
        return [center for center in self if not self._channels_of(role, center)]

    def _channels_of(self, role: str, center: Center | None) -> tuple[str, ...]:
        if center is not None:
            found = center.roles.get(role) or self._regions.get(center.region or "", {}).get(role)
            if found:
                return found
        return (role,) if self._channels is None or role in self._channels else ()


def key_of(center_id: object) -> str | None:
    """Return an id as ids compare; Zenoti's are not always GUIDs."""
    if isinstance(center_id, bool) or not isinstance(center_id, str | int):
        return None
    return str(center_id).strip().lower() or None


#: Where there is no centers.yaml.
NOT_LISTED = Centers()
