"""The command line: one file for each family of commands.  Only this package prints."""

from __future__ import annotations

from typing import Any

import click

from zennotify import __version__
from zennotify.cli import ack, check, daemon, doctor, forget, post, preview, records, send, silences, windows
from zennotify.cli.project import fail
from zennotify.errors import ZennotifyError


class _Sentences(click.Group):
    """Ends a command that fails with one sentence, not with a trace."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ZennotifyError as error:
            fail(str(error))


@click.group(
    cls=_Sentences, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
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
    preview.preview,
    send.send,
    records.events,
    records.deliveries,
    silences.silences,
    windows.windows,
    doctor.doctor,
    forget.forget,
):
    main.add_command(command)
records.deliveries.add_command(ack.ack)
