"""`zennotify forget` and `--guest` on a real store, and what they say."""

from __future__ import annotations

import asyncio
import json
import re
import resource
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes import START
from tests.stored import add_events
from zennotify.cli import main
from zennotify.config import Address
from zennotify.core.window import Window, WindowKey
from zennotify.errors import ControlError
from zennotify.store import Store, open_reader
from zennotify.store.rows import NewDelivery, Quarantined
from zennotify.store.silencing import KeptSilence
from zennotify.store.transaction import Transaction
from zennotify.web.control_server import ControlServer

EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("Guest.Created", {"id": "NORA", "center_id": "c-1"}),
    ("AppointmentGroup.Created", {"appointment_group_id": "g-1", "guest": {"id": "nora"}}),
    ("AppointmentGroup.Status", {"appointment_group_id": "g-1"}),
    ("Guest.Created", {"id": "nora-2", "center_id": "c-1"}),
]
FACTS = {
    "guest nora": '[[1,"e",{"name":"Nora"}]]',
    "group g-1": '[[1,"e",{"guest":"nora"}]]',
    "group g-2": '[[1,"e",{"guest":"nora-2"}]]',
    "center c-1": '[[1,"e",{"name":"Bellevue"}]]',
}
NOTHING = "nothing is known of a guest with this id: there is nothing to erase\n"


def add_decided(store: Store, told: list[tuple[str, dict[str, Any]]]) -> None:
    add_events(store, told)
    store.write(Transaction.finish_events, [(number, None) for number in range(1, len(told) + 1)], None)


def fill(store: Store) -> None:
    add_decided(store, EVENTS)
    store.write(
        Transaction.save_facts, json.dumps({key: json.loads(kept) for key, kept in FACTS.items()}), START
    )
    owed = [
        NewDelivery(
            event=number, rule="r", channel="desk", rule_set="h", created=START, due=START, title="T", message="Nora-3"
        )
        for number in range(1, 5)
    ]  # fmt: skip
    store.write(Transaction.add_deliveries, owed)
    store.write(
        Transaction.add_quarantine, [Quarantined(received_at=START, reason="bad_json", body=b'{"id": "nora"')]
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text('channels: {desk: {url: "console://desk"}}')
    store = Store.open(f"sqlite:///{tmp_path / 'zennotify.db'}")
    fill(store)
    store.close()
    return tmp_path


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", "config.yaml"], input=answer)


def types(*arguments: str) -> list[str]:
    return [one["type"] for one in json.loads(run("events", "list", *arguments, "--json").stdout)]


@pytest.mark.usefixtures("folder")
def test_it_asks_first_and_says_what_goes() -> None:
    done = run("forget", "Nora", answer="n\n")
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "2 events with all that came of them; 2 messages that wait will not be sent\n"
        "the texts of what was made of 1 other event\n"
        "2 facts, 0 windows, 1 quarantined body\n"
        "Erase this guest? [y/N]: "
    )
    assert len(types()) == 4


@pytest.mark.usefixtures("folder")
def test_it_says_what_went() -> None:
    done = run("forget", "Nora", answer="y\n")
    assert done.exit_code == 0
    assert done.stdout == (
        "erased:\n"
        "2 events with 2 messages, 2 of which waited and will not be sent\n"
        "the texts of 1 other message\n"
        "2 facts, 0 windows, 1 quarantined body\n"
    )
    assert "out of reach" in done.stderr
    assert types() == ["Guest.Created", "AppointmentGroup.Status"]
    assert run("forget", "Nora", "--yes").stderr == NOTHING


@pytest.mark.usefixtures("folder")
def test_it_prints_one_array() -> None:
    said = json.loads(run("forget", "NORA", "--yes", "--json").stdout)
    assert {row["kind"]: row["count"] for row in said} == {
        "events": 2,
        "messages": 2,
        "cancelled": 2,
        "texts": 1,
        "facts": 2,
        "windows": 0,
        "quarantine": 1,
        "silences": 0,
        "left": 0,
    }


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "nobody", ["no-such-guest", "c-1", "g-1", "Nora Pilcrow", "7", "nor", "Guest.Created"]
)
def test_what_is_no_guests_id_erases_nothing(nobody: str) -> None:
    done = run("forget", nobody, "--yes")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", NOTHING)
    assert len(types()) == 4


@pytest.mark.usefixtures("folder")
def test_what_is_no_id_is_wrong_usage() -> None:
    done = run("forget", " ", "--yes")
    assert done.exit_code == 2
    assert "an id of a guest is a text" in done.stderr


@pytest.mark.usefixtures("folder")
def test_a_guest_that_only_an_event_knows_is_found_with_the_bookings() -> None:
    store = Store.open("sqlite:///zennotify.db")
    store.write(Transaction.rewrite_facts, dict.fromkeys(FACTS))
    store.close()
    done = run("forget", "nora", "--yes")
    assert "2 events with 2 messages" in done.stdout
    assert "the texts of 1 other message" in done.stdout


def booked(group: str, guest: str) -> dict[str, Any]:
    return {"appointment_group_id": group, "invoice_id": "i", "guest": {"id": guest}}


