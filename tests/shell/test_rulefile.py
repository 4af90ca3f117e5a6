from __future__ import annotations

import gc
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import meets
from zennotify.core.model import Form
from zennotify.errors import ConfigError, Problem
from zennotify.rulefile import CompiledRules, Sources, compile_rules, read_sources
from zennotify.rulefile.compile import MOST_RULES

BAD = Path(__file__).parents[1] / "data/bad/rules"
CHANNELS = {"front-desk": Form.CHAT, "manager-mail": Form.EMAIL, "manager-sms": Form.SMS}
TYPES = (
    "AppointmentGroup.Status",
    "Class.Booking.NoShow",
    "Class.Schedule.Cancelled",
    "Invoice.Closed",
    "Guest.Merged",
)


def compiled(
    *files: str,
    templates: Mapping[str, str] | None = None,
    centers: str | None = None,
    channels: Mapping[str, Form] | None = CHANNELS,
) -> CompiledRules:
    rules = {f"{n}.yaml": text for n, text in enumerate(files)}
    sources = Sources(rules=rules, templates=templates or {}, centers=centers)
    return compile_rules(sources, channels=channels, time_zone="UTC", locale="en-US", event_types=TYPES)


def said(*files: str, templates: Mapping[str, str] | None = None, centers: str | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compiled(*files, templates=templates, centers=centers)
    return [str(problem) for problem in caught.value.problems]


def rule(body: str = "", *, id: str = "r1") -> str:  # noqa: A002 - as in the file
    # An event of which nothing is known: it may carry anything.
    lines = [f"- id: {id}", "  event: Guest.Merged", "  notify: front-desk", "  message: Hello"]
    return "\n".join([*lines, *(f"  {line}" for line in body.splitlines())]) + "\n"


def holds(clause: str, data: dict[str, Any]) -> bool:
    rules = compiled("rules:\n" + rule(f"match:\n  {clause}")).rules
    return meets(rules.rules[0], {"data": data})


def lines(problems: tuple[Problem, ...], folder: Path) -> list[str]:
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in BAD.glob("*/expected.txt")), ids=lambda path: path.name
)
def test_bad_files_get_exactly_these_sentences(folder: Path) -> None:
    try:
        sources = read_sources(folder / "rules", folder / "templates", folder / "centers.yaml")
        problems = compile_rules(
            sources,
            channels=CHANNELS,
            time_zone="UTC",
            locale="en-US",
            event_types=TYPES,
            public_url="https://alerts.example.com",
        ).warnings
    except ConfigError as error:
        problems = error.problems
    assert lines(problems, folder) == (folder / "expected.txt").read_text("utf-8").splitlines()


def test_every_folder_has_its_sentences() -> None:
    folders = [path for path in BAD.iterdir() if path.is_dir()]
    assert [path for path in folders if not (path / "expected.txt").read_text("utf-8")] == []
    assert len(folders) > 50


def test_a_rule_listens_to_a_type_under_all_its_names() -> None:
    aliases = {
        "class.noshow": "class.booking.noshow",
        "no show": "class.booking.noshow",
        "bill.paid": "invoice.closed",
    }
    text = "rules: [{id: r, event: [Class.NoShow, NO SHOW, Class.*, 'Bill*', Made.Up], notify: front-desk, message: x}]"
    result = compile_rules(
        Sources(rules={"a.yaml": text}, templates={}),
        channels=CHANNELS,
        time_zone="UTC",
        locale="en-US",
        event_types=TYPES,
        aliases=aliases,
    )
    [rule] = result.rules.rules
    assert rule.events == ("class.booking.noshow", "class.*", "bill*", "invoice.closed", "made.up")
    assert ["Made.Up" in problem.message for problem in result.warnings] == [True]


def test_names_with_a_blank_are_no_error_in_rules_of_the_past() -> None:
    text = "rules: [{id: r, event: No Show, notify: gone, message: x}]"
    assert compiled(text, channels=None).rules.rules[0].events == ("no show",)


