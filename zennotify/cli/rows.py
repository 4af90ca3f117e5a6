"""How events, deliveries and windows look: as a line, and as JSON; used by the commands that list and show them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from zennotify.cli.fate import Circumstances, local
from zennotify.cli.project import fail, printable
from zennotify.config import Config
from zennotify.core.escalation import TAKEN
from zennotify.core.window import Stage
from zennotify.outlook import SHORT_ID
from zennotify.store.views import DeliveryView, EventView, QuarantineView, WindowView

Row = TypeVar("Row")

most_option = click.option(
    "--limit",
    "most",
    default=50,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="At most this many.",
)


class ListByDefault(click.Group):
    """A family of commands that lists when no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `list` for the command where none is named."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def only(found: Sequence[Row], what: str, beginning: str) -> Row:
    """Return the one that was found by the beginning of its id, or end the command."""
    if not found:
        fail(f"there is no {what} {beginning!r}")
    if len(found) > 1:
        fail(f"{beginning!r} is the beginning of several; give more of the {what}'s id")
    return found[0]


def show_rows(
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


# --- JSON -------------------------------------------------------------------------------------------------


def iso(moment: datetime | None) -> str | None:
    """Return a moment as JSON has it."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def event_json(event: EventView) -> dict[str, Any]:
    """Return an event with its decisions and their deliveries."""
    return {
        "id": event.id,
        "event_id": event.event_id,
        "type": event.type,
        "at": iso(event.at),
        "received": iso(event.received),
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


def delivery_json(around: Circumstances) -> Callable[[DeliveryView], dict[str, Any]]:
    """Return what makes JSON of a delivery."""

    def to_json(delivery: DeliveryView) -> dict[str, Any]:
        pause = around.pauses.get(delivery.channel) if delivery.state == "pending" else None
        return {**_json_of(delivery), "paused_until": iso(None if pause is None else pause.until)}

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
        "due": iso(delivery.due),
        "meant": iso(delivery.meant),
        "step": delivery.step,
        "count": delivery.counted,
        "held_back": delivery.held_back,
        "instead_of": delivery.instead_of,
        "attempts": [
            {
                "started": iso(attempt.started),
                "finished": iso(attempt.finished),
                "outcome": attempt.outcome,
                "detail": attempt.detail,
            }
            for attempt in delivery.attempts
        ],
    }


def window_json(view: WindowView) -> dict[str, Any]:
    """Return a window; `event` is the one that it is about or, of several, the last."""
    key, window = view.key, view.window
    return {
        "rule": key.rule,
        "stage": key.stage,
        "key": key.key,
        "opened": iso(window.opened),
        "due": iso(view.due),
        "count": window.count,
        "event": view.event,
    }


def quarantine_json(row: QuarantineView) -> dict[str, Any]:
    """Return a body that could not become an event."""
    return {
        "id": row.id,
        "received": iso(row.received),
        "reason": row.reason,
        "size": row.size,
        "body": row.body.decode(errors="replace"),
    }


# --- lines ------------------------------------------------------------------------------------------------


def event_line(config: Config) -> Callable[[EventView], str]:
    """Return what makes a line of an event."""

    def line(event: EventView) -> str:
        made = ", ".join(f"{decision.rule or 'all'} {decision.reason}" for decision in event.decisions)
        state = made or ("unmatched" if event.state == "decided" else event.state)
        return f"{event.id[:8]}  {local(config, event.received)}  {printable(event.type):28}  {state}"

    return line


def delivery_line(around: Circumstances) -> Callable[[DeliveryView], str]:
    """Return what makes a line of a delivery."""

    def line(delivery: DeliveryView) -> str:
        made = f"{delivery.id[:8]}  {local(around.config, delivery.created)}  {delivery.channel:16}"
        return f"{made}  {delivery.rule:32}  {_about(delivery)}{around.state(delivery)}"

    return line


def _about(delivery: DeliveryView) -> str:
    """Say what a delivery is, where it is not the message about one event."""
    if delivery.step == TAKEN:
        return "who took it: "
    if delivery.step:
        return f"step {delivery.step}: "
    return "" if delivery.gathered is None else f"digest of {delivery.counted}: "


def window_line(config: Config) -> Callable[[WindowView], str]:
    """Return what makes a line of a window."""

    def line(view: WindowView) -> str:
        key, made = view.key, f"{local(config, view.due)}  {view.key.rule:32}  {view.key.stage:9}"
        return f"{made}  {_held(view):24}  {printable(_key_words(key.key))}".rstrip()

    return line


def _held(view: WindowView) -> str:
    count, event = view.window.count, "" if view.event is None else f"event {view.event[:SHORT_ID]}"
    if view.key.stage == Stage.ESCALATE:
        return f"step {count + 1}, {event}"
    if view.key.stage in {Stage.WAIT, Stage.ABSENT}:
        return event
    return f"{count} event{'' if count == 1 else 's'}"


def _key_words(key: str) -> str:
    """Return the values that a window is for; nothing where it is for one event, or for all."""
    if not key.startswith("["):
        return "" if key.startswith(("event ", "digest ")) else key
    return ", ".join(" ".join(parts) for parts in json.loads(key))


def quarantine_line(config: Config) -> Callable[[QuarantineView], str]:
    """Return what makes a line of a body that could not become an event."""
    return lambda row: f"{row.id:8}  {local(config, row.received)}  {row.reason:24}  {row.size} bytes"
