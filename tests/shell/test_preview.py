"""`zennotify preview` without a daemon: which event it takes, how far that comes, and what each channel would get."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.fakes import START
from tests.stored import Told, add_events
from zennotify.cli import main
from zennotify.rulefile import read_sources
from zennotify.store import Store
from zennotify.store.rows import NewDecision
from zennotify.store.transaction import Transaction

ROOT = Path(__file__).parents[2]
CONFIG = """
channels:
  desk: {url: "console://desk"}
  mail: {url: "console://mail", form: email}
  sms: {url: "console://sms", form: sms, to: "{{ guest.phone }}",
        allowed_prefixes: ["+1"], per_recipient: 5/d, per_day: 500}
  hook: {url: "json://127.0.0.1:1/hook"}
  far: {url: "twilio://${env:NOT_SET}@+12065550111", to: "{{ guest.phone }}",
        allowed_prefixes: ["+1"], per_recipient: 5/d, per_day: 500}
"""
CENTERS = """
centers:
  c1: {name: Bellevue, channels: {regional: [desk, mail]}}
  c2: {name: Chicago}
"""
RULES = """
rules:
  - id: new-guest
    description: A guest is new
    event: [Guest.Updated, Guest.Created]
    match: {guest.name: {exists: yes}}
    when: data.code != "no"
    once: {per: guest.id, for: 24h}
    notify: [desk, sms, regional]
    template: new.j2
  - {id: off, enabled: no, event: "Guest.*", notify: hook, message: "{{ guest.name }}"}
  - {id: broken, event: Guest.Created, notify: mail, template: broken.j2}
  - {id: fails, event: Guest.Created, when: data.nope > 1, notify: desk, message: text}
  - {id: far, event: Guest.Created, notify: far, message: text}
  - {id: many, event: ["Class.Booking.*", Invoice.Closed], notify: desk, message: "{{ session.name }}"}
  - {id: odd, event: Gift.Sold, notify: desk, message: text}
