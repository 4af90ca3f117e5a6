"""`zennotify check`: every error of the files at once."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from zennotify.cli.project import (
    BAD_CONFIGURATION,
    as_seen_from_here,
    check_rules,
    config_option,
    json_option,
    load_project,
    show_problems,
)
from zennotify.errors import ConfigError, Problem


@click.command()
@config_option
@json_option
def check(config_path: Path, as_json: bool) -> None:
    """Check config, rules, templates, centres and channels, and show every error at once.

    Nothing is sent and nothing is changed.  A missing secret is a warning here; `run` needs it.
    """
    problems, summary = _check(config_path)
    if as_json:
        click.echo(json.dumps([asdict(problem) for problem in as_seen_from_here(problems)], indent=2))
    else:
        show_problems(problems)
    errors = sum(not problem.warning for problem in problems)
    if errors:
        click.echo(f"{_count(errors, 'error')}, {_count(len(problems) - errors, 'warning')}", err=True)
        sys.exit(BAD_CONFIGURATION)
    if not as_json:
        click.echo(f"good: {summary}, {_count(len(problems), 'warning')}")


def _check(config_path: Path) -> tuple[list[Problem], str]:
    try:
        project = load_project(config_path, need_secrets=False)
    except ConfigError as error:
        return list(error.problems), ""
    problems, compiled = check_rules(project)
    summary = [_count(len(compiled.rules.rules), "rule")] if compiled else []
    summary.append(_count(len(project.forms), "channel"))
    if compiled and (centers := compiled.rules.directory.centers):
        summary.append(_count(len(centers), "centre"))
    return [*project.problems, *problems], ", ".join(summary)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
