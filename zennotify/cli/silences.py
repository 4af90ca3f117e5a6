"""`zennotify silences`: what operators have muted, for how long, and why."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from zennotify.cli.fate import local
from zennotify.cli.order import OrderReader, Words
from zennotify.cli.project import (
    Project,
    check_rules,
    config_option,
    fail,
    json_option,
    load_or_exit,
    open_or_exit,
    printable,
)
from zennotify.cli.rows import ListByDefault, iso, only, show_rows
from zennotify.clock import SystemClock
from zennotify.config import Config
from zennotify.configured import surroundings
from zennotify.core.center import NOT_LISTED
from zennotify.errors import StoreError
from zennotify.rulefile import CompiledRules
from zennotify.silences import Order, add, opened
from zennotify.store import Store, open_reader
from zennotify.store.silencing import KeptSilence
from zennotify.store.transaction import Transaction
from zennotify.web.control import NoDaemon, ask

_PATIENCE: Final = 10.0
#: In the order of the list.
_STATES: Final = ("active", "planned", "over", "ended")


def _login() -> str:
    """Return who is at the keyboard, also behind sudo."""
    with contextlib.suppress(OSError, KeyError, ImportError):  # a user without an entry
        return os.environ.get("SUDO_USER") or getpass.getuser()
    return ""


def _by_option(said: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--by", default=_login, metavar="NAME", help=f"{said} [default: your login name]")


@click.group(cls=ListByDefault)
def silences() -> None:
    """What is muted for a while, on purpose (without a command: list)."""


@silences.command("list")
@click.option("--all", "with_old", is_flag=True, help="Those that are over, too.")
@config_option
@json_option
def silences_list(with_old: bool, config_path: Path, as_json: bool) -> None:
    """List silences: those that hold, those that are planned, and with --all those that are over."""
    config = load_or_exit(config_path).config
    now = SystemClock().now()
    kept = sorted(open_or_exit(config).silences(), key=lambda one: _place(one, now))
    rows = [one for one in kept if with_old or one.until > now]
    older = " any more; --all lists those that are over" if kept and not rows else ""
    show_rows(rows, as_json, _to_json(now), _line(config, now), f"nothing is silenced{older}")


@silences.command("show")
@click.argument("silence_id", metavar="SILENCE")
@config_option
@json_option
def silences_show(silence_id: str, config_path: Path, as_json: bool) -> None:
    """Show one silence, and how many messages it has muted, of events that are still kept."""
    config = load_or_exit(config_path).config
    reader = open_or_exit(config)
    silence = only(reader.silence(silence_id), "silence", silence_id)
    muted, now = reader.count_silenced(silence.id), SystemClock().now()
    if as_json:
        click.echo(json.dumps([{**_to_json(now)(silence), "muted": muted}], indent=2))
        return
    click.echo(_line(config, now)(silence))
    click.echo(
        f"  from {local(config, silence.since)} until {local(config, silence.until)} {config.time_zone}"
    )
    if silence.ended_by:
        click.echo(f"  ended by {printable(silence.ended_by)}")
    click.echo(
        f"  has muted {muted} {'message' if muted == 1 else 'messages'}: zennotify events --reason silenced"
    )


@silences.command("add")
@click.option("--rule", metavar="RULE", help="Only this rule.")
@click.option(
    "--match",
    multiple=True,
    metavar="PATH=VALUE",
    help="Only events where this holds, as in a rule's match: center.name=Bellevue, 'data.total={gt: 500}'.  May be"
    " repeated; then all must hold.",
)
@click.option("--for", "lasts", metavar="DURATION", help="How long: 90s, 15m, 24h, 30d.")
@click.option(
    "--until",
    metavar="TIME",
    help="Or until when: 18:00, or '2026-11-27 18:00', by the clock of time_zone in the configuration.",
)
@click.option("--from", "since", metavar="TIME", help="When it begins.  [default: now]")
@click.option("--why", default="", metavar="TEXT", help="Why; `events show` says it of each message.")
@_by_option("Who mutes.")
@config_option
def silences_add(config_path: Path, **words: Any) -> None:
    """Mute a rule, or some of what it tells, for a while.

    Whatever comes meanwhile is kept and decided, but its message is not sent, and the decision names the silence.  It
    is asked behind the rule's match, when and threshold, and before all that the rule remembers: a muted event starts
    no period of once, and is in no digest.  A message that waits (wait) is asked again when its time comes.  What was
    decided before is sent.

      zennotify silences add --rule no-show --match center.name=Bellevue --for 2h
    """
    project = load_or_exit(config_path)
    config = project.config
    order = _order(project, Words(**words))
    kept = _change(config, "silences/add", order._asdict(), lambda store: _add_offline(store, order))
    silence_id = str(kept["id"])
    silence = only(open_or_exit(config).silence(silence_id), "silence", silence_id)
    what = f"rule {silence.rule} is" if silence.rule else "all rules are"
    click.echo(
        f"silence {silence.id}: {what} mute{_where(silence)} {_when(config, silence, order)}\n"
        f"to end it: zennotify silences end {silence.id}"
    )


@silences.command("end")
@click.argument("silence_id", metavar="SILENCE")
@_by_option("Who ends it.")
@config_option
def silences_end(silence_id: str, by: str, config_path: Path) -> None:
    """End a silence before its time."""
    config = load_or_exit(config_path).config
    silence = only(open_or_exit(config).silence(silence_id), "silence", silence_id)
    by = by.encode(errors="replace").decode().strip() or "somebody"
    arguments = {"id": silence.id, "by": by}
    done = _change(config, "silences/end", arguments, lambda store: _end_offline(store, silence.id, by))
    if not done["ended"]:
        fail(f"silence {silence.id} is over since {local(config, silence.until)} {config.time_zone}")
    click.echo(f"silence {silence.id} is ended")


# --- what is asked for ------------------------------------------------------------------------------------


def _order(project: Project, words: Words) -> Order:
    """Return what is to be muted, or end the command with all that is wrong."""
    compiled, all_rules = _compiled(project, words.rule)
    reader = OrderReader(
        now=SystemClock().now(),
        time_zone=project.config.time_zone,
        rules=all_rules,
        centers=NOT_LISTED if compiled is None else compiled.rules.directory.centers,
    )
    order = reader.read(words)
    for sentence in reader.problems or reader.warnings:
        click.echo(f"zennotify: {'' if reader.problems else 'warning: '}{printable(sentence)}", err=True)
    if order is None:
        sys.exit(2)
    return order


def _compiled(project: Project, rule: str | None) -> tuple[CompiledRules | None, Mapping[str, Any] | None]:
    """Return what the files say and their rules; where they lack the rule, or are bad, those in force count, too."""
    problems, compiled = check_rules(project)
    rules = {} if compiled is None else dict(compiled.rules.by_id)
    if compiled is not None and (rule is None or rule in rules):
        return compiled, rules
    last = None
    with contextlib.suppress(StoreError):
        last = surroundings(project.config, project.forms).last_good(open_reader(project.config.store.url))
    if last is not None:
        rules = {**last.rules.by_id, **rules}
    if compiled is None and last is None and rule is not None:
        first = next(problem for problem in problems if not problem.warning)
        fail(f"whether there is a rule `{rule}` cannot be told: the rules cannot be used, first: {first}")
    return compiled or last, rules


# --- who does it ------------------------------------------------------------------------------------------


def _change(
    config: Config, name: str, arguments: Mapping[str, Any], offline: Callable[[Store], dict[str, Any]]
) -> dict[str, Any]:
    """Have the daemon change something or, where none runs, do it ourselves under its lock."""
    try:
        return ask(config.admin.control.path or Path(), name, arguments, _PATIENCE)
    except NoDaemon:
        store = Store.open(config.store.url)
    try:
        return offline(store)
    finally:
        store.close()


def _add_offline(store: Store, order: Order) -> dict[str, Any]:
    return {"id": store.write(add, order, SystemClock().now()).id}


def _end_offline(store: Store, silence: str, by: str) -> dict[str, Any]:
    return {"ended": store.write(Transaction.end_silence, silence, by, SystemClock().now())}


# --- how they look ----------------------------------------------------------------------------------------


def _state(silence: KeptSilence, now: datetime) -> str:
    if silence.until <= now:
        return "ended" if silence.ended_by else "over"
    return "planned" if silence.since > now else "active"


def _place(silence: KeptSilence, now: datetime) -> tuple[int, float]:
    """Return the place in the list: what holds first, by its end; of what is over the last first."""
    state = _state(silence, now)
    if silence.until <= now:
        return 2, -silence.until.timestamp()
    return _STATES.index(state), silence.until.timestamp()


def _problem(silence: KeptSilence) -> str | None:
    problem = opened(silence)
    return problem if isinstance(problem, str) else None


def _to_json(now: datetime) -> Callable[[KeptSilence], dict[str, Any]]:
    def to_json(silence: KeptSilence) -> dict[str, Any]:
        return {
            "id": silence.id,
            "rule": silence.rule or None,
            "match": dict(silence.match),
            "since": iso(silence.since),
            "until": iso(silence.until),
            "why": silence.why,
            "by": silence.by,
            "state": _state(silence, now),
            "ended_by": silence.ended_by or None,
            "problem": _problem(silence),
        }

    return to_json


def _line(config: Config, now: datetime) -> Callable[[KeptSilence], str]:
    def line(silence: KeptSilence) -> str:
        state, problem = _state(silence, now), _problem(silence)
        end = silence.since if state == "planned" else silence.until
        word = "from" if state == "planned" else "until"
        by = f"  by {silence.by}" if silence.by else ""
        why = f": {silence.why}" if silence.why else ""
        broken = "" if problem is None else f"  CANNOT BE USED, mutes nothing: {problem}"
        return printable(
            f"{silence.id}  {state:7}  {word:5} {local(config, end)}  {silence.rule or 'all rules'}{_where(silence)}"
            f"{by}{why}{broken}"
        )

    return line


def _where(silence: KeptSilence) -> str:
    clauses = [f"{path} is {_said(wanted)}" for path, wanted in silence.match.items()]
    return f" where {' and '.join(clauses)}" if clauses else ""


def _said(wanted: Any) -> str:
    return wanted if isinstance(wanted, str) else json.dumps(wanted, ensure_ascii=False)


def _when(config: Config, silence: KeptSilence, order: Order) -> str:
    since = "" if order.since is None else f"from {local(config, silence.since)} "
    return f"{since}until {local(config, silence.until)} {config.time_zone}"
