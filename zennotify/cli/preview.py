"""`zennotify preview`: what each channel of a rule would get, and every other form of the message."""

from __future__ import annotations

import json
from pathlib import Path

import click

from zennotify.channel import shown
from zennotify.cli.drafts import NOT_USED, cuts, draft_json, heading, json_of, limits
from zennotify.cli.page import page
from zennotify.cli.project import config_option, fail, json_option, load_or_exit, printable
from zennotify.cli.tried import local_ways, outlets_of, reach_json, show_reach, try_rule
from zennotify.core.model import Form
from zennotify.trial import Draft

#: So much of what was cut is shown.
_LONGEST_REST = 200


@click.command()
@click.argument("rule_id", metavar="RULE")
@click.argument("event", metavar="[EVENT]", required=False)
@click.option(
    "--html", "file", metavar="FILE", type=click.Path(path_type=Path), help="Write a page for the browser."
)
@config_option
@json_option
def preview(rule_id: str, event: str | None, file: Path | None, config_path: Path, as_json: bool) -> None:
    """Show what each channel of a rule would get for an event, and whether it would; nothing is sent.

    EVENT is the id of a stored event or its beginning, an event type or the name of a sample, or a JSON file.
    Without it: the newest stored event that the rule is for (of the newest 200 of its types) or else a sample.

    The forms of the message that the rule does not use are shown behind the others.  No daemon is needed.  What
    `once` remembers is not asked, and neither is Zenoti's API.
    """
    project = load_or_exit(config_path)
    outlets = outlets_of(project, local_ways(project, click.echo))
    tried = try_rule(project, rule_id, event, outlets)
    if file is not None:
        try:
            file.write_text(page(tried), encoding="utf-8")
        except OSError as error:
            fail(f"cannot write {file}: {error.strerror}")
    if as_json:
        drafts = [draft_json(draft) for draft in tried.trial.drafts]
        click.echo(json.dumps([{**reach_json(tried), "messages": drafts}], indent=2))
        return
    show_reach(tried)
    if file is not None:
        click.echo(f"\nThe messages are in {file}; open it in a browser.")
        return
    for draft in tried.trial.drafts:
        click.echo()
        _show(draft)


def _show(draft: Draft) -> None:
    """Print a message as it is read, and what is to be said of it."""
    message, form = draft.written.message, draft.outlet.form.value
    name = f"{form}: {NOT_USED}" if draft.told is None else f"{heading(draft)} ({form})"
    if message.form is Form.JSON:
        click.echo(printable(name))
        click.echo(json.dumps(json_of(draft), indent=2))
    else:
        click.echo(shown(printable(name), message))
    if draft.written.problem:
        click.echo(
            f"The template failed at {printable(draft.written.problem)}: this plain form goes out instead."
        )
    for sentence in limits(draft):
        click.echo(printable(sentence))
    for cut in cuts(draft):
        rest = " ".join(cut.rest.split())
        click.echo(printable(f"Cut off: {rest[:_LONGEST_REST]}{'…' if len(rest) > _LONGEST_REST else ''}"))
