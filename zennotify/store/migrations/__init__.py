"""Alembic migrations; see store/migrate.py."""
