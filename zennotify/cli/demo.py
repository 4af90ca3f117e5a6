"""What `run --demo` feeds to the daemon: documented events, then a story, over HTTP like Zenoti."""

from __future__ import annotations

from collections.abc import Callable

from zennotify.cli.post import deliver
from zennotify.clock import SystemClock
from zennotify.config import Address, Config
from zennotify.zenoti.sample import load_sample, stamp
from zennotify.zenoti.story import STORIES, tell

EVENTS = (
    "AppointmentGroup.Created",
    "AppointmentGroup.Status",
    "Class.Schedule.Cancelled",
    "Class.Booking.Cancelled",
    "Class.Booking.NoShow",
)
#: What is told after them.
STORY = "no-show"


def feed(config: Config, address: Address, echo: Callable[[str], None]) -> None:
    """Post each event, and say so."""
    echo(f"demo: posting {len(EVENTS)} of Zenoti's documented events to {address}")
    for name in EVENTS:
        answer = deliver(config, address, stamp(load_sample(name), SystemClock().now()))
        echo(f"demo: {name}: {answer}")
    story = STORIES[STORY]
    echo(f"demo: and a story: {story.says}; the last message has the guest's name from the first event")
    for body in tell(story, SystemClock().now()):
        echo(f"demo: {body['event_type']}: {deliver(config, address, body)}")
    echo("demo: done; zennotify goes on running (stop it with Ctrl-C)")
