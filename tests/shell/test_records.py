"""`zennotify events` and `deliveries` on a real store: what they say of what waits, fell back, or is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes import START
from tests.stored import add_events
from zennotify.cli import main
from zennotify.clock import SystemClock
from zennotify.core.pause import Cause, Pause
from zennotify.store import Store
from zennotify.store.rows import NewDecision, NewDelivery
from zennotify.store.transaction import Transaction

CONFIG = """
time_zone: UTC
channels:
  desk: {url: "console://desk", rate: [30/m, 100/h]}
  mail: {url: "console://mail"}
  sms: {url: "console://sms", fallback: {channel: mail, after: 15m, tries: 3}}
  pager: {url: "console://pager", fallback: mail}
"""
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    made = Store.open(f"sqlite:///{tmp_path / 'zennotify.db'}")
    add_events(made, [("Invoice.Closed", {}), ("Invoice.Closed", {})])
    made.write(
        Transaction.add_decisions,
        [
            NewDecision(number, place, rule, "notified", "")
            for number in (1, 2)
            for place, rule in enumerate(("r", "s"))
        ],
    )
    yield made
    made.close()


def owe(store: Store, channel: str, due: datetime = START, event: int | None = 1, rule: str = "r") -> str:
    one = NewDelivery(
        event=event, window=None if event else "w", rule=rule, channel=channel, rule_set="h", created=START, due=due
    )  # fmt: skip
    store.write(Transaction.add_deliveries, [one])
    return store.reader.deliveries(channel=channel, most=1)[0].id


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", "config.yaml"])


def shown(delivery: str) -> str:
    return run("deliveries", "show", delivery).stdout


def shown_json(delivery: str) -> dict[str, Any]:
    [one] = json.loads(run("deliveries", "show", delivery, "--json").stdout)
    return dict(one)


# --- what waits ---------------------------------------------------------------------------------------------


def test_what_is_over_the_rate_waits_for_its_turn(store: Store) -> None:
    due = owe(store, "desk")
    assert "  pending, waits for its turn (rate 30/m, 100/h)\n" in shown(due)
    assert run("deliveries").stdout == shown(due).splitlines(keepends=True)[0]
    assert "waits for its turn" in run("events", "show", "e-1").stdout


def test_it_is_not_said_of_what_waits_for_something_else(store: Store) -> None:
    later = owe(store, "desk", SystemClock().now() + HOUR)
    unlimited = owe(store, "mail")
    assert "turn" not in shown(later) + shown(unlimited)
    pause = Pause(cause=Cause.LIMITED, since=START, until=START + HOUR, probes=1, detail="HTTP 429")
    store.write(Transaction.channel_states, ["desk"])
    store.write(Transaction.save_pause, "desk", pause)
    due = owe(store, "desk", event=2)
    assert "channel paused (limited)" in shown(due)
    assert "turn" not in shown(due)


def test_it_is_said_when_a_message_falls_back(store: Store) -> None:
    later = SystemClock().now().replace(microsecond=0) + HOUR
    waits = owe(store, "sms", later)
    moment = later + timedelta(minutes=15)
    said = f"  goes to mail at {moment:%Y-%m-%d %H:%M:%S} or after 3 tries, if it is not sent before\n"
    assert said in shown(waits)
    assert shown_json(waits)["falls_back_at"] == f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    assert "  goes to mail now, if it cannot be sent\n" in shown(owe(store, "sms", event=2))
    # What is told to the owners never falls back, and without a fallback there is nothing to say.
    assert "goes to" not in shown(owe(store, "sms", later, event=None))
    assert "goes to" not in shown(owe(store, "mail", later))
    assert shown_json(owe(store, "mail", later, rule="s"))["falls_back_at"] is None


# --- what fell back -----------------------------------------------------------------------------------------


def fall_back(store: Store, channel: str) -> None:
    store.write(Transaction.fall_back_overdue, channel, "mail", START, START + HOUR, 10)


def test_one_that_fell_back_names_what_tells_it_instead(store: Store) -> None:
    owe(store, "pager", event=2, rule="s")
    late = owe(store, "pager")
    fall_back(store, "pager")
    [instead] = [one for one in store.reader.deliveries(channel="mail") if one.instead_of == late]
    assert "  cancelled (fallback)\n" in shown(late)
    assert f"  told instead by delivery {instead.id[:8]} to mail: pending\n" in shown(late)
    assert (shown_json(late)["told_by"], shown_json(late)["falls_back_at"]) == (instead.id, None)
    assert (shown_json(instead.id)["told_by"], shown_json(instead.id)["instead_of"]) == (None, late)


def test_where_the_rule_tells_the_fallback_anyway_that_one_is_named(store: Store) -> None:
    late, own = owe(store, "pager"), owe(store, "mail")
    owe(store, "mail", rule="s")
    fall_back(store, "pager")
    assert shown_json(late)["told_by"] == own
    store.write(Transaction.cancel, own)  # now nobody is told
    assert shown_json(late)["told_by"] is None


# --- what is not there --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("deliveries", "--reason", "nope"), "no deliveries match"),
        (("deliveries", "--channel", "desk"), "no deliveries match"),
        (
            ("deliveries", "--channel", "dsk"),
            "there is no channel `dsk`; did you mean `desk`?; there are: desk, mail, sms, pager",
        ),
        (("deliveries", "--channel", "nope"), "there is no channel `nope`; there are: desk, mail, sms, pager"),
        (("events", "--type", "Nope"), "no events match"),
        (("events", "--quarantine"), "no bodies match"),
    ],
)  # fmt: skip
def test_nothing_is_said_in_a_sentence(command: tuple[str, ...], sentence: str) -> None:
    done = run(*command)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"zennotify: {sentence}\n")
    done = run(*command, "--json")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "[]\n", f"zennotify: {sentence}\n")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("reason", ["not_matched", "when_false"])
def test_a_reason_that_is_never_stored_cannot_be_asked_for(reason: str) -> None:
    done = run("events", "--reason", reason)
    assert done.exit_code == 2
    assert f"'{reason}' is not one of 'notified', " in done.stderr


def test_a_channel_that_is_no_more_is_still_listed(store: Store) -> None:
    owe(store, "gone")
    done = run("deliveries", "--channel", "gone")
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
