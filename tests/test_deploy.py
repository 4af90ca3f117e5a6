"""The units of deploy/ are understood by systemd, give few rights away, and fit the program."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from zennotify.config import ServerConfig, load_config

DEPLOY = Path(__file__).parent.parent / "deploy"
PROGRAM = "/opt/zennotify/venv/bin/zennotify"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A copy of the units; the one path that exists only where zennotify is installed is another program's."""
    if shutil.which("systemd-analyze") is None:
        skip_or_fail("systemd-analyze is not installed")
    for unit in DEPLOY.glob("zennotify.*"):
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, sys.executable)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def section(unit: str, name: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / unit, encoding="utf-8")
    return parser[name]


def test_systemd_understands_every_line(units: Path) -> None:
    files = [str(path) for path in sorted(units.iterdir())]
    ran = analyze("verify", "--man=no", "--recursive-errors=yes", *files)
    assert (ran.returncode, ran.stderr, len(files)) == (0, "", 2)


def test_systemd_would_complain_about_a_wrong_line(units: Path) -> None:
    unit = units / "zennotify.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("KillMode", "KilMode"), encoding="utf-8")
    assert analyze("verify", "--man=no", "--recursive-errors=yes", str(unit)).returncode != 0


def test_service_is_exposed_by_1_5_at_most(units: Path) -> None:
    ran = analyze(
        "security", "--offline=true", "--threshold=15", "--no-pager", str(units / "zennotify.service")
    )
    assert ran.returncode == 0, ran.stdout[-200:] + ran.stderr


def test_service_runs_the_daemon_and_gives_up_on_a_bad_configuration() -> None:
    service = section("zennotify.service", "Service")
    assert service["ExecStart"] == f"{PROGRAM} run --config /etc/zennotify/config.yaml"
    assert service["RestartPreventExitStatus"] == "78"
    assert service["Type"] == "notify"


def test_socket_is_where_the_configuration_listens_by_default() -> None:
    assert section("zennotify.socket", "Socket")["ListenStream"] == str(ServerConfig().listen)


def test_paths_that_the_comments_advise_are_in_the_directories_of_the_service(tmp_path: Path) -> None:
    lines = (DEPLOY / "zennotify.service").read_text(encoding="utf-8").splitlines()
    advice = [line.removeprefix("#   ") for line in lines if line.startswith(("#   store:", "#   admin:"))]
    (tmp_path / "config.yaml").write_text("\n".join(advice), encoding="utf-8")
    config = load_config(tmp_path / "config.yaml", environ={}).config
    service = section("zennotify.service", "Service")
    assert config.store.file == Path("/var/lib") / service["StateDirectory"] / "zennotify.db"
    assert config.admin.control.path == Path("/run") / service["RuntimeDirectory"] / "zennotify.sock"
