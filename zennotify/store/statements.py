"""The SQL of the write path, one set for both engines.

What runs for each event or delivery is compiled once per engine, and takes its parameters as a tuple (Prepared):
SQLAlchemy's own handling of parameters costs as much as what SQLite does with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from zennotify.store.schema import (
    PENDING,
    SENDING,
    attempts,
    channels,
    decisions,
    deliveries,
    events,
    facts,
    undecided,
    windows,
)


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
_NONE: ColumnElement[int] = literal_column("0")

# --- events -----------------------------------------------------------------------------------------------

LAST_EVENT = Prepared(select(func.max(events.c.seq)))
KNOWN_IDS = Prepared(
    select(events.c.id, events.c.fingerprint).where(is_in(events.c.id, texts("ids"))),
    "ids",
)
KNOWN_FINGERPRINTS = Prepared(
    select(events.c.id, events.c.fingerprint).where(
        is_in(events.c.fingerprint, texts("fingerprints")), events.c.received_at >= bindparam("since")
    ),
    "fingerprints",
    "since",
)
ADD_EVENT = Prepared(insert(events), *events.c.keys())
ADD_UNDECIDED = Prepared(
    insert(undecided).values(event=bindparam("place"), tries=literal_column("0")), "place"
)
_KEPT = (events.c.seq, events.c.id, events.c.type, events.c.received_at, events.c.rule_set, events.c.body)
OLDEST_UNDECIDED = Prepared(
    select(*_KEPT, undecided.c.tries)
    .join_from(undecided, events, events.c.seq == undecided.c.event)
    .where(undecided.c.event > bindparam("after"))
    .order_by(undecided.c.event)
    .limit(bindparam("most", type_=BigInteger))
    .offset(_NONE),
    "after",
    "most",
)
LAST_UNDECIDED = Prepared(select(func.max(undecided.c.event)))
EVENTS = Prepared(
    select(*_KEPT, literal_column("0").label("tries")).where(is_in(events.c.seq, numbers("places"))),
    "places",
)
COUNT_TRY = Prepared(
    update(undecided)
    .where(undecided.c.event == bindparam("place"))
    .values(tries=undecided.c.tries + literal_column("1")),
    "place",
)
DECIDED = Prepared(delete(undecided).where(is_in(undecided.c.event, numbers("places"))), "places")
SET_RULES = Prepared(
    update(events).where(events.c.seq == bindparam("place")).values(rule_set=bindparam("hash")),
    "hash",
    "place",
)
ADD_DECISION = Prepared(insert(decisions), *decisions.c.keys())

# --- windows ----------------------------------------------------------------------------------------------

# Not `(rule, stage, key) IN (...)`: for more than one key SQLite would read the whole table.
WINDOWS = Prepared(
    select(windows).where(
        is_in(windows.c.rule, texts("rules")),
        is_in(windows.c.stage, texts("stages")),
        is_in(windows.c.key, texts("keys")),
    ),
    "rules",
    "stages",
    "keys",
)


def _save_window(add: sqlite.Insert | postgresql.Insert) -> ClauseElement:
    return add.on_conflict_do_update(
        index_elements=["rule", "stage", "key"],
        set_={name: add.excluded[name] for name in ("until", "held", "expires")},
    )


SAVE_WINDOW = Prepared(
    _save_window(sqlite.insert(windows)),
    *windows.c.keys(),
    for_engine={"postgresql": _save_window(postgresql.insert(windows))},
)

# --- facts ------------------------------------------------------------------------------------------------

FACTS = Prepared(
    select(facts.c.thing, facts.c.lessons).where(is_in(facts.c.thing, texts("things"))), "things"
)


def _save_facts(add: sqlite.Insert | postgresql.Insert, learned: ColumnElement[Any]) -> ClauseElement:
    """Keep the members of one JSON object: for the engine this is cheaper than a row at a time."""
    each = func.json_each(learned).table_valued("key", "value")
    members = select(each.c.key, cast(each.c.value, Text), bindparam("seen", type_=BigInteger))
    # SQLite needs a condition, or it takes ON CONFLICT for a part of a join.
    rows = add.from_select(
        ["thing", "lessons", "seen"], members.where(literal_column("1") == literal_column("1"))
    )
    return rows.on_conflict_do_update(
        index_elements=["thing"], set_={name: rows.excluded[name] for name in ("lessons", "seen")}
    )


_LEARNED = bindparam("learned", type_=Text)
SAVE_FACTS = Prepared(
    _save_facts(sqlite.insert(facts), _LEARNED),
    "seen",
    "learned",
    for_engine={"postgresql": _save_facts(postgresql.insert(facts), cast(_LEARNED, JSON))},
)

REWRITE_FACT = Prepared(
    update(facts).where(facts.c.thing == bindparam("of_thing")).values(lessons=bindparam("left")),
    "left",
    "of_thing",
)

# --- deliveries -------------------------------------------------------------------------------------------

LAST_DELIVERY = Prepared(select(func.max(deliveries.c.seq)))
_NEW = (
    "seq",
    "event",
    "window",
    "rule",
    "channel",
    "recipient",
    "step",
    "rule_set",
    "held_back",
    "state",
    "reason",
    "created",
    "due",
    "attempts",
    "title",
    "message",
    "since",
    "tries",
    "unsure",
    "instead_of",
)
ADD_DELIVERY = Prepared(insert(deliveries).values({name: bindparam(name) for name in _NEW}), *_NEW)
CLAIM = Prepared(
    update(deliveries)
    .where(
        deliveries.c.seq.in_(
            select(deliveries.c.seq)
            .where(
                deliveries.c.channel == bindparam("wanted_channel"),
                deliveries.c.state == PENDING,
                deliveries.c.due <= bindparam("now"),
            )
            .order_by(deliveries.c.due)
            .limit(bindparam("most", type_=BigInteger))
            .offset(_NONE)
            .with_for_update(skip_locked=True)
        )
    )
    .values(state=SENDING, lease=bindparam("token"), lease_until=bindparam("until"))
    .returning(
        deliveries.c.seq,
        deliveries.c.event,
        deliveries.c.rule,
        deliveries.c.channel,
        deliveries.c.rule_set,
        deliveries.c.held_back,
        deliveries.c.attempts,
        deliveries.c.recipient,
        deliveries.c.title,
        deliveries.c.message,
        deliveries.c.due,
        deliveries.c.since,
        deliveries.c.tries,
        deliveries.c.unsure,
        deliveries.c.instead_of,
    ),
    "token",
    "until",
    "wanted_channel",
    "now",
    "most",
)
HASTEN = Prepared(
    update(deliveries)
    .where(
        is_in(deliveries.c.seq, numbers("numbers")),
        deliveries.c.state == PENDING,
        deliveries.c.due > bindparam("now"),
    )
    .values(due=bindparam("at")),
    "at",
    "numbers",
    "now",
)
NEXT_DUE = Prepared(
    select(func.min(deliveries.c.due)).where(
        deliveries.c.channel == bindparam("wanted_channel"), deliveries.c.state == PENDING
    ),
    "wanted_channel",
)
NEXT_LEASE_END = Prepared(select(func.min(deliveries.c.lease_until)).where(deliveries.c.state == SENDING))
LEASES = Prepared(
    select(deliveries.c.seq, deliveries.c.lease)
    .where(is_in(deliveries.c.seq, numbers("numbers")))
    .with_for_update(),
    "numbers",
)
ADD_ATTEMPT = Prepared(
    insert(attempts).values(
        delivery=bindparam("of_delivery"),
        number=bindparam("of_number"),
        started=bindparam("began"),
        detail=literal_column("''"),
    ),
    "of_delivery",
    "of_number",
    "began",
)
BEGIN = Prepared(
    update(deliveries)
    .where(deliveries.c.seq == bindparam("delivery"))
    .values(attempts=bindparam("number"), title=bindparam("text_title"), message=bindparam("text_body")),
    "number",
    "text_title",
    "text_body",
    "delivery",
)
FINISH_ATTEMPT = Prepared(
    update(attempts)
    .where(attempts.c.delivery == bindparam("of_delivery"), attempts.c.number == bindparam("of_number"))
    .values(finished=bindparam("ended"), outcome=bindparam("result"), detail=bindparam("text")),
    "ended",
    "result",
    "text",
    "of_delivery",
    "of_number",
)
SETTLE = Prepared(
    update(deliveries)
    .where(deliveries.c.seq == bindparam("delivery"), deliveries.c.lease == bindparam("token"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        due=bindparam("new_due"),
        tries=bindparam("new_tries"),
        unsure=bindparam("new_unsure"),
        lease=null(),
        lease_until=null(),
    ),
    "new_state",
    "new_reason",
    "new_due",
    "new_tries",
    "new_unsure",
    "delivery",
    "token",
)

#: What falls back, as far as its own channel still holds it: the new delivery is made of it.
FALLING = Prepared(
    select(
        deliveries.c.seq,
        deliveries.c.event,
        deliveries.c.rule,
        deliveries.c.step,
        deliveries.c.rule_set,
        deliveries.c.held_back,
        deliveries.c.lease,
    )
    .where(is_in(deliveries.c.seq, numbers("numbers")), deliveries.c.event.is_not(None))
    .order_by(deliveries.c.seq)
    .with_for_update(),
    "numbers",
)
#: Pending deliveries of a channel that have been due for too long.
OVERDUE = Prepared(
    select(deliveries.c.seq)
    .where(
        deliveries.c.channel == bindparam("wanted_channel"),
        deliveries.c.state == PENDING,
        deliveries.c.due <= bindparam("now"),
        deliveries.c.since <= bindparam("before"),
        deliveries.c.event.is_not(None),
    )
    .order_by(deliveries.c.due)
    .limit(bindparam("most", type_=BigInteger))
    .offset(_NONE),
    "wanted_channel",
    "now",
    "before",
    "most",
)
CANCEL_FALLEN = Prepared(
    update(deliveries)
    .where(deliveries.c.seq == bindparam("delivery"))
    .values(
        state=literal_column("'cancelled'"), reason=literal_column("'fallback'"), due=bindparam("new_due")
    ),
    "new_due",
    "delivery",
)
FIRST_DUE = Prepared(
    select(func.min(deliveries.c.since)).where(
        deliveries.c.channel == bindparam("wanted_channel"), deliveries.c.state == PENDING
    ),
    "wanted_channel",
)
#: What waits for a channel's next probe is due now.
UNBLOCK = Prepared(
    update(deliveries)
    .where(
        deliveries.c.channel == bindparam("wanted_channel"),
        deliveries.c.state == PENDING,
        deliveries.c.due > bindparam("now"),
        deliveries.c.reason == literal_column("'blocked'"),
    )
    .values(due=bindparam("at")),
    "at",
    "wanted_channel",
    "now",
)
CHANNELS_OF = Prepared(
    select(deliveries.c.seq, deliveries.c.channel).where(is_in(deliveries.c.seq, numbers("numbers"))),
    "numbers",
)


def _add_fallback(add: sqlite.Insert | postgresql.Insert) -> ClauseElement:
    # Where the rule tells the fallback anyway, that is enough.
    return add.values({name: bindparam(name) for name in _NEW}).on_conflict_do_nothing()


ADD_FALLBACK = Prepared(
    _add_fallback(sqlite.insert(deliveries)),
    *_NEW,
    for_engine={"postgresql": _add_fallback(postgresql.insert(deliveries))},
)

# --- channels ---------------------------------------------------------------------------------------------

_PAUSE = ("cause", "since", "until", "probes", "detail")


def _save_pause(add: sqlite.Insert | postgresql.Insert) -> ClauseElement:
    added = add.values(spent=literal_column("''"), **{name: bindparam(name) for name in ("name", *_PAUSE)})
    return added.on_conflict_do_update(
        index_elements=["name"], set_={name: added.excluded[name] for name in _PAUSE}
    )


SAVE_PAUSE = Prepared(
    _save_pause(sqlite.insert(channels)),
    "name",
    *_PAUSE,
    for_engine={"postgresql": _save_pause(postgresql.insert(channels))},
)


def _save_spent(add: sqlite.Insert | postgresql.Insert) -> ClauseElement:
    added = add.values(name=bindparam("name"), spent=bindparam("spent"))
    return added.on_conflict_do_update(index_elements=["name"], set_={"spent": added.excluded.spent})


SAVE_SPENT = Prepared(
    _save_spent(sqlite.insert(channels)),
    "name",
    "spent",
    for_engine={"postgresql": _save_spent(postgresql.insert(channels))},
)
