"""What `preview` and `send --rule` share: one rule tried on one event, and how far the event comes, in words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from zennotify.cli.occasion import Occasion, Occasions
from zennotify.cli.project import BAD_CONFIGURATION, Project, fail, printable, show_problems
from zennotify.clock import SystemClock
from zennotify.configured import open_ways, surroundings
from zennotify.core.model import Room
from zennotify.core.rule import Rule
from zennotify.errors import ConfigError, Problem, StoreError
from zennotify.outbox import Way
from zennotify.outlook import Wall
from zennotify.rulefile import CompiledRules
from zennotify.spelling import did_you_mean
from zennotify.store import Reader, open_reader
from zennotify.trial import Outlet, Trial, Trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A trial, and the event that it was made on."""

    trial: Trial
    occasion: Occasion
    #: The channels whose secret is not at hand here, and what is missing.
    missing: Mapping[str, Problem]
    #: Whether the daemon would ask Zenoti's API for names.
    has_api: bool
    time_zone: str


def local_ways(project: Project, echo: Callable[[str], None]) -> dict[str, Way]:
    """Open the channels whose secrets are at hand; `echo` prints the messages of console channels."""
    config = project.config
    there = {
        name: channel
        for name, channel in config.channels.items()
        if ("channels", name, "url") not in project.config_file.missing
    }
    ways = open_ways(config.model_copy(update={"channels": there}), echo)
    return {way.name: way for way in ways}


def outlets_of(project: Project, ways: Mapping[str, Way]) -> dict[str, Outlet]:
    """Return how each channel's messages are written; of one whose secret is missing, as far as that is known."""
    known = {name: Outlet(way.channel.form, way.channel.room) for name, way in ways.items()}
    return {name: Outlet(form, Room()) for name, form in project.forms.items()} | known


def try_rule(
    project: Project,
    rule_id: str,
    event: str | None,
    outlets: Mapping[str, Outlet],
    *,
    prefix: str = "",
    guests_to: str = "",
) -> Tried:
    """Try a rule on the event that the user names, or on one that fits; or end the command with a sentence."""
    config = project.config
    around = surroundings(config, project.forms)
    try:
        _, compiled = around.read()
    except ConfigError as error:
        show_problems(problem for problem in error.problems if not problem.warning)
        sys.exit(BAD_CONFIGURATION)
    rule = _rule(compiled, rule_id)
    reader = _reader(config.store.url)
    trials = Trials(
        surroundings=around,
        compiled=compiled,
        facts=reader.facts if reader is not None else lambda _: {},
        outlets=outlets,
        now=SystemClock().now(),
        guests_to=guests_to,
    )
    occasions = Occasions(trials, rule, reader)
    occasion = occasions.fitting() if event is None else occasions.named(event)
    return Tried(
        trial=trials.run(rule, occasion.event, prefix),
        occasion=occasion,
        missing={
            str(place[1]): problem
            for place, problem in project.config_file.missing.items()
            if place[0] == "channels" and place[-1] == "url"
        },
        has_api=config.zenoti_api is not None,
        time_zone=config.time_zone,
    )


def _rule(compiled: CompiledRules, rule_id: str) -> Rule:
    rule = compiled.rules.by_id.get(rule_id)
    if rule is None:
        known = list(compiled.rules.by_id)
        hint = did_you_mean(rule_id, known) or f"; there are: {', '.join(known[:20])}"
        fail(f"there is no rule {rule_id!r}{hint}", 2)
    return rule


def _reader(url: str) -> Reader | None:
    """Open the store; without one there are the samples."""
    try:
        reader = open_reader(url)
        reader.last_rule_set()  # a server is only asked now
    except StoreError as error:
        click.echo(f"zennotify: {error}; only samples and files are there", err=True)
        return None
    return reader


# --- in words -----------------------------------------------------------------------------------------------


def verdict(tried: Tried) -> str:
    """Say in a sentence whether the message would go out."""
    trial = tried.trial
    if trial.goes_out:
        *others, last = trial.hangs_on or ("",)
        if not last:
            return "The message goes out."
        let = f"{', '.join(others)} and {last} let it" if others else f"{last} lets it"
        return f"The message goes out, as far as {let}."
    stopped = next(stage for stage in trial.stages if stage.holds is False)
    return f"The message does NOT go out: {stopped.name}: {stopped.says}."


def notes(tried: Tried) -> Iterator[str]:
    """Yield what else is to be known of the message."""
    trial, view = tried.trial, tried.occasion.view
    wall = Wall(ZoneInfo(tried.time_zone), SystemClock().now())
    for made in view.decisions if view is not None else ():
        if made.rule == trial.rule.id:
            yield (
                f"When the event came, the rule said {made.reason}"
                + (f" ({wall.words(made.detail)})" if made.detail else "")
                + "."
            )
    if trial.unknown:
        asks = "; the daemon would ask Zenoti's API" if tried.has_api else ""
        yield f"Not known here, and so not named: {', '.join(trial.unknown)}{asks}."
    told = {draft.told.address.channel for draft in trial.drafts if draft.told is not None}
    for name, problem in tried.missing.items():
        if name in told:
            secret = problem.message.rpartition(": ")[2]
            yield (
                f"Channel {name} cannot be opened here ({secret}): its form is told by what stands before the"
                " secret, and its limits are not known."
            )


def headline(tried: Tried) -> dict[str, str]:
    """Return which rule and which event it is."""
    trial, event = tried.trial, tried.trial.event
    about = f": {trial.rule.description}" if trial.rule.description else ""
    moment = _local(event.at or event.received_at, tried.time_zone)
    return {
        "rule": f"{trial.rule.id}{about}",
        "event": f"{event.type}, {moment}: {tried.occasion.says}",
        "centre": trial.center or "none",
    }


def _local(moment: datetime, time_zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"


def show_reach(tried: Tried) -> None:
    """Print which rule and event it is, and how far the event comes."""
    for name, value in headline(tried).items():
        click.echo(f"{name:7} {printable(value)}")
    click.echo()
    for stage in tried.trial.stages:
        mark = {True: "✓", False: "✗", None: "·"}[stage.holds]
        click.echo(f"  {mark} {stage.name}: {printable(stage.says)}")
    click.echo()
    click.echo(printable(verdict(tried)))
    for note in notes(tried):
        click.echo(printable(note))


def reach_json(tried: Tried) -> dict[str, Any]:
    """Return the same for a program."""
    trial, event = tried.trial, tried.trial.event
    return {
        "rule": trial.rule.id,
        "event": {"id": event.id, "type": event.type, "source": tried.occasion.says},
        "center": trial.center,
        "goes_out": trial.goes_out,
        "stages": [stage._asdict() for stage in trial.stages],
        "notes": list(notes(tried)),
    }