def test_another_guest_keeps_what_an_invoice_shares(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'together.db'}")
    Path("config.yaml").write_text(
        'store: {url: "sqlite:///together.db"}\nchannels: {desk: {url: "console://desk"}}'
    )
    told = [
        ("AppointmentGroup.Created", booked("g-1", "ann")),
        ("AppointmentGroup.Created", booked("g-2", "bob")),
        ("AppointmentGroup.Status", {"appointment_group_id": "g-2", "invoice_id": "i"}),
    ]
    add_decided(store, told)
    facts = {
        "group g-1": '[[1,"e",{"guest":"ann","invoice":"i"}]]',
        "group g-2": '[[1,"e",{"guest":"bob","invoice":"i"}]]',
        "invoice i": '[[1,"e",{"group":"g-2"}]]',
    }
    store.write(
        Transaction.save_facts, json.dumps({key: json.loads(kept) for key, kept in facts.items()}), START
    )
    owed = [
        NewDelivery(
            event=3, rule="r", channel=channel, rule_set="h", created=START, due=START, recipient=recipient,
            title="T", message="Bob is there",
        )
        for channel, recipient in (("desk", ""), ("guest-mail", "bob@example.com"))
    ]  # fmt: skip
    store.write(Transaction.add_deliveries, owed)
    store.close()
    assert run("forget", "ann", "--yes").exit_code == 0
    assert types() == ["AppointmentGroup.Status", "AppointmentGroup.Created"]
    reader = open_reader("sqlite:///together.db")
    assert [one.message for one in reader.deliveries()] == ["Bob is there"] * 2
    assert {key for page in reader.all_facts() for key, _ in page} == {"group g-2", "invoice i"}
    reader.close()


#: An id, and a window of the guest's.
SHORT = [("test", "test"), ("12", "+1 2065550188")]


@pytest.mark.parametrize(("guest", "key"), SHORT)
def test_an_id_that_may_be_a_word_or_a_number_erases_nothing_of_others(
    folder: Path, guest: str, key: str
) -> None:
    store = Store.open(f"sqlite:///{folder / 'short.db'}")
    Path("config.yaml").write_text(
        'store: {url: "sqlite:///short.db"}\nchannels: {desk: {url: "console://desk"}}'
    )
    told: list[tuple[str, dict[str, Any]]] = [
        ("Guest.Created", {"id": guest, "personal_info": {"mobile_phone": {"phone_code": 1, "number": "2065550188"}}}),
        ("Guest.Created", {"id": "mia", "personal_info": {"first_name": "Abc test"}}),
    ]  # fmt: skip
    add_decided(store, told)
    owed = NewDelivery(
        event=2, rule="r", channel="desk", rule_set="h", created=START, due=START, title="T", message="test: 12 places"
    )  # fmt: skip
    store.write(Transaction.add_deliveries, [owed])
    kept = WindowKey("r", "once", '[["12"],["a test"]]')
    windows = {kept: Window(until=START), WindowKey("r", "once", f'[["{key}"]]'): Window(until=START)}
    store.write(Transaction.save_windows, windows)
    store.close()
    said = json.loads(run("forget", guest, "--yes", "--json").stdout)
    assert {row["kind"]: row["count"] for row in said if row["count"]} == {"events": 1, "windows": 1}
    reader = open_reader("sqlite:///short.db")
    assert [one.message for one in reader.deliveries()] == ["test: 12 places"]
    assert list(reader.all_windows()) == [[kept]]
    reader.close()


def grow(store: Path) -> None:
    """Leave a megabyte of free pages, and one in use."""
    opened = Store.open(f"sqlite:///{store}")
    bodies = [Quarantined(received_at=START, reason="bad_json", body=b"x" * 1_000_000) for _ in range(2)]
    opened.write(Transaction.add_quarantine, bodies)
    opened.write(Transaction.erase_quarantine, [2])
    opened.empty_log()
    opened.close()


@pytest.mark.parametrize("guest", ["nora", "nobody"])
def test_without_a_daemon_the_file_is_rewritten(
    folder: Path, guest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(folder / "zennotify.db")
    assert (folder / "zennotify.db").stat().st_size > 2_000_000
    monkeypatch.setattr("zennotify.cli.forget._LARGE", 2_000_000)
    done = run("forget", guest, "--yes")
    assert done.exit_code == 0
    assert "rewriting the store's file (2 MB)\n" in done.stderr
    assert (folder / "zennotify.db").stat().st_size < 1_500_000


def test_a_file_that_cannot_be_rewritten_is_said(folder: Path) -> None:
    grow(folder / "zennotify.db")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, usual[1]))  # as if the disk were full
    try:
        done = run("forget", "nobody", "--yes")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert done.exit_code == 1
    assert "zennotify: the store cannot be rewritten now (SQLITE_" in done.stderr
    assert re.search(r"make free space of 4\.\d MB, and run the command again\n", done.stderr)
    assert run("forget", "nobody", "--yes").exit_code == 0


