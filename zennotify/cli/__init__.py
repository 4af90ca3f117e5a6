"""The command line: one file for each family of commands.  Only this package prints."""

from __future__ import annotations

import click

from zennotify import __version__
from zennotify.cli import check, daemon, post, records


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="zennotify")
def main() -> None:
    """Turns Zenoti webhooks into the right message for the right person.

    Every command takes --config FILE after its name, or ZENNOTIFY_CONFIG from the environment.
    Exit codes: 0 good, 1 the thing failed, 2 wrong usage, 78 bad configuration.
    """


for command in (
    daemon.run,
    daemon.reload,
    check.check,
    post.simulate,
    post.send,
    records.events,
    records.deliveries,
):
    main.add_command(command)
