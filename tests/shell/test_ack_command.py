"""`zennotify deliveries ack` where no daemon runs: what it says, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.fakes import START
from tests.stored import add_events
from zennotify.cli import main
from zennotify.store import Store
from zennotify.store.number import delivery_id
from zennotify.store.rows import NewDelivery
from zennotify.store.transaction import Transaction

CONFIG = """
channels: {desk: {url: "console://desk"}, mail: {url: "mailto://${env:NOT_HERE}", form: email}}
time_zone: Europe/Berlin
"""
FIRST = int(START.timestamp())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "nora")
    Path("config.yaml").write_text(CONFIG)
    store = Store.open(f"sqlite:///{tmp_path / 'zennotify.db'}")
    add_events(store, [("T", {})])
    told = NewDelivery(1, "no-show", "desk", "", START, START)
    owed = [told, told._replace(channel="mail"), told._replace(event=None, rule="(ops)")]
    store.write(Transaction.add_deliveries, owed)
    for channel in ("desk", "mail"):
        store.write(Transaction.claim, channel, 1, "lease", START, START)
    store.close()


def ack(number: int, *arguments: str) -> Result:
    delivery = delivery_id(FIRST + number - 1)
    return CliRunner().invoke(
        main, ["deliveries", "ack", delivery, *arguments, "--config", "config.yaml"], terminal_width=200
    )


def test_the_login_name_takes_it_where_nobody_is_named() -> None:
    done = ack(1)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"delivery {delivery_id(FIRST)} is taken by nora, ")


def test_those_who_were_told_hear_of_it_also_where_a_secret_is_not_at_hand() -> None:
    assert ack(1, "--by", "Ann").exit_code == 0
    store = Store.open(f"sqlite:///{Path('zennotify.db').resolve()}")
    told = {one.channel: one for one in store.reader.deliveries() if one.step == 100}
    store.close()
    assert set(told) == {"desk", "mail"}
    assert {one.title for one in told.values()} == {"no-show"}
    assert all("Taken by Ann, " in (one.message or "") for one in told.values())
    assert (told["mail"].message or "").startswith("<!DOCTYPE html>")


def test_the_second_is_told_who_was_first() -> None:
    ack(1, "--by", "Ann")
    done = ack(2, "--by", "Bob")
    assert done.exit_code == 1
    assert f"delivery {delivery_id(FIRST + 1)} was taken by Ann, " in done.stderr
    assert "nothing has changed" in done.stderr


def test_what_tells_of_zennotify_itself_cannot_be_taken() -> None:
    done = ack(3)
    assert (done.exit_code, "there is nothing to take" in done.stderr) == (1, True)


@pytest.mark.parametrize("name", ["", " ", "a\x1bb"])
def test_a_name_is_needed(name: str) -> None:
    done = ack(1, "--by", name)
    assert done.exit_code == 2
    assert "Invalid value for --by" in done.stderr
    assert "\x1b" not in done.output


def test_what_is_not_there_is_said() -> None:
    done = ack(9)
    assert (done.exit_code, "there is no delivery" in done.stderr) == (1, True)
