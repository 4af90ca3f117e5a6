"""Silences in a running decider, and `zennotify silences` with a daemon and without one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes import START, FakeClock, clause
from tests.stored import body
from zennotify.cli import main
from zennotify.clock import SystemClock
from zennotify.config import Address, load_config
from zennotify.configured import reading, surroundings
from zennotify.core.match import Clause
from zennotify.core.model import Form
from zennotify.core.rule import RuleSet
from zennotify.decider import Decider
from zennotify.errors import ControlError
from zennotify.metrics import Metrics
from zennotify.ops import Ops
from zennotify.silences import Order, Silences, add, clauses_of, opened
from zennotify.store import Store
from zennotify.store.rows import NewEvent
from zennotify.store.silencing import KeptSilence
from zennotify.store.transaction import Transaction
from zennotify.web.control_server import ControlServer

CONFIG = """
rules: rules.yaml
time_zone: America/Los_Angeles
channels: {desk: {url: "console://desk"}}
"""
RULES = """
rules:
  - {id: closed, event: Invoice.Closed, notify: desk, message: Closed}
  - {id: any, event: "*", once: {per: data.number, for: 1h}, notify: desk, message: Any}
"""
RENAMED = """
rules:
  - {id: shut, event: Invoice.Closed, notify: desk, message: Closed}
"""
HOUR = timedelta(hours=1)


def order(rule: str = "", lasts: timedelta = HOUR, since: datetime | None = None, **match: Any) -> Order:
    return Order(
        rule=rule,
        match={f"data.{path}": wanted for path, wanted in match.items()},
        since=None if since is None else since.isoformat(),
        until=None,
        seconds=lasts.total_seconds(),
        why="stock taking",
        by="Nora",
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    Path("rules.yaml").write_text(RULES)
    return tmp_path


# --- those that hold ----------------------------------------------------------------------------------------


class Running:
    """A decider with its silences on a fake clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = Store.open(f"sqlite:///{folder / 'zennotify.db'}")
        self.config = load_config(folder / "config.yaml", environ={}).config
        self.rules: RuleSet = surroundings(self.config, {"desk": Form.CHAT}).read()[1].rules
        writer = self.store.writer
        self.silences = Silences(writer, self.clock)
        self.decider = Decider(
            writer,
            self.clock,
            Metrics(),
            reading=reading(self.config),
            wake=lambda _channels: None,
            ops=Ops(writer, self.clock, (), {}, lambda _names: None, lambda _name, _by: None),
            silences=lambda: self.silences.in_force,
        )
        self._events = 0

    async def start(self) -> None:
        self.store.writer.start()
        await self.silences.load()
        self.decider.use(self.rules)
        await self.decider.recover()
        await self.decider.fire(self.clock.now())  # what it has read back by then is nothing

    async def close(self) -> None:
        await asyncio.to_thread(self.store.close)

    async def decide(self, at: datetime | None = None, **data: Any) -> dict[str, tuple[str, str]]:
        """Let an event come, now or at another time; return reason and detail of each rule."""
        self._events += 1
        number = self._events
        event = NewEvent(
            id=f"{number:032x}",
            event_id=f"e-{number}",
            type="Invoice.Closed",
            center=None,
            at=None,
            received_at=at or self.clock.now(),
            fingerprint=f"{number:032x}",
            body=body(number, "Invoice.Closed", {"number": number, **data}),
        )

        def come(transaction: Transaction) -> None:
            transaction.add_events([event])
            self.decider.fall_behind()

        await self.store.writer.call(come)
        await self.decider.fire(self.clock.now())
        [view] = self.store.reader.event(event.id)
        return {one.rule: (one.reason, one.detail) for one in view.decisions}

    async def reasons(self, at: datetime | None = None, **data: Any) -> dict[str, str]:
        return {rule: reason for rule, (reason, _) in (await self.decide(at, **data)).items()}


@pytest.fixture
async def running(folder: Path) -> AsyncIterator[Running]:
    running = Running(folder)
    await running.start()
    yield running
    await running.close()


async def test_a_silence_mutes_what_it_names_until_it_is_over_and_is_named(running: Running) -> None:
    heard = {"closed": "notified", "any": "notified"}
    assert await running.reasons() == heard
    kept = await running.silences.add(order("closed", number=[2, 4, 5, 6]))
    made = await running.decide()
    detail = f"silence {kept.id} by Nora until 2026-03-01T13:00:00+00:00: stock taking"
    assert made == {"closed": ("silenced", detail), "any": ("notified", "")}
    assert await running.reasons() == heard
    await running.clock.advance(HOUR - timedelta(microseconds=1))
    assert (await running.reasons())["closed"] == "silenced"
    await running.clock.advance(timedelta(microseconds=1))
    assert await running.reasons() == heard