EVERYTHING = """
rules:
  - id: no-show-fee
    description: The front desk charges or waives the fee
    enabled: yes
    event: [Guest.Merged, "guest.*"]
    match:
      data.is_noshowfeerequired: yes
      data.total: {gt: 5, not: 7}
    when: data.invoice_number == 5
    once: {per: [data.guest_id, center.id], for: 24h}
    notify: [front-desk, manager-sms, front-desk]
    template: no_show.j2
    tests:
      - {anything: at all}
  - id: off
    enabled: No
    event: Guest.Merged
    notify: manager-mail
    message: |
      Hello **{{ data.name }}**
"""
TEMPLATE = "{% block title %}No-show{% endblock %}{% block body %}{{ data.name }} did not come{% endblock %}"


def test_a_rule_is_read_with_all_its_keys() -> None:
    result = compiled(EVERYTHING, templates={"no_show.j2": TEMPLATE})
    assert [problem.message for problem in result.warnings] == [
        "no-show-fee.tests: tests are not run yet by this version of zennotify"
    ]
    first, second = result.rules.rules
    assert (first.id, first.description, first.enabled) == (
        "no-show-fee",
        "The front desk charges or waives the fee",
        True,
    )
    assert first.events == ("guest.merged", "guest.*")
    assert first.notify == ("front-desk", "manager-sms")
    assert [clause.path.text for clause in first.match] == ["data.is_noshowfeerequired", "data.total"]
    assert meets(first, {"data": {"is_noshowfeerequired": "Yes", "total": 6}})
    assert not meets(first, {"data": {"is_noshowfeerequired": "Yes", "total": 7}})
    assert first.when is not None
    assert first.when({"data": {"invoice_number": 5}})
    assert first.once is not None
    assert ([path.text for path in first.once.per], first.once.period) == (
        ["data.guest_id", "center.id"],
        timedelta(days=1),
    )
    assert (second.enabled, second.when, second.once, second.match) == (False, None, None, ())
    assert set(result.messages) == {"no-show-fee", "off"}


def test_a_message_is_written_by_its_template_or_by_the_rule() -> None:
    messages = compiled(EVERYTHING, templates={"no_show.j2": TEMPLATE}).messages
    names = {"data": {"name": "Ann"}, "rule": {}, "center": {}, "event": {}}
    from_file = messages["no-show-fee"].render(Form.SMS, names, short_id="abc")
    assert "Ann did not come" in from_file.body
    inline = messages["off"].render(Form.JSON, names, short_id="abc")
    assert (inline.title, inline.body) == ("off", "Hello Ann\n\nRef abc")


def test_rules_keep_the_order_of_the_files() -> None:
    first, second = "rules:\n" + rule(id="z") + rule(id="b"), "rules:\n" + rule(id="a")
    assert [one.id for one in compiled(first, second).rules.rules] == ["z", "b", "a"]


def test_the_set_is_named_by_its_sources() -> None:
    sources = Sources(rules={"a.yaml": "rules: []\n"}, templates={})
    result = compile_rules(sources, channels={}, time_zone="UTC", locale="en-US", event_types=TYPES)
    assert result.rules.hash == sources.hash
    assert result.rules.rules == ()


@pytest.mark.parametrize(
    ("rules", "templates"),
    [
        ({"a.yaml": "x "}, {}),
        ({"b.yaml": "x"}, {}),
        ({"a.yaml": "x", "b.yaml": ""}, {}),
        ({}, {"a.yaml": "x"}),
        ({"a.yaml": "x"}, {"a.j2": ""}),
    ],
)
def test_every_change_of_a_text_or_a_name_changes_the_hash(
    rules: dict[str, str], templates: dict[str, str]
) -> None:
    one = Sources(rules={"a.yaml": "x"}, templates={})
    assert Sources(rules=rules, templates=templates).hash != one.hash
    assert len(one.hash) == 32


def test_the_centres_are_a_part_of_the_set_and_of_its_hash() -> None:
    without, empty, one = (
        Sources(rules={"a.yaml": "x"}, templates={}, centers=centers) for centers in (None, "", "centers: {}")
    )
    assert len({without.hash, empty.hash, one.hash}) == 3
    # Sets that were kept before there were centres keep their names.
    assert without.hash == "64cd0fa18501ac6fd26dbf161b4f27a0"


def test_the_hash_does_not_depend_on_the_order_or_the_place() -> None:
    one = Sources(rules={"a.yaml": "x", "b.yaml": "y"}, templates={}, rules_at="/etc/rules")
    other = Sources(rules={"b.yaml": "y", "a.yaml": "x"}, templates={}, rules_at="/srv/rules")
    assert one.hash == other.hash
    assert one == other


