"""Read config.yaml: parse, put secrets in, validate, check what hangs together, and name every error at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from zennotify import yamlfile
from zennotify.config import checks, model
from zennotify.config.secrets import Filling, Place
from zennotify.config.values import kind, shown
from zennotify.errors import ConfigError, Problem

_SECTIONS: Mapping[str, type[BaseModel]] = {
    "server": model.ServerConfig,
    "admin": model.AdminConfig,
    "store": model.StoreConfig,
    "keep": model.Keep,
    "zenoti_api": model.ZenotiApi,
}
#: Without these a section cannot be read, so that one whose secret is missing stays, empty.
_NEEDED = {"url", "key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A config.yaml that can be used, and what is to be said about it."""

    config: model.Config
    warnings: tuple[Problem, ...]
    #: Secrets that could not be read, by the path of their key: an error for who needs them.
    missing: Mapping[Place, Problem]
    _document: yamlfile.Document = field(repr=False)

    def where(self, path: Place, message: str, *, warning: bool = False) -> Problem:
        """Return a Problem at the key at `path`, for checks that are made elsewhere."""
        return self._document.problem(path, f"{label(path)}: {message}", warning=warning)


def load_config(path: Path, *, environ: Mapping[str, str]) -> ConfigFile:
    """Read a configuration, or raise ConfigError with all that is wrong with it."""
    name = str(path)
    document = yamlfile.load(yamlfile.read_file(path, name), name)
    if document.value is None:
        raise ConfigError([Problem(name, 0, 0, "the file is empty; start from config.example.yaml")])
    if not isinstance(document.value, dict):
        sentence = f"`key: value` lines are expected, e.g. `server:`, not {kind(document.value)}"
        raise ConfigError([document.problem((), sentence)])
    return _Loading(document, path.parent.absolute(), environ).finish()


def label(path: Iterable[yamlfile.Step]) -> str:
    """Return a path as people write it: `server.secrets[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


class _Loading:
    """One file on its way from values to a Config."""

    def __init__(self, document: yamlfile.Document, folder: Path, environ: Mapping[str, str]) -> None:
        self._document = document
        self._folder = folder
        self._filling = Filling(environ, folder)
        self._written: dict[str, Any] = _without_empty_sections(document.value)
        self._tree: dict[str, Any] = self._filling.fill(self._written)
        self._errors: list[Problem] = []

    def finish(self) -> ConfigFile:
        """Return the result, or raise ConfigError."""
        for place, sentence in self._filling.wrong.items():
            self._error(place, sentence)
        # What cannot be used is left out, so that what hangs together is still checked.
        unread = {place for place in self._filling.missing if place[-1] not in _NEEDED}
        config, wrong = self._validate({*unread, *self._filling.wrong})
        known_wrong = {*wrong, *self._filling.wrong, *self._filling.missing}
        found = checks.check(config, self._written, known_wrong)
        self._errors += (self._problem(place, sentence) for place, sentence in found.errors)
        if self._errors or config is None:
            raise ConfigError(sorted(self._errors))
        warnings = [*found.warnings, *self._filling.warnings.items()]
        return ConfigFile(
            config=config,
            warnings=tuple(sorted(self._problem(*said, warning=True) for said in warnings)),
            missing={place: self._problem(place, said) for place, said in self._filling.missing.items()},
            _document=self._document,
        )

    def _validate(self, left_out: set[Place]) -> tuple[model.Config | None, set[Place]]:
        """Return the Config and where it is wrong; None where too much is wrong even to go on checking."""
        wrong: set[Place] = set()
        for _ in range(3):
            tree, moved = _leave_out(self._tree, left_out | wrong)
            try:
                return model.Config.model_validate(tree, context={"folder": self._folder}), wrong
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    place = self._place(detail["loc"], moved)
                    if not wrong:
                        self._explain(place, dict(detail))
                    wrong_now = {*wrong, place[:-1] if detail["type"] == "missing" else place}
