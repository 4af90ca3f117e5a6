"""Brings the tables up to date at start.  Alembic is imported only when there is something to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Engine, inspect, text

from zennotify import systemd
from zennotify.errors import StoreError
from zennotify.store.schema import metadata

#: The newest revision in migrations/versions; a test holds it against the folder.
HEAD = "0003"
#: So much time systemd gives a start for the migrations.
_LONGEST: Final = timedelta(minutes=10)


def migrate(engine: Engine) -> None:
    """Create or update the tables; refuse a store that a newer zennotify wrote."""
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        revision = None
        if "alembic_version" in tables:
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision == HEAD:
        return
    if not tables:
        _create(engine)
        return
    if revision is not None and revision > HEAD:
        raise StoreError(
            f"the store was written by a newer zennotify (schema {revision}, this version knows {HEAD}); "
            "install that version again, or restore the backup made before the update"
        )
    upgrade(engine)


def _create(engine: Engine) -> None:
    """Make a fresh store as the migrations would (a test compares), without what Alembic costs."""
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(
            text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        )
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing; on a large store they may take a while."""
    systemd.extend(_LONGEST)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "zennotify.store:migrations")
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
