"""`zennotify events` and `zennotify deliveries`: what came in, what was decided, what went out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from zennotify.channel.text import from_html
from zennotify.cli.fate import Circumstances, local
from zennotify.cli.project import (
    config_option,
    fail,
    json_option,
    load_or_exit,
    open_or_exit,
    printable,
    since_option,
)
from zennotify.clock import SystemClock
from zennotify.config import Config
from zennotify.core.model import Reason
from zennotify.errors import ControlError, StoreError
from zennotify.spelling import did_you_mean
from zennotify.store import Reader, Store
from zennotify.store.reading import BodyFilter
from zennotify.store.transaction import Transaction
from zennotify.store.views import DeliveryView, EventView, QuarantineView
from zennotify.web.control import NoDaemon, ask
from zennotify.zenoti.mention import Mention

_PATIENCE = 10.0
Row = TypeVar("Row")


class _ListByDefault(click.Group):
    """A family of commands that lists when no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


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
_most_option = click.option(
    "--limit",
    "most",
    default=50,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="At most this many.",
)


@click.group(cls=_ListByDefault)
def events() -> None:
    """What came in, and what the rules made of it (without a command: list)."""


@events.command("list")
@click.option("--type", "event_type", metavar="TYPE", help="Only this event type; * is a glob.")
@click.option("--center", metavar="ID", help="Only this centre.")
@_guest_option
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in Reason]),
    help="Only with a decision for this reason.",
)
@click.option("--quarantine", is_flag=True, help="Bodies that could not become events, instead.")
@since_option
@_most_option
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
        _show(bodies, as_json, _quarantine_json, _quarantine_line(config), "no bodies match")
        return
    rows = reader.events(type=event_type, center=center, since=since, reason=reason, wanted=guest, most=most)
    _show(rows, as_json, _event_json, _event_line(config), "no events match")


@events.command("show")
@click.argument("event_id", metavar="EVENT")
@config_option
@json_option
def events_show(event_id: str, config_path: Path, as_json: bool) -> None:
    """Show one event: its decisions, its deliveries, its body."""
    config = load_or_exit(config_path).config
    reader = open_or_exit(config)
    event = _only(reader.event(event_id), "event", event_id)
    around = _around(config, reader)
    body = json.loads(event.body)
    if as_json:
        click.echo(json.dumps([{**_event_json(event), "body": body}], indent=2))
        return
    click.echo(_event_line(config)(event))
    for decision in event.decisions:
        click.echo(f"  {decision.rule or '(all rules)'}: {decision.reason} {decision.detail}".rstrip())
        for delivery in decision.deliveries:
            click.echo("    " + _delivery_line(around)(delivery))
            _show_attempts(config, delivery, "      ")
    if not event.decisions:
        click.echo("  no rule matched" if event.state == "decided" else "  not decided yet")
    click.echo(json.dumps(body, indent=2))


@click.group(cls=_ListByDefault)
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
@_most_option
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
    around = _around(config, reader)
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
    _show(rows, as_json, _delivery_json(around), _delivery_line(around), nothing)


@deliveries.command("show")
@click.argument("delivery_id", metavar="DELIVERY")
@config_option
@json_option
def deliveries_show(delivery_id: str, config_path: Path, as_json: bool) -> None:
    """Show one delivery: its attempts and its text, and who tells it instead."""
    config = load_or_exit(config_path).config
    reader = open_or_exit(config)
    delivery = _only(reader.delivery(delivery_id), "delivery", delivery_id)
    around = _around(config, reader)
    found = reader.event(delivery.event) if delivery.event is not None else []
    told_by = around.told_by(delivery, *found)
    if as_json:
        more = {
            "falls_back_at": _iso(around.falls_back_at(delivery)),
            "told_by": None if told_by is None else told_by.id,
            "title": delivery.title,
            "message": delivery.message,
        }
        click.echo(json.dumps([{**_delivery_json(around)(delivery), **more}], indent=2))
        return
    click.echo(_delivery_line(around)(delivery))
    click.echo(f"  event {delivery.event}" if delivery.event else f"  window {delivery.window}")
    if delivery.instead_of is not None:
        click.echo(f"  instead of delivery {delivery.instead_of[:8]}")
    if told_by is not None:
        click.echo(f"  told instead by delivery {told_by.id[:8]} to {told_by.channel}: {told_by.state}")
    pause = around.pauses.get(delivery.channel)
    if pause is not None and delivery.state == "pending":
        click.echo(f"  {delivery.channel} is paused since {local(config, pause.since)}: {pause.detail}")
    if falls_back := around.falls_back(delivery):
        click.echo(f"  {falls_back}")
    _show_attempts(config, delivery, "  ")
    if delivery.message is not None:
        is_page = delivery.message.startswith("<!DOCTYPE html>")
        words = from_html(delivery.message) if is_page else delivery.message
        click.echo("\n" + "\n\n".join(filter(None, (delivery.title, words))))


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
    delivery = _only(open_or_exit(config).delivery(beginning), "delivery", beginning)
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


