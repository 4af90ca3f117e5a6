"""What operators have muted: the statements of silences.

A part of Transaction and one of Reader, for silences.py, the command line and erasure.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from zennotify.core.model import Reason
from zennotify.store.asking import Asking, begins
from zennotify.store.schema import decisions, from_micros, silences, to_micros

#: The oldest first.
_ALL = select(silences).order_by(silences.c.since, silences.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSilence:
    """A silence as it is kept."""

    id: str
    #: Empty: all rules.
    rule: str
    #: What must hold at each path, as in a rule's `match`.
    match: Mapping[str, Any]
    since: datetime
    until: datetime
    why: str
    by: str
    #: Who ended it before its time; empty where nobody did.
    ended_by: str = ""


class Silencing:
    """The part of Transaction that mutes."""

    _connection: Connection

    def silences(self, since: datetime) -> list[KeptSilence]:
        """Return those that hold at this moment or at a later one."""
        rows = self._connection.execute(_ALL.where(silences.c.until > to_micros(since)))
        return [_kept(row) for row in rows]

    def add_silence(self, new: KeptSilence) -> bool:
        """Keep a silence; False where its id is taken."""
        taken = select(silences.c.id).where(silences.c.id == new.id)
        if self._connection.execute(taken).first() is not None:
            return False
        self._connection.execute(
            insert(silences).values(
                id=new.id,
                rule=new.rule,
                match=json.dumps(dict(new.match)),
                since=to_micros(new.since),
                until=to_micros(new.until),
                why=new.why,
                by=new.by,
                ended_by=new.ended_by,
            )
        )
        return True

    def end_silence(self, silence: str, by: str, now: datetime) -> bool:
        """Let a silence hold no more from now on; False where it is over already."""
        at = to_micros(now)
        ended = (
            update(silences)
            .where(silences.c.id == silence, silences.c.until > at)
            .values(until=at, ended_by=by)
        )
        return self._connection.execute(ended).rowcount == 1

    def rename_silences(self, renamed: Mapping[str, str]) -> None:
        """Let silences of rules, by their old ids, hold for the new ones."""
        for old, new in renamed.items():
            self._connection.execute(update(silences).where(silences.c.rule == old).values(rule=new))

    def erase_silences(self, ids: Sequence[str]) -> int:
        """Delete silences; return their number."""
        return self._connection.execute(delete(silences).where(silences.c.id.in_(ids))).rowcount

    def purge_silences(self, before: datetime) -> int:
        """Forget silences that were over before this moment."""
        return self._connection.execute(delete(silences).where(silences.c.until < to_micros(before))).rowcount


class SilenceReading(Asking):
    """The part of Reader that reads silences."""

    def silences(self) -> list[KeptSilence]:
        """Return all of them, the oldest first."""
        return [_kept(row) for row in self._all(_ALL)]

    def silence(self, beginning: str) -> list[KeptSilence]:
        """Return the silences whose id begins so; at most two."""
        named = begins(silences.c.id, beginning.strip().lower())
        return [_kept(row) for row in self._all(_ALL.where(*named).limit(2))]

    def count_silenced(self, silence: str) -> int:
        """Return how many decisions name a silence."""
        is_of_it = decisions.c.detail.startswith(f"silence {silence} ", autoescape=True)
        query = select(func.count()).where(decisions.c.reason == Reason.SILENCED.value, is_of_it)
        return int(self._all(query)[0][0])


def _kept(row: Any) -> KeptSilence:
    return KeptSilence(
        id=row.id,
        rule=row.rule,
        match=json.loads(row.match),
        since=from_micros(row.since),
        until=from_micros(row.until),
        why=row.why,
        by=row.by,
        ended_by=row.ended_by,
    )