def test_rules_of_the_past_compile_though_their_channels_are_gone() -> None:
    assert compiled(EVERYTHING, templates={"no_show.j2": TEMPLATE}, channels=None).messages
    assert len(said(EVERYTHING.replace("manager-mail", "gone"), templates={"no_show.j2": TEMPLATE})) == 2


CENTERS = """
centers:
  c1: {name: Bellevue, region: north, channels: {manager: manager-mail}}
  c2: {name: Kirkland}
regions:
  north: {channels: {regional: [manager-sms]}}
"""


def test_rules_may_tell_roles_and_centres_are_compiled_with_them() -> None:
    text = "rules:\n" + rule().replace("front-desk", "[front-desk, manager, regional]")
    result = compiled(text, centers=CENTERS)
    assert [problem.message for problem in result.warnings] == [
        "r1.notify[1]: `manager` means no channel at Kirkland, nor in its region",
        "r1.notify[2]: `regional` means no channel at Kirkland, nor in its region",
    ]
    assert result.rules.rules[0].notify == ("front-desk", "manager", "regional")
    assert [
        result.rules.directory.centers.channels_of(role, "C1") for role in result.rules.rules[0].notify
    ] == [
        ("front-desk",),
        ("manager-mail",),
        ("manager-sms",),
    ]
    assert (
        len(compiled(text.replace("[front-desk, manager, regional]", "front-desk")).rules.directory.centers)
        == 0
    )


@pytest.mark.parametrize(
    ("match", "told", "warnings"),
    [
        ("{center.region: north}", "regional", []),
        ("{center.name: [Bellevue, Olympia]}", "manager", []),
        ("{center.id: C1}", "manager", []),
        # Zenoti may say what the file does not.
        (
            "{center.country: US}",
            "manager",
            ["r1.notify: `manager` means no channel at Kirkland, nor in its region"],
        ),
        (
            "{center.region: nrth}",
            "front-desk",
            ["r1.match.center.region: no centre in centers.yaml is in region `nrth`; did you mean `north`?"],
        ),
        ("{center.region: {not: nrth}}", "front-desk", []),
    ],
)
def test_a_role_is_held_against_the_centres_that_the_rule_may_meet(
    match: str, told: str, warnings: list[str]
) -> None:
    text = f"rules: [{{id: r1, event: '*', match: {match}, notify: {told}, message: x}}]"
    assert [problem.message for problem in compiled(text, centers=CENTERS).warnings] == warnings


def test_a_name_that_is_neither_channel_nor_role_gets_the_nearest_of_both() -> None:
    text = "rules:\n" + rule().replace("front-desk", "[regionl, frontdesk, nobody]")
    assert [problem.split(": ", 2)[2] for problem in said(text, centers=CENTERS)] == [
        "there is no channel or role `regionl`; did you mean `regional`?",
        "there is no channel or role `frontdesk`; did you mean `front-desk`?",
        "there is no channel or role `nobody`",
    ]


def test_a_role_that_no_rule_tells_is_a_warning_when_a_rule_tells_nearly_the_same() -> None:
    centers = "centers:\n  c1: {channels: {frontdesk: manager-mail, regional: manager-sms}}\n"
    (warning,) = compiled("rules:\n" + rule(), centers=centers).warnings
    assert str(warning) == (
        "centers.yaml:2:19: warning: centers.c1.channels.frontdesk: no rule tells this role; "
        "did you mean `front-desk`?"
    )


def test_errors_of_rules_and_centres_are_shown_at_once() -> None:
    text = "rules:\n" + rule().replace("front-desk", "[manager, mangr]")
    centers = CENTERS + "  south: {chanels: {}}\n"
    assert said(text, centers=centers) == [
        "centers.yaml:7:11: regions.south.chanels: unknown key; did you mean `channels`?",
        "rules/0.yaml:4:12: warning: r1.notify[0]: `manager` means no channel at Kirkland, nor in its region",
        "rules/0.yaml:4:21: r1.notify[1]: there is no channel or role `mangr`; did you mean `manager`?",
    ]


