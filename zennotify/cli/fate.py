"""What does a delivery wait for, when does it fall back, and who told it instead?  In words; used by records.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from zennotify.clock import SystemClock
from zennotify.config import Config, FallbackConfig
from zennotify.core.model import Reason
from zennotify.core.pause import Pause
from zennotify.outlook import Wall
from zennotify.store import Reader
from zennotify.store.views import DeliveryView

#: Of a delivery that tells what another one should have told.
_TELLS = frozenset({"pending", "sending", "delivered"})


def local(config: Config, moment: datetime) -> str:
    """Return a moment by the clock of the configuration."""
    return f"{moment.astimezone(ZoneInfo(config.time_zone)):%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What deliveries meet now."""

    config: Config
    pauses: Mapping[str, Pause]
    now: datetime

    @property
    def wall(self) -> Wall:
        """The clock of the configuration."""
        return Wall(ZoneInfo(self.config.time_zone), self.now)

    def state(self, delivery: DeliveryView) -> str:
        """Return a delivery's state, and what one that is pending waits for."""
        state = delivery.state + (f" ({delivery.reason})" if delivery.reason else "")
        if delivery.state != "pending":
            return state
        if (pause := self.pauses.get(delivery.channel)) is not None:
            return f"{state}, channel paused ({pause.cause.value}) until {local(self.config, pause.until)}"
        if delivery.reason == Reason.OUTSIDE_HOURS and delivery.due > self.now and not delivery.attempts:
            return f"{state}, held until {self.wall.moment(delivery.due)} (opening)"
        if delivery.due <= self.now and (rates := self._rates(delivery)):
            return f"{state}, waits for its turn (rate {rates})"
        if delivery.attempts:
            return f"{state}, next try {local(self.config, delivery.due)}"
        return state

    def falls_back_at(self, delivery: DeliveryView) -> datetime | None:
        """Return when one that waits is told by the fallback, where its channel has one."""
        fallback = self._fallback(delivery)
        if delivery.state != "pending" or fallback is None:
            return None
        return delivery.since + fallback.after

    def falls_back(self, delivery: DeliveryView) -> str:
        """Say the same, and how many tries it has; nothing where it does not fall back."""
        moment, fallback = self.falls_back_at(delivery), self._fallback(delivery)
        if moment is None or fallback is None:
            return ""
        tries = "" if fallback.tries is None else f" or after {fallback.tries} tries"
        if moment <= self.now:
            return f"goes to {fallback.channel} now, if it cannot be sent"
        return f"goes to {fallback.channel} at {local(self.config, moment)}{tries}, if it is not sent before"

    def told_by(self, delivery: DeliveryView, owed: Iterable[DeliveryView]) -> DeliveryView | None:
        """Return what tells a delivery that fell back: its fallback, or what the rule owed there of the same."""
        if not (delivery.state == "dead" or delivery.reason == "fallback"):
            return None
        owed = [one for one in owed if (one.rule, one.step) == (delivery.rule, delivery.step)]
        fallback = self._fallback(delivery)
        instead = [other for other in owed if other.instead_of == delivery.id]
        if not instead and fallback is not None:
            instead = [one for one in owed if one.channel == fallback.channel and one.state in _TELLS]
        return instead[0] if instead else None

    def _rates(self, delivery: DeliveryView) -> str:
        channel = self.config.channels.get(delivery.channel)
        return "" if channel is None else ", ".join(rate.text for rate in channel.rate)

    def _fallback(self, delivery: DeliveryView) -> FallbackConfig | None:
        """Return the fallback of its channel; what is told to the owners of zennotify never falls back."""
        channel = self.config.channels.get(delivery.channel)
        is_told_of_events = delivery.event is not None or delivery.gathered is not None
        return channel.fallback if channel is not None and is_told_of_events else None


def circumstances(config: Config, reader: Reader) -> Circumstances:
    """Return what deliveries meet now."""
    return Circumstances(config, reader.pauses(), SystemClock().now())
