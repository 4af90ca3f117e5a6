"""The SQL of the write path for deliveries, attempts and channels, one set for both engines."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    bindparam,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from zennotify.core.escalation import TAKEN
from zennotify.store.acknowledging import ACKNOWLEDGED, is_taken
from zennotify.store.prepared import NONE, Prepared, is_in, numbers
from zennotify.store.schema import (
    PENDING,
    SENDING,
    attempts,
    channels,
    deliveries,
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
    "gathered",
    "counted",
    "meant",
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
            .offset(NONE)
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
        deliveries.c.reason,
        deliveries.c.step,
        deliveries.c.gathered,
        deliveries.c.counted,
        deliveries.c.meant,
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

#: What is told to the owners of zennotify itself is written for one channel, and never falls back; nor does the
#: message that says who took it.
_MAY_FALL_BACK = (deliveries.c.event.is_not(None) | deliveries.c.gathered.is_not(None)) & (
    deliveries.c.step != literal_column(str(TAKEN))
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
        deliveries.c.window,
        deliveries.c.gathered,
        deliveries.c.counted,
        deliveries.c.meant,
    )
    .where(is_in(deliveries.c.seq, numbers("numbers")), _MAY_FALL_BACK, ~is_taken())
    .order_by(deliveries.c.seq)
    .with_for_update(),
    "numbers",
)
#: Steps of an escalation that were being sent when somebody took it, and would be sent again.
CANCEL_TAKEN = Prepared(
    update(deliveries)
    .where(is_in(deliveries.c.seq, numbers("numbers")), deliveries.c.state == PENDING, is_taken())
    .values(state=literal_column("'cancelled'"), reason=literal_column(f"'{ACKNOWLEDGED}'")),
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
        _MAY_FALL_BACK,
    )
    .order_by(deliveries.c.due)
    .limit(bindparam("most", type_=BigInteger))
    .offset(NONE),
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
#: Whether a fallback tells what these events led to.
TOLD_BY = Prepared(
    select(deliveries.c.event, deliveries.c.gathered, deliveries.c.rule, deliveries.c.step).where(
        is_in(deliveries.c.event, numbers("events")) | is_in(deliveries.c.gathered, numbers("gathered")),
        deliveries.c.channel == bindparam("wanted_channel"),
        deliveries.c.recipient == literal_column("''"),
        deliveries.c.state.in_([PENDING, SENDING, literal_column("'delivered'")]),
    ),
    "events",
    "gathered",
    "wanted_channel",
)
FORGET_TEXT = Prepared(
    update(deliveries)
    .where(deliveries.c.seq == bindparam("delivery"), deliveries.c.lease == bindparam("token"))
    .values(title=null(), message=null()),
    "delivery",
    "token",
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