def test_when_the_centres_cannot_be_read_no_name_is_said_to_be_wrong() -> None:
    text = "rules:\n" + rule("when: (").replace("front-desk", "manager")
    problems = said(text, centers="centers: [")
    assert [problem.split(":")[0] for problem in problems] == ["centers.yaml", "rules/0.yaml"]
    assert "r1.when" in problems[1]


def test_centres_of_the_past_compile_though_their_channels_are_gone() -> None:
    text = "rules:\n" + rule().replace("front-desk", "manager")
    assert compiled(text, centers=CENTERS.replace("manager-mail", "gone"), channels=None).messages


@pytest.mark.parametrize(
    ("clause", "value", "expected"),
    [
        ("data.x: NO", "no", True),
        ("data.x: no", False, True),
        ("data.x: 22:00", "22:00", True),
        ("data.x: 0123", "0123", True),
        ("data.x: 0123", 123, False),
        ("data.x: 5", "5", True),
        ("data.x: null", None, True),
        ('data.x: ""', "", True),
        ("data.x: [a, 5]", 5, True),
        ("data.x: {gt: 2024-07-25T00:00:00Z}", "2024-07-26T00:00:00Z", True),
        ('data.x: {gt: "5"}', 6, True),
        ("data.x: {exists: yes}", "a", True),
        ("data.x: {empty: yes}", [], True),
        ("data.x: {not: {regex: ^a}}", "b", True),
        ('data.x: {regex: "^(a+)+$"}', "a" * 4000 + "b", False),
        ('data.x: {regex: "^(a+)+$"}', "AAA", True),
        ('data.x: {regex: "(?-i)a"}', "A", False),
        ('data.x: {regex: "É."}', "xÉ\ud800", True),
    ],
)
def test_a_clause_written_in_yaml_means_what_it_says(clause: str, value: object, expected: bool) -> None:
    assert holds(clause, {"x": value}) is expected


def test_an_odd_name_of_a_field_can_be_written() -> None:
    assert holds("""'data["T&C"]': yes""", {"T&C": "Yes"})


def test_a_regex_of_100_kilobytes_is_refused() -> None:
    (problem,) = said("rules:\n" + rule(f"match: {{data.x: {{regex: {'a' * 100_000}}}}}"))
    assert problem.endswith("r1.match.data.x.regex: a regex has at most 200 characters, this one has 100000")


def test_a_rule_tells_at_most_fifty_channels() -> None:
    channels = {f"c{n}": Form.CHAT for n in range(500)}
    text = "rules:\n" + rule().replace("front-desk", f"[{', '.join(channels)}]")
    with pytest.raises(ConfigError, match=r"r1\.notify: a rule tells at most 50 channels, these are 500"):
        compiled(text, channels=channels)
    fifty = "rules:\n" + rule().replace("front-desk", f"[{', '.join(list(channels)[:50])}]")
    assert len(compiled(fifty, channels=channels).rules.rules[0].notify) == 50


def test_there_is_a_most_of_rules() -> None:
    text = "rules:\n" + "- {}\n" * 10_001
    assert f"0.yaml:{MOST_RULES - 9_999}:3: there are more than {MOST_RULES} rules" not in (
        problems := said(text, text)
    )
    assert problems[-1] == f"rules/1.yaml:10001:3: there are more than {MOST_RULES} rules"


def test_a_broken_expression_in_one_rule_does_not_hide_another_rule() -> None:
    text = (
        "rules:\n"
        + rule("when: data.x ===")
        + rule("when: data.x ===", id="r2")
        + rule("when: data.x", id="r3")
    )
    assert [problem.split(": ")[1] for problem in said(text)] == ["r1.when", "r2.when"]


def test_ten_thousand_rules_are_compiled_and_the_collector_runs_again() -> None:
    body = "match: {data.center_id: c, data.total: {gte: 5}}\nwhen: data.total > 5"
    files = ["rules:\n" + "".join(rule(body, id=f"r{n}-{m}") for m in range(2_500)) for n in range(4)]
    assert len(compiled(*files).rules.rules) == 10_000
    assert gc.isenabled()


