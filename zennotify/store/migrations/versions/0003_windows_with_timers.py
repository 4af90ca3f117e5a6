"""Windows with timers, silences and acknowledgements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what rules that know time remember, and what operators say about their messages."""
    op.add_column("windows", sa.Column("count", sa.Integer(), nullable=False, server_default="0"))
    for name in ("opened", "due", "event", "number"):
        op.add_column("windows", sa.Column(name, sa.BigInteger(), nullable=True))
    for name in ("times", "rule_set"):
        op.add_column("windows", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "windows_due",
        "windows",
        ["due"],
        unique=False,
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )
    op.create_table(
        "gathered",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("late", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", "event"),
        sqlite_with_rowid=False,
    )
    op.create_index("gathered_event", "gathered", ["event"], unique=False)
    op.add_column("deliveries", sa.Column("gathered", sa.BigInteger(), nullable=True))
    op.add_column("deliveries", sa.Column("counted", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("deliveries", sa.Column("meant", sa.BigInteger(), nullable=True))
    op.create_index(
        "deliveries_gathered",
        "deliveries",
        ["gathered", "channel", "recipient", "step"],
        unique=True,
        sqlite_where=sa.text("gathered IS NOT NULL"),
        postgresql_where=sa.text("gathered IS NOT NULL"),
    )
    op.create_table(
        "silences",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("match", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "acknowledgements",
        sa.Column("delivery", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=True),
        sa.Column("gathered", sa.BigInteger(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("delivery"),
        sqlite_with_rowid=False,
    )
    op.create_index("acknowledgements_event", "acknowledgements", ["event"], unique=False)
    op.create_index("acknowledgements_gathered", "acknowledgements", ["gathered"], unique=False)
    op.create_table(
        "keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
