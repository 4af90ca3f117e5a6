from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from zennotify.channel import SEGMENTS
from zennotify.config import (
    Address,
    AdminConfig,
    ChannelConfig,
    Config,
    ConfigFile,
    FallbackConfig,
    Keep,
    ServerConfig,
    StoreConfig,
    Verify,
    ZenotiApi,
    checks,
    load_config,
)
from zennotify.configured import open_ways
from zennotify.core.cap import Cap
from zennotify.core.model import Form
from zennotify.core.rate import rate_of
from zennotify.core.verdict import Fallback
from zennotify.errors import ConfigError, Problem

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests/data/bad/config"
EXAMPLE = ROOT / "config.example.yaml"
SECRET = "hunter2-hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def _on_a_local_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\n")
    monkeypatch.setattr(checks, "MOUNTS", mounts)


def load(folder: Path, text: str | bytes, environ: Mapping[str, str] | None = None) -> ConfigFile:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path, environ=environ or {})


def lines(problems: tuple[Problem, ...], folder: Path) -> list[str]:
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


def said(folder: Path, text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, environ)
    return lines(caught.value.problems, folder)


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_gets_exactly_these_sentences(path: Path) -> None:
    try:
        file = load_config(path, environ={})
        found = tuple(sorted([*file.warnings, *file.missing.values()]))
    except ConfigError as error:
        found = error.problems
    assert lines(found, BAD) == path.with_suffix(".txt").read_text("utf-8").splitlines()


def test_every_bad_file_has_its_sentences() -> None:
    assert {path.stem for path in BAD.glob("*.txt")} == {path.stem for path in BAD.glob("*.yaml")}
    assert len(list(BAD.glob("*.yaml"))) > 40


def test_the_example_works_without_a_word() -> None:
    file = load_config(EXAMPLE, environ={})
    assert file.warnings == ()
    assert file.missing == {}
    assert {channel.url.get_secret_value().split("://")[0] for channel in file.config.channels.values()} == {
        "console"
    }


def test_the_example_shows_every_default() -> None:
    shown = load_config(EXAMPLE, environ={}).config
    defaults = Config.model_validate({}, context={"folder": ROOT})
    own = {"channels", "ops"}
    assert shown.model_copy(update={name: getattr(defaults, name) for name in own}) == defaults


def test_the_example_names_every_setting() -> None:
    text = EXAMPLE.read_text("utf-8")
    names = names_of(
        Config, ServerConfig, AdminConfig, StoreConfig, Keep, ZenotiApi, ChannelConfig, FallbackConfig
    )
    missing = [name for name in names if not re.search(rf"\b{name}:", text)]
    assert missing == []


def names_of(*models: type[BaseModel]) -> set[str]:
    return {name for model in models for name in model.model_fields}


def test_the_examples_comments_tell_the_defaults_of_a_channel() -> None:
    text = EXAMPLE.read_text("utf-8")
    channel = ChannelConfig(url=SecretStr("console://x"))
    assert f"#   concurrency:  {channel.concurrency} " in text
    assert f"#   max_segments: {SEGMENTS} " in text
    assert f"#   timeout:      {channel.timeout.seconds}s " in text
    waits = [wait.strip() for wait in re.findall(r"#   retry: +\[([^]]*)\]", text)[0].split(",")]
    units = {"s": 1, "m": 60, "h": 3600}
    assert channel.retry == tuple(timedelta(seconds=int(wait[:-1]) * units[wait[-1]]) for wait in waits)
    caps = ("allowed_prefixes", "per_recipient", "per_day")
    for name in ("rate", "fallback", "on_unknown", "consent", *caps):
        assert re.search(rf"#   {name}: +null ", text)
        assert getattr(channel, name) in (None, ())


def test_bom_and_crlf_are_accepted(tmp_path: Path) -> None:
    text = '\ufeffserver: {listen: "127.0.0.1:8090"}\r\nlocale: de\r\n'
    assert load(tmp_path, text).config.server.listen == Address(host="127.0.0.1", port=8090)


def test_a_channel_may_be_called_no(tmp_path: Path) -> None:
    assert list(load(tmp_path, 'channels: {no: {url: "json://x"}}\n').config.channels) == ["no"]


