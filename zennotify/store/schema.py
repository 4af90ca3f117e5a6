"""The tables.  One definition for SQLite and PostgreSQL; migrations/ brings an older store here.

Times are microseconds since 1970 in UTC: integers sort and compare alike in both engines.

Rows are found by numbers that only grow, and the indexes grow at their end: a key that falls anywhere costs a page
of its own (4 KB of log) for each row, as soon as the store is large.  Only an event's id is such a key.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
)

# Literals in the SQL, not parameters: an engine uses a partial index only for a condition that it can read.
PENDING: ColumnElement[str] = literal_column("'pending'")
SENDING: ColumnElement[str] = literal_column("'sending'")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

metadata = MetaData()
#: SQLite numbers rows by itself only in a column of this very type.
_RowNumber = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("seq", _RowNumber, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("center", Text),
    Column("at", BigInteger),
    Column("received_at", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    #: The rules that decided it; of an undecided event, those in force when it came.
    Column("rule_set", Text),
    Column("body", LargeBinary, nullable=False),
    Index("events_id", "id", unique=True),
    Index("events_fingerprint", "fingerprint", "received_at"),
)

# A table of its own: an event and its body are written once, and never again when it is decided.
undecided = Table(
    "undecided",
    metadata,
    Column("event", _RowNumber, primary_key=True, autoincrement=False),
    Column("tries", Integer, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("received_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("event", BigInteger, primary_key=True, autoincrement=False),
    #: Its place among the decisions of the event, from 0.
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("rule", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    sqlite_with_rowid=False,
)

deliveries = Table(
    "deliveries",
    metadata,
    #: The number that its id is made of (see number.py).
    Column("seq", _RowNumber, primary_key=True, autoincrement=False),
    Column("event", BigInteger),
    Column("window", Text),
    Column("rule", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("rule_set", Text, nullable=False),
    Column("held_back", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease", Text),
    Column("lease_until", BigInteger),
    Column("title", Text),
    Column("message", Text),
    #: When it was due first.
    Column("since", BigInteger, nullable=False),
    #: The attempts that count against the channel's `retry`.
    Column("tries", Integer, nullable=False),
    #: 1 where an earlier attempt may have arrived.
    Column("unsure", Integer, nullable=False),
    #: The delivery of another channel that it is the fallback of.
    Column("instead_of", BigInteger),
    #: The number of the events that it is about, where it is not about one.
    Column("gathered", BigInteger),
    #: What a threshold or a digest has counted.
    Column("counted", Integer, nullable=False),
    #: When it was meant to go out, where that is not when its event came.
    Column("meant", BigInteger),
    Index("deliveries_duty", "event", "rule", "channel", "recipient", "step", unique=True),
)
Index(
    "deliveries_gathered",
    deliveries.c.gathered,
    deliveries.c.channel,
    deliveries.c.recipient,
    deliveries.c.step,
    unique=True,
    sqlite_where=deliveries.c.gathered.is_not(None),
    postgresql_where=deliveries.c.gathered.is_not(None),
)
Index(
    "deliveries_pending",
    deliveries.c.channel,
    deliveries.c.due,
    # Not looked for, but read: which ones have waited too long is answered by the index alone.
    deliveries.c.since,
    sqlite_where=deliveries.c.state == PENDING,
    postgresql_where=deliveries.c.state == PENDING,
)
Index(
    "deliveries_sending",
    deliveries.c.lease_until,
    sqlite_where=deliveries.c.state == SENDING,
    postgresql_where=deliveries.c.state == SENDING,
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started", BigInteger, nullable=False),
    Column("finished", BigInteger),
    Column("outcome", Text),
    Column("detail", Text, nullable=False, default=""),
    sqlite_with_rowid=False,
)

#: What is known of a channel; it is configured in config.yaml.
channels = Table(
    "channels",
    metadata,
    Column("name", Text, primary_key=True),
    #: Why it is paused (core/pause.py), and what goes with it; null where it is not.
    Column("cause", Text),
    Column("since", BigInteger),
    Column("until", BigInteger),
    Column("probes", Integer),
    Column("detail", Text),
    #: What it has spent of its rates (core/rate.py).
    Column("spent", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: What rules remember (core/window.py); which stage uses which column stands in the stage's file.
windows = Table(
    "windows",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("held", Integer, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("opened", BigInteger),
    Column("due", BigInteger),
    Column("event", BigInteger),
    Column("number", BigInteger),
    #: JSON: the times of events; empty where it has none.
    Column("times", Text, nullable=False),
    Column("rule_set", Text, nullable=False),
    Index("windows_expires", "expires"),
    sqlite_with_rowid=False,
)
Index(
    "windows_due",
    windows.c.due,
    sqlite_where=windows.c.due.is_not(None),
    postgresql_where=windows.c.due.is_not(None),
)

#: The events that windows have gathered; they stay until the message that tells of them is forgotten.
gathered = Table(
    "gathered",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("event", BigInteger, primary_key=True, autoincrement=False),
    #: 1 where it came too late for the message that it belongs to.
    Column("late", Integer, nullable=False),
    Index("gathered_event", "event"),
    sqlite_with_rowid=False,
)

silences = Table(
    "silences",
    metadata,
    Column("id", Text, primary_key=True),
    #: Empty: all rules.
    Column("rule", Text, nullable=False),
    #: JSON: {path: what must hold there}.
    Column("match", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    #: Who ended it before its time; empty where nobody did.
    Column("ended_by", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: Who took care of what a rule told of.
acknowledgements = Table(
    "acknowledgements",
    metadata,
    #: The one that was acknowledged; it speaks for all of its rule about the same event, or events.
    Column("delivery", BigInteger, primary_key=True, autoincrement=False),
    Column("event", BigInteger),
    Column("gathered", BigInteger),
    Column("rule", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Index("acknowledgements_event", "event"),
    Index("acknowledgements_gathered", "gathered"),
    sqlite_with_rowid=False,
)

#: What zennotify signs with.
keys = Table(
    "keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: What events taught of a thing (see zenoti/facts.py); one row for each.
facts = Table(
    "facts",
    metadata,
    #: Its kind and its id, with a blank between them.
    Column("thing", Text, primary_key=True),
    #: JSON: [[at, event, {field: value}], ...].
    Column("lessons", Text, nullable=False),
    Column("seen", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

rule_sets = Table(
    "rule_sets",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("sources", Text, nullable=False),
    Column("used_at", BigInteger, nullable=False),
)


def to_micros(moment: datetime) -> int:
    """Return an aware moment as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return microseconds since 1970 as a moment in UTC."""
    return _EPOCH + timedelta(microseconds=micros)
