"""Bringing the tables up to date: what the migrations make is what schema.py says, and a newer store is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, inspect, text

from zennotify.errors import StoreError
from zennotify.store.engine import write_engine
from zennotify.store.migrate import HEAD, migrate, upgrade
from zennotify.store.schema import metadata


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    engine = write_engine(store_url)
    yield engine
    engine.dispose()


def revisions() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "zennotify.store:migrations")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def partial_indexes(engine: Engine) -> dict[str, bool]:
    """Whether each index is partial: what alembic does not compare."""
    found: dict[str, bool] = {}
    for table in metadata.tables:
        for index in inspect(engine).get_indexes(table):
            options: Any = index.get("dialect_options", {})
            found[str(index["name"])] = any(name.endswith("_where") for name in options)
    return found


WAYS = pytest.mark.parametrize("bring", [migrate, upgrade], ids=["made at once", "by the migrations"])


@WAYS
def test_a_store_has_every_table_with_the_same_columns_and_indexes(
    engine: Engine, bring: Callable[[Engine], None]
) -> None:
    bring(engine)
    assert tables(engine) == {*metadata.tables, "alembic_version"}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, metadata) == []


@WAYS
def test_the_indexes_of_what_waits_hold_only_what_waits(
    engine: Engine, bring: Callable[[Engine], None]
) -> None:
    bring(engine)
    made = partial_indexes(engine)
    wanted = {
        str(index.name): index.dialect_options[engine.dialect.name]["where"] is not None
        for table in metadata.tables.values()
        for index in table.indexes
    }
    assert made == wanted
    assert {name for name, is_partial in made.items() if is_partial} == {
        "deliveries_gathered",
        "deliveries_pending",
        "deliveries_sending",
        "windows_due",
    }


def test_the_known_revision_is_the_newest_in_the_folder() -> None:
    script = revisions()
    assert script.get_heads() == [HEAD]
    ids = sorted(revision.revision for revision in script.walk_revisions())
    assert ids == [f"{number:04d}" for number in range(1, len(ids) + 1)]


def test_a_store_is_brought_up_to_date_once(engine: Engine) -> None:
    migrate(engine)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    migrate(engine)
    assert not [
        statement for statement in statements if statement.lstrip().upper().startswith(("CREATE", "ALTER"))
    ]


@pytest.mark.parametrize("revision", [f"{int(HEAD) + 1:04d}", "9999"])
def test_a_store_of_a_newer_version_is_refused_and_left_alone(engine: Engine, revision: str) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    with pytest.raises(StoreError) as raised:
        migrate(engine)
    assert str(raised.value) == (
        f"the store was written by a newer zennotify (schema {revision}, this version knows {HEAD}); "
        "install that version again, or restore the backup made before the update"
    )
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == revision


@WAYS
def test_what_fails_half_way_leaves_nothing(engine: Engine, bring: Callable[[Engine], None]) -> None:
    def fail_late(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "CREATE TABLE windows" in statement:
            raise RuntimeError("the power failed")

    event.listen(engine, "before_cursor_execute", fail_late)
    with pytest.raises(RuntimeError):
        bring(engine)
    assert tables(engine) == set()
    event.remove(engine, "before_cursor_execute", fail_late)
    bring(engine)
    assert tables(engine) == {*metadata.tables, "alembic_version"}


def test_alembic_is_not_loaded_when_there_is_nothing_to_migrate(store_url: str) -> None:
    script = (
        f"import sys; from zennotify.store import Store; Store.open({store_url!r}).close(); "
        "print('alembic' in sys.modules)"
    )
    seen = [
        subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert seen == ["False", "False"]


def test_alembic_leaves_the_programs_logging_alone(store_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    engine = write_engine(store_url)
    upgrade(engine)
    engine.dispose()
    assert capfd.readouterr() == ("", "")