def test_a_section_whose_keys_are_all_comments_means_the_defaults(tmp_path: Path) -> None:
    text = "server:\n  # listen: x\nadmin:\nstore:\nchannels:\n"
    assert load(tmp_path, text).config == load(tmp_path, "server: {}\n").config


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    assert said(tmp_path, b"# x\n" * 2_500_000) == ["config.yaml:0:0: the file is larger than 1 MiB"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml", environ={})
    assert lines(caught.value.problems, tmp_path) == ["config.yaml:0:0: the file does not exist"]


@pytest.mark.parametrize(
    ("written", "printed", "local"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080", True),
        ("localhost:80", "localhost:80", True),
        ('"[::1]:80"', "[::1]:80", True),
        ("unix:/run/zennotify/web.sock", "unix:/run/zennotify/web.sock", True),
        ("0.0.0.0:80", "0.0.0.0:80", False),
        ('"[::]:65535"', "[::]:65535", False),
        ("salon.example.com:8080", "salon.example.com:8080", False),
    ],
)
def test_an_address_is_read_and_printed(tmp_path: Path, written: str, printed: str, local: bool) -> None:
    server = load(tmp_path, f"server: {{listen: {written}, token: {SECRET}}}\n").config.server
    assert str(server.listen) == printed
    assert server.listen.is_local is local


@pytest.mark.parametrize(
    "written",
    [
        "127.0.0.1",
        '":80"',
        '"*:80"',
        '"127.0.0.1:"',
        "127.0.0.1:http",
        "1.2.3:80",
        '"::1:80"',
        '"unix:"',
        "a b:80",
    ],
)
def test_what_is_no_address_is_refused(tmp_path: Path, written: str) -> None:
    (problem,) = said(tmp_path, f"server:\n  listen: {written}\n")
    assert problem.startswith("config.yaml:2:11: server.listen: ")


def test_a_unix_path_is_relative_to_the_file_and_not_too_long(tmp_path: Path) -> None:
    config = load(tmp_path, "server: {listen: unix:web.sock}\n").config
    assert config.server.listen.path == tmp_path / "web.sock"
    assert config.admin.control.path == tmp_path / "zennotify.sock"
    assert said(tmp_path, f"admin: {{control: unix:/{'x' * 107}}}\n") == [
        "config.yaml:1:18: admin.control: the path of a unix socket has at most 107 bytes; choose a shorter one"
    ]


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/config.yaml").write_text("rules: /srv/rules\nstore: {url: sqlite:///db/z.db}\n")
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("etc/config.yaml"), environ={}).config
    assert config.rules == Path("/srv/rules")
    assert config.templates == tmp_path / "etc/templates"
    assert config.store.url == f"sqlite:///{tmp_path}/etc/db/z.db"
    assert config.store.file == tmp_path / "etc/db/z.db"


def test_values_are_read(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
server:
  max_body: 64KiB
  allow_from: [10.0.0.0/8, 203.0.113.7]
  trusted_proxies: 10.0.0.5
  secrets: 0123456789abcdef0123456789abcdef
  signature_header: X-Signature
  verify: enforce
store: {url: "postgresql://z@db/z", keep: {events: 24h}}
class_times: utc
ops: a
channels:
  a: {url: "mailtos://x", to: m@example.com, form: email, concurrency: 8, timeout: 90s, retry: [0, 5s, 1h]}
""",
    ).config
    assert config.server.max_body == 65536
    assert config.server.allow_from == (ip_network("10.0.0.0/8"), ip_network("203.0.113.7/32"))
    assert config.server.trusted_proxies == (ip_network("10.0.0.5/32"),)
    assert config.server.secrets == (SecretStr("0123456789abcdef0123456789abcdef"),)
    assert config.server.signature_header == "x-signature"
    assert config.server.verify is Verify.ENFORCE
    assert config.store.file is None
    assert config.store.keep.events == timedelta(days=1)
    assert config.class_times == "utc"
    assert config.ops == ("a",)
    channel = config.channels["a"]
    assert (channel.form, channel.concurrency, channel.timeout) == (Form.EMAIL, 8, timedelta(seconds=90))
    assert channel.retry == (timedelta(0), timedelta(seconds=5), timedelta(hours=1))


def test_caps_are_read(tmp_path: Path) -> None:
    text = """
channels:
  one: {url: "console://one", allowed_prefixes: +1, per_recipient: 5/d, per_day: 500}
  all: {url: "console://all", allowed_prefixes: ["+1206", "+44"], per_recipient: [2/h, 5/d], per_day: "${env:MANY}"}
  none: {url: "console://none", allowed_prefixes: "+1", per_recipient: 1/m}
"""
    channels = load(tmp_path, text, {"MANY": "7"}).config.channels
    assert {name: channel.cap for name, channel in channels.items()} == {
        "one": Cap(prefixes=("+1",), per_recipient=(rate_of(5, "d"),), per_day=500),
        "all": Cap(prefixes=("+1206", "+44"), per_recipient=(rate_of(2, "h"), rate_of(5, "d")), per_day=7),
        "none": None,
    }


def test_event_types_may_have_other_names(tmp_path: Path) -> None:
    text = "event_aliases:\n  Guest.Membership.Frozen: guest.membership.freeze\n  no: Class.Booking.NoShow\n"
    config = load(tmp_path, text).config
    assert config.event_aliases == {
        "Guest.Membership.Frozen": "Guest.Membership.Freeze",
        "no": "Class.Booking.NoShow",
    }


def test_every_mistake_in_the_aliases_is_said(tmp_path: Path) -> None:
    text = f"""
event_aliases:
  Guest.Membership.Frozen: Guest.Membership.Freez
  guest.created: Guest.Updated
  Class.*: Class.Booking.NoShow
  {"x" * 201}: Class.Booking.NoShow
  A.B: Made.Up
  C: 5
  D.E: Guest.Created
  d.e: Guest.Updated
"""
    assert said(tmp_path, text) == [
        "config.yaml:3:28: event_aliases.Guest.Membership.Frozen: `Guest.Membership.Freez` is not an event type that"
        " zennotify knows; did you mean `Guest.Membership.Freeze`?",
        "config.yaml:4:3: event_aliases.guest.created: `guest.created` is known as an event type of its own: it cannot"
        " stand for another",
        "config.yaml:5:3: event_aliases.Class.*: `Class.*` is not one event type as Zenoti sends it: at most 200"
        " characters, without `*`",
        f"config.yaml:6:3: event_aliases.{'x' * 201}: `{'x' * 77}...` is not one event type as Zenoti sends it: at most"
        " 200 characters, without `*`",
        "config.yaml:7:8: event_aliases.A.B: `Made.Up` is not an event type that zennotify knows",
        "config.yaml:8:6: event_aliases.C: a text is expected, not a number; put it in quotes",
        "config.yaml:10:8: event_aliases.d.e: this is `D.E` again: upper and lower case are the same here",
    ]


@pytest.mark.parametrize("value", ["[a]", "Guest.Created", "5"])
def test_aliases_are_lines_of_their_own(tmp_path: Path, value: str) -> None:
    [sentence] = said(tmp_path, f"event_aliases: {value}\n")
    assert "event_aliases: `key: value` lines are expected, not " in sentence


def test_secrets_come_from_the_environment_files_and_credentials(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text(f"{SECRET}\r\n")
    (tmp_path / "token.txt").chmod(0o600)
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/hook").write_text("T0/B0/x")
    text = """
server: {token: "${file:token.txt}", verify: "${env:VERIFY:-off}", max_body: "${env:BODY}"}
class_times: "${env:TIMES}"
channels:
  a: {url: "slack://${cred:hook}/${env:ROOM}", form: "${env:FORM}", concurrency: "${env:MANY}"}
"""
    environ = {
        "BODY": "2MiB",
        "TIMES": "utc",
        "ROOM": "#desk",
        "FORM": "sms",
        "MANY": "7",
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
    }
    file = load(tmp_path, text, environ)
    assert (file.missing, file.warnings) == ({}, ())
    server, channel = file.config.server, file.config.channels["a"]
    assert server.token == SecretStr(SECRET)
    assert (server.verify, server.max_body, file.config.class_times) == (Verify.OFF, 2 * 1024 * 1024, "utc")
    assert channel.url == SecretStr("slack://T0/B0/x/#desk")
    assert (channel.form, channel.concurrency) == (Form.SMS, 7)
    assert type(channel.url.get_secret_value()) is str


def test_a_secret_cannot_bring_yaml_or_another_place_to_fill(tmp_path: Path) -> None:
    value = "console://x', form: sms, # ${env:OTHER} {{ x }}"
    file = load(tmp_path, 'channels: {a: {url: "${env:URL}"}}\n', {"URL": value})
    assert file.config.channels["a"].url.get_secret_value() == value
    assert file.config.channels["a"].form is None


def test_a_secret_that_cannot_be_read_is_kept_apart_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "lines").write_text("a\nb\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    text = """server: {listen: "0.0.0.0:80", token: "${env:TOKEN}", secrets: ["${env:EMPTY}"]}
zenoti_api: {key: "${env:KEY}"}
channels:
  a: {url: "slack://${env:HOOK}/${env:EMPTY}/${env:HOOK}", fallback: {channel: "${env:OTHER}"}}
  b: {url: "${file:empty}"}
  c: {url: "${file:lines}"}
  d: {url: "${file:binary}"}
  e: {url: "${file:large}"}
  f: {url: "${file:.}"}
  g: {url: "${cred:x}"}
"""
    environ = {"EMPTY": "", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    file = load(tmp_path, text, environ)
    assert lines(tuple(sorted(file.missing.values())), tmp_path) == [
        "config.yaml:1:39: server.token: the environment variable TOKEN is not set",
        "config.yaml:1:65: server.secrets[0]: the environment variable EMPTY is empty",
        "config.yaml:2:19: zenoti_api.key: the environment variable KEY is not set",
        "config.yaml:4:12: channels.a.url: the environment variable HOOK is not set;"
        " the environment variable EMPTY is empty",
        "config.yaml:4:80: channels.a.fallback.channel: the environment variable OTHER is not set",
        "config.yaml:5:12: channels.b.url: the file of ${file:empty} is empty",
        "config.yaml:6:12: channels.c.url: the file of ${file:lines} has a line break or another control character"
        " in it",
        "config.yaml:7:12: channels.d.url: the file of ${file:binary} is not UTF-8 text",
        "config.yaml:8:12: channels.e.url: the file of ${file:large} is larger than 64 KiB",
        "config.yaml:9:12: channels.f.url: the file of ${file:.} does not exist, or is not a regular file",
        "config.yaml:10:12: channels.g.url: the credential x does not exist, or is not a regular file",
    ]
    assert file.missing[("channels", "a", "url")].line == 4
    assert file.config.server.token is None
    assert file.config.channels["a"].url.get_secret_value() == ""


def test_a_secret_file_that_everybody_can_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0o644)
    file = load(tmp_path, 'server:\n  token: "${file:token}"\n')
    assert lines(file.warnings, tmp_path) == [
        "config.yaml:2:10: warning: server.token: the file of ${file:token} can be read by every user of this machine;"
        " chmod it to 600"
    ]


def test_secrets_are_in_no_message_and_no_repr(tmp_path: Path) -> None:
    text = f"""
server: {{token: {SECRET}, secrets: [{SECRET}, "${{env:S}}"]}}
store: {{url: "postgresql://u:{SECRET}@h/db"}}
zenoti_api: {{key: {SECRET}}}
channels:
  a: {{url: "slack://{SECRET}", to: "{SECRET}"}}
"""
    file = load(tmp_path, text, {"S": SECRET})
    assert "hunter2" not in repr(file)
    assert "hunter2" not in str(file.config)
    assert file.config.store.url == f"postgresql://u:{SECRET}@h/db"
    assert "hunter2" not in "".join(map(str, file.warnings))


@pytest.mark.parametrize(
    "text",
    [
        "server: {token: hunter2}",
        "server: {token: [hunter2]}",
        "server: {secrets: {a: hunter2}}",
        "server: {secrets: [hunter2]}",
        "channels: {a: {url: hunter2}}",
        "channels: {a: {url: {b: hunter2}}}",
        "channels: {a: {url: [hunter2]}}",
        "channels: {a: hunter2}",
        "channels: {a: {url: '${hunter2/x}'}}",
        "channels: {a: {url: '${env:X', to: [hunter2]}}",
        "store: {url: 'postgres://u:hunter2@h/d'}",
        "store: {url: 'postgresql://u:hunter2@h:port/d'}",
        "store: {url: 'postgresql://u:hunter2@h'}",
        "store: {url: 'sqlite:///x?key=hunter2'}",
        "zenoti_api: {key: [hunter2]}",
        "zenoti_api: hunter2",
        # A secret in the wrong place: what came through ${...} is shown as it is written.
        *(
            f"{section}: {{{key}: '${{env:X}}'}}"
            for section, key in [
                ("server", "listen"),
                ("server", "path"),
                ("server", "max_body"),
                ("server", "allow_from"),
                ("server", "signature_header"),
                ("server", "verify"),
                ("server", "public_url"),
                ("admin", "control"),
                ("store", "url"),
            ]
        ),
        "time_zone: '${env:X}'",
        "locale: '${env:X}'",
        "class_times: '${env:X}'",
        "channels: {a: {url: 'console://a', rate: '${env:X}', form: '${env:X}', timeout: '${env:X}'}}",
    ],
)
def test_an_error_never_repeats_a_secret(tmp_path: Path, text: str) -> None:
    problems = said(tmp_path, text + "\n", {"X": "hunter2 hunter2"})
    assert problems
    assert "hunter2" not in "".join(problems)


def test_other_checks_can_name_the_place_of_a_key(tmp_path: Path) -> None:
    file = load(tmp_path, 'channels:\n  a:\n    url: "slakc://x"\n')
    place = ("channels", "a", "url")
    assert lines(
        (file.where(place, "no such service"), file.where(place, "odd", warning=True)), tmp_path
    ) == [
        "config.yaml:3:10: channels.a.url: no such service",
        "config.yaml:3:10: warning: channels.a.url: odd",
    ]


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ("listen: 127.0.0.1:80", False),
        ('listen: "[::1]:80"', False),
        ("listen: unix:x.sock", False),
        (f"secrets: [{SECRET}], verify: record", False),
        ("listen: 0.0.0.0:80", True),
        ('listen: "[::]:80"', True),
        ("listen: desk.example.com:80", True),
        (f"listen: 0.0.0.0:80, secrets: [{SECRET}]", True),
        (f"listen: 0.0.0.0:80, secrets: [{SECRET}], verify: off", True),
        (f"listen: 0.0.0.0:80, secrets: [{SECRET}], verify: enforce", False),
        (f"listen: 0.0.0.0:80, secrets: [{SECRET}], token: {SECRET}", False),
        ("listen: 0.0.0.0:80, allow_from: [203.0.113.0/24]", False),
        ("listen: 0.0.0.0:80, trusted_proxies: [203.0.113.0/24]", True),
    ],
)
def test_other_machines_need_a_proof(tmp_path: Path, settings: str, refused: bool) -> None:
    text = f"server: {{{settings}}}\n"
    if refused:
        assert "nobody has to prove who they are" in "".join(said(tmp_path, text))
    else:
        assert (
            load(tmp_path, text).config.server.listen.is_local or load(tmp_path, text).config.server.has_proof
        )


def test_admin_on_a_public_address_is_a_warning(tmp_path: Path) -> None:
    file = load(tmp_path, "admin:\n  listen: 0.0.0.0:9090\n")
    assert lines(file.warnings, tmp_path) == [
        "config.yaml:2:11: warning: admin.listen: other machines reach 0.0.0.0:9090: health and metrics"
        " have no password"
    ]


@pytest.mark.parametrize(
    ("listen", "admin", "clash"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("unix:a.sock", "unix:a.sock", True),
        ("unix:a.sock", "unix:b.sock", False),
        ("unix:a.sock", "unix:zennotify.sock", True),
    ],
)
def test_two_listeners_need_two_addresses(tmp_path: Path, listen: str, admin: str, clash: bool) -> None:
    text = f"server: {{listen: {listen}, token: {SECRET}}}\nadmin:\n  listen: {admin}\n"
    if clash:
        assert "is already used by" in "".join(said(tmp_path, text))
    else:
        assert load(tmp_path, text).warnings == ()


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "smb3", "fuse.sshfs"])
def test_a_store_on_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    checks.MOUNTS.write_text(
        f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path}/far\\040away {kind} rw 0 0\n/dev/b {tmp_path}/near xfs rw 0 0\n"
    )
    text = f'store:\n  url: "sqlite:///{tmp_path}/far away/below/z.db"\n'
    assert said(tmp_path, text) == [
        f"config.yaml:2:8: store.url: the store is on a network file system ({kind}); SQLite needs a local disk"
    ]
    assert load(tmp_path, f'store: {{url: "sqlite:///{tmp_path}/near/z.db"}}\n').config.store.file


def test_where_mounts_cannot_be_read_nothing_is_concluded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOUNTS", tmp_path / "none")
    assert load(tmp_path, "server: {}\n").warnings == ()


def test_a_fallback_is_a_name_or_a_section_and_comes_to_the_outbox(tmp_path: Path) -> None:
    text = """channels:
  a: {url: "console://a", fallback: c}
  b: {url: "console://b", fallback: {channel: c, after: 5m, tries: 3}}
  c: {url: "console://c"}
"""
    ways = open_ways(load(tmp_path, text).config, print)
    assert [way.policy.fallback for way in ways] == [
        Fallback("c", timedelta(minutes=15)),
        Fallback("c", timedelta(minutes=5), 3),
        None,
    ]


LONELY = "nobody hears when `b` itself fails: name a second channel in `ops`, or give `b` a `fallback`"


@pytest.mark.parametrize(
    ("ops", "b", "lonely"),
    [
        ("[b]", 'url: "json://127.0.0.1/b"', True),
        ("b", 'url: "json://127.0.0.1/b"', True),
        ("[b, b]", 'url: "json://127.0.0.1/b"', True),
        ("[b]", 'url: "${env:NOT_SET}"', True),
        ("[b]", 'url: "console://b"', False),
        ("[b]", 'url: "json://127.0.0.1/b", fallback: c', False),
        ("[b, c]", 'url: "json://127.0.0.1/b"', False),
        ("[]", 'url: "json://127.0.0.1/b"', False),
    ],
)
def test_owners_with_one_way_are_warned(tmp_path: Path, ops: str, b: str, *, lonely: bool) -> None:
    file = load(tmp_path, f'ops: {ops}\nchannels:\n  b: {{{b}}}\n  c: {{url: "json://127.0.0.1/c"}}\n')
    said = [f"config.yaml:1:6: warning: ops: {LONELY}"] if lonely else []
    assert lines(file.warnings, tmp_path) == said


def test_of_a_fallback_that_cannot_be_read_nothing_is_concluded(tmp_path: Path) -> None:
    text = 'ops: b\nchannels:\n  b: {url: "json://127.0.0.1/b", fallback: []}\n'
    assert [one for one in said(tmp_path, text) if LONELY in one] == []
    text = 'ops: b\nchannels:\n  b: {url: "json://127.0.0.1/b", fallback: {chanel: c}}\n'
    assert [one for one in said(tmp_path, text) if LONELY in one] == []


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://alerts.example.com", "https://alerts.example.com"),
        ("https://alerts.example.com:8443/zennotify/", "https://alerts.example.com:8443/zennotify"),
        ("http://10.0.0.5", "http://10.0.0.5"),
    ],
)
def test_the_public_url_may_have_a_port_and_a_path(tmp_path: Path, url: str, taken: str) -> None:
    file = load(tmp_path, f'server: {{public_url: "{url}"}}\n')
    assert (file.config.server.public_url, file.warnings) == (taken, ())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("alerts.example.com", ", which begins with https:// or http://"),
        ("ftp://alerts.example.com", ", which begins with https:// or http://"),
        ("https://alerts.example.com/?x=1", " without `?` and `#`"),
        ("https://alerts.example.com/#top", " without `?` and `#`"),
        ("https://", ""),
        ("https://me:secret@alerts.example.com", ""),
        ("https://alerts.example.com:70000", ""),
    ],
)
def test_a_public_url_that_is_none_gets_a_sentence(tmp_path: Path, url: str, why: str) -> None:
    assert said(tmp_path, f'server: {{public_url: "{url}"}}\n') == [
        "config.yaml:1:22: server.public_url: this is not the URL of a web site"
        f"{why}, e.g. https://alerts.example.com"
    ]
