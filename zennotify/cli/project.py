"""What most commands start with: the configuration, everything that is wrong with it, and how errors end a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click

from zennotify.channel import (
    ChannelProblem,
    RecipientProblem,
    check_segments,
    check_url,
    form_of,
    is_for_guests,
    medium_of,
)
from zennotify.clock import SystemClock
from zennotify.config import ChannelConfig, Config, ConfigFile, ConfigRefused, load_config
from zennotify.configured import surroundings
from zennotify.core.model import Form
from zennotify.errors import ConfigError, Problem, StoreError
from zennotify.message import TemplateProblem, compile_recipient
from zennotify.rulefile import CompiledRules
from zennotify.store import Reader, open_reader
from zennotify.yamlfile import parse_duration
from zennotify.zenoti.names import EVENT_NAMES

BAD_CONFIGURATION = 78

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """Add --config to a command."""
    return click.option(
        "--config",
        "config_path",
        envvar="ZENNOTIFY_CONFIG",
        default="/etc/zennotify/config.yaml",
        show_default=True,
        type=click.Path(path_type=Path),
        help="The configuration file.",
    )(command)


def json_option(command: Command) -> Command:
    """Add --json to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON array instead of text.")(
        command
    )


def _since(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return SystemClock().now() - parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def since_option(command: Command) -> Command:
    """Add --since to a command: how far back it looks."""
    return click.option(
        "--since", callback=_since, metavar="DURATION", help="Only the last 90s, 15m, 24h, 30d."
    )(command)


def fail(sentence: str, code: int = 1) -> NoReturn:
    """End the command with a sentence for the user."""
    click.echo(f"zennotify: {sentence}", err=True)
    sys.exit(code)


@dataclass(frozen=True, slots=True)
class Project:
    """A configuration and what was found in it and in the files that it names."""

    config_file: ConfigFile
    #: How each channel's messages are written; channels whose URL cannot be used are left out.
    forms: dict[str, Form]
    problems: list[Problem]

    @property
    def config(self) -> Config:
        """The configuration itself."""
        return self.config_file.config


def load_project(path: Path, *, need_secrets: bool) -> Project:
    """Read the configuration and look at its channels; raises ConfigError when it cannot be read at all.

    Missing secrets are errors for who needs them, and warnings for who does not.
    """
    try:
        file = load_config(path, environ=os.environ)
        problems = list(file.warnings)
    except ConfigRefused as error:
        if error.rest is None:
            raise
        file, problems = error.rest, list(error.problems)  # so that the other errors are shown, too
    for place, problem in file.missing.items():
        known = problem.message.removeprefix(f"{place}: ")
        problems.append(Problem(problem.file, problem.line, problem.column, known, warning=not need_secrets))
    forms: dict[str, Form] = {}
    for name, channel in file.config.channels.items():
        problems += _caps(file, name, channel)
        if ("channels", name, "url") in file.missing:
            forms[name] = channel.form or form_of(file.url_as_written(name)) or Form.CHAT
            continue
        try:
            forms[name] = check_url(channel.url.get_secret_value(), channel.to, channel.form)
        except ChannelProblem as error:
            key = "to" if isinstance(error, RecipientProblem) else "url"
            problems.append(file.where(("channels", name, key), str(error)))
        else:
            problems += _segments(file, name, channel, forms[name])
        if channel.to is not None and is_for_guests(channel.to):
            problems += (
                file.where(("ops", index), f"`{name}` writes to guests; name a channel of your own")
                for index, told in enumerate(file.config.ops)
                if told == name
            )
            try:
                compile_recipient(channel.to, EVENT_NAMES)
            except TemplateProblem as error:
                problems.append(file.where(("channels", name, "to"), error.message))
    return Project(file, forms, problems)


#: The caps of a channel that writes to phones of guests, with an example of each.
_CAPS: Final = {"allowed_prefixes": '["+1"]', "per_recipient": "5/d", "per_day": "500"}


def _caps(file: ConfigFile, name: str, channel: ChannelConfig) -> Iterator[Problem]:
    """Yield the caps that a channel lacks, and what it has that is for channels for guests only."""
    place, to = ("channels", name), channel.to
    if to is None and file.is_written((*place, "to")):
        return  # it could not be read, so that nothing is known
    is_capped = (
        to is not None
        and is_for_guests(to)
        and medium_of(channel.url.get_secret_value(), to, channel.form) is Form.SMS
    )
    for key, example in _CAPS.items():
        is_written = file.is_written((*place, key))
        if is_capped and not is_written:
            yield file.where(
                place,
                f"`{key}` is missing: a channel that writes to numbers from events needs it, e.g. `{key}: {example}`",
            )
        if is_written and not is_capped:
            yield file.where(
                (*place, key),
                "has no effect here: it is for channels that write to phone numbers from events",
            )
    if channel.consent is not None and not is_for_guests(to):
        yield file.where(
            (*place, "consent"), "has no effect here: it is for channels whose recipient comes from the event"
        )


def _segments(file: ConfigFile, name: str, channel: ChannelConfig, form: Form) -> Iterator[Problem]:
    try:
        check_segments(channel.max_segments, channel.url.get_secret_value(), form)
    except ChannelProblem as error:
        yield file.where(("channels", name, "max_segments"), str(error))


def check_rules(project: Project) -> tuple[list[Problem], CompiledRules | None]:
    """Return what is wrong with the rules, templates and centres, and what they are when they can be used."""
    # A channel that has a problem of its own is still a name that rules may use.
    forms = {name: project.forms.get(name, Form.CHAT) for name in project.config_file.channel_names}
    try:
        _, compiled = surroundings(project.config, forms).read()
    except ConfigError as error:
        return list(error.problems), None
    return list(compiled.warnings), compiled


def load_or_exit(path: Path, *, need_secrets: bool = False) -> Project:
    """Return the configuration, or print every error of it and exit 78."""
    try:
        project = load_project(path, need_secrets=need_secrets)
    except ConfigError as error:
        show_problems(error.problems)
        sys.exit(BAD_CONFIGURATION)
    errors = [problem for problem in project.problems if not problem.warning]
    if errors:
        show_problems(errors)
        sys.exit(BAD_CONFIGURATION)
    return project


def show_problems(problems: Iterable[Problem]) -> None:
    """Print problems, one a line, on standard error."""
    for problem in as_seen_from_here(problems):
        click.echo(str(problem), err=True)


def as_seen_from_here(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems in order, their files as the user would name them."""
    here = Path.cwd()
    named = []
    for problem in problems:
        path = Path(problem.file)
        file = str(path.relative_to(here)) if path.is_relative_to(here) else problem.file
        named.append(replace(problem, file=file))
    return sorted(named)


def open_or_exit(config: Config) -> Reader:
    """Open the store for reading, or say why not and exit 1."""
    try:
        return open_reader(config.store.url)
    except StoreError as error:
        fail(str(error))


def printable(text: str) -> str:
    """Return text that came from outside without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
