"""What `run --demo` feeds to the daemon: documented events, then stories, over HTTP like Zenoti."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from zennotify.channel import is_for_guests
from zennotify.cli.post import deliver
from zennotify.cli.project import Project
from zennotify.clock import SystemClock
from zennotify.config import Address, Config
from zennotify.zenoti.sample import load_sample, stamp
from zennotify.zenoti.story import STORIES, tell

#: Those that the shipped rules speak of, on their own: what no earlier event named is "a guest".
EVENTS = (
    "AppointmentGroup.Created",
    "Class.Booking.NoShow",
    "Guest.Membership.Cancelled",
    "Guest.Membership.Freeze",
    "Appointment.Feedback.v2",
    "Employee.Deleted",
)
#: What is told after them: here earlier events have taught the names.
TOLD = ("class-cancelled", "no-show")


def harmless(project: Project) -> Config:
    """Return the configuration with channels that only print what guests would get."""
    printing = {
        name: channel.model_copy(
            update={"url": SecretStr(f"console://{name}"), "form": project.forms.get(name)}
        )
        for name, channel in project.config.channels.items()
        if is_for_guests(channel.to)
    }
    channels = {**project.config.channels, **printing}
    return project.config.model_copy(update={"channels": channels})


def feed(config: Config, address: Address, echo: Callable[[str], None]) -> None:
    """Post each event, and say so."""
    echo(f"demo: posting {len(EVENTS)} of Zenoti's documented events to {address}")
    for name in EVENTS:
        answer = deliver(config, address, stamp(load_sample(name), SystemClock().now()))
        echo(f"demo: {name}: {answer}")
    for name in TOLD:
        story = STORIES[name]
        echo(f"demo: and a story: {story.says}; its last messages say what its first events taught")
        for body in tell(story, SystemClock().now()):
            echo(f"demo: {body['event_type']}: {deliver(config, address, body)}")
    echo("demo: done; zennotify goes on running (stop it with Ctrl-C)")