def test_files_are_read_from_folders_and_below(tmp_path: Path) -> None:
    rules, templates = tmp_path / "rules", tmp_path / "templates"
    for path, text in {
        rules / "b.yaml": "b",
        rules / "a.yml": "\ufeffa\r\n",
        rules / "below/c.yaml": "c",
        rules / ".hidden.yaml": "no",
        rules / ".git/x.yaml": "no",
        rules / "notes.txt": "no",
        rules / "a.yaml~": "no",
        templates / "t.j2": "t",
        templates / "parts/u.j2": "u",
        templates / "x.html": "no",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="")
    sources = read_sources(rules, templates, tmp_path / "centers.yaml")
    assert dict(sources.rules) == {"a.yml": "a\r\n", "b.yaml": "b", "below/c.yaml": "c"}
    assert dict(sources.templates) == {"parts/u.j2": "u", "t.j2": "t"}
    assert (sources.rules_at, sources.templates_at) == (str(rules), str(templates))


def test_rules_can_be_one_file_and_templates_none(tmp_path: Path) -> None:
    (tmp_path / "my.rules").write_text("rules: []\n")
    sources = read_sources(tmp_path / "my.rules", tmp_path / "templates", tmp_path / "centers.yaml")
    assert (dict(sources.rules), dict(sources.templates)) == ({"my.rules": "rules: []\n"}, {})
    assert sources.rules_at == str(tmp_path)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "real").write_text("rules: []\n")
    (tmp_path / "rules/a.yaml").symlink_to(tmp_path / "real")
    assert list(
        read_sources(tmp_path / "rules", tmp_path / "templates", tmp_path / "centers.yaml").rules
    ) == ["a.yaml"]


def test_a_path_that_the_system_refuses_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_sources(tmp_path / ("x" * 300), tmp_path / "templates", tmp_path / "centers.yaml")
    assert str(caught.value).endswith(":0:0: this folder cannot be read: File name too long")
    (tmp_path / "rules.yaml").touch()
    (tmp_path / "templates").touch()
    with pytest.raises(ConfigError) as caught:
        read_sources(tmp_path / "rules.yaml", tmp_path / "templates", tmp_path / "centers.yaml")
    assert lines(caught.value.problems, tmp_path) == [
        "templates:0:0: this folder cannot be read: Not a directory"
    ]


def test_centres_are_read_when_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: []\n")
    file = tmp_path / "my-centers.yaml"

    def read() -> Sources:
        return read_sources(tmp_path / "rules.yaml", tmp_path / "templates", file)

    assert read().centers is None
    file.write_text("\ufeffcenters: {}\n", "utf-8")
    assert (read().centers, read().centers_at) == ("centers: {}\n", str(file))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("link.yaml", "the file does not exist"),
        ("folder.yaml", "this is not a regular file"),
        ("large.yaml", "the file is larger than 1 MiB"),
        ("x" * 300, "the file cannot be read: File name too long"),
    ],
    ids=["link", "folder", "large", "name"],
)
def test_centres_that_cannot_be_read_are_named(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "rules.yaml").write_text("rules: []\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "large.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError) as caught:
        read_sources(tmp_path / "rules.yaml", tmp_path / "templates", tmp_path / name)
    assert lines(caught.value.problems, tmp_path) == [f"{name}:0:0: {sentence}"]


def unreadable(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_sources(folder / "rules", folder / "templates", folder / "centers.yaml")
    return lines(caught.value.problems, folder)


def test_missing_rules_are_named(tmp_path: Path) -> None:
    assert unreadable(tmp_path) == ["rules:0:0: this folder does not exist"]


def test_a_large_file_a_dangling_link_and_a_folder_called_like_a_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "rules/large.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    (tmp_path / "rules/link.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "rules/more").symlink_to(tmp_path / "templates")
    (tmp_path / "templates/folder.j2").mkdir()
    (tmp_path / "templates/large.j2").write_bytes(b"a" * 5_000_000)
    assert unreadable(tmp_path) == [
        "rules/large.yaml:0:0: the file is larger than 1 MiB",
        "rules/link.yaml:0:0: the file does not exist",
        "rules/more:0:0: a link to a folder is not followed",
        "templates/large.j2:0:0: the file is larger than 1 MiB",
    ]


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    for number in range(1001):
        (tmp_path / f"rules/{number}.yaml").touch()
    assert unreadable(tmp_path) == ["rules:0:0: there are more than 1000 files in this folder"]