ANSWERS: list[tuple[dict[str, int], bool, int, str]] = [
    ({"events": 1}, True, 0, ""),
    ({"events": 1, "left": 1}, True, 1, "events just being decided or sent stayed: run the command again"),
    ({"events": 1}, False, 1, "old copies stay in its log for now: run the command again"),
]


@pytest.mark.parametrize(("answer", "is_empty", "code", "said"), ANSWERS)
async def test_a_running_daemon_erases_in_parts(
    folder: Path, answer: dict[str, int], is_empty: bool, code: int, said: str
) -> None:
    asked: list[dict[str, Any]] = []
    finished: list[dict[str, Any]] = []

    async def forget(arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments)
        return answer

    async def finish(arguments: dict[str, Any]) -> dict[str, Any]:
        finished.append(arguments)
        return {"is_empty": is_empty}

    server = ControlServer({"forget": forget, "forget/finish": finish})
    await server.start(Address(path=folder / "zennotify.sock"))
    try:
        done = await asyncio.to_thread(run, "forget", "nora", "--yes")
    finally:
        await server.stop()
    assert done.exit_code == code
    assert said in done.stderr
    assert f"with the daemon stopped, or then: sqlite3 '{folder / 'zennotify.db'}' VACUUM\n" in done.stderr
    parts = len(asked) - 1  # the first one asks whether there is a daemon
    assert finished[0] == {"erased": parts * answer["events"], "left": parts * answer.get("left", 0)}
    facts = [part["facts"] for part in asked if part.get("facts")]
    # What leads to the rest goes only when nothing of that is left.
    assert facts == ([["guest nora"], ["group g-1"]] if "left" not in answer else [["guest nora"]])
    assert [len(part["events"]) for part in asked if part.get("events")] == [2]
    assert len(types()) == 4  # this daemon erased nothing, and neither did the command


async def test_where_nothing_is_left_the_log_is_emptied_all_the_same(folder: Path) -> None:
    asked: list[str] = []

    async def forget(_arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append("forget")
        return {}

    async def finish(_arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append("finish")
        return {"is_empty": len(asked) > 2}

    server = ControlServer({"forget": forget, "forget/finish": finish})
    await server.start(Address(path=folder / "zennotify.sock"))
    try:
        done = await asyncio.to_thread(run, "forget", "nobody", "--yes")
    finally:
        await server.stop()
    assert (done.exit_code, done.stderr) == (0, NOTHING)
    assert asked == ["forget", "finish", "finish"]


async def test_a_daemon_that_says_no_is_quoted(folder: Path) -> None:
    async def refuse(_arguments: dict[str, Any]) -> dict[str, Any]:
        raise ControlError("the store cannot be used now")

    server = ControlServer({"forget": refuse})
    await server.start(Address(path=folder / "zennotify.sock"))
    try:
        done = await asyncio.to_thread(run, "forget", "nora", "--yes")
    finally:
        await server.stop()
    assert (done.exit_code, done.stderr) == (1, "zennotify: the store cannot be used now\n")


@pytest.mark.usefixtures("folder")
def test_lists_show_what_names_a_guest() -> None:
    assert types("--guest", "nora") == ["AppointmentGroup.Created", "Guest.Created"]
    assert types("--guest", "NORA", "--limit", "1") == ["AppointmentGroup.Created"]
    assert types("--guest", "NORA", "--type", "Guest.*") == ["Guest.Created"]
    owed = json.loads(run("deliveries", "list", "--guest", "nora", "--json").stdout)
    assert [one["event"] for one in owed] == [f"{number:032x}" for number in (2, 1)]
    assert run("events", "list", "--guest", " ").exit_code == 2
    assert run("events", "--quarantine", "--guest", "nora").exit_code == 2


def muted(id_: str, **match: Any) -> KeptSilence:
    return KeptSilence(id=id_, rule="r", match=match, since=START, until=START, why="", by="")


def test_silences_about_the_guest_go_and_others_stay(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'zennotify.db'}")
    for one in (muted("a", **{"guest.id": "Nora"}), muted("b", **{"guest.id": "nora-2"}), muted("c")):
        store.write(Transaction.add_silence, one)
    store.close()
    done = run("forget", "nora", answer="y\n")
    assert "2 facts, 0 windows, 1 quarantined body, 1 silence\nErase this guest?" in done.stderr
    assert done.stdout.endswith("2 facts, 0 windows, 1 quarantined body, 1 silence\n")
    reader = open_reader("sqlite:///zennotify.db")
    assert [one.id for one in reader.silences()] == ["b", "c"]
    reader.close()


def test_a_guest_whom_only_a_silence_names_is_forgotten(folder: Path) -> None:
    guest = "d08327d8-f928-4c37-8be3-1b2c3d4e5f60"
    store = Store.open(f"sqlite:///{folder / 'zennotify.db'}")
    store.write(Transaction.add_silence, muted("a", **{"guest.id": guest}))
    store.close()
    said = json.loads(run("forget", guest, "--yes", "--json").stdout)
    assert {row["kind"]: row["count"] for row in said if row["count"]} == {"silences": 1}
    assert run("forget", guest, "--yes").stderr == NOTHING