async def test_one_of_all_rules_begins_later_and_is_ended_early(running: Running) -> None:
    kept = await running.silences.add(order(since=START + HOUR))
    assert (await running.reasons())["any"] == "notified"
    await running.clock.advance(HOUR)
    assert await running.reasons() == {"closed": "silenced", "any": "silenced"}
    assert await running.silences.end(kept.id, "Mia")
    assert not await running.silences.end(kept.id, "Mia")
    assert await running.reasons() == {"closed": "notified", "any": "notified"}


async def test_what_came_while_it_held_is_muted_also_when_it_is_decided_later(running: Running) -> None:
    kept = await running.silences.add(order("closed"))
    await running.clock.advance(HOUR / 2)
    await running.silences.end(kept.id, "Mia")
    await running.clock.advance(24 * HOUR)
    await running.silences.load()
    assert (await running.reasons(START + HOUR / 4))["closed"] == "silenced"
    assert (await running.reasons(START + HOUR * 3 / 4))["closed"] == "notified"
    await running.clock.advance(48 * HOUR)
    await running.silences.load()
    assert running.silences.in_force == ()


async def test_a_restart_keeps_it(running: Running, folder: Path) -> None:
    kept = await running.silences.add(order("closed"))
    await running.close()
    again = Running(folder)
    await again.start()
    assert [one.id for one in again.silences.in_force] == [kept.id]
    assert await again.reasons() == {"closed": "silenced", "any": "notified"}
    await again.close()


async def test_it_follows_a_rule_that_is_renamed(running: Running, folder: Path) -> None:
    kept = await running.silences.add(order("closed"))
    (folder / "rules.yaml").write_text(RENAMED)
    running.decider.use(surroundings(running.config, {"desk": Form.CHAT}).read()[1].rules)
    await running.silences.carry_over({"closed": "shut", "other": "any"})
    assert await running.reasons() == {"shut": "silenced"}
    assert [(one.id, one.rule) for one in running.silences.in_force] == [(kept.id, "shut")]
    [row] = running.store.reader.silences()
    assert row.rule == "shut"


