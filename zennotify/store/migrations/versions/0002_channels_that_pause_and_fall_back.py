"""Channels that are paused, and deliveries that fall back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is kept of a channel, and what a delivery knows of its tries."""
    op.create_table(
        "channels",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("probes", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("spent", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    for name, kind in (("since", sa.BigInteger()), ("tries", sa.Integer()), ("unsure", sa.Integer())):
        op.add_column("deliveries", sa.Column(name, kind, nullable=False, server_default="0"))
    op.add_column("deliveries", sa.Column("instead_of", sa.BigInteger(), nullable=True))
    # Of what is over nobody asks, and a large store has millions.  An attempt that is under way is no try yet.
    op.execute(
        "UPDATE deliveries SET since = created,"
        " tries = CASE WHEN state = 'sending' AND attempts > 0 THEN attempts - 1 ELSE attempts END"
        " WHERE state IN ('pending', 'sending')"
    )
    op.drop_index("deliveries_pending", "deliveries")
    op.create_index(
        "deliveries_pending",
        "deliveries",
        ["channel", "due", "since"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
