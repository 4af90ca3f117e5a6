"""How the store is asked: short read transactions, which never block the writer, and conditions that queries share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Select, func, select

from zennotify.store.engine import translated_errors
from zennotify.store.schema import to_micros

_SLACK: Final = timedelta(days=1)
#: Rows that are read at a time where all are looked through: a body may have a megabyte.
PAGE: Final = 200


class Asking:
    """Asks the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _all(self, query: Select[Any], **parameters: Any) -> Sequence[Any]:
        with translated_errors(), self._engine.connect() as connection:
            return connection.execute(query, parameters).all()


def like(glob: str) -> str:
    """Return a glob as a pattern of LIKE."""
    return _literal(glob).replace("*", "%")


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Return the condition that a column contains a text, in whatever case."""
    return func.lower(column).like(f"%{_literal(text.lower())}%", escape="\\")


def begins(column: ColumnElement[str], beginning: str) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that an id begins so, in a form that an index serves."""
    return column >= beginning, column < beginning + chr(0x10FFFF)


def young(
    number: ColumnElement[int], at: ColumnElement[int], since: datetime
) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for rows since a moment.

    They lie in the order of their arrival, give or take: the look back ends at what is a day older.
    """
    older = (
        select(number)
        .where(at < to_micros(since - _SLACK))
        .order_by(number.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (at >= to_micros(since), number > func.coalesce(older, 0))
