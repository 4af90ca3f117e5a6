"""What `run --demo` feeds to the daemon: the documented events, over HTTP like Zenoti."""

from __future__ import annotations

from collections.abc import Callable

from zennotify.cli.post import deliver
from zennotify.clock import SystemClock
from zennotify.config import Address, Config
from zennotify.zenoti.sample import load_sample, stamp

EVENTS = (
    "AppointmentGroup.Created",
    "AppointmentGroup.Status",
    "Class.Schedule.Cancelled",
    "Class.Booking.Cancelled",
    "Class.Booking.NoShow",
)


def feed(config: Config, address: Address, echo: Callable[[str], None]) -> None:
    """Post each event, and say so."""
    echo(f"demo: posting {len(EVENTS)} of Zenoti's documented events to {address}")
    for name in EVENTS:
        answer = deliver(config, address, stamp(load_sample(name), SystemClock().now()))
        echo(f"demo: {name}: {answer}")
    echo("demo: done; zennotify goes on running (stop it with Ctrl-C)")