async def test_one_that_cannot_be_used_any_more_is_skipped_and_reported_once(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    broken = KeptSilence(
        id="bad", rule="", match={"gust.id": "nora"}, since=START, until=START + HOUR, why="", by=""
    )
    with caplog.at_level(logging.ERROR):
        await running.store.writer.call(Transaction.add_silence, broken)
        kept = await running.silences.add(order("closed"))
        await running.silences.load()
    assert [record.getMessage() for record in caplog.records] == [
        "silence=bad cannot be used any more, and mutes nothing; see: zennotify silences"
    ]
    assert [one.id for one in running.silences.in_force] == [kept.id]
    assert await running.reasons() == {"closed": "silenced", "any": "notified"}


async def test_what_could_not_be_used_is_refused_and_changes_nothing(running: Running) -> None:
    wrong = order("closed")._replace(match={"gust.id": "nora"})
    with pytest.raises(ControlError, match="starts with a name that is not known; did you mean `guest`"):
        await running.silences.on_add(wrong._asdict())
    assert running.store.reader.silences() == []
    assert await running.reasons() == {"closed": "notified", "any": "notified"}


async def test_what_is_over_for_long_is_forgotten(running: Running) -> None:
    await running.silences.add(order("closed"))
    await running.clock.advance(2 * HOUR)
    await running.silences.purge(START + HOUR)
    assert len(running.store.reader.silences()) == 1
    await running.silences.purge(START + HOUR + timedelta(seconds=1))
    assert running.store.reader.silences() == []
    assert running.silences.in_force == ()


def test_every_clause_that_cannot_be_used_is_named() -> None:
    made = list(
        clauses_of({"center.name": "x", "center.nme": "x", "data.a": {"gt": "x", "lt": 1}, "data.b": []})
    )
    [good] = [one for one in made if isinstance(one, Clause)]
    assert good == clause("center.name", "x")
    assert [one for one in made if isinstance(one, str)] == [
        "`center` has no `nme`; did you mean `name`?",
        "`data.a.gt`: `gt` expects a number or a time, found 'x'",
        "`data.b`: an empty list can never match; name the values, or use `empty: true` for an empty list",
    ]


# --- the commands -------------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", "config.yaml"])


def listed(*arguments: str) -> list[dict[str, Any]]:
    return list(json.loads(run("silences", "list", *arguments, "--json").stdout))


def add_at(store: Store, begins: timedelta, ends: timedelta, **match: Any) -> str:
    now = SystemClock().now()
    return store.write(add, order("closed", ends - begins, now + begins, **match), now).id


@pytest.mark.usefixtures("folder")
def test_without_a_daemon_the_command_writes_itself() -> None:
    done = run("silences", "add", "--rule", "closed", "--match", "center.name=Bellevue", "--until", "2099-01-01 18:00",
               "--why", "stock taking", "--by", "Nora")  # fmt: skip
    assert (done.exit_code, done.stderr) == (0, "")
    [one] = listed()
    assert done.stdout == (
        f"silence {one['id']}: rule closed is mute where center.name is Bellevue"
        " until 2099-01-01 18:00:00 America/Los_Angeles\n"
        f"to end it: zennotify silences end {one['id']}\n"
    )
    assert {**one, "id": "", "since": ""} == {
        "id": "",
        "rule": "closed",
        "match": {"center.name": "Bellevue"},
        "since": "",
        "until": "2099-01-02T02:00:00Z",
        "why": "stock taking",
        "by": "Nora",
        "state": "active",
        "ended_by": None,
        "problem": None,
    }
    line = "active   until 2099-01-01 18:00:00  closed where center.name is Bellevue  by Nora: stock taking\n"
    assert run("silences").stdout == f"{one['id']}  {line}"
    assert run("silences", "end", one["id"][:3], "--by", "Mia").stdout == f"silence {one['id']} is ended\n"
    assert listed() == []
    [over] = listed("--all")
    assert (over["state"], over["ended_by"]) == ("ended", "Mia")
    again = run("silences", "end", one["id"])
    assert again.exit_code == 1
    assert again.stderr.startswith(f"zennotify: silence {one['id']} is over since ")


@pytest.mark.usefixtures("folder")
def test_who_says_no_name_is_called_by_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "nora")
    run("silences", "add", "--match", "data.total={gt: 5}", "--for", "2h", "--from", "2098-01-01 10:00")
    [one] = listed()
    assert (one["rule"], one["match"], one["by"], one["state"]) == (
        None, {"data.total": {"gt": 5}}, "nora", "planned"
    )  # fmt: skip
    assert run("silences").stdout == (
        f'{one["id"]}  planned  from  2098-01-01 10:00:00  all rules where data.total is {{"gt": 5}}  by nora\n'
    )
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.setenv("LOGNAME", "mia")
    run("silences", "end", one["id"])
    assert listed("--all")[0]["ended_by"] == "mia"


@pytest.mark.usefixtures("folder")
def test_what_is_wrong_is_all_said_and_nothing_is_kept() -> None:
    run("silences", "add", "--rule", "any", "--for", "1h")
    done = run("silences", "add", "--rule", "closd", "--match", "center.nme=x", "--for", "2")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "zennotify: there is no rule `closd`; did you mean `closed`?\n"
        "zennotify: --match: `center` has no `nme`; did you mean `name`?\n"
        "zennotify: --for 2: a duration is a whole number and a unit (s, m, h or d), e.g. 90s, 15m, 24h, 30d\n"
    )
    assert [one["rule"] for one in listed()] == ["any"]


@pytest.mark.usefixtures("folder")
def test_a_clause_that_probably_never_holds_is_warned_of() -> None:
    done = run("silences", "add", "--match", "data.totl=5", "--for", "2h")
    assert done.exit_code == 0
    assert done.stderr == (
        "zennotify: warning: --match data.totl: no event of * that zennotify knows carries `data.totl`;"
        " did you mean `data.total`?\n"
    )
    assert len(listed()) == 1


def test_the_list_begins_with_what_holds_and_says_what_is_not_shown(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'zennotify.db'}")
    old, older = add_at(store, -2 * HOUR, -HOUR), add_at(store, -4 * HOUR, -3 * HOUR)
    done = run("silences")
    assert (done.stdout, done.stderr) == (
        "",
        "zennotify: nothing is silenced any more; --all lists those that are over\n",
    )
    late, soon = add_at(store, -HOUR, 2 * HOUR), add_at(store, -HOUR, HOUR)
    planned = add_at(store, HOUR, 2 * HOUR)
    store.close()
    assert [one["id"] for one in listed()] == [soon, late, planned]
    assert [(one["id"], one["state"]) for one in listed("--all")] == [
        (soon, "active"), (late, "active"), (planned, "planned"), (old, "over"), (older, "over")
    ]  # fmt: skip


def test_where_there_is_none_it_says_so(folder: Path) -> None:
    Store.open(f"sqlite:///{folder / 'zennotify.db'}").close()
    done = run("silences", "--json")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "[]\n", "zennotify: nothing is silenced\n")


