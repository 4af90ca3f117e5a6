"""How much may a channel send?  `rate: [1/s, 60/h]`, counted so that no span of that length ever holds more.

Pure: the carrier asks before it claims, and says what was sent.  Sends are counted in slots of a sixtieth of the
period, and a slot counts until its end is a whole period old: a channel sends at most that much slower than it might,
however the sends lie, and what it remembers does not grow with the rate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_SLOTS = 60
_PERIODS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages in any span of this length."""

    count: int
    period: timedelta
    #: As it is written: `60/h`.
    text: str

    @property
    def unit(self) -> str:
        """`h` for an hour, and so on."""
        return self.text[-1]

    @property
    def slot(self) -> timedelta:
        """What sends are counted by."""
        return self.period / _SLOTS


def rate_of(count: int, unit: str) -> Rate:
    """Return the rate of so many messages a second (s), minute (m), hour (h) or day (d)."""
    return Rate(count, _PERIODS[unit], f"{count}/{unit}")


class Budget:
    """What one channel has sent, as far as its rates still count it.  For one thread at a time."""

    def __init__(self, rates: Sequence[Rate]) -> None:
        self.rates = tuple(rates)
        #: For each rate: the number of a slot since 1970 -> what was sent in it.
        self._spent: list[dict[int, int]] = [{} for _ in rates]

    def spend(self, now: datetime) -> None:
        """Count one message that is sent now."""
        for rate, spent in zip(self.rates, self._spent, strict=True):
            slot = _slot(rate, now)
            spent[slot] = spent.get(slot, 0) + 1

    def free(self, now: datetime) -> int:
        """Return how many messages may be sent now."""
        self._forget(now)
        counted = zip(self.rates, self._spent, strict=True)
        return min(rate.count - sum(spent.values()) for rate, spent in counted)

    def next_free(self, now: datetime) -> datetime:
        """Return when one more may be sent, if none is sent until then."""
        self._forget(now)
        counted = zip(self.rates, self._spent, strict=True)
        return max((_free_at(rate, spent, now) for rate, spent in counted), default=now)

    def _forget(self, now: datetime) -> None:
        """Drop what does not count any more; what a clock that was wrong put into the future counts as sent now."""
        for rate, spent in zip(self.rates, self._spent, strict=True):
            present = _slot(rate, now)
            for slot in [slot for slot in spent if slot > present]:
                spent[present] = spent.get(present, 0) + spent.pop(slot)
            for slot in [slot for slot in spent if _end(rate, slot) <= now]:
                del spent[slot]

    def dump(self) -> str:
        """Return what was spent, to be kept over a restart."""
        return json.dumps({rate.text: spent for rate, spent in zip(self.rates, self._spent, strict=True)})

    def load(self, kept: str) -> None:
        """Take up what `dump` returned; of a rate that is not the same any more nothing is known."""
        found = json.loads(kept)
        for rate, spent in zip(self.rates, self._spent, strict=True):
            spent.update({int(slot): count for slot, count in found.get(rate.text, {}).items()})


def _slot(rate: Rate, now: datetime) -> int:
    return (now - _EPOCH) // rate.slot


def _end(rate: Rate, slot: int) -> datetime:
    """Return when what was sent in a slot counts no more."""
    return _EPOCH + (slot + 1) * rate.slot + rate.period


def _free_at(rate: Rate, spent: dict[int, int], now: datetime) -> datetime:
    left = sum(spent.values())
    for slot in sorted(spent):
        if left < rate.count:
            break
        left -= spent[slot]
        if left < rate.count:
            return _end(rate, slot)
    return now
