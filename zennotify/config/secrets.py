"""What do `${env:NAME}`, `${file:/path}` and `${cred:NAME}` stand for?  Used by load.py, after the YAML was parsed.

Only the text of scalar values is replaced, so that a secret cannot add keys.  What was put in is not looked at
again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zennotify.config.values import Filled, Unread
from zennotify.yamlfile import Step

_PLACE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST = 64 * 1024
_FORMS = "${env:NAME}, ${env:NAME:-default}, ${file:/path} or ${cred:NAME}"

Place = tuple[Step, ...]


class _Missing(Exception):  # noqa: N818 - not an error of the program's
    """A secret could not be read; the text says why, without it."""


@dataclass(slots=True)
class Filling:
    """Replaces secrets in a tree of values and notes what was found on the way."""

    environ: Mapping[str, str]
    folder: Path
    #: `${...}` that means nothing.
    wrong: dict[Place, str] = field(default_factory=dict)
    #: Secrets that could not be read.
    missing: dict[Place, str] = field(default_factory=dict)
    warnings: dict[Place, str] = field(default_factory=dict)

    def fill(self, value: Any, place: Place = ()) -> Any:
        """Return the value with its secrets put in."""
        if isinstance(value, dict):
            return {key: self.fill(part, (*place, key)) for key, part in value.items()}
        if isinstance(value, list):
            return [self.fill(part, (*place, index)) for index, part in enumerate(value)]
        return self._text(value, place) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, place: Place) -> str:
        missing: list[str] = []

        def read(match: re.Match[str]) -> str:
            try:
                return self._read(match[1], place)
            except _Missing as error:
                missing.append(str(error))
                return ""

        try:
            filled = _PLACE.sub(read, text)
        except ValueError as error:
            self.wrong[place] = str(error)
            return Unread()
        if missing:
            self.missing[place] = "; ".join(dict.fromkeys(missing))
            return Unread()
        if "${" in _PLACE.sub("", text):
            self.wrong[place] = f"a `${{` is not closed with `}}`; write {_FORMS}"
        return Filled(filled, text)

    def _read(self, inside: str, place: Place) -> str:
        kind, _, name = inside.partition(":")
        match kind:
            case "env":
                return self._from_environment(name)
            case "file" if name:
                return self._from_file(self.folder / name, f"the file of ${{{inside}}}", place)
            case "cred" if _CREDENTIAL.fullmatch(name):
                return self._from_credential(name)
        hint = f"; did you mean ${{env:{inside}}}?" if _NAME.fullmatch(inside) else ""
        raise ValueError(f"this ${{...}} is not known: write {_FORMS}{hint}")

    def _from_environment(self, inside: str) -> str:
        name, given, default = inside.partition(":-")
        if not _NAME.fullmatch(name):
            raise ValueError(f"the name in ${{env:...}} is not one of a variable: write {_FORMS}")
        value = self.environ.get(name, "") or default
        if not value and not given:
            state = "empty" if name in self.environ else "not set"
            raise _Missing(f"the environment variable {name} is {state}")
        return _one_line(value, f"the environment variable {name}")

    def _from_credential(self, name: str) -> str:
        folder = self.environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise _Missing(f"${{cred:{name}}} needs systemd: $CREDENTIALS_DIRECTORY is not set")
        return self._from_file(Path(folder) / name, f"the credential {name}", None)

    def _from_file(self, path: Path, what: str, place: Place | None) -> str:
        try:
            if not path.is_file():
                raise _Missing(f"{what} does not exist, or is not a regular file")
            with path.open("rb") as file:
                content = file.read(_LONGEST + 1)
            public = bool(path.stat().st_mode & 0o004)
        except OSError as error:
            raise _Missing(f"{what} cannot be read: {error.strerror or type(error).__name__}") from error
        if public and place is not None:
            self.warnings[place] = f"{what} can be read by every user of this machine; chmod it to 600"
        if len(content) > _LONGEST:
            raise _Missing(f"{what} is larger than 64 KiB")
        try:
            value = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise _Missing(f"{what} is not UTF-8 text") from None
        if not value:
            raise _Missing(f"{what} is empty")
        return _one_line(value, what)


def _one_line(value: str, what: str) -> str:
    if not value.isprintable():
        raise _Missing(f"{what} has a line break or another control character in it")
    return value
