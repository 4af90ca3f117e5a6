"""Brings the tables up to date at start.  Alembic is imported only when there is something to do."""

from __future__ import annotations

from sqlalchemy import Engine, inspect, text

from zennotify.errors import StoreError

#: The newest revision in migrations/versions; a test holds it against the folder.
HEAD = "0001"


def migrate(engine: Engine) -> None:
    """Create or update the tables; refuse a store that a newer zennotify wrote."""
    with engine.connect() as connection:
        revision = None
        if inspect(connection).has_table("alembic_version"):
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision == HEAD:
        return
    if revision is not None and revision > HEAD:
        raise StoreError(
            f"the store was written by a newer zennotify (schema {revision}, this version knows {HEAD}); "
            "install that version again, or restore the backup made before the update"
        )
    _upgrade(engine)


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "zennotify.store:migrations")
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
