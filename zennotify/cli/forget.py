"""`zennotify forget`: erases a guest everywhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from zennotify.cli.progress import shown_progress
from zennotify.cli.project import config_option, fail, json_option, load_or_exit, open_or_exit
from zennotify.config import Config
from zennotify.configured import reading
from zennotify.erasure import Found, Part, Progress, erase, find, last_parts, parts
from zennotify.errors import StoreError
from zennotify.store import Store
from zennotify.store.engine import sqlite_path
from zennotify.web.control import NoDaemon, ask
from zennotify.zenoti.belongings import Belongings

#: A part is small, but the daemon may wait for its disk.
_PATIENCE = 30.0
#: How often it is tried to empty SQLite's log while somebody reads.
_TRIES = 20
#: What is counted.
_KINDS = ("events", "messages", "cancelled", "texts", "facts", "windows", "quarantine", "silences", "left")
_NOTHING = "nothing is known of a guest with this id: there is nothing to erase"
_OUT_OF_REACH = (
    "What was sent to Slack, mail or SMS, and backups of the store, are out of reach.  A next event of this guest, or"
    " a look-up in Zenoti's API, teaches zennotify about the guest again; what the guest opted out of is forgotten,"
    " too."
)


_REMNANTS = (
    "Earlier copies may stay in unused parts of the store's file until it is rewritten: run this command again with the"
    " daemon stopped, or then: sqlite3 '{store}' VACUUM"
)
#: From this size on it is said that the file is being rewritten; bytes.
_LARGE = 100_000_000


class _Holder(NamedTuple):
    """Whoever writes to the store."""

    erase: Callable[[Part], dict[str, int]]
    #: Told what was erased: the daemon logs it once all is done.
    empty_log: Callable[[Counter[str]], bool]
    #: Beside a daemon, which would have to wait for it, the file is not rewritten.
    rewrite: Callable[[], None] | None


@click.command()
@click.argument("guest_id", metavar="GUEST_ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def forget(guest_id: str, yes: bool, config_path: Path, as_json: bool) -> None:
    """Erase a guest everywhere: in facts, events, messages, windows, quarantined bodies and silences.

    Every event that names the guest goes, with its decisions and messages; those that still wait are not sent.  An
    event that names only a booking, an invoice, a membership or a package of the guest holds ids and codes: it stays,
    but the texts of its messages go, and its messages to the guest.  So do the texts of digests that tell of the guest
    among others; one that still waits is written without the guest.  What another guest has as well (an invoice paid
    together, a booking that changed hands) stays with what came of it.  The command may be repeated; what is being
    sent at this moment is left to the next time.

    A rule that misses something goes on watching: where the guest's event was the last one that came, its type, its
    time and its centre are left.

    A GUID is found within texts, too.  Any other id may be a word or a number that means something else there: it is
    found where it is a whole value, and one of digits alone only where it is a guest's id.

    What was sent to Slack, mail or SMS, and backups of the store, are out of reach.  A next event of the guest, or a
    look-up in Zenoti's API, teaches zennotify about the guest again.

    SQLite overwrites what is erased, but earlier copies of it may stay in unused parts of the store's file until this
    is rewritten.  Where no daemon runs, this command rewrites it at the end, which takes free space of about twice its
    size; beside a daemon, run the command again with the daemon stopped, or then: sqlite3 FILE VACUUM.  PostgreSQL
    overwrites at its next vacuum.
    """
    config = load_or_exit(config_path).config
    found = _find(config, _belongings(guest_id))
    if found.is_known and not yes:
        click.confirm(f"{_intention(found)}\nErase this guest?", abort=True, err=True)
    with _holder(config, found) as holder, shown_progress("erasing") as progress:
        erased = _erase(found, holder, progress)
        not_rewritten = _rewrite(config, holder)
        # Also where nothing is left to erase: an earlier run may not have come so far.
        is_empty = any(holder.empty_log(erased) for _ in range(_TRIES))
    if as_json or found.is_known:
        _say(erased, as_json)
    click.echo(_OUT_OF_REACH if found.is_known else _NOTHING, err=True)
    store = sqlite_path(config.store.url)
    if found.is_known and store and holder.rewrite is None:
        click.echo(_REMNANTS.format(store=store), err=True)
    if erased["left"]:
        fail(f"{_count(erased['left'], 'event')} just being decided or sent stayed: run the command again")
    if not_rewritten:
        fail(not_rewritten)
    if not is_empty:
        fail("somebody reads the store, so that old copies stay in its log for now: run the command again")


def _belongings(guest_id: str) -> Belongings:
    try:
        return Belongings(guest_id)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="GUEST_ID") from error


def _find(config: Config, own: Belongings) -> Found:
    reader = open_or_exit(config)
    try:
        with shown_progress("reading") as progress:
            return find(reader, own, reading(config), progress)
    finally:
        reader.close()


def _erase(found: Found, holder: _Holder, progress: Progress) -> Counter[str]:
    erased: Counter[str] = Counter()
    for part in parts(found):
        erased.update(holder.erase(part))
        progress("rows", erased.total())
    for part in last_parts(found) if not erased["left"] else ():
        erased.update(holder.erase(part))
    return erased


def _rewrite(config: Config, holder: _Holder) -> str | None:
    """Have the store's file rewritten; return a sentence where it should have been and is not."""
    path = sqlite_path(config.store.url)
    if path is None or holder.rewrite is None:
        return None
    size = path.stat().st_size
    if size >= _LARGE:
        click.echo(f"rewriting the store's file ({size / 1_000_000:,.0f} MB)", err=True)
    try:
        holder.rewrite()
    except StoreError as error:
        return (
            f"{error}, so that earlier copies may stay in unused parts of its file: make free space of"
            f" {2 * size / 1_000_000:,.1f} MB, and run the command again"
        )
    return None


