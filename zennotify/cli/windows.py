"""`zennotify windows`: what is about to go out, and when."""

from __future__ import annotations

from pathlib import Path

import click

from zennotify.cli.project import config_option, json_option, load_or_exit, open_or_exit
from zennotify.cli.rows import most_option, show_rows, window_json, window_line


@click.command()
@click.option("--rule", metavar="RULE", help="Only of this rule.")
@most_option
@config_option
@json_option
def windows(rule: str | None, most: int, config_path: Path, as_json: bool) -> None:
    """List what waits for its time, the next first: digests, waits, absences and escalations.

    Each line says when it is due, the rule, what it is, what it holds, and what the rule keeps apart (its `per`).
    """
    config = load_or_exit(config_path).config
    found = open_or_exit(config).timers(rule=rule, most=most)
    whose = "" if rule is None else f" of rule `{rule}`"
    show_rows(found, as_json, window_json, window_line(config), f"nothing{whose} waits for its time")
