"""`zennotify forget` and what rules remember of a guest: digests, late messages, classes, and what is missed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from tests.fakes import START
from tests.turning import Decided
from zennotify.cli import main
from zennotify.core.absent import Absent
from zennotify.core.digest import Digest, late_key
from zennotify.core.path import parse_path
from zennotify.core.rule import Rule
from zennotify.core.window import Window, WindowKey
from zennotify.store import Store
from zennotify.store.rows import NewDelivery
from zennotify.store.schema import deliveries
from zennotify.store.transaction import Transaction
from zennotify.store.views import DeliveryView

HOUR = timedelta(hours=1)
NORA = "d08327d8-f928-4c37-8be3-87b93c90ac56"
MIA = "5dbd3f94-9961-41eb-a7b0-480a8c49db4f"
#: Of every guest; of one guest alone.
GATHERS = Rule(id="gathers", events=("guest.*",), notify=("desk",), digest=Digest(every=HOUR))
PER_GUEST = Rule(
    id="per-guest",
    events=("guest.*", "appointmentgroup.*"),
    notify=("desk",),
    digest=Digest(every=HOUR, per=(parse_path("guest.id"),)),
)
MISSES = Rule(
    id="misses",
    events=("class.booking.*",),
    notify=("desk",),
    absent=Absent(period=2 * HOUR, per=(parse_path("center.id"),)),
)
OF_CLASS = Rule(id="of-class", events=("class.*",), notify=("desk",))


def known(guest: str, name: str) -> dict[str, Any]:
    return {
        "id": guest,
        "center_id": "c-1",
        "personal_info": {
            "first_name": name,
            "email": f"{name}@example.com",
            "mobile_phone": {"phone_code": 1, "number": "2065550188" if guest == NORA else "2065550199"},
        },
    }


def booking(guest: str, session: int = 7) -> dict[str, Any]:
    return {"center_id": "c-1", "session_id": session, "guest_id": guest}


@dataclass
class Salon:
    """A store that is opened for each step, as a command and a daemon take turns."""

    folder: Path
    rules: Sequence[Rule]
    ids: list[str] = field(default_factory=list)

    def open(self) -> Store:
        return Store.open(f"sqlite:///{self.folder / 'zennotify.db'}")

    def come(self, *told: tuple[str, dict[str, Any]]) -> None:
        store = self.open()
        decided = Decided(store, *self.rules)
        for number, (event_type, data) in enumerate(told):
            after = timedelta(seconds=number)
            self.ids.append(decided.come(event_type, data, after=after, center=data.get("center_id")))
        store.close()

    def fire(self, after: timedelta) -> None:
        store = self.open()
        Decided(store, *self.rules).fire(after)
        store.close()

    def write(self, work: Any, *arguments: Any) -> Any:
        store = self.open()
        made = store.write(work, *arguments)
        store.close()
        return made

    def say(self, text: str, state: str = "delivered") -> None:
        """Let all messages have this text."""
        written = {"message": text, "title": "T", "state": state, "attempts": 1}
        self.write(
            lambda transaction: transaction._connection.execute(update(deliveries).values(written)) and None
        )

    def owed(self) -> list[DeliveryView]:
        store = self.open()
        found = store.reader.deliveries()
        store.close()
        return found

    def windows(self) -> list[WindowKey]:
        store = self.open()
        found = [window for page in store.reader.all_windows() for window in page]
        store.close()
        return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text('channels: {desk: {url: "console://desk"}}')
    return tmp_path


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", "config.yaml"], input=answer)


def forget(guest: str) -> dict[str, int]:
    """Return what went, beside what was known of the guest."""
    said = json.loads(run("forget", guest, "--yes", "--json").stdout)
    return {row["kind"]: row["count"] for row in said if row["count"] and row["kind"] != "facts"}


def test_it_says_of_digests_what_goes_and_what_went(folder: Path) -> None:
    salon = Salon(folder, [GATHERS, PER_GUEST])
    salon.come(("Guest.Created", known(NORA, "Nora")), ("Guest.Created", known(MIA, "Mia")))
    salon.fire(2 * HOUR)
    salon.say("Nora and Mia", "pending")
    done = run("forget", NORA, answer="y\n")
    # The digest of the guest alone goes, that of several is written anew.
    assert done.stderr.startswith(
        "1 event with all that came of them; 1 message that wait will not be sent\n"
        "the texts of what was made of 0 other events and of 1 digest\n"
    )
    assert done.stdout.startswith(
        "erased:\n1 event with 1 message, 1 of which waited and will not be sent\nthe texts of 1 other message\n"
    )
    owed = {one.rule: (one.counted, one.message) for one in salon.owed()}
    assert owed == {"gathers": (1, None), "per-guest": (1, "Nora and Mia")}
    shown = run("deliveries", "show", next(one.id for one in salon.owed() if one.rule == "gathers")).stdout
    assert "  1 event:\n" in shown
    assert "not kept" not in shown
    assert forget(NORA) == {}


def test_a_digest_of_the_guest_alone_never_goes_out(folder: Path) -> None:
    salon = Salon(folder, [PER_GUEST])
    group = {"appointment_group_id": "g-1", "center_id": "c-1"}
    salon.come(
        ("Guest.Created", known(NORA, "Nora")),
        ("AppointmentGroup.Created", {**group, "guest": {"id": NORA}}),
        ("AppointmentGroup.Status", group),
    )
    assert forget(NORA) == {"events": 2, "windows": 1}
    salon.fire(HOUR)
    assert (salon.owed(), salon.windows()) == ([], [])
    shown = run("events", "show", salon.ids[2]).stdout
    assert "  per-guest: withdrawn (the guest was forgotten)\n" in shown


def test_a_message_that_lists_a_class_loses_its_text_and_others_keep_theirs(folder: Path) -> None:
    salon = Salon(folder, [OF_CLASS])
    salon.come(
        ("Guest.Created", known(NORA, "Nora")),
        ("Class.Booking.Created", booking(NORA)),
        ("Class.Booking.Created", booking(MIA)),
        ("Class.Schedule.Cancelled", {"center_id": "c-1", "sesion_id": 7}),
        ("Class.Schedule.Cancelled", {"center_id": "c-1", "sesion_id": 8}),
    )
    salon.say("Cancelled, with NORA, Mia")
    assert forget(NORA) == {"events": 2, "messages": 1, "texts": 2}
    assert [one.message for one in salon.owed()] == ["Cancelled, with NORA, Mia", None, None]


def test_a_message_of_a_class_that_does_not_name_the_guest_stays(folder: Path) -> None:
    salon = Salon(folder, [OF_CLASS])
    salon.come(("Class.Booking.Created", booking(NORA)), ("Class.Booking.Created", booking(MIA)))
    salon.say("Mia")
    assert forget(NORA) == {"events": 1, "messages": 1}
    assert [one.message for one in salon.owed()] == ["Mia"]


def test_a_digest_that_quotes_the_guest_loses_its_text(folder: Path) -> None:
    salon = Salon(folder, [GATHERS])
    salon.come(("Guest.Created", known(MIA, "Mia")), ("Class.Booking.Created", booking(NORA)))
    salon.fire(HOUR)
    salon.say(f"Mia came with {NORA.upper()}")
    assert forget(NORA) == {"events": 1, "texts": 1}
    assert [one.message for one in salon.owed()] == [None]


@pytest.mark.parametrize("key", ["sms +12065550188", "mail nora@example.com"])
def test_what_waits_late_for_the_guest_goes(folder: Path, key: str) -> None:
    salon = Salon(folder, [OF_CLASS])
    salon.come(("Guest.Created", known(NORA, "Nora")), ("Class.Booking.Created", booking(NORA)))
    to_her = NewDelivery(2, "r", "sms", "h", START, START, recipient="+12065550188")
    salon.write(Transaction.add_deliveries, [to_her])
    late = late_key("r", *key.split(" "))
    other = late_key("r", "sms", "+12065550199")
    windows = {name: Window(until=START, due=START, number=5) for name in (late, other)}
    salon.write(Transaction.save_windows, windows)
    assert forget(NORA)["windows"] == 1
    assert salon.windows() == [other]


def test_the_last_event_before_something_is_missed_is_emptied(folder: Path) -> None:
    salon = Salon(folder, [MISSES])
    salon.come(("Guest.Created", known(NORA, "Nora")), ("Class.Booking.Created", booking(NORA)))
    assert forget(NORA) == {"events": 2}
    [left] = json.loads(run("events", "list", "--json").stdout)
    assert (left["id"], left["type"]) == (salon.ids[1], "Class.Booking.Created")
    shown = run("events", "show", left["id"]).stdout
    assert json.loads(shown[shown.index("{") :]) == {
        "event_id": "event 2",
        "event_type": "Class.Booking.Created",
        "event_timestamp": (START + timedelta(seconds=1)).isoformat(),
        "data": {"center_id": "c-1"},
    }
    assert forget(NORA) == {}
    salon.fire(3 * HOUR)
    assert [(one.rule, one.event) for one in salon.owed()] == [("misses", left["id"])]


def test_of_an_absence_of_the_guests_own_nothing_is_left(folder: Path) -> None:
    salon = Salon(folder, [replace(MISSES, absent=Absent(period=2 * HOUR, per=(parse_path("guest.id"),)))])
    salon.come(("Class.Booking.Created", booking(NORA)))
    assert forget(NORA) == {"events": 1, "windows": 1}
    assert json.loads(run("events", "list", "--json").stdout) == []
