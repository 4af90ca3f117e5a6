"""`zennotify send`: a real message through a channel, or a rule's message through all channels that it would tell."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from zennotify import byhand
from zennotify.channel import is_for_guests
from zennotify.cli.project import (
    BAD_CONFIGURATION,
    Project,
    config_option,
    fail,
    json_option,
    load_or_exit,
    printable,
)
from zennotify.cli.tried import Tried, local_ways, outlets_of, reach_json, show_reach, try_rule
from zennotify.core.model import Form, Outcome, Room
from zennotify.errors import ControlError
from zennotify.spelling import did_you_mean
from zennotify.trial import Draft, Outlet
from zennotify.web.control import NoDaemon, ask

#: One try of the slowest channel; seconds.
_PATIENCE = 400.0
_QUICK = 10.0
_PREFIX = "[TEST]"


@click.command()
@click.argument("what", nargs=-1, metavar="CHANNEL TEXT | --rule RULE [EVENT]")
@click.option(
    "--rule", "rule_id", metavar="RULE", help="Send this rule's message, to all that it would tell."
)
@click.option("--really", is_flag=True, help="With --rule: send to the event's guest, too.")
@click.option(
    "--to", metavar="ADDRESS", help="What a channel for guests would send to a guest goes here instead."
)
@config_option
@json_option
def send(
    what: tuple[str, ...],
    rule_id: str | None,
    really: bool,
    to: str | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """Send a real message, marked [TEST], and show what the provider said.

    `send CHANNEL TEXT` sends plain words through one channel.  `send --rule RULE [EVENT]` sends the message that the
    rule has for an event (see: zennotify preview) through each channel that it tells, also where the rule is switched
    off or the event does not fit; how far the event comes is shown.  A guest gets nothing without --really.

    With a running daemon the message goes through the daemon's channels.

    The exit code is 0 if there was something to send and all of it was sent.  What counts is each channel that the rule
    tells of this event: a guest's message that waits for --really was not sent (1), and a name in `notify` that tells
    nobody has nothing to send, as when the daemon decides.
    """
    project = load_or_exit(config_path)
    if rule_id is not None:
        if len(what) > 1 or (really and to):
            raise click.UsageError("with --rule at most one EVENT is named, and --really or --to")
        _send_rule(project, rule_id, what[0] if what else None, Guests(really, to or ""), as_json)
        return
    if really:
        raise click.UsageError("--really belongs to --rule; of a channel for guests say --to ADDRESS")
    if len(what) != 2:
        raise click.UsageError("name a channel and a text, in quotes; or --rule RULE")
    if not what[1].strip():
        raise click.UsageError("the text is empty")
    _send_text(project, *what, to=to or "", as_json=as_json)


class Guests(NamedTuple):
    """What of that which is meant for a guest is sent."""

    really: bool
    #: Where it goes instead of to the guest.
    to: str


class Exits:
    """The channels' ends: those of the running daemon or, without one, our own."""

    def __init__(self, project: Project, *, as_json: bool) -> None:
        self._control = project.config.admin.control.path or Path()
        self._project = project
        self._ways = local_ways(project, partial(click.echo, err=as_json))
        self.outlets = outlets_of(project, self._ways)
        self._has_daemon = True
        try:
            channels = ask(self._control, "channels", {}, _QUICK)["channels"]
        except NoDaemon:
            self._has_daemon = False
        else:
            self.outlets |= {
                name: outlet
                for name, said in channels.items()
                if (outlet := _described(said)).form is not self.outlets.get(name, outlet).form
                or name not in self._ways
            }

    def missing(self, channel: str) -> str | None:
        """Return why a channel cannot be used here: its secret is missing, and no daemon runs that has it."""
        if self._has_daemon:
            return None
        missing = self._project.config_file.missing.get(("channels", channel, "url"))
        return None if missing is None else str(missing)

    def send(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send a message and return what came of it; raises ControlError where it cannot be tried."""
        if self._has_daemon:
            return ask(self._control, "send", order, _PATIENCE)
        return byhand.send(self._ways, order)


def _described(said: Mapping[str, Any]) -> Outlet:
    """Return how a channel of the daemon writes, where that is not known here: its secret is not at hand."""
    return Outlet(Form(said["form"]), Room(title=said["title"], body=said["body"], segments=said["segments"]))


def _send_text(project: Project, channel: str, text: str, *, to: str, as_json: bool) -> None:
    known = project.config.channels
    if channel not in known:
        hint = did_you_mean(channel, known)
        fail(f"there is no channel {channel!r}{hint}; there are: {', '.join(known)}", 2)
    try:
        exits = Exits(project, as_json=as_json)
        if (missing := exits.missing(channel)) is not None:
            fail(missing, BAD_CONFIGURATION)
        answer = exits.send({"channel": channel, "to": to, "text": text})
    except ControlError as error:
        fail(str(error))
    click.echo(json.dumps([answer]) if as_json else f"{channel}: {_in_words(answer)}")
    sys.exit(0 if answer["outcome"] == Outcome.SENT else 1)


def _send_rule(project: Project, rule_id: str, event: str | None, guests: Guests, as_json: bool) -> None:
    try:
        exits = Exits(project, as_json=as_json)
    except ControlError as error:
        fail(str(error))
    tried = try_rule(project, rule_id, event, exits.outlets, prefix=_PREFIX, guests_to=guests.to)
    if not as_json:
        show_reach(tried)
        click.echo()
    sent: list[dict[str, Any]] = []
    for one in _sent(exits, tried, guests):
        sent.append(one)
        if not as_json:
            click.echo(printable(_line(one)))
    if as_json:
        click.echo(json.dumps([{**reach_json(tried), "messages": sent}], indent=2))
    if guests.to and not _tells_guests(project, tried):
        click.echo("zennotify: --to had no effect: here the rule tells no channel for guests", err=True)
    told = [one for one in sent if one["channel"] is not None]
    if any(one.get("missing") for one in told):
        sys.exit(BAD_CONFIGURATION)
    sys.exit(0 if told and all(one["outcome"] == Outcome.SENT for one in told) else 1)


def _tells_guests(project: Project, tried: Tried) -> bool:
    channels = project.config.channels
    told = (draft.told.address.channel for draft in tried.trial.drafts if draft.told is not None)
    return any(is_for_guests(channels[name].to) for name in told)


def _sent(exits: Exits, tried: Tried, guests: Guests) -> Iterator[dict[str, Any]]:
    """Send each message that the rule has, and yield what came of it."""
    trial = tried.trial
    for draft in trial.drafts:
        if draft.told is None or draft.told.refused:
            continue
        address = draft.told.address
        yield {
            "channel": address.channel,
            "way": draft.told.way,
            "to": _masked(address.recipient),
            "problem": draft.written.problem,
            **_outcome(exits, draft, guests),
        }
    for role, refusal in trial.refusals:
        yield {
            "channel": None,
            "way": role,
            "to": "",
            "problem": "",
            "outcome": None,
            "detail": refusal.detail,
        }


def _outcome(exits: Exits, draft: Draft, guests: Guests) -> dict[str, Any]:
    assert draft.told is not None, "it is a channel's"  # noqa: S101
    channel, recipient = draft.told.address
    if (missing := exits.missing(channel)) is not None:
        return {"outcome": None, "detail": missing, "missing": True}
    if recipient and not guests.really and not guests.to:
        how = "it would go to the event's guest; --really sends it, --to ADDRESS sends it to you"
        return {"outcome": None, "detail": how}
    order = byhand.order(channel, draft.written.message, recipient, draft.label)
    try:
        return exits.send(order)
    except ControlError as error:
        return {"outcome": None, "detail": str(error)}


def _line(one: Mapping[str, Any]) -> str:
    if one["channel"] is None:
        return f"{one['way']}: nobody is told: {one['detail']}"
    name = f"{one['way']} ({one['to']})" if one["to"] else one["way"]
    plain = f"; the plain form, because the template failed at {one['problem']}" if one["problem"] else ""
    return f"{name}: {_in_words(one)}{plain}"


def _in_words(answer: Mapping[str, Any]) -> str:
    outcome = answer["outcome"] or "not sent"
    return outcome + (f": {answer['detail']}" if answer["detail"] else "")


def _masked(address: str) -> str:
    """Return so much of a guest's address that the guest may be recognised, and not more."""
    name, at, domain = address.rpartition("@")
    if at:
        return f"{name[:1]}…@{domain}"
    return f"{address[:2]}…{address[-2:]}" if address else ""
