"""`zennotify run` and `zennotify reload`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import uvloop

from zennotify import log
from zennotify.app import App, build
from zennotify.cli import demo as demonstration
from zennotify.cli.project import Project, config_option, json_option, load_or_exit
from zennotify.clock import SystemClock
from zennotify.errors import ConfigError, ControlError, ZennotifyError, place_of
from zennotify.web.control import ask

logger = logging.getLogger("zennotify.cli")

#: A reload compiles up to thousands of rules; seconds.
_RELOAD_PATIENCE = 60.0
_QUICK = 10.0
_CHANGED = "has changed since the daemon started: restart it to take that in"


@click.command()
@config_option
@click.option(
    "--demo", is_flag=True, help="Feed it the documented sample events, stamped with the present time."
)
@click.option(
    "--really", is_flag=True, help="With --demo: send to guests, too, whose addresses the events hold."
)
def run(config_path: Path, demo: bool, really: bool) -> None:
    """Run the daemon: receive Zenoti's webhooks, decide, send.

    SIGTERM stops it in order, SIGHUP reloads rules, templates and centres.
    """
    project = load_or_exit(config_path, need_secrets=True)
    config = demonstration.harmless(project) if demo and not really else project.config
    log.set_up()
    for problem in project.problems:
        logger.warning("%s", problem)
    code = 1
    try:
        app = build(config, SystemClock(), _echo)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(app, _demo_feeder(project, app) if demo else None))
        code = 0
    except ZennotifyError as error:
        click.echo(f"zennotify: {error}", err=True)
    except BaseExceptionGroup as group:
        for leaf in _leaves(group):
            logger.critical("a task died: %s", _named(leaf))
    log.stop()
    sys.stdout.flush()
    os._exit(code)  # a send that never ends holds its thread, and would hold the process


async def _serve(app: App, on_ready: Callable[[], None] | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()

    def on_stop() -> None:
        if stop.is_set():  # asked twice: at once
            log.stop()
            os._exit(1)
        stop.set()

    def on_reload() -> None:
        task = loop.create_task(_reload(app))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, on_stop)
    loop.add_signal_handler(signal.SIGINT, on_stop)
    loop.add_signal_handler(signal.SIGHUP, on_reload)
    await app.run(stop, on_ready)


async def _reload(app: App) -> None:
    try:
        await app.reload()
    except ConfigError:  # it is in the log, in /readyz and in the metrics
        return
    except ZennotifyError as error:
        logger.error("the reload failed: %s", error)  # noqa: TRY400 - no trace wanted


def _demo_feeder(project: Project, app: App) -> Callable[[], None]:
    def feed() -> None:
        [address, *_] = app.receiver.addresses
        threading.Thread(
            target=demonstration.feed, args=(project.config, address, _echo), daemon=True
        ).start()

    return feed


def _echo(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def _named(error: BaseException) -> str:
    return str(error) if isinstance(error, ZennotifyError) else place_of(error)


@click.command()
@config_option
@json_option
def reload(config_path: Path, as_json: bool) -> None:
    """Bring changed rules, templates and centres into force; a bad set changes nothing.

    config.yaml is taken in only when the daemon starts; where it has changed since, that is said.
    """
    control = load_or_exit(config_path).config.admin.control.path or Path()
    answer: dict[str, Any] = {"rules": None, "warnings": [], "error": ""}
    try:
        answer |= ask(control, "reload", {}, _RELOAD_PATIENCE)
    except ControlError as error:
        answer["error"] = str(error)
    has_changed = _has_changed(config_path, control)
    if as_json:
        click.echo(json.dumps([{**answer, "config_changed": has_changed}], indent=2))
    for warning in answer["warnings"]:
        click.echo(warning, err=True)
    if answer["error"]:
        click.echo(f"zennotify: {answer['error']}", err=True)
    elif not as_json:
        click.echo(f"{answer['rules']} rules are in force")
    if has_changed:
        click.echo(f"zennotify: {config_path.name} {_CHANGED}", err=True)
    sys.exit(1 if answer["error"] else 0)


def _has_changed(config: Path, control: Path) -> bool:
    """Return whether the configuration is newer than the daemon; False where that cannot be told."""
    try:
        started = ask(control, "started", {}, _QUICK)["started"]
        return config.stat().st_mtime > datetime.fromisoformat(started).timestamp()
    except (ControlError, OSError):  # a daemon of an earlier version, or none any more
        return False
