"""`zennotify doctor` on a real store: a report, an array, and a stub of centers.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes import START
from tests.stored import add_events
from zennotify import yamlfile
from zennotify.cli import main
from zennotify.store import Store
from zennotify.store.rows import NewDecision, NewEvent
from zennotify.store.transaction import Transaction

CONFIG = 'channels: {desk: {url: "console://desk"}}'
RULES = """
rules:
  - {id: booked, event: AppointmentGroup.Created, notify: desk, message: "{{ guest.name }} {{ data.invoice_id }}"}
  - {id: off, event: Guest.Deleted, enabled: no, notify: desk, message: text}
  - {id: never, event: Guest.Deleted, notify: desk, message: text}
"""
VISIT = {"start_time": "2024-07-25T16:15:00", "start_time_in_center": "2024-07-25T09:15:00"}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    (
        "AppointmentGroup.Created",
        {"center_id": "A1-B2", "center_Name": 'Belle "vue"', "appointments": [VISIT]},
    ),
    ("AppointmentGroup.Created", {"center_id": "a1-b2", "guest": {"id": "g", "first_name": "Nora"}}),
    ("AppointmentGroup.Created", {"center_id": "12"}),
    ("Gift.Sold", {"center_id": "c-3"}),
]


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    Path("rules").mkdir()
    Path("rules/a.yaml").write_text(RULES)
    store = Store.open(f"sqlite:///{tmp_path / 'zennotify.db'}")
    add_events(store, EVENTS)
    decisions = [NewDecision(event=1, place=0, rule="booked", reason="notified", detail="")]
    store.write(Transaction.add_decisions, decisions)
    store.write(Transaction.save_facts, '{"center c-3":[[1,"e",{"name":"Redmond"}]]}', START)
    store.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments, "--config", "config.yaml"])


@pytest.mark.usefixtures("_folder")
def test_it_says_what_is_found_by_rule() -> None:
    done = run()
    assert done.exit_code == 0
    assert done.stdout == (
        "rule booked:\n"
        "  `data.invoice_id` (in `message`) was in none of the 3 AppointmentGroup.Created events\n"
        "  `guest.name` (in `message`) is null, empty or missing in 67 % of the 3 AppointmentGroup.Created events\n"
        "rule never:\n"
        "  none of the events that it listens to (Guest.Deleted) ever came\n"
        "what Zenoti sends:\n"
        "  zennotify does not know the type of the only Gift.Sold event\n"
    )
    assert done.stderr == "4 findings in 4 events\n"


@pytest.mark.usefixtures("_folder")
def test_it_prints_one_array() -> None:
    findings = json.loads(run("--json").stdout)
    assert findings[0] == {
        "kind": "never_seen",
        "rule": "booked",
        "event_type": "AppointmentGroup.Created",
        "path": "data.invoice_id",
        "count": 3,
        "of": 3,
        "says": "`data.invoice_id` (in `message`) was in none of the 3 AppointmentGroup.Created events",
    }
    assert [one["kind"] for one in findings[1:]] == ["null_rate", "never_came", "new_type"]


@pytest.mark.usefixtures("_folder")
def test_it_looks_back_as_far_as_it_is_told() -> None:
    done = run("--since", "1s")
    assert done.stderr == "2 findings in 0 events\n"
    assert (
        "rule booked:\n  none of the events that it listens to (AppointmentGroup.Created) came in the time looked at\n"
        in done.stdout
    )


@pytest.mark.usefixtures("_folder")
def test_the_stub_of_centers_can_be_pasted() -> None:
    done = run("--centers")
    assert done.stdout == (
        "centers:\n"
        "  A1-B2:  # 2 events\n"
        '    name: "Belle \\"vue\\""\n'
        "    # time_zone: America/Los_Angeles  # its clocks were at UTC-07:00 on 2024-07-25\n"
        '  "12":  # 1 event\n'
        "    # name:\n"
        "    # time_zone: America/Los_Angeles\n"
        "  c-3:  # 1 event\n"
        '    name: "Redmond"\n'
        "    # time_zone: America/Los_Angeles\n"
    )
    read = yamlfile.load(done.stdout.encode(), "centers.yaml").value
    assert read == {"centers": {"A1-B2": {"name": 'Belle "vue"'}, "12": None, "c-3": {"name": "Redmond"}}}
    assert json.loads(run("--centers", "--json").stdout)[0] == {
        "id": "A1-B2",
        "name": 'Belle "vue"',
        "events": 2,
        "utc_offset": "-07:00",
        "utc_offset_on": "2024-07-25",
    }


@pytest.mark.usefixtures("_folder")
def test_centres_that_are_listed_are_not_told() -> None:
    Path("centers.yaml").write_text("centers:\n  a1-b2: {name: Bellevue}\n  C-3: {name: Redmond}\n")
    assert run("--centers").stdout.startswith('centers:\n  "12":')
    assert run().stdout.endswith(
        "  1 event came from the centre 12, which centers.yaml does not list; see: zennotify doctor --centers\n"
    )
    Path("centers.yaml").write_text("centers:\n  a1-b2:\n  C-3:\n  '12':\n")
    assert run("--centers").stdout == "# no event named a centre that is not listed\n"


@pytest.mark.usefixtures("_folder")
def test_bad_rules_are_said_first() -> None:
    Path("rules/a.yaml").write_text("rules:\n  - {id: x}\n")
    done = run()
    assert done.exit_code == 78
    assert "`event` is missing" in done.stderr
    assert run("--centers").exit_code == 0  # wanted just where roles do not work yet


@pytest.mark.usefixtures("_folder")
def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    odd = "a\x1b[2J\x7f\x9b\u202e\nb"
    store = Store.open("sqlite:///zennotify.db")
    new = [
        NewEvent(
            id=f"f{number:031x}", event_id=f"f-{number}", type=event_type, center=None, at=None, received_at=START,
            fingerprint=f"f{number:031x}",
            body=json.dumps({"event_id": f"f-{number}", "event_type": event_type, "data": data}).encode(),
        )
        for number, (event_type, data) in enumerate([
            ("Guest.Delete\x9b", {"center_id": odd, "center_name": odd}),
            ("AppointmentGroup.Created", {"center_id": "12", "invoice_i\x9b": 1}),
        ])
    ]  # fmt: skip
    store.write(Transaction.add_events, new)
    store.close()
    Path("rules/a.yaml").write_text(
        RULES.replace("event: Guest.Deleted, notify", "event: Guest.Deletee, notify")
    )
    Path("centers.yaml").write_text("centers:\n  a1-b2:\n")
    for arguments in ((), ("--json",), ("--centers",), ("--centers", "--json")):
        done = run(*arguments)
        assert done.exit_code == 0
        assert [char for char in done.stdout if not char.isprintable() and char != "\n"] == []
    stub = yamlfile.load(run("--centers").stdout.encode(), "centers.yaml").value
    assert stub["centers"][odd] == {"name": odd}
    assert "did you mean `Guest.Delete?`?" in run().stdout
    assert "did you mean `invoice_i?`?" in run().stdout


@pytest.mark.usefixtures("_folder")
def test_a_kept_body_that_is_no_event_any_more_is_one_finding() -> None:
    usual, centers = run(), run("--centers")
    store = Store.open("sqlite:///zennotify.db")
    new = NewEvent(
        id="f" * 32, event_id="e", type="Guest.Created", center=None, at=None, received_at=START,
        fingerprint="f" * 32, body=b"{",
    )  # fmt: skip
    store.write(Transaction.add_events, [new])
    store.close()
    done = run()
    assert (done.exit_code, done.stderr) == (0, "5 findings in 4 events\n")
    assert done.stdout == usual.stdout + "  1 kept event cannot be read any more\n"
    assert (run("--centers").exit_code, run("--centers").stdout) == (0, centers.stdout)
    assert json.loads(run("--json").stdout)[-1] == {
        "kind": "unreadable", "rule": None, "event_type": None, "path": None, "count": 1, "of": 5,
        "says": "1 kept event cannot be read any more",
    }  # fmt: skip
