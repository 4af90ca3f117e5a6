"""`zennotify doctor`: what the stored events say about the rules."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from zennotify import yamlfile
from zennotify.centerfile import read_centers
from zennotify.channel import is_for_guests
from zennotify.cli.progress import shown_progress
from zennotify.cli.project import (
    BAD_CONFIGURATION,
    Project,
    config_option,
    json_option,
    load_or_exit,
    open_or_exit,
    show_problems,
    since_option,
)
from zennotify.configured import reading, surroundings
from zennotify.core.model import Event
from zennotify.core.notify import Directory
from zennotify.core.rule import RuleSet
from zennotify.errors import ConfigError
from zennotify.rulefile.used import UsedField, used_fields
from zennotify.store.rows import KeptEvent
from zennotify.survey import Center, Finding, Survey
from zennotify.zenoti.event import Reading, reopen
from zennotify.zenoti.memory import Memory

#: An id that YAML takes for nothing but text.
_PLAIN_KEY = re.compile(r"[0-9A-Za-z]+(-[0-9A-Za-z]+)+")


@click.command()
@click.option("--centers", "wants_centers", is_flag=True, help="Print a stub of centers.yaml instead.")
@since_option
@config_option
@json_option
def doctor(wants_centers: bool, since: datetime | None, config_path: Path, as_json: bool) -> None:
    """Say what the stored events tell about the rules; it reads them all, or those of --since.

    Fields that rules and templates use and that no event has, or that are null in some; rules that never sent
    anything; fields and types that Zenoti began to send.  What is known of guests, bookings and classes is what is
    known now.  Nothing is changed; a finding is no error, and the exit code is 0.

    --centers prints the centres that events came from and that centers.yaml does not list, to be pasted into it.
    """
    project = load_or_exit(config_path)
    reader = open_or_exit(project.config)
    # The centres are wanted just where roles, and with them the rules, do not work yet.
    rules, uses = (_no_rules(project), {}) if wants_centers else _rules(project)
    survey = Survey(rules, uses, is_part=since is not None)
    meant = reading(project.config)

    def memory() -> Memory:
        return Memory(reader.facts, meant.class_times, rules.directory.centers)

    with shown_progress("reading") as progress:
        for page in reader.all_events(since):
            events = [event for kept in page if (event := _opened(kept, meant)) is not None]
            survey.unreadable += len(page) - len(events)
            survey.read(events, memory())
            progress("events", survey.events)
    if wants_centers:
        _show_centers(_named(survey.unlisted_centers(), memory()), as_json)
        return
    findings = survey.findings(reader.count_decisions(since))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    _show(findings)
    click.echo(
        f"{len(findings)} finding{'' if len(findings) == 1 else 's'} in {survey.events:,} events", err=True
    )


def _rules(project: Project) -> tuple[RuleSet, Mapping[str, Sequence[UsedField]]]:
    try:
        sources, compiled = surroundings(project.config, project.forms).read()
    except ConfigError as error:
        show_problems(error.problems)
        sys.exit(BAD_CONFIGURATION)
    recipients = {
        name: channel.to
        for name, channel in project.config.channels.items()
        if channel.to is not None and is_for_guests(channel.to)
    }
    return compiled.rules, used_fields(sources, compiled, recipients)


def _opened(kept: KeptEvent, meant: Reading) -> Event | None:
    try:
        return reopen(kept.body, kept.received_at, meant, kept.type)
    except ValueError:  # an earlier version took it for one
        return None


def _no_rules(project: Project) -> RuleSet:
    path = project.config.centers
    text = yamlfile.decode(yamlfile.read_file(path, str(path)), str(path)) if path.exists() else None
    return RuleSet("", (), Directory(centers=read_centers(text, str(path), None).centers))


def _show(findings: Sequence[Finding]) -> None:
    """Print findings, those of each rule together; what is said of no rule comes last."""
    for rule, of_rule in groupby(findings, key=lambda finding: finding.rule):
        click.echo(f"rule {rule}:" if rule else "what Zenoti sends:")
        for finding in of_rule:
            click.echo(f"  {finding.says}")


# --- centres ----------------------------------------------------------------------------------------------


def _named(centers: Sequence[Center], memory: Memory) -> Sequence[Center]:
    """Give a centre that no event named the name that is remembered of it."""
    for center in centers:
        name = memory.recall("center", center.id).get("name")
        if center.name is None and isinstance(name, str):
            center.name = name
    return centers


def _show_centers(centers: Sequence[Center], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_center_json(center) for center in centers], indent=2))
        return
    click.echo("centers:" if centers else "# no event named a centre that is not listed")
    for center in centers:
        click.echo(f"  {_key(center.id)}:  # {center.events:,} event{'' if center.events == 1 else 's'}")
        click.echo(f"    name: {_quoted(center.name)}" if center.name else "    # name:")
        zone = "    # time_zone: America/Los_Angeles"
        if center.offset is not None and center.offset_on is not None:
            zone += f"  # its clocks were at UTC{_offset(center.offset)} on {center.offset_on}"
        click.echo(zone)


def _center_json(center: Center) -> dict[str, Any]:
    return {
        "id": center.id,
        "name": center.name,
        "events": center.events,
        "utc_offset": None if center.offset is None else _offset(center.offset),
        "utc_offset_on": None if center.offset_on is None else center.offset_on.isoformat(),
    }


def _key(id_: str) -> str:
    return id_ if _PLAIN_KEY.fullmatch(id_) else _quoted(id_)


def _quoted(text: str) -> str:
    """Return YAML for a text that came from outside, with escapes for what a terminal would obey."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)


def _offset(offset: timedelta) -> str:
    sign = "-" if offset < timedelta(0) else "+"
    hours, seconds = divmod(abs(offset).seconds, 3600)
    return f"{sign}{hours:02}:{seconds // 60:02}"
