"""What stands where a template asks for a field that is not there."""

from __future__ import annotations

from typing import Any, NoReturn

from jinja2 import StrictUndefined
from jinja2.utils import missing

from zennotify.message.limits import Refused, current
from zennotify.spelling import did_you_mean


class Missing(StrictUndefined):
    """A missing field: only `default` and `is defined` take it, all else is refused with the path as written."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[Refused] = Refused,
    ) -> None:
        super().__init__(hint, obj, name, Refused)

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name = str(self._undefined_name)
        return f"no name `{name}`{did_you_mean(name, current().names)}"

    def fail(self) -> NoReturn:
        """Refuse."""
        raise Refused(self._undefined_message)
