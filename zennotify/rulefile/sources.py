"""Read the folders of rules and templates, and centers.yaml, as they are, for compile.py and for the store."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zennotify import yamlfile
from zennotify.errors import ConfigError, Problem

_RULE_FILES = (".yaml", ".yml")
_TEMPLATE_FILES = (".j2",)
_MOST_FILES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The texts of all rule files and templates, by their names relative to their folders, and of centers.yaml."""

    rules: Mapping[str, str]
    templates: Mapping[str, str]
    #: None when there is no such file.
    centers: str | None = None
    #: Where they were read, for messages only.
    rules_at: str = field(default="rules", compare=False)
    templates_at: str = field(default="templates", compare=False)
    centers_at: str = field(default="centers.yaml", compare=False)

    @property
    def hash(self) -> str:
        """Name these texts: equal texts under equal names have an equal hash, wherever they were read."""
        texts: list[object] = [sorted(self.rules.items()), sorted(self.templates.items())]
        if self.centers is not None:  # without, it is the hash that the set had before there were centres
            texts.append(self.centers)
        return hashlib.sha256(json.dumps(texts, separators=(",", ":")).encode()).hexdigest()[:32]


def read_sources(rules: Path, templates: Path, centers: Path) -> Sources:
    """Read all rule files (`rules` is a folder or one file), templates and centres, or raise ConfigError.

    Templates and centres need not be there.
    """
    try:
        return _read(rules, templates, centers)
    except OSError as error:
        raise ConfigError([_unreadable(Path(error.filename or rules), error)]) from error


def _read(rules: Path, templates: Path, centers: Path) -> Sources:
    if rules.is_file():
        rules_at, names, problems = rules.parent, [rules.name], list[Problem]()
    else:
        rules_at, (names, problems) = rules, _names(rules, _RULE_FILES)
        if not names and not problems:
            problems.append(Problem(str(rules), 0, 0, "there is no rule file (*.yaml) in this folder"))
    # Without a folder of templates, all messages are written in the rules.
    template_names, more_problems = _names(templates, _TEMPLATE_FILES) if templates.exists() else ([], [])
    problems += more_problems
    rule_texts = _texts(rules_at, names, problems)
    template_texts = _texts(templates, template_names, problems)
    center_texts = _texts(centers.parent, [centers.name], problems) if _is_there(centers) else {}
    if problems:
        raise ConfigError(sorted(problems))
    return Sources(
        rules=rule_texts,
        templates=template_texts,
        centers=center_texts.get(centers.name),
        rules_at=str(rules_at),
        templates_at=str(templates),
        centers_at=str(centers),
    )


def _names(top: Path, endings: tuple[str, ...]) -> tuple[list[str], list[Problem]]:
    """Return the names of the files below a folder, in order; hidden ones are left out."""
    problems: list[Problem] = []

    def note(error: OSError) -> None:
        problems.append(_unreadable(Path(error.filename), error))

    if not top.exists():
        return [], [Problem(str(top), 0, 0, "this folder does not exist")]
    names: list[str] = []
    for folder, folders, files in os.walk(top, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [Path(folder, name) for name in folders if Path(folder, name).is_symlink()]
        problems += (Problem(str(link), 0, 0, "a link to a folder is not followed") for link in links)
        below = Path(folder).relative_to(top)
        names += ((below / name).as_posix() for name in files if name.endswith(endings) and name[0] != ".")
    if len(names) > _MOST_FILES:
        problems.append(Problem(str(top), 0, 0, f"there are more than {_MOST_FILES} files in this folder"))
    return sorted(names[:_MOST_FILES]), problems


def _texts(top: Path, names: list[str], problems: list[Problem]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name in names:
        path = top / name
        try:
            texts[name] = yamlfile.decode(yamlfile.read_file(path, str(path)), str(path))
        except ConfigError as error:
            problems += error.problems
    return texts


def _is_there(file: Path) -> bool:
    """Say whether a file is there; one that cannot be read, or a link that leads nowhere, is."""
    try:
        return file.exists() or file.is_symlink()
    except OSError:
        return True


def _unreadable(path: Path, error: OSError) -> Problem:
    return Problem(str(path), 0, 0, f"this folder cannot be read: {error.strerror or type(error).__name__}")