@contextmanager
def _holder(config: Config, found: Found) -> Iterator[_Holder]:
    """Give the running daemon or, where none runs, the store itself, under its lock."""
    control = config.admin.control.path or Path()
    meant = reading(config)

    def asked(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return ask(control, name, arguments, _PATIENCE)

    try:
        asked("forget", {"guest": found.guest})  # nothing yet: whether there is a daemon
    except NoDaemon:
        store = Store.open(config.store.url)
    else:
        yield _Holder(
            lambda part: asked("forget", part._asdict()),
            lambda erased: bool(asked("forget/finish", _outcome(erased))["is_empty"]),
            None,
        )
        return
    try:
        yield _Holder(
            lambda part: store.write(erase, part, meant, alone=True),
            lambda _: store.empty_log(),
            store.rewrite,
        )
    finally:
        store.close()


def _outcome(erased: Counter[str]) -> dict[str, int]:
    rows = erased.total() - erased["cancelled"] - erased["left"]  # the cancelled are among the messages
    return {"erased": rows, "left": erased["left"]}


def _intention(found: Found) -> str:
    waiting = f"; {_count(found.waiting, 'message')} that wait will not be sent" if found.waiting else ""
    facts = len(found.facts) + len(found.things)
    small = _small(facts, len(found.windows), len(found.quarantine), len(found.silences))
    digests = f" and of {_count(len(found.digests), 'digest')}" if found.digests else ""
    return (
        f"{_count(len(found.events), 'event')} with all that came of them{waiting}\n"
        f"the texts of what was made of {_count(len(found.about) + len(found.quoted), 'other event')}{digests}\n"
        f"{small}"
    )


def _say(erased: Counter[str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([{"kind": kind, "count": erased[kind]} for kind in _KINDS], indent=2))
        return
    click.echo("erased:")
    not_sent = f", {erased['cancelled']} of which waited and will not be sent" if erased["cancelled"] else ""
    click.echo(f"{_count(erased['events'], 'event')} with {_count(erased['messages'], 'message')}{not_sent}")
    click.echo(f"the texts of {_count(erased['texts'], 'other message')}")
    click.echo(_small(erased["facts"], erased["windows"], erased["quarantine"], erased["silences"]))


def _small(facts: int, windows: int, bodies: int, silences: int) -> str:
    several = _count(bodies, "quarantined body", "quarantined bodies")
    muted = f", {_count(silences, 'silence')}" if silences else ""
    return f"{_count(facts, 'fact')}, {_count(windows, 'window')}, {several}{muted}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