def test_one_that_cannot_be_used_says_why(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'zennotify.db'}")
    until = SystemClock().now() + HOUR
    match = {"gust.id": "x\x1b[2J"}
    store.write(
        Transaction.add_silence,
        KeptSilence(id="bad", rule="", match=match, since=START, until=until, why="", by=""),
    )
    store.close()
    problem = "`gust.id` starts with a name that is not known; did you mean `guest`?"
    assert listed()[0]["problem"] == problem
    line = run("silences").stdout
    assert line.endswith(f"all rules where gust.id is x?[2J  CANNOT BE USED, mutes nothing: {problem}\n")
    assert isinstance(
        opened(KeptSilence(id="", rule="", match=match, since=START, until=until, why="", by="")), str
    )


def test_one_is_shown_with_how_much_it_has_muted(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'zennotify.db'}")
    until = datetime(2099, 1, 1, 20, tzinfo=START.tzinfo)
    one = KeptSilence(
        id="3f9a2c", rule="closed", match={}, since=START, until=until, why="", by="Nora", ended_by="Mia"
    )
    store.write(Transaction.add_silence, one)
    store.close()
    assert run("silences", "show", "3f").stdout == (
        "3f9a2c  active   until 2099-01-01 12:00:00  closed  by Nora\n"
        "  from 2026-03-01 04:00:00 until 2099-01-01 12:00:00 America/Los_Angeles\n"
        "  ended by Mia\n"
        "  has muted 0 messages: zennotify events --reason silenced\n"
    )
    [shown] = json.loads(run("silences", "show", "3f9a2c", "--json").stdout)
    assert shown == {**listed()[0], "muted": 0}
    nobody = run("silences", "show", "zz")
    assert (nobody.exit_code, nobody.stderr) == (1, "zennotify: there is no silence 'zz'\n")


BROKEN = "rules: [{id: closed}]"


def test_where_the_files_are_bad_the_rules_in_force_count(folder: Path) -> None:
    (folder / "rules.yaml").write_text(BROKEN)
    unknown = run("silences", "add", "--rule", "closed", "--for", "1h")
    assert unknown.exit_code == 1
    assert unknown.stderr.startswith(
        "zennotify: whether there is a rule `closed` cannot be told: the rules cannot be used, first: "
    )
    assert run("silences", "add", "--match", "center.name=x", "--for", "1h").exit_code == 0
    store = Store.open(f"sqlite:///{folder / 'zennotify.db'}")
    sources = json.dumps({"rules": {"rules.yaml": RULES}, "templates": {}, "centers": None})
    store.write(Transaction.save_rule_set, "hash", sources, START)
    store.close()
    assert run("silences", "add", "--rule", "closed", "--for", "1h").exit_code == 0
    wrong = run("silences", "add", "--rule", "closd", "--for", "1h")
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "zennotify: there is no rule `closd`; did you mean `closed`?\n",
    )
    # A rule that is gone from the files is in force until they are.
    (folder / "rules.yaml").write_text(RENAMED)
    assert run("silences", "add", "--rule", "closed", "--for", "1h").exit_code == 0
    assert [one["rule"] for one in listed()] == [None, "closed", "closed"]


async def test_with_a_daemon_the_daemon_does_it(running: Running, folder: Path) -> None:
    server = ControlServer({"silences/add": running.silences.on_add, "silences/end": running.silences.on_end})
    await server.start(Address(path=folder / "zennotify.sock"))
    try:
        done = await asyncio.to_thread(
            run, "silences", "add", "--rule", "closed", "--until", "2099-01-01 18:00"
        )
        assert done.exit_code == 0, done.stderr
        [held] = running.silences.in_force
        assert done.stdout.startswith(f"silence {held.id}: rule closed is mute until 2099-01-01 18:00:00 ")
        assert await running.reasons() == {"closed": "silenced", "any": "notified"}
        shown = await asyncio.to_thread(run, "silences", "show", held.id)
        assert "  has muted 1 message: " in shown.stdout
        ended = await asyncio.to_thread(run, "silences", "end", held.id, "--by", "Mia")
        assert ended.stdout == f"silence {held.id} is ended\n"
        assert await running.reasons() == {"closed": "notified", "any": "notified"}
    finally:
        await server.stop()


@pytest.mark.usefixtures("folder")
def test_a_daemon_that_cannot_be_asked_is_said() -> None:
    store = Store.open("sqlite:///zennotify.db")  # it holds the lock, and does not listen
    done = run("silences", "add", "--rule", "closed", "--for", "1h")
    store.close()
    assert done.exit_code == 1
    assert "zennotify is already running on this store" in done.stderr
