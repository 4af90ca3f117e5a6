"""What rules remember, for who wants to know what comes next: windows with timers, and the events that they gather.

A part of Reader.  There is no index by event: what looks for one reads all windows that have a timer.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, case, func, or_, select

from zennotify.core.window import WindowKey
from zennotify.store.asking import Asking
from zennotify.store.number import delivery_number
from zennotify.store.remembering import kept_window
from zennotify.store.schema import acknowledgements, deliveries, events, from_micros, gathered, windows
from zennotify.store.views import AcknowledgementView, GatheredView, WindowView

_TIMERS = (
    select(windows, events.c.id.label("event_key"))
    .outerjoin(events, events.c.seq == windows.c.event)
    .where(windows.c.due.is_not(None))
    .order_by(windows.c.due, windows.c.rule, windows.c.stage, windows.c.key)
)
#: When an event happened; not later than its arrival, as in core/model.py.
_MOMENT = case((events.c.at < events.c.received_at, events.c.at), else_=events.c.received_at)


class Recalling(Asking):
    """The part of Reader that tells what rules remember."""

    def timers(self, *, rule: str | None = None, most: int = 50) -> list[WindowView]:
        """Return the windows whose timers have still to fire, the next one first."""
        query = _TIMERS if rule is None else _TIMERS.where(windows.c.rule == rule)
        return self._timers(query.limit(most))

    def timer(self, key: WindowKey) -> WindowView | None:
        """Return one of them by its name."""
        found = self._timers(
            _TIMERS.where(*(windows.c[name] == part for name, part in key._asdict().items()))
        )
        return found[0] if found else None

    def timers_of(self, event: str) -> list[WindowView]:
        """Return those that an event is in, given its id: alone, as the last one that came, or gathered with others."""
        place = _place_of(event)
        alone = windows.c.number.is_(None) & (windows.c.event == place)
        return self._timers(_TIMERS.where(or_(alone, windows.c.number.in_(_numbers_of(place)))))

    def timers_about(self, number: int) -> list[WindowView]:
        """Return those that are about the events gathered under a number."""
        return self._timers(_TIMERS.where(windows.c.number == number))

    def count_timers(self) -> dict[str, int]:
        """Return how many windows with a timer each rule has."""
        query = select(windows.c.rule, func.count().label("open")).where(windows.c.due.is_not(None))
        return {row.rule: row.open for row in self._all(query.group_by(windows.c.rule))}

    def gathered(self, number: int) -> list[GatheredView]:
        """Return the events that are gathered under a number, as far as they are still there, the oldest first."""
        columns = (
            *(events.c.id, events.c.type, events.c.received_at, events.c.center),
            *(_MOMENT.label("moment"), gathered.c.late),
        )
        query = select(*columns).join_from(gathered, events, events.c.seq == gathered.c.event)
        rows = self._all(query.where(gathered.c.number == number).order_by("moment", events.c.seq))
        return [
            GatheredView(
                id=row.id,
                type=row.type,
                at=from_micros(row.moment),
                received=from_micros(row.received_at),
                center=row.center,
                is_late=bool(row.late),
            )
            for row in rows
        ]

    def acknowledgements_of(self, event: str) -> list[AcknowledgementView]:
        """Return who took care of what was told of an event, given its id, alone or with others."""
        place = _place_of(event)
        about = (acknowledgements.c.event == place) | acknowledgements.c.gathered.in_(_numbers_of(place))
        return self._acknowledgements(about)

    def acknowledgement(self, delivery: str) -> AcknowledgementView | None:
        """Return who took care of what a delivery tells of, given its id: another one may have been acknowledged."""
        mine = select(deliveries).where(deliveries.c.seq == delivery_number(delivery)).subquery()
        same = (acknowledgements.c.event == mine.c.event) | (acknowledgements.c.gathered == mine.c.gathered)
        about = select(mine.c.seq).where(same, acknowledgements.c.rule == mine.c.rule).exists()
        found = self._acknowledgements(about)
        return found[0] if found else None

    def _timers(self, query: Select[Any]) -> list[WindowView]:
        found: list[WindowView] = []
        for row in self._all(query):
            key, window = kept_window(row)
            found.append(WindowView(key=key, window=window, due=from_micros(row.due), event=row.event_key))
        return found

    def _acknowledgements(self, about: ColumnElement[bool]) -> list[AcknowledgementView]:
        rows = self._all(select(acknowledgements).where(about).order_by(acknowledgements.c.at))
        return [AcknowledgementView(rule=row.rule, at=from_micros(row.at), by=row.by) for row in rows]


def _place_of(event: str) -> ScalarSelect[int]:
    mine = events.alias()
    return select(mine.c.seq).where(mine.c.id == event).scalar_subquery()


def _numbers_of(place: ScalarSelect[int]) -> Select[tuple[int]]:
    """Return the numbers under which an event has been gathered."""
    return select(gathered.c.number).where(gathered.c.event == place)
