"""`zennotify preview` of rules that know time: what each key would do, and the message all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zennotify.cli import main

CONFIG = """
server: {public_url: "https://a.example"}
time_zone: UTC
channels:
  desk: {url: "console://desk"}
  boss: {url: "console://boss", form: sms}
"""
CENTERS = """
centers:
  c1: {name: Bellevue, time_zone: America/Los_Angeles, hours: {mon-sun: "09:00-20:00"}}
"""
#: At noon in UTC it is four in the morning in Bellevue.
EVENT = {
    "event_id": "e",
    "event_type": "Guest.Created",
    "event_timestamp": "2026-03-01T12:00:00Z",
    "data": {"id": "g1", "center_id": "c1", "personal_info": {"first_name": "Ann"}},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("rules", "templates"):
        Path(name).mkdir()
    Path("config.yaml").write_text(CONFIG)
    Path("centers.yaml").write_text(CENTERS)
    Path("event.json").write_text(json.dumps(EVENT))


def tried(keys: str, message: str = "{{ count }} {% for e in events %}{{ e.guest.name }}{% endfor %}") -> Any:
    event = "" if "absent:" in keys else "event: Guest.Created\n    "
    rule = f"rules:\n  - id: r\n    {event}notify: desk\n    message: {json.dumps(message)}\n    {keys}\n"
    other = "  - {id: other, event: Guest.Created, notify: desk, message: x}\n"
    Path("rules/r.yaml").write_text(rule + other)
    done = CliRunner().invoke(main, ["preview", "r", "event.json", "--config", "config.yaml", "--json"])
    assert done.exit_code == 0, done.output
    [found] = json.loads(done.stdout)
    shown = CliRunner().invoke(main, ["preview", "r", "event.json", "--config", "config.yaml"]).stdout
    found["verdict"] = next(line for line in shown.splitlines() if line.startswith("The message "))
    return found


GOES = "The message goes out."


@pytest.mark.parametrize(
    ("keys", "stage", "body", "verdict"),
    [
        (
            "threshold: {count: 3, within: 30d, per: guest.id}",
            [
                "threshold",
                None,
                "from the 3rd within 30d on, per guest.id; how many there have been is not asked",
            ],
            "3 Ann",
            "The message goes out, as far as threshold lets it.",
        ),
        (
            "threshold: {count: 3, within: 30d, per: data.nick}",
            ["threshold", False, "not counted: the event does not say for whom"],
            "3 Ann",
            "The message does NOT go out: threshold: not counted: the event does not say for whom.",
        ),
        (
            "suppressed_by: {rule: other, same: guest.id, within: 2h}",
            [
                "suppressed_by",
                None,
                "other would mute it where that fires for the same guest.id within 2h; whether it has is not asked",
            ],
            "1 Ann",
            "The message goes out, as far as suppressed_by lets it.",
        ),
        (
            'hours: {during: "08:00-21:00", otherwise: hold}',
            ["hours", True, "04:00 is outside 08:00-21:00: it would be held until 08:00"],
            "1 Ann",
            GOES,
        ),
        (
            'hours: {during: "02:00-21:00", otherwise: drop}',
            ["hours", True, "04:00 is within 02:00-21:00"],
            "1 Ann",
            GOES,
        ),
        (
            "hours: {during: opening-hours, otherwise: drop}",
            ["hours", False, "04:00 is outside opening-hours"],
            "1 Ann",
            "The message does NOT go out: hours: 04:00 is outside opening-hours.",
        ),
        (
            "wait: {for: 10m, unless: [Guest.Deleted, Guest.Updated], per: guest.id}",
            ["wait", None, "it would wait until 04:10 (10m), unless Guest.Deleted, Guest.Updated comes"],
            "1 Ann",
            "The message goes out, as far as wait lets it.",
        ),
        (
            "wait: {for: 15m after group.start}",
            ["wait", False, "group.start is not known"],
            "1 Ann",
            "The message does NOT go out: wait: group.start is not known.",
        ),
        (
            "digest: {every: 15m, per: center.id}",
            [
                "digest",
                None,
                "it would be gathered with others until 04:15, per center.id; the message is shown with this one"
                " alone",
            ],
            "1 Ann",
            "The message goes out, as far as digest lets it.",
        ),
        (
            'digest: {at: "03:00", per: center.id, immediate: yes}',
            [
                "digest",
                None,
                "the first goes out at once; what follows would be gathered until 2026-03-02 03:00, per center.id",
            ],
            "1 Ann",
            "The message goes out, as far as digest lets it.",
        ),
        (
            "absent: {event: Guest.Created, for: 2h, per: center.id, during: opening-hours}",
            [
                "absent",
                None,
                "it would speak once none has come for 2h of opening-hours, per center.id; the message is shown as"
                " if this were the last",
            ],
            "0",
            "The message goes out, as far as absent lets it.",
        ),
        (
            "stale_after: {age: 2h, then: digest}",
            ["stale_after", True, "not too old"],
            "1 Ann",
            GOES,
        ),
        (
            "escalate: [{after: 15m, notify: boss}, {after: 1h, notify: [desk, boss]}]",
            ["escalate", None, "until somebody takes it, it would tell boss after 15m, desk, boss after 1h"],
            "1 Ann\n\nTake it: https://a.example/ack/example" + "x" * 22,
            GOES,
        ),
    ],
)
def test_each_key_says_what_it_would_do_and_the_message_is_shown(
    keys: str, stage: list[Any], body: str, verdict: str
) -> None:
    found = tried(keys)
    stages = {one["name"]: [one["name"], one["holds"], one["says"]] for one in found["stages"]}
    assert stages[stage[0]] == stage
    [message] = [one for one in found["messages"] if one["channel"] == "desk"]
    assert message["body"] == f"{body}\n\nRef test"
    assert found["verdict"] == verdict
    assert found["goes_out"] is ("NOT" not in verdict)


def test_outside_the_hours_others_are_told() -> None:
    found = tried('hours: {during: "08:00-21:00", otherwise: boss}')
    assert [one["channel"] for one in found["messages"]][:1] == ["boss"]
    assert found["stages"][1]["says"] == "04:00 is outside 08:00-21:00: it tells boss"


def test_the_stages_stand_in_the_order_in_which_they_are_asked() -> None:
    keys = """threshold: {count: 3, within: 30d, per: guest.id}
    stale_after: 2h
    suppressed_by: {rule: other, same: guest.id, within: 2h}
    hours: {during: "08:00-21:00", otherwise: hold}
    wait: {for: 10m}
    once: {per: guest.id, for: 24h}
    digest: {every: 15m}
    escalate: [{after: 15m, notify: boss}]"""
    found = tried(keys)
    assert [stage["name"] for stage in found["stages"]] == [
        "event",
        "threshold",
        "stale_after",
        "suppressed_by",
        "wait",
        "once",
        "digest",
        "hours",
        "notify",
        "escalate",
    ]
    assert found["goes_out"]
    assert found["verdict"] == (
        "The message goes out, as far as threshold, suppressed_by, wait and digest let it."
    )