"""
NEW = """{% block title %}New: {{ guest.name }}{% endblock %}
{% block body %}**{{ guest.name }}** is new.{% endblock %}
{% block sms %}{{ guest.name }} is new, {% for i in range(20) %}welcome [the] guest, {% endfor %}soon.{% endblock %}
"""
BROKEN = "\n{{ data.nope.more }}"


def guest(id_: str, first: str, center: str = "c1", **data: Any) -> Told:
    person = {"first_name": first, "last_name": "Lee", "mobile_phone": {"number": "+12065550123"}}
    return "Guest.Created", {"id": id_, "code": "x", "center_id": center, "personal_info": person, **data}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = {
        "config.yaml": CONFIG,
        "centers.yaml": CENTERS,
        "rules/a.yaml": RULES,
        "templates/new.j2": NEW,
        "templates/broken.j2": BROKEN,
    }
    for name, text in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    return tmp_path


#: As the store keeps it.
HELD = "once until 2020-03-01T20:00:00+00:00"


@pytest.fixture
def stored(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'zennotify.db'}")
    told = [
        guest("g1", "Ann"),
        guest("g2", "Ben", "c2"),
        guest("g3", "Cleo", code="no"),
        ("Guest.Deleted", {}),
    ]
    add_events(store, [*told, ("Class.Booking.NoShow", {"session_id": 7, "center_id": "c1"})])
    store.write(Transaction.add_decisions, [NewDecision(2, 0, "new-guest", "held_back", HELD)])
    store.write(Transaction.save_facts, '{"session 7":[[1,"e",{"name":"Yoga"}]]}', START)
    store.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["preview", *arguments, "--config", "config.yaml"])


def seen(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    [found] = json.loads(done.stdout)
    return dict(found)


def said(found: dict[str, Any]) -> dict[str, bool | None]:
    return {stage["name"]: stage["holds"] for stage in found["stages"]}


# --- which event --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stored")
def test_without_an_event_it_takes_the_newest_that_the_rule_is_for() -> None:
    found = seen("new-guest")
    assert found["event"]["source"] == f"the newest stored event that the rule is for, {2:032x}"[:-24]
    assert found["center"] == "Chicago"
    assert found["messages"][0]["title"] == "New: Ben Lee"
    assert found["notes"] == [
        "When the event came, the rule said held_back (once until Sun 2020-03-01 12:00)."
    ]


def test_without_a_store_it_takes_the_sample_that_comes_furthest() -> None:
    done = run("new-guest", "--json")
    assert "there is no store at" in done.stderr
    [found] = json.loads(done.stdout)
    assert found["event"]["source"] == "the sample Guest.Updated"
    # A glob: none comes further than another, and the rule's order and the shortest name decide.
    assert seen("many")["event"]["source"] == "the sample Class.Booking.NoShow"
    done = run("odd")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        1,
        "zennotify: there is no stored event that the rule is for, and no sample of gift.sold; name a JSON file",
    )


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("given", [f"{1:032x}", "e-1"])
def test_an_event_is_named_by_its_id(given: str) -> None:
    assert seen("new-guest", given)["messages"][0]["title"] == "New: Ann Lee"


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("guest.created", "the sample Guest.Created"),
        ("samples/Guest.Created", "the sample Guest.Created"),
        ("Appointment.Feedback", "the sample Appointment.Feedback.v1"),
        ("Feedback Created", "the sample Appointment.Feedback.v1"),
        ("event.json", "the file event.json"),
        ("bare.json", "the file bare.json"),
    ],
)
def test_an_event_is_named_by_a_sample_or_a_file(given: str, source: str) -> None:
    kind, data = guest("g9", "Zoe")
    Path("event.json").write_text(json.dumps({"event_id": "e", "event_type": kind, "data": data}))
    Path("bare.json").write_text(json.dumps({"user_membership_id": "u", "freeze": {}}))
    assert seen("off", given)["event"]["source"] == source


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("new-gest",), 2, "there is no rule 'new-gest'; did you mean `new-guest`?"),
        (
            ("off", "Guest.Creatd"),
            1,
            "'Guest.Creatd' is no stored event, no sample and no JSON file; did you mean",
        ),
        (
            ("off", "samples/Guest.Creatd"),
            2,
            "there is no sample 'Guest.Creatd'; did you mean `Guest.Created`?",
        ),
        (("off", "000000"), 1, "'000000' is the beginning of several; give more of the event's id"),
        (("off", "none.json"), 2, "cannot read none.json: No such file or directory"),
        (("off", "text.json"), 2, "text.json is not JSON"),
        (("off", "list.json"), 2, "list.json is not an event: a JSON object is expected"),
        (("off", "odd.json"), 2, "the file odd.json cannot be used: this body is no event: missing_id"),
        (("off", "shapeless.json"), 2, "shapeless.json has no envelope, and its shape does not say"),
        (
            ("off", "Guest.Created", "--html", "none/page.html"),
            1,
            "cannot write none/page.html: No such file",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(
    arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    Path("text.json").write_text("text")
    Path("list.json").write_text("[]")
    Path("odd.json").write_text('{"event_type": "Guest.Created", "data": {}}')
    Path("shapeless.json").write_text('{"a": 1}')
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith(f"zennotify: {sentence}")


def test_an_error_in_a_rule_is_shown_with_its_place() -> None:
    Path("templates/broken.j2").write_text("{{ data.x | nope }}")
    done = run("new-guest")
    assert done.exit_code == 78
    assert done.stderr.startswith("templates/broken.j2:1:")


# --- how far it comes ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stored")
def test_it_says_how_far_an_event_comes() -> None:
    good, no, other = (f"{number:032x}" for number in (1, 3, 4))
    found = seen("new-guest", good)
    assert found["goes_out"]
    assert said(found) == {"event": True, "match": True, "when": True, "once": None, "notify": True}
    found = seen("new-guest", no)
    assert not found["goes_out"]
    assert said(found)["when"] is False
    found = seen("new-guest", other)
    assert not found["goes_out"]
    assert said(found) == {"event": False, "match": False, "when": None, "once": None, "notify": True}
    found = seen("off", good)
    assert not found["goes_out"]
    assert said(found) == {"enabled": False, "event": True, "notify": True}
    found = seen("fails", good)
    assert not found["goes_out"]
    assert found["stages"][1]["says"].startswith("fails: ")
    shown = run("new-guest", no).stdout
    assert "  ✗ when: is false\n" in shown
    assert "The message does NOT go out: when: is false.\n" in shown
    assert "│ Cleo Lee is new." in shown


@pytest.mark.usefixtures("stored")
def test_roles_lead_to_the_channels_of_the_events_centre() -> None:
    ways = [message["way"] for message in seen("new-guest", f"{1:032x}")["messages"]]
    assert ways == ["desk and regional → desk", "sms", "regional → mail", ""]
    found = seen("new-guest", f"{2:032x}")
    assert [message["channel"] for message in found["messages"]] == ["desk", "sms", None, None]
    assert "regional: no channel at this centre" in found["stages"][-1]["says"]
    assert found["messages"][1]["to"] == "+12065550123"


@pytest.mark.usefixtures("stored")
def test_names_come_from_what_is_stored_and_what_nobody_knows_is_said() -> None:
    found = seen("many")
    assert found["messages"][0]["body"] == "Yoga\n\nRef test"
    assert found["notes"] == []
    Path("config.yaml").write_text(CONFIG + 'zenoti_api: {key: "k"}\n')
    found = seen("many", "Class.Booking.Created")
    assert found["messages"][0]["body"] == "a class\n\nRef test"
    assert found["notes"] == ["Not known here, and so not named: session; the daemon would ask Zenoti's API."]


# --- the messages -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stored")
def test_the_terminal_shows_every_form() -> None:
    shown = run("new-guest", f"{1:032x}").stdout
    assert "╭─ desk and regional → desk (chat) ─" in shown
    assert "│ New: Ann Lee\n│\n│ Ann Lee is new.\n│\n│ Ref test\n" in shown
    assert "  ☎ sms, to +12065550123 (sms)\n" in shown
    assert re.search(
        r"^GSM-7, \d{3} units, 3 of 3 segments, \d+ units left\.\nThe text is cut after \d+ of 441 characters",
        shown,
        re.MULTILINE,
    )
    assert "\nCut off: " in shown
    assert "╭─ regional → mail (email) ─" in shown
    assert "json: not used by this rule\n{\n" in shown
    hook = json.loads(shown[shown.rindex("\n{\n") :])
    assert (hook["title"], hook["message"]) == ("New: Ann Lee", "Ann Lee is new.\n\nRef test")


@pytest.mark.usefixtures("stored")
def test_an_sms_says_what_makes_it_dear() -> None:
    Path("templates/new.j2").write_text(NEW.replace("range(20)", "range(2)").replace("soon", "中文"))
    assert "UCS-2 because of 中 文, " in run("new-guest", f"{1:032x}").stdout


@pytest.mark.usefixtures("stored")
def test_what_is_cut_is_shown() -> None:
    Path("templates/new.j2").write_text(NEW.replace("New:", "New" * 100))
    found = seen("new-guest", f"{1:032x}")
    [cut] = found["messages"][0]["cut"]
    assert (cut["field"], cut["kept"], cut["of"]) == ("title", 249, 308)
    assert cut["rest"].endswith("New Ann Lee")
    shown = run("new-guest", f"{1:032x}").stdout
    assert "The title is cut after 249 of 308 characters.\nCut off: " in shown


def test_a_template_that_fails_is_named_with_what_goes_out_instead() -> None:
    found = seen("broken", "Guest.Created")
    assert found["goes_out"]
    assert found["messages"][0]["problem"].startswith("broken.j2:2: ")
    shown = run("broken", "Guest.Created").stdout
    assert "This is the plain form of the message" in shown
    assert "The template failed at broken.j2:2: " in shown


def test_a_missing_secret_is_no_obstacle() -> None:
    found = seen("far", "Guest.Created")
    # Its form is told by what stands before the secret.
    assert [message["form"] for message in found["messages"]] == ["sms", "chat", "email", "json"]
    assert [message["channel"] for message in found["messages"]] == ["far", None, None, None]
    assert "`to` gives no address for this event" in found["stages"][-1]["says"]
    kind, data = guest("g9", "Zoe")
    Path("event.json").write_text(json.dumps({"event_id": "e", "event_type": kind, "data": data}))
    found = seen("far", "event.json")
    assert (found["messages"][0]["form"], found["messages"][0]["to"]) == ("sms", "+12065550123")
    [note] = found["notes"]
    assert note.startswith(
        "Channel far cannot be opened here (the environment variable NOT_SET is not set): "
    )


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (None, "`to` gives no address for this event"),
        ("+442071838750", "the number begins with none of `allowed_prefixes`"),
        ("12", "the phone number has no country code, and its centre no `country` in centers.yaml"),
    ],
)
def test_where_nobody_is_told_the_message_is_shown_with_the_reason(number: str | None, why: str) -> None:
    kind, data = guest("g9", "Zoe", personal_info={"first_name": "Zoe", "mobile_phone": {"number": number}})
    Path("event.json").write_text(json.dumps({"event_id": "e", "event_type": kind, "data": data}))
    found = seen("new-guest", "event.json")
    [sms] = [message for message in found["messages"] if message["form"] == "sms"]
    assert (sms["channel"], sms["way"], sms["to"], sms["refused"]) == ("sms", "sms", "", why)
    assert sms["body"].startswith("Zoe is new, ")
    assert found["goes_out"]
    assert found["stages"][-1]["says"] == f"desk and regional → desk; regional → mail; sms: {why}"
    assert [message["channel"] for message in found["messages"]] == ["desk", "sms", "mail", None]
    shown = run("new-guest", "event.json").stdout
    assert f"  ☎ sms: nobody is told: {why} (sms)\n" in shown
    assert "sms: not used by this rule" not in shown


def test_one_that_nobody_is_told_of_does_not_go_out() -> None:
    Path("rules/a.yaml").write_text(RULES.replace("notify: [desk, sms, regional]", "notify: sms"))
    kind, data = guest("g9", "Zoe", personal_info={"first_name": "Zoe"})
    Path("event.json").write_text(json.dumps({"event_id": "e", "event_type": kind, "data": data}))
    found = seen("new-guest", "event.json")
    assert (found["goes_out"], found["stages"][-1]["holds"]) == (False, False)
    assert found["messages"][0]["refused"] == "`to` gives no address for this event"


@pytest.mark.parametrize(
    ("written", "said"),
    [("24h", "24h"), ("1d", "24h"), ("30d", "30d"), ("90s", "90s"), ("15m", "15m"), ("60m", "1h")],
)
def test_once_says_its_period(written: str, said: str) -> None:
    Path("rules/a.yaml").write_text(RULES.replace("for: 24h", f"for: {written}"))
    [once] = [stage for stage in seen("new-guest")["stages"] if stage["name"] == "once"]
    assert once["says"] == f"at most one message per guest.id in {said}; what came before is not asked"


def test_nothing_that_an_event_holds_steers_the_terminal() -> None:
    kind, data = guest("g9", "\x1b[2JZoe\x9b\u202e", code="x")
    Path("event.json").write_text(json.dumps({"event_id": "e", "event_type": f"{kind}\x1b[1m", "data": data}))
    shown = run("off", "event.json").stdout
    assert "Zoe" in shown
    assert not set(shown) & set("\x1b\x9b\u202e")


@pytest.mark.usefixtures("stored")
def test_the_store_is_only_read() -> None:
    before = Path("zennotify.db").read_bytes()
    assert run("new-guest").exit_code == 0
    assert Path("zennotify.db").read_bytes() == before
    assert not Path("zennotify.db.lock").read_bytes()


SHIPPED = read_sources(ROOT / "rules", ROOT / "templates", ROOT / "centers.yaml")
IDS = re.findall(r"^  - id: (\S+)", "\n".join(SHIPPED.rules.values()), re.MULTILINE)


@pytest.mark.parametrize("rule", IDS)
def test_every_shipped_rule_can_be_previewed_without_a_store(rule: str, folder: Path) -> None:
    config = (ROOT / "config.example.yaml").read_text()
    for name in ("rules", "templates", "centers.yaml"):
        config = re.sub(rf"^(\w+): {re.escape(name)}\b", rf"\1: {ROOT / name}", config, flags=re.MULTILINE)
    (folder / "config.yaml").write_text(config)
    found = seen(rule)
    assert found["event"]["source"].startswith("the sample ")
    assert {message["form"] for message in found["messages"]} == {"chat", "email", "sms", "json"}
    assert [message["problem"] for message in found["messages"] if message["channel"] is not None] == [
        ""
    ] * len([message for message in found["messages"] if message["channel"] is not None])
