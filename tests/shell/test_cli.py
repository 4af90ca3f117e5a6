"""The commands that need no daemon: check, and what the others say when there is nothing to work on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zennotify.cli import main

RULES = "rules:\n  - {id: r1, event: Invoice.Closed, notify: desk, message: text}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.yaml").write_text(RULES)
    return tmp_path


def run(config: str, *arguments: str) -> Result:
    Path("config.yaml").write_text(config)
    return CliRunner().invoke(main, [*arguments, "--config", "config.yaml"])


@pytest.mark.usefixtures("folder")
def test_check_counts_what_is_good() -> None:
    done = run('channels: {desk: {url: "console://desk"}}', "check")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "good: 1 rule, 1 channel, 0 warnings\n", "")


CHANNELS = [
    ("slakc://a/b/c", "zennotify does not send through slakc://; did you mean slack://?"),
    ("json://169.254.169.254/", "link-local"),
    ("json://{{ data.host }}/", "{{"),
    ("mailto://u:secret-word@example.com", "no recipient"),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("url", "said"), CHANNELS, ids=[url.split(":")[0] for url, _ in CHANNELS])
def test_check_names_a_channel_that_cannot_be_used_and_never_its_url(url: str, said: str) -> None:
    done = run(f'channels:\n  desk:\n    url: "{url}"\n', "check")
    assert done.exit_code == 78
    assert done.stderr.startswith("config.yaml:3:10: channels.desk.url: ")
    assert said in done.stderr
    assert "secret-word" not in done.stderr
    assert done.stderr.endswith("1 error, 0 warnings\n")


GUEST_SMS = 'guest-sms: {{url: "console://sms", form: sms, to: "{{{{ guest.phone }}}}"{caps}}}'
NEEDED = "a channel that writes to numbers from events needs it, e.g."
NO_EFFECT = "has no effect here: it is for channels that write to phone numbers from events"
ALL_CAPS = ', allowed_prefixes: ["+1"], per_recipient: 5/d, per_day: 500'
CAPPED = [
    (GUEST_SMS.format(caps=ALL_CAPS), []),
    (
        GUEST_SMS.format(caps=""),
        [
            f'2:14: channels.guest-sms: `allowed_prefixes` is missing: {NEEDED} `allowed_prefixes: ["+1"]`',
            f"2:14: channels.guest-sms: `per_day` is missing: {NEEDED} `per_day: 500`",
            f"2:14: channels.guest-sms: `per_recipient` is missing: {NEEDED} `per_recipient: 5/d`",
        ],
    ),
    # One that could not be read is not missing.
    (
        GUEST_SMS.format(caps=", allowed_prefixes: +1, per_recipient: 5, per_day: 500"),
        ["2:110: channels.guest-sms.per_recipient: `5` is not a limit with its time, e.g. 5/d or 3/h"],
    ),
    (
        'sms: {url: "console://sms", form: sms, to: "+12065550100", per_day: 500}',
        [f"2:71: channels.sms.per_day: {NO_EFFECT}"],
    ),
    (
        'mail: {url: "mailto://u:p@example.com", to: "{{ guest.email }}", per_recipient: 1/d, allowed_prefixes: +1}',
        [
            f"2:83: channels.mail.per_recipient: {NO_EFFECT}",
            f"2:106: channels.mail.allowed_prefixes: {NO_EFFECT}",
        ],
    ),
    (
        f'guest-sms: {{url: "twilio://AC{"a" * 32}:{"b" * 32}@+12065550111", to: "{{{{ data.mobile }}}}"}}',
        [
            f'2:14: channels.guest-sms: `allowed_prefixes` is missing: {NEEDED} `allowed_prefixes: ["+1"]`',
            f"2:14: channels.guest-sms: `per_day` is missing: {NEEDED} `per_day: 500`",
            f"2:14: channels.guest-sms: `per_recipient` is missing: {NEEDED} `per_recipient: 5/d`",
        ],
    ),
    # Whose secret is not there is checked all the same, by what it says.
    (
        'guest-sms: {url: "${env:NOT_SET_HERE}", to: "{{ guest.phone }}", allowed_prefixes: +1, per_recipient: 1/d}',
        [f"2:14: channels.guest-sms: `per_day` is missing: {NEEDED} `per_day: 500`"],
    ),
    (
        f'sms: {{url: "twilio://AC{"a" * 32}:{"b" * 32}@+12065550111", to: "+1206555010"}}',
        [
            "2:111: channels.sms.to: `to` is no number to write to: a phone number of its country has 10 digits"
            " behind the country code"
        ],
    ),
    (
        'sms: {url: "clicksend://user:key@", to: "+6834002"}',
        ["2:43: channels.sms.to: `to` is no recipient that clicksend:// takes"],
    ),
    (
        'hook: {url: "json://127.0.0.1/hook", to: "me@example.com"}',
        ["2:44: channels.hook.to: `to` cannot be used with json://: its `url` already says where"],
    ),
    # Of what could not be read nothing is concluded.
    (
        'sms: {url: "console://sms", form: sms, to: 5, per_day: 500, consent: not-needed}',
        ["2:46: channels.sms.to: a text is expected, not a number; put it in quotes"],
    ),
    (
        'mail: {url: "console://mail", to: "me@example.com", consent: not-needed}',
        [
            "2:64: channels.mail.consent: has no effect here: it is for channels whose recipient comes from the event"
        ],
    ),
    ('mail: {url: "console://mail", to: "{{ guest.email }}", consent: not-needed}', []),
]
PARTS = [
    ('url: "console://x"', 2, "`max_segments` is for SMS, and form chat has no segments; remove it"),
    (
        'url: "signal://localhost/+12065550111", to: "+12065550100"',
        2,
        "`max_segments` is for SMS, and signal:// has no segments; remove it",
    ),
    ('url: "console://x", form: sms', 11, "a whole number from 1 to 10 is expected"),
    ('url: "console://x", form: sms', 0, "a whole number from 1 to 10 is expected"),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("channel", "said"), CAPPED)
def test_check_wants_caps_where_numbers_come_from_events_and_nowhere_else(
    channel: str, said: list[str]
) -> None:
    done = run(f'channels:\n  {channel}\n  desk: {{url: "console://desk"}}\n', "check")
    errors = [line for line in done.stderr.splitlines() if "channels." in line and "warning" not in line]
    assert errors == [f"config.yaml:{one}" for one in said]
    assert done.exit_code == (78 if said else 0)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("channel", "most", "said"), PARTS)
def test_check_refuses_parts_where_there_are_none(channel: str, most: int, said: str) -> None:
    done = run(f"channels:\n  desk: {{{channel}, max_segments: {most}}}\n", "check")
    assert f"channels.desk.max_segments: {said}\n" in done.stderr
    assert done.exit_code == 78


def test_check_shows_the_errors_of_all_files_at_once(folder: Path) -> None:
    (folder / "rules/a.yaml").write_text(RULES.replace("desk", "dsk"))
    (folder / "rules/b.yaml").write_text(
        RULES.replace("r1", "r2").replace("message: text", "message: '{{ x }}'")
    )
    (folder / "templates").mkdir()
    (folder / "templates/t.j2").write_text("{{ data.x | nope }}")
    done = run('channels: {desk: {url: "slakc://desk"}}', "check")
    assert done.exit_code == 78
    places = [line.split(": ")[0] for line in done.stderr.splitlines()[:-1]]
    assert [Path(place.rsplit(":", 2)[0]).name for place in places] == [
        "config.yaml",
        "a.yaml",
        "b.yaml",
        "t.j2",
    ]
    assert "4 errors" in done.stderr


def test_check_counts_the_centres_and_shows_what_is_wrong_with_them(folder: Path) -> None:
    config = "channels: {desk: {url: 'console://desk'}}\ncenters: places.yaml\n"
    done = run(config, "check")
    assert done.stderr.startswith("config.yaml:2:10: warning: centers: there is no such file")
    (folder / "places.yaml").write_text("centers:\n  c1: {hours: {mon-sun: open}}\n")
    assert run(config, "check").stdout == "good: 1 rule, 1 channel, 1 centre, 0 warnings\n"
    (folder / "places.yaml").write_text(
        "centers:\n  c1: {hours: {mon-fri: 9-20, sat: open}, channels: {front: dekk}}\n"
    )
    done = run(config, "check")
    assert done.exit_code == 78
    assert done.stderr.splitlines() == [
        "places.yaml:2:8: warning: centers.c1.hours: no hours are given for sun: they are unknown, and count as open",
        "places.yaml:2:25: centers.c1.hours.mon-fri: hours are written 09:00-20:00, `open` or `closed`, not `9-20`",
        "places.yaml:2:61: centers.c1.channels.front: there is no channel `dekk`; did you mean `desk`?",
        "2 errors, 1 warning",
    ]


@pytest.mark.usefixtures("folder")
def test_check_prints_json() -> None:
    done = run("channels: {desk: {url: 'console://x', ratee: 5}}", "check", "--json")
    assert done.exit_code == 78
    [problem] = json.loads(done.stdout)
    assert problem["line"] == 1
    assert problem["warning"] is False
    assert "did you mean `rate`?" in problem["message"]


@pytest.mark.usefixtures("folder")
def test_a_missing_secret_is_a_warning_for_check_and_an_error_for_run() -> None:
    url = "twilio://${env:NO_SUCH_SECRET_X}@+12065550111"
    guests = f'guests: {{url: "{url}", to: "{{{{ guest.phone }}}}"{ALL_CAPS}}}'
    config = f'channels: {{desk: {{url: "${{env:NO_SUCH_SECRET_X}}"}}, {guests}}}'
    checked = run(config, "check")
    assert checked.exit_code == 0
    assert "warning" in checked.stderr
    assert "NO_SUCH_SECRET_X" in checked.stderr
    started = run(config, "run")
    assert started.exit_code == 78
    assert "NO_SUCH_SECRET_X" in started.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("events", "list"),
        ("events", "--quarantine"),
        ("events", "show", "ab"),
        ("deliveries",),
        ("deliveries", "show", "ab"),
        ("deliveries", "retry", "ab"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("folder")
def test_without_a_store_there_is_one_sentence(command: tuple[str, ...]) -> None:
    done = run('channels: {desk: {url: "console://desk"}}', *command)
    assert done.exit_code == 1
    assert done.stderr.startswith("zennotify: there is no store at ")


@pytest.mark.usefixtures("folder")
def test_reload_and_simulate_say_that_there_is_no_daemon() -> None:
    config = 'channels: {desk: {url: "console://desk"}}\nserver: {listen: "unix:web.sock"}'
    assert "is zennotify running?" in run(config, "reload").stderr
    done = run(config, "reload", "--json")
    assert (done.exit_code, json.loads(done.stdout)[0]["rules"]) == (1, None)
    done = run(config, "simulate", "Invoice.Closed")
    assert done.exit_code == 1
    assert "no daemon answers at unix:" in done.stderr


@pytest.mark.usefixtures("folder")
def test_an_unknown_sample_gets_the_nearest_name() -> None:
    done = run('channels: {desk: {url: "console://desk"}}', "simulate", "Invoice.Close")
    assert done.exit_code == 2
    assert "did you mean `Invoice.Closed`?" in done.stderr


@pytest.mark.usefixtures("folder")
def test_a_configuration_that_is_not_there_ends_with_78() -> None:
    done = CliRunner().invoke(main, ["check", "--config", "nowhere.yaml"])
    assert done.exit_code == 78
    assert done.stderr.startswith("nowhere.yaml:0:0: ")
