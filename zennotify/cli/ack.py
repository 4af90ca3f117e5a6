"""`zennotify deliveries ack`: somebody takes care of what a message told of."""

from __future__ import annotations

import getpass
from functools import partial
from pathlib import Path
from typing import Any

import click

from zennotify.acknowledgement import Acknowledging, said, taker
from zennotify.channel import ChannelProblem
from zennotify.cli.inforce import InForce
from zennotify.cli.project import Project, config_option, fail, load_or_exit, open_or_exit, printable
from zennotify.cli.rows import only
from zennotify.cli.tried import local_ways, outlets_of
from zennotify.clock import SystemClock
from zennotify.errors import ControlError, StoreError
from zennotify.store import Store
from zennotify.web.control import NoDaemon, ask

_PATIENCE = 10.0


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return None


@click.command("ack")
@click.argument("delivery_id", metavar="DELIVERY")
@click.option(
    "--by",
    default=_login,
    metavar="NAME",
    show_default="the login name",
    help="Who takes it, for the others.",
)
@config_option
def ack(delivery_id: str, by: str | None, config_path: Path) -> None:
    """Take care of what a message tells of: nobody else is told, and those who were learn who has it.

    As the link in the message does (`ack_url`).  It holds for all messages of the rule about the same event.
    """
    if by is None:
        raise click.UsageError("say who takes it: --by NAME")
    try:
        name = taker(by)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--by") from error
    project = load_or_exit(config_path)
    delivery = only(open_or_exit(project.config).delivery(delivery_id), "delivery", delivery_id).id
    try:
        taken = ask(
            project.config.admin.control.path or Path(), "ack", {"id": delivery, "by": name}, _PATIENCE
        )
    except NoDaemon:
        taken = _take_offline(project, delivery, name)
    except ControlError as error:
        fail(str(error))
    if not taken:
        fail(
            f"delivery {delivery[:8]} tells of zennotify itself, and not of an event: there is nothing to take"
        )
    who = f"taken by {printable(taken['by'])}, {taken['at']}"
    if not taken["is_new"]:
        fail(f"delivery {delivery[:8]} was {who}; nothing has changed")
    click.echo(f"delivery {delivery[:8]} is {who}")


def _take_offline(project: Project, delivery: str, name: str) -> dict[str, Any]:
    """Acknowledge without a daemon, under its lock; who was told hears of it when it runs again."""
    config = project.config
    try:
        ways = local_ways(project, partial(click.echo, err=True))
        store = Store.open(config.store.url)
    except (ChannelProblem, StoreError) as error:
        fail(str(error))
    try:
        rules = InForce(project, store.reader)
        channels = {name: (one.form, one.room) for name, one in outlets_of(project, ways).items()}
        acknowledging = Acknowledging(
            store.reader,
            channels,
            lambda: rules.last,
            rules.past,
            time_zone=config.time_zone,
            locale=config.locale,
        )
        statements = acknowledging.prepare(delivery, name, SystemClock().now())
        if statements is None:
            return {}
        is_new = store.write(statements).is_new
        standing = acknowledging.look(delivery)
        return {} if standing is None else {**said(standing), "is_new": is_new}
    except StoreError as error:
        fail(str(error))
    finally:
        store.close()
