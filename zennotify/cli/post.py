"""`zennotify simulate`: post a sample event to the running daemon."""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from zennotify.cli.occasion import sample_or_file, wrapped
from zennotify.cli.project import config_option, fail, json_option, load_or_exit
from zennotify.clock import SystemClock
from zennotify.config import Address, Config
from zennotify.spelling import did_you_mean
from zennotify.zenoti.sample import stamp
from zennotify.zenoti.signature import sign
from zennotify.zenoti.story import STORIES, tell

#: Zenoti waits this long for an answer; seconds.
_PATIENCE = 10.0


@click.command()
@click.argument("what", metavar="[TYPE|FILE]", required=False)
@click.option("--story", metavar="NAME", help=f"Events that belong together: {', '.join(STORIES)}.")
@click.option("--as-is", is_flag=True, help="Send the event as it stands, with its own ids and times.")
@config_option
@json_option
def simulate(what: str | None, story: str | None, as_is: bool, config_path: Path, as_json: bool) -> None:
    """Post a sample event, or a JSON file, to the running daemon, signed like Zenoti's.

    TYPE is an event type, e.g. Class.Schedule.Cancelled.  The event is stamped with new ids and the present time.
    """
    if (what is None) is (story is None) or (as_is and story is not None):
        raise click.UsageError("name one event type or file, or one --story (which is always new)")
    config = load_or_exit(config_path).config
    bodies = _story(story) if story is not None else [_event(str(what), as_is)]
    try:
        answers = [post(config, config.server.listen, body) for body in bodies]
    except OSError as error:
        fail(
            f"no daemon answers at {config.server.listen} ({error.strerror or error}); start it: zennotify run"
        )
    if as_json:
        click.echo(json.dumps([answer for _, answer in answers]))
    else:
        for body, told in zip(bodies, answers, strict=True):
            click.echo(f"{body.get('event_type')}: {_told(*told)}" if story is not None else _told(*told))
    sys.exit(0 if all(status == http.client.OK for status, _ in answers) else 1)


def _story(name: str) -> list[dict[str, Any]]:
    if name not in STORIES:
        there_are = "; ".join(f"{known} ({story.says})" for known, story in STORIES.items())
        fail(f"there is no story {name!r}{did_you_mean(name, STORIES)}; there are: {there_are}", 2)
    return list(tell(STORIES[name], SystemClock().now()))


def _event(what: str, as_is: bool) -> dict[str, Any]:
    body = sample_or_file(what)
    return body if as_is else stamp(wrapped(what, body, ", or send it --as-is"), SystemClock().now())


def deliver(config: Config, address: Address, body: Mapping[str, Any]) -> str:
    """Post an event and say in words what became of it."""
    try:
        return _told(*post(config, address, body))
    except OSError as error:
        return f"no answer ({error.strerror or error})"


def post(config: Config, address: Address, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Post an event with the proofs that the configuration asks for; raises OSError without an answer."""
    raw = json.dumps(body).encode()
    server = config.server
    headers = {"Content-Type": "application/json"}
    if server.secrets:
        headers[server.signature_header] = sign(server.secrets[0].get_secret_value().encode(), raw)
    if server.token:
        headers["Authorization"] = f"Bearer {server.token.get_secret_value()}"
    connection = http.client.HTTPConnection(address.host or "localhost", address.port, timeout=_PATIENCE)
    try:
        if address.path is not None:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(_PATIENCE)
            connection.sock.connect(str(address.path))
        connection.request("POST", server.path, raw, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def _told(status: int, answer: Mapping[str, Any]) -> str:
    if status != http.client.OK:
        return f"refused with {status} {answer.get('error', '')}"
    told = str(answer["status"])
    if "event" in answer:
        told += f", event {answer['event'][:8]}"
    return told + (f" ({answer['reason']})" if "reason" in answer else "")
