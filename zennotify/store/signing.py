"""What zennotify signs with: made once, kept in the store, never shown or logged.

A part of Transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from zennotify.store.schema import keys


class Signing:
    """The part of Transaction that keeps keys."""

    _connection: Connection

    def signing_key(self, name: str, fresh: bytes) -> bytes:
        """Return the key of this name; where there is none yet, the fresh one is kept as it."""
        kept = self._connection.execute(select(keys.c.value).where(keys.c.name == name)).scalar()
        if kept is not None:
            return bytes.fromhex(kept)
        self._connection.execute(insert(keys).values(name=name, value=fresh.hex()))
        return fresh
