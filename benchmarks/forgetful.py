"""The daemon without its memory: it learns nothing of an event.  Only to show what learning costs."""

from __future__ import annotations

from typing import Any

from zennotify.cli import main
from zennotify.zenoti.memory import Memory


def _nothing(*_: Any) -> None:
    return


def _no_things(*_: Any) -> dict[str, Any]:
    return {}


if __name__ == "__main__":
    Memory.prepare = Memory.learn = _nothing  # type: ignore[method-assign, assignment]
    Memory.things_of = _no_things  # type: ignore[method-assign]
    main()
