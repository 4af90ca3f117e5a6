"""The repository tells the truth: the example works, the documents name what there is, and nothing more."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from zennotify import __version__
from zennotify.cli import main
from zennotify.config import AdminConfig, ChannelConfig, Config, ServerConfig, StoreConfig, load_config
from zennotify.core.model import Form
from zennotify.errors import Problem
from zennotify.rulefile import compile_rules, read_sources
from zennotify.zenoti.catalog import EVENT_TYPES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()


def commands(group: click.Group, path: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, f"{path}{name} ")
        else:
            found.append((f"{path}{name}", command))
    return found


def test_the_example_configuration_and_rules_have_no_problem() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zennotify", "check", "--config", "config.example.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == "good: 25 rules, 3 channels, 5 centres, 0 warnings\n"


def test_every_template_is_used_by_a_rule() -> None:
    sources = read_sources(ROOT / "rules", ROOT / "templates", ROOT / "centers.yaml")
    used = set(re.findall(r"^ +template: (\S+)", "\n".join(sources.rules.values()), re.MULTILINE))
    assert used == set(sources.templates)


def test_the_readme_names_every_command_and_setting() -> None:
    for name, _ in commands(main):
        assert all(f"`{word}" in README or f" {word}" in README for word in name.split()), name
    for section in (Config, ServerConfig, AdminConfig, StoreConfig, ChannelConfig):
        for setting in section.model_fields:
            assert f"`{setting}`" in README, setting


def test_the_readmes_options_exist() -> None:
    known = {option for _, command in commands(main) for param in command.params for option in param.opts}
    for option in set(re.findall(r"(?<![\w|-])--[a-z][a-z-]+", README)):
        assert option in known | {"--now"}, option


def test_the_readmes_first_rule_is_good() -> None:
    [text] = [
        block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "class-changed" in block
    ]
    rule = "\n".join(line.removeprefix("   ") for line in text.splitlines())
    sources = read_sources(ROOT / "rules", ROOT / "templates", ROOT / "centers.yaml")
    mine = type(sources)(rules={"mine.yaml": rule}, templates={})
    compiled = compile_rules(
        mine, channels={"front-desk": Form.CHAT}, time_zone="UTC", locale="en-US", event_types=EVENT_TYPES
    )
    warnings: tuple[Problem, ...] = compiled.warnings
    assert warnings == ()


def test_the_readmes_service_settings_are_good(tmp_path: Path) -> None:
    [text] = [block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "control" in block]
    (tmp_path / "config.yaml").write_text(text)
    config = load_config(tmp_path / "config.yaml", environ={}).config
    assert str(config.store.file) == "/var/lib/zennotify/zennotify.db"


def test_the_readmes_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= targets
    assert {"run", "test", "check", "bench", "help", "crash"} <= targets


def test_the_architectures_module_table_is_the_tree() -> None:
    named = set(re.findall(r"^\| `([\w.]+/?)` \|", ARCHITECTURE, re.MULTILINE))
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "zennotify").iterdir()
        if path.name not in {"__pycache__", "__init__.py"}
    }
    assert named == there


def test_the_changelog_begins_with_what_is_unreleased_or_with_this_version() -> None:
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] in {"Unreleased", __version__}


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


def test_ci_runs_the_readmes_test_command() -> None:
    lines = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make ")]
    assert lines == ["make system-parts", "make test"]


def test_no_module_is_longer_than_500_lines() -> None:
    for name in TRACKED:
        if name.startswith("zennotify/") and name.endswith(".py"):
            assert len((ROOT / name).read_text().splitlines()) <= 500, name


def test_the_locks_have_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        pins = re.findall(r"^([a-z][\w.-]*)==", text, re.MULTILINE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)


@pytest.mark.parametrize(
    "name", [name for name in TRACKED if name.endswith((".yaml", ".yml")) and "/bad/" not in name]
)
def test_every_yaml_file_can_be_read(name: str) -> None:
    yaml.safe_load((ROOT / name).read_text())


def test_every_command_has_a_help_text() -> None:
    for name, command in commands(main):
        assert command.help, name
        assert any(param.name == "config_path" for param in command.params), name
