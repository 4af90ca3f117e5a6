"""The SQL of windows and what they gather, one set for both engines."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    TextClause,
    bindparam,
    case,
    delete,
    func,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from zennotify.store.prepared import NONE, Prepared
from zennotify.store.schema import acknowledgements, deliveries, gathered, windows

_COLUMNS: Final = ", ".join(f"w.{name}" for name in windows.c.keys())  # noqa: SIM118 - columns, not a mapping


def _windows(rows: str, rule: str, stage: str, key: str) -> TextClause:
    """Look each key up by itself: with `(rule, stage, key) IN (...)` SQLite would read the whole table."""
    found = f"w.rule = {rule} AND w.stage = {stage} AND w.key = {key}"
    return text(f"SELECT {_COLUMNS} FROM {rows} AS k CROSS JOIN windows AS w WHERE {found}")  # noqa: S608 - no values


WINDOWS = Prepared(
    _windows("json_each(:keys)", "k.value ->> 0", "k.value ->> 1", "k.value ->> 2"),
    "keys",
    for_engine={
        "postgresql": _windows(
            "jsonb_array_elements(CAST(:keys AS jsonb))", "k.value ->> 0", "k.value ->> 1", "k.value ->> 2"
        )
    },
)


def _save_window(add: sqlite.Insert | postgresql.Insert) -> ClauseElement:
    kept = [column.name for column in windows.c if not column.primary_key]
    return add.on_conflict_do_update(
        index_elements=["rule", "stage", "key"], set_={name: add.excluded[name] for name in kept}
    )


SAVE_WINDOW = Prepared(
    _save_window(sqlite.insert(windows)),
    *windows.c.keys(),
    for_engine={"postgresql": _save_window(postgresql.insert(windows))},
)
END_WINDOW = Prepared(
    delete(windows).where(
        windows.c.rule == bindparam("of_rule"),
        windows.c.stage == bindparam("of_stage"),
        windows.c.key == bindparam("of_key"),
    ),
    "of_rule",
    "of_stage",
    "of_key",
)
NEXT_TIMER = Prepared(select(func.min(windows.c.due)).where(windows.c.due.is_not(None)))
#: In the order of their time; the rest of the order makes it the same each time.
DUE_WINDOWS = Prepared(
    select(windows)
    .where(windows.c.due.is_not(None), windows.c.due <= bindparam("now"))
    .order_by(windows.c.due, windows.c.rule, windows.c.stage, windows.c.key)
    .limit(bindparam("most", type_=BigInteger))
    .offset(NONE),
    "now",
    "most",
)
_NOW = bindparam("now", type_=BigInteger)


def _moved(column: ColumnElement[int]) -> ColumnElement[int]:
    """Move a time as the opening of its window is moved; what is past stays, as far as it can be past."""
    return case(
        (column >= windows.c.opened, column - windows.c.opened + _NOW),
        (column > _NOW, _NOW),
        else_=column,
    )


#: A window that has no `opened` does not depend on our clock.
REANCHOR = (
    update(windows)
    .where(
        windows.c.due.is_not(None),
        (windows.c.opened > bindparam("ahead")) | (windows.c.opened < bindparam("never")),
    )
    .values(
        until=_moved(windows.c.until),
        due=_moved(windows.c.due),
        expires=_moved(windows.c.expires),
        opened=_NOW,
    )
)
#: Deliveries and acknowledgements keep a number longer than the events do that it was given to.
LAST_NUMBER = Prepared(
    select(
        func.max(
            union_all(
                select(func.max(gathered.c.number).label("number")),
                select(func.max(deliveries.c.gathered)).where(deliveries.c.gathered.is_not(None)),
                select(func.max(acknowledgements.c.gathered)),
            )
            .subquery()
            .c.number
        )
    )
)
#: One that is there already is enough: a message that was too late may be asked for by hand, and be too late again.
GATHER = Prepared(
    sqlite.insert(gathered).on_conflict_do_nothing(),
    *gathered.c.keys(),
    for_engine={"postgresql": postgresql.insert(gathered).on_conflict_do_nothing()},
)
LAST_GATHERED = Prepared(
    select(func.max(gathered.c.event)).where(gathered.c.number == bindparam("of_number")), "of_number"
)
