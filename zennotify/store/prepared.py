"""A statement that is compiled once per engine, and takes its parameters as a tuple.

SQLAlchemy's own handling of parameters costs as much as what SQLite does with them.  Used by statements.py and
delivery_statements.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Dialect, Text, bindparam, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class Prepared:
    """A statement with its parameters in this order; `for_engine` where the engines do not say it alike."""

    def __init__(
        self, statement: ClauseElement, *parameters: str, for_engine: dict[str, ClauseElement] | None = None
    ) -> None:
        self._statement = statement
        self._parameters = list(parameters)
        self._for_engine = for_engine or {}
        self._texts: dict[str, str] = {}

    def many(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run it for each row."""
        if rows:
            connection.exec_driver_sql(self._text(connection.dialect), rows)

    def all(self, connection: Connection, *parameters: Any) -> Sequence[Any]:
        """Run it once and return what it finds."""
        return connection.exec_driver_sql(self._text(connection.dialect), parameters).all()

    def _text(self, dialect: Dialect) -> str:
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = self._compile(dialect)
        return text

    def _compile(self, dialect: Dialect) -> str:
        statement = self._for_engine.get(dialect.name, self._statement)
        # Not psycopg's usual style, which names the parameters.
        style = "qmark" if dialect.name == "sqlite" else "format"
        make: Any = type(dialect)
        compiled: Any = statement.compile(dialect=make(paramstyle=style))
        if compiled.positiontup != self._parameters:
            raise TypeError(f"the parameters of this statement are {compiled.positiontup}")
        return str(compiled)


class _Listed(FunctionElement[Any]):
    """The elements of a JSON array: one parameter, so that the SQL is the same however many there are."""

    inherit_cache = True

    def __init__(self, name: str, of: TypeEngine[Any]) -> None:
        super().__init__(bindparam(name, type_=Text))
        self.type = of


@compiles(_Listed, "sqlite")
def _listed_sqlite(element: _Listed, compiler: SQLCompiler, **how: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **how)}))"  # noqa: S608 - a parameter


@compiles(_Listed, "postgresql")
def _listed_postgresql(element: _Listed, compiler: SQLCompiler, **how: Any) -> str:
    listed = f"jsonb_array_elements_text(CAST({compiler.process(element.clauses, **how)} AS jsonb))"
    return f"(SELECT CAST({listed} AS {compiler.dialect.type_compiler_instance.process(element.type)}))"


def texts(name: str) -> _Listed:
    """Return the texts in a parameter that is a JSON array."""
    return _Listed(name, Text())


def numbers(name: str) -> _Listed:
    """Return the numbers in a parameter that is a JSON array."""
    return _Listed(name, BigInteger())


def is_in(column: ColumnElement[Any], listed: ClauseElement) -> ColumnElement[bool]:
    """Return the condition that a column has one of the listed values."""
    return column.op("IN", is_comparison=True)(listed)


#: Written out, because SQLite's dialect would add a parameter for it.
NONE: ColumnElement[int] = literal_column("0")
