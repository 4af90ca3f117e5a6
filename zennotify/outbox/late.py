"""Gathers what is too late to be sent alone: its delivery is cancelled and its event goes into a digest of its channel.

Called by outbox.py in the writer's thread, within a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from zennotify.core import digest
from zennotify.core.window import Windows
from zennotify.outbox.lanes import Late
from zennotify.store.transaction import Transaction


def gather_late(transaction: Transaction, lates: Sequence[Late]) -> list[datetime | None]:
    """Gather those whose lease is still ours, and settle all; return for each when the next timer is due."""
    held = transaction.hold([(late.settled.delivery, late.settled.lease) for late in lates])
    mine = [late for late, is_held in zip(lates, held, strict=True) if is_held]
    keys = [digest.late_key(late.claimed.rule, late.claimed.channel, late.claimed.recipient) for late in mine]
    numbers = count(transaction.next_gathering())
    windows = Windows(transaction.windows(keys), lambda: next(numbers))
    for key, late in zip(keys, mine, strict=True):
        event = late.claimed.event
        assert event is not None, "only the message about one event is gathered"  # noqa: S101
        digest.gather_late(windows, key, event.place, late.claimed.held_back, late.now, late.claimed.rule_set)
    transaction.save_windows(windows.changed)
    transaction.gather(windows.gathered)
    transaction.settle([late.settled for late in lates])
    return [transaction.next_timer()] * len(lates)
