"""`zennotify events` and `zennotify deliveries`: what came in, what was decided, what went out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from zennotify.cli.fate import circumstances
from zennotify.cli.project import (
    config_option,
    fail,
    json_option,
    load_or_exit,
    open_or_exit,
    since_option,
)
from zennotify.cli.rows import (
    ListByDefault,
    delivery_json,
    delivery_line,
    event_json,
    event_line,
    most_option,
    only,
    quarantine_json,
    quarantine_line,
    show_rows,
)
from zennotify.cli.shown import Exhibit
from zennotify.clock import SystemClock
from zennotify.config import Config
from zennotify.core.model import NEVER_STORED, Reason
from zennotify.errors import ControlError, StoreError
from zennotify.spelling import did_you_mean
from zennotify.store import Store
from zennotify.store.reading import BodyFilter
from zennotify.store.transaction import Transaction
from zennotify.web.control import NoDaemon, ask
from zennotify.zenoti.mention import Mention

_PATIENCE = 10.0


def _guest(_context: click.Context, _option: click.Parameter, value: str | None) -> BodyFilter | None:
    if value is None:
        return None
    if not value.strip():
        raise click.BadParameter("an id of a guest is expected")
    return Mention(value).in_body


_guest_option = click.option(
    "--guest",
    callback=_guest,
    metavar="ID",
    help="Only what names this guest, and not only a booking of the guest.  There is no index: all events are"
    " read, the newest first, until --limit are found; --since makes it quick.",
)


@click.group(cls=ListByDefault)
def events() -> None:
    """What came in, and what the rules made of it (without a command: list)."""


@events.command("list")
@click.option("--type", "event_type", metavar="TYPE", help="Only this event type; * is a glob.")
@click.option("--center", metavar="ID", help="Only this centre.")
@_guest_option
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in Reason if reason not in NEVER_STORED]),
    help="Only with a decision for this reason.",
)
@click.option("--quarantine", is_flag=True, help="Bodies that could not become events, instead.")
@since_option
@most_option
@config_option
@json_option
def events_list(
    event_type: str | None,
    center: str | None,
    guest: BodyFilter | None,
    reason: str | None,
    quarantine: bool,
    since: datetime | None,
    most: int,
    config_path: Path,
    as_json: bool,
) -> None:
    """List events, newest first."""
    config = load_or_exit(config_path).config
    reader = open_or_exit(config)
    if quarantine:
        if event_type or center or guest or reason:
            raise click.UsageError("--quarantine takes --since and --limit only: these bodies are no events")
        bodies = reader.quarantine(since=since, most=most)
        show_rows(bodies, as_json, quarantine_json, quarantine_line(config), "no bodies match")
        return
    rows = reader.events(type=event_type, center=center, since=since, reason=reason, wanted=guest, most=most)
    show_rows(rows, as_json, event_json, event_line(config), "no events match")


@events.command("show")
@click.argument("event_id", metavar="EVENT")
@config_option
@json_option
def events_show(event_id: str, config_path: Path, as_json: bool) -> None:
    """Show one event: its decisions and what comes of them, its deliveries, its body."""
    project = load_or_exit(config_path)
    exhibit = Exhibit(project, open_or_exit(project.config))
    event = only(exhibit.reader.event(event_id), "event", event_id)
    if as_json:
        click.echo(json.dumps([exhibit.event_json(event)], indent=2))
    else:
        click.echo("\n".join(exhibit.event_lines(event)))


@click.group(cls=ListByDefault)
def deliveries() -> None:
    """What went out, or waits to (without a command: list)."""


@deliveries.command("list")
@click.option("--type", "event_type", metavar="TYPE", help="Only of this event type; * is a glob.")
@click.option("--center", metavar="ID", help="Only of this centre.")
@_guest_option
@click.option("--reason", metavar="REASON", help="Only for this reason, e.g. refused or exhausted.")
@click.option("--channel", metavar="NAME", help="Only this channel.")
@click.option(
    "--state",
    type=click.Choice(["pending", "sending", "delivered", "dead", "cancelled"]),
    help="Only in this state.",
)
@since_option
@most_option
@config_option
@json_option
def deliveries_list(
    event_type: str | None,
    center: str | None,
    guest: BodyFilter | None,
    reason: str | None,
    channel: str | None,
    state: str | None,
    since: datetime | None,
    most: int,
    config_path: Path,
    as_json: bool,
) -> None:
    """List deliveries, newest first."""
    config = load_or_exit(config_path).config
    reader = open_or_exit(config)
    around = circumstances(config, reader)
    rows = reader.deliveries(
        type=event_type,
        center=center,
        reason=reason,
        channel=channel,
        state=state,
        since=since,
        wanted=guest,
        most=most,
    )
    nothing = "no deliveries match"
    if channel is not None and channel not in config.channels:
        hint = did_you_mean(channel, config.channels)
        nothing = f"there is no channel `{channel}`{hint}; there are: {', '.join(config.channels)}"
    show_rows(rows, as_json, delivery_json(around), delivery_line(around), nothing)


@deliveries.command("show")
@click.argument("delivery_id", metavar="DELIVERY")
@config_option
@json_option
def deliveries_show(delivery_id: str, config_path: Path, as_json: bool) -> None:
    """Show one delivery: what it tells of, its attempts and its text, and who tells it instead."""
    project = load_or_exit(config_path)
    exhibit = Exhibit(project, open_or_exit(project.config))
    delivery = only(exhibit.reader.delivery(delivery_id), "delivery", delivery_id)
    if as_json:
        click.echo(json.dumps([exhibit.delivery_json(delivery)], indent=2))
    else:
        click.echo("\n".join(exhibit.delivery_lines(delivery)))


@deliveries.command("retry")
@click.argument("delivery_id", metavar="DELIVERY")
@config_option
def deliveries_retry(delivery_id: str, config_path: Path) -> None:
    """Try a delivery again now: one that is dead, cancelled, or waits."""
    _change(config_path, delivery_id, "retry", "is due now", (Transaction.revive, SystemClock().now()))


@deliveries.command("cancel")
@click.argument("delivery_id", metavar="DELIVERY")
@config_option
def deliveries_cancel(delivery_id: str, config_path: Path) -> None:
    """Cancel a delivery that waits or is dead."""
    _change(config_path, delivery_id, "cancel", "is cancelled", (Transaction.cancel,))


def _change(config_path: Path, beginning: str, verb: str, done: str, offline: tuple[Any, ...]) -> None:
    """Have the daemon change a delivery or, where none runs, change it ourselves under its lock."""
    config = load_or_exit(config_path).config
    delivery = only(open_or_exit(config).delivery(beginning), "delivery", beginning)
    if verb == "retry" and delivery.channel not in config.channels:
        fail(
            f"delivery {delivery.id[:8]} is for channel {delivery.channel}, which is not configured any more"
        )
    try:
        changed = ask(config.admin.control.path or Path(), verb, {"id": delivery.id}, _PATIENCE)["changed"]
    except NoDaemon:
        changed = _change_offline(config, delivery.id, *offline)
    except ControlError as error:
        fail(str(error))
    if not changed:
        fail(
            f"delivery {delivery.id[:8]} is {delivery.state}; it cannot be changed like that: only one that is"
            " dead, cancelled or waiting is retried, only one that waits or is dead is cancelled"
        )
    click.echo(f"delivery {delivery.id[:8]} {done}")


def _change_offline(config: Config, delivery: str, statements: Callable[..., bool], *args: Any) -> bool:
    try:
        store = Store.open(config.store.url)
    except StoreError as error:
        fail(str(error))
    try:
        return store.write(statements, delivery, *args)
    finally:
        store.close()
