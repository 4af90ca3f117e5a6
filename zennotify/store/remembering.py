"""What rules remember: the statements of windows, and of the events that they gather.

A part of Transaction, for those who decide.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, exists, select, update

from zennotify.core.scene import Revision
from zennotify.core.window import Gathered, Window, WindowKey
from zennotify.store import statements
from zennotify.store import window_statements as sql
from zennotify.store.engine import translated_errors
from zennotify.store.rows import KeptEvent, NewDecision, Timer
from zennotify.store.schema import decisions, from_micros, gathered, to_micros, windows

#: A clock that is ahead by less is not worth a correction.
_SLACK: Final = timedelta(minutes=1)


class Remembering:
    """The part of Transaction that remembers."""

    _connection: Connection

    def windows(self, keys: Collection[WindowKey]) -> dict[WindowKey, Window]:
        """Return the windows that are kept of these keys."""
        if not keys:
            return {}
        with translated_errors():  # it is asked in the middle of deciding, where only an event may be blamed
            rows = sql.WINDOWS.all(self._connection, json.dumps([list(key) for key in keys]))
        return dict(kept_window(row) for row in rows)

    def save_windows(self, changed: Mapping[WindowKey, Window | None]) -> None:
        """Keep windows as they are now; None is one that is over."""
        sql.END_WINDOW.many(
            self._connection, [tuple(key) for key, window in changed.items() if window is None]
        )
        sql.SAVE_WINDOW.many(
            self._connection,
            [_row(key, window) for key, window in changed.items() if window is not None],
        )

    # --- timers -------------------------------------------------------------------------------------------

    def next_timer(self) -> datetime | None:
        """Return when the next window's time comes."""
        [(due,)] = sql.NEXT_TIMER.all(self._connection)
        return None if due is None else from_micros(due)

    def due_windows(self, now: datetime, most: int) -> list[Timer]:
        """Return windows whose time has come, in the order of their time, with the events that they are about."""
        found = [kept_window(row) for row in sql.DUE_WINDOWS.all(self._connection, to_micros(now), most)]
        places = {window.event for _, window in found if window.event is not None}
        kept = self.events_at(places)
        return [
            Timer(key, window, None if window.event is None else kept.get(window.event))
            for key, window in found
        ]

    def events_at(self, places: Collection[int]) -> dict[int, KeptEvent]:
        """Return the events of these places, as far as they are still there."""
        if not places:
            return {}
        with translated_errors():  # as above
            rows = statements.EVENTS.all(self._connection, json.dumps(list(places)))
        return {row.seq: kept_event(row) for row in rows}

    def first_undecided(self) -> datetime | None:
        """Return when the oldest undecided event arrived; None where there is none."""
        rows = statements.FIRST_UNDECIDED.all(self._connection)
        return from_micros(rows[0].received_at) if rows else None

    def reanchor(self, now: datetime, never: datetime) -> None:
        """Let windows count from now on that were opened by a clock that was ahead, or showed a time before `never`."""
        at, ahead, unset = (to_micros(moment) for moment in (now, now + _SLACK, never))
        self._connection.execute(sql.REANCHOR, {"now": at, "ahead": ahead, "never": unset})

    # --- what is gathered ---------------------------------------------------------------------------------

    def next_gathering(self) -> int:
        """Return the number of the next window that gathers events; none is given twice while anything has it."""
        with translated_errors():  # as above
            [(last,)] = sql.LAST_NUMBER.all(self._connection)
        return (last or 0) + 1

    def gather(self, those: Sequence[Gathered]) -> None:
        """Keep which events windows have gathered."""
        sql.GATHER.many(self._connection, [(one.number, one.place, int(one.is_late)) for one in those])

    def last_gathered(self, number: int) -> KeptEvent | None:
        """Return the last event that a window has gathered and that is still there."""
        with translated_errors():  # as above
            [(place,)] = sql.LAST_GATHERED.all(self._connection, number)
        return None if place is None else self.events_at([place]).get(place)

    # --- decisions that change ----------------------------------------------------------------------------

    def revise(self, revisions: Iterable[Revision]) -> None:
        """Keep what has become of decisions."""
        for one in revisions:
            statement = statements.REVISE_GATHERED if one.is_of_gathered else statements.REVISE
            statement.many(self._connection, [(one.reason.value, one.detail, one.place, one.rule)])

    def add_later_decisions(self, new: Sequence[NewDecision]) -> None:
        """Keep decisions of events that have been decided before; their own place counts for nothing."""
        rows = [(one.event, one.rule, one.reason, one.detail, one.event) for one in new]
        statements.ADD_LATER_DECISION.many(self._connection, rows)

    # --- rules that are renamed ---------------------------------------------------------------------------

    def carry_over(self, renamed: Mapping[str, str]) -> int:
        """Give the windows of rules, by their old ids, to rules that have none of their own; return how many."""
        moved = 0
        for old, new in renamed.items():
            mine = windows.alias()
            has_own = exists().where(
                mine.c.rule == new, mine.c.stage == windows.c.stage, mine.c.key == windows.c.key
            )
            to_new = update(windows).where(windows.c.rule == old, ~has_own).values(rule=new)
            moved += self._connection.execute(to_new).rowcount
            # One that has still to fire goes on under its old name, as those of removed rules do.
            self._connection.execute(delete(windows).where(windows.c.rule == old, windows.c.due.is_(None)))
            waiting = select(windows.c.event).where(windows.c.rule == new, windows.c.event.is_not(None))
            held = select(gathered.c.event).where(
                gathered.c.number.in_(
                    select(windows.c.number).where(windows.c.rule == new, windows.c.number.is_not(None))
                )
            )
            self._connection.execute(
                update(decisions)
                .where(decisions.c.rule == old, decisions.c.event.in_(waiting.union_all(held)))
                .values(rule=new)
            )
        return moved

    # --- retention ----------------------------------------------------------------------------------------

    def purge_windows(self, now: datetime) -> int:
        """Forget windows that nothing needs any more; one whose timer has still to fire is needed."""
        is_over = (windows.c.expires < to_micros(now)) & windows.c.due.is_(None)
        return self._connection.execute(delete(windows).where(is_over)).rowcount


def kept_event(row: Any) -> KeptEvent:
    """Return an event as it was kept."""
    return KeptEvent(
        place=row.seq,
        id=row.id,
        type=row.type,
        received_at=from_micros(row.received_at),
        rule_set=row.rule_set,
        body=bytes(row.body),
        tries=row.tries,
    )


def _row(key: WindowKey, window: Window) -> tuple[Any, ...]:
    until = to_micros(window.until)
    return (
        key.rule,
        key.stage,
        key.key,
        until,
        window.held,
        until if window.lasts is None else to_micros(window.lasts),
        window.count,
        None if window.opened is None else to_micros(window.opened),
        None if window.due is None else to_micros(window.due),
        window.event,
        window.number,
        json.dumps([to_micros(time) for time in window.times]) if window.times else "",
        window.rule_set,
    )


def kept_window(row: Any) -> tuple[WindowKey, Window]:
    """Return a window as it was kept, and its name."""
    expires = None if row.expires == row.until else from_micros(row.expires)
    return WindowKey(row.rule, row.stage, row.key), Window(
        until=from_micros(row.until),
        held=row.held,
        count=row.count,
        opened=None if row.opened is None else from_micros(row.opened),
        due=None if row.due is None else from_micros(row.due),
        event=row.event,
        number=row.number,
        times=tuple(from_micros(time) for time in json.loads(row.times)) if row.times else (),
        lasts=expires,
        rule_set=row.rule_set,
    )