def _only(found: Sequence[Row], what: str, beginning: str) -> Row:
    if not found:
        fail(f"there is no {what} {beginning!r}")
    if len(found) > 1:
        fail(f"{beginning!r} is the beginning of several; give more of the {what}'s id")
    return found[0]


def _show(
    rows: Sequence[Row],
    as_json: bool,
    to_json: Callable[[Row], dict[str, Any]],
    to_line: Callable[[Row], str],
    nothing: str,
) -> None:
    """Print rows; where there are none, say so beside the output, which a program reads."""
    if not rows:
        click.echo(f"zennotify: {nothing}", err=True)
    if as_json:
        click.echo(json.dumps([to_json(row) for row in rows], indent=2))
        return
    for row in rows:
        click.echo(to_line(row))


def _show_attempts(config: Config, delivery: DeliveryView, margin: str) -> None:
    for number, attempt in enumerate(delivery.attempts, 1):
        outcome = attempt.outcome or "under way"
        click.echo(
            f"{margin}try {number} {local(config, attempt.started)} {outcome} {attempt.detail}".rstrip()
        )


def _around(config: Config, reader: Reader) -> Circumstances:
    return Circumstances(config, reader.pauses(), SystemClock().now())


# --- how rows look ----------------------------------------------------------------------------------------


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _event_json(event: EventView) -> dict[str, Any]:
    return {
        "id": event.id,
        "event_id": event.event_id,
        "type": event.type,
        "at": _iso(event.at),
        "received": _iso(event.received),
        "center": event.center,
        "state": event.state,
        "decisions": [
            {
                "rule": decision.rule,
                "reason": decision.reason,
                "detail": decision.detail,
                "deliveries": [_json_of(delivery) for delivery in decision.deliveries],
            }
            for decision in event.decisions
        ],
    }


def _delivery_json(around: Circumstances) -> Callable[[DeliveryView], dict[str, Any]]:
    def to_json(delivery: DeliveryView) -> dict[str, Any]:
        pause = around.pauses.get(delivery.channel) if delivery.state == "pending" else None
        return {**_json_of(delivery), "paused_until": _iso(None if pause is None else pause.until)}

    return to_json


def _json_of(delivery: DeliveryView) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "window": delivery.window,
        "rule": delivery.rule,
        "channel": delivery.channel,
        "state": delivery.state,
        "reason": delivery.reason,
        "due": _iso(delivery.due),
        "instead_of": delivery.instead_of,
        "attempts": [
            {
                "started": _iso(attempt.started),
                "finished": _iso(attempt.finished),
                "outcome": attempt.outcome,
                "detail": attempt.detail,
            }
            for attempt in delivery.attempts
        ],
    }


def _quarantine_json(row: QuarantineView) -> dict[str, Any]:
    return {
        "id": row.id,
        "received": _iso(row.received),
        "reason": row.reason,
        "size": row.size,
        "body": row.body.decode(errors="replace"),
    }


def _event_line(config: Config) -> Callable[[EventView], str]:
    def line(event: EventView) -> str:
        made = ", ".join(f"{decision.rule or 'all'} {decision.reason}" for decision in event.decisions)
        state = made or ("unmatched" if event.state == "decided" else event.state)
        return f"{event.id[:8]}  {local(config, event.received)}  {printable(event.type):28}  {state}"

    return line


def _delivery_line(around: Circumstances) -> Callable[[DeliveryView], str]:
    def line(delivery: DeliveryView) -> str:
        made = f"{delivery.id[:8]}  {local(around.config, delivery.created)}  {delivery.channel:16}"
        return f"{made}  {delivery.rule:32}  {around.state(delivery)}"

    return line


def _quarantine_line(config: Config) -> Callable[[QuarantineView], str]:
    return lambda row: f"{row.id:8}  {local(config, row.received)}  {row.reason:24}  {row.size} bytes"
