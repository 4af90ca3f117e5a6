"""The SQL of the write path for events and facts, one set for both engines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from zennotify.store.prepared import NONE, Prepared, is_in, numbers, texts
from zennotify.store.schema import (
    decisions,
    events,
    facts,
    gathered,
    undecided,
)

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
    .offset(NONE),
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
#: One more decision of an event, behind those that it has.
ADD_LATER_DECISION = Prepared(
    insert(decisions).from_select(
        list(decisions.c.keys()),
        select(
            bindparam("event", type_=BigInteger),
            func.coalesce(func.max(decisions.c.place), literal_column("-1")) + literal_column("1"),
            bindparam("rule", type_=Text),
            bindparam("reason", type_=Text),
            bindparam("detail", type_=Text),
        ).where(decisions.c.event == bindparam("of_event")),
    ),
    "event",
    "rule",
    "reason",
    "detail",
    "of_event",
)
_REVISED: dict[str, Any] = {"reason": bindparam("new_reason"), "detail": bindparam("new_detail")}
REVISE = Prepared(
    update(decisions)
    .where(decisions.c.event == bindparam("of_event"), decisions.c.rule == bindparam("of_rule"))
    .values(_REVISED),
    "new_reason",
    "new_detail",
    "of_event",
    "of_rule",
)
REVISE_GATHERED = Prepared(
    update(decisions)
    .where(
        decisions.c.event.in_(select(gathered.c.event).where(gathered.c.number == bindparam("number"))),
        decisions.c.rule == bindparam("of_rule"),
    )
    .values(_REVISED),
    "new_reason",
    "new_detail",
    "number",
    "of_rule",
)
#: When the oldest undecided event arrived.
FIRST_UNDECIDED = Prepared(
    select(events.c.received_at)
    .join_from(undecided, events, events.c.seq == undecided.c.event)
    .order_by(undecided.c.event)
    .limit(literal_column("1"))
    .offset(NONE)
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
