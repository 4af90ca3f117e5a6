"""Read config.yaml: parse, put secrets in, validate, check what hangs together, and name every error at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from zennotify import yamlfile
from zennotify.config import checks, model
from zennotify.config.secrets import Filling, Place
from zennotify.config.values import shown
from zennotify.errors import ConfigError, Problem
from zennotify.spelling import did_you_mean
from zennotify.yamlfile import kind

_SECTIONS: Mapping[str, type[BaseModel]] = {
    "server": model.ServerConfig,
    "admin": model.AdminConfig,
    "store": model.StoreConfig,
    "keep": model.Keep,
    "fallback": model.FallbackConfig,
    "zenoti_api": model.ZenotiApi,
}
#: Without these a section cannot be read, so that one whose secret is missing stays, empty.
_NEEDED = {"url", "key", "channel"}
_MEANT = re.compile(r"#[^\s#]")
_MAY_BE_EMPTY = {"server", "admin", "store", "event_aliases", "channels"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A config.yaml that can be used, and what is to be said about it."""

    config: model.Config
    warnings: tuple[Problem, ...]
    #: Secrets that could not be read, by the path of their key: an error for who needs them.
    missing: Mapping[Place, Problem]
    _document: yamlfile.Document = field(repr=False)

    @property
    def channel_names(self) -> list[str]:
        """All names that stand below `channels`, also of channels that cannot be used."""
        written = self._document.value.get("channels")
        return [str(name) for name in written] if isinstance(written, dict) else []

    def is_written(self, path: Place) -> bool:
        """Return whether the file has a value at `path`, good or not."""
        value = self._document.value
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return value is not None

    def url_as_written(self, channel: str) -> str:
        """Return a channel's URL with its secrets still unread: `slack://${env:SLACK_HOOK}`."""
        return str(self._document.value["channels"][channel]["url"])

    def where(self, path: Place, message: str, *, warning: bool = False) -> Problem:
        """Return a Problem at the key at `path`, for checks that are made elsewhere."""
        return self._document.problem(path, f"{label(path)}: {message}", warning=warning)


class ConfigRefused(ConfigError):  # noqa: N818 - a state of the file
    """A configuration has errors; `rest` is what is left without them, for further checks only."""

    def __init__(self, problems: Sequence[Problem], rest: ConfigFile | None) -> None:
        super().__init__(problems)
        self.rest = rest


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
        self._say(self._filling.wrong.items())
        unfilled = self._filling.wrong.keys() | self._filling.missing.keys()
        config, wrong = self._validate({place for place in unfilled if place[-1] not in _NEEDED})
        found = checks.check(config, self._read({}), self._written, wrong | unfilled)
        self._say(found.errors)
        said = (*found.warnings, *self._filling.warnings.items(), *_comments(self._document))
        warnings = [self._problem(place, sentence, warning=True) for place, sentence in said]
        problems = sorted({*self._errors, *warnings})
        if config is None:
            raise ConfigRefused(problems, None)
        file = ConfigFile(
            config=config,
            warnings=tuple(sorted(warnings)),
            missing={place: self._problem(place, said) for place, said in self._filling.missing.items()},
            _document=self._document,
        )
        if self._errors:
            raise ConfigRefused(problems, file)
        return file

    def _validate(self, left_out: set[Place]) -> tuple[model.Config | None, set[Place]]:
        """Return the Config, without what is wrong, and where that is.

        What cannot be used is left out and the rest is read again, so that what hangs together is still checked.
        """
        wrong: set[Place] = set(left_out)
        for attempt in range(3):
            try:
                return self._read(_without(self._tree, wrong)), wrong
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    place: Place = detail["loc"]
                    missing = detail["type"] == "missing"
                    wrong = wrong | {place[:-1] if missing else place}
                    if attempt == 0:
                        self._errors.append(self._explain(place, dict(detail)))
        return None, wrong

    def _read(self, tree: Any) -> model.Config:
        return model.Config.model_validate(tree, context={"folder": self._folder})

    def _explain(self, place: Place, detail: Mapping[str, Any]) -> Problem:
        if place[-1] == "[key]":
            return self._problem(place[:-1], _sentence(detail), key=True)
        if detail["type"] == "extra_forbidden":
            return self._problem(place, _unknown_key(place), key=True)
        if detail["type"] == "missing":
            return self._problem(place[:-1], f"`{place[-1]}` is missing")
        return self._problem(place, _sentence(detail))

    def _say(self, errors: Iterable[tuple[Place, str]]) -> None:
        self._errors += (self._problem(place, sentence) for place, sentence in errors)

    def _problem(self, place: Place, sentence: str, *, key: bool = False, warning: bool = False) -> Problem:
        return self._document.problem(place, f"{label(place)}: {sentence}", key=key, warning=warning)


def _comments(document: yamlfile.Document) -> Iterator[tuple[Place, str]]:
    """Yield the keys whose value looks as if it was meant, but is a comment: `token: #abc`."""
    waiting: list[tuple[Place, Any]] = [((), document.value)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            waiting += (((*place, key), part) for key, part in value.items())
        elif value is None and document.is_blank(place) and _MEANT.match(document.comment_after(place)):
            yield place, "there is no value: `#` starts a comment; put the text in quotes"


def _without_empty_sections(tree: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is null because all its keys are comments: it means the defaults."""
    return {key: value for key, value in tree.items() if value is not None or key not in _MAY_BE_EMPTY}


def _without(tree: Any, places: Iterable[Place]) -> Any:
    """Return a copy of the tree without these places; of a list, all goes."""
    if not isinstance(tree, dict):
        return tree
    tree = dict(tree)
    for key in {place[0] for place in places}:
        if key in tree:
            below = [place[1:] for place in places if place[0] == key]
            if any(not rest or isinstance(rest[0], int) for rest in below):
                del tree[key]
            else:
                tree[key] = _without(tree[key], below)
    return tree


def _unknown_key(place: Place) -> str:
    section = _section(place[:-1])
    name = str(place[-1])
    hint = did_you_mean(name, section.model_fields)
    if not hint:
        owner = next((title for title, fields in _SECTIONS.items() if name in fields.model_fields), None)
        hint = f"; it belongs below `{owner}:`" if owner else f"; known are: {' '.join(section.model_fields)}"
    return f"unknown key{hint}"


def _section(place: Place) -> type[BaseModel]:
    if not place:
        return model.Config
    is_channel = place[0] == "channels" and len(place) == 2
    return model.ChannelConfig if is_channel else _SECTIONS[str(place[-1])]


def _sentence(detail: Mapping[str, Any]) -> str:
    """Say what pydantic found in our words; its own repeat the value, which may be a secret."""
    found, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error" | "enum":
            return f"{context['expected'].replace(chr(39), '`')} is expected, not {_named(found)}"
        case "tuple_type":
            return f"a list is expected, e.g. [a, b], not {kind(found)}"
        case _:
            return f"`key: value` lines are expected, not {kind(found)}"


def _named(found: object) -> str:
    return shown(found) if isinstance(found, str) else kind(found)
